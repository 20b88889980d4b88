#!/usr/bin/env bash
# Measures a cluster of three nodes over three NATS servers: latency at a steady rate, throughput, and what the feature
# costs a server without it. README.md in this directory has the details.
#
#   benches/cluster/run.sh [--rounds N] [--dir DIR]
#   benches/cluster/run.sh builds [BASE]
#
# The report is printed, and written to target/cluster/report.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$target
out=$target/cluster
mkdir -p "$out"
weir() { cargo build --release --locked -p weir-cli --bin weir "$@"; }

if [ "${1:-}" = builds ]; then
    base=${2:-}
    if [ -n "$base" ]; then
        git worktree remove --force "$out/base" 2>/dev/null || true
        git worktree add --quiet --detach "$out/base" "$base"
        trap 'git worktree remove --force "$out/base"' EXIT
        (cd "$out/base" && weir) && cp "$target/release/weir" "$out/weir-base"
    fi
    weir --no-default-features && cp "$target/release/weir" "$out/weir-without-cluster"
    weir && cp "$target/release/weir" "$out/weir"
    for binary in "$out"/weir "$out"/weir-without-cluster ${base:+"$out"/weir-base}; do
        strip -o "$out/stripped" "$binary"
        echo "$(basename "$binary"): $(stat -c %s "$out/stripped") bytes without symbols"
    done
    for other in "$out/weir-without-cluster" ${base:+"$out/weir-base"}; do
        echo "this build compared with $(basename "$other"), both without --journal and --cluster:"
        python3 -B benches/compare/builds.py "$other" --rounds "${WEIR_ROUNDS:-10}"
    done
    exit
fi
nats_server=${WEIR_NATS_SERVER:-$(ci/nats.sh)}
weir
exec python3 -B benches/cluster/cluster.py "$nats_server" "$@"
