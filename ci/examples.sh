#!/usr/bin/env bash
# Tests what needs packages of npm. The TypeScript producer: checks its types, then erases them and runs the resulting
# JavaScript. The stream of metrics behind a proxy that compresses. Needs Node 20 or later and npm.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${WEIR_EXAMPLES_DIR:-target/examples-ts}
mkdir -p "$work"
npm install --no-save --no-audit --no-fund --prefix "$work" typescript@5.9 @types/node@20 express@5 compression@1 \
    http-proxy-middleware@3
"$work/node_modules/.bin/tsc" examples/producer.ts --outDir "$work" --target es2022 --module es2022 --moduleResolution bundler --skipLibCheck --strict \
    --isolatedModules --erasableSyntaxOnly --types node --typeRoots "$work/node_modules/@types"
mv "$work/producer.js" "$work/producer.mjs"
cp ci/compressing-proxy.mjs "$work"
export WEIR_PRODUCER_JS=$(realpath "$work/producer.mjs") WEIR_PROXY_JS=$(realpath "$work/compressing-proxy.mjs")
cargo test --workspace --release --locked --test server commands::examples:: -- --ignored
