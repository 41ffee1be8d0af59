package git_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

func TestBranchPatternsSelectBranchesByShortNames(t *testing.T) {
	patterns, err := git.ParseBranchPatterns("branches", []string{"main", "release/*", "team"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"refs/heads/main": true, "refs/heads/main/x": true, "refs/heads/maintenance": false, "refs/heads/release/1": true, "refs/heads/release": false,
		"refs/heads/team/a/b": true, "refs/heads/x/main": false, "refs/tags/main": false, "refs/tags/team/a": false,
	} {
		ref, err := git.ParseRefName(name)
		if err != nil {
			t.Fatal(err)
		}
		if patterns.Match(ref) != want {
			t.Errorf("%s: want %v", name, want)
		}
		if (git.BranchPatterns{}).Match(ref) {
			t.Errorf("no pattern selects %s", name)
		}
	}
	if got := patterns.Strings(); !slices.Equal(got, []string{"main", "release/*", "team"}) {
		t.Errorf("they are %q", got)
	}
}

func TestMalformedBranchPatternsAreRefused(t *testing.T) {
	for _, bad := range [][]string{{""}, {" "}, {"/"}, {"["}, {"refs/heads/main"}, {strings.Repeat("x", 256)}, make([]string, git.MaxBranchPatterns+1)} {
		if _, err := git.ParseBranchPatterns("branches", bad); !errs.Is(err, errs.ReasonInvalidPattern) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

func TestPatternsThatMatchNoBranchThatThereCanBeAreFound(t *testing.T) {
	for pattern, fits := range map[string]bool{
		"main": true, "release/*": true, "team/": true, "a.": true, "*": true, "*/*": true, "@*{": true, ".*.": false, "a*.": false, "v[0-9].x": true,
		"a.*ck": true, "*.lockx": true, "a.loc[k_]": true, `\m\ain`: true, "[]-]x": false, `[\]]x`: true, "\xff": true, "HEAD": true,
		"a..b": false, "a b": false, "/main": false, "a//b": false, "release/*/": false, "*.lock": false, "a.lock/*": false, ".x": false, "x/.*": false,
		"@{*": false, "a~1": false, "a:b": false, `a\*`: false, "*..": false,
	} {
		patterns, err := git.ParseBranchPatterns("branches", []string{"main", pattern})
		if err == nil {
			err = patterns.Check()
		}
		if fits && err != nil || !fits && !errs.Is(err, errs.ReasonInvalidPattern) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}
