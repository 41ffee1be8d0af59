package eventhub_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/app/eventhub"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func repoID(s string) git.RepositoryID { return must(git.ParseRepositoryID(s)) }

func branch(s string) git.RefName { return must(git.BranchRef(s)) }

func oid(n int) git.ObjectID { return must(git.ParseObjectID(fmt.Sprintf("%040x", n+1))) }

// moved is the nth move of the main branch of a repository.
func moved(repo string, n int) event.RefUpdated {
	return event.RefUpdated{Header: event.Header{ID: repoID(repo)}, Ref: branch("main"), Old: oid(n), New: oid(n + 1), Commit: oid(n + 1)}
}

// world is a journal, a store and a hub over them.
type world struct {
	log   *memlog.Log
	store *memrepo.Store
	hub   *eventhub.Hub
}

func newWorld(t *testing.T, log *memlog.Log, opts eventhub.Options) *world {
	t.Helper()
	w := &world{log: log, store: memrepo.New()}
	w.hub = eventhub.New(log, w.store, opts)
	running(t, func(ctx context.Context) { _ = w.hub.Follow(ctx, log) })
	w.caughtUp(t)
	return w
}

// running runs f until the test ends.
func running(t *testing.T, f func(context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// append journals n moves of a repository and returns the cursor behind them.
func (w *world) append(t *testing.T, repo string, n int) event.Cursor {
	t.Helper()
	var last event.Cursor
	for i := range n {
		last = must(w.log.Append(t.Context(), moved(repo, i)))[0]
	}
	return last
}

// caughtUp waits until the hub has all of the journal.
func (w *world) caughtUp(t *testing.T) {
	t.Helper()
	require.NoError(t, w.hub.WaitFor(t.Context(), must(w.log.Bounds(t.Context())).Newest))
}

// repository makes a repository with branches.
func (w *world) repository(t *testing.T, id string, branches ...string) {
	t.Helper()
	_, err := w.store.CreateRepository(t.Context(), ports.CreateRepository{ID: repoID(id)})
	require.NoError(t, err)
	var stream strings.Builder
	stream.WriteString("blob\nmark :1\ndata 1\na\ncommit refs/heads/main\nmark :2\ncommitter A <a@example.com> 0 +0000\ndata 1\nx\nM 100644 :1 \"f\"\n\n")
	for _, b := range branches {
		fmt.Fprintf(&stream, "reset refs/heads/%s\nfrom :2\n\n", b)
	}
	stream.WriteString("done\n")
	require.NoError(t, w.store.Import(t.Context(), repoID(id), strings.NewReader(stream.String())))
}

// stream pulls the notices of a subscription.
type stream struct {
	t    *testing.T
	next func() (event.Notice, error, bool)
	stop func()
}

func subscribe(t *testing.T, source ports.EventSource, s ports.Subscription) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	next, stop := iter.Pull2(source.Subscribe(ctx, s))
	t.Cleanup(func() { stop(); cancel() })
	return &stream{t, next, stop}
}

func (s *stream) notice() event.Notice {
	s.t.Helper()
	n, err, ok := s.next()
	require.NoError(s.t, err)
	require.True(s.t, ok, "the stream ended")
	return n
}

// entries returns the next n events, heartbeats left out.
func (s *stream) entries(n int) []event.Entry {
	s.t.Helper()
	var got []event.Entry
	for len(got) < n {
		switch notice := s.notice().(type) {
		case event.Entry:
			got = append(got, notice)
		case event.Resync:
			require.Fail(s.t, "there was a resync", "after %d events", len(got))
		}
	}
	return got
}

// resync returns all parts of the next notice, which has to be a resync.
func (s *stream) resync() []event.Resync {
	s.t.Helper()
	var parts []event.Resync
	for {
		n := s.notice()
		require.IsType(s.t, event.Resync{}, n)
		parts = append(parts, n.(event.Resync))
		if parts[len(parts)-1].Last() {
			return parts
		}
	}
}

func (s *stream) heartbeat() event.Cursor {
	s.t.Helper()
	n := s.notice()
	require.IsType(s.t, event.Heartbeat{}, n)
	return n.At()
}

func cursors(entries []event.Entry) []uint64 {
	all := make([]uint64, len(entries))
	for i, e := range entries {
		all[i] = e.Cursor.Sequence()
	}
	return all
}

// count returns from to to, both included.
func count(from, to uint64) []uint64 {
	all := []uint64{}
	for ; from <= to; from++ {
		all = append(all, from)
	}
	return all
}

// names returns the refs of a resync as "repository ref".
func names(parts []event.Resync) (all []string) {
	for _, p := range parts {
		for _, repo := range p.Repositories {
			if len(repo.Refs) == 0 {
				all = append(all, repo.ID.String())
			}
			for _, ref := range repo.Refs {
				all = append(all, repo.ID.String()+" "+ref.Name.Short())
			}
		}
	}
	return all
}

func assertSorted(t *testing.T, all []string) {
	t.Helper()
	assert.True(t, slices.IsSorted(all), "%q", all)
}
