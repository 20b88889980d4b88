"""Runs the hostile scenarios and writes their report. Started by run.sh, which builds the server."""

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path

# Processes are started, pinned and stopped as the comparison does it.
sys.path.append(str(Path(__file__).parent.parent / "compare"))

import bombs
import memory
import overload
import report
import slow
import streams
from processes import CLIENT_CORE, FAILURES, SERVER_CORE, end_by_exception

SCENARIOS = {"slow": slow, "bombs": bombs, "overload": overload, "memory": memory, "streams": streams}


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description="Judges what hostile and excess load costs a server.")
    parser.add_argument("--quick", action="store_true", help="less than four minutes, to see that it works")
    parser.add_argument("--only", choices=SCENARIOS, help="one scenario alone")
    return parser.parse_args()


def main():
    chosen = arguments()
    if not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        sys.exit("two cores are needed, one for the server and one for its clients")
    if absent := [program for program in ("taskset", "setpriv") if not shutil.which(program)]:
        sys.exit(f"not found: {', '.join(absent)}")
    end_by_exception()
    begun = time.monotonic()
    os.sched_setaffinity(0, {CLIENT_CORE})
    # A backstop: what hangs here ends the run, and every process with it.
    signal.alarm(900 if chosen.quick else 1_800)
    sections = []
    for name in [chosen.only] if chosen.only else SCENARIOS:
        print(f"{name} …", file=sys.stderr)
        section = report.Section(SCENARIOS[name].TITLE)
        try:
            SCENARIOS[name].run(section, chosen.quick)
        except FAILURES as failure:
            section.fail(f"the scenario was not completed: {failure}")
        sections.append(section)
    print(report.write(sections))
    print(f"{time.monotonic() - begun:.0f} s; written to {report.PATH}", file=sys.stderr)
    return 1 if any(section.is_broken for section in sections) else 0


if __name__ == "__main__":
    sys.exit(main())
