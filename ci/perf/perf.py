"""Counts the instructions of each stage, and compares them with the recorded counts. ci/perf.sh starts it.

perf.py INSTRUCTIONS WEIR [--record]

INSTRUCTIONS and WEIR are the programs of a release build. Fails if a stage needs over a tenth more than recorded. If a stage
needs over a tenth less, the record is out of date, and that fails too: otherwise the gain could be lost again unnoticed.
"""

import argparse
import contextlib
import json
import re
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from weir_process import Weir

RECORD = Path(__file__).with_name("instructions.txt")
CHANGE_MAX = 0.10
VALGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
HEADERS = {"prefer": "return=minimal", "content-type": "application/json"}
# No stage and no server takes as long, even on a busy machine.
RUN_SECS = 600
# Requests by events of each. One run sends them once and another one twice, so that the start of the server does not count.
REQUESTS = {1: 1_000, 100: 300, 1_000: 60}


def collected(log):
    """Returns the instructions that callgrind reports at the end of its log."""
    found = re.findall(r"Collected : (\d+)", log)
    if not found or found[-1] == "0":
        sys.exit(f"valgrind counted no instructions:\n{log[-2_000:]}")
    return int(found[-1])


def stage_instructions(program):
    """Returns the instructions for each event or query, by stage."""
    listed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    counts = {}
    for line in listed.splitlines():
        name, units = line.split("\t")
        command = [*VALGRIND, "--toggle-collect=instructions::measured*", program, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_SECS)
        if done.returncode != 0:
            sys.exit(f"{name}: {done.stderr[-2_000:]}")
        counts[name] = collected(done.stderr) / int(units)
        print(f"{name}: {counts[name]:,.1f}", file=sys.stderr)
    return counts


def request_instructions(weir):
    """Returns the instructions of the whole server for each request, by events of a request."""
    return {f"request of {events:,} events": of_requests(weir, events, number) for events, number in REQUESTS.items()}


def of_requests(weir, events, number):
    once, twice = (server_instructions(weir, events, requests) for requests in (number, 2 * number))
    count = (twice - once) / number
    print(f"request of {events:,} events: {count:,.0f}", file=sys.stderr)
    return count


def server_instructions(binary, events, requests):
    """Returns the instructions of a server from its start to its end, with these requests on one connection."""
    with Weir(binary, ["--workers", "1", "--fold-threads", "1"], wrapper=VALGRIND) as weir:
        weir.wait_until_listening()
        with contextlib.closing(weir.connect()) as connection:
            for request in range(requests):
                ids = range(request * events, (request + 1) * events)
                _, _, answer = weir.request("POST", "/events", body(ids), HEADERS, connection)
                if (tally := json.loads(answer))["accepted"] != events:
                    sys.exit(f"not all events were accepted: {tally}")
        weir.process.send_signal(signal.SIGTERM)
        code, _ = weir.end(RUN_SECS)
        log = "\n".join(weir.log)
    if code != 0:
        sys.exit(f"the server ended with {code}:\n{log[-2_000:]}")
    return collected(log)


def body(ids):
    ts = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    events = (
        f'{{"event_id":"evt-{id:024}","user_id":"user-{id * 7_919 % 10_000:08}","type":"click","ts":"{ts}"}}' for id in ids
    )
    return f"[{','.join(events)}]".encode()


def recorded():
    lines = [line.split("\t") for line in RECORD.read_text().splitlines() if not line.startswith("#")]
    return {name: float(count) for name, count in lines}


def compare(counts):
    """Prints a table. Returns the stages that need too many instructions, or are missing."""
    before, wrong = recorded(), []
    print(f"{'':34} {'recorded':>12} {'now':>12} {'change':>8}")
    for name in sorted(before.keys() | counts.keys()):
        if name not in before or name not in counts:
            wrong.append(name)
            print(f"{name:34} is {'not recorded' if name in counts else 'not counted'}")
            continue
        change = counts[name] / before[name] - 1
        if abs(change) > CHANGE_MAX:
            wrong.append(name)
        print(f"{name:34} {before[name]:>12,.1f} {counts[name]:>12,.1f} {change:>+8.1%}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description="Counts the instructions of each stage.")
    parser.add_argument("instructions", help="the program with the stages")
    parser.add_argument("weir")
    parser.add_argument("--record", action="store_true", help="record the counts instead of comparing them")
    options = parser.parse_args()
    if " avx2 " not in Path("/proc/cpuinfo").read_text():
        sys.exit("the recorded counts are for a processor with AVX2")
    counts = stage_instructions(options.instructions) | request_instructions(options.weir)
    if options.record:
        lines = [f"{name}\t{counts[name]:.1f}\n" for name in sorted(counts)]
        RECORD.write_text("# Instructions for each event, query or request. `ci/perf.sh --record` writes this file.\n" + "".join(lines))
        return
    if wrong := compare(counts):
        sys.exit(f"over {CHANGE_MAX:.0%} from the record, or not in both lists: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
