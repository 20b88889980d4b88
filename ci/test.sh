#!/usr/bin/env bash
# Runs every test, including the loom models and the shuttle scenarios. This is the README's command.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --workspace --release --locked
