#!/usr/bin/env bash
# Compares weir with a discarding handler, Node, Redis and ClickHouse's engine on this machine. README.md in this
# directory has the details.
#
#   benches/compare/run.sh [--install] [--quick] [--only ingest|queries|memory]
#
# The report is written to target/compare/report.md and report.svg.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --locked -p weir-cli -p weir-benches --bins
exec python3 -B benches/compare/compare.py "$@"
