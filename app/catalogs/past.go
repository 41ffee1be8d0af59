package catalogs

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/version"
	"github.com/gitstore-dev/gitstore/ports"
)

// keptPast is how many catalogs stay at hand of commits that somebody asked for and that are not followed, of all
// repositories together. Each shares with the present one what did not change.
const keptPast = 16

// keptBefore is how many of the catalogs that a repository had before stay at hand, so that the pages of a listing are of one
// commit while the catalog moves on.
const keptBefore = 7

// past holds the catalogs of commits that are not followed, within a number and a weight.
type past struct {
	mu sync.Mutex
	// limit is the most that all of them may weigh, in bytes.
	limit int64
	// order has the kept, the one that was used last in front.
	order   list.List
	entries map[pastKey]*list.Element
	weight  int64
	// presents are the snapshots that are followed, which the others are weighed against.
	presents map[git.RepositoryID]*catalog.Snapshot
	// building are the commits that are waited for.
	building map[pastKey]*build
}

type pastKey struct {
	repository git.RepositoryID
	commit     git.ObjectID
}

// kept is a catalog of the past.
type kept struct {
	*Catalog
	key pastKey
	// recent is one that was followed before.
	recent bool
	// unshared is about the memory of the documents that the present catalog has not, in bytes. It may be more than that, but
	// not less.
	unshared int64
}

// weight is about the memory that goes with the catalog: documents that several have and the present one has not count with each.
func (k *kept) weight() int64 {
	return min(k.Snapshot.OwnWeight()+k.unshared, k.Snapshot.Weight())
}

// build is the turn to make one catalog.
type build struct {
	// turn holds a token while nobody makes it.
	turn    chan struct{}
	waiting int
}

func newPast(limit int64) *past {
	return &past{
		limit: limit, entries: map[pastKey]*list.Element{}, presents: map[git.RepositoryID]*catalog.Snapshot{}, building: map[pastKey]*build{},
	}
}

// get returns nil if the catalog is not at hand.
func (p *past) get(key pastKey) *Catalog {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entries[key]
	if e == nil {
		return nil
	}
	p.order.MoveToFront(e)
	return e.Value.(*kept).Catalog
}

// put keeps a catalog that somebody asked for, as long as there is room.
func (p *past) put(key pastKey, c *Catalog) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(&kept{Catalog: c, key: key, unshared: c.Snapshot.Unshared(p.presents[key.repository])})
	p.shrink()
}

func (p *past) keep(k *kept) {
	if p.entries[k.key] == nil {
		p.entries[k.key] = p.order.PushFront(k)
		p.weight += k.weight()
	}
}

// follow takes note of the catalog that is followed now, and keeps the one before; nil is none.
func (p *past) follow(id git.RepositoryID, before, now *Catalog) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was, is := before.snapshot(), now.snapshot()
	p.presents[id] = is
	if was == nil || was == is {
		return
	}
	lost := was.Unshared(is)
	for e := p.order.Front(); e != nil; e = e.Next() {
		if k := e.Value.(*kept); k.key.repository == id {
			p.weight -= k.weight()
			k.unshared += lost
			p.weight += k.weight()
		}
	}
	p.keep(&kept{Catalog: before, key: pastKey{id, was.Commit()}, recent: true, unshared: lost})
	p.shrink()
}

// shrink drops what is beyond a limit, what was not used for longest first. One that alone is beyond the limit
// goes first: the others would make room for what cannot stay.
func (p *past) shrink() {
	recent, asked := map[git.RepositoryID]int{}, 0
	for e := p.order.Front(); e != nil; {
		k, next := e.Value.(*kept), e.Next()
		if k.weight() > p.limit {
			p.drop(e)
			e = next
			continue
		}
		if k.recent {
			recent[k.key.repository]++
		} else {
			asked++
		}
		if recent[k.key.repository] > keptBefore || !k.recent && asked > keptPast {
			p.drop(e)
		}
		e = next
	}
	for p.weight > p.limit {
		p.drop(p.order.Back())
	}
}

func (p *past) drop(e *list.Element) {
	k := p.order.Remove(e).(*kept)
	delete(p.entries, k.key)
	p.weight -= k.weight()
}

// forget drops all catalogs of a repository.
func (p *past) forget(id git.RepositoryID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.presents, id)
	for key, e := range p.entries {
		if key.repository == id {
			p.drop(e)
		}
	}
}

// size is how many catalogs there are, and about the memory that they take, in bytes.
func (p *past) size() (n int, weight int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.order.Len(), p.weight
}

// once returns the catalog at hand, or makes it: one caller at a time, so that the others find what it made. Each makes it
// under its own context, so nobody's leaving ends the work of another.
func (p *past) once(ctx context.Context, key pastKey, load func(context.Context) (*Catalog, error)) (*Catalog, error) {
	b := p.join(key)
	defer p.leave(key, b)
	select {
	case <-b.turn:
		defer func() { b.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, errs.From(ctx.Err())
	}
	if c := p.get(key); c != nil {
		return c, nil
	}
	c, err := load(ctx)
	if err == nil {
		p.put(key, c)
	}
	return c, err
}

func (p *past) join(key pastKey) *build {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.building[key]
	if b == nil {
		b = &build{turn: make(chan struct{}, 1)}
		b.turn <- struct{}{}
		p.building[key] = b
	}
	b.waiting++
	return b
}

func (p *past) leave(key pastKey, b *build) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.waiting--; b.waiting == 0 {
		delete(p.building, key)
	}
}

// Open returns the catalog of a repository at a revision: any branch, tag or commit. What is not at hand is read from the
// repository, as it differs from the present catalog. A catalog that is read stays at hand while there is room for it (see
// [Options.PastWeight]), and as many are read at once as [Options.Parallel] says. A [ports.MinCursor] and a [ports.Receipt] are
// for where the revision leads. It fails with CATALOG_NOT_FOUND for a repository that is no target, as
// [ports.RefReader.ResolveRevision] does, and with CANCELED and DEADLINE_EXCEEDED.
func (f *Follower) Open(ctx context.Context, id git.RepositoryID, rev git.Revision) (*Catalog, error) {
	feed, err := f.feed(id)
	if err != nil {
		return nil, err
	}
	at, err := feed.repo.ResolveRevision(ctx, rev)
	if err != nil {
		return nil, err
	}
	// The answer is from where the revision led, not from where the files were read.
	c, err := f.open(ports.WithReceipt(ctx, new(ports.Receipt)), feed, at.Commit)
	if err != nil || at.Ref == c.Ref {
		return c, err
	}
	// Several revisions lead to one commit, and each answer tells its own.
	return &Catalog{
		Repository: id, View: c.View, Snapshot: c.Snapshot, Ref: at.Ref, Release: releaseOf(at.Ref), LoadedAt: c.LoadedAt,
	}, nil
}

// OpenCommit is [Follower.Open] for the commit that the earlier pages of a listing were of. It fails with INVALID_PAGE_TOKEN for
// one that the repository has no more.
func (f *Follower) OpenCommit(ctx context.Context, id git.RepositoryID, commit git.ObjectID) (*Catalog, error) {
	feed, err := f.feed(id)
	if err != nil {
		return nil, err
	}
	if absent := feed.state.Load().absent; errs.Is(absent, errs.ReasonRepositoryNotFound) {
		return nil, absent
	}
	c, err := f.open(ctx, feed, commit)
	if errs.Is(err, errs.ReasonObjectNotFound, errs.ReasonNotACommit, errs.ReasonInvalidObjectID, errs.ReasonInvalidRevision) {
		err = errs.Wrap(err, errs.ReasonInvalidPageToken, "the commit of the pages before is gone: begin again without a token", errs.MetaField, "page_token")
	}
	return c, err
}

// open returns the catalog of a commit that the repository is known to have: the follower may not have noticed yet that there is one.
func (f *Follower) open(ctx context.Context, feed *feed, commit git.ObjectID) (*Catalog, error) {
	if c := feed.state.Load().catalog; c != nil && c.Commit() == commit {
		return c, nil
	}
	key := pastKey{feed.target.Repository, commit}
	if c := f.past.get(key); c != nil {
		return c, nil
	}
	return f.past.once(ctx, key, func(ctx context.Context) (*Catalog, error) {
		select {
		case f.opening <- struct{}{}:
			defer func() { <-f.opening }()
		case <-ctx.Done():
			return nil, errs.From(ctx.Err())
		}
		ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
		defer cancel()
		base := feed.state.Load().catalog.snapshot()
		snapshot, _, err := feed.read(ctx, base, commit)
		if base != nil && errs.Is(err, errs.ReasonObjectNotFound, errs.ReasonNotACommit) {
			snapshot, _, err = feed.read(ctx, nil, commit)
		}
		if err != nil {
			return nil, err
		}
		return &Catalog{Repository: feed.target.Repository, View: feed.target.View, Snapshot: snapshot, LoadedAt: time.Now()}, nil
	})
}

// releaseOf returns the version that a ref names, "" if it is no release tag.
func releaseOf(ref git.RefName) string {
	v, ok := version.Parse(ref.Short())
	if !ok || !ref.IsTag() {
		return ""
	}
	return v.String()
}
