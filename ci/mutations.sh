#!/usr/bin/env bash
# ci/mutations.sh PACKAGE FOLDER [MUTATION...]: breaks the source in one place at a time, in a scratch copy, and shows
# that a test of PACKAGE fails each time. The mutations are in FOLDER/mutations. Prints which tests caught which
# mutation. The exit code is 0 only if every mutation was caught, and if every model or scenario caught at least one.
# The last line has the totals. Without names, the script tries all mutations.
#
# A line "Caught by: TEST..." in a mutation names the tests that run first. The others run only if these pass.
# WEIR_FEATURES names features of PACKAGE to build with.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
package=$1
folder=$2
shift 2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents --no-dereference -t "$scratch"
cd "$scratch"
export CARGO_TARGET_DIR=$root/target/mutations
selected=(--quiet --release --locked -p "$package" --features "${WEIR_FEATURES:-}")

# A build may take long. A mutant may run forever where the original ends.
cargo build "${selected[@]}" --tests
tests() { timeout 300 cargo test "${selected[@]}" -- "$@"; }

if ! tests >log 2>&1; then
    cat log
    echo "the tests fail without any mutation"
    exit 1
fi
# The engine's own unit tests are compiled too. They are not models.
tests --list 2>/dev/null | sed -n 's/^\(.*\): test$/\1/p' | grep -v '::tests::' | sort >all_tests

mutations=("$@")
[ ${#mutations[@]} -gt 0 ] || mapfile -t mutations < <(ls "$folder/mutations" | sed 's/\.patch$//')
caught=0
: >caught_by
for mutation in "${mutations[@]}"; do
    patch --quiet --fuzz=0 -p1 <"$folder/mutations/$mutation.patch"
    if ! cargo build "${selected[@]}" --tests >log 2>&1; then
        cat log
        echo "$mutation does not compile"
        exit 1
    fi
    mapfile -t expected < <(sed -n 's/^Caught by: //p' "$folder/mutations/$mutation.patch" | tr ' ' '\n')
    if { [ ${#expected[@]} -eq 0 ] || tests "${expected[@]}" >log 2>&1; } && tests >log 2>&1; then
        echo "SURVIVED $mutation"
    else
        caught=$((caught + 1))
        # A test that hangs or aborts the process leaves no list of failures.
        by=$(sed -n 's/^    \([a-z_:]*\)$/\1/p' log | sort -u)
        echo "caught   $mutation: $(echo ${by:-by a test that did not end} | sed 's/[a-z]*_models:://g')"
        echo "$by" >>caught_by
    fi
    patch --quiet -R -p1 <"$folder/mutations/$mutation.patch"
done

idle=0
# The tests of the log are ordinary tests too, so some of them have no mutation.
if [ $# -eq 0 ] && [ "$package" != weir-log ]; then
    sort -u caught_by | comm -23 all_tests - >idle_tests
    idle=$(wc -l <idle_tests)
    sed 's/^/no mutation for /' idle_tests
fi
echo "$caught of ${#mutations[@]} mutations caught; $idle of $(wc -l <all_tests) tests have to catch one and do not"
[ "$caught" -eq "${#mutations[@]}" ] && [ "$idle" -eq 0 ]
