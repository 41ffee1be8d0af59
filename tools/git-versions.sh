#!/usr/bin/env bash
# Tests GitStore with another git than its images have, as the client and as what the git-service runs. The images have to
# be there, with the tag GITSTORE_IMAGE_TAG.
#
# usage: git-versions.sh SUITE
#   SUITE  the suite of Debian that has the other git; GIT_BASE names an image instead
set -euo pipefail
cd "$(dirname "$0")/.."

usual=${GITSTORE_IMAGE_TAG:-dev}
other=$usual-other-git
base=$(deploy/base.sh "$1")

# git_of IMAGE prints the version of its git.
git_of() { docker run --rm --network none --entrypoint git "$1" version | awk '{ print $3 }'; }
old=$(git_of "gitstore-git-service:$usual") new=$(git_of "$base")
if [[ $old == "$new" ]]; then
	echo "tools/git-versions.sh: the images have git $old, and so has $base: name another suite or image" >&2
	exit 1
fi

# in_container PACKAGES [FLAGS] runs tests whose git is the other one.
in_container() { CGO_ENABLED=0 go test -count 1 -timeout 20m -exec "$PWD/tools/in-image.sh $base" "$@"; }

echo "== git $new as the client of services with git $old" >&2
export TESTCONTAINERS_RYUK_DISABLED=true
in_container ./e2e/containers -run '^TestGitClientsThroughAnyReplica$'

make images GIT_BASE="$base" GITSTORE_IMAGE_TAG="$other"
built=$(git_of "gitstore-git-service:$other")
if [[ $built != "$new" ]]; then
	echo "tools/git-versions.sh: gitstore-git-service:$other has git $built instead of $new" >&2
	exit 1
fi
echo "== git $new in the git-service, $(git version) as the client" >&2
GITSTORE_IMAGE_TAG=$other go test -count 1 -timeout 20m -run '^(TestGitClientsThroughAnyReplica|TestTheGitServiceIsAGitRepository)$' ./e2e/containers

echo "== git $new in the tests of adapters/gitcli" >&2
in_container ./adapters/gitcli/...
