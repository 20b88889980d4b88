#!/usr/bin/env bash
# Takes docs/dashboard.png: a server with made-up traffic (ci/traffic.mjs), looked at by a headless Chromium
# (ci/screenshot.mjs). Arguments are those of ci/screenshot.mjs after the address: FILE WIDTH HEIGHT SCHEME. The page looks
# as it is meant to where the font Inter is installed (Debian's fonts-inter).
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- docs/dashboard.png 1440 1128 light

cargo build --release --locked
log=$(mktemp)
pids=()
trap 'kill "${pids[@]}"; wait; rm "$log"' EXIT
# The traffic begins with the past, for a chart that is full at once.
"${CARGO_TARGET_DIR:-target}/release/weir" serve --listen 127.0.0.1:0 --max-skew 400 2>>"$log" &
pids+=($!)
until address=$(sed -n 's/.*listening on http:\/\/\([0-9.:]*\).*/\1/p' "$log") && [ -n "$address" ]; do
    kill -0 "${pids[0]}"
    sleep 0.1
done
node ci/traffic.mjs "$address" >>"$log" &
pids+=($!)
until grep -q 'the past is sent' "$log"; do
    kill -0 "${pids[1]}"
    sleep 0.1
done
node ci/screenshot.mjs "http://$address/" "$@"
