#!/usr/bin/env bash
# Compares the ingest of this build of weir with that of another build: see builds.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --locked
exec python3 -B benches/compare/builds.py "$@"
