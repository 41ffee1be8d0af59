package git_test

import (
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

func TestParseRevisionTakesFourForms(t *testing.T) {
	id := strings.Repeat("0123456789", 4)
	id256 := strings.Repeat("f", 64)
	tests := []struct {
		text       string
		want       string // what String returns; text if ""
		isID       bool
		isHead     bool
		candidates []string
	}{
		{text: "HEAD", isHead: true},
		{text: id, isID: true},
		{text: strings.ToUpper("abcdef" + id[6:]), want: "abcdef" + id[6:], isID: true},
		{text: id256, isID: true},
		{text: "refs/heads/main", candidates: []string{"refs/heads/main"}},
		{text: "refs/tags/v1", candidates: []string{"refs/tags/v1"}},
		{text: "refs/heads/-x", candidates: []string{"refs/heads/-x"}},
		{text: "main", candidates: []string{"refs/heads/main", "refs/tags/main"}},
		{text: "feature/x", candidates: []string{"refs/heads/feature/x", "refs/tags/feature/x"}},
		{text: "heads/main", candidates: []string{"refs/heads/heads/main", "refs/tags/heads/main"}},
		{text: "abc1234", candidates: []string{"refs/heads/abc1234", "refs/tags/abc1234"}}, // no abbreviated ID
		{text: "@", candidates: []string{"refs/heads/@", "refs/tags/@"}},                   // not HEAD
		{text: "head", candidates: []string{"refs/heads/head", "refs/tags/head"}},
		{text: "\xff", candidates: []string{"refs/heads/\xff", "refs/tags/\xff"}},
	}
	for _, tt := range tests {
		rev, err := git.ParseRevision(tt.text)
		if err != nil {
			t.Errorf("ParseRevision(%q) fails with %v", tt.text, err)
			continue
		}
		if tt.want == "" {
			tt.want = tt.text
		}
		var candidates []string
		for _, c := range rev.Candidates() {
			candidates = append(candidates, c.String())
		}
		_, isID := rev.CommitID()
		if rev.String() != tt.want || isID != tt.isID || rev.IsHead() != tt.isHead || rev.IsZero() ||
			strings.Join(candidates, " ") != strings.Join(tt.candidates, " ") {
			t.Errorf("ParseRevision(%q) = %q, an ID %t, HEAD %t, candidates %q", tt.text, rev, isID, rev.IsHead(), candidates)
		}
	}
}

func TestParseRevisionRefusesEverythingElse(t *testing.T) {
	for _, text := range []string{
		"", "-", "-x", "--all", "--upload-pack=x", "^main", ":/x", ":x", "main:file", "main~1", "main^", "main^{}", "main^{/fix}", "main@{1}", "@{-1}", "@{u}",
		"HEAD~1", "a..b", "a...b", "main ", " main", "a b", "a\nb", "a\x00b", "a\tb", "main.lock", "refs/", "refs//heads/a", "/main", "main/", "*", "?", "[a]", `a\b`,
		"HEAD^", "^", "~", "..", ".", "refs/heads/", "refs/heads/a..b", strings.Repeat("0", 40), strings.Repeat("0", 64), strings.Repeat("a", 1025), "\x7f",
	} {
		rev, err := git.ParseRevision(text)
		if !errs.Is(err, errs.ReasonInvalidRevision) || errs.From(err).Meta[errs.MetaField] != "revision" || !rev.IsZero() {
			t.Errorf("ParseRevision(%.60q) = %v, %v, want INVALID_REVISION", text, rev, err)
		}
	}
}

func FuzzParseRevision(f *testing.F) {
	for _, s := range append([]string{"HEAD", "main", "-x", "main~1", strings.Repeat("a", 40), strings.Repeat("0", 64), "@{-1}"}, refNames...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rev, err := git.ParseRevision(s)
		if err != nil {
			if !errs.Is(err, errs.ReasonInvalidRevision) {
				t.Errorf("ParseRevision(%q) fails with %v", s, err)
			}
			return
		}
		if again, err := git.ParseRevision(rev.String()); err != nil || again != rev {
			t.Errorf("ParseRevision(%q) = %v, which reads back as %v, %v", s, rev, again, err)
		}
		for _, c := range rev.Candidates() {
			if err := git.CheckRefFormat(c.String()); err != nil {
				t.Errorf("ParseRevision(%q) has the candidate %q: %v", s, c, err)
			}
		}
		if s[0] == '-' {
			t.Errorf("ParseRevision accepts %q, which looks like an option", s)
		}
	})
}

func TestParseRepositoryID(t *testing.T) {
	for _, s := range []string{"shop", "a", "0", "my-shop-2", "a-", strings.Repeat("a", 63)} {
		if id, err := git.ParseRepositoryID(s); err != nil || id.String() != s || id.IsZero() {
			t.Errorf("ParseRepositoryID(%q) = %v, %v", s, id, err)
		}
	}
	for _, s := range []string{
		"", "-x", "Shop", "CON.", "a.b", "a_b", "a/b", "../x", "a/../../b", "a%2f..", ".git", "a\x00", "a\n", "\n", "shop\n", " shop", "ｓhop", "shoр", strings.Repeat("a", 64), strings.Repeat("a", 300),
	} {
		if id, err := git.ParseRepositoryID(s); !errs.Is(err, errs.ReasonInvalidRepositoryID) || !id.IsZero() {
			t.Errorf("ParseRepositoryID(%q) = %v, %v, want INVALID_REPOSITORY_ID", s, id, err)
		}
	}
}
