#!/usr/bin/env bash
# Starts a binary as a server, sends an event, reads the metrics, and stops the server.
# Usage: ci/package/run-test.sh BINARY [RUNNER...]; the runner is an emulator and its options.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ci/package/serve-test.sh

binary=$1
shift
"$@" "$binary" --version
start_server "$@" "$binary" serve --listen "127.0.0.1:$port"
post_event e-1
[ "$(read_total)" = 1 ]
[ "$("$@" "$binary" health --ready --url "$url")" = ok ]
stop_server
echo "run: served an event, checked its health, and stopped with exit code 0"
