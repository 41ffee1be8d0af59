package git_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

func treePath(t testing.TB, s string) git.TreePath {
	t.Helper()
	if s == "" {
		return git.TreePath{}
	}
	p, err := git.ParseTreePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseTreePathTakesPathsAsTheyStand(t *testing.T) {
	for _, s := range []string{
		"a", "a/b/c", " ", "a b", "...", ".a", "a.", "-x", "\xff", "a\nb", `a\b`, ".git", "a/.git", "C:", "~", strings.Repeat("a", 4096),
	} {
		if p, err := git.ParseTreePath(s); err != nil || p.String() != s || p.IsRoot() {
			t.Errorf("ParseTreePath(%.40q) = %q, %v", s, p, err)
		}
	}
}

func TestParseTreePathRefusesWhatIsNotClean(t *testing.T) {
	for _, s := range []string{
		"", "/", "/x", "../x", "a/../b", "a/..", "..", ".", "./a", "a/.", "a/./b", "a//b", "a/", "//", "a\x00b", strings.Repeat("a", 4097),
	} {
		p, err := git.ParseTreePath(s)
		if !errs.Is(err, errs.ReasonInvalidPath) || !p.IsRoot() {
			t.Errorf("ParseTreePath(%.40q) = %q, %v, want INVALID_PATH", s, p, err)
		} else if meta := errs.From(err).Meta; meta[errs.MetaField] != "path" || len(meta[errs.MetaPath]) > 4096 || !strings.HasPrefix(s, meta[errs.MetaPath]) {
			t.Errorf("ParseTreePath(%.40q) fails with Meta %.80q", s, meta)
		}
	}
}

func TestPartsOfATreePath(t *testing.T) {
	tests := []struct {
		path, dir, base string
		ancestors       []string // of 0, 1, … components
	}{
		{"", "", "", []string{"", ""}},
		{"a", "", "a", []string{"", "a", "a"}},
		{"a/b", "a", "b", []string{"", "a", "a/b", "a/b"}},
		{"aa/bb/cc", "aa/bb", "cc", []string{"", "aa", "aa/bb", "aa/bb/cc", "aa/bb/cc"}},
	}
	for _, tt := range tests {
		p := treePath(t, tt.path)
		if p.Dir().String() != tt.dir || p.Base() != tt.base {
			t.Errorf("%q: Dir %q, Base %q, want %q, %q", p, p.Dir(), p.Base(), tt.dir, tt.base)
		}
		if tt.path != "" && p.Dir().Join(p.Base()) != p {
			t.Errorf("%q: Dir and Base join to %q", p, p.Dir().Join(p.Base()))
		}
		for n, want := range tt.ancestors {
			if got := p.Ancestor(n).String(); got != want {
				t.Errorf("%q: Ancestor(%d) = %q, want %q", p, n, got, want)
			}
		}
	}
}

func TestContainsIsOfWholeComponents(t *testing.T) {
	tests := []struct {
		p, q string
		want bool
	}{
		{"", "", true},
		{"", "a", true},
		{"a", "", false},
		{"a", "a", true},
		{"a", "a/b", true},
		{"a", "ab", false},
		{"a", "a.b", false},
		{"a/b", "a", false},
		{"a/b", "a/b/c/d", true},
		{"a/b", "a/bc", false},
	}
	for _, tt := range tests {
		if got := treePath(t, tt.p).Contains(treePath(t, tt.q)); got != tt.want {
			t.Errorf("%q contains %q: %t", tt.p, tt.q, got)
		}
	}
}

func FuzzParseTreePath(f *testing.F) {
	for _, s := range []string{"a", "a/b", "../x", "a//b", "/", "a/./b", "\x00", "\xff/é", strings.Repeat("a/", 3000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := git.ParseTreePath(s)
		if err != nil {
			if !errs.Is(err, errs.ReasonInvalidPath) {
				t.Errorf("ParseTreePath(%q) fails with %v", s, err)
			}
			return
		}
		components := p.Components()
		if p.String() != s || strings.Join(components, "/") != s {
			t.Errorf("ParseTreePath(%q) = %q of %q", s, p, components)
		}
		if slices.ContainsFunc(components, func(c string) bool { return c == "" || c == "." || c == ".." }) {
			t.Errorf("ParseTreePath accepts %q", s)
		}
		joined := git.TreePath{}
		for i, c := range components {
			joined = joined.Join(c)
			if joined != p.Ancestor(i+1) || !joined.Contains(p) {
				t.Errorf("%q: the first %d components are %q", s, i+1, joined)
			}
		}
	})
}
