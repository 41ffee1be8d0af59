package gitcli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
)

// intentFile is in a repository while refs move of which all are to move or none: git renames one file after the other,
// and may be ended in between. Whoever finds it moves the rest (docs/adr/0013-intents-of-ref-updates.md). Each line has a
// ref, where it was and where it is to be.
const intentFile = "gitstore-intent"

// absent stands for a ref that is not there.
const absent = "-"

// writeIntent puts the changes on the disk, as a whole or not at all.
func writeIntent(dir string, changes []repository.RefChange) error {
	var b bytes.Buffer
	for _, c := range changes {
		fmt.Fprintf(&b, "%s %s %s\n", c.Name, orAbsent(c.Old), orAbsent(c.New))
	}
	return replaceFile(dir, intentFile, b.Bytes())
}

// replaceFile puts a file of a repository on the disk, as a whole or not at all.
func replaceFile(dir, name string, content []byte) error {
	name = filepath.Join(dir, name)
	unfinished := name + ".lock"                    // a start removes what ends like that
	err := os.WriteFile(unfinished, content, 0o600) //nolint:gosec // the directory is ours alone
	if err == nil {
		err = disk.Sync(unfinished)
	}
	if err == nil {
		failpoint.Reach(failpoint.FileWritten)
		err = os.Rename(unfinished, name)
	}
	if err != nil {
		_ = os.Remove(unfinished)
		return disk.Error(err)
	}
	failpoint.Reach(failpoint.FileMoved)
	return disk.SyncDir(dir)
}

func orAbsent(id git.ObjectID) string {
	if id.IsZero() {
		return absent
	}
	return id.String()
}

// readIntent returns the changes of an intent, none if there is no intent.
func readIntent(dir string) ([]repository.RefChange, error) {
	b, err := os.ReadFile(filepath.Join(dir, intentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, disk.Error(err)
	}
	var changes []repository.RefChange
	for line := range strings.Lines(string(b)) {
		c, err := parseIntent(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, errs.Wrap(err, errs.ReasonRepositoryCorrupt, "the update of refs that was under way cannot be read")
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func parseIntent(line string) (c repository.RefChange, err error) {
	fields := strings.Split(line, " ")
	if len(fields) != 3 {
		return c, fmt.Errorf("%q has not three fields", line)
	}
	if c.Name, err = git.ParseRefName(fields[0]); err != nil {
		return c, err
	}
	if c.Old, err = parsePresent(fields[1]); err != nil {
		return c, err
	}
	c.New, err = parsePresent(fields[2])
	return c, err
}

func parsePresent(field string) (git.ObjectID, error) {
	if field == absent {
		return git.ObjectID{}, nil
	}
	return git.ParseObjectID(field)
}

// dropIntent removes the intent, if there is one, for good: one that came back would undo what came after it. After an error nothing is
// written to the repository before its directory is on the disk, which [writer.finish] sees to.
func dropIntent(dir string, sync func(path string) error) error {
	name := filepath.Join(dir, intentFile)
	if err := os.Remove(name); err != nil {
		if _, gone := os.Lstat(name); errors.Is(gone, fs.ErrNotExist) { // a file system that is read-only does not say so
			return nil
		}
		return disk.Error(err)
	}
	return sync(dir)
}

// finish moves the refs of an intent that did not move, if there is one, and puts all of them on the disk. The repository
// has no other writer: locks are what an attempt left that was killed, and would end each one after it.
func (s *refProcesses) finish(ctx context.Context, dir string) (finished bool, err error) {
	changes, err := readIntent(dir)
	if err != nil || len(changes) == 0 {
		return false, err
	}
	left, now, err := s.unmoved(ctx, dir, changes)
	if err != nil {
		return false, err
	}
	if len(left) > 0 {
		if err := removeRefLocks(dir); err != nil {
			return false, disk.Error(err)
		}
		if err := s.transact(ctx, dir, left, false, func() error { return nil }); err != nil {
			return false, err
		}
	}
	if err := s.rewrite(dir, now); err != nil {
		return false, err
	}
	return true, dropIntent(dir, s.syncPath)
}

// unmoved returns the changes whose refs are where they were before, and all changes with where their refs are once those have
// moved.
func (s *refProcesses) unmoved(ctx context.Context, dir string, changes []repository.RefChange) (left, now []repository.RefChange, err error) {
	lines, err := listRefs(ctx, s.runner, dir, command.Git("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/", "refs/tags/"))
	if err != nil {
		return nil, nil, err
	}
	at := map[string]git.ObjectID{}
	for _, line := range lines {
		id, name, _ := strings.Cut(line, " ")
		if at[name], err = git.ParseObjectID(id); err != nil {
			return nil, nil, errs.Wrap(err, errs.ReasonRepositoryCorrupt, refsUnreadable)
		}
	}
	for _, c := range changes {
		switch is := at[c.Name.String()]; is {
		case c.Old:
			left = append(left, c)
		default:
			c.New = is
		}
		now = append(now, c)
	}
	return left, now, nil
}
