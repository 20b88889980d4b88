#!/usr/bin/env bash
# Every test, the loom models and the shuttle scenarios included: the README's command.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --workspace --release --locked
