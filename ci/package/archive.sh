#!/usr/bin/env bash
# Packs what ci/package/stage.sh made for a target: an archive of the command, and one of its debug information.
# The names and the folder in the archive are those of [package.metadata.binstall] in crates/cli/Cargo.toml.
# Usage: ci/package/archive.sh TARGET
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$1
pkgid=$(cargo pkgid --locked -p weir-cli)
name=weir-${pkgid##*[@#]}-$target
cd target/artifacts
rm -rf "$name"
mkdir "$name"
cp -R "stage/$target/." "$name"
tar -czf "$name-debug.tar.gz" "$name/weir.debug"
rm -r "$name/weir.debug"
tar -czf "$name.tar.gz" "$name"
rm -r "$name"
