package eventhub_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/app/eventhub"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
)

func TestASubscriberIsToldItsCursorAtOnce(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	at := w.append(t, "shop", 3)
	w.caughtUp(t)
	s := subscribe(t, w.hub, ports.Subscription{})
	assert.Equal(t, at, s.heartbeat())
	w.append(t, "shop", 1)
	assert.Equal(t, count(4, 4), cursors(s.entries(1)))
}

func TestASubscriberThatIsEarlierThanTheHubWaitsForIt(t *testing.T) {
	log := memlog.New()
	w := &world{log: log}
	w.hub = eventhub.New(log, nil, eventhub.Options{})
	told := make(chan event.Notice)
	running(t, func(ctx context.Context) {
		for n, err := range w.hub.Subscribe(ctx, ports.Subscription{}) {
			if err == nil {
				told <- n
			}
		}
	})
	at := w.append(t, "shop", 2)
	running(t, func(ctx context.Context) { _ = w.hub.Follow(ctx, log) })
	assert.Equal(t, event.Heartbeat{Cursor: at}, <-told)
}

func TestEventsFromACursorOnComeFromTheJournalAndThenFromMemory(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{Buffer: 4})
	w.append(t, "shop", 1300)
	w.caughtUp(t)
	s := subscribe(t, w.hub, ports.Subscription{After: w.cursor(10)})
	assert.Equal(t, count(11, 1300), cursors(s.entries(1290)))
	assert.Equal(t, w.cursor(1300), s.heartbeat())
	assert.Equal(t, uint64(3), w.hub.Stats().HistoryReads, "pages of 500")
	assert.Equal(t, 4, w.hub.Stats().Buffered)
	w.append(t, "shop", 2)
	assert.Equal(t, count(1301, 1302), cursors(s.entries(2)))
	assert.Equal(t, uint64(3), w.hub.Stats().HistoryReads)
}

func (w *world) cursor(sequence uint64) event.Cursor {
	return event.NewCursor(must(w.log.Bounds(context.Background())).Newest.Epoch(), sequence)
}

func TestAFilterSelectsAndTheCursorGoesOnAllTheSame(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	f := must(event.ParseFilter([]string{"shop"}, []string{"refs/heads/main"}, nil))
	s := subscribe(t, w.hub, ports.Subscription{Filter: f})
	s.heartbeat()
	w.append(t, "other", 2500)
	w.append(t, "shop", 1)
	assert.Equal(t, w.cursor(1000), s.heartbeat())
	assert.Equal(t, w.cursor(2000), s.heartbeat())
	assert.Equal(t, count(2501, 2501), cursors(s.entries(1)))
}

func TestAnIdleSubscriberIsToldItsCursorNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memlog.New(), eventhub.Options{Heartbeat: 10 * time.Second})
		s := subscribe(t, w.hub, ports.Subscription{Filter: must(event.ParseFilter([]string{"shop"}, nil, nil))})
		begin := time.Now()
		s.heartbeat()
		assert.Equal(t, w.cursor(0), s.heartbeat())
		assert.Equal(t, 10*time.Second, time.Since(begin))
		for range 4 {
			time.AfterFunc(4*time.Second, func() { w.append(t, "other", 1) })
		}
		assert.Equal(t, w.cursor(4), s.heartbeat(), "what the filter leaves out is idleness")
		assert.Equal(t, 20*time.Second, time.Since(begin))
		s.stop()
	})
}

func TestEveryEventIsToldOnceInOrderAtAnySpeed(t *testing.T) {
	const events, writers, readers = 3000, 4, 12
	w := newWorld(t, memlog.New(), eventhub.Options{Buffer: 16})
	w.caughtUp(t)
	zero := w.cursor(0)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { w.append(t, fmt.Sprint("shop", i), events/writers) })
	}
	for i := range readers {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		wg.Go(func() {
			var got []uint64
			for at := zero; len(got) < events; {
				s := subscribe(t, w.hub, ports.Subscription{After: at})
				for range 1 + random.IntN(500) {
					if len(got) == events {
						break
					}
					e := s.entries(1)[0]
					got, at = append(got, e.Cursor.Sequence()), e.Cursor
					if i%3 == 0 && random.IntN(100) == 0 {
						<-time.After(time.Duration(random.IntN(2000)) * time.Microsecond)
					}
				}
				s.stop()
			}
			assert.Equal(t, count(1, events), got)
		})
	}
	wg.Wait()
	assert.Zero(t, w.hub.Stats().Subscribers)
	assert.Equal(t, uint64(events), w.hub.Stats().Events)
}

func TestACursorThatLeadsNowhereIsAnsweredWithThePresentRefs(t *testing.T) {
	for name, after := range map[string]func(*world) event.Cursor{
		"too old":                func(w *world) event.Cursor { return w.cursor(1) },
		"of another epoch":       func(*world) event.Cursor { return event.NewCursor("0123456789abcdef", 5) },
		"that was not given out": func(w *world) event.Cursor { return w.cursor(1 << 40) },
		"none, and it was asked": func(*world) event.Cursor { return event.Cursor{} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, memlog.NewBounded(10), eventhub.Options{Buffer: 4})
			w.repository(t, "shop", "next")
			w.repository(t, "empty")
			at := w.append(t, "shop", 30)
			w.caughtUp(t)
			s := subscribe(t, w.hub, ports.Subscription{After: after(w), Resync: true})
			parts := s.resync()
			assert.Equal(t, []string{"empty main", "shop main", "shop next"}, names(parts))
			assert.Equal(t, at, parts[0].Cursor)
			assert.Equal(t, at, s.heartbeat())
			w.append(t, "shop", 1)
			assert.Equal(t, count(31, 31), cursors(s.entries(1)))
		})
	}
}

func TestAResyncKeepsToTheFilter(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	for _, id := range []string{"a", "b", "c"} {
		w.repository(t, id, "next", "old/one")
	}
	for _, test := range []struct{ repositories, refs, types, want []string }{
		{repositories: []string{"c", "a", "gone", "c"}, refs: []string{"refs/heads/old"}, want: []string{"a old/one", "c old/one"}},
		{repositories: []string{"b"}, refs: []string{"refs/tags/*"}, want: []string{"b"}},
		{types: []string{string(event.TypeRepositoryCreated)}, want: []string{"a", "b", "c"}},
		{repositories: []string{"gone"}},
	} {
		f := must(event.ParseFilter(test.repositories, test.refs, test.types))
		assert.Equal(t, test.want, names(subscribe(t, w.hub, ports.Subscription{Filter: f, Resync: true}).resync()))
	}
}

func TestAResyncComesInBoundedParts(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	var branches []string
	for i := range 2500 {
		branches = append(branches, fmt.Sprintf("b%05d", i))
	}
	w.repository(t, "large", branches...)
	for i := range 700 {
		w.repository(t, fmt.Sprintf("small-%03d", i))
	}
	parts := subscribe(t, w.hub, ports.Subscription{Resync: true}).resync()
	all := names(parts)
	assert.Len(t, all, 2501+700)
	assertSorted(t, all)
	assert.Greater(t, len(parts), 6)
	for i, p := range parts {
		b, err := event.MarshalNotice(p)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(b), 129<<10)
		assert.Equal(t, i == len(parts)-1, p.Last())
	}
}

func TestARebuiltJournalIsAResyncForEverySubscriber(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	w.repository(t, "shop")
	w.append(t, "shop", 5)
	w.caughtUp(t)
	streams := []*stream{subscribe(t, w.hub, ports.Subscription{}), subscribe(t, w.hub, ports.Subscription{After: w.cursor(2)})}
	streams[0].heartbeat()
	streams[1].entries(3)
	streams[1].heartbeat()
	w.log.Rebuild()
	w.append(t, "shop", 2)
	for _, s := range streams {
		parts := s.resync()
		assert.Equal(t, []string{"shop main"}, names(parts))
		from := parts[0].Cursor.Sequence()
		assert.Equal(t, w.cursor(from), parts[0].Cursor)
		assert.Equal(t, count(from+1, 2), cursors(s.entries(int(2-from))))
	}
}

// downstream is a hub that a feed of another process is pumped into.
func downstream(t *testing.T, w *world, feed ports.EventSource, opts eventhub.Options) *eventhub.Hub {
	t.Helper()
	h := eventhub.New(w.log, w.store, opts)
	running(t, func(ctx context.Context) { _ = h.Run(ctx, feed) })
	return h
}

// cutting ends every subscription after some notices.
type cutting struct {
	ports.EventSource
	after int
	cuts  atomic.Int64
}

func (c *cutting) Subscribe(ctx context.Context, s ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		left := c.after
		for n, err := range c.EventSource.Subscribe(ctx, s) {
			if left--; left < 0 && err == nil {
				c.cuts.Add(1)
				err = errs.New(errs.ReasonUnavailable, "cut")
			}
			if !yield(n, err) || err != nil {
				return
			}
		}
	}
}

func TestAFeedThatBreaksOffIsGoneOnWithWhereItEnded(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{Buffer: 8})
	w.caughtUp(t)
	feed := &cutting{EventSource: w.hub, after: 30}
	var reported atomic.Int64
	h := downstream(t, w, feed, eventhub.Options{Buffer: 8, Retry: time.Millisecond, OnFeedError: func(error) { reported.Add(1) }})
	s := subscribe(t, h, ports.Subscription{})
	s.heartbeat()
	running(t, func(context.Context) { w.append(t, "shop", 1000) })
	assert.Equal(t, count(1, 1000), cursors(s.entries(1000)))
	require.NoError(t, h.WaitFor(t.Context(), w.cursor(1000)))
	assert.Equal(t, uint64(feed.cuts.Load()), h.Stats().FeedErrors)
	assert.Equal(t, feed.cuts.Load(), reported.Load())
	assert.GreaterOrEqual(t, feed.cuts.Load(), int64(30))
}

func TestAResyncOfTheFeedIsAResyncForEverySubscriber(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	w.repository(t, "shop")
	h := downstream(t, w, w.hub, eventhub.Options{})
	s := subscribe(t, h, ports.Subscription{})
	old := s.heartbeat()
	w.log.Rebuild()
	parts := s.resync()
	assert.NotEqual(t, old.Epoch(), parts[0].Cursor.Epoch())
	assert.Equal(t, []string{"shop main"}, names(parts))
}

func TestASubscriberAheadOfTheHubIsToldWhatTheJournalHas(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	stopped := &stalling{EventSource: w.hub, stalled: make(chan struct{})}
	h := downstream(t, w, stopped, eventhub.Options{})
	s := subscribe(t, h, ports.Subscription{})
	s.heartbeat()
	w.append(t, "shop", 5)
	w.caughtUp(t)
	ahead := subscribe(t, h, ports.Subscription{After: w.cursor(3)})
	assert.Equal(t, count(4, 5), cursors(ahead.entries(2)))
	assert.Equal(t, w.cursor(5), ahead.heartbeat())
	close(stopped.stalled)
	w.append(t, "shop", 2)
	assert.Equal(t, count(6, 7), cursors(ahead.entries(2)), "no event twice when the hub has come up")
	assert.Equal(t, count(1, 7), cursors(s.entries(7)))
}

// stalling tells nothing but the first notice until it is let go.
type stalling struct {
	ports.EventSource
	stalled chan struct{}
}

func (s *stalling) Subscribe(ctx context.Context, sub ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		for n, err := range s.EventSource.Subscribe(ctx, sub) {
			if !yield(n, err) {
				return
			}
			select {
			case <-s.stalled:
			case <-ctx.Done():
			}
		}
	}
}

// failing is a journal that cannot be read.
type failing struct{ *memlog.Log }

func (failing) ReadEvents(context.Context, event.Cursor, int) ([]event.Entry, error) {
	return nil, errs.New(errs.ReasonUnavailable, "the journal cannot be reached")
}

func TestAJournalThatFailsEndsTheSubscriptionWithItsError(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	h := eventhub.New(failing{w.log}, w.store, eventhub.Options{Buffer: 2})
	running(t, func(ctx context.Context) { _ = h.Run(ctx, w.hub) })
	subscribe(t, h, ports.Subscription{}).heartbeat()
	w.append(t, "shop", 10)
	require.NoError(t, h.WaitFor(t.Context(), w.cursor(10)))
	_, err, ok := subscribe(t, h, ports.Subscription{After: w.cursor(1)}).next()
	assert.True(t, ok)
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	assert.Equal(t, count(9, 10), cursors(subscribe(t, h, ports.Subscription{After: w.cursor(8)}).entries(2)), "memory needs no journal")
}

func TestTheEndOfTheContextEndsTheSubscription(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for n, err := range w.hub.Subscribe(ctx, ports.Subscription{}) {
		if n != nil {
			cancel()
		}
		last = err
	}
	assert.Equal(t, errs.ReasonCanceled, errs.ReasonOf(last))
	assert.Zero(t, w.hub.Stats().Subscribers)
}

func TestWaitForReturnsWhenTheHubHasComeUp(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	require.NoError(t, w.hub.WaitFor(t.Context(), event.Cursor{}))
	arrived := make(chan error)
	running(t, func(ctx context.Context) { arrived <- w.hub.WaitFor(ctx, w.cursor(3)) })
	w.append(t, "shop", 3)
	assert.NoError(t, <-arrived)
	assert.Equal(t, w.cursor(3), w.hub.Position())
}

func TestWaitForSaysWhyItGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memlog.New(), eventhub.Options{})
		w.caughtUp(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.Equal(t, errs.ReasonCursorNotReached, errs.ReasonOf(w.hub.WaitFor(ctx, w.cursor(1))))
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		assert.Equal(t, errs.ReasonCanceled, errs.ReasonOf(w.hub.WaitFor(canceled, w.cursor(1))))
		err := w.hub.WaitFor(t.Context(), event.NewCursor("0123456789abcdef", 1))
		assert.Equal(t, errs.ReasonCursorExpired, errs.ReasonOf(err))
		assert.Equal(t, w.cursor(0).String(), errs.From(err).Meta[errs.MetaCursor])
	})
}

func TestWaitForKnowsAJournalThatTheFeedHasNotToldOfYet(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	slow := &stalling{EventSource: w.hub, stalled: make(chan struct{})}
	h := downstream(t, w, slow, eventhub.Options{})
	subscribe(t, h, ports.Subscription{}).heartbeat()
	w.log.Rebuild()
	at := w.append(t, "shop", 1)
	arrived := make(chan error)
	running(t, func(ctx context.Context) { arrived <- h.WaitFor(ctx, at) })
	close(slow.stalled)
	assert.NoError(t, <-arrived)
}

// slow is a store that takes its time to list the refs of a repository.
type slow struct {
	ports.RepositoryStore
	takes time.Duration
}

func (s slow) Repository(id git.RepositoryID) ports.GitRepository {
	return slowRepository{s.RepositoryStore.Repository(id), s.takes}
}

type slowRepository struct {
	ports.GitRepository
	takes time.Duration
}

func (r slowRepository) ListRefs(ctx context.Context, q ports.RefQuery) (iter.Seq2[git.Ref, error], error) {
	<-time.After(r.takes)
	return r.GitRepository.ListRefs(ctx, q)
}

func TestWhoAwaitsALongResyncHearsOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const repositories = 100
		w := newWorld(t, memlog.New(), eventhub.Options{})
		for i := range repositories {
			w.repository(t, fmt.Sprintf("r%d", i), "main")
		}
		hub := eventhub.New(w.log, slow{w.store, 2 * time.Second}, eventhub.Options{})
		running(t, func(ctx context.Context) { _ = hub.Follow(ctx, w.log) })
		s := subscribe(t, hub, ports.Subscription{Resync: true})
		told := map[git.RepositoryID]int{}
		last, ended := time.Now(), false
		for !ended {
			r, ok := s.notice().(event.Resync)
			require.True(t, ok)
			assert.Less(t, time.Since(last), 30*time.Second)
			last, ended = time.Now(), r.Last()
			for _, repo := range r.Repositories {
				told[repo.ID]++
			}
		}
		assert.Len(t, told, repositories)
		for id, n := range told {
			assert.Equal(t, 1, n, id.String())
		}
	})
}
