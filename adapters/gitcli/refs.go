package gitcli

import (
	"bufio"
	"bytes"
	"context"
	"iter"
	"strings"

	"github.com/tidwall/btree"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
)

// refTable is the branches and tags of a repository, ordered by name. A table that was published is never written to:
// a writer works on a copy, which shares what it does not change.
type refTable struct{ tree *btree.BTreeG[git.Ref] }

func newRefTable() refTable {
	return refTable{btree.NewBTreeGOptions(func(a, b git.Ref) bool { return a.Name.String() < b.Name.String() },
		btree.Options{NoLocks: true})}
}

func (t refTable) clone() refTable { return refTable{t.tree.Copy()} }

func (t refTable) len() int { return t.tree.Len() }

func (t refTable) get(name git.RefName) git.Ref {
	ref, _ := t.tree.Get(git.Ref{Name: name})
	return ref
}

// equal reports whether both have the same refs, and those lead to the same.
func (t refTable) equal(o refTable) bool {
	same := t.len() == o.len()
	t.ascend(git.RefName{}, func(ref git.Ref) bool {
		same = same && o.get(ref.Name).Target == ref.Target
		return same
	})
	return same
}

func (t refTable) set(ref git.Ref) {
	if ref.Target.IsZero() {
		t.tree.Delete(ref)
		return
	}
	t.tree.Set(ref)
}

// below yields the refs whose names begin with the prefix, in the order of their bytes.
func (t refTable) below(prefix string) iter.Seq[git.RefName] {
	return func(yield func(git.RefName) bool) {
		from, _ := git.ParseRefName(strings.TrimSuffix(prefix, "/")) // none is before all
		t.ascend(from, func(ref git.Ref) bool {
			if strings.HasPrefix(ref.Name.String(), prefix) {
				return yield(ref.Name)
			}
			return ref.Name.String() < prefix
		})
	}
}

// ascend calls fn with every ref from name on, until it returns false. Copies may be walked while others are written.
func (t refTable) ascend(from git.RefName, fn func(git.Ref) bool) {
	t.tree.Ascend(git.Ref{Name: from}, fn)
}

// loadRefs reads all branches and tags with git.
func loadRefs(ctx context.Context, runner *command.Runner, dir string, o *objects) (refTable, error) {
	out, err := runner.Output(ctx, dir, command.Git("for-each-ref", "--format=%(objectname) %(objecttype) %(refname)",
		"refs/heads/", "refs/tags/"), nil)
	if err != nil {
		return refTable{}, err
	}
	table := newRefTable()
	var tags []git.Ref
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		ref, err := parseRef(lines.Text())
		if err != nil {
			return refTable{}, err
		}
		if ref.TargetType == git.TagObject {
			tags = append(tags, ref)
			continue
		}
		table.set(ref)
	}
	return table, addTags(ctx, table, o, tags)
}

func parseRef(line string) (git.Ref, error) {
	fields := strings.SplitN(line, " ", 3)
	if len(fields) != 3 {
		return git.Ref{}, errs.New(errs.ReasonRepositoryCorrupt, "the repository's refs cannot be read")
	}
	id, err := git.ParseObjectID(fields[0])
	if err != nil {
		return git.Ref{}, errs.Wrap(err, errs.ReasonRepositoryCorrupt, "the repository's refs cannot be read")
	}
	name, err := git.ParseRefName(fields[2])
	if err != nil {
		return git.Ref{}, errs.Wrap(err, errs.ReasonRepositoryCorrupt, "the repository's refs cannot be read")
	}
	t, _ := git.ParseObjectType(fields[1])
	return git.Ref{Name: name, Target: id, TargetType: t, Peeled: id, PeeledType: t}, nil
}

// addTags adds annotated tags, peeled in one exchange.
func addTags(ctx context.Context, table refTable, o *objects, tags []git.Ref) error {
	ids := make([]git.ObjectID, len(tags))
	for i, ref := range tags {
		ids[i] = ref.Target
	}
	peeled, err := o.reader.Peel(ctx, ids)
	if err != nil {
		return err
	}
	for i, ref := range tags {
		ref.Peeled, ref.PeeledType = peeled[i].ID, peeled[i].Type
		table.set(ref)
	}
	return nil
}

// describe returns the ref as it is after the change, deleted if New is zero.
func describe(ctx context.Context, o git.ObjectReader, c repository.RefChange) (git.Ref, error) {
	ref := git.Ref{Name: c.Name, Target: c.New}
	if c.New.IsZero() {
		return ref, nil
	}
	var err error
	if ref.Peeled, ref.PeeledType, err = o.Peel(ctx, c.New); err != nil {
		return ref, err
	}
	ref.TargetType = ref.PeeledType
	if ref.Peeled != c.New {
		ref.TargetType = git.TagObject
	}
	return ref, nil
}
