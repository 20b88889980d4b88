#!/usr/bin/env bash
# Tests the exposition with Prometheus itself. promtool checks the exposition, the alerts and the queries of the Grafana
# dashboard, and Prometheus scrapes a server. Needs Debian's package `prometheus` (ci/install.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --workspace --release --locked --test server prometheus:: -- --include-ignored
