#!/usr/bin/env bash
# Takes the screenshot docs/dashboard.png: a headless Chromium (ci/screenshot.mjs) shows a server with generated traffic
# (ci/traffic.mjs). The arguments are those of ci/screenshot.mjs after the address: FILE WIDTH HEIGHT SCHEME. The page
# is designed for the font Inter (Debian's fonts-inter), so install it first.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- docs/dashboard.png 1440 1128 light

cargo build --release --locked
log=$(mktemp)
pids=()
trap 'kill "${pids[@]}"; wait; rm "$log"' EXIT
# The traffic begins in the past, so the chart is full at once. The server must accept events that are this late.
"${CARGO_TARGET_DIR:-target}/release/weir" serve --listen 127.0.0.1:0 --max-skew 400 2>>"$log" &
pids+=($!)
until address=$(sed -n 's/.*listening on http:\/\/\([0-9.:]*\).*/\1/p' "$log") && [ -n "$address" ]; do
    kill -0 "${pids[0]}"
    sleep 0.1
done
node ci/traffic.mjs "$address" >>"$log" &
pids+=($!)
until grep -q 'sent the history' "$log"; do
    kill -0 "${pids[1]}"
    sleep 0.1
done
node ci/screenshot.mjs "http://$address/" "$@"
