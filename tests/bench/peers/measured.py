"""Runs a peer's check again and again on one file, and prints a line of JSON: seconds by the clock and of the processor (all
threads), the peak of memory, and how many things were wrong. Starting Python and importing libraries is not counted."""

import json
import sys
import time
from pathlib import Path


def measured(check):
    path, times = sys.argv[1], int(sys.argv[2])
    seconds, processor = [], []
    for _ in range(times):
        started, used = time.perf_counter(), time.process_time()
        wrong = check(path)
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    print(json.dumps({"seconds": seconds, "processor": processor, "peak": int(peak.split()[1]) * 1024, "wrong": wrong}))
