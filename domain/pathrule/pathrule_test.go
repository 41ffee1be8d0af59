package pathrule_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/pathrule"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

func check(t testing.TB, path string) error {
	t.Helper()
	p, err := git.ParseTreePath(path)
	if err != nil {
		t.Fatalf("%q: %v", path, err)
	}
	return pathrule.Check(p)
}

func TestCheckRefuses(t *testing.T) {
	const (
		dotGit   = errs.ReasonDotGitComponent
		reserved = errs.ReasonReservedPath
		invalid  = errs.ReasonInvalidPath
	)
	tests := []struct {
		name string
		path string
		want errs.Reason
	}{
		{"dotgit", ".git", dotGit},
		{"dotgit as a directory", ".git/config", dotGit},
		{"dotgit further down", "a/b/.git/hooks/x", dotGit},
		{"dotgit in upper case", ".GIT", dotGit},
		{"dotgit in mixed case", "a/.gIt/x", dotGit},
		{"dotgit and a dot", ".git.", dotGit},
		{"dotgit and a space", ".git ", dotGit},
		{"dotgit and dots and spaces", ".git . . ./x", dotGit},
		{"short name", "git~1", dotGit},
		{"short name in upper case", "GIT~1/config", dotGit},
		{"second short name", "git~2", dotGit},
		{"ninth short name", "git~9", dotGit},
		{"short name and a dot", "git~1.", dotGit},
		{"dotgit with a stream", ".git::$INDEX_ALLOCATION", dotGit},
		{"dotgit with a named stream", ".git:x/config", dotGit},
		{"short name with a stream", "git~1::$INDEX_ALLOCATION", dotGit},
		{"dotgit before a backslash", `.git\config`, dotGit},
		{"dotgit with a zero width non-joiner", ".g\u200cit", dotGit},
		{"dotgit with a joiner in front", "\u200d.git", dotGit},
		{"dotgit with a bidirectional override", ".gi\u202et", dotGit},
		{"dotgit with a symmetric swapping mark", ".git\u206a", dotGit},
		{"dotgit with a byte order mark", "\ufeff.git", dotGit},

		{"gitmodules", ".gitmodules", reserved},
		{"gitmodules in a directory", "a/.gitmodules", reserved},
		{"gitmodules as a directory", ".gitmodules/x", reserved},
		{"gitmodules in mixed case", ".GitModules", reserved},
		{"gitmodules and dots", ".gitmodules..", reserved},
		{"gitmodules with a stream", ".gitmodules::$DATA", reserved},
		{"gitmodules with an ignorable", ".git\u200fmodules", reserved},
		{"gitmodules by short name", "gitmod~1", reserved},
		{"gitmodules by fourth short name", "GITMOD~4", reserved},
		{"gitmodules by hashed short name", "gi7eba~1", reserved},
		{"gitmodules by longer hashed short name", "GI7EB~10", reserved},
		{"gitmodules by short name and space", "gitmod~1 ", reserved},

		{"too long a path", strings.Repeat("a/", 20) + strings.Repeat("b", 985), invalid},
		{"too long a component", strings.Repeat("a", 256), invalid},
		{"too long a component of few letters", strings.Repeat("é", 128), invalid},
		{"too deep", strings.Repeat("a/", 32) + "b", invalid},
		{"not UTF-8", "a\xff", invalid},
		{"overlong encoding", "a\xc0\xaf", invalid},
		{"surrogate", "a\xed\xa0\x80", invalid},
		{"newline", "a\nb", invalid},
		{"tab", "a\tb", invalid},
		{"escape", "a\x1b[31m", invalid},
		{"delete", "a\x7f", invalid},
		{"C1 control", "a\u0085b", invalid},
		{"decomposed", "cafe\u0301", invalid},
		{"compatibility form that NFC replaces", "\u212b", invalid},
		{"backslash", `a\b`, invalid},
		{"trailing dot", "a.", invalid},
		{"trailing space", "a ", invalid},
		{"trailing dot in a directory", "a./b", invalid},
		{"three dots", "...", invalid},
		{"space alone", " ", invalid},
		{"console", "con", invalid},
		{"console in upper case", "a/CON/b", invalid},
		{"console with extension", "con.txt", invalid},
		{"console with a space and an extension", "con .txt", invalid},
		{"console with a stream", "con:x", invalid},
		{"null", "NUL.tar.gz", invalid},
		{"auxiliary", "aux.c", invalid},
		{"printer", "prn", invalid},
		{"serial port", "com1", invalid},
		{"serial port with a superscript", "COM\u00b9.x", invalid},
		{"parallel port", "lpt9.md", invalid},
		{"console input", "CONIN$", invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := check(t, tt.path)
			if !errs.Is(err, tt.want) {
				t.Fatalf("Check(%q) = %v, want %s", tt.path, err, tt.want)
			}
			if meta := errs.From(err).Meta; meta[errs.MetaField] != "path" || meta[errs.MetaPath] != tt.path {
				t.Errorf("Check(%q) has Meta %q, want field and path", tt.path, meta)
			}
		})
	}
	if err := pathrule.Check(git.TreePath{}); !errs.Is(err, invalid) {
		t.Errorf("Check of the root = %v, want %s", err, invalid)
	}
}

func TestCheckAcceptsWhatPeopleWrite(t *testing.T) {
	for _, path := range []string{
		"README.md", "products/coffee/ethiopia-yirgacheffe.md", "a b/c d.txt", "café/naïve.md", "日本語/製品.md", "👩‍🍳.md",
		".gitignore", ".gitattributes", ".github/workflows/ci.yml", "git", "gitmodules", "a.git", ".git-blame-ignore-revs", "git~",
		"git~a", "git~0", "gitmo~1", "console", "com", "com10", "common/x", "nully", "lpt", "-x", "--help", "a~1", "~", "*?[", "a:b", "'\"$(x)`",
		strings.Repeat("a", 255), strings.Repeat("a/", 31) + "b", strings.Repeat(strings.Repeat("a", 255)+"/", 4)[:1023],
	} {
		if err := check(t, path); err != nil {
			t.Errorf("Check(%q) = %v, want nil", path, err)
		}
	}
}

// parts make up names that some file system may take for another one.
var parts = []string{
	".git", ".GIT", "git", ".gitmodules", "gitmod", "gi7eba", "gi7e", "modules", "~1", "~2", "~4", "~10", "~1000000", ".", "..", " ", ":", "::$INDEX_ALLOCATION",
	"\u200c", "\u202a", "\u206f", "\ufeff", "\\", "a", "con", "nul", "com1", "\t", "\x7f", "\xff", "e\u0301", "é", "-",
}

func TestWhatCheckAcceptsGitAccepts(t *testing.T) {
	r := gitcmd.Init(t)
	for _, name := range []string{"core.protectHFS", "core.protectNTFS"} {
		r.Git(nil, "config", name, "true")
	}
	blob := r.Put(git.BlobObject, []byte("x"))
	rnd := rand.New(rand.NewPCG(1, 1))
	var index bytes.Buffer
	accepted := 0
	for i := range 5000 {
		name := ""
		for range 1 + rnd.IntN(4) {
			name += parts[rnd.IntN(len(parts))]
		}
		path := fmt.Sprintf("%d/%s", i, name)
		if p, err := git.ParseTreePath(path); err == nil && pathrule.Check(p) == nil {
			accepted++
			fmt.Fprintf(&index, "100644 %s\t%s\x00", blob, path)
		}
	}
	r.Git(index.Bytes(), "update-index", "-z", "--index-info") // it drops what it refuses without a word
	if kept := bytes.Count(r.Git(nil, "ls-files", "-z"), []byte{0}); kept != accepted || accepted == 0 {
		t.Errorf("git accepts %d of %d paths", kept, accepted)
	}
	r.Git(nil, "write-tree")
	r.Git(nil, "fsck", "--strict")
}

func FuzzPathRule(f *testing.F) {
	for _, s := range append(parts, "a/b", "products/café.md", ".git\u200c/x") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := git.ParseTreePath(s)
		if err != nil {
			return
		}
		switch err := pathrule.Check(p); {
		case err != nil:
			if !errs.Is(err, errs.ReasonInvalidPath, errs.ReasonDotGitComponent, errs.ReasonReservedPath) {
				t.Errorf("Check(%q) = %v", s, err)
			}
		case !utf8.ValidString(s) || !norm.NFC.IsNormalString(s) || len(s) > pathrule.MaxPath:
			t.Errorf("Check accepts %q", s)
		default:
			for _, c := range p.Components() {
				if name := strings.ToLower(c); strings.HasPrefix(name, ".git") && strings.Trim(name[4:], ". ") == "" {
					t.Errorf("Check accepts %q", s)
				}
			}
		}
	})
}
