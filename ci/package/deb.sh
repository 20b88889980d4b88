#!/usr/bin/env bash
# Builds the Debian package from what ci/package/stage.sh made for this machine. The rules of the package are in
# crates/cli/Cargo.toml and deploy/debian/.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=3.8.0
if [ "$(cargo deb --version 2>/dev/null)" != "cargo-deb $version" ]; then
    cargo install --locked --version "$version" cargo-deb
fi
host=$(rustc -vV | sed -n 's/^host: //p')
# The paths of the package's files have no target in them.
ln -sfn "stage/$host" target/artifacts/deb
cargo deb --quiet --locked --no-build --no-strip -p weir-cli --output target/artifacts/
