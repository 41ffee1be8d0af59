package catalogs

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/version"
	"github.com/gitstore-dev/gitstore/ports"
)

// keptPast is how many catalogs of commits that are not followed stay at hand, of all repositories together. Each shares
// with the present one what did not change.
const keptPast = 16

// past holds the catalogs of commits that somebody asked for.
type past struct {
	mu sync.Mutex
	// entries are in the order of their last use, the latest first.
	order   list.List
	entries map[pastKey]*list.Element
	// building are the commits that are waited for.
	building map[pastKey]*build
}

type pastKey struct {
	repository git.RepositoryID
	commit     git.ObjectID
}

// build is the turn to make one catalog.
type build struct {
	// turn holds a token while nobody makes it.
	turn    chan struct{}
	waiting int
}

func newPast() *past {
	return &past{entries: map[pastKey]*list.Element{}, building: map[pastKey]*build{}}
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
	return e.Value.(*Catalog)
}

func (p *past) put(key pastKey, c *Catalog) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.entries[key] != nil {
		return
	}
	p.entries[key] = p.order.PushFront(c)
	if p.order.Len() > keptPast {
		oldest := p.order.Remove(p.order.Back()).(*Catalog)
		delete(p.entries, pastKey{oldest.Repository, oldest.Commit()})
	}
}

// forget drops all catalogs of a repository.
func (p *past) forget(id git.RepositoryID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, e := range p.entries {
		if key.repository == id {
			p.order.Remove(e)
			delete(p.entries, key)
		}
	}
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
// repository, as it differs from the present catalog. A catalog that is read stays at hand for as long as there are not
// [keptPast] others, and as many are read at once as [Options.Parallel] says. A [ports.MinCursor] and a [ports.Receipt] are
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
	if errs.Is(err, errs.ReasonObjectNotFound, errs.ReasonNotACommit) {
		err = errs.Wrap(err, errs.ReasonInvalidPageToken, "the commit of the pages before is gone: begin again without a token", errs.MetaField, "page_token")
	}
	return c, err
}

// open returns the catalog of a commit that the repository is known to have: the follower may not have noticed yet that there is one.
func (f *Follower) open(ctx context.Context, feed *feed, commit git.ObjectID) (*Catalog, error) {
	recent := feed.state.Load().recent
	if i := slices.IndexFunc(recent, func(c *Catalog) bool { return c.Commit() == commit }); i >= 0 {
		return recent[i], nil
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
		base := feed.state.Load().catalog().snapshot()
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
