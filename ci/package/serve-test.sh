# shellcheck shell=bash
# Sourced by the tests of packages: starts a server in another root, uses it as a newcomer would, and stops it.

work=$(mktemp -d)
server=
cleanup() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$work"
}
set -E
trap cleanup EXIT
trap 'echo "$0: line $LINENO failed: $BASH_COMMAND" >&2' ERR

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port

# Starts a server. Each program of the command line must replace itself by the next one, so that $server is the
# process of the server itself.
start_server() {
    "$@" 2>"$work/log" &
    server=$!
    until curl --silent --fail --output /dev/null "$url/healthz"; do
        kill -0 "$server" 2>/dev/null || { cat "$work/log" && return 1; }
        sleep 0.1
    done
}

# Fails if the server is a process of root.
assert_not_root() {
    [ "$(stat -c %u "/proc/$server")" != 0 ]
}

# post_event ID [CURL OPTION...]
post_event() {
    local id=$1
    shift
    curl --silent --fail-with-body "$@" "$url/events" --json \
        "{\"event_id\":\"$id\",\"user_id\":\"ann\",\"type\":\"click\",\"ts\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}"
    echo
}

# read_total [CURL OPTION...]
read_total() {
    curl --silent --fail-with-body "$@" "$url/metrics?window=60" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["total_events"])'
}

# Fails unless SIGTERM ends the server with exit code 0.
stop_server() {
    kill -TERM "$server"
    wait "$server"
    server=
}
