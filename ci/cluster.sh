#!/usr/bin/env bash
# Tests the log on NATS JetStream against real servers. WEIR_NATS_SERVER names another nats-server than the one of
# ci/nats.sh. `ci/test.sh` runs the same tests if that server is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/nats.sh >/dev/null
# With CI, a test fails that finds no server.
CI=1 cargo test --workspace --release --locked --test cluster
