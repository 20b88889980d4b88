#!/usr/bin/env bash
# Runs Schemathesis against a server: every response to a valid or invalid request must match the OpenAPI document.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --workspace --release --locked --bin weir
target=$(realpath "${CARGO_TARGET_DIR:-target}")
tools=$target/schemathesis
if ! "$tools/bin/pip" freeze 2>/dev/null | grep -qxFf ci/schemathesis/requirements.txt; then
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --requirement ci/schemathesis/requirements.txt
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$target/release/weir" serve --listen "127.0.0.1:$port" 2>"$target/openapi.log" &
server=$!
trap 'kill $server' EXIT
until curl --silent --fail --output /dev/null "http://127.0.0.1:$port/healthz"; do
    kill -0 $server
    sleep 0.1
done
cd ci/schemathesis
"$tools/bin/schemathesis" --config-file schemathesis.toml run "http://127.0.0.1:$port/openapi.json" \
    --phases examples,coverage,fuzzing --max-examples "${WEIR_OPENAPI_EXAMPLES:-100}" --generation-deterministic
