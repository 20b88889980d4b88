#!/usr/bin/env bash
# What the checks need beside rustup: a C compiler for mimalloc and zstd, and curl for the test of the README's walk.
set -euo pipefail
missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v curl >/dev/null || missing+=(curl)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update
    apt-get install --yes --no-install-recommends "${missing[@]}"
fi
