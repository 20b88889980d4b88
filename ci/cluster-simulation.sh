#!/usr/bin/env bash
# ci/cluster-simulation.sh [SEEDS [FIRST]]: simulates a cluster under 10,000 seeds from 0 on, or under as many as given from FIRST
# on. It takes some minutes. A seed that fails is printed; WEIR_SEED=N ci/cluster-simulation.sh runs it alone.
set -euo pipefail
cd "$(dirname "$0")/.."
export WEIR_SEEDS=${1:-10000} WEIR_FIRST_SEED=${2:-0}
cargo test -p weir-log --release --locked --lib -- --nocapture simulation::
