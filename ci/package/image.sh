#!/usr/bin/env bash
# Builds the image of deploy/Containerfile, and runs it as its first lines say until its own health check passes. Needs
# a container engine; ci/package/image-test.sh tests the same without one. Usage: ci/package/image.sh IMAGE
set -euo pipefail
cd "$(dirname "$0")/../.."

docker build --file deploy/Containerfile --tag "$1" .
container=$(docker run --detach --read-only --cap-drop=ALL --security-opt=no-new-privileges --memory=2g \
    --health-interval=1s --publish 127.0.0.1::3000 --env WEIR_MAX_MEMORY=1GiB "$1")
trap 'docker rm --force "$container" >/dev/null' EXIT
state() { docker inspect --format "{{.State.$1}}" "$container"; }
for _ in $(seq 60); do
    [ "$(state Health.Status)" != healthy ] || break
    sleep 1
done
if [ "$(state Health.Status)" != healthy ]; then
    docker logs "$container"
    exit 1
fi
curl --silent --fail "http://$(docker port "$container" 3000/tcp)/metrics?window=60"
docker stop "$container" >/dev/null
[ "$(state ExitCode)" = 0 ]
echo "image: healthy, and stopped with exit code 0"
