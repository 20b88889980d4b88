#!/usr/bin/env bash
# What weir does, by plain curl: events in, who the users are, figures out. The server is that in WEIR_URL, the tokens those
# in WEIR_INGEST_TOKEN, WEIR_ADMIN_TOKEN and WEIR_READ_TOKEN, where it asks for them. Its table of users is replaced.
set -euo pipefail

url=${WEIR_URL:-http://127.0.0.1:3000}
url=${url%/}
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
run=$(date +%s%N)

# What is refused as a whole (a status of 400 or more) ends the script; so does a server that is not there.
weir() {
    local token=$1 path=$2
    shift 2
    curl --silent --show-error --fail-with-body --retry 5 --retry-connrefused \
        ${token:+--header "Authorization: Bearer $token"} "$@" "$url$path"
    echo
}

event() { echo "{\"event_id\":\"$run-$1\",\"user_id\":\"$2\",\"type\":\"$3\",\"ts\":\"$now\"}"; }

echo "== events: one a line, and one of them twice"
{ event 1 ann click; event 2 bob view; event 1 ann click; } |
    weir "${WEIR_INGEST_TOKEN:-}" /events --header 'Content-Type: application/x-ndjson' --data-binary @-

echo "== who they are"
weir "${WEIR_ADMIN_TOKEN:-}" /reference/users --request PUT --header 'Content-Type: application/json' \
    --data "{\"user_metadata\":{\"ann\":{\"plan\":\"pro\",\"region\":\"eu\"}},\"ts\":\"$now\"}"

echo "== the last minute"
weir "${WEIR_READ_TOKEN:-}" "/metrics?window=60"
