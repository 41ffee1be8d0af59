#!/usr/bin/env bash
# Compares contracts/, protobuf and GraphQL, with the contract that others already
# have: the commit where this work left main, or, on main itself, the commit before it.
# BREAKING_AGAINST names another commit. A shallow clone, and the commit that
# introduces the contract, have nothing to compare with.
set -euo pipefail
cd "$(dirname "$0")/.."

published() {
	local head base main
	head=$(git rev-parse HEAD)
	for main in origin/main main; do
		base=$(git merge-base HEAD "$main" 2>/dev/null) || continue
		if [[ $base != "$head" ]]; then
			echo "$base"
			return
		fi
	done
	git rev-parse --verify --quiet 'HEAD^' || true
}

if [[ -n ${BREAKING_AGAINST:-} ]]; then
	base=$(git rev-parse --verify "$BREAKING_AGAINST^{commit}")
else
	base=$(published)
fi
if [[ -z $base ]] || ! git cat-file -e "$base:contracts/buf.yaml" 2>/dev/null ||
	[[ -z $(git ls-tree -r --name-only "$base" -- contracts/proto) ]]; then
	echo "breaking: no earlier contract to compare with"
	exit 0
fi

against=$(mktemp -d)
trap 'rm -rf "$against"' EXIT
git archive "$base" contracts | tar -x -C "$against"
echo "breaking: comparing with $(git rev-parse --short "$base")"
"${BUF:-buf}" breaking contracts --against "$against/contracts"
if compgen -G "$against/contracts/graphql/*.graphqls" >/dev/null; then
	go run ./scripts/graphqlbreaking "$against/contracts/graphql" contracts/graphql
fi
