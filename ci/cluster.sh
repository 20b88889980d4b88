#!/usr/bin/env bash
# Checks the log on NATS JetStream, which the feature `cluster` brings: clippy, docs, and the tests against real servers.
# WEIR_NATS_SERVER names another nats-server than the one of ci/nats.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/nats.sh >/dev/null
cargo clippy -p weir-log --all-features --all-targets --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc -p weir-log --all-features --no-deps --locked
CI=1 cargo test -p weir-log --features cluster --release --locked --lib --test cluster -- jetstream:: agreed:: bodies:: changes:: \
    faults:: monitor:: nodes:: one_server::
