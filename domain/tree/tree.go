// Package tree holds the rules of trees: finding a path, listing, comparing and editing. They are written over a
// [git.ObjectReader] and read no tree that the answer does not depend on. The package does no I/O.
//
// Trees that were pushed are taken as they are; only their order is relied on, which git-fsck(1) checks.
package tree

import (
	"context"
	"fmt"
	"slices"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// maxDepth is how deep trees are followed, as many levels as git's core.maxTreeDepth allows (git-config(1)).
const maxDepth = 2048

// Entry is an entry of a tree or of the trees below it.
type Entry struct {
	// Path is the whole path from the root of the repository.
	Path git.TreePath
	Mode git.FileMode
	// ID is a blob, a tree, or for a submodule a commit of another repository.
	ID git.ObjectID
}

// Lookup returns the entry at path below the tree root; for the root of the path it is the tree itself, without a name.
// It fails with PATH_NOT_FOUND, Meta path and object (root), and as [git.ObjectReader.Tree] does. A symbolic link is
// never followed.
func Lookup(ctx context.Context, r git.ObjectReader, root git.ObjectID, path git.TreePath) (git.TreeEntry, error) {
	at := git.TreeEntry{Mode: git.ModeDirectory, ID: root}
	for _, name := range path.Components() {
		if at.Mode != git.ModeDirectory {
			return git.TreeEntry{}, notFound(root, path)
		}
		entries, err := r.Tree(ctx, at.ID)
		if err != nil {
			return git.TreeEntry{}, err
		}
		var ok bool
		if at, ok = Find(entries, name); !ok {
			return git.TreeEntry{}, notFound(root, path)
		}
	}
	return at, nil
}

// Find returns the entry of the name from the entries of one tree object, in their order, and whether there is one.
func Find(entries []git.TreeEntry, name string) (git.TreeEntry, bool) {
	// Files and directories sort differently, so there are two places to look at.
	for _, mode := range []git.FileMode{git.ModeRegular, git.ModeDirectory} {
		i, _ := slices.BinarySearchFunc(entries, git.TreeEntry{Name: name, Mode: mode}, git.CompareEntries)
		if i < len(entries) && entries[i].Name == name {
			return entries[i], true
		}
	}
	return git.TreeEntry{}, false
}

func notFound(root git.ObjectID, path git.TreePath) error {
	return errs.New(errs.ReasonPathNotFound, fmt.Sprintf("path %.80q does not exist in the commit", path),
		errs.MetaPath, path.String(), errs.MetaObject, root.String())
}
