package nats_test

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/nats"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports/eventstest"
)

// external is a NATS server with a port. It keeps its address when it is started again.
type external struct {
	*server.Server
	dir  string
	port int
}

func startExternal(t testing.TB) *external {
	t.Helper()
	e := &external{dir: t.TempDir(), port: server.RANDOM_PORT}
	e.start(t)
	t.Cleanup(e.stop)
	return e
}

func (e *external) start(t testing.TB) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: e.port, NoSigs: true, NoLog: true, JetStream: true, StoreDir: e.dir,
		Username: "gitstore", Password: "secret", JetStreamMaxMemory: 1 << 20, JetStreamMaxStore: 64 << 30,
	})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(time.Minute))
	e.Server, e.port = s, s.Addr().(*net.TCPAddr).Port
}

func (e *external) stop() {
	e.Shutdown()
	e.WaitForShutdown()
}

func (e *external) url() string { return fmt.Sprintf("nats://gitstore:secret@127.0.0.1:%d", e.port) }

// streams are those of the server, as another client of it sees them.
func (e *external) streams(t testing.TB) jetstream.JetStream {
	t.Helper()
	nc, err := natsgo.Connect(e.url())
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

func TestConformanceOnAnExternalServer(t *testing.T) {
	t.Parallel()
	e := startExternal(t)
	var journals atomic.Int64
	eventstest.Run(t, harness(func(_ testing.TB, opts *nats.Options) {
		opts.URL, opts.Stream, opts.MaxBytes = e.url(), fmt.Sprintf("journal-%d", journals.Add(1)), 64<<20
	}))
}

func TestAServerThatIsNotThereOrRefusesIsUnavailable(t *testing.T) {
	e := startExternal(t)
	wrong := fmt.Sprintf("nats://gitstore:wrong@127.0.0.1:%d", e.port)
	_, err := nats.Open(t.Context(), nats.Options{URL: wrong})
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	assert.ErrorContains(t, err, "Authorization Violation")
	e.stop()
	_, err = nats.Open(t.Context(), nats.Options{URL: e.url()})
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
}

// eventually tries until the call succeeds. Meanwhile it may only fail with UNAVAILABLE.
func eventually(t *testing.T, call func() error) {
	t.Helper()
	require.Eventually(t, func() bool {
		err := call()
		if err != nil && errs.ReasonOf(err) != errs.ReasonUnavailable {
			t.Errorf("unexpected error: %v", err)
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond)
}

func TestWhenTheServerComesBackTheJournalGoesOn(t *testing.T) {
	e := startExternal(t)
	l := open(t, nats.Options{URL: e.url()})
	end := fill(t, l, 20)
	waits := make(chan error)
	go func() { waits <- l.Wait(t.Context(), end) }()
	e.stop()
	for name, call := range map[string]func() error{
		"Append":     func() error { _, err := l.Append(t.Context(), moved(main, oid(1))); return err },
		"ReadEvents": func() error { _, err := l.ReadEvents(t.Context(), event.Cursor{}, 1); return err },
		"Bounds":     func() error { _, err := l.Bounds(t.Context()); return err },
	} {
		assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(call()), name)
	}
	e.start(t)
	eventually(t, func() error { _, err := l.Bounds(t.Context()); return err })
	holds(t, l, end)
	assert.Equal(t, event.NewCursor(end.Epoch(), end.Sequence()+1), appendTo(t, l, moved(main, oid(1)))[0])
	assert.NoError(t, <-waits)
}

func TestWhenTheServerComesBackWithoutTheJournalTheEpochIsANewOne(t *testing.T) {
	e := startExternal(t)
	l := open(t, nats.Options{URL: e.url()})
	end := fill(t, l, 20)
	waits := make(chan error)
	go func() { waits <- l.Wait(t.Context(), end) }()
	e.stop()
	e.dir = t.TempDir()
	e.start(t)
	eventually(t, func() error { _, err := l.Bounds(t.Context()); return err })
	assert.Equal(t, errs.ReasonCursorExpired, errs.ReasonOf(<-waits))
	isNew(t, l, end)
}

func TestWhenTheServerComesBackWithoutTheEndTheEpochIsANewOne(t *testing.T) {
	e := startExternal(t)
	l := open(t, nats.Options{URL: e.url()})
	fill(t, l, 20)
	left := killed(t, e.dir)
	end := appendTo(t, l, moved(main, oid(1)))[0]
	e.stop()
	e.dir = left
	e.start(t)
	eventually(t, func() error { _, err := l.Bounds(t.Context()); return err })
	isNew(t, l, end)
}

func TestAStreamThatIsTakenAwayIsMissed(t *testing.T) {
	e := startExternal(t)
	js := e.streams(t)
	for _, stream := range []string{"gitstore-events", "gitstore-states"} {
		l := open(t, nats.Options{URL: e.url()})
		end := fill(t, l, 20)
		require.NoError(t, js.DeleteStream(t.Context(), stream))
		eventually(t, func() error {
			cursors, err := l.Append(t.Context(), moved(main, oid(1)))
			if err == nil && cursors[0].Epoch() == end.Epoch() {
				_, err = l.Append(t.Context(), moved(main, oid(2)))
			}
			return err
		})
		assert.NotEqual(t, end.Epoch(), bounds(t, l).Newest.Epoch(), stream)
		require.NoError(t, l.Close())
	}
}

func TestASecondWriterIsNoticedAndNothingIsMixed(t *testing.T) {
	e := startExternal(t)
	one, two := open(t, nats.Options{URL: e.url()}), open(t, nats.Options{URL: e.url()})
	end := fill(t, one, 3)
	for range 2 {
		_, err := two.Append(t.Context(), created(), moved(main, oid(7)))
		require.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
		assert.ErrorContains(t, err, "another process")
	}
	holds(t, one, end)
	appendTo(t, one, moved(main, oid(1)))
}

func TestJournalsOfOneServerAreApart(t *testing.T) {
	e := startExternal(t)
	one, two := open(t, nats.Options{URL: e.url(), Stream: "one"}), open(t, nats.Options{URL: e.url(), Stream: "two"})
	end := fill(t, one, 3)
	holds(t, two, fill(t, two, 5))
	holds(t, one, end)
}

// publish adds events to the stream and leaves the states behind, as a process does that is killed in between.
func publish(t *testing.T, js jetstream.JetStream, events ...event.Event) {
	t.Helper()
	for _, e := range events {
		b, err := event.MarshalNotice(event.Entry{Event: e})
		require.NoError(t, err)
		_, err = js.Publish(t.Context(), "gitstore.event."+e.Repository().String(), b)
		require.NoError(t, err)
	}
}

func TestStatesThatAreBehindTheEventsAreBroughtUpToDate(t *testing.T) {
	e := startExternal(t)
	opts := nats.Options{URL: e.url()}
	l := open(t, opts)
	fill(t, l, 3)
	require.NoError(t, l.Close())
	publish(t, e.streams(t), moved(branch(3), oid(4)), moved(branch(4), oid(9)), moved(branch(4), oid(5)))
	l = open(t, opts)
	assert.Len(t, refs(t, l), 5)
	assert.Equal(t, oid(4), refs(t, l)[branch(3)])
	assert.Equal(t, oid(5), refs(t, l)[branch(4)])
}

func TestStatesThatCannotBeBroughtUpToDateMakeANewEpoch(t *testing.T) {
	e := startExternal(t)
	opts := nats.Options{URL: e.url(), MaxEvents: 5}
	l := open(t, opts)
	end := fill(t, l, 3)
	require.NoError(t, l.Close())
	var more []event.Event
	for i := range 7 {
		more = append(more, moved(branch(i), oid(i+1)))
	}
	publish(t, e.streams(t), more...)
	isNew(t, open(t, opts), end)
}

func TestStatesOfWhatIsDeletedDoNotPileUp(t *testing.T) {
	t.Parallel()
	e := startExternal(t)
	l := open(t, nats.Options{URL: e.url()})
	stream, err := e.streams(t).Stream(t.Context(), "gitstore-states")
	require.NoError(t, err)
	fill(t, l, 50)
	for round := range 20 {
		comeAndGo(t, l, 1000+500*round, 500)
		info, err := stream.Info(t.Context())
		require.NoError(t, err)
		assert.Less(t, info.State.Msgs, uint64(2500))
	}
	assert.Len(t, refs(t, l), 50)
	for range 4 {
		comeAndGo(t, l, 0, 500)
		appendTo(t, l, deleted())
		fill(t, l, 900)
		appendTo(t, l, deleted())
		info, err := stream.Info(t.Context())
		require.NoError(t, err)
		assert.Less(t, info.State.Msgs, uint64(4000))
	}
	assert.Nil(t, refs(t, l))
}

func TestAnEventThatIsMissingInTheMidstIsAGap(t *testing.T) {
	e := startExternal(t)
	l := open(t, nats.Options{URL: e.url()})
	end := fill(t, l, 9)
	stream, err := e.streams(t).Stream(t.Context(), "gitstore-events")
	require.NoError(t, err)
	require.NoError(t, stream.DeleteMsg(t.Context(), 6))
	page, err := l.ReadEvents(t.Context(), event.NewCursor(end.Epoch(), 2), 100)
	require.NoError(t, err)
	assert.Len(t, page, 3)
	_, err = l.ReadEvents(t.Context(), page[2].Cursor, 100)
	assert.Equal(t, errs.ReasonCursorExpired, errs.ReasonOf(err))
	page, err = l.ReadEvents(t.Context(), event.NewCursor(end.Epoch(), 6), 100)
	require.NoError(t, err)
	assert.Len(t, page, 4)
}
