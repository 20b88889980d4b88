#!/usr/bin/env bash
# Runs the binary in the root of the image, with the user, the variables and the commands of deploy/Containerfile. A
# container engine is not needed, so the build stage of that file is not tested. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ci/package/serve-test.sh

binary=target/artifacts/stage/$(rustc -vV | sed -n 's/^host: //p')/weir
root=$work/root
deploy/image-root.sh "$binary" "$root"

# The last one counts, because the others belong to the build.
instruction() { sed -n "s/^ *$1 //p" deploy/Containerfile | tail -n 1; }
words() { python3 -c 'import json, sys; print("\n".join(json.loads(sys.argv[1])))' "$1"; }
mapfile -t entrypoint < <(words "$(instruction ENTRYPOINT)")
mapfile -t arguments < <(words "$(instruction CMD)")
mapfile -t health < <(words "$(instruction 'HEALTHCHECK CMD')")
in_root=("$(command -v chroot)" "--userspec=$(instruction USER)" "$root")
start_server env -i "$(instruction ENV)" "WEIR_LISTEN=127.0.0.1:$port" "${in_root[@]}" "${entrypoint[@]}" "${arguments[@]}"
assert_not_root
post_event e-1
[ "$(read_total)" = 1 ]
[ "$(env -i "WEIR_URL=$url" "${in_root[@]}" "${health[@]}")" = ok ]
stop_server
if env -i "WEIR_URL=$url" "${in_root[@]}" "${health[@]}" 2>/dev/null; then
    echo "the health check passed without a server" && exit 1
fi
echo "image: served and checked its health in a root of $(find "$root" -type f | wc -l) files, as the user $(instruction USER)"
