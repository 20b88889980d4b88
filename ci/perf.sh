#!/usr/bin/env bash
# ci/perf.sh [--record]: counts the instructions of each stage for fixed inputs, and fails if a stage needs over a tenth more
# or less than ci/perf/instructions.txt says. Takes some minutes. With --record it writes that file; a commit says why it changed.
# The counts come from valgrind, so they do not depend on the load of the machine. Valgrind has AVX2 and no AVX-512.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v valgrind >/dev/null; then
    as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
    as_root apt-get update
    # libc6-dbg: valgrind needs the names of the functions of the C library.
    as_root apt-get install --yes --no-install-recommends valgrind libc6-dbg
fi
cargo build --release --locked -p weir-cli -p weir-benches --bin weir --bin instructions
bin=${CARGO_TARGET_DIR:-target}/release
export PYTHONPATH=ci
exec python3 -B ci/perf/perf.py "$bin/instructions" "$bin/weir" "$@"
