#!/usr/bin/env bash
# Format, line width, clippy, docs, the engine alone, import circles and wording.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
# rustfmt leaves long literals, attributes and macro bodies alone, so max_width of rustfmt.toml is checked here.
python3 - <<'EOF'
import subprocess
import sys

too_long = 0
for name in subprocess.run(["git", "ls-files", "*.rs"], check=True, capture_output=True, text=True).stdout.splitlines():
    with open(name, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if len(line.rstrip("\n")) > 120:
                print(f"{name}:{number}: the line is longer than 120 characters")
                too_long += 1
sys.exit(too_long > 0)
EOF
# The library of shuttle-tests is the engine's own source; its unit tests belong to the engine.
cargo clippy --workspace --exclude shuttle-tests --all-targets --locked -- -D warnings
cargo clippy -p shuttle-tests --lib --test engine --locked -- -D warnings
# Without the features `internals` and `cluster`, which other members of the workspace enable.
cargo clippy -p weir -p weir-log -p weir-server --lib --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
# The engine is a library without a runtime, HTTP or a command line.
if cargo tree --locked -p weir --prefix none | grep -E '^(tokio|axum|hyper|clap|ureq|serde) '; then
    echo "the engine must not depend on these crates"
    exit 1
fi
python3 ci/import-circles.py
python3 ci/plain-words.py
