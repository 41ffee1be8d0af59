package gitcmd

import (
	"context"
	"sync/atomic"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// Objects is a [git.ObjectReader] over memory, which counts what is read. Adding to it while it is read is not safe.
type Objects struct {
	format git.ObjectFormat
	byID   map[git.ObjectID]object
	// Commits and Trees count the reads of either.
	Commits, Trees atomic.Int64
}

type object struct {
	t       git.ObjectType
	content []byte
}

// NewObjects returns an empty set of objects.
func NewObjects(format git.ObjectFormat) *Objects {
	return &Objects{format: format, byID: map[git.ObjectID]object{}}
}

// Add adds an object as it is and returns its ID.
func (o *Objects) Add(t git.ObjectType, content []byte) git.ObjectID {
	id := o.format.HashObject(t, content)
	o.byID[id] = object{t, content}
	return id
}

// AddTree adds a tree of the entries, which it sorts.
func (o *Objects) AddTree(entries ...git.TreeEntry) git.ObjectID {
	return o.Add(git.TreeObject, git.EncodeTree(entries))
}

// AddCommit adds a commit.
func (o *Objects) AddCommit(c *git.Commit) git.ObjectID { return o.Add(git.CommitObject, c.Encode()) }

// Remove takes an object away, as damage would.
func (o *Objects) Remove(id git.ObjectID) { delete(o.byID, id) }

// Format implements [git.ObjectReader].
func (o *Objects) Format() git.ObjectFormat { return o.format }

// Peel implements [git.ObjectReader].
func (o *Objects) Peel(ctx context.Context, id git.ObjectID) (git.ObjectID, git.ObjectType, error) {
	return git.Peel(id, func(id git.ObjectID) (git.ObjectType, *git.Tag, error) {
		obj, ok := o.byID[id]
		if !ok {
			return 0, nil, missing(errs.ReasonObjectNotFound, id)
		}
		if obj.t != git.TagObject {
			return obj.t, nil, nil
		}
		tag, err := o.Tag(ctx, id)
		return obj.t, tag, err
	})
}

// Tag implements [git.ObjectReader].
func (o *Objects) Tag(_ context.Context, id git.ObjectID) (*git.Tag, error) {
	obj := o.byID[id]
	if obj.t != git.TagObject {
		return nil, missing(errs.ReasonObjectNotFound, id)
	}
	return git.DecodeTag(id, obj.content)
}

// Commit implements [git.ObjectReader].
func (o *Objects) Commit(_ context.Context, id git.ObjectID) (*git.Commit, error) {
	o.Commits.Add(1)
	switch obj := o.byID[id]; obj.t {
	case git.CommitObject:
		return git.DecodeCommit(id, obj.content)
	case 0:
		return nil, missing(errs.ReasonObjectNotFound, id)
	default:
		return nil, missing(errs.ReasonNotACommit, id)
	}
}

// Tree implements [git.ObjectReader].
func (o *Objects) Tree(_ context.Context, id git.ObjectID) ([]git.TreeEntry, error) {
	o.Trees.Add(1)
	obj := o.byID[id]
	if obj.t != git.TreeObject && id != o.format.EmptyTree() {
		return nil, missing(errs.ReasonRepositoryCorrupt, id)
	}
	return git.DecodeTree(o.format, obj.content)
}

// Sizes implements [git.ObjectReader].
func (o *Objects) Sizes(ctx context.Context, ids []git.ObjectID) ([]int64, error) {
	sizes := make([]int64, len(ids))
	for i, id := range ids {
		b, err := o.Blob(ctx, id)
		if err != nil {
			return nil, err
		}
		sizes[i] = int64(len(b))
	}
	return sizes, nil
}

// Blob implements [git.ObjectReader].
func (o *Objects) Blob(_ context.Context, id git.ObjectID) ([]byte, error) {
	obj := o.byID[id]
	if obj.t != git.BlobObject {
		return nil, missing(errs.ReasonRepositoryCorrupt, id)
	}
	return obj.content, nil
}

func missing(reason errs.Reason, id git.ObjectID) error {
	return errs.New(reason, "object "+id.String()+" is missing or of another type", errs.MetaObject, id.String())
}
