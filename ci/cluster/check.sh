#!/usr/bin/env bash
# ci/cluster/check.sh CHECK [OPTION...]: runs ci/cluster/CHECK.py with three nodes over three NATS servers. Prints the seed of
# the load; WEIR_SEED repeats it. WEIR_NATS_SERVER names another nats-server than the one of ci/nats.sh, and WEIR_BINARY
# another weir than a release build.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONPATH=ci
check=$1
shift
nats_server=${WEIR_NATS_SERVER:-$(ci/nats.sh)}
binary=${WEIR_BINARY:-}
if [ -z "$binary" ]; then
    cargo build --release --locked -p weir-cli
    binary=${CARGO_TARGET_DIR:-target}/release/weir
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 "ci/cluster/$check.py" "$binary" "$nats_server" "$scratch" ${WEIR_SEED:+--seed "$WEIR_SEED"} "$@"
