#!/usr/bin/env bash
# Measures what hostile clients and far too many clients cost a release server. README.md in this directory has the
# details.
#
#   benches/hostile/run.sh [--quick] [--only slow|bombs|overload|memory|streams]
#
# The report is written to target/hostile/report.md. The exit code is 1 if a bound that noise cannot excuse is exceeded.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --locked --bin weir
exec python3 -B benches/hostile/hostile.py "$@"
