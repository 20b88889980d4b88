#!/usr/bin/env bash
# Runs the tests under ThreadSanitizer. WEIR_STRESS_SECS is the length of the stress test (default 30).
set -euo pipefail
cd "$(dirname "$0")/.."

# Cargo does not know that the tests are linked with this object file.
[ ci/tsan_sync.c -nt target/tsan/sync.o ] && rm -rf target/tsan
mkdir -p target/tsan

# The names of the wrappers in tsan_sync.c, and the end of the symbol of the std function that each of them wraps.
std=("$(rustc --print sysroot)"/lib/rustlib/x86_64-unknown-linux-gnu/lib/libstd-*.so)
symbols=$(nm -D --defined-only "${std[0]}" | awk '{ print $3 }')
wrapped=(__tsan_atomic64_fetch_sub __tsan_atomic_thread_fence)
defines=()
while read -r name path; do
    symbol=$(grep -E "3std$path\$" <<<"$symbols") && [ "$(wc -w <<<"$symbol")" = 1 ] ||
        { echo "tsan: std has not exactly one function $path"; exit 1; }
    wrapped+=("$symbol")
    defines+=("-D$name=$symbol")
done <<'EOF'
MUTEX_LOCK            3sys4sync5mutex5futex.*14lock_contended
RWLOCK_READ           3sys4sync6rwlock5futex.*14read_contended
RWLOCK_WRITE          3sys4sync6rwlock5futex.*15write_contended
CONDVAR_WAIT          3sys4sync7condvar5futex.*4wait
CONDVAR_WAIT_TIMEOUT  3sys4sync7condvar5futex.*12wait_timeout
ONCE_CALL             3sys4sync4once5futex.*4call
BARRIER_WAIT          4sync7barrier.*4wait
SCOPE_LEAVE           6thread6scoped.*29decrement_num_running_threads
EOF
cc -O2 -fexceptions -c ci/tsan_sync.c -o target/tsan/sync.o "${defines[@]}"

export TSAN_OPTIONS="suppressions=$PWD/ci/tsan.supp print_suppressions=1 history_size=4"
source ci/sanitize.sh
sanitize thread tsan 'WARNING: ThreadSanitizer' -Clink-arg=target/tsan/sync.o "${wrapped[@]/#/-Clink-arg=-Wl,--wrap=}"
