package nats_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/adapters/nats"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	eventstest.Run(t, harness(func(t testing.TB, opts *nats.Options) { opts.Dir = t.TempDir() }))
}

// harness opens journals that are configured to be apart.
func harness(configure func(testing.TB, *nats.Options)) eventstest.Harness {
	var opened sync.Map
	openWith := func(t testing.TB, opts nats.Options) ports.EventLog {
		l := open(t, opts)
		opened.Store(l, opts)
		return l
	}
	create := func(t testing.TB, maxEvents int) ports.EventLog {
		opts := nats.Options{MaxEvents: int64(maxEvents)}
		configure(t, &opts)
		return openWith(t, opts)
	}
	return eventstest.Harness{
		New:        func(t testing.TB) ports.EventLog { return create(t, 0) },
		NewBounded: create,
		Reopen: func(t testing.TB, log ports.EventLog) ports.EventLog {
			require.NoError(t, log.(*nats.Log).Close())
			opts, _ := opened.Load(log)
			return openWith(t, opts.(nats.Options))
		},
	}
}

func open(t testing.TB, opts nats.Options) *nats.Log {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	l, err := nats.Open(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	return l
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var (
	shop = must(git.ParseRepositoryID("shop"))
	main = must(git.ParseRefName("refs/heads/main"))
	at   = time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
)

func oid(n int) git.ObjectID { return must(git.ParseObjectID(fmt.Sprintf("%040x", n))) }

func branch(n int) git.RefName { return must(git.BranchRef(fmt.Sprintf("b%d", n))) }

func created() event.Event {
	return event.RepositoryCreated{Header: event.Header{ID: shop, At: at}, CreatedAt: at}
}

func moved(name git.RefName, to git.ObjectID) event.Event {
	return event.RefUpdated{Header: event.Header{ID: shop, At: at}, Ref: name, Old: oid(1 << 30), New: to, Commit: to}
}

func appendTo(t testing.TB, l *nats.Log, events ...event.Event) []event.Cursor {
	t.Helper()
	cursors, err := l.Append(t.Context(), events...)
	require.NoError(t, err)
	return cursors
}

// fill appends n moves of branches of a new repository, and returns the cursor behind the last.
func fill(t testing.TB, l *nats.Log, n int) event.Cursor {
	t.Helper()
	events := []event.Event{created()}
	for i := range n {
		events = append(events, moved(branch(i), oid(i+1)))
	}
	cursors := appendTo(t, l, events...)
	return cursors[n]
}

func bounds(t testing.TB, l *nats.Log) ports.EventBounds {
	t.Helper()
	b, err := l.Bounds(t.Context())
	require.NoError(t, err)
	return b
}

// refs are those of the one repository, nil if there is none.
func refs(t testing.TB, l *nats.Log) map[git.RefName]git.ObjectID {
	t.Helper()
	var refs map[git.RefName]git.ObjectID
	for state, err := range l.States(t.Context()) {
		require.NoError(t, err)
		refs = state.Refs
	}
	return refs
}

// holds reports it if the journal is not as fill left it.
func holds(t testing.TB, l *nats.Log, end event.Cursor) {
	t.Helper()
	assert.Equal(t, end, bounds(t, l).Newest)
	n := int(end.Sequence())
	page, err := l.ReadEvents(t.Context(), event.Cursor{}, n+1)
	require.NoError(t, err)
	assert.Len(t, page, n)
	want := map[git.RefName]git.ObjectID{}
	for i := range n - 1 {
		want[branch(i)] = oid(i + 1)
	}
	assert.True(t, maps.Equal(want, refs(t, l)), "the refs are not where the events left them")
}

// isNew reports it if the journal is not an empty one of another epoch, or cannot be used.
func isNew(t testing.TB, l *nats.Log, before event.Cursor) {
	t.Helper()
	b := bounds(t, l)
	assert.NotEqual(t, before.Epoch(), b.Newest.Epoch(), "the epoch is the same")
	assert.Equal(t, event.NewCursor(b.Newest.Epoch(), 0), b.Newest)
	assert.Empty(t, refs(t, l))
	_, err := l.ReadEvents(t.Context(), before, 1)
	assert.Equal(t, errs.ReasonCursorExpired, errs.ReasonOf(err))
	holds(t, l, fill(t, l, 3))
}

func TestTheDirectoryBelongsToOneJournal(t *testing.T) {
	dir := t.TempDir()
	end := fill(t, open(t, nats.Options{Dir: dir}), 3)
	_, err := nats.Open(t.Context(), nats.Options{Dir: dir})
	assert.Equal(t, errs.ReasonInternal, errs.ReasonOf(err))
	assert.ErrorContains(t, err, "another process has the journal")
	assert.NotZero(t, end)
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, opts := range []nats.Options{
		{}, {Dir: t.TempDir(), Stream: "a.b"}, {Dir: t.TempDir(), Stream: "a b"}, {Dir: t.TempDir(), MaxAge: -1},
		{Dir: t.TempDir(), MaxBytes: -1}, {Dir: t.TempDir(), MaxEvents: -1},
	} {
		_, err := nats.Open(t.Context(), opts)
		assert.Equal(t, errs.ReasonInvalidArgument, errs.ReasonOf(err), "%+v", opts)
	}
}

func TestAServerIsNamedByAURL(t *testing.T) {
	for _, good := range []string{
		"nats://a", "tls://user:secret@a:4222/, nats://[::1]:4222,", "ws://a/path?x=y,wss://b:443", "nats://token@10.0.0.1:65535",
	} {
		assert.NoError(t, nats.Options{URL: good}.Check(), good)
	}
	for _, bad := range []string{
		"a", "a:4222", "10.0.0.1:4222", ",", "nats://", "nats://:4222", "nats://user:secret@a:port", "nats://user:secret@a:65536", "nats://a:0",
		"nats://user:secret@a/b", "nats://a?secret", "http://user:secret@a", "nats://user:secret@a,b", "nats://user:secret@a,ws://b", "nats://user:secret@a b",
	} {
		err := nats.Options{URL: bad}.Check()
		assert.Equal(t, errs.ReasonInvalidArgument, errs.ReasonOf(err), bad)
		assert.Equal(t, "url", errs.From(err).Meta[errs.MetaField], bad)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestCredentialsAreAFileForAnExternalServer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "user.creds")
	missing := nats.Options{URL: "nats://a", Credentials: file}.Check()
	assert.ErrorContains(t, missing, file)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	assert.NoError(t, nats.Options{URL: "nats://a", Credentials: file}.Check())
	for _, err := range []error{
		missing, nats.Options{URL: "nats://a", Credentials: t.TempDir()}.Check(), nats.Options{Dir: t.TempDir(), Credentials: file}.Check(),
	} {
		assert.Equal(t, errs.ReasonInvalidArgument, errs.ReasonOf(err))
		assert.Equal(t, "credentials", errs.From(err).Meta[errs.MetaField])
	}
}

func TestAClosedJournalRefusesCallsAndEndsWaits(t *testing.T) {
	l := open(t, nats.Options{Dir: t.TempDir()})
	end := fill(t, l, 3)
	waits := make(chan error)
	go func() { waits <- l.Wait(t.Context(), end) }()
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	assert.Equal(t, errs.ReasonDraining, errs.ReasonOf(<-waits))
	for name, call := range map[string]func() error{
		"Append":     func() error { _, err := l.Append(t.Context(), created()); return err },
		"ReadEvents": func() error { _, err := l.ReadEvents(t.Context(), end, 1); return err },
		"Bounds":     func() error { _, err := l.Bounds(t.Context()); return err },
		"Wait":       func() error { return l.Wait(t.Context(), event.Cursor{}) },
		"States": func() error {
			for _, err := range l.States(t.Context()) {
				return err
			}
			return nil
		},
	} {
		assert.Equal(t, errs.ReasonDraining, errs.ReasonOf(call()), name)
	}
}

func TestCallsAtWorkEndWhenTheJournalIsClosed(t *testing.T) {
	l := open(t, nats.Options{Dir: t.TempDir()})
	fill(t, l, 3)
	var working sync.WaitGroup
	for _, call := range []func() error{
		func() error { _, err := l.Append(t.Context(), moved(main, oid(1))); return err },
		func() error { _, err := l.ReadEvents(t.Context(), event.Cursor{}, 10); return err },
		func() error { _, err := l.Bounds(t.Context()); return err },
	} {
		working.Go(func() {
			for err := error(nil); errs.ReasonOf(err) != errs.ReasonDraining; err = call() {
				if !assert.NoError(t, err) {
					return
				}
			}
		})
	}
	require.NoError(t, l.Close())
	working.Wait()
}

func TestTheServerWithinTheProcessListensNowhere(t *testing.T) {
	before := listening(t)
	l := open(t, nats.Options{Dir: t.TempDir()})
	fill(t, l, 3)
	assert.Equal(t, before, listening(t))
}

// listening are the sockets of this process that wait for connections (proc(5)).
func listening(t *testing.T) []string {
	t.Helper()
	own := map[string]bool{}
	fds, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil {
			own[strings.Trim(target, "socket:[]")] = true
		}
	}
	var found []string
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := os.ReadFile("/proc/self/net/" + table)
		require.NoError(t, err)
		for line := range bytes.Lines(b) {
			if f := strings.Fields(string(line)); len(f) > 9 && own[f[9]] && (f[3] == "0A" || strings.HasPrefix(table, "udp")) {
				found = append(found, table+" "+f[1])
			}
		}
	}
	return found
}

func TestRetentionByAgeKeepsTheEpochAndTheStates(t *testing.T) {
	opts := nats.Options{Dir: t.TempDir(), MaxAge: 200 * time.Millisecond}
	l := open(t, opts)
	end := fill(t, l, 3)
	require.Eventually(t, func() bool { return bounds(t, l).Oldest == end }, time.Minute, 10*time.Millisecond)
	require.NoError(t, l.Close())
	l = open(t, opts)
	assert.Equal(t, ports.EventBounds{Oldest: end, Newest: end}, bounds(t, l))
	assert.Len(t, refs(t, l), 3)
	page, err := l.ReadEvents(t.Context(), event.Cursor{}, 10)
	require.NoError(t, err)
	assert.Empty(t, page)
	_, err = l.ReadEvents(t.Context(), event.NewCursor(end.Epoch(), 1), 10)
	assert.Equal(t, errs.ReasonCursorExpired, errs.ReasonOf(err))
	require.NoError(t, l.Close())

	opts.MaxAge = time.Hour
	l = open(t, opts)
	waits := make(chan error)
	go func() { waits <- l.Wait(t.Context(), event.Cursor{}) }()
	assert.Equal(t, event.NewCursor(end.Epoch(), end.Sequence()+1), appendTo(t, l, moved(main, oid(9)))[0])
	assert.NoError(t, <-waits)
}

func TestRetentionIsWhatItIsOpenedWith(t *testing.T) {
	opts := nats.Options{Dir: t.TempDir()}
	l := open(t, opts)
	end := fill(t, l, 50)
	require.NoError(t, l.Close())
	opts.MaxEvents = 10
	l = open(t, opts)
	assert.Equal(t, ports.EventBounds{Oldest: event.NewCursor(end.Epoch(), end.Sequence()-10), Newest: end}, bounds(t, l))
	require.NoError(t, l.Close())
	opts.MaxBytes = 2000
	l = open(t, opts)
	assert.Greater(t, bounds(t, l).Oldest.Sequence(), end.Sequence()-10)
	assert.Equal(t, end, bounds(t, l).Newest)
	assert.Len(t, refs(t, l), 50)
}

func deleted() event.Event { return event.RepositoryDeleted{Header: event.Header{ID: shop, At: at}} }

func TestWhatIsDeletedDoesNotComeBackWhenAJournalIsOpenedAgain(t *testing.T) {
	t.Parallel()
	opts := nats.Options{Dir: t.TempDir()}
	l := open(t, opts)
	appendTo(t, l, created(), moved(main, oid(1)), moved(branch(1), oid(1)))
	appendTo(t, l, moved(branch(1), oid(2)))
	appendTo(t, l, moved(branch(1), oid(3)))
	appendTo(t, l, moved(branch(1), git.ObjectID{}))
	for range 3 {
		assert.Equal(t, map[git.RefName]git.ObjectID{main: oid(1)}, refs(t, l))
		require.NoError(t, l.Close())
		l = open(t, opts)
	}
	appendTo(t, l, moved(branch(1), oid(4)), deleted(), created(), moved(branch(2), oid(5)))
	for range 3 {
		assert.Equal(t, map[git.RefName]git.ObjectID{branch(2): oid(5)}, refs(t, l))
		require.NoError(t, l.Close())
		l = open(t, opts)
	}
	appendTo(t, l, deleted())
	for range 3 {
		assert.Nil(t, refs(t, l))
		require.NoError(t, l.Close())
		l = open(t, opts)
	}
}

// comeAndGo appends that n branches are created, moved and deleted.
func comeAndGo(t testing.TB, l *nats.Log, first, n int) {
	t.Helper()
	var events []event.Event
	for i := range n {
		events = append(events, moved(branch(first+i), oid(1)), moved(branch(first+i), oid(2)), moved(branch(first+i), git.ObjectID{}))
	}
	appendTo(t, l, events...)
}

func TestWhatIsSweptDoesNotComeBackEither(t *testing.T) {
	t.Parallel()
	opts := nats.Options{Dir: t.TempDir()}
	l := open(t, opts)
	fill(t, l, 100)
	before := refs(t, l)
	for round := range 12 {
		comeAndGo(t, l, 1000+400*round, 400)
		assert.Equal(t, before, refs(t, l))
		require.NoError(t, l.Close())
		l = open(t, opts)
		assert.Equal(t, before, refs(t, l))
	}
}
