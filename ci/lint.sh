#!/usr/bin/env bash
# Checks the imports, the format, clippy, the docs, and the engine without its server.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 ci/import-circles.py
cargo fmt --all --check
# The library of the scenarios is the engine's own source. Its unit tests belong to the engine.
cargo clippy --workspace --exclude shuttle-tests --all-targets --locked -- -D warnings
cargo clippy -p shuttle-tests --lib --test engine --locked -- -D warnings
cargo clippy --lib --no-default-features --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
