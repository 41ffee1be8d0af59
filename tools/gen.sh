#!/usr/bin/env bash
# Generates contracts/gen from contracts/proto, and the executor of GraphQL in
# adapters/httpapi/graphqlapi from contracts/graphql. With --check it writes
# nothing and fails if the committed code is not what they generate.
# Expects buf, protoc-gen-go, protoc-gen-go-grpc and gqlgen on PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

executor=adapters/httpapi/graphqlapi
# gqlgen reads the Go packages that the schema is bound to, and does not take
# what it made before for one of them.
gen_graphql() {
	rm -f "$executor"/{generated,models_gen}.go
	gqlgen generate --config contracts/graphql/gqlgen.yaml
}

if [[ ${1:-} != --check ]]; then
	(cd contracts && buf generate)
	gen_graphql
	exit
fi

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
(cd contracts && buf generate --output "$fresh")
if ! diff -r contracts/gen "$fresh/gen"; then
	echo "contracts/gen is not what contracts/proto generates: run make gen and commit the result" >&2
	exit 1
fi

# What gqlgen reads is copied, so that the work tree stays as it is.
cp -r --parents go.mod go.sum contracts/graphql domain ports app/catalogs app/markdown "$executor" "$fresh"
(cd "$fresh" && gen_graphql)
if ! diff -r "$executor" "$fresh/$executor"; then
	echo "$executor is not what contracts/graphql generates: run make gen and commit the result" >&2
	exit 1
fi
