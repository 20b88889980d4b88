#!/usr/bin/env bash
# Runs the whole engine on real threads under a racing clock, with exact accounting, once with each dedup backend.
# WEIR_STRESS_SECS is the length of each run (default 600).
set -euo pipefail
cd "$(dirname "$0")/.."
export WEIR_STRESS_SECS="${WEIR_STRESS_SECS:-600}"
cargo test --release --locked --test stress -- --ignored --nocapture --test-threads=1
