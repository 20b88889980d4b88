#!/usr/bin/env bash
# Installs what the checks need in addition to rustup:
# - a C compiler for mimalloc, zstd and aws-lc;
# - curl and Python for the README's tutorial, the examples and schemathesis;
# - Prometheus for the test of the exposition;
# - Node and a browser with its driver for the tests of the dashboard;
# - nats-server for the tests of the cluster.
set -euo pipefail
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v curl >/dev/null || missing+=(curl)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
command -v npm >/dev/null || missing+=(nodejs npm)
{ command -v chromium || command -v google-chrome; } >/dev/null || missing+=(chromium)
command -v chromedriver >/dev/null || missing+=(chromium-driver)
if ! command -v promtool >/dev/null; then
    missing+=(prometheus)
    # Keeps the package from starting its own server. 101 is "action forbidden by policy" (invoke-rc.d(8)).
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'as_root rm "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
fi
if [ ${#missing[@]} -gt 0 ]; then
    as_root apt-get update
    as_root apt-get install --yes --no-install-recommends "${missing[@]}"
fi
"$(dirname "$0")/nats.sh"
