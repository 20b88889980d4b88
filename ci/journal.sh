#!/usr/bin/env bash
# ci/journal.sh [KILLS]: kills a server with a journal 200 times under load, and once after a million events. After each
# restart, what was acknowledged before must be true. Prints the seed of the load; WEIR_SEED repeats it.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=ci
cargo build --release --locked -p weir-cli
binary=${CARGO_TARGET_DIR:-target}/release/weir
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 ci/journal/restart.py "$binary" "$scratch"
python3 ci/journal/kills.py "$binary" "$scratch/killed" --kills "${1:-200}" ${WEIR_SEED:+--seed "$WEIR_SEED"}
