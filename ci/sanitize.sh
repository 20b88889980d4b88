# The common part of tsan.sh and asan.sh.

# sanitize SANITIZER DIRECTORY REPORT [RUSTFLAG...]: builds the engine's tests with the sanitizer under target/DIRECTORY
# and runs them, including the stress test. Fails if a test fails or a line of the output contains REPORT. The last line
# has the totals.
sanitize() {
    local sanitizer=$1 directory=$2 report=$3 log="target/$2/log" status=0
    shift 3
    # The sanitizers are unstable, and the toolchain is the pinned, stable one. Its std is not instrumented, and without
    # the flag below the compiler reports that as a mistake.
    export RUSTC_BOOTSTRAP=1
    export RUSTFLAGS="-Zsanitizer=$sanitizer -Cunsafe-allow-abi-mismatch=sanitizer $*"
    export CARGO_PROFILE_DEV_OPT_LEVEL=2 CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_INCREMENTAL=0
    mkdir -p "target/$directory"
    cargo test --locked -p weir --target x86_64-unknown-linux-gnu --target-dir "target/$directory" \
        --no-fail-fast --lib --test engine --test stress -- --include-ignored --nocapture --test-threads=1 2>&1 |
        tee "$log" || status=1

    awk -v name="$directory" -v report="$report" '
        /^test result:/ { passed += $4; failed += $6 }
        $0 ~ report { reports++ }
        END { printf "%s: %d tests passed, %d failed, %d reports\n", name, passed, failed, reports; exit reports > 0 }
    ' "$log" && [ "$status" = 0 ]
}
