package gitcli

import (
	"context"
	"sync/atomic"

	"github.com/maypok86/otter/v2"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/catfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// objectKey names an object of one opened repository. The repository is part of it, so that nobody reads another
// repository's objects by guessing their IDs.
type objectKey struct {
	repository uint64
	id         git.ObjectID
}

// objectCache holds what was read of objects: a *git.Commit, *git.Tag, []git.TreeEntry, []byte for a blob, or a blobSize.
// Objects never change, so nothing in it is ever stale.
type objectCache struct {
	cache *otter.Cache[objectKey, any]
	hits  atomic.Int64
	reads atomic.Int64
}

type blobSize int64

// entryOverhead is about what the cache itself and a key take.
const entryOverhead = 160

func newObjectCache(maxBytes uint64) *objectCache {
	return &objectCache{cache: otter.Must(&otter.Options[objectKey, any]{
		MaximumWeight: maxBytes,
		Weigher:       func(_ objectKey, value any) uint32 { return weight(value) },
	})}
}

func weight(value any) uint32 {
	n := entryOverhead
	switch v := value.(type) {
	case *git.Commit: // parts of the object's text are what all of its texts are
		n += 550 + len(v.Message) + 90*len(v.Parents) + headerWeight(v.Headers) + nameWeight(v.Author) + nameWeight(v.Committer)
	case *git.Tag:
		n += 450 + len(v.Message) + headerWeight(v.Headers) + nameWeight(v.Tagger)
	case []git.TreeEntry:
		for _, e := range v {
			n += 64 + len(e.Name)
		}
	case []byte:
		n += len(v)
	}
	return uint32(min(n, 1<<31))
}

func headerWeight(headers []git.Header) (n int) {
	for _, h := range headers {
		n += 64 + len(h.Key) + len(h.Value) // the list was made by doubling it
	}
	return n
}

func nameWeight(s git.Signature) int { return len(s.Name) + len(s.Email) }

func (c *objectCache) get(repository uint64, id git.ObjectID) (any, bool) {
	c.reads.Add(1)
	v, ok := c.cache.GetIfPresent(objectKey{repository, id})
	if ok {
		c.hits.Add(1)
	}
	return v, ok
}

func (c *objectCache) put(repository uint64, id git.ObjectID, value any) {
	c.cache.Set(objectKey{repository, id}, value)
}

// maxCachedBlob is the largest blob that is held in memory; larger ones are read through [catfile.Reader.Content].
const maxCachedBlob = ports.MaxGetFile

// objects reads the objects of one repository, from the cache or through its cat-file processes. It implements
// [git.ObjectReader].
type objects struct {
	repository uint64
	format     git.ObjectFormat
	cache      *objectCache
	reader     *catfile.Reader
	// maxEntries, if it is not 0, is the most entries of trees that are read: others fail with errWide.
	maxEntries int
	// borrowed are objects of pushes that are not the repository's yet.
	borrowed []*objects
}

// Format implements [git.ObjectReader].
func (o *objects) Format() git.ObjectFormat { return o.format }

// Commit implements [git.ObjectReader].
func (o *objects) Commit(ctx context.Context, id git.ObjectID) (*git.Commit, error) {
	v, t, err := o.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if c, ok := v.(*git.Commit); ok {
		return c, nil
	}
	return nil, errs.New(errs.ReasonNotACommit, "object "+id.String()+" is a "+t.String()+", not a commit", errs.MetaObject, id.String())
}

// Tag implements [git.ObjectReader].
func (o *objects) Tag(ctx context.Context, id git.ObjectID) (*git.Tag, error) {
	v, _, err := o.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if t, ok := v.(*git.Tag); ok {
		return t, nil
	}
	return nil, objectNotFound(id)
}

// Peel implements [git.ObjectReader].
func (o *objects) Peel(ctx context.Context, id git.ObjectID) (git.ObjectID, git.ObjectType, error) {
	return git.Peel(id, func(id git.ObjectID) (git.ObjectType, *git.Tag, error) {
		v, t, err := o.load(ctx, id)
		tag, _ := v.(*git.Tag)
		return t, tag, err
	})
}

// Tree implements [git.ObjectReader].
func (o *objects) Tree(ctx context.Context, id git.ObjectID) ([]git.TreeEntry, error) {
	v, _, err := o.load(ctx, id) // git knows the empty tree in every repository
	if err != nil {
		return nil, corrupt(err)
	}
	if entries, ok := v.([]git.TreeEntry); ok {
		return entries, nil
	}
	return nil, errs.New(errs.ReasonRepositoryCorrupt, "object "+id.String()+" is not a tree", errs.MetaObject, id.String())
}

// corrupt turns "not found" into what it is for an object that another one names.
func corrupt(err error) error {
	if errs.Is(err, errs.ReasonObjectNotFound) {
		return errs.Wrap(err, errs.ReasonRepositoryCorrupt, "the repository lacks an object that it refers to")
	}
	return err
}

// Blob implements [git.ObjectReader].
func (o *objects) Blob(ctx context.Context, id git.ObjectID) ([]byte, error) {
	if v, ok := o.cache.get(o.repository, id); ok {
		if content, ok := v.([]byte); ok {
			return content, nil
		}
	}
	contents, err := o.Blobs(ctx, []git.ObjectID{id})
	if err != nil {
		return nil, err
	}
	return contents[0], nil
}

// Blobs reads blobs in the order of ids. One above [maxCachedBlob], or beyond what an exchange brings into memory, is nil;
// a single one of up to [maxCachedBlob] is not.
func (o *objects) Blobs(ctx context.Context, ids []git.ObjectID) ([][]byte, error) {
	contents := make([][]byte, len(ids))
	var missing []git.ObjectID
	var at []int
	taken := 0
	for i, id := range ids {
		v, _ := o.cache.get(o.repository, id)
		switch v := v.(type) {
		case []byte:
			if taken == 0 || taken+len(v) <= catfile.MaxContents { // what the cache drops meanwhile stays in memory
				contents[i] = v
				taken += len(v)
			}
		case blobSize:
			if v <= maxCachedBlob {
				missing, at = append(missing, id), append(at, i)
			}
		default:
			missing, at = append(missing, id), append(at, i)
		}
	}
	if len(missing) == 0 {
		return contents, nil
	}
	found, err := o.reader.Objects(ctx, missing, maxCachedBlob)
	if err != nil {
		return nil, err
	}
	for i, obj := range found {
		if obj.Type != git.BlobObject {
			return nil, missingBlob(missing[i])
		}
		if obj.Content == nil {
			o.cache.put(o.repository, obj.ID, blobSize(obj.Size))
			continue
		}
		o.cache.put(o.repository, obj.ID, obj.Content)
		contents[at[i]] = obj.Content
	}
	return contents, nil
}

func missingBlob(id git.ObjectID) error {
	return errs.New(errs.ReasonRepositoryCorrupt, "the repository lacks a file's content", errs.MetaObject, id.String())
}

// Sizes implements [git.ObjectReader].
func (o *objects) Sizes(ctx context.Context, ids []git.ObjectID) ([]int64, error) {
	sizes := make([]int64, len(ids))
	var missing []git.ObjectID
	var at []int
	for i, id := range ids {
		v, _ := o.cache.get(o.repository, id)
		switch v := v.(type) {
		case []byte:
			sizes[i] = int64(len(v))
		case blobSize:
			sizes[i] = int64(v)
		default:
			missing, at = append(missing, id), append(at, i)
		}
	}
	if len(missing) == 0 {
		return sizes, nil
	}
	infos, err := o.reader.Infos(ctx, missing)
	if err != nil {
		return nil, err
	}
	for i, info := range infos {
		if info.Type != git.BlobObject {
			return nil, missingBlob(missing[i])
		}
		o.cache.put(o.repository, info.ID, blobSize(info.Size))
		sizes[at[i]] = info.Size
	}
	return sizes, nil
}

// load reads an object that is not a blob and parses it. A blob is only told apart: its value is nil.
func (o *objects) load(ctx context.Context, id git.ObjectID) (any, git.ObjectType, error) {
	if v, ok := o.cache.get(o.repository, id); ok {
		if t := typeOf(v); t != git.BlobObject {
			return v, t, nil
		}
		return nil, git.BlobObject, nil
	}
	for _, other := range o.borrowed {
		if other.cached(id) {
			return other.load(ctx, id)
		}
	}
	found, err := o.reader.Objects(ctx, []git.ObjectID{id}, 0)
	if err != nil {
		return nil, 0, err
	}
	if found[0].ID.IsZero() {
		return o.loadBorrowed(ctx, id)
	}
	v, err := o.keep(found[0])
	return v, found[0].Type, err
}

// loadBorrowed reads an object that the repository lacks.
func (o *objects) loadBorrowed(ctx context.Context, id git.ObjectID) (any, git.ObjectType, error) {
	for _, other := range o.borrowed {
		v, t, err := other.load(ctx, id)
		if err == nil || !errs.Is(err, errs.ReasonObjectNotFound) {
			return v, t, err
		}
	}
	return nil, 0, objectNotFound(id)
}

// keep parses an object that was read and puts it into the cache. Of a blob it keeps the size; its value is nil.
func (o *objects) keep(obj catfile.Object) (any, error) {
	if obj.Type == git.BlobObject {
		o.cache.put(o.repository, obj.ID, blobSize(obj.Size))
		return nil, nil
	}
	if obj.Type == git.TreeObject && o.maxEntries > 0 && git.CountEntries(o.format, obj.Content) > o.maxEntries {
		return nil, errWide
	}
	v, err := parse(o.format, obj.Type, obj.ID, obj.Content)
	if err == nil {
		o.cache.put(o.repository, obj.ID, v)
	}
	return v, err
}

// fetch reads those of the objects that are not in the cache into it, with one exchange. What is missing or malformed, or
// beyond what an exchange brings into memory, is left for whoever asks for it.
func (o *objects) fetch(ctx context.Context, ids []git.ObjectID) error {
	var missing []git.ObjectID
	for _, id := range ids {
		if !o.cached(id) {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	found, err := o.reader.Objects(ctx, missing, 0)
	if err != nil {
		return err
	}
	o.keepAll(found)
	return nil
}

func (o *objects) keepAll(found []catfile.Object) {
	for _, obj := range found {
		if obj.Content != nil || obj.Type == git.BlobObject {
			_, _ = o.keep(obj)
		}
	}
}

func (o *objects) cached(id git.ObjectID) bool {
	_, ok := o.cache.cache.GetIfPresent(objectKey{o.repository, id})
	return ok
}

func parse(f git.ObjectFormat, t git.ObjectType, id git.ObjectID, content []byte) (any, error) {
	switch t {
	case git.CommitObject:
		return git.DecodeCommit(id, content)
	case git.TagObject:
		return git.DecodeTag(id, content)
	case git.TreeObject:
		return git.DecodeTree(f, content)
	case git.BlobObject:
	}
	return nil, objectNotFound(id)
}

func typeOf(v any) git.ObjectType {
	switch v.(type) {
	case *git.Commit:
		return git.CommitObject
	case *git.Tag:
		return git.TagObject
	case []git.TreeEntry:
		return git.TreeObject
	}
	return git.BlobObject
}

func objectNotFound(id git.ObjectID) error {
	return errs.New(errs.ReasonObjectNotFound, "object "+id.String()+" does not exist in this repository", errs.MetaObject, id.String())
}
