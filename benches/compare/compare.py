"""Runs the comparison and writes its report. run.sh builds the programs and starts this script."""

import argparse
import os
import shutil
import signal
import sys
import time

import ingest
import memory
import queries
import report
import systems
from processes import CLIENT_CORE, SERVER_CORE, exit_on_signals


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description="Compares weir with other programs on this machine.")
    parser.add_argument("--install", action="store_true", help="install missing dependencies with apt-get, npm and pip")
    quick_help = "run for less than two minutes, only to show that the benchmark works"
    parser.add_argument("--quick", action="store_true", help=quick_help)
    parser.add_argument("--only", choices=("ingest", "queries", "memory"), help="run one section")
    return parser.parse_args()


def main():
    options = arguments()
    if not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        sys.exit("two cores are needed, one for the server and one for the load generator")
    if missing := [program for program in ("taskset", "setpriv", "nice") if not shutil.which(program)]:
        sys.exit(f"not found: {', '.join(missing)}")
    exit_on_signals()
    systems.OUT.mkdir(parents=True, exist_ok=True)
    if options.install:
        systems.install()
    start = time.monotonic()
    os.sched_setaffinity(0, {CLIENT_CORE})
    if options.quick:
        limit_secs, pairs_max, seconds, batches = 110, 1, 0.25, (1, 100, 1_000, 10_000)
        stored = {"ids": 2_000_000, "events": 200_000}
        query_settings = queries.Settings(seconds=0.3, rounds=1, events=100_000)
    else:
        limit_secs, pairs_max, seconds, batches = 1_800, 12, 0.7, ingest.BATCHES
        stored = {"ids": 30_000_000, "events": 3_000_000}
        query_settings = queries.Settings(seconds=5, rounds=3, events=1_000_000)
    # If a step hangs, the alarm ends the run and all its processes.
    signal.alarm(2 * limit_secs)
    ingest_results = ingest.run(pairs_max, seconds, batches, limit_secs / 2) if options.only in (None, "ingest") else None
    query_results = queries.run(query_settings) if options.only in (None, "queries") else None
    memory_results = memory.run(**stored) if options.only in (None, "memory") else None
    print(report.write(ingest_results, query_results, memory_results))
    print(f"{time.monotonic() - start:.0f} s; written to {systems.OUT}/report.md", file=sys.stderr)
    sections = (ingest_results, query_results, memory_results)
    failed = [line for section in sections if section for line in section.failed]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
