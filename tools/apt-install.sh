#!/usr/bin/env bash
# Installs packages where there is apt-get: tools/apt-install.sh PACKAGE...
set -euo pipefail
exec >&2

fail() { echo "tools/apt-install.sh: $*"; exit 1; }
command -v apt-get >/dev/null || fail "there is no apt-get: install $*"
as_root=$([[ $(id -u) == 0 ]] || echo sudo)
[[ -z $as_root ]] || sudo true || fail "installing $* needs root"

# Another apt-get may be at work: to install waits for its lock, to update does not.
patience=300
until $as_root apt-get update; do
  ((SECONDS < patience)) || fail "apt-get cannot update its lists"
  sleep 5
done
$as_root apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=$patience "$@" || fail "apt-get cannot install $*"
