#!/usr/bin/env bash
# Builds everything that a release has for this machine, and tries it: the stripped binary, its archive, the Debian
# package in a new Debian, the image's root, a static binary if its target is installed, the packages of the crates, and
# the bill of materials. The results are in target/artifacts. Needs Debian or a relative of it, and root.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
    echo "run ci/package.sh as root: it installs a package into a new root, and starts its service there"
    exit 1
fi
missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need cc gcc
need objcopy binutils
need curl curl
need python3 python3
need dpkg-shlibdeps dpkg-dev
need mmdebstrap mmdebstrap
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update
    apt-get install --yes --no-install-recommends "${missing[@]}"
fi

host=$(rustc -vV | sed -n 's/^host: //p')
musl=${host%-gnu}-musl
rm -rf target/artifacts
step() { printf '\n== %s\n' "$*" && "$@"; }
step ci/package/stage.sh "$host"
step ci/package/archive.sh "$host"
step ci/package/image-test.sh
step ci/package/deb.sh
step ci/package/deb-test.sh target/artifacts/*.deb
static="static binary: SKIPPED, the target $musl is not installed (rustup target add $musl)"
if [ -d "$(rustc --print sysroot)/lib/rustlib/$musl" ]; then
    step ci/package/stage.sh "$musl"
    step ci/package/archive.sh "$musl"
    "target/artifacts/stage/$musl/weir" --version
    static="static binary"
fi
step ci/package/sbom.sh "$host"
step ci/package/crates.sh

printf '\n%12s  %s\n' bytes file
find target/artifacts "${CARGO_TARGET_DIR:-target}/package" -maxdepth 1 -type f \
    \( -name '*.deb' -o -name '*.tar.gz' -o -name '*.json' -o -name '*.crate' \) -printf '%12s  %f\n'
find "target/artifacts/stage/$host" -maxdepth 1 -type f -name 'weir*' -printf '%12s  stage/%f\n'
size_max=15000000
size=$(stat -c %s "target/artifacts/stage/$host/weir")
[ "$size" -le "$size_max" ] || { echo "the binary has $size bytes, and may have $size_max" && exit 1; }
echo "$static"
echo "package: stripped binary, archive, image root, Debian package installed and served, bill of materials, crates ok"
