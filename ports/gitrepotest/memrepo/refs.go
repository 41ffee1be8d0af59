package memrepo

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/git"
	rules "github.com/gitstore-dev/gitstore/domain/repository"
)

// refTable is the branches and tags of a repository at one moment. It is never written to once it is published.
type refTable struct {
	// names are in the order of their bytes.
	names  []git.RefName
	byName map[git.RefName]git.Ref
}

func newRefTable(byName map[git.RefName]git.Ref) *refTable {
	names := slices.SortedFunc(maps.Keys(byName), func(a, b git.RefName) int { return strings.Compare(a.String(), b.String()) })
	return &refTable{names, byName}
}

// below yields the refs whose names begin with the prefix, in the order of their bytes.
func (t *refTable) below(prefix string) iter.Seq[git.RefName] {
	return func(yield func(git.RefName) bool) {
		for _, name := range t.names {
			if strings.HasPrefix(name.String(), prefix) && !yield(name) {
				return
			}
		}
	}
}

// with returns the table after the changes.
func (t *refTable) with(ctx context.Context, r git.ObjectReader, changes []rules.RefChange) (*refTable, error) {
	byName := maps.Clone(t.byName)
	if byName == nil {
		byName = map[git.RefName]git.Ref{}
	}
	for _, c := range changes {
		if c.New.IsZero() {
			delete(byName, c.Name)
			continue
		}
		ref, err := describe(ctx, r, c)
		if err != nil {
			return nil, err
		}
		byName[c.Name] = ref
	}
	return newRefTable(byName), nil
}

// describe returns the ref as it is after the change.
func describe(ctx context.Context, r git.ObjectReader, c rules.RefChange) (git.Ref, error) {
	ref := git.Ref{Name: c.Name, Target: c.New}
	if c.New.IsZero() {
		return ref, nil
	}
	var err error
	ref.Peeled, ref.PeeledType, err = r.Peel(ctx, c.New)
	ref.TargetType = ref.PeeledType
	if ref.Peeled != ref.Target {
		ref.TargetType = git.TagObject
	}
	return ref, err
}
