#!/usr/bin/env bash
# Runs a test in a container of an image with git, which then is the test's git:
#
#   CGO_ENABLED=0 go test -exec "$PWD/tools/in-image.sh IMAGE" ./PACKAGE
#
# The test sees this work tree, has the network of the host, and can start containers next to its own. Its temporary files
# are on the host's disk, not on the layers of the container, which may take many times as long for small files.
set -euo pipefail
image=$1 test=$2
shift 2
root=$(cd "$(dirname "$0")/.." && pwd)
socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
[[ $socket == unix://* ]] || { echo "tools/in-image.sh: DOCKER_HOST is $socket, but a test can be given a socket alone" >&2; exit 1; }
exec docker run --rm --init --network host --env GITSTORE_IMAGE_TAG --env TESTCONTAINERS_RYUK_DISABLED \
  --volume "${socket#unix://}:/var/run/docker.sock" --volume /tmp --volume "$root:$root:ro" --volume "$(dirname "$test"):$(dirname "$test")" \
  --workdir "$PWD" --entrypoint "$test" "$image" "$@"
