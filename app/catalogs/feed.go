package catalogs

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/version"
	"github.com/gitstore-dev/gitstore/ports"
)

// repository is what is used of one: reading alone to follow it.
type repository interface {
	ports.InfoReader
	ports.RefReader
	ports.TreeReader
	ports.BlobReader
	ports.HistoryReader
	ports.Committer
}

// feed keeps the catalog of one repository. Its run is the only one that writes the state.
type feed struct {
	target  Target
	repo    repository
	opts    *Options
	journal *journal
	// slots holds a token for each load under way, of any feed.
	slots chan struct{}
	past  *past
	// turn is held by whoever writes documents here: of all that build on one head only one gets in.
	turn chan struct{}

	// wanted counts what the repository is to be looked at for. A reload covers all that was counted before it began.
	wanted atomic.Uint64
	// doubted asks for a look that nothing happened for, and that no reader waits for.
	doubted atomic.Bool
	// wake holds a token when wanted has grown or doubted was set.
	wake    chan struct{}
	state   atomic.Pointer[state]
	changed signal
}

func newFeed(repo repository, target Target, opts *Options, j *journal, slots chan struct{}, p *past) *feed {
	f := &feed{target: target, repo: repo, opts: opts, journal: j, slots: slots, past: p, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	f.wanted.Store(1)
	f.state.Store(&state{})
	return f
}

// mark asks for a reload. Any number of marks before it begins become one.
func (f *feed) mark() {
	f.wanted.Add(1)
	f.rouse()
}

// doubt asks for a look at the repository.
func (f *feed) doubt() {
	f.doubted.Store(true)
	f.rouse()
}

func (f *feed) rouse() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// concerns reports whether the event may change what the view leads to.
func (f *feed) concerns(e event.Event) bool {
	moved, ok := e.(event.RefUpdated)
	if !ok {
		return true
	}
	view := f.target.View
	if view.Live {
		v, isVersion := version.Parse(moved.Ref.Short())
		return moved.Ref.IsTag() && isVersion && (view.Prereleases || !v.IsPrerelease())
	}
	// Which branch is the default one is for the reload to find out: it is another one if the repository was made anew.
	return moved.Ref == view.Branch || view.Branch.IsZero() && moved.Ref.IsBranch()
}

// present returns the state, and a cursor up to which it has everything.
func (f *feed) present() (*state, event.Cursor) {
	// What happened up to the cursor was counted before the cursor moved, so the order of these three lines matters.
	cursor := f.journal.at()
	wanted := f.wanted.Load()
	s := f.state.Load()
	if s.generation >= wanted {
		return s, cursor
	}
	return s, s.cursor
}

func (f *feed) publish(s *state) {
	before := f.state.Load().catalog
	switch {
	case errs.Is(s.absent, errs.ReasonRepositoryNotFound):
		f.past.forget(f.target.Repository)
	case before != s.catalog:
		f.past.follow(f.target.Repository, before, s.catalog)
	}
	f.state.Store(s)
	f.changed.raise()
}

// run reloads at once, then whenever it is asked to, now and then without, and with pauses after a failure.
func (f *feed) run(ctx context.Context) {
	retry := backoff{base: f.opts.RetryBase}
	for ctx.Err() == nil {
		generation := f.wanted.Load()
		err := f.reload(ctx)
		pause := f.recheck()
		if err == nil {
			retry.reset()
		} else {
			pause = retry.next(f.retryMax(err))
		}
		f.rest(ctx, generation, pause)
	}
}

// rest waits until something is wanted that was not when the last reload began, or is in doubt, or the pause is over.
func (f *feed) rest(ctx context.Context, generation uint64, pause time.Duration) {
	end := time.Now().Add(pause)
	for f.wanted.Load() == generation && !f.doubted.Swap(false) && sleep(ctx, time.Until(end), f.wake) {
	}
}

// recheck is not the same in every process, so that many of them do not ask at once.
func (f *feed) recheck() time.Duration {
	d := f.opts.Recheck
	if f.journal.cut.Load() {
		d = min(d, f.opts.RetryMax)
	}
	return d - d/10 + rand.N(d/5+1) //nolint:gosec // jitter is no secret
}

func (f *feed) retryMax(err error) time.Duration {
	if errs.KindOf(err) == errs.Unavailable {
		return max(f.opts.RetryMax/5, 1)
	}
	return f.opts.RetryMax
}
