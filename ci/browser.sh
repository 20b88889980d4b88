#!/usr/bin/env bash
# The dashboard in a headless Chromium, with a real server behind it. ci/install.sh brings the browser and its driver.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --workspace --release --locked --test server browser:: -- --ignored --test-threads=1
