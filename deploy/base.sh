#!/usr/bin/env bash
# Prints the name of an image with git, which the git-service's image is built on, after making sure that it is there:
# deploy/base.sh [SUITE]
#
#  1. GIT_BASE, if it names one: as it is here, else pulled. It has to have git 2.39.5 or newer;
#  2. else the image that this script made before;
#  3. else an official one: as it is here, else pulled, if that takes a minute at most;
#  4. else one made from Debian's packages, which takes some minutes, and root or sudo.
#
# If GIT_BASE cannot be pulled the script says so and goes on with the others, which are of Debian's bookworm. With SUITE
# they are of that suite, and what is made has all of git, also what a client needs: `make test-git-versions` uses it.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${1:-bookworm}
made=gitstore-git-base:$suite
[[ $# == 0 ]] || made=gitstore-git:$suite
official=buildpack-deps:$suite-scm

say() { echo "deploy/base.sh: $*" >&2; }
fail() { say "$@"; exit 1; }
# 2.39.5 is what the images were tried with; releases before it lack fixes of vulnerabilities in git.
has_git() {
  local version
  version=$(docker run --rm --network none --entrypoint git "$1" version) || fail "git does not run in $1"
  version=$(awk '{ print $3 }' <<<"$version")
  [[ $(printf '%s\n' 2.39.5 "$version" | sort -V | head -n 1) == 2.39.5 ]] ||
    fail "$1 has git $version, which is too old: 2.39.5 or newer is needed"
  say "git $version is in $1"
}
has() { docker image inspect "$1" >/dev/null 2>&1; }
take() {
  has_git "$1"
  echo "$1"
  exit
}

command -v docker >/dev/null || fail "docker is missing: install Docker Engine 20.10 or newer"
docker version --format '{{.Server.Version}}' >/dev/null || fail "no Docker daemon answers: start it, or set DOCKER_HOST"

if [[ -n ${GIT_BASE:-} ]]; then
  if has "$GIT_BASE" || docker pull --quiet "$GIT_BASE" >&2; then take "$GIT_BASE"; fi
  say "$GIT_BASE cannot be pulled: looking for another base"
fi
if has "$made"; then take "$made"; fi
if has "$official" || timeout 60 docker pull --quiet "$official" >/dev/null 2>&1; then take "$official"; fi

say "$official cannot be pulled: making $made from Debian's packages, which takes some minutes"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
if ! command -v mmdebstrap >/dev/null || [[ ! -e $keyring ]]; then
  tools/apt-install.sh mmdebstrap debian-archive-keyring || fail "install them, or set GIT_BASE to an image with git"
fi
as_root=$([[ $(id -u) == 0 ]] || echo sudo)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# What a program without a terminal never reads is left out (copyright files stay), and of what the images are built on
# also what git needs to talk to other hosts and to run scripts: the service uses git's built-in commands alone.
hooks=(
  --customize-hook='cd "$1"/usr/lib/git-core && rm -f git-remote-* git-http-* git-imap-send git-daemon scalar git-shell ../../bin/scalar ../../bin/git-shell'
  --customize-hook='rm -rf "$1"/usr/bin/perl* "$1"/usr/lib/*/perl* "$1"/usr/lib/*/libperl* "$1"/usr/lib/*/gconv "$1"/usr/share/perl*'
)
[[ $# == 0 ]] || hooks=()
$as_root mmdebstrap --quiet --variant=essential --include=git,ca-certificates --keyring="$keyring" \
  --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/zoneinfo/*' \
  "${hooks[@]}" "$suite" "$scratch/base.tar" >&2 ||
  fail "mmdebstrap failed: it needs root, a mirror of Debian that answers, and a keyring that knows $suite"
docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$scratch/base.tar" "$made" >/dev/null
take "$made"
