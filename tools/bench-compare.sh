#!/usr/bin/env bash
# Compares the Go benchmarks of the work tree as it is with those of another
# revision: both are built, take turns for several rounds, and benchstat says
# what differs. A benchmark that only one of them has is shown without a
# comparison.
#
# usage: bench-compare.sh REVISION BENCHMARKS ROUNDS TIME, with benchstat in PATH
#   BENCHMARKS  regular expression, as of go test -bench
#   TIME        how long one benchmark runs in a round, as of go test -benchtime
set -euo pipefail
cd "$(dirname "$0")/.."
revision=$1 benchmarks=$2 rounds=$3 time=$4

git rev-parse --quiet --verify "$revision^{commit}" >/dev/null || { echo "there is no revision \"$revision\"" >&2; exit 2; }
name=$(git rev-parse --short "$revision")
temporary=$(mktemp -d)
trap 'git worktree remove --force "$temporary/base" 2>/dev/null || true; rm -rf "$temporary"' EXIT
git worktree add --quiet --detach "$temporary/base" "$revision"

# build TREE OUT builds a test binary for each package with benchmarks that need
# more than memory, and names it after its directory.
build() {
	(
		cd "$1"
		git grep --files-with-matches '^func Benchmark' -- '*_test.go' ':!ports' | xargs -n 1 dirname | sort -u | while read -r package; do
			mkdir -p "$2/$package"
			go test -c -o "$2/$package/test" "./$package"
		done
	)
}
echo "building $name and the work tree" >&2
build "$temporary/base" "$temporary/binaries/base"
build . "$temporary/binaries/head"

# round SIDE TREE runs the benchmarks of one side once.
round() {
	(cd "$temporary/binaries/$1" && find . -name test | sort) | while read -r binary; do
		(cd "$2/${binary%/test}" && "$temporary/binaries/$1/$binary" -test.run '^$' -test.bench "$benchmarks" -test.benchtime "$time" </dev/null)
	done >>"$temporary/$1.txt"
}
for ((i = 1; i <= rounds; i++)); do
	echo "round $i of $rounds" >&2
	if ((i % 2)); then
		round base "$temporary/base"
		round head "$PWD"
	else # whoever is second finds a warmer machine
		round head "$PWD"
		round base "$temporary/base"
	fi
done
benchstat "$name=$temporary/base.txt" "work tree=$temporary/head.txt"
