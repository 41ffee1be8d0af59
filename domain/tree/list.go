package tree

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// ListOptions selects entries.
type ListOptions struct {
	// Prefix is the directory to list.
	Prefix git.TreePath
	// Recursive lists the files and submodules of all directories below instead of the directories.
	Recursive bool
	// Patterns keep only entries whose path below Prefix matches one. A pattern is matched component by component as
	// path.Match does, and a component "**" stands for any number of them, also none. No pattern keeps all.
	Patterns []string
	// After skips paths up to and including this one, a path from the root of the repository.
	After git.TreePath
	// Limit is the most entries to yield; 0 is no limit.
	Limit int
}

// List yields entries below the tree root ordered by the bytes of their paths. It fails with PATH_NOT_FOUND, with
// NOT_A_FILE if the prefix is something else than a directory, and with INVALID_PATTERN. Directories are read as the
// iteration comes to them, and only those that may hold an entry to yield; an error of reading one ends the iteration.
func List(ctx context.Context, r git.ObjectReader, root git.ObjectID, opt ListOptions) (iter.Seq2[Entry, error], error) {
	globs, err := parseGlobs(opt.Patterns)
	if err != nil {
		return nil, err
	}
	dir, err := Lookup(ctx, r, root, opt.Prefix)
	if err != nil {
		return nil, err
	}
	if dir.Mode != git.ModeDirectory {
		return nil, errs.InvalidField(errs.ReasonNotAFile, "prefix",
			"path %.80q is no directory: list the one that holds it", opt.Prefix).WithMeta(errs.MetaPath, opt.Prefix.String())
	}
	return func(yield func(Entry, error) bool) {
		l := lister{ctx: ctx, r: r, opt: opt, yield: yield}
		l.dir(opt.Prefix, dir.ID, globs, 0)
	}, nil
}

type lister struct {
	ctx     context.Context
	r       git.ObjectReader
	opt     ListOptions
	yield   func(Entry, error) bool
	yielded int
}

// dir lists the directory at path and reports whether to go on.
func (l *lister) dir(path git.TreePath, id git.ObjectID, globs globs, depth int) bool {
	entries, err := readTree(l.ctx, l.r, id, depth)
	if err != nil {
		l.yield(Entry{}, err)
		return false
	}
	if !l.opt.Recursive {
		entries = slices.Clone(entries)
		slices.SortFunc(entries, func(a, b git.TreeEntry) int { return strings.Compare(a.Name, b.Name) })
	}
	for _, e := range entries {
		if !l.entry(path.Join(e.Name), e, globs, depth) {
			return false
		}
	}
	return true
}

func (l *lister) entry(path git.TreePath, e git.TreeEntry, globs globs, depth int) bool {
	if e.Mode == git.ModeDirectory && l.opt.Recursive {
		if l.passed(path) {
			return true
		}
		below := globs.enter(e.Name)
		return !below.possible() || l.dir(path, e.ID, below, depth+1)
	}
	if path.String() <= l.opt.After.String() || !globs.enter(e.Name).matched() {
		return true
	}
	if !l.yield(Entry{Path: path, Mode: e.Mode, ID: e.ID}, nil) {
		return false
	}
	l.yielded++
	return l.yielded != l.opt.Limit
}

// passed reports whether everything below the directory is to be skipped: After lies behind it, and not in it.
func (l *lister) passed(dir git.TreePath) bool {
	after := l.opt.After
	return dir.String()+"/" < after.String() && !dir.Contains(after)
}

// readTree reads a directory that is depth levels below the one where the reading began.
func readTree(ctx context.Context, r git.ObjectReader, id git.ObjectID, depth int) ([]git.TreeEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.From(err)
	}
	if depth > maxDepth {
		return nil, errs.New(errs.ReasonRepositoryCorrupt, "the tree is nested deeper than git reads", errs.MetaObject, id.String())
	}
	return r.Tree(ctx, id)
}
