#!/usr/bin/env bash
# Runs every fuzz target for WEIR_FUZZ_RUNS inputs (1,000,000 unless set) on top of its seeds, and stops at the first that
# breaks a promise. What the fuzzer has found of interest stays in fuzz/corpus. The last line counts.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
runs=${WEIR_FUZZ_RUNS:-1000000}
version=0.13.2

# libFuzzer is C++.
if ! command -v c++ >/dev/null; then
    apt-get update
    apt-get install --yes --no-install-recommends g++
fi
if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
    cargo install --locked --version "$version" cargo-fuzz
fi

# The instrumentation's flags are unstable; this lets the pinned compiler have them. The code under test is safe but for
# vector loads from references to arrays, so that no address sanitizer is needed.
export RUSTC_BOOTSTRAP=1
inputs=0
targets=0
for target in fuzz_targets/*.rs; do
    name=$(basename "$target" .rs)
    mkdir -p "corpus/$name"
    log=$(mktemp)
    cargo fuzz run --fuzz-dir . --sanitizer none "$name" "corpus/$name" "seeds/$name" -- \
        -runs="$runs" -max_len=2048 -print_final_stats=1 2>&1 | tee "$log"
    inputs=$((inputs + $(sed -n 's/^stat::number_of_executed_units: *//p' "$log")))
    targets=$((targets + 1))
    rm "$log"
done
echo "$targets fuzz targets, $inputs inputs, no failure"
