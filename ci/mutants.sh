#!/usr/bin/env bash
# Mutates the core of the engine, one place at a time in scratch copies, and shows that a test fails each time. The file
# .cargo/mutants.toml lists the mutated files, the tests that run, and the mutants that no test can detect. The exit
# code is 0 only if no mutant was missed. The last line has the totals; target/mutants.out has the lists and logs.
# Arguments go to cargo mutants: `ci/mutants.sh --re WindowConsumer` tries a part. MUTANTS_JOBS is the number of jobs (2).
set -euo pipefail
cd "$(dirname "$0")/.."

version=27.1.0
if ! cargo mutants --version 2>/dev/null | grep --quiet --line-regexp "cargo-mutants $version"; then
    echo "installing cargo-mutants $version"
    cargo install cargo-mutants --locked --version "$version"
fi

mkdir -p target
# A mutant may allocate without end where the original stops. 12 GiB of address space are enough for correct code.
ulimit -v $((12 << 20))

status=0
cargo mutants --no-shuffle --jobs "${MUTANTS_JOBS:-2}" --output target "$@" || status=$?
case $status in
0 | 2 | 3) ;; # all caught, some missed, some that never ended
*) exit "$status" ;;
esac

count() { wc -l <"target/mutants.out/$1.txt"; }
caught=$(count caught) unviable=$(count unviable) timeouts=$(count timeout) missed=$(count missed)
total=$((caught + unviable + timeouts + missed))
echo "$total mutants: $caught caught, $unviable unviable, $timeouts timeouts, $missed missed"
[ "$missed" -eq 0 ]
