"""Runs the comparison and writes its report. Started by run.sh, which builds what is measured."""

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
from processes import CLIENT_CORE, SERVER_CORE, end_by_exception


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description="Compares weir with others on this machine.")
    parser.add_argument("--install", action="store_true", help="install what is missing, by apt-get, npm and pip")
    parser.add_argument("--quick", action="store_true", help="less than two minutes, to see that it works")
    parser.add_argument("--only", choices=("ingest", "queries", "memory"), help="one section alone")
    return parser.parse_args()


def main():
    chosen = arguments()
    if not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        sys.exit("two cores are needed, one for the server and one for the load generator")
    if absent := [program for program in ("taskset", "setpriv", "nice") if not shutil.which(program)]:
        sys.exit(f"not found: {', '.join(absent)}")
    end_by_exception()
    systems.OUT.mkdir(parents=True, exist_ok=True)
    if chosen.install:
        systems.install()
    begun = time.monotonic()
    os.sched_setaffinity(0, {CLIENT_CORE})
    if chosen.quick:
        limit_secs, rounds, seconds, batches = 110, 2, 0.25, (1, 100, 1_000, 10_000)
        held = {"ids": 2_000_000, "events": 200_000}
        effort = queries.Effort(seconds=0.3, rounds=1, events=100_000)
    else:
        limit_secs, rounds, seconds, batches = 570, 5, 0.7, ingest.BATCHES
        held = {"ids": 30_000_000, "events": 3_000_000}
        effort = queries.Effort(seconds=5, rounds=3, events=1_000_000)
    # A backstop: what hangs here ends the run, and every process with it.
    signal.alarm(2 * limit_secs)
    ingested = ingest.run(rounds, seconds, batches, limit_secs / 2) if chosen.only in (None, "ingest") else None
    queried = queries.run(effort) if chosen.only in (None, "queries") else None
    remembered = memory.run(**held) if chosen.only in (None, "memory") else None
    print(report.write(ingested, queried, remembered))
    print(f"{time.monotonic() - begun:.0f} s; written to {systems.OUT}/report.md", file=sys.stderr)
    failed = [line for section in (ingested, queried, remembered) if section for line in section.failed]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
