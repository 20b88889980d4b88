#!/usr/bin/env bash
# Format, clippy, docs, the engine alone, import circles and wording.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
# The library of shuttle-tests is the engine's own source; its unit tests belong to the engine.
cargo clippy --workspace --exclude shuttle-tests --all-targets --locked -- -D warnings
cargo clippy -p shuttle-tests --lib --test engine --locked -- -D warnings
# Without the feature `internals`, which other members of the workspace enable.
cargo clippy -p weir -p weir-server --lib --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
# The engine is a library without a runtime, HTTP or a command line.
if cargo tree --locked -p weir --prefix none | grep -E '^(tokio|axum|hyper|clap|ureq|serde) '; then
    echo "the engine must not depend on these crates"
    exit 1
fi
python3 ci/import-circles.py
python3 ci/plain-words.py
