"""COPY by psycopg, as a script does that passes a finished file through: Python sees no row."""

import psycopg
from loaded import COLUMNS, loaded

COPY = f"COPY fact_bed_line ({', '.join(COLUMNS)}) FROM STDIN (FORMAT csv)"


def load(connection, file, snapshot):
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(snapshot)
        with cursor.copy(COPY) as copy:
            copy.write(file.read_bytes())


loaded(psycopg.connect, load)
