"""Runs the hostile scenarios and writes their report. run.sh builds the server and starts this script."""

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path

# The comparison has the module that starts, pins and stops processes.
sys.path.append(str(Path(__file__).parent.parent / "compare"))

import bombs
import memory
import overload
import report
import slow
import streams
from processes import CLIENT_CORE, FAILURES, SERVER_CORE, exit_on_signals

SCENARIOS = {"slow": slow, "bombs": bombs, "overload": overload, "memory": memory, "streams": streams}


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description="Measures what hostile and excess load cost a server.")
    quick_help = "run for less than four minutes, only to show that the benchmark works"
    parser.add_argument("--quick", action="store_true", help=quick_help)
    parser.add_argument("--only", choices=SCENARIOS, help="run one scenario")
    return parser.parse_args()


def main():
    options = arguments()
    if not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        sys.exit("two cores are needed, one for the server and one for its clients")
    if missing := [program for program in ("taskset", "setpriv") if not shutil.which(program)]:
        sys.exit(f"not found: {', '.join(missing)}")
    exit_on_signals()
    start = time.monotonic()
    os.sched_setaffinity(0, {CLIENT_CORE})
    # If a step hangs, the alarm ends the run and all its processes.
    signal.alarm(900 if options.quick else 1_800)
    sections = []
    for name in [options.only] if options.only else SCENARIOS:
        print(f"{name} …", file=sys.stderr)
        section = report.Section(SCENARIOS[name].TITLE)
        try:
            SCENARIOS[name].run(section, options.quick)
        except FAILURES as failure:
            section.fail(f"the scenario did not complete: {failure}")
        sections.append(section)
    print(report.write(sections))
    print(f"{time.monotonic() - start:.0f} s; written to {report.PATH}", file=sys.stderr)
    return 1 if any(section.has_failed for section in sections) else 0


if __name__ == "__main__":
    sys.exit(main())
