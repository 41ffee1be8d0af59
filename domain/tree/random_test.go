package tree_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/tree"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// names sort differently as files, as directories and as parts of paths, and need not be text.
var names = []string{"a", "a.b", "a-b", "a0", "ab", "A", "b", " ", "é", "\xff", "q\"\n", "-x", "*"}

// dir is a directory: its values are *leaf or dir.
type dir map[string]any

type leaf struct {
	mode git.FileMode
	id   git.ObjectID
}

func randomLeaf(rnd *rand.Rand, f git.ObjectFormat) *leaf {
	modes := []git.FileMode{git.ModeRegular, git.ModeRegular, git.ModeExecutable, git.ModeSymlink, git.ModeSubmodule}
	return &leaf{modes[rnd.IntN(len(modes))], f.HashObject(git.BlobObject, []byte{byte(rnd.IntN(3))})}
}

// change adds, replaces and removes a few entries, here and below.
func (d dir) change(rnd *rand.Rand, f git.ObjectFormat, changes, depth int) {
	for range changes {
		name := names[rnd.IntN(len(names))]
		switch below, _ := d[name].(dir); {
		case rnd.IntN(5) == 0:
			delete(d, name)
		case below != nil && rnd.IntN(4) > 0:
			below.change(rnd, f, 1, depth-1)
		case depth > 0 && rnd.IntN(2) == 0:
			d[name] = dir{}
			d[name].(dir).change(rnd, f, 1+rnd.IntN(6), depth-1)
		default:
			d[name] = randomLeaf(rnd, f)
		}
	}
}

func (d dir) clone() dir {
	c := maps.Clone(d)
	for name, e := range c {
		if below, ok := e.(dir); ok {
			c[name] = below.clone()
		}
	}
	return c
}

// files appends what git update-index --index-info -z reads.
func (d dir) files(b *bytes.Buffer, prefix string) {
	for name, e := range d {
		switch e := e.(type) {
		case dir:
			e.files(b, prefix+name+"/")
		case *leaf:
			fmt.Fprintf(b, "%s %s\t%s%s\x00", e.mode, e.id, prefix, name)
		}
	}
}

// store makes git write the tree.
func (d dir) store(t *testing.T, r *gitcmd.Repo) git.ObjectID {
	t.Helper()
	var index bytes.Buffer
	d.files(&index, "")
	r.Git(nil, "read-tree", "--empty")
	r.Git(index.Bytes(), "update-index", "-z", "--index-info")
	return r.ID(strings.TrimSpace(string(r.Git(nil, "write-tree", "--missing-ok"))))
}

func splitZ(out []byte) []string {
	if len(out) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

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

func list(t *testing.T, r git.ObjectReader, root git.ObjectID, opt tree.ListOptions) []tree.Entry {
	t.Helper()
	seq, err := tree.List(t.Context(), r, root, opt)
	if err != nil {
		t.Fatal(err)
	}
	var entries []tree.Entry
	for e, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries
}

func printEntry(e tree.Entry) string {
	t := "blob"
	switch e.Mode {
	case git.ModeDirectory:
		t = "tree"
	case git.ModeSubmodule:
		t = "commit"
	}
	return fmt.Sprintf("%s %s %s\t%s", e.Mode, t, e.ID, e.Path)
}

func printChange(c git.PathChange) string {
	letter := map[git.ChangeStatus]string{
		git.StatusAdded: "A", git.StatusModified: "M", git.StatusDeleted: "D", git.StatusTypeChanged: "T",
	}[c.Status]
	id := func(id git.ObjectID) string {
		if id.IsZero() {
			return strings.Repeat("0", 40)
		}
		return id.String()
	}
	return fmt.Sprintf(":%s %s %s %s %s\t%s", c.OldMode, c.NewMode, id(c.OldID), id(c.NewID), letter, c.Path)
}

func changes(t *testing.T, r git.ObjectReader, before, after git.ObjectID, paths ...git.TreePath) []string {
	t.Helper()
	var lines []string
	for c, err := range tree.Changes(t.Context(), r, before, after, paths) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, printChange(c))
	}
	return lines
}

// gitChanges returns what git diff-tree says, in the order of the paths.
func gitChanges(r *gitcmd.Repo, before, after git.ObjectID, paths ...git.TreePath) []string {
	args := []string{"diff-tree", "-r", "-z", "--no-renames", "--raw", before.String(), after.String(), "--"}
	for _, p := range paths {
		args = append(args, p.String())
	}
	fields := splitZ(r.Git(nil, args...))
	var lines []string
	for i := 0; i+1 < len(fields); i += 2 {
		lines = append(lines, fields[i]+"\t"+fields[i+1])
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(pathOf(a), pathOf(b)) })
	return lines
}

func pathOf(line string) string {
	_, path, _ := strings.Cut(line, "\t")
	return path
}
