package gitcli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/tidwall/btree"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
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
	table, tags, err := loadUnpeeled(ctx, runner, dir)
	if err != nil {
		return refTable{}, err
	}
	return table, addTags(ctx, table, o, tags)
}

// loadUnpeeled reads all branches and tags with git. Annotated tags come by themselves: they are to be peeled.
func loadUnpeeled(ctx context.Context, runner *command.Runner, dir string) (table refTable, tags []git.Ref, err error) {
	lines, err := listRefs(ctx, runner, dir, command.Git("for-each-ref", "--format=%(objectname) %(objecttype) %(refname)",
		"refs/heads/", "refs/tags/"))
	if err != nil {
		return refTable{}, nil, err
	}
	table = newRefTable()
	for _, line := range lines {
		ref, err := parseRef(line)
		if err != nil {
			return refTable{}, nil, err
		}
		if ref.TargetType == git.TagObject {
			tags = append(tags, ref)
			continue
		}
		table.set(ref)
	}
	return table, tags, nil
}

// refsUnreadable is what clients are told of refs that cannot be read.
const refsUnreadable = "the repository's refs cannot be read: ask the operator to look at the log"

// maxListings is how often refs are listed while others make new ones.
const maxListings = 3

// listRefs returns what git prints of each branch and tag, which is to end in its name. Git leaves out refs whose files it cannot
// read, and directories, and ends as if all were well: what is left out would be taken for deleted. So it fails unless each file
// of a ref is listed, or was deleted meanwhile.
func listRefs(ctx context.Context, runner *command.Runner, dir string, forEachRef command.Command) (lines []string, err error) {
	for range maxListings {
		var out bytes.Buffer
		if err := runner.Exchange(ctx, dir, forEachRef, strings.NewReader(""), &out); err != nil {
			return nil, listingFailed(err)
		}
		lines = strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if out.Len() == 0 {
			lines = nil
		}
		listed := make(map[string]struct{}, len(lines))
		for _, line := range lines {
			listed[line[strings.LastIndexByte(line, ' ')+1:]] = struct{}{}
		}
		whole, err := isWhole(dir, listed)
		if err != nil {
			return nil, unreadableRefs(err)
		}
		if whole {
			break
		}
	}
	return lines, nil
}

// listingFailed is why git could not list refs: it looks at the objects that they lead to.
func listingFailed(err error) error {
	exit, ended := errors.AsType[*command.ExitError](err)
	cause := err
	if ended {
		cause = fmt.Errorf("%w: %s", err, exit.Said)
	}
	switch {
	case !ended || errs.ReasonOf(err) != errs.ReasonInternal:
		return errs.From(err)
	case strings.Contains(exit.Said, "Permission denied"):
		return errs.Wrap(cause, errs.ReasonUnsafeRepository, refsUnreadable)
	case exhausted.MatchString(exit.Said):
		return errs.Wrap(cause, errs.ReasonInternal, "git failed")
	}
	return errs.Wrap(cause, errs.ReasonRepositoryCorrupt, refsUnreadable)
}

// exhausted is what git says of what the machine lacks, which is no fault of a repository.
var exhausted = regexp.MustCompile(`(?i)memory|mmap|too many open files`)

// isWhole reports whether all refs that have files of their own are listed.
func isWhole(dir string, listed map[string]struct{}) (whole bool, err error) {
	whole = true
	for _, top := range []string{"refs/heads", "refs/tags"} {
		err := filepath.WalkDir(filepath.Join(dir, top), func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) { // git has packed or deleted the last ref in it
				return nil
			}
			if err != nil || !e.Type().IsRegular() || strings.HasSuffix(path, ".lock") {
				return err
			}
			name := filepath.ToSlash(path[len(dir)+1:])
			if _, ok := listed[name]; ok {
				return nil
			}
			isRef, err := isLooseRef(name, path)
			whole = whole && !isRef
			return err
		})
		if err != nil {
			return false, err
		}
	}
	return whole, nil
}

// isLooseRef reports whether a file is that of a ref which git lists. It fails if it should be and cannot be read as one.
func isLooseRef(name, path string) (bool, error) {
	if _, err := git.ParseRefName(name); err != nil {
		return false, nil //nolint:nilerr // git makes no such file
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || bytes.HasPrefix(b, []byte("ref:")) { // git lists no symbolic ref that leads nowhere
		return false, nil
	}
	if err != nil {
		return false, err
	}
	id, _, _ := bytes.Cut(b, []byte("\n"))
	if _, err := git.ParseObjectID(string(id)); err != nil {
		return false, fmt.Errorf("%s holds %.100q and no object ID", name, b)
	}
	return true, nil
}

// unreadableRefs is why the files of refs cannot be read. The cause is for the log.
func unreadableRefs(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return errs.Wrap(err, errs.ReasonUnsafeRepository, refsUnreadable)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		return disk.Error(err)
	}
	return errs.Wrap(err, errs.ReasonRepositoryCorrupt, refsUnreadable)
}

func parseRef(line string) (git.Ref, error) {
	fields := strings.SplitN(line, " ", 3)
	if len(fields) != 3 {
		return git.Ref{}, errs.New(errs.ReasonRepositoryCorrupt, refsUnreadable)
	}
	id, err := git.ParseObjectID(fields[0])
	if err != nil {
		return git.Ref{}, errs.Wrap(err, errs.ReasonRepositoryCorrupt, refsUnreadable)
	}
	name, err := git.ParseRefName(fields[2])
	if err != nil {
		return git.Ref{}, errs.Wrap(err, errs.ReasonRepositoryCorrupt, refsUnreadable)
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
