package memrepo

import (
	"context"
	"maps"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// object is an object as git stores it, its header left out.
type object struct {
	kind    git.ObjectType
	content []byte
}

// database is the objects of one repository. It only grows, so that whoever read an ID can read the object.
type database struct {
	mu   sync.RWMutex
	byID map[git.ObjectID]object
}

func (db *database) get(id git.ObjectID) (object, bool) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	o, ok := db.byID[id]
	return o, ok
}

func (db *database) add(more map[git.ObjectID]object) {
	db.mu.Lock()
	defer db.mu.Unlock()
	maps.Copy(db.byID, more)
}

// size is what the objects' contents take.
func (db *database) size() (n int64) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	for _, o := range db.byID {
		n += int64(len(o.content))
	}
	return n
}

// reader implements [git.ObjectReader] over any source of objects.
type reader struct {
	format git.ObjectFormat
	get    func(git.ObjectID) (object, bool)
}

// Format implements [git.ObjectReader].
func (r reader) Format() git.ObjectFormat { return r.format }

// Peel implements [git.ObjectReader].
func (r reader) Peel(ctx context.Context, id git.ObjectID) (git.ObjectID, git.ObjectType, error) {
	return git.Peel(id, func(id git.ObjectID) (git.ObjectType, *git.Tag, error) {
		o, ok := r.get(id)
		if !ok {
			return 0, nil, notHere(errs.ReasonObjectNotFound, id)
		}
		if o.kind != git.TagObject {
			return o.kind, nil, nil
		}
		tag, err := r.Tag(ctx, id)
		return o.kind, tag, err
	})
}

// Tag implements [git.ObjectReader].
func (r reader) Tag(_ context.Context, id git.ObjectID) (*git.Tag, error) {
	o, _ := r.get(id)
	if o.kind != git.TagObject {
		return nil, notHere(errs.ReasonObjectNotFound, id)
	}
	return git.DecodeTag(id, o.content)
}

// Commit implements [git.ObjectReader].
func (r reader) Commit(_ context.Context, id git.ObjectID) (*git.Commit, error) {
	switch o, ok := r.get(id); {
	case !ok:
		return nil, notHere(errs.ReasonObjectNotFound, id)
	case o.kind != git.CommitObject:
		return nil, notHere(errs.ReasonNotACommit, id)
	default:
		return git.DecodeCommit(id, o.content)
	}
}

// Tree implements [git.ObjectReader].
func (r reader) Tree(_ context.Context, id git.ObjectID) ([]git.TreeEntry, error) {
	if id == r.format.EmptyTree() {
		return nil, nil
	}
	o, _ := r.get(id)
	if o.kind != git.TreeObject {
		return nil, notHere(errs.ReasonRepositoryCorrupt, id)
	}
	return git.DecodeTree(r.format, o.content)
}

// Sizes implements [git.ObjectReader].
func (r reader) Sizes(ctx context.Context, ids []git.ObjectID) ([]int64, error) {
	sizes := make([]int64, len(ids))
	for i, id := range ids {
		content, err := r.Blob(ctx, id)
		if err != nil {
			return nil, err
		}
		sizes[i] = int64(len(content))
	}
	return sizes, nil
}

// Blob implements [git.ObjectReader].
func (r reader) Blob(_ context.Context, id git.ObjectID) ([]byte, error) {
	o, _ := r.get(id)
	if o.kind != git.BlobObject {
		return nil, notHere(errs.ReasonRepositoryCorrupt, id)
	}
	return o.content, nil
}

func notHere(reason errs.Reason, id git.ObjectID) error {
	return errs.New(reason, "object "+id.String()+" does not exist in this repository, or is of another type", errs.MetaObject, id.String())
}
