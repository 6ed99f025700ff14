"""What the loading peers have in common: each snapshot is one transaction with its row of ingest_snapshot and its rows of fact_bed_line,
read from a file. Starting Python, importing libraries and connecting are not counted.

    with_….py CONNECTION FOLDER

FOLDER holds N.csv with rows of facts, without a header, and N.sql with the statement for the snapshot's own row."""

import json
import sys
import time
from pathlib import Path

COLUMNS = ("snapshot_key line_no ward_key line_type quantity bay_code bed_ref bed_status empty_state closed_reason bed_base bed_sex "
           "side_room care_level treatment_function gender age_band ready edd_band los_band source_updated_at").split()


def loaded(connect, load):
    files = sorted(Path(sys.argv[2]).glob("*.csv"))
    connection, seconds = connect(sys.argv[1]), []
    for file in files:
        started = time.perf_counter()
        load(connection, file, file.with_suffix(".sql").read_text())
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"seconds": seconds}))
