#!/usr/bin/env bash
# Runs the loom models, and prints the number of executions that each model explored. The models are exhaustive, except
# those that state a limit on preemptions. They take one or two minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --release --locked -p loom-tests -- --nocapture
