#!/usr/bin/env bash
# Tests the engine and the command on aarch64, by an emulator (QEMU). There, the portable code takes the place of the
# vector code for x86_64: comparisons word by word in src/event/fast/simd/swar.rs, and the scalar probe of a dedup
# bucket. Needs an x86_64 Debian, which has the standard library for aarch64. The packages of the compiler are only
# unpacked, below target/, because they conflict with rustup.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v aarch64-linux-gnu-gcc >/dev/null || missing+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
command -v qemu-aarch64-static >/dev/null || missing+=(qemu-user-static)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update
    apt-get install --yes --no-install-recommends "${missing[@]}"
fi

tools=$(realpath -m "${CARGO_TARGET_DIR:-target}")/aarch64-tools
if [ ! -x "$tools/rustc" ]; then
    echo "unpacking a compiler with the standard library for aarch64"
    rm -rf "$tools"
    mkdir -p "$tools/lists/partial" "$tools/debs" "$tools/unpacked"
    # Package lists of their own leave those of the system alone.
    printf 'APT::Architectures { "amd64"; "arm64"; };\nDir::State::Lists "%s/lists";\n' "$tools" >"$tools/apt.conf"
    export APT_CONFIG=$tools/apt.conf
    apt-get update
    # The compiler's package names the version of its libraries.
    libraries=$(apt-cache depends libstd-rust-web-dev:amd64 | sed -n 's/.*Depends: \(libstd-rust-web-[0-9.]*\).*/\1/p')
    llvm=$(apt-cache depends "$libraries" | sed -n 's/.*Depends: \(libllvm[0-9]*\).*/\1/p')
    (cd "$tools/debs" && apt-get download rustc-web libstd-rust-web-dev:amd64 libstd-rust-web-dev:arm64 "$libraries" "$llvm")
    unset APT_CONFIG
    for deb in "$tools"/debs/*.deb; do dpkg --extract "$deb" "$tools/unpacked"; done
    printf '#!/bin/sh\nusr=%s/unpacked/usr\nLD_LIBRARY_PATH=$usr/lib/x86_64-linux-gnu:$LD_LIBRARY_PATH exec $usr/bin/rustc "$@"\n' \
        "$tools" >"$tools/rustc"
    chmod +x "$tools/rustc"
fi

target=aarch64-unknown-linux-gnu
emulator=(qemu-aarch64-static -L /usr/aarch64-linux-gnu)
export RUSTC=$tools/rustc CARGO_TARGET_DIR=$tools/target
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="${emulator[*]}"
"$RUSTC" --version
# Emulation is slow, so each property has fewer cases. The tests run one after another: some wait for the grace period of
# an epoch, which a preempted thread of another test would hold up. The skipped tests try millions of
# texts, or make a million chunks.
export PROPTEST_CASES=${PROPTEST_CASES:-16}
cargo test --locked --target "$target" -p weir --lib -- --test-threads=1 \
    --skip all_parsers_agree_on_every_short_text --skip a_million_chunks_are_dropped_without_recursion
cargo build --locked --target "$target" -p weir-cli
ci/package/run-test.sh "$CARGO_TARGET_DIR/$target/debug/weir" "${emulator[@]}"
echo "aarch64: the engine's tests and the server by emulation ok"
