package git_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// refNames are names for every rule of git-check-ref-format(1), and some that look worse than they are.
var refNames = []string{
	"refs/heads/main", "refs/tags/v1.0.0", "refs/heads/a/b/c", "heads/a", "a/b", "refs/heads/feature/x-1_2", "refs/heads/café", "refs/heads/\xff",
	"a..b", "refs/heads/a..b", "a.lock", "refs/heads/a.lock", "refs/heads/a.lock/b", "refs/heads/alock", "refs/heads/.lock", ".a", "refs/heads/.a",
	"a/.b", "refs/heads/a/.b", "a b", "refs/heads/a b", "a~b", "refs/heads/a~1", "a^", "refs/heads/a^{}", "a:b", "refs/heads/a:b", "a?", "refs/heads/a?",
	"a*", "refs/heads/a*", "refs/heads/*", "a[", "refs/heads/a[b]", `a\b`, `refs/heads/a\b`, "a@{b", "refs/heads/a@{b}", "refs/heads/a@{", "a/", "refs/heads/a/",
	"refs/heads/", "refs//heads/a", "//", "/", "/refs/heads/a", "a.", "refs/heads/a.", "refs/heads/a./b", "refs/heads/a\x01", "refs/heads/a\x1fb", "refs/heads/a\tb",
	"refs/heads/a\nb", "refs/heads/a\x7f", "", ".", "..", "@", "refs/heads/@", "@/a", "a/@", "refs/heads/{", "refs/heads/a{b}", "HEAD", "refs/HEAD", "refs/heads/HEAD",
	"refs/heads/-a", "-a/b", "refs/heads/--", "refs/heads/" + strings.Repeat("a", 40), "refs/heads/a.LOCK", "refs/heads/a.lock.b", "refs/heads/a.b.c",
	"refs/heads/\u202e", "refs/heads/a;b", "refs/heads/$(x)", "refs/heads/`x`", "refs/heads/'\"", "refs/heads/%2e%2e", "refs/heads/\u0085", "refs/heads/" + strings.Repeat("a/", 400) + "b",
}

// checkRefFormat asks git about one name. It would take "-" at the beginning for an option; with a letter in front, no
// rule decides otherwise.
func checkRefFormat(t *testing.T, name string) bool {
	if strings.HasPrefix(name, "-") {
		name = "a" + name
	}
	_, err := gitcmd.Try(t, "check-ref-format", name)
	return err == nil
}

func TestCheckRefFormatEqualsGitByName(t *testing.T) {
	for _, name := range refNames {
		if got, want := git.CheckRefFormat(name) == nil, checkRefFormat(t, name); got != want {
			t.Errorf("CheckRefFormat(%q) accepts: %t; git: %t", name, got, want)
		}
	}
}

// TestCheckRefFormatEqualsGit asks git about many names at once: git show-ref --exclude-existing warns of the names on
// its input that git check-ref-format refuses, and prints the others. It cannot be asked about names with white space,
// and not about those that end with "^{}", which it takes off.
func TestCheckRefFormatEqualsGit(t *testing.T) {
	pieces := []string{
		"refs/", "heads/", "a", "b", ".", "..", "/", "//", ".lock", ".loc", "lock", "@", "{", "@{", "}", "~", "^", ":", "?", "*", "[", "]", "\\", "-",
		"\x01", "\x7f", "\x80", "\xff", "é", "HEAD", "#", "$", ";", "'", "\"", "%",
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	want := map[string]bool{}
	var input bytes.Buffer
	for len(want) < 20_000 {
		name := ""
		for range 1 + rnd.IntN(7) {
			name += pieces[rnd.IntN(len(pieces))]
		}
		want[name] = false
		input.WriteString(name + "\n")
	}
	for _, line := range strings.Split(string(gitcmd.Init(t).Git(input.Bytes(), "show-ref", "--exclude-existing")), "\n") {
		want[line] = true
	}
	delete(want, "") // behind the last line
	accepted := 0
	for name, ok := range want {
		if ok {
			accepted++
		}
		if got := git.CheckRefFormat(name) == nil; got != ok {
			t.Errorf("CheckRefFormat(%q) accepts: %t; git: %t", name, got, ok)
		}
	}
	if accepted < 100 {
		t.Errorf("git accepts %d names: too few to tell", accepted)
	}
}

func FuzzCheckRefFormat(f *testing.F) {
	for _, name := range append(slices.Clone(refNames), "refs/heads/a\x00b") {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := git.CheckRefFormat(name)
		if err != nil && !errs.Is(err, errs.ReasonInvalidRefName) {
			t.Errorf("CheckRefFormat(%q) fails with %v", name, err)
		}
		if strings.IndexByte(name, 0) >= 0 { // no argument can hold it
			if err == nil {
				t.Errorf("CheckRefFormat accepts %q", name)
			}
			return
		}
		if got, want := err == nil, checkRefFormat(t, name); got != want {
			t.Errorf("CheckRefFormat(%q) accepts: %t; git: %t", name, got, want)
		}
	})
}

func TestARefusedRefNameIsNotRead(t *testing.T) {
	for _, name := range []string{"", "main", "heads/main", "refs", "refs/", "xrefs/heads/a", "HEAD", "config", "refs/../config", "refs/heads/a b", "refs/heads/a\x00b"} {
		if ref, err := git.ParseRefName(name); !errs.Is(err, errs.ReasonInvalidRefName) || !ref.IsZero() {
			t.Errorf("ParseRefName(%q) = %v, %v, want INVALID_REF_NAME", name, ref, err)
		}
	}
	for _, short := range []string{"", "/", "a//b", "a/", "..", "a..b", "a.lock", "a\x00", "a\n", "a b"} {
		for _, parse := range []func(string) (git.RefName, error){git.BranchRef, git.TagRef} {
			if ref, err := parse(short); !errs.Is(err, errs.ReasonInvalidRefName) || !ref.IsZero() {
				t.Errorf("the ref of %q = %v, %v, want INVALID_REF_NAME", short, ref, err)
			}
		}
	}
}

func TestShortIsTheNameOfABranchOrTag(t *testing.T) {
	for name, want := range map[string]struct {
		short       string
		branch, tag bool
	}{
		"refs/heads/main":           {"main", true, false},
		"refs/heads/refs/tags/x":    {"refs/tags/x", true, false},
		"refs/tags/v1":              {"v1", false, true},
		"refs/tags/refs/heads/main": {"refs/heads/main", false, true},
		"refs/notes/commits":        {"refs/notes/commits", false, false},
	} {
		ref, err := git.ParseRefName(name)
		if err != nil {
			t.Fatal(err)
		}
		if ref.Short() != want.short || ref.IsBranch() != want.branch || ref.IsTag() != want.tag || ref.String() != name {
			t.Errorf("%s: short %q, branch %t, tag %t, want %v", name, ref.Short(), ref.IsBranch(), ref.IsTag(), want)
		}
		for _, again := range []func(string) (git.RefName, error){git.BranchRef, git.TagRef} {
			if r, err := again(want.short); err != nil || r.Short() != want.short {
				t.Errorf("the ref of %q = %v, %v", want.short, r, err)
			}
		}
	}
}

func TestGitStoreWritesOnlyPlainRefs(t *testing.T) {
	tests := []struct {
		name string
		want errs.Reason
	}{
		{"refs/heads/main", ""},
		{"refs/tags/v1.0.0", ""},
		{"refs/heads/feature/café", ""},
		{"refs/heads/a/HEAD", ""},
		{"refs/heads/" + strings.Repeat("a", 39), ""},
		{"refs/heads/" + strings.Repeat("a", 250), ""},
		{"refs/notes/commits", errs.ReasonRefNotWritable},
		{"refs/gitstore/x", errs.ReasonRefNotWritable},
		{"refs/replace/" + strings.Repeat("a", 40), errs.ReasonRefNotWritable},
		{"refs/remotes/origin/main", errs.ReasonRefNotWritable},
		{"refs/stash", errs.ReasonRefNotWritable},
		{"refs/heads/-main", errs.ReasonInvalidRefName},
		{"refs/tags/--force", errs.ReasonInvalidRefName},
		{"refs/heads/HEAD", errs.ReasonInvalidRefName},
		{"refs/tags/HEAD", errs.ReasonInvalidRefName},
		{"refs/heads/" + strings.Repeat("a", 40), errs.ReasonInvalidRefName},
		{"refs/heads/" + strings.Repeat("0", 40), errs.ReasonInvalidRefName},
		{"refs/tags/" + strings.Repeat("F", 64), errs.ReasonInvalidRefName},
		{"refs/heads/\xff", errs.ReasonInvalidRefName},
		{"refs/heads/" + strings.Repeat("a", 251), errs.ReasonInvalidRefName},
		{"refs/heads/" + strings.Repeat("a/", 510) + "b", errs.ReasonInvalidRefName},
	}
	for _, tt := range tests {
		ref, err := git.ParseRefName(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		if err := ref.CheckWritable(); errs.ReasonOf(err) != tt.want {
			t.Errorf("CheckWritable of %.60q = %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestExpectation(t *testing.T) {
	a, b := git.SHA1.EmptyTree(), git.SHA1.HashObject(git.BlobObject, nil)
	tests := []struct {
		name        string
		e           git.Expectation
		set         bool
		met, notMet []git.ObjectID
	}{
		{"nothing in particular", git.Expectation{}, false, []git.ObjectID{a, b, {}}, nil},
		{"absence", git.ExpectAbsent(), true, []git.ObjectID{{}}, []git.ObjectID{a, b}},
		{"absence by the zero ID", git.ExpectID(git.ObjectID{}), true, []git.ObjectID{{}}, []git.ObjectID{a}},
		{"an ID", git.ExpectID(a), true, []git.ObjectID{a}, []git.ObjectID{b, {}}},
	}
	for _, tt := range tests {
		if tt.e.IsSet() != tt.set {
			t.Errorf("%s: IsSet = %t", tt.name, !tt.set)
		}
		for _, id := range tt.met {
			if !tt.e.Met(id) {
				t.Errorf("%s: not met by %q", tt.name, id)
			}
		}
		for _, id := range tt.notMet {
			if tt.e.Met(id) {
				t.Errorf("%s: met by %q", tt.name, id)
			}
		}
	}
}
