#!/usr/bin/env bash
# The main requests of weir with plain curl: sends events, uploads a reference table, and queries the metrics. WEIR_URL
# is the server. WEIR_INGEST_TOKEN, WEIR_ADMIN_TOKEN and WEIR_READ_TOKEN are the tokens, if the server requires them.
# This script replaces the server's reference table.
set -euo pipefail

url=${WEIR_URL:-http://127.0.0.1:3000}
url=${url%/}
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
run=$(date +%s%N)

# A failed request (a status of 400 or more) ends the script. So does a server that cannot be reached.
weir() {
    local token=$1 path=$2
    shift 2
    curl --silent --show-error --fail-with-body --retry 5 --retry-connrefused \
        ${token:+--header "Authorization: Bearer $token"} "$@" "$url$path"
    echo
}

event() { echo "{\"event_id\":\"$run-$1\",\"user_id\":\"$2\",\"type\":\"$3\",\"ts\":\"$now\"}"; }

echo "== events: one per line, and one of them twice"
{ event 1 ann click; event 2 bob view; event 1 ann click; } |
    weir "${WEIR_INGEST_TOKEN:-}" /events --header 'Content-Type: application/x-ndjson' --data-binary @-

echo "== the reference table"
weir "${WEIR_ADMIN_TOKEN:-}" /reference/users --request PUT --header 'Content-Type: application/json' \
    --data "{\"user_metadata\":{\"ann\":{\"plan\":\"pro\",\"region\":\"eu\"}},\"ts\":\"$now\"}"

echo "== the last minute"
weir "${WEIR_READ_TOKEN:-}" "/metrics?window=60"
