#!/usr/bin/env bash
# Compares weir with a discarding handler, Node, Redis and ClickHouse's engine on this machine: see README.md here.
#
#   benches/compare/run.sh [--install] [--quick] [--only ingest|queries|memory]
#
# The report goes to target/compare/report.md and report.svg.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --locked -p weir-cli -p weir-benches --bins
exec python3 -B benches/compare/compare.py "$@"
