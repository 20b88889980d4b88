#!/usr/bin/env bash
# Mutates the core of the engine, one place at a time in scratch copies, and shows that a test fails each time. The file
# .cargo/mutants.toml lists the mutated files, and the mutants that no test can detect. The exit code is 0 only if no
# mutant was missed. The last line has the totals; target/mutants.out has the lists and logs.
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

# Long tests that are skipped: tests of the JSON and event readers, whose code is not mutated, and tests of interleavings
# and recursion, which no mutation affects.
skipped=(--skip=json:: --skip=event:: --skip=no_record_is_lost_or_doubled_under_concurrent_folds
    --skip=a_million_chunks_are_dropped_without_recursion)

mutate() {
    local status=0
    cargo mutants --no-shuffle --jobs "${MUTANTS_JOBS:-2}" --output target \
        --cargo-arg=--lib --cargo-arg=--test=engine --cargo-arg=--test=state_machine "$@" || status=$?
    case $status in
    0 | 2 | 3) ;; # all caught, some missed, some that never ended
    *) exit "$status" ;;
    esac
}

out=target/mutants.out
count() { wc -l <"$out/$1.txt"; }

# Most of the time is for compiling, so the first pass has no optimisation. Two tests would take minutes then. Mutants that
# the other tests do not detect are tried again with these two, and with optimisation.
CARGO_PROFILE_MUTANTS_OPT_LEVEL=0 mutate "$@" -- -- "${skipped[@]}" --skip=claims_look_at_a_bounded_number_of_tables
caught=$(count caught) unviable=$(count unviable) timeouts=$(count timeout) missed=$(count missed)
if [ "$missed" -gt 0 ]; then
    # A mutant that did not end is not tried again: the second pass leaves out what these files name.
    cat "$out/timeout.txt" >>"$out/caught.txt"
    mutate --iterate --cargo-arg=--test=memory "$@" -- -- "${skipped[@]}"
    caught=$((caught + $(count caught))) timeouts=$((timeouts + $(count timeout))) missed=$(count missed)
fi
total=$((caught + unviable + timeouts + missed))
echo "$total mutants: $caught caught, $unviable unviable, $timeouts timeouts, $missed missed"
[ "$missed" -eq 0 ]
