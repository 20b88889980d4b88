#!/usr/bin/env bash
# Runs the scenarios of the engine and of the log under many random schedules. WEIR_SHUTTLE_EXECUTIONS is the number of schedules of
# each kind (default 100,000). Prints the executions and the distinct outcomes of each scenario.
set -euo pipefail
cd "$(dirname "$0")/.."
export WEIR_SHUTTLE_EXECUTIONS="${WEIR_SHUTTLE_EXECUTIONS:-100000}"
cargo test --release --locked -p shuttle-tests -p shuttle-tests-log -- --nocapture
