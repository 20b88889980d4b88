#!/usr/bin/env bash
# Shows that the tests of the log on real NATS servers can fail: every recorded mutation of that log is caught.
# WEIR_NATS_SERVER names another nats-server than the one of ci/nats.sh.
set -euo pipefail
cd "$(dirname "$0")"
WEIR_NATS_SERVER=${WEIR_NATS_SERVER:-$(./nats.sh)}
export CI=1 WEIR_FEATURES=cluster WEIR_NATS_SERVER
exec ./mutations.sh weir-log crates/log/tests/cluster "$@"
