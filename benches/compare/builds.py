"""Compares the ingest of this build of weir with that of another build, in interleaved rounds.

    benches/compare/builds.sh OTHER_WEIR [--rounds N]

Prints a table of the ratios this/other of the throughput: above 1, this build is faster.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from statistics import median

from load import send
from machine import describe
from processes import CLIENT_CORE, attempt, exit_on_signals
from systems import OUT, WEIR, serving

SECONDS = 1.0
WARM_UP_SECS = 0.5
USERS = 100_000
# System, events in a batch, and whether the replies are minimal.
CASES = [
    ("weir-fixed", 100, True),
    ("weir-fixed", 1_000, True),
    ("weir-fixed", 1_000, False),
    ("weir-fixed", 10_000, True),
    ("weir", 1_000, True),
    ("weir", 1_000, False),
]


def rate(weir, system, batch, minimal):
    """Returns the events per second that a fresh server of this binary ingests."""
    with serving(system, weir=weir) as (_, port):
        send(port, batch, WARM_UP_SECS, USERS, minimal=minimal)
        return send(port, batch, SECONDS, USERS, minimal=minimal)["events_per_sec"]


def main():
    parser = argparse.ArgumentParser(prog="builds.sh", description="Compares the ingest of two builds of weir.")
    parser.add_argument("other", type=Path, help="the binary of the other build")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of all cases (10)")
    options = parser.parse_args()
    other = options.other.resolve(strict=True)
    exit_on_signals()
    OUT.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {CLIENT_CORE})
    signal.alarm(60 + options.rounds * len(CASES) * 20)
    ratios = {case: [] for case in CASES}
    failed = []
    for round_index in range(options.rounds):
        for case in CASES:
            # The order alternates, so that a drift of the machine favours no build.
            builds = [WEIR, other] if round_index % 2 == 0 else [other, WEIR]
            # A run with rejections is no measurement of throughput.
            with attempt(failed, f"round {round_index + 1}: {case}"):
                rates = {build: rate(build, *case) for build in builds}
                ratios[case].append(rates[WEIR] / rates[other])
                print(f"round {round_index + 1}: {case}: {ratios[case][-1]:.3f}", file=sys.stderr)
    print(describe())
    print("| dedup | events in a batch | replies | this/other, median (minimum–maximum) |\n|---|---:|---|---:|")
    for (system, batch, minimal), found in ratios.items():
        dedup = "fixed" if system == "weir-fixed" else "growing"
        replies = "minimal" if minimal else "full"
        spread = f"{median(found):.3f} ({min(found):.2f}–{max(found):.2f})" if found else "no measurement"
        print(f"| {dedup} | {batch:,} | {replies} | {spread} |")
    together = [ratio for found in ratios.values() for ratio in found]
    print(f"\nAll rounds and cases: {median(together):.3f}; {len(failed)} measurements failed")


if __name__ == "__main__":
    main()
