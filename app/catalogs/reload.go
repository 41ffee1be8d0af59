package catalogs

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/version"
	"github.com/gitstore-dev/gitstore/ports"
)

// head is where a view leads.
type head struct {
	commit git.ObjectID
	ref    git.RefName
	// release is the version, "" unless the view is live.
	release string
}

// reload brings the catalog up to date. When it fails, what is served stays as it is.
func (f *feed) reload(ctx context.Context) error {
	next := *f.state.Load()
	// The refs are read after this, so the result covers all that was counted and heard of until now.
	next.cursor, next.generation = f.journal.at(), f.wanted.Load()
	err := f.survive(ctx, func() error { return f.update(ctx, &next) })
	switch {
	case ctx.Err() != nil: // nobody wants the result, and it says nothing about the repository
		return ctx.Err()
	case err != nil:
		f.fail(ctx, err)
	default:
		if next.failure != nil {
			f.log(ctx, slog.LevelInfo, "the catalog is up to date again")
		}
		next.failure, next.checkedAt = nil, time.Now()
		f.publish(&next)
	}
	return err
}

// survive calls fn and fails if the code panics in it: what somebody committed must not end the replicas one and all, and
// again at each start.
func (f *feed) survive(ctx context.Context, fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			f.log(ctx, slog.LevelError, "panic while reading the catalog", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			err = errs.Wrap(fmt.Errorf("panic: %v", v), errs.ReasonInternal, "internal error while the catalog was read")
		}
	}()
	return fn()
}

func (f *feed) fail(ctx context.Context, err error) {
	next := *f.state.Load()
	level := slog.LevelWarn
	if next.failure != nil {
		level = slog.LevelDebug
	}
	f.log(ctx, level, "the catalog cannot be brought up to date: what was loaded last is served", slog.Any("error", err))
	next.failure = err
	next.work.Failures++
	f.publish(&next)
}

func (f *feed) log(ctx context.Context, level slog.Level, msg string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("repository", f.target.Repository.String()), slog.String("view", f.target.View.String()))
	f.opts.Logger.LogAttrs(ctx, level, msg, attrs...) //nolint:sloglint // the callers' messages are constants
}

// update changes the state to what the repository is now.
func (f *feed) update(ctx context.Context, next *state) error {
	head, err := f.resolve(ctx)
	if errs.Is(err, errs.ReasonRepositoryNotFound, errs.ReasonRefNotFound) {
		f.drop(ctx, next, err)
		return nil
	}
	if err != nil {
		return err
	}
	served := next.catalog
	snapshot := served.snapshot()
	if snapshot == nil || snapshot.Commit() != head.commit {
		if snapshot, err = f.load(ctx, next, head.commit); err != nil {
			return err
		}
	} else {
		next.work.Checks++
	}
	f.notice(ctx, next, head)
	if served == nil || served.Snapshot != snapshot || served.Ref != head.ref {
		next.catalog = &Catalog{
			Repository: f.target.Repository, View: f.target.View, Snapshot: snapshot,
			Ref: head.ref, Release: head.release, LoadedAt: time.Now(),
		}
	}
	next.absent = nil
	return nil
}

// resolve finds where the view leads. It fails with REPOSITORY_NOT_FOUND and REF_NOT_FOUND if that is nowhere.
func (f *feed) resolve(ctx context.Context) (head, error) {
	ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	if f.target.View.Live {
		return f.resolveRelease(ctx)
	}
	rev := git.Head()
	if !f.target.View.Branch.IsZero() {
		rev = git.AtRef(f.target.View.Branch)
	}
	at, err := f.repo.ResolveRevision(ctx, rev)
	return head{commit: at.Commit, ref: at.Ref}, err
}

func (f *feed) resolveRelease(ctx context.Context) (head, error) {
	tag, err := f.repo.LatestTag(ctx, ports.LatestTagQuery{Prereleases: f.target.View.Prereleases})
	if errs.Is(err, errs.ReasonRefNotFound) {
		return head{}, errs.Wrap(err, errs.ReasonRefNotFound, "the catalog follows releases, and there is none yet: publish one, or ask for a branch with at", errs.MetaRef, "refs/tags/")
	}
	if err != nil {
		return head{}, err
	}
	if tag.Ref.PeeledType != git.CommitObject {
		return head{}, errs.New(errs.ReasonNotACommit,
			fmt.Sprintf("release tag %q does not lead to a commit: delete it, or publish a higher release", tag.Ref.Name.Short()),
			errs.MetaRef, tag.Ref.Name.String())
	}
	return head{commit: tag.Ref.Peeled, ref: tag.Ref.Name, release: tag.Version}, nil
}

// drop leaves nothing to serve: what was there is gone from the repository, or the repository is gone.
func (f *feed) drop(ctx context.Context, next *state, why error) {
	if !errs.Is(why, errs.ReasonRepositoryNotFound) {
		f.notice(ctx, next, head{})
	}
	if next.absent == nil {
		f.log(ctx, slog.LevelInfo, "there is no catalog to serve", slog.Any("error", why))
	}
	next.catalog, next.absent = nil, why
	next.work.Checks++
}

// notice takes note of a release tag that is not where it was: such a tag is meant to stay.
func (f *feed) notice(ctx context.Context, next *state, now head) {
	served := next.catalog
	if served == nil || served.Release == "" || !withdrawn(served, now) {
		return
	}
	next.moved = &MovedRelease{Tag: served.Ref, Old: served.Commit(), At: time.Now()}
	if now.ref == served.Ref {
		next.moved.New = now.commit
	}
	f.log(ctx, slog.LevelWarn, "a release tag was moved or deleted", slog.String("tag", served.Ref.String()),
		slog.String("old_commit", served.Commit().String()), slog.String("new_commit", next.moved.New.String()),
		slog.String("follows", now.ref.String()))
}

// load reads the commit's files, or how they differ from those of the present snapshot, when it is its turn.
func (f *feed) load(ctx context.Context, next *state, commit git.ObjectID) (*catalog.Snapshot, error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	start := time.Now()
	base := next.catalog.snapshot()
	snapshot, read, err := f.read(ctx, base, commit)
	if base != nil && errs.Is(err, errs.ReasonObjectNotFound, errs.ReasonNotACommit) {
		// The repository was made anew, or the commit that the snapshot is of was pruned.
		base = nil
		snapshot, read, err = f.read(ctx, nil, commit)
	}
	if err != nil {
		return nil, err
	}
	read.Duration, read.Full = time.Since(start), base == nil
	next.work.Reloads++
	next.work.Files += read.Files
	next.work.Bytes += read.Bytes
	next.work.Last = read
	level := slog.LevelDebug
	if read.Full {
		level = slog.LevelInfo
	}
	f.log(ctx, level, "catalog loaded", slog.String("commit", commit.String()), slog.Bool("full", read.Full),
		slog.Uint64("files", read.Files), slog.Uint64("bytes", read.Bytes), slog.Duration("duration", read.Duration))
	return snapshot, nil
}

// withdrawn reports whether the release that was served was moved or deleted, if the view leads elsewhere now.
func withdrawn(served *Catalog, now head) bool {
	if now.ref == served.Ref {
		return now.commit != served.Commit()
	}
	before, _ := version.Parse(served.Release)
	after, _ := version.Parse(now.release)
	return after.Compare(before) < 0
}
