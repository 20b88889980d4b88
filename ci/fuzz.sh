#!/usr/bin/env bash
# Runs every fuzz target for WEIR_FUZZ_RUNS inputs (1,000,000 unless set) on top of its seeds, and stops at the first that
# breaks a promise. What the fuzzer has found of interest stays in fuzz/corpus. Ends with a table; the last line counts.
# Arguments name the targets to run: `ci/fuzz.sh timestamp query`.
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
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(basename -s .rs fuzz_targets/*.rs)
inputs=0
table=()
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target"
    log=$(mktemp)
    start=$SECONDS
    cargo fuzz run --fuzz-dir . --features fuzzer --sanitizer none "$target" "corpus/$target" "seeds/$target" -- \
        -runs="$runs" -max_len=2048 -print_final_stats=1 2>&1 | tee "$log"
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    table+=("$(printf '%-14s %10d inputs %6d s' "$target" "$executed" $((SECONDS - start)))")
    inputs=$((inputs + executed))
    rm "$log"
done
printf '%s\n' "${table[@]}"
echo "${#targets[@]} fuzz targets, $inputs inputs, no failure"
