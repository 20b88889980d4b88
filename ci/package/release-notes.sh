#!/usr/bin/env bash
# Prints the section of CHANGELOG.md for a tag. Fails if the tag is not the version of the workspace, or if that version
# has no section. Usage: ci/package/release-notes.sh vVERSION
set -euo pipefail
cd "$(dirname "$0")/../.."

pkgid=$(cargo pkgid --locked -p weir-cli)
version=${pkgid##*[@#]}
if [ "$1" != "v$version" ]; then
    echo "the tag is $1, but Cargo.toml has the version $version: tag v$version, or change the version" >&2
    exit 1
fi
notes=$(awk -v heading="## $version" 'index($0, heading) == 1 { on = 1; next } /^## / { on = 0 } on' CHANGELOG.md)
if [ -z "$notes" ]; then
    echo "CHANGELOG.md has no section '## $version': rename the section Unreleased" >&2
    exit 1
fi
echo "$notes"
