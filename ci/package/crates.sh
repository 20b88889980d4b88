#!/usr/bin/env bash
# Packages each crate as for a registry, and builds it from its package alone.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The builds share the target folder. Otherwise each would build all dependencies anew.
export CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
files=$(cargo package --locked --list -p weir-server)
for file in index.html main.js style.css icon.svg; do
    grep --quiet --line-regexp --fixed-strings "dashboard/$file" <<<"$files" || { echo "no $file" && exit 1; }
done
# Tests outside of a package are not part of it; cargo warns about each.
cargo package --locked -p weir -p weir-api -p weir-log -p weir-server -p weir-cli
