#!/usr/bin/env bash
# Sends a release server what hostile and far too many clients send, and judges what that costs: see README.md here.
#
#   benches/hostile/run.sh [--quick] [--only slow|bombs|overload|memory|streams]
#
# The report goes to target/hostile/report.md. Exit code 1: a bound that is not about noise does not hold.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --locked --bin weir
exec python3 -B benches/hostile/hostile.py "$@"
