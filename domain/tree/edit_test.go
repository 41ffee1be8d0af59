package tree_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/tree"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// edit applies edits and stores the trees that change.
func edit(t *testing.T, o *gitcmd.Objects, root git.ObjectID, edits ...tree.FileEdit) (tree.EditResult, error) {
	t.Helper()
	return tree.Edit(t.Context(), o, root, edits, func(content []byte) (git.ObjectID, error) {
		return o.Add(git.TreeObject, content), nil
	})
}

func blobID(content string) git.ObjectID { return git.SHA1.HashObject(git.BlobObject, []byte(content)) }

func writeEdit(t *testing.T, action git.Action, path, content string) tree.FileEdit {
	return tree.FileEdit{Action: action, Path: treePath(t, path), Blob: blobID(content)}
}

func moveEdit(t *testing.T, from, to string) tree.FileEdit {
	return tree.FileEdit{Action: git.ActionMove, Path: treePath(t, to), From: treePath(t, from)}
}

func deleteEdit(t *testing.T, path string) tree.FileEdit {
	return tree.FileEdit{Action: git.ActionDelete, Path: treePath(t, path)}
}

// listing is every file of a tree with its mode and blob.
func listing(t *testing.T, o *gitcmd.Objects, root git.ObjectID) map[string]string {
	t.Helper()
	entries, err := tree.List(t.Context(), o, root, tree.ListOptions{Recursive: true})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for e, err := range entries {
		if err != nil {
			t.Fatal(err)
		}
		found[e.Path.String()] = fmt.Sprint(e.Mode, " ", e.ID)
	}
	return found
}

func regular(content string) string { return fmt.Sprint(git.ModeRegular, " ", blobID(content)) }

func TestRandomEditsLeaveWhatAMapWould(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		objects := gitcmd.NewObjects(git.SHA1)
		root := git.ObjectID{}
		model := map[string]string{}
		for step := range 30 {
			edits := randomEdits(t, rnd, model, step)
			res, err := edit(t, objects, root, edits...)
			if err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
			root = res.Root
			if diff := cmp.Diff(model, listing(t, objects, root)); diff != "" {
				t.Fatalf("seed %d, step %d: the map (-) and the tree (+) differ:\n%s", seed, step, diff)
			}
		}
	}
}

// randomEdits returns edits of distinct paths that fit the model, and applies them to it.
func randomEdits(t *testing.T, rnd *rand.Rand, model map[string]string, step int) []tree.FileEdit {
	existing := slices.Sorted(maps.Keys(model))
	rnd.Shuffle(len(existing), func(i, j int) { existing[i], existing[j] = existing[j], existing[i] })
	var edits []tree.FileEdit
	for i := range 1 + rnd.IntN(5) {
		fresh := fmt.Sprintf("d%d/e%d/f%d-%d", rnd.IntN(3), rnd.IntN(3), step, i)
		content := fmt.Sprint(step, i)
		if len(existing) == 0 || rnd.IntN(3) == 0 {
			edits = append(edits, writeEdit(t, git.ActionCreate, fresh, content))
			model[fresh] = regular(content)
			continue
		}
		path := existing[0]
		existing = existing[1:]
		switch rnd.IntN(3) {
		case 0:
			edits = append(edits, writeEdit(t, git.ActionUpdate, path, content))
			model[path] = regular(content)
		case 1:
			edits = append(edits, deleteEdit(t, path))
			delete(model, path)
		case 2:
			edits = append(edits, moveEdit(t, path, fresh))
			model[fresh] = model[path]
			delete(model, path)
		}
	}
	return edits
}

func TestEditReadsOnlyDirectoriesOnTheWay(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	root := files(objects, "a/b/c", "a/d/e", "f/g/h")
	objects.Remove(lookup(t, objects, root, "a/d").ID)
	objects.Remove(lookup(t, objects, root, "f").ID)
	if _, err := edit(t, objects, root, writeEdit(t, git.ActionUpdate, "a/b/c", "new")); err != nil {
		t.Errorf("an edit of a/b/c needs a directory beside its path: %v", err)
	}
}

func lookup(t *testing.T, o *gitcmd.Objects, root git.ObjectID, path string) git.TreeEntry {
	t.Helper()
	e, err := tree.Lookup(t.Context(), o, root, treePath(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestOrderOfEditsDoesNotMatter(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	root := files(objects, "a", "b/c")
	edits := []tree.FileEdit{
		writeEdit(t, git.ActionCreate, "a/x", "x"), deleteEdit(t, "a"), deleteEdit(t, "b/c"), writeEdit(t, git.ActionCreate, "b", "b"),
	}
	forward, err := edit(t, objects, root, edits...)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(edits)
	backward, err := edit(t, objects, root, edits...)
	if err != nil {
		t.Fatal(err)
	}
	if forward.Root != backward.Root {
		t.Errorf("the tree depends on the order: %v, %v", listing(t, objects, forward.Root), listing(t, objects, backward.Root))
	}
}

func TestEditsThatChangeNothingGiveTheSameTree(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	root := files(objects, "a/b", "c")
	same := lookup(t, objects, root, "a/b")
	res, err := edit(t, objects, root, tree.FileEdit{Action: git.ActionUpsert, Path: treePath(t, "a/b"), Blob: same.ID})
	if err != nil || res.Root != root {
		t.Errorf("root is %v instead of %v: %v", res.Root, root, err)
	}
}

func TestTreeWithoutFilesIsTheEmptyTree(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	res, err := edit(t, objects, files(objects, "a/b/c"), deleteEdit(t, "a/b/c"))
	if err != nil || res.Root != git.SHA1.EmptyTree() {
		t.Errorf("root is %v: %v", res.Root, err)
	}
}

func TestTreeOfNoEditsToNothingIsStored(t *testing.T) {
	stored := 0
	res, err := tree.Edit(t.Context(), gitcmd.NewObjects(git.SHA1), git.ObjectID{}, nil, func(content []byte) (git.ObjectID, error) {
		stored++
		return git.SHA1.HashObject(git.TreeObject, content), nil
	})
	if err != nil || res.Root != git.SHA1.EmptyTree() || stored != 1 {
		t.Errorf("root is %v, %d trees are stored: %v", res.Root, stored, err)
	}
}

func TestChmodKeepsTheContentAndUpdateKeepsTheMode(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	yes := true
	executable, err := edit(t, objects, files(objects, "run"), tree.FileEdit{Action: git.ActionChmod, Path: treePath(t, "run"), Executable: &yes})
	if err != nil {
		t.Fatal(err)
	}
	updated, err := edit(t, objects, executable.Root, writeEdit(t, git.ActionUpdate, "run", "new"))
	if err != nil {
		t.Fatal(err)
	}
	if got := lookup(t, objects, updated.Root, "run"); got.Mode != git.ModeExecutable || got.ID != blobID("new") {
		t.Errorf("run is %v %v", got.Mode, got.ID)
	}
}

func TestEditsThatDoNotFitAreRefused(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	base := files(objects, "dir/file", "file")
	root := objects.AddTree(append(mustTree(t, objects, base),
		git.TreeEntry{Name: "link", Mode: git.ModeSymlink, ID: blobID("target")},
		git.TreeEntry{Name: "module", Mode: git.ModeSubmodule, ID: blobID("commit")})...)
	other := git.ExpectID(blobID("other"))
	for name, try := range map[string]struct {
		edits  []tree.FileEdit
		reason errs.Reason
	}{
		"create what exists":             {[]tree.FileEdit{writeEdit(t, git.ActionCreate, "file", "x")}, errs.ReasonPathExists},
		"create over a directory":        {[]tree.FileEdit{writeEdit(t, git.ActionCreate, "dir", "x")}, errs.ReasonPathConflict},
		"update what does not exist":     {[]tree.FileEdit{writeEdit(t, git.ActionUpdate, "none", "x")}, errs.ReasonPathNotFound},
		"update a directory":             {[]tree.FileEdit{writeEdit(t, git.ActionUpdate, "dir", "x")}, errs.ReasonNotAFile},
		"upsert a directory":             {[]tree.FileEdit{writeEdit(t, git.ActionUpsert, "dir", "x")}, errs.ReasonPathConflict},
		"upsert below a file":            {[]tree.FileEdit{writeEdit(t, git.ActionUpsert, "file/x", "x")}, errs.ReasonPathConflict},
		"upsert a symbolic link":         {[]tree.FileEdit{writeEdit(t, git.ActionUpsert, "link", "x")}, errs.ReasonNotAFile},
		"move a submodule":               {[]tree.FileEdit{moveEdit(t, "module", "elsewhere")}, errs.ReasonNotAFile},
		"delete what does not exist":     {[]tree.FileEdit{deleteEdit(t, "none/x")}, errs.ReasonPathNotFound},
		"delete a directory":             {[]tree.FileEdit{deleteEdit(t, "dir")}, errs.ReasonNotAFile},
		"move onto what exists":          {[]tree.FileEdit{moveEdit(t, "file", "dir/file")}, errs.ReasonPathExists},
		"move what does not exist":       {[]tree.FileEdit{moveEdit(t, "none", "x")}, errs.ReasonPathNotFound},
		"a path twice":                   {[]tree.FileEdit{deleteEdit(t, "file"), writeEdit(t, git.ActionUpsert, "file", "x")}, errs.ReasonDuplicatePath},
		"a source that is also a path":   {[]tree.FileEdit{moveEdit(t, "file", "x"), writeEdit(t, git.ActionUpsert, "file", "x")}, errs.ReasonDuplicatePath},
		"a file and a path below it":     {[]tree.FileEdit{writeEdit(t, git.ActionCreate, "n", "x"), writeEdit(t, git.ActionCreate, "n/m", "x")}, errs.ReasonPathConflict},
		"a name that differs in case":    {[]tree.FileEdit{writeEdit(t, git.ActionCreate, "File", "x")}, errs.ReasonPathConflict},
		"a directory of another case":    {[]tree.FileEdit{writeEdit(t, git.ActionCreate, "Dir/new", "x")}, errs.ReasonPathConflict},
		"two new names, one but in case": {[]tree.FileEdit{writeEdit(t, git.ActionCreate, "neu", "x"), writeEdit(t, git.ActionCreate, "NEU", "x")}, errs.ReasonPathConflict},
		"another blob than expected":     {[]tree.FileEdit{{Action: git.ActionDelete, Path: treePath(t, "file"), ExpectedBlob: other}}, errs.ReasonBlobMoved},
		"a blob where none is expected":  {[]tree.FileEdit{{Action: git.ActionUpsert, Path: treePath(t, "file"), Blob: blobID("x"), ExpectedBlob: git.ExpectAbsent()}}, errs.ReasonBlobMoved},
		"no blob where one is expected":  {[]tree.FileEdit{{Action: git.ActionUpsert, Path: treePath(t, "none"), Blob: blobID("x"), ExpectedBlob: other}}, errs.ReasonBlobMoved},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := edit(t, objects, root, try.edits...); errs.ReasonOf(err) != try.reason {
				t.Errorf("reason is %q instead of %q: %v", errs.ReasonOf(err), try.reason, err)
			}
		})
	}
}

func mustTree(t *testing.T, o *gitcmd.Objects, id git.ObjectID) []git.TreeEntry {
	t.Helper()
	entries, err := o.Tree(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestADirectoryTakesNoNewNamesBeyondTheLimit(t *testing.T) {
	o := gitcmd.NewObjects(git.SHA1)
	full := make([]git.TreeEntry, git.MaxTreeEntries)
	for i := range full {
		full[i] = git.TreeEntry{Name: fmt.Sprintf("%05d", i), Mode: git.ModeRegular, ID: blobID("x")}
	}
	for _, more := range []string{"", "e"} { // it may have had more before
		entries := slices.Clone(full)
		if more != "" {
			entries = append(entries, git.TreeEntry{Name: more, Mode: git.ModeRegular, ID: blobID("x")})
		}
		root := o.AddTree(git.TreeEntry{Name: "d", Mode: git.ModeDirectory, ID: o.AddTree(entries...)})
		for _, refused := range []tree.FileEdit{
			writeEdit(t, git.ActionCreate, "d/new", "1"), writeEdit(t, git.ActionUpsert, "d/new/file", "1"),
		} {
			_, err := edit(t, o, root, writeEdit(t, git.ActionCreate, "beside", "1"), refused)
			if !errs.Is(err, errs.ReasonPathConflict) {
				t.Errorf("%s is written: %v", refused.Path, err)
			}
		}
		taken := []tree.FileEdit{writeEdit(t, git.ActionUpdate, "d/00000", "2"), moveEdit(t, "d/00001", "beside")}
		if more != "" {
			taken = append(taken, deleteEdit(t, "d/"+more))
		}
		if _, err := edit(t, o, root, append(taken, writeEdit(t, git.ActionCreate, "d/new", "1"))...); err != nil {
			t.Errorf("a name in the place of another: %v", err)
		}
	}
}

func TestMoveThatChangesTheCaseAloneIsAllowed(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	res, err := edit(t, objects, files(objects, "readme.md"), moveEdit(t, "readme.md", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(maps.Keys(listing(t, objects, res.Root))); !slices.Equal(got, []string{"README.md"}) {
		t.Errorf("the tree holds %q", got)
	}
}

func TestSymbolicLinkCanBeDeleted(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	root := objects.AddTree(git.TreeEntry{Name: "link", Mode: git.ModeSymlink, ID: blobID("target")})
	if _, err := edit(t, objects, root, deleteEdit(t, "link")); err != nil {
		t.Error(err)
	}
}
