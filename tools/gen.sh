#!/usr/bin/env bash
# Generates contracts/gen from contracts/proto. With --check it writes nothing
# and fails if the committed code is not what the protos generate.
# Expects buf, protoc-gen-go and protoc-gen-go-grpc on PATH.
set -euo pipefail
cd "$(dirname "$0")/../contracts"

if [[ ${1:-} != --check ]]; then
	exec buf generate
fi

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
buf generate --output "$fresh"
if ! diff -r gen "$fresh/gen"; then
	echo "contracts/gen is not what contracts/proto generates: run make gen and commit the result" >&2
	exit 1
fi
