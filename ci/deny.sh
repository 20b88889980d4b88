#!/usr/bin/env bash
# Licences, banned and duplicate crates, sources and advisories of all dependencies, the fuzzer's and the tests' included:
# deny.toml says what is allowed. Fails on a known vulnerability too, where the database can be had; where GitHub cannot be
# reached, says so and goes on with the rest. The last line says what was checked.
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
