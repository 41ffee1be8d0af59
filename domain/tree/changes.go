package tree

import (
	"context"
	"iter"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// Changes yields the files and submodules that differ between two trees, each of which may be zero for the empty one,
// ordered by the bytes of their paths. Given paths, it keeps only these files and what lies below these directories;
// what is in neither tree changes nothing. A file that became a directory is a deletion and additions, and the other way
// round. Only trees that differ are read; an error of reading one ends the iteration.
func Changes(ctx context.Context, r git.ObjectReader, oldTree, newTree git.ObjectID, paths []git.TreePath) iter.Seq2[git.PathChange, error] {
	return func(yield func(git.PathChange, error) bool) {
		d := differ{ctx: ctx, r: r, yield: yield}
		d.dirs(git.TreePath{}, oldTree, newTree, selectPaths(paths), 0)
	}
}

// selection is a set of paths as a tree; nil is everything from here on down.
type selection map[string]selection

func selectPaths(paths []git.TreePath) selection {
	if len(paths) == 0 {
		return nil
	}
	root := selection{}
	for _, p := range paths {
		if p.IsRoot() {
			return nil
		}
		root.add(p.Components())
	}
	return root
}

func (s selection) add(components []string) {
	below, there := s[components[0]]
	switch {
	case len(components) == 1:
		s[components[0]] = nil
	case !there:
		below = selection{}
		s[components[0]] = below
		below.add(components[1:])
	case below != nil:
		below.add(components[1:])
	}
}

// enter returns what is selected of the entry, and whether anything can be.
func (s selection) enter(e git.TreeEntry) (below selection, ok bool) {
	if s == nil {
		return nil, true
	}
	below, ok = s[e.Name]
	return below, ok && (below == nil || e.Mode == git.ModeDirectory)
}

type differ struct {
	ctx   context.Context
	r     git.ObjectReader
	yield func(git.PathChange, error) bool
}

// dirs compares two versions of a directory, of which one may be zero, and reports whether to go on.
func (d *differ) dirs(path git.TreePath, oldID, newID git.ObjectID, sel selection, depth int) bool {
	if oldID == newID {
		return true
	}
	before, err := d.read(oldID, depth)
	if err == nil {
		var after []git.TreeEntry
		if after, err = d.read(newID, depth); err == nil {
			return d.entries(path, before, after, sel, depth)
		}
	}
	d.yield(git.PathChange{}, err)
	return false
}

func (d *differ) read(id git.ObjectID, depth int) ([]git.TreeEntry, error) {
	if id.IsZero() {
		return nil, nil
	}
	return readTree(d.ctx, d.r, id, depth)
}

// entries merges two sorted lists. The order of trees is that of the paths of the files in them.
func (d *differ) entries(path git.TreePath, before, after []git.TreeEntry, sel selection, depth int) bool {
	for len(before) > 0 || len(after) > 0 {
		var a, b git.TreeEntry
		switch order := compareFirst(before, after); {
		case order < 0:
			a, before = before[0], before[1:]
		case order > 0:
			b, after = after[0], after[1:]
		default:
			a, before, b, after = before[0], before[1:], after[0], after[1:]
		}
		if a != b && !d.entry(path, a, b, sel, depth) {
			return false
		}
	}
	return true
}

func compareFirst(before, after []git.TreeEntry) int {
	switch {
	case len(before) == 0:
		return 1
	case len(after) == 0:
		return -1
	}
	return git.CompareEntries(before[0], after[0])
}

// entry compares two entries of one name that are both directories or both not; one of them may be zero.
func (d *differ) entry(dir git.TreePath, a, b git.TreeEntry, sel selection, depth int) bool {
	there := b
	if b.Mode == 0 {
		there = a
	}
	below, ok := sel.enter(there)
	if !ok {
		return true
	}
	path := dir.Join(there.Name)
	if there.Mode == git.ModeDirectory {
		return d.dirs(path, a.ID, b.ID, below, depth+1)
	}
	return d.yield(git.PathChange{
		Path: path, Status: status(a.Mode, b.Mode),
		OldMode: a.Mode, NewMode: b.Mode, OldID: a.ID, NewID: b.ID,
	}, nil)
}

func status(before, after git.FileMode) git.ChangeStatus {
	const typeBits = 0o170000
	switch {
	case before == 0:
		return git.StatusAdded
	case after == 0:
		return git.StatusDeleted
	case before&typeBits != after&typeBits:
		return git.StatusTypeChanged
	}
	return git.StatusModified
}
