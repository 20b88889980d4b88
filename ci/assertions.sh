#!/usr/bin/env bash
# The engine's tests and the shuttle scenarios with debug assertions, at the speed of the release profile. The other checks
# run without them: an assertion must not hide that a test or a model detects a fault itself.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/assertions
cargo test --release --locked -p weir -p loom-tests -p shuttle-tests
