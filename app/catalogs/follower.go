package catalogs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// Follower keeps the catalogs of its targets. Its methods may be called concurrently, before, during and after Run.
type Follower struct {
	opts    Options
	feeds   map[git.RepositoryID]*feed
	journal *journal
	past    *past
	// opening holds a token for each catalog of the past that is read.
	opening chan struct{}
}

// New returns a follower of the targets, each of another repository. Nothing is read before [Follower.Run].
func New(store ports.RepositoryStore, targets []Target, opts Options) *Follower {
	f := &Follower{opts: opts.withDefaults(), feeds: map[git.RepositoryID]*feed{}, journal: &journal{}}
	f.past = newPast(f.opts.PastWeight)
	f.opening = make(chan struct{}, f.opts.Parallel)
	slots := make(chan struct{}, f.opts.Parallel)
	for _, t := range targets {
		f.feeds[t.Repository] = newFeed(store.Repository(t.Repository), t, &f.opts, f.journal, slots, f.past)
	}
	return f
}

// Run loads the catalogs and makes them follow the events until the context ends; then everything that it started has
// ended as well. A source that fails is subscribed to again, where the events broke off. Call it once.
func (f *Follower) Run(ctx context.Context, events ports.EventSource) {
	var running sync.WaitGroup
	for _, feed := range f.feeds {
		running.Go(func() { feed.run(ctx) })
	}
	f.follow(ctx, events)
	running.Wait()
}

// follow hears every event of every repository, so that the cursor moves on with all of them.
func (f *Follower) follow(ctx context.Context, events ports.EventSource) {
	retry := backoff{base: f.opts.RetryBase}
	for ctx.Err() == nil {
		err := f.subscribe(ctx, events, &retry)
		if ctx.Err() != nil {
			return
		}
		f.opts.Logger.WarnContext(ctx, "the events ended: subscribing again", "cursor", f.journal.at().String(), "error", err)
		retry.wait(ctx, f.opts.RetryMax, nil)
	}
}

func (f *Follower) subscribe(ctx context.Context, events ports.EventSource, retry *backoff) error {
	for notice, err := range events.Subscribe(ctx, ports.Subscription{After: f.journal.at(), Resync: true}) {
		if err != nil {
			return err
		}
		retry.reset()
		f.hear(notice)
	}
	return nil
}

// hear passes a notice on before the cursor moves: who sees the cursor can tell what is still to be loaded.
func (f *Follower) hear(notice event.Notice) {
	switch n := notice.(type) {
	case event.Entry:
		if feed := f.feeds[n.Event.Repository()]; feed != nil && feed.concerns(n.Event) {
			feed.mark()
		}
	case event.Resync:
		if n.Last() {
			f.markAll()
		}
	}
	f.journal.reached(notice.At())
}

// SetConnected says whether events can arrive at present; without a word they can. A hub that serves the events does not
// tell that its own source is cut off. While they cannot, each repository is looked at every [Options.RetryMax], and at
// once to begin with: so what changes is found all the same, and the status says soon if nothing can be found out.
func (f *Follower) SetConnected(connected bool) {
	if wasCut := f.journal.cut.Swap(!connected); connected || wasCut {
		return
	}
	for _, feed := range f.feeds {
		feed.doubt()
	}
}

func (f *Follower) markAll() {
	for _, feed := range f.feeds {
		feed.mark()
	}
}

// Catalog returns the catalog of a repository as it is now. With a [ports.MinCursor] it waits until everything up to
// that cursor is in it, to the end of the context and for [Options.Wait] at most; a [ports.Receipt] is told where the
// answer is from. It fails with CATALOG_NOT_FOUND for a repository that is no target, CATALOG_NOT_LOADED before the first
// good load, REPOSITORY_NOT_FOUND, REF_NOT_FOUND for a branch without a commit or if there is no release,
// CURSOR_EXPIRED, CURSOR_NOT_REACHED and CANCELED.
func (f *Follower) Catalog(ctx context.Context, id git.RepositoryID) (*Catalog, error) {
	feed, err := f.feed(id)
	if err != nil {
		return nil, err
	}
	if least := ports.MinCursor(ctx); !least.IsZero() {
		if err := f.reach(ctx, feed, least); err != nil {
			return nil, err
		}
	}
	state, covers := feed.present()
	if receipt := ports.ReceiptOf(ctx); receipt != nil {
		receipt.Cursor = covers
	}
	return state.answer()
}

func (f *Follower) feed(id git.RepositoryID) (*feed, error) {
	if feed := f.feeds[id]; feed != nil {
		return feed, nil
	}
	return nil, errs.New(errs.ReasonCatalogNotFound,
		fmt.Sprintf("no catalog is kept of repository %q: name it in the settings of the API", id), errs.MetaRepository, id.String())
}

// Status tells how the catalog of a repository is kept. It fails with CATALOG_NOT_FOUND for one that is no target.
func (f *Follower) Status(id git.RepositoryID) (Status, error) {
	feed, err := f.feed(id)
	if err != nil {
		return Status{}, err
	}
	return feed.status(), nil
}

// Statuses tells how each catalog is kept, ordered by repository.
func (f *Follower) Statuses() []Status {
	all := make([]Status, 0, len(f.feeds))
	for _, feed := range f.feeds {
		all = append(all, feed.status())
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Repository.String(), b.Repository.String()) })
	return all
}

// Past tells how many catalogs of commits that are not followed are kept at hand, and about the memory that they take, in
// bytes: at most [Options.PastWeight].
func (f *Follower) Past() (n int, weight int64) { return f.past.size() }

// Ready returns nil once each target was loaded, or found to have nothing to load: a repository that does not exist, or
// has no commit or release yet, holds nobody up. Until then it fails with CATALOG_NOT_LOADED, and names what is missing.
// It does not turn back: a catalog that has become old is better than none, and its status says so.
func (f *Follower) Ready() error {
	var missing []string
	for _, s := range f.Statuses() {
		if s.State == Loading {
			missing = append(missing, s.Repository.String())
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return errs.New(errs.ReasonCatalogNotLoaded, "not loaded yet: the catalogs of "+strings.Join(missing, ", "))
}
