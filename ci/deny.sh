#!/usr/bin/env bash
# Checks licences, banned and duplicate crates, sources and advisories of all dependencies, including those of the
# fuzzer and the tests. deny.toml says what is allowed. A known vulnerability fails the check, if the advisory database
# can be reached. If GitHub cannot be reached, the script says so and continues. The last line says what was checked.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
if [ "$(cargo deny --version 2>/dev/null)" != "cargo-deny $version" ]; then
    cargo install --locked --version "$version" cargo-deny
fi

cargo deny --workspace --locked check --hide-inclusion-graph bans licenses sources
if ! GIT_TERMINAL_PROMPT=0 timeout 30 git ls-remote --quiet https://github.com/rustsec/advisory-db HEAD >/dev/null; then
    echo "deny: bans, licenses, sources ok; advisories NOT CHECKED, their database cannot be reached"
    exit
fi
cargo deny --workspace --locked check --hide-inclusion-graph advisories
echo "deny: bans, licenses, sources, advisories ok"
