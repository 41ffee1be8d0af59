package tree_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/tree"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

func TestChangesEqualGitDiffTree(t *testing.T) {
	r := gitcmd.Init(t)
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		old := dir{}
		old.change(rnd, git.SHA1, 20, 3)
		changed := old.clone()
		changed.change(rnd, git.SHA1, 1+rnd.IntN(8), 3)
		before, after := old.store(t, r), changed.store(t, r)
		objects := r.Load()
		empty := git.SHA1.EmptyTree()

		if diff := cmp.Diff(gitChanges(r, before, after), changes(t, objects, before, after)); diff != "" {
			t.Errorf("seed %d: git diff-tree (-) and Changes (+) differ:\n%s", seed, diff)
		}
		if diff := cmp.Diff(gitChanges(r, empty, after), changes(t, objects, git.ObjectID{}, after)); diff != "" {
			t.Errorf("seed %d: git diff-tree (-) and Changes (+) from nothing differ:\n%s", seed, diff)
		}
		if diff := cmp.Diff(gitChanges(r, before, empty), changes(t, objects, before, empty)); diff != "" {
			t.Errorf("seed %d: git diff-tree (-) and Changes (+) to nothing differ:\n%s", seed, diff)
		}
		paths := randomPaths(t, rnd)
		if diff := cmp.Diff(gitChanges(r, before, after, paths...), changes(t, objects, before, after, paths...)); diff != "" {
			t.Errorf("seed %d: git diff-tree (-) and Changes (+) differ below %q:\n%s", seed, paths, diff)
		}
	}
}

func randomPaths(t *testing.T, rnd *rand.Rand) []git.TreePath {
	var paths []git.TreePath
	for range 1 + rnd.IntN(4) {
		p := git.TreePath{}
		for range 1 + rnd.IntN(3) {
			p = p.Join(names[rnd.IntN(len(names))])
		}
		paths = append(paths, treePath(t, p.String()))
	}
	return paths
}

func TestChangesOfOneTreeAreNone(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	root := files(objects, "a/b")
	for _, id := range []git.ObjectID{root, {}} {
		if got := changes(t, objects, id, id); got != nil {
			t.Errorf("Changes yields %q, want nothing", got)
		}
	}
	if n := objects.Trees.Load(); n != 0 {
		t.Errorf("Changes reads %d trees, want none", n)
	}
}

func TestChangesReadOnlyWhatDiffers(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	same := []string{"same/a/b", "same/c/d", "other/e"}
	before := files(objects, append(same, "busy/old", "elsewhere/old")...)
	after := files(objects, append(same, "busy/new", "elsewhere/new")...)
	tests := []struct {
		name  string
		paths []git.TreePath
		want  int
		most  int64
	}{
		{"everything", nil, 4, 6},
		{"the root", []git.TreePath{{}}, 4, 6},
		{"a directory", []git.TreePath{treePath(t, "busy")}, 2, 4},
		{"a directory and a file in it", []git.TreePath{treePath(t, "busy"), treePath(t, "busy/old")}, 2, 4},
		{"a file in a directory and that", []git.TreePath{treePath(t, "busy/old"), treePath(t, "busy")}, 2, 4},
		{"a file", []git.TreePath{treePath(t, "busy/old")}, 1, 4},
		{"what does not exist", []git.TreePath{treePath(t, "nowhere"), treePath(t, "same/x/y")}, 0, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reads := objects.Trees.Load()
			if got := changes(t, objects, before, after, tt.paths...); len(got) != tt.want {
				t.Errorf("Changes yields %q, want %d", got, tt.want)
			}
			if n := objects.Trees.Load() - reads; n > tt.most {
				t.Errorf("Changes reads %d trees, want %d at most", n, tt.most)
			}
		})
	}
}

func TestChangesEndAtDamage(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	after := files(objects, "a", "b/c")
	sub, err := tree.Lookup(t.Context(), objects, after, treePath(t, "b"))
	if err != nil {
		t.Fatal(err)
	}
	objects.Remove(sub.ID)
	var seen []string
	for c, err := range tree.Changes(t.Context(), objects, git.ObjectID{}, after, nil) {
		if err != nil {
			seen = append(seen, string(errs.ReasonOf(err)))
			continue
		}
		seen = append(seen, c.Path.String())
	}
	if want := []string{"a", "REPOSITORY_CORRUPT"}; !slices.Equal(seen, want) {
		t.Errorf("Changes yields %q, want %q", seen, want)
	}
}

func TestLookupFindsEveryEntry(t *testing.T) {
	r := gitcmd.Init(t)
	d := dir{}
	d.change(rand.New(rand.NewPCG(5, 5)), git.SHA1, 60, 3)
	root := d.store(t, r)
	objects := r.Load()
	for _, line := range splitZ(r.Git(nil, "ls-tree", "-r", "-t", "-z", root.String())) {
		path := treePath(t, pathOf(line))
		e, err := tree.Lookup(t.Context(), objects, root, path)
		if err != nil {
			t.Errorf("Lookup(%q) fails with %v", path, err)
			continue
		}
		if got := printEntry(tree.Entry{Path: path, Mode: e.Mode, ID: e.ID}); got != line {
			t.Errorf("Lookup(%q) = %q, want %q", path, got, line)
		}
	}
	if e, err := tree.Lookup(t.Context(), objects, root, git.TreePath{}); err != nil || e != (git.TreeEntry{Mode: git.ModeDirectory, ID: root}) {
		t.Errorf("Lookup of the root = %v, %v", e, err)
	}
}

func TestLookupTellsWhatIsNotThere(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	root := files(objects, "a", "a.b", "dir/file")
	for _, p := range []string{"b", "a/b", "dir/x", "dir/file/x", "di", "dir2", "a."} {
		_, err := tree.Lookup(t.Context(), objects, root, treePath(t, p))
		if !errs.Is(err, errs.ReasonPathNotFound) || errs.From(err).Meta[errs.MetaPath] != p || errs.From(err).Meta[errs.MetaObject] != root.String() {
			t.Errorf("Lookup(%q) fails with %v, want PATH_NOT_FOUND that names path and tree", p, err)
		}
	}
}
