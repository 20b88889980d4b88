#!/usr/bin/env bash
# Breaks the lock-free code in one place at a time, in a scratch copy, and shows that a loom model fails each time.
# Prints which models caught which mutation. Exits with 0 only if every mutation was caught, and every model has caught
# one; the last line counts. Arguments name mutations to try; without any, all are tried.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$scratch"
cd "$scratch"
export CARGO_TARGET_DIR=$root/target/loom-mutations

# A mutant may run forever where the original ends.
models() { timeout 300 cargo test --quiet --release --locked -p loom-tests -- "$@"; }

if ! models >log 2>&1; then
    cat log
    echo "the models fail without any mutation"
    exit 1
fi
models --list 2>/dev/null | sed -n 's/^\(.*_models::.*\): test$/\1/p' | sort >all_models

mutations=("$@")
[ ${#mutations[@]} -gt 0 ] || mapfile -t mutations < <(ls loom-tests/mutations | sed 's/\.patch$//')
caught=0
: >caught_by
for mutation in "${mutations[@]}"; do
    patch --quiet -p1 <"loom-tests/mutations/$mutation.patch"
    if ! cargo build --quiet --release --locked -p loom-tests --tests >log 2>&1; then
        cat log
        echo "$mutation does not compile"
        exit 1
    fi
    if models >log 2>&1; then
        echo "SURVIVED $mutation"
    else
        caught=$((caught + 1))
        # A model that hangs, or takes the process down, leaves no list of failures.
        by=$(sed -n 's/^    \(.*_models::.*\)$/\1/p' log | sort -u)
        echo "caught   $mutation: $(echo ${by:-by a model that did not end} | sed 's/[a-z]*_models:://g')"
        echo "$by" >>caught_by
    fi
    patch --quiet -R -p1 <"loom-tests/mutations/$mutation.patch"
done

idle=0
if [ $# -eq 0 ]; then
    sort -u caught_by | comm -23 all_models - >idle_models
    idle=$(wc -l <idle_models)
    sed 's/^/no mutation for /' idle_models
fi
echo "$caught of ${#mutations[@]} mutations caught; $idle of $(wc -l <all_models) models without a mutation"
[ "$caught" -eq "${#mutations[@]}" ] && [ "$idle" -eq 0 ]
