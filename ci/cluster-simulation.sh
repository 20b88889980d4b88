#!/usr/bin/env bash
# ci/cluster-simulation.sh [SEEDS]: simulates a cluster under 10,000 seeds, or as many as given. It takes some minutes.
# A seed that fails is printed; WEIR_SEED=N ci/cluster-simulation.sh runs it alone.
set -euo pipefail
cd "$(dirname "$0")/.."
export WEIR_SEEDS=${1:-10000}
cargo test -p weir-log --release --locked --lib -- --nocapture simulation::
