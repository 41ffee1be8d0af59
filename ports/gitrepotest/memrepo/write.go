package memrepo

import (
	"context"
	"io"
	"iter"
	"maps"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/pathrule"
	rules "github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/domain/tree"
	"github.com/gitstore-dev/gitstore/ports"
)

// identity is the author of commits and the tagger of tags that name none.
var identity = git.Signature{Name: "GitStore", Email: "gitstore@localhost"}

// maxFile is the largest file that is taken.
const maxFile = 1 << 30

// lock waits for the turn to write.
func (r *repo) lock(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errs.From(ctx.Err())
	}
}

func (r *repo) unlock() { <-r.turn }

// draft is a repository with what its writer has prepared. It implements [rules.Draft].
type draft struct {
	snapshot
	made map[git.ObjectID]object
}

func newDraft(r *repo, staged map[git.ObjectID]object) *draft {
	d := &draft{r.snapshot(), maps.Clone(staged)}
	if d.made == nil {
		d.made = map[git.ObjectID]object{}
	}
	d.get = func(id git.ObjectID) (object, bool) {
		if o, ok := d.made[id]; ok {
			return o, true
		}
		return r.db.get(id)
	}
	return d
}

// Policy implements [rules.Draft].
func (d *draft) Policy() rules.Policy { return d.repo.policyInfo().Policy }

// Refs implements [rules.Draft].
func (d *draft) Refs(prefix string) iter.Seq[git.RefName] { return d.refs.below(prefix) }

// Put implements [rules.Draft].
func (d *draft) Put(t git.ObjectType, content []byte) (git.ObjectID, error) {
	id := d.format.HashObject(t, content)
	d.made[id] = object{t, content}
	return id, nil
}

// CommitOfRequest implements [rules.Draft].
func (d *draft) CommitOfRequest(ctx context.Context, branch git.RefName, requestID string) (*git.Commit, error) {
	at, now := d.Ref(branch), time.Now()
	for n := 0; ; n++ {
		c, err := d.Commit(ctx, at)
		if err != nil || !rules.RequestsReach(n, c, now) {
			return nil, err
		}
		if id, _ := rules.RequestOf(c); id == requestID {
			return c, nil
		}
		if len(c.Parents) == 0 {
			return nil, nil
		}
		at = c.Parents[0]
	}
}

// write makes a plan on a draft, and keeps what came of it if the plan moves refs.
func (r *repo) write(ctx context.Context, staged map[git.ObjectID]object, plan func(*draft) ([]rules.RefChange, error)) error {
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.unlock()
	if err := ctx.Err(); err != nil {
		return errs.From(err)
	}
	if r.deleted.Load() {
		return repositoryNotFound(r.info.ID)
	}
	d := newDraft(r, staged)
	changes, err := plan(d)
	if err != nil || len(changes) == 0 {
		return err
	}
	refs, err := d.refs.with(ctx, d, changes)
	if err != nil {
		return err
	}
	r.db.add(d.made)
	r.refs.Store(refs)
	return nil
}

// moveRefs makes a plan that moves refs and returns them as they are then.
func (r repository) moveRefs(ctx context.Context, plan func(*draft) ([]rules.RefChange, error)) (refs []git.Ref, err error) {
	found, err := r.store.find(ctx, r.id)
	if err != nil {
		return nil, err
	}
	err = found.write(ctx, nil, func(d *draft) ([]rules.RefChange, error) {
		changes, err := plan(d)
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
	if err != nil {
		return nil, err
	}
	return refs, nil
}

// CreateBranch implements [ports.RefUpdater].
func (r repository) CreateBranch(ctx context.Context, req ports.CreateBranch) (git.Ref, error) {
	refs, err := r.moveRefs(ctx, func(d *draft) ([]rules.RefChange, error) { return req.CreateBranch(ctx, d) })
	if err != nil {
		return git.Ref{}, err
	}
	return refs[0], nil
}

// DeleteBranch implements [ports.RefUpdater].
func (r repository) DeleteBranch(ctx context.Context, req ports.DeleteRef) error {
	_, err := r.moveRefs(ctx, func(d *draft) ([]rules.RefChange, error) { return req.DeleteBranch(d) })
	return err
}

// UpdateRefs implements [ports.RefUpdater].
func (r repository) UpdateRefs(ctx context.Context, updates []git.RefUpdate) ([]git.Ref, error) {
	return r.moveRefs(ctx, func(d *draft) ([]rules.RefChange, error) { return rules.UpdateRefs(ctx, d, updates) })
}

// CreateTag implements [ports.Tagger].
func (r repository) CreateTag(ctx context.Context, req ports.CreateTag) (info ports.TagInfo, err error) {
	if req, err = req.Prepare(identity, time.Now()); err != nil {
		return info, err
	}
	_, err = r.moveRefs(ctx, func(d *draft) ([]rules.RefChange, error) {
		changes, err := req.CreateTag(ctx, d)
		if err == nil {
			info, err = newTagInfo(ctx, d, changes[0])
		}
		return changes, err
	})
	if err != nil {
		return ports.TagInfo{}, err
	}
	return info, nil
}

func newTagInfo(ctx context.Context, d *draft, c rules.RefChange) (ports.TagInfo, error) {
	ref, err := describe(ctx, d, c)
	if err != nil {
		return ports.TagInfo{}, err
	}
	return tagInfo(ctx, d, ref)
}

// DeleteTag implements [ports.Tagger].
func (r repository) DeleteTag(ctx context.Context, req ports.DeleteRef) error {
	_, err := r.moveRefs(ctx, func(d *draft) ([]rules.RefChange, error) { return req.DeleteTag(d) })
	return err
}

// CommitFiles implements [ports.Committer].
func (r repository) CommitFiles(ctx context.Context, req ports.CommitFiles, changes iter.Seq2[git.Change, error]) (res ports.CommitResult, err error) {
	if req, err = req.Prepare(identity, time.Now()); err != nil {
		return res, err
	}
	err = r.commit(ctx, changes, func(d *draft, edits []tree.FileEdit) (moved []rules.RefChange, err error) {
		res, moved, err = req.CommitFiles(ctx, d, edits)
		return moved, err
	})
	if err != nil {
		return ports.CommitResult{}, err
	}
	return res, nil
}

// PublishRelease implements [ports.Committer].
func (r repository) PublishRelease(ctx context.Context, req ports.PublishRelease, changes iter.Seq2[git.Change, error]) (res ports.ReleaseResult, err error) {
	if req, err = req.Prepare(identity, time.Now()); err != nil {
		return res, err
	}
	err = r.commit(ctx, changes, func(d *draft, edits []tree.FileEdit) ([]rules.RefChange, error) {
		made, moved, err := req.PublishRelease(ctx, d, edits)
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

// commit reads all changes before it waits for the turn to write.
func (r repository) commit(ctx context.Context, changes iter.Seq2[git.Change, error],
	plan func(*draft, []tree.FileEdit) ([]rules.RefChange, error),
) error {
	found, err := r.store.find(ctx, r.id)
	if err != nil {
		return err
	}
	s := stage{format: found.info.ObjectFormat, blobs: map[git.ObjectID]object{}}
	for change, err := range changes {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = s.add(change)
		}
		if err != nil {
			return errs.From(err)
		}
	}
	return found.write(ctx, s.blobs, func(d *draft) ([]rules.RefChange, error) { return plan(d, s.edits) })
}

// stage holds the contents of one commit until it is its turn.
type stage struct {
	format git.ObjectFormat
	edits  []tree.FileEdit
	blobs  map[git.ObjectID]object
}

func (s *stage) add(c git.Change) error {
	if len(s.edits) == ports.MaxActions {
		return errs.InvalidField(errs.ReasonTooManyActions, "actions", "the commit has more than %d actions: split it", ports.MaxActions)
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if c.Action != git.ActionDelete {
		if err := pathrule.Check(c.Path); err != nil {
			return err
		}
	}
	e := tree.FileEdit{Action: c.Action, Path: c.Path, From: c.From, Executable: c.Executable, ExpectedBlob: c.ExpectedBlob}
	if c.Content != nil {
		content, err := readContent(c)
		if err != nil {
			return err
		}
		e.Blob = s.format.HashObject(git.BlobObject, content)
		s.blobs[e.Blob] = object{git.BlobObject, content}
	}
	s.edits = append(s.edits, e)
	return nil
}

func readContent(c git.Change) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(c.Content, maxFile+1))
	switch size := int64(len(content)); {
	case err != nil:
		return nil, err
	case size > maxFile:
		return nil, errs.InvalidField(errs.ReasonFileTooLarge, "content", "the file is larger than %d bytes, the limit for one file", maxFile).
			WithMeta(errs.MetaPath, c.Path.String())
	case c.Size >= 0 && c.Size != size:
		return nil, errs.InvalidField(errs.ReasonInvalidAction, "size", "the content does not have the %d bytes that were announced", c.Size).
			WithMeta(errs.MetaPath, c.Path.String())
	}
	return content, nil
}
