#!/usr/bin/env bash
# The loom models, with the number of executions that each explored. They are exhaustive but for those that say how many
# preemptions they allow, and take seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --release --locked -p loom-tests -- --nocapture
