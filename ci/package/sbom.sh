#!/usr/bin/env bash
# Writes the software bill of materials of the command `weir` for a target, as CycloneDX JSON, without tests and build
# tools. Usage: ci/package/sbom.sh [TARGET]; the default target is this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=0.5.9
if [ "$(cargo cyclonedx --version 2>/dev/null)" != "cargo-cyclonedx-cyclonedx $version" ]; then
    cargo install --locked --version "$version" cargo-cyclonedx
fi
target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
pkgid=$(cargo pkgid --locked -p weir-cli)
sbom=target/artifacts/weir-${pkgid##*[@#]}-$target.cdx.json
mkdir -p target/artifacts
# The tool writes a file next to the manifest of every member of the workspace.
file=weir-sbom-$$
trap 'find . -path ./target -prune -o -name "$file.json" -exec rm {} +' EXIT
cargo cyclonedx --manifest-path crates/cli/Cargo.toml --format json --spec-version 1.5 --target "$target" \
    --no-build-deps --override-filename "$file" --quiet
mv "crates/cli/$file.json" "$sbom"
python3 - "$sbom" <<'EOF'
import json
import sys

bom = json.load(open(sys.argv[1], encoding="utf-8"))
names = {component["name"] for component in bom["components"]}
missing = {"weir", "weir-server", "tokio", "rustls"} - names
wrong = {"proptest", "tempfile", "jsonschema"} & names
if bom["metadata"]["component"]["name"] != "weir-cli" or missing or wrong:
    sys.exit(f"the bill of materials lacks {missing or 'nothing'} and has {wrong or 'nothing'} in excess")
print(f"sbom: {len(names)} components")
EOF
