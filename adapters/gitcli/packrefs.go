package gitcli

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
)

const (
	// packRefsFrom is how many refs lie in files of their own before they are put into one. Git reads all of these for every fetch.
	packRefsFrom = 100
	// refsAfter is how many new refs have a repository maintained that has few new packs.
	refsAfter = 1000
)

// newRefs is how many refs the changes create.
func newRefs(changes []repository.RefChange) (n int64) {
	for _, c := range changes {
		if c.Old.IsZero() && !c.New.IsZero() {
			n++
		}
	}
	return n
}

// looseRefs counts the refs that lie in files of their own.
func (r *repo) looseRefs() (n int, err error) {
	err = filepath.WalkDir(filepath.Join(r.dir, "refs"), func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was deleted meanwhile
			return nil
		case err == nil && !e.IsDir() && !strings.HasSuffix(path, ".lock"):
			n++
		}
		return err
	})
	return n, err
}

// packRefs puts the refs into one file, if there are many. Writers wait for it, a tenth of a millisecond for each ref that
// was not there before, and no longer than for any write: what is left to do then is left to the next maintenance. Where refs are is the same before, meanwhile and after: nobody is told of it (docs/adr/0021-packed-refs.md).
func (r *repo) packRefs(ctx context.Context) error {
	if n, err := r.looseRefs(); err != nil || n < packRefsFrom {
		return err
	}
	r.exclusive.Lock()
	defer r.exclusive.Unlock()
	if r.writer.closedWith() != nil || r.writer.unfinished.Load() {
		return nil // it is deleted, or the next write finds out first where the refs are
	}
	ctx, cancel := context.WithTimeout(ctx, r.store.opts.RefTimeout)
	defer cancel()
	// A process remembers which directories are on the disk, and git removes those that it empties.
	defer r.store.refs.forget(r.dir)
	err := r.packRefsOnce(ctx)
	if err != nil {
		err = errors.Join(err, removeRefLocks(r.dir))
	}
	return err
}

// packRefsOnce has git write the file, and, when it and its name are on the disk, write it again and remove the files of the refs:
// git itself does not sync the name, and a power cut could keep the removals alone.
func (r *repo) packRefsOnce(ctx context.Context) error {
	if _, err := r.store.runner.Output(ctx, r.dir, command.Git("pack-refs", "--all", "--no-prune"), nil); err != nil {
		return err
	}
	failpoint.Reach(failpoint.RefsPacked)
	if err := r.store.refs.syncPath(r.dir); err != nil {
		return errs.From(err)
	}
	failpoint.Reach(failpoint.PackedRefsSynced)
	_, err := r.store.runner.Output(ctx, r.dir, command.Git("pack-refs", "--all", "--prune"), nil)
	if err == nil {
		failpoint.Reach(failpoint.RefsPruned)
	}
	return err
}
