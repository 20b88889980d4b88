#!/usr/bin/env bash
# The exposition before Prometheus itself: promtool's checks of it, of what fires each alert and of the dashboard's
# queries, and a real scrape. Needs Debian's package `prometheus` (ci/install.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --workspace --release --locked --test server prometheus:: -- --include-ignored
