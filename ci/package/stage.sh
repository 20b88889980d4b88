#!/usr/bin/env bash
# Builds the command `weir` for a target, and puts what a package holds into target/artifacts/stage/TARGET: the binary
# without debug information, weir.debug with it, man pages, completions, licences and the README.
# Usage: ci/package/stage.sh [TARGET]; the default target is this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$host}
built=${CARGO_TARGET_DIR:-target}
if [ "$target" = "$host" ]; then
    # The same build as that of the tests and the measurements.
    cargo build --release --locked -p weir-cli
    built=$built/release/weir
else
    cargo build --release --locked -p weir-cli --target "$target"
    built=$built/$target/release/weir
fi

stage=target/artifacts/stage/$target
rm -rf "$stage"
mkdir -p "$stage/man" "$stage/completions"
case $target in
    *-apple-darwin)
        dsymutil "$built" -o "$stage/weir.debug"
        strip -S -x -o "$stage/weir" "$built"
        ;;
    *)
        objcopy --only-keep-debug --compress-debug-sections "$built" "$stage/weir.debug"
        # A debugger finds weir.debug by the name and the checksum that the binary gets here.
        objcopy --strip-all --add-gnu-debuglink="$stage/weir.debug" "$built" "$stage/weir"
        ;;
esac
"$built" man --out "$stage/man"
"$built" completions bash >"$stage/completions/weir.bash"
"$built" completions zsh >"$stage/completions/_weir"
"$built" completions fish >"$stage/completions/weir.fish"
cp LICENSE LICENSE-APACHE LICENSE-MIT README.md "$stage"
