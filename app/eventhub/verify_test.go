package eventhub_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/app/eventhub"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
)

// branchMade makes a branch and returns the event of it, which is in no journal yet.
func (w *world) branchMade(t *testing.T, repo, name string) event.Event {
	t.Helper()
	at := must(git.ParseRevision("main"))
	ref, err := w.store.Repository(repoID(repo)).CreateBranch(t.Context(), ports.CreateBranch{Name: branch(name), Target: at})
	require.NoError(t, err)
	return event.RefUpdated{Header: event.Header{ID: repoID(repo)}, Ref: ref.Name, New: ref.Target, Commit: ref.Peeled}
}

func verified(t *testing.T, test func(t *testing.T, w *world, s *stream)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memlog.New(), eventhub.Options{Heartbeat: time.Second})
		w.repository(t, "shop")
		s := subscribe(t, eventhub.Verify(w.hub, w.store, 20*time.Second), ports.Subscription{})
		test(t, w, s)
		s.stop()
	})
}

// until returns the notices of a time; only heartbeats and what else is expected.
func (s *stream) until(d time.Duration) (resyncs int) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if _, ok := s.notice().(event.Resync); ok {
			resyncs++
		}
	}
	return resyncs
}

func TestALostEventIsFoundOut(t *testing.T) {
	verified(t, func(t *testing.T, w *world, s *stream) {
		assert.Zero(t, s.until(30*time.Second))
		w.branchMade(t, "shop", "lost")
		begin := time.Now()
		for {
			if r, ok := s.notice().(event.Resync); ok {
				assert.Equal(t, []string{"shop lost", "shop main"}, names([]event.Resync{r}))
				assert.Equal(t, w.cursor(0), r.Cursor)
				break
			}
		}
		assert.Less(t, time.Since(begin), 30*time.Second)
		assert.Zero(t, s.until(2*time.Minute), "it is told once")
	})
}

func TestADeletedRepositoryWhoseEventWasLostIsFoundOut(t *testing.T) {
	verified(t, func(t *testing.T, w *world, s *stream) {
		assert.Zero(t, s.until(30*time.Second))
		require.NoError(t, w.store.DeleteRepository(t.Context(), repoID("shop")))
		assert.Equal(t, 1, s.until(time.Minute))
	})
}

func TestEventsThatArriveAreNoDifference(t *testing.T) {
	verified(t, func(t *testing.T, w *world, s *stream) {
		assert.Zero(t, s.until(30*time.Second))
		for _, name := range []string{"a", "b", "c"} {
			must(w.log.Append(t.Context(), w.branchMade(t, "shop", name)))
			assert.Zero(t, s.until(13*time.Second))
		}
		require.NoError(t, w.store.DeleteRepository(t.Context(), repoID("shop")))
		must(w.log.Append(t.Context(), event.RepositoryDeleted{Header: event.Header{ID: repoID("shop")}}))
		assert.Zero(t, s.until(time.Minute))
		w.repository(t, "shop")
		main := must(w.store.Repository(repoID("shop")).ResolveRevision(t.Context(), must(git.ParseRevision("main"))))
		h := event.Header{ID: repoID("shop")}
		must(w.log.Append(t.Context(), event.RepositoryCreated{Header: h}, event.RefUpdated{Header: h, Ref: branch("main"), New: main.Commit}))
		assert.Zero(t, s.until(time.Minute))
	})
}

func TestAnEventUnderWayAtALookIsNoDifference(t *testing.T) {
	verified(t, func(t *testing.T, w *world, s *stream) {
		assert.Zero(t, s.until(39*time.Second))
		late := w.branchMade(t, "shop", "late")
		assert.Zero(t, s.until(2*time.Second), "the look at 40 s sees the branch")
		must(w.log.Append(t.Context(), late))
		assert.Zero(t, s.until(2*time.Minute))
	})
}

func TestAResyncIsWhatLaterLooksAreComparedWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memlog.New(), eventhub.Options{Heartbeat: time.Second})
		w.repository(t, "shop")
		lossy := &forgetful{w.hub}
		s := subscribe(t, eventhub.Verify(lossy, w.store, 20*time.Second), ports.Subscription{Resync: true})
		assert.Empty(t, names(s.resync()))
		assert.Equal(t, 1, s.until(time.Minute))
		s.stop()
	})
}

// forgetful leaves the refs out of resyncs.
type forgetful struct{ ports.EventSource }

func (f *forgetful) Subscribe(ctx context.Context, s ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		for n, err := range f.EventSource.Subscribe(ctx, s) {
			if r, ok := n.(event.Resync); ok {
				n = event.Resync{Cursor: r.Cursor}
			}
			if !yield(n, err) {
				return
			}
		}
	}
}
