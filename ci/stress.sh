#!/usr/bin/env bash
# The whole engine on real threads under a clock that races, with exact accounting, with either dedup backend.
# WEIR_STRESS_SECS is the length of each run, 600 unless set.
set -euo pipefail
cd "$(dirname "$0")/.."
export WEIR_STRESS_SECS="${WEIR_STRESS_SECS:-600}"
cargo test --release --locked --test stress -- --ignored --nocapture --test-threads=1
