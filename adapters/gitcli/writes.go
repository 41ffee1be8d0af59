package gitcli

import (
	"context"
	"iter"
	"slices"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/ports"
)

// planner prepares a write on a draft.
type planner func(context.Context, *draft) ([]repository.RefChange, error)

// write queues a write without contents and waits for it. What adds to the repository asks for room first; deletions,
// which make some, do not.
func (g *gitRepository) write(ctx context.Context, plan planner) error {
	r, err := g.store.repo(ctx, g.id)
	if err != nil {
		return err
	}
	return r.writer.do(ctx, nil, plan)
}

// moveRef makes a write that moves one ref and returns the ref as it is then.
func (g *gitRepository) moveRef(ctx context.Context, plan planner) (git.Ref, error) {
	refs, err := g.moveRefs(ctx, plan)
	if err != nil {
		return git.Ref{}, err
	}
	return refs[0], nil
}

// moveRefs makes a write that moves refs and returns them as they are then.
func (g *gitRepository) moveRefs(ctx context.Context, plan planner) ([]git.Ref, error) {
	var refs []git.Ref
	err := g.write(ctx, func(ctx context.Context, d *draft) ([]repository.RefChange, error) {
		changes, err := plan(ctx, d)
		if err != nil {
			return nil, err
		}
		refs = make([]git.Ref, len(changes))
		for i, c := range changes {
			if refs[i], err = describe(ctx, d, c); err != nil {
				return nil, err
			}
		}
		return changes, nil
	})
	return refs, err
}

// CreateBranch implements [ports.RefUpdater].
func (g *gitRepository) CreateBranch(ctx context.Context, req ports.CreateBranch) (git.Ref, error) {
	if err := g.store.room(); err != nil {
		return git.Ref{}, err
	}
	return g.moveRef(ctx, func(ctx context.Context, d *draft) ([]repository.RefChange, error) { return req.CreateBranch(ctx, d) })
}

// DeleteBranch implements [ports.RefUpdater].
func (g *gitRepository) DeleteBranch(ctx context.Context, req ports.DeleteRef) error {
	return g.write(ctx, func(_ context.Context, d *draft) ([]repository.RefChange, error) { return req.DeleteBranch(d) })
}

// UpdateRefs implements [ports.RefUpdater].
func (g *gitRepository) UpdateRefs(ctx context.Context, updates []git.RefUpdate) ([]git.Ref, error) {
	if slices.ContainsFunc(updates, func(u git.RefUpdate) bool { return !u.New.IsZero() }) {
		if err := g.store.room(); err != nil {
			return nil, err
		}
	}
	return g.moveRefs(ctx, func(ctx context.Context, d *draft) ([]repository.RefChange, error) {
		return repository.UpdateRefs(ctx, d, updates)
	})
}

// CreateTag implements [ports.Tagger].
func (g *gitRepository) CreateTag(ctx context.Context, req ports.CreateTag) (ports.TagInfo, error) {
	req, err := req.Prepare(g.store.opts.Identity, g.store.opts.Now())
	if err != nil {
		return ports.TagInfo{}, err
	}
	if err := g.store.room(); err != nil {
		return ports.TagInfo{}, err
	}
	var info ports.TagInfo
	err = g.write(ctx, func(ctx context.Context, d *draft) ([]repository.RefChange, error) {
		changes, err := req.CreateTag(ctx, d)
		if err != nil {
			return nil, err
		}
		info, err = newTagInfo(ctx, d, changes[0])
		return changes, err
	})
	return info, err
}

func newTagInfo(ctx context.Context, d *draft, c repository.RefChange) (ports.TagInfo, error) {
	ref, err := describe(ctx, d, c)
	if err != nil {
		return ports.TagInfo{}, err
	}
	return tagInfo(ctx, d, ref)
}

// DeleteTag implements [ports.Tagger].
func (g *gitRepository) DeleteTag(ctx context.Context, req ports.DeleteRef) error {
	return g.write(ctx, func(_ context.Context, d *draft) ([]repository.RefChange, error) { return req.DeleteTag(d) })
}

// CommitFiles implements [ports.Committer].
func (g *gitRepository) CommitFiles(ctx context.Context, req ports.CommitFiles, changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
	req, err := req.Prepare(g.store.opts.Identity, g.store.opts.Now())
	if err != nil {
		return ports.CommitResult{}, err
	}
	var res ports.CommitResult
	err = g.commit(ctx, changes, func(ctx context.Context, d *draft, s *stage) (moved []repository.RefChange, err error) {
		res, moved, err = req.CommitFiles(ctx, d, s.edits)
		return moved, err
	})
	if err != nil {
		return ports.CommitResult{}, err
	}
	return res, nil
}

// commit stages the changes, queues the write and waits for it.
func (g *gitRepository) commit(ctx context.Context, changes iter.Seq2[git.Change, error],
	plan func(context.Context, *draft, *stage) ([]repository.RefChange, error),
) error {
	r, err := g.store.repo(ctx, g.id)
	if err != nil {
		return err
	}
	if err := g.store.room(); err != nil {
		return err
	}
	staged, err := r.stageChanges(ctx, changes)
	defer staged.close()
	if err != nil {
		return err
	}
	return r.writer.do(ctx, staged, func(ctx context.Context, d *draft) ([]repository.RefChange, error) { return plan(ctx, d, staged) })
}

// PublishRelease implements [ports.Committer].
func (g *gitRepository) PublishRelease(ctx context.Context, req ports.PublishRelease, changes iter.Seq2[git.Change, error]) (ports.ReleaseResult, error) {
	req, err := req.Prepare(g.store.opts.Identity, g.store.opts.Now())
	if err != nil {
		return ports.ReleaseResult{}, err
	}
	var res ports.ReleaseResult
	err = g.commit(ctx, changes, func(ctx context.Context, d *draft, s *stage) ([]repository.RefChange, error) {
		made, moved, err := req.PublishRelease(ctx, d, s.edits)
		if err != nil {
			return nil, err
		}
		res = ports.ReleaseResult{Commit: made.Commit, Replayed: made.Replayed}
		res.Tag, err = newTagInfo(ctx, d, made.Tag)
		return moved, err
	})
	if err != nil {
		return ports.ReleaseResult{}, err
	}
	return res, nil
}
