#!/usr/bin/env bash
# Tests the dashboard in a headless Chromium, with a real server. ci/install.sh installs the browser and its driver.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --workspace --release --locked --test server browser:: -- --ignored --test-threads=1
