#!/usr/bin/env bash
# Runs every fuzz target for a while: go test fuzzes one target at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-10s}

go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' ./... | while read -r package dir; do
	{ grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go || true; } | while read -r _ target; do
		echo "== $package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package" </dev/null
	done
done
