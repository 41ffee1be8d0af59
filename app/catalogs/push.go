package catalogs

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// PushValidator is a [ports.PushValidator] that holds pushes to what documents are held to that are written over the API:
// problems that the catalog of a branch would have, and does not have where the branch is, make it invalid; of a release any
// problem does. It is safe for concurrent use.
type PushValidator struct {
	opts   PushOptions
	recent recentSnapshots
}

// PushOptions are the settings of [NewPushValidator]. Zero fields take the defaults.
type PushOptions struct {
	// MaxBytes is the most that the documents of one catalog may have together, each counted as 1 KiB more than it has; 0 is
	// 64 MiB. It bounds the memory of a validation, which takes a few times as much, and ten times if everything is wrong.
	MaxBytes int64
}

var _ ports.PushValidator = (*PushValidator)(nil)

// NewPushValidator returns a validator.
func NewPushValidator(opts PushOptions) *PushValidator {
	setDefault(&opts.MaxBytes, 64<<20)
	return &PushValidator{opts: opts}
}

// ValidatePush implements [ports.PushValidator]. The problems of files that are pushed come first, then those of others, which may
// be their consequence. It fails with RESOURCE_EXHAUSTED for a catalog above [PushOptions.MaxBytes].
func (v *PushValidator) ValidatePush(ctx context.Context, p ports.PushedRefs) iter.Seq2[ports.PushProblem, error] {
	return func(yield func(ports.PushProblem, error) bool) {
		j := &pushJudge{validator: v, push: p, nearest: v.recent.get(p.Repository)}
		for _, ref := range p.Refs {
			problems, err := j.judge(ctx, ref)
			if err != nil {
				yield(ports.PushProblem{}, err)
				return
			}
			for found := range problems {
				if err := ctx.Err(); err != nil {
					yield(ports.PushProblem{}, errs.From(err))
					return
				}
				if !yield(pushProblem(ref.Name, found), nil) {
					return
				}
			}
		}
	}
}

// pushJudge judges one push.
type pushJudge struct {
	validator *PushValidator
	push      ports.PushedRefs
	// nearest is what was read last: other commits are read as they differ from it.
	nearest sized
}

// judge returns the problems of a ref.
func (j *pushJudge) judge(ctx context.Context, ref ports.PushedRef) (iter.Seq[catalog.Problem], error) {
	baseID, err := j.base(ctx, ref)
	if err != nil {
		return nil, err
	}
	var base sized
	if !baseID.IsZero() {
		if base, err = j.read(ctx, baseID); err != nil {
			return nil, err
		}
	}
	next, err := j.read(ctx, ref.Commit)
	if err != nil {
		return nil, err
	}
	clean := true
	for range newProblems(base.snapshot, next.snapshot, everyPath) {
		clean = false
		break
	}
	if clean {
		// It is what the next push builds on. One that is refused is soon gone from the repository.
		j.validator.recent.put(j.push.Repository, next)
		return func(func(catalog.Problem) bool) {}, nil
	}
	changed, err := j.changed(ctx, baseID, ref.Commit)
	return newProblems(base.snapshot, next.snapshot, changed), err
}

// base is the commit whose problems hold nobody up: where the branch is, or began. A release has none.
func (j *pushJudge) base(ctx context.Context, ref ports.PushedRef) (git.ObjectID, error) {
	switch {
	case !ref.Name.IsBranch():
		return git.ObjectID{}, nil
	case !ref.Old.IsZero():
		return ref.Old, nil
	}
	from, _, err := j.push.Contents.ListChangedPaths(ctx, ports.Compare{Base: git.Head(), Head: git.AtCommit(ref.Commit), FromMergeBase: true})
	if errs.Is(err, errs.ReasonRefNotFound) {
		return git.ObjectID{}, nil
	}
	return from.Base, err
}

// read returns the catalog of a commit.
func (j *pushJudge) read(ctx context.Context, commit git.ObjectID) (sized, error) {
	if j.nearest.snapshot != nil && j.nearest.snapshot.Commit() == commit {
		return j.nearest, nil
	}
	next, err := j.readFrom(ctx, j.nearest, commit)
	if j.nearest.snapshot != nil && errs.Is(err, errs.ReasonObjectNotFound, errs.ReasonNotACommit) {
		next, err = j.readFrom(ctx, sized{}, commit)
	}
	if err == nil {
		j.nearest = next
	}
	return next, err
}

func (j *pushJudge) readFrom(ctx context.Context, base sized, commit git.ObjectID) (sized, error) {
	limit := j.validator.opts.MaxBytes
	snapshot, read, err := readCatalog(ctx, j.push.Contents, base.snapshot, commit, limit)
	return sized{snapshot, base.bytes + read.weight()}, err
}

// changed tells the files that a push brings.
func (j *pushJudge) changed(ctx context.Context, base, commit git.ObjectID) (func(git.TreePath) bool, error) {
	if base.IsZero() {
		return everyPath, nil
	}
	_, paths, err := j.push.Contents.ListChangedPaths(ctx, ports.Compare{Base: git.AtCommit(base), Head: git.AtCommit(commit)})
	if err != nil {
		return nil, err
	}
	changed := map[git.TreePath]bool{}
	for c, err := range paths {
		if err != nil {
			return nil, err
		}
		if catalog.Reads(c.Path) {
			changed[c.Path] = true
		}
	}
	return func(p git.TreePath) bool { return changed[p] }, nil
}

func everyPath(git.TreePath) bool { return true }

func pushProblem(ref git.RefName, p catalog.Problem) ports.PushProblem {
	return ports.PushProblem{Ref: ref, Path: p.Path, Line: p.Line, Column: p.Column, Field: p.Field, Reason: string(p.Reason), Message: p.Message}
}

// Line returns a problem as a push is told of it, path:line:column: field: message (REASON).
func Line(p catalog.Problem) string { return pushProblem(git.RefName{}, p).String() }

// sized is a snapshot and about what was read for it.
type sized struct {
	snapshot *catalog.Snapshot
	bytes    int64
}

const (
	// keptRecent is of how many repositories the catalog that was pushed last stays at hand.
	keptRecent = 4
	// maxRecent is the most that may have been read for one that stays.
	maxRecent = 32 << 20
)

// recentSnapshots are the catalogs that were pushed last, so that the next push need not be read as a whole.
type recentSnapshots struct {
	mu sync.Mutex
	// entries are in the order of their last use, the latest last.
	entries []recentSnapshot
}

type recentSnapshot struct {
	repository git.RepositoryID
	sized
}

func (r *recentSnapshots) get(id git.RepositoryID) sized {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		if e.repository == id {
			return e.sized
		}
	}
	return sized{}
}

func (r *recentSnapshots) put(id git.RepositoryID, s sized) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := make([]recentSnapshot, 0, keptRecent+1)
	for _, e := range r.entries {
		if e.repository != id {
			kept = append(kept, e)
		}
	}
	if s.bytes <= maxRecent {
		kept = append(kept, recentSnapshot{id, s})
	}
	r.entries = kept[max(0, len(kept)-keptRecent):]
}

// fileWeight is what a file counts for beside its content, in bytes.
const fileWeight = 1 << 10

// tooLarge is a catalog above a limit of bytes.
func tooLarge(limit int64) error {
	return errs.New(errs.ReasonResourceExhausted, fmt.Sprintf("the documents of the catalog have more than %d MiB together: ask the operator to let larger ones be validated", limit>>20))
}
