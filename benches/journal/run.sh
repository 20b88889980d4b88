#!/usr/bin/env bash
# Measures what a journal costs: throughput with one and without, latency of single events, replay, and size. README.md in
# this directory has the details.
#
#   benches/journal/run.sh [--rounds N] [--replay ROWS] [--dir DIR]
#
# The report is printed, and written to target/journal/report.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --locked -p weir-cli -p weir-benches --bin weir --bin journal-engine
exec python3 -B benches/journal/journal.py "$@"
