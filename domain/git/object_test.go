package git_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// anyID is the ID of the objects that tests decode where it does not matter.
var anyID = git.SHA1.HashObject(git.BlobObject, []byte("x"))

func exporter() cmp.Options {
	return cmp.Options{
		cmp.Comparer(func(a, b git.ObjectID) bool { return a == b }),
		cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) && a.Format("-0700") == b.Format("-0700") }),
	}
}

// content returns an object's bytes as git holds them.
func content(r *gitcmd.Repo, id string) []byte {
	typ := strings.TrimSpace(string(r.Git(nil, "cat-file", "-t", id)))
	return r.Git(nil, "cat-file", typ, id)
}

var zones = []string{"+0000", "+0100", "-0800", "+0530", "-0330", "+0545", "+1400", "-1200", "+0001", "-0001", "+2359"}

func TestCommitsOfGitAreReadAndWrittenByteForByte(t *testing.T) {
	for _, format := range []git.ObjectFormat{git.SHA1, git.SHA256} {
		r := gitcmd.InitFormat(t, format)
		root := strings.TrimSpace(string(r.Git(nil, "mktree")))
		parents := []string{}
		for i, zone := range zones {
			args := []string{"-c", "i18n.commitEncoding=" + []string{"utf-8", "iso-8859-1"}[i%2], "commit-tree", root}
			for _, p := range parents {
				args = append(args, "-p", p)
			}
			env := []string{"GIT_AUTHOR_NAME=Ünal O. Thor, Jr", fmt.Sprintf("GIT_AUTHOR_DATE=@%d %s", 1_700_000_000+i, zone), "GIT_COMMITTER_DATE=@0 " + zones[len(zones)-1-i]}
			id := strings.TrimSpace(string(r.GitEnv([]byte(strings.Repeat("message\n", i%3)), env, args...)))
			raw := content(r, id)
			c, err := git.DecodeCommit(r.ID(id), raw)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Encode(); !bytes.Equal(got, raw) {
				t.Errorf("git wrote\n%q, Encode\n%q", raw, got)
			}
			if got := c.Author.When.Format("-0700"); got != zone || c.Author.When.Unix() != int64(1_700_000_000+i) {
				t.Errorf("the author's time is %s, want zone %s", c.Author.When, zone)
			}
			if len(c.Parents) != len(parents) || c.Tree.String() != root || c.Author.Email != "author@example.com" {
				t.Errorf("commit %d is read as %+v", i, c)
			}
			parents = append(parents[max(0, len(parents)-2):], id)
		}
	}
}

func TestHeadersOfSeveralLinesAreReadAndWritten(t *testing.T) {
	raw := "tree " + git.SHA1.EmptyTree().String() + "\nauthor A <a@example.com> 1 +0000\ncommitter C <c@example.com> 2 -0100\n" +
		"encoding ISO-8859-1\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n \nmergetag object x\n type commit\n\nsubject\n\nbody \xe9\n"
	c, err := git.DecodeCommit(anyID, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(c.Encode()); got != raw {
		t.Errorf("Encode = %q, want %q", got, raw)
	}
	want := map[string]string{
		"encoding": "ISO-8859-1", "mergetag": "object x\ntype commit", "none": "",
		"gpgsig": "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n",
	}
	for key, value := range want {
		if got := c.Header(key); got != value {
			t.Errorf("header %s is %q, want %q", key, got, value)
		}
	}
	if c.Message != "subject\n\nbody \xe9\n" {
		t.Errorf("the message is %q", c.Message)
	}
}

func TestOddSignaturesAreReadAsFarAsTheyGo(t *testing.T) {
	epoch := time.Unix(0, 0).UTC()
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
	tests := []struct {
		line string
		want git.Signature
	}{
		{"A <a@example.com> 5 +0000", git.Signature{Name: "A", Email: "a@example.com", When: at(5)}},
		{"<a@example.com> 5 +0000", git.Signature{Email: "a@example.com", When: at(5)}},
		{"A <> 5 +0000", git.Signature{Name: "A", When: at(5)}},
		{"A <a> b <c> 5 +0000", git.Signature{Name: "A", Email: "a", When: epoch}},
		{"A", git.Signature{Name: "A", When: epoch}},
		{"", git.Signature{When: epoch}},
		{"A <a@example.com>", git.Signature{Name: "A", Email: "a@example.com", When: epoch}},
		{"A <a@example.com> now", git.Signature{Name: "A", Email: "a@example.com", When: epoch}},
		{"A <a@example.com> -5 +0000", git.Signature{Name: "A", Email: "a@example.com", When: epoch}},
		{"A <a@example.com> 99999999999999999999 +0000", git.Signature{Name: "A", Email: "a@example.com", When: epoch}},
		{"A <a@example.com> 9223372036854775807 +0000", git.Signature{Name: "A", Email: "a@example.com", When: epoch}},
		{"A <a@example.com> 5", git.Signature{Name: "A", Email: "a@example.com", When: at(5)}},
		{"A <a@example.com> 5 +051800", git.Signature{Name: "A", Email: "a@example.com", When: at(5)}},
		{"A <a@example.com> 5 UTC", git.Signature{Name: "A", Email: "a@example.com", When: at(5)}},
		{"A <a@example.com> 5 +0000\n <b@example.com>", git.Signature{Name: "A", Email: "a@example.com", When: at(5)}},
	}
	for _, tt := range tests {
		raw := "tree " + git.SHA1.EmptyTree().String() + "\nauthor " + tt.line + "\ncommitter C <c@example.com> 1 +0000\n\nm\n"
		c, err := git.DecodeCommit(anyID, []byte(raw))
		if err != nil {
			t.Errorf("%q: %v", tt.line, err)
			continue
		}
		if diff := cmp.Diff(tt.want, c.Author, exporter()); diff != "" {
			t.Errorf("%q is read otherwise (-want +got):\n%s", tt.line, diff)
		}
	}
}

func TestDecodeCommitFollowsGitInWhatCounts(t *testing.T) {
	tree, other := git.SHA1.EmptyTree(), git.SHA1.HashObject(git.BlobObject, nil)
	raw := fmt.Sprintf("tree %s\nauthor A <a@example.com> 1 +0000\ncommitter C <c@example.com> 1 +0000\ntree %s\nparent %s\nauthor B <b@example.com> 1 +0000\n\nm\n",
		tree, other, other)
	c, err := git.DecodeCommit(anyID, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if c.Tree != tree || len(c.Parents) != 0 || c.Author.Name != "A" {
		t.Errorf("headers further down count: %+v", c)
	}
	if got := string(c.Encode()); got != raw {
		t.Errorf("Encode = %q, want %q", got, raw)
	}
}

func TestMalformedObjectsAreCorrupt(t *testing.T) {
	tree, tree256 := git.SHA1.EmptyTree().String(), git.SHA256.EmptyTree().String()
	const people = "author A <a@example.com> 1 +0000\ncommitter C <c@example.com> 1 +0000\n"
	for _, raw := range []string{
		"", "\n", "message", people + "\nm", "author A\ntree " + tree + "\n\nm", "tree\n\nm", "tree x\n\nm", "tree " + tree[:39] + "\n\nm", "tree " + tree256 + "\n\nm",
		"tree " + strings.Repeat("0", 40) + "\n\nm", "tree " + tree + "\nparent x\n" + people + "\nm", "tree " + tree + "\n x\n" + people, "tree " + tree + "\nparent " + tree256 + "\n" + people,
	} {
		if c, err := git.DecodeCommit(anyID, []byte(raw)); !errs.Is(err, errs.ReasonRepositoryCorrupt) || c != nil {
			t.Errorf("DecodeCommit(%q) = %v, %v, want REPOSITORY_CORRUPT", raw, c, err)
		}
	}
	for _, raw := range []string{
		"", "object " + tree, "object " + tree + "\ntype commit\n\nm", "object x\ntype commit\ntag v1\n\nm", "object " + tree + "\ntype box\ntag v1\n\nm",
		"object " + tree + "\ntype commit\ntag v1\n v2\n\nm", "type commit\nobject " + tree + "\ntag v1\n\nm", "object " + tree + "\ntag v1\ntype commit\n\nm", "object " + tree256 + "\ntype commit\ntag v1\n\nm",
	} {
		if tag, err := git.DecodeTag(anyID, []byte(raw)); !errs.Is(err, errs.ReasonRepositoryCorrupt) || tag != nil {
			t.Errorf("DecodeTag(%q) = %v, %v, want REPOSITORY_CORRUPT", raw, tag, err)
		}
	}
	id := string(anyID.Bytes())
	for _, raw := range []string{
		"1", "100644", "100644 a", "100644 a\x00", "100644 a\x00" + id[:19], " a\x00" + id, "100644 \x00" + id, "9 a\x00" + id, "-1 a\x00" + id, "100644 a\x00" + strings.Repeat("\x00", 20),
		"77777777777777 a\x00" + id, "100644 a/b\x00" + id, "40000 .\x00" + id, "40000 ..\x00" + id, "100644 a\x00" + id + "x",
	} {
		if entries, err := git.DecodeTree(git.SHA1, []byte(raw)); !errs.Is(err, errs.ReasonRepositoryCorrupt) || entries != nil {
			t.Errorf("DecodeTree(%q) = %v, %v, want REPOSITORY_CORRUPT", raw, entries, err)
		}
	}
}

func TestTagsOfGitAreReadAndWrittenByteForByte(t *testing.T) {
	r := gitcmd.Init(t)
	root := strings.TrimSpace(string(r.Git(nil, "mktree")))
	commit := strings.TrimSpace(string(r.Git(nil, "commit-tree", "-m", "m", root)))
	for i, tag := range []string{"object " + commit + "\ntype commit\ntag v1\n", "object " + root + "\ntype tree\ntag t\n"} {
		for _, rest := range []string{"tagger T <t@example.com> 1 +0530\n\nmessage\n", "tagger T <t@example.com> 1 +0530\n\n", "\nold tags have no tagger\n"} {
			raw := content(r, r.Put(git.TagObject, []byte(tag+rest)).String())
			got, err := git.DecodeTag(anyID, raw)
			if err != nil || !bytes.Equal(got.Encode(), raw) {
				t.Errorf("tag %d: git holds %q, Encode gives %q, %v", i, raw, got.Encode(), err)
			}
		}
	}
}

func TestWhatIsEncodedPassesFsck(t *testing.T) {
	r := gitcmd.Init(t)
	blob := r.Put(git.BlobObject, []byte("x"))
	var entries []git.TreeEntry
	for _, name := range []string{"a", "a.b", "a-b", "a0", "é", "\xff", " ", "-x", "q\"\n"} {
		entries = append(entries, git.TreeEntry{Name: name, Mode: git.ModeRegular, ID: blob}, git.TreeEntry{Name: name + "+", Mode: git.ModeExecutable, ID: blob})
	}
	sub := r.Put(git.TreeObject, git.EncodeTree(slices.Clone(entries)))
	entries[0].Mode, entries[0].ID = git.ModeDirectory, sub
	root := r.Put(git.TreeObject, git.EncodeTree(entries))
	people := []git.Signature{
		{Name: "A", Email: "a@example.com", When: time.Unix(0, 0).UTC()},
		{Name: "  Ünal, Jr.  ", Email: " u@example.com ", When: time.Unix(253402200000, 0).In(time.FixedZone("", 14*60*60))},
		{Name: "日本", Email: "no at sign", When: time.Unix(1, 0).In(time.FixedZone("", -12*60*60+30*60))},
		{Name: `O'"Brien\ . , : ;`, Email: "a b", When: time.Unix(2, 0).In(time.FixedZone("", 3599))},
	}
	parents := []git.ObjectID{}
	for i, s := range people {
		if err := s.Validate("author"); err != nil {
			t.Fatal(err)
		}
		c := git.Commit{Tree: root, Parents: parents, Author: s, Committer: people[len(people)-1-i], Headers: []git.Header{{Key: "gitstore-request", Value: "x\ny"}}, Message: "m\n"}
		id := r.ID(strings.TrimSpace(string(r.Git(c.Encode(), "hash-object", "-w", "--stdin", "-t", "commit"))))
		tag := git.Tag{Target: id, TargetType: git.CommitObject, Name: "v1", Tagger: s, Headers: c.Headers, Message: "m\n"}
		r.Git(tag.Encode(), "hash-object", "-w", "--stdin", "-t", "tag")
		parents = append(parents, id)
	}
	if out, err := r.Try(nil, "fsck", "--strict", "--no-dangling"); err != nil || strings.Contains(string(out), "error") {
		t.Errorf("git fsck says %q, %v", out, err)
	}
}

func TestEntriesSortAsGitSortsThem(t *testing.T) {
	r := gitcmd.Init(t)
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		byName := map[string]git.TreeEntry{}
		for range 30 {
			name := ""
			for range 1 + rnd.IntN(3) {
				name += []string{"a", "b", ".", "-", "0", "\x01", "\xff"}[rnd.IntN(7)]
			}
			if name == "." || name == ".." {
				continue
			}
			mode := []git.FileMode{git.ModeRegular, git.ModeDirectory, git.ModeSymlink, git.ModeSubmodule, git.ModeExecutable}[rnd.IntN(5)]
			byName[name] = git.TreeEntry{Name: name, Mode: mode, ID: anyID}
		}
		var entries []git.TreeEntry
		var input bytes.Buffer
		for _, e := range byName {
			entries = append(entries, e)
			typ := map[git.FileMode]string{git.ModeDirectory: "tree", git.ModeSubmodule: "commit"}[e.Mode]
			if typ == "" {
				typ = "blob"
			}
			fmt.Fprintf(&input, "%s %s %s\t%s\x00", e.Mode, typ, e.ID, e.Name)
		}
		want := content(r, strings.TrimSpace(string(r.Git(input.Bytes(), "mktree", "-z", "--missing"))))
		if got := git.EncodeTree(entries); !bytes.Equal(got, want) {
			t.Errorf("git mktree writes\n%q, EncodeTree\n%q", want, got)
		}
		if got, err := git.DecodeTree(git.SHA1, want); err != nil || !slices.Equal(got, entries) {
			t.Errorf("DecodeTree = %v, %v, want %v", got, err, entries)
		}
	}
}

func TestModesOfOldTreesAreReadAsTodays(t *testing.T) {
	for mode, want := range map[string]git.FileMode{
		"100644": git.ModeRegular, "100664": git.ModeRegular, "100600": git.ModeRegular, "100755": git.ModeExecutable, "100775": git.ModeExecutable, "100700": git.ModeExecutable,
		"40000": git.ModeDirectory, "040000": git.ModeDirectory, "40755": git.ModeDirectory, "120000": git.ModeSymlink, "120777": git.ModeSymlink, "160000": git.ModeSubmodule,
	} {
		entries, err := git.DecodeTree(git.SHA1, []byte(mode+" a\x00"+string(anyID.Bytes())))
		if err != nil || len(entries) != 1 || entries[0].Mode != want {
			t.Errorf("mode %s is read as %v, %v, want %s", mode, entries, err, want)
		}
		if got := entries[0].Mode.IsFile(); got != (want != git.ModeDirectory && want != git.ModeSubmodule) {
			t.Errorf("mode %s is a file: %t", mode, got)
		}
	}
}

func TestSignatureValidate(t *testing.T) {
	ok := git.Signature{Name: "A", Email: "a@example.com", When: time.Unix(1, 0)}
	with := func(change func(*git.Signature)) git.Signature {
		s := ok
		change(&s)
		return s
	}
	bad := map[string]git.Signature{
		"no name":          with(func(s *git.Signature) { s.Name = "" }),
		"blank name":       with(func(s *git.Signature) { s.Name = " \t" }),
		"no email":         with(func(s *git.Signature) { s.Email = "" }),
		"long name":        with(func(s *git.Signature) { s.Name = strings.Repeat("a", 513) }),
		"long email":       with(func(s *git.Signature) { s.Email = strings.Repeat("a", 513) }),
		"name with <":      with(func(s *git.Signature) { s.Name = "a<b" }),
		"email with >":     with(func(s *git.Signature) { s.Email = "a>b" }),
		"name of lines":    with(func(s *git.Signature) { s.Name = "a\nparent x" }),
		"email with NUL":   with(func(s *git.Signature) { s.Email = "a\x00b" }),
		"name not UTF-8":   with(func(s *git.Signature) { s.Name = "\xff" }),
		"before 1970":      with(func(s *git.Signature) { s.When = time.Unix(-1, 0) }),
		"no time":          with(func(s *git.Signature) { s.When = time.Time{} }),
		"after 9999":       with(func(s *git.Signature) { s.When = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"email of control": with(func(s *git.Signature) { s.Email = "a\u0085" }),
	}
	for name, s := range bad {
		if err := s.Validate("author"); !errs.Is(err, errs.ReasonInvalidSignature) || errs.From(err).Meta[errs.MetaField] != "author" {
			t.Errorf("%s: Validate = %v, want INVALID_SIGNATURE", name, err)
		}
	}
	if err := ok.Validate("author"); err != nil {
		t.Errorf("Validate = %v", err)
	}
	if !(git.Signature{When: time.Unix(1, 0)}).IsZero() || ok.IsZero() {
		t.Error("a signature is zero if it has neither name nor email")
	}
}

func TestNormalizeMessage(t *testing.T) {
	for message, want := range map[string]string{
		"m": "m\n", "m\n": "m\n", "m\n\n": "m\n\n", "  m": "  m\n", "m\r\n": "m\r\n", "é\n\nbody": "é\n\nbody\n",
		strings.Repeat("a", 256<<10): strings.Repeat("a", 256<<10) + "\n",
	} {
		if got, err := git.NormalizeMessage(message); err != nil || got != want {
			t.Errorf("NormalizeMessage(%.20q) = %.20q, %v, want %.20q", message, got, err, want)
		}
	}
	for _, message := range []string{"", " ", "\n\n", "a\x00", "\xff", strings.Repeat("a", 256<<10+1)} {
		if got, err := git.NormalizeMessage(message); !errs.Is(err, errs.ReasonInvalidMessage) || got != "" {
			t.Errorf("NormalizeMessage(%.20q) = %.20q, %v, want INVALID_MESSAGE", message, got, err)
		}
	}
}

func FuzzDecodeCommit(f *testing.F) {
	tree := git.SHA1.EmptyTree().String()
	f.Add([]byte("tree " + tree + "\nparent " + tree + "\nauthor A <a@example.com> 1 +0530\ncommitter C <c> 2 -0001\ngpgsig a\n b\n\nm\n"))
	f.Add([]byte("tree " + tree + "\nauthor <> \n x\n\n"))
	f.Add([]byte("tree " + tree + "\ncommitter A <a> 1 +0000\nauthor\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := git.DecodeCommit(anyID, raw)
		if err != nil {
			if !errs.Is(err, errs.ReasonRepositoryCorrupt) {
				t.Errorf("DecodeCommit fails with %v", err)
			}
			return
		}
		again, err := git.DecodeCommit(anyID, c.Encode())
		if err != nil {
			t.Fatalf("Encode gives %q, which is refused: %v", c.Encode(), err)
		}
		if diff := cmp.Diff(c, again, exporter()); diff != "" {
			t.Errorf("a commit is another one when it is read back (-want +got):\n%s", diff)
		}
	})
}

func FuzzDecodeTag(f *testing.F) {
	id := git.SHA1.EmptyTree().String()
	f.Add([]byte("object " + id + "\ntype commit\ntag v1\ntagger T <t@example.com> 1 +0000\ngpgsig a\n b\n\nm\n"))
	f.Add([]byte("object " + id + "\ntype tag\ntag \n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tag, err := git.DecodeTag(anyID, raw)
		if err != nil {
			if !errs.Is(err, errs.ReasonRepositoryCorrupt) {
				t.Errorf("DecodeTag fails with %v", err)
			}
			return
		}
		again, err := git.DecodeTag(anyID, tag.Encode())
		if err != nil {
			t.Fatalf("Encode gives %q, which is refused: %v", tag.Encode(), err)
		}
		if tag.Tagger.IsZero() { // it is not written, and its time with it
			tag.Tagger, again.Tagger = git.Signature{}, git.Signature{}
		}
		if diff := cmp.Diff(tag, again, exporter()); diff != "" {
			t.Errorf("a tag is another one when it is read back (-want +got):\n%s", diff)
		}
	})
}

func FuzzDecodeTree(f *testing.F) {
	id := string(anyID.Bytes())
	f.Add([]byte("100644 a\x00" + id + "40000 b\x00" + id))
	f.Add([]byte("100664 b\x00" + id + "120000 a\x00" + id))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := git.DecodeTree(git.SHA1, raw)
		if err != nil {
			if !errs.Is(err, errs.ReasonRepositoryCorrupt) {
				t.Errorf("DecodeTree fails with %v", err)
			}
			return
		}
		again, err := git.DecodeTree(git.SHA1, git.EncodeTree(entries)) // it sorts them
		if err != nil || !slices.Equal(again, entries) {
			t.Errorf("DecodeTree(EncodeTree(%v)) = %v, %v", entries, again, err)
		}
		for _, e := range entries {
			if p, err := git.ParseTreePath(e.Name); err != nil && len(e.Name) <= 4096 || err == nil && len(p.Components()) != 1 {
				t.Errorf("DecodeTree accepts the name %q: %v", e.Name, err)
			}
		}
	})
}

func TestEntriesOfATreeAreCountedAsTheyAreRead(t *testing.T) {
	for _, format := range []git.ObjectFormat{git.SHA1, git.SHA256} {
		var entries []git.TreeEntry
		for n := range 10 {
			content := git.EncodeTree(entries)
			if got := git.CountEntries(format, content); got != n {
				t.Errorf("%d of %d are counted", got, n)
			}
			if cut := content[:max(0, len(content)-1)]; git.CountEntries(format, cut) != n {
				t.Errorf("%d are counted of %q", git.CountEntries(format, cut), cut)
			}
			entries = append(entries, git.TreeEntry{Name: strings.Repeat("n", n+1), Mode: git.ModeRegular, ID: format.HashObject(git.BlobObject, nil)})
		}
		if got := git.CountEntries(format, []byte("100644 without end")); got != 1 {
			t.Errorf("%d are counted", got)
		}
	}
}

// Whoever makes an object decides how many lines a header has: a mebibyte of them would be copied for minutes, line by line.
func TestAHeaderOfManyLinesIsCopiedOnce(t *testing.T) {
	c := git.Commit{Author: git.Signature{Name: "A"}, Committer: git.Signature{Name: "A"}, Headers: []git.Header{{Key: "x", Value: strings.Repeat("\n", 200_000)}, {Key: "y", Value: "z"}}}
	c.Tree = git.SHA1.HashObject(git.TreeObject, nil)
	content := c.Encode()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := git.DecodeCommit(git.SHA1.HashObject(git.CommitObject, content), content)
	runtime.ReadMemStats(&after)
	if err != nil || !slices.Equal(got.Headers, c.Headers) {
		t.Fatalf("decoded with %v, %d headers", err, len(got.Headers))
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(20*len(content)) {
		t.Errorf("%d bytes were allocated for %d", took, len(content))
	}
}
