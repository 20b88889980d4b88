#!/usr/bin/env bash
# Runs every fuzz target for WEIR_FUZZ_RUNS inputs (default 1,000,000) in addition to its seeds, and stops at the first
# failure. Interesting inputs that the fuzzer finds stay in fuzz/corpus. The script ends with a table, and its last line
# has the totals. Arguments select targets: `ci/fuzz.sh timestamp query`.
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

# The flags of the instrumentation are unstable. This variable enables them in the pinned compiler. The code under test
# is safe, except for vector loads from references to arrays, so it needs no address sanitizer.
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
