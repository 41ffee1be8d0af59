package ws_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/ws"
	"github.com/gitstore-dev/gitstore/app/eventhub"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
)

// subscriber is one that tries again at once.
func subscriber(t *testing.T, s *server, opts ws.SubscriberOptions) *ws.Subscriber {
	t.Helper()
	sub := must(ws.NewSubscriber(s.URL, opts))
	sub.WithoutWaiting(func(time.Duration) {})
	return sub
}

func TestASubscriberIsToldWhatItAsksFor(t *testing.T) {
	// Neither the journal nor the hub holds the first events any more at the end.
	w := newWorld(t, memlog.NewBounded(8), eventhub.Options{Buffer: 4})
	w.repositories(t, "shop", "other")
	_, s := publish(t, w.hub, ws.PublisherOptions{})
	sub := subscriber(t, s, ws.SubscriberOptions{})
	f := must(event.ParseFilter([]string{"shop"}, []string{"refs/heads/main"}, []string{string(event.TypeRefUpdated)}))
	p := pull(t, sub, ports.Subscription{Filter: f, Resync: true})
	resync := p.notice().(event.Resync)
	assert.Len(t, resync.Repositories, 1)
	assert.Equal(t, w.cursor(0), resync.Cursor)
	w.append(t, "other", 2)
	w.append(t, "shop", 2)
	assert.Equal(t, count(3, 4), p.entries(2))
	assert.Equal(t, count(2, 4), pull(t, sub, ports.Subscription{After: w.cursor(1)}).entries(3))
	w.append(t, "shop", 10)
	w.caughtUp(t)
	require.IsType(t, event.Resync{}, pull(t, sub, ports.Subscription{After: w.cursor(1)}).notice())
}

func TestNothingIsMissedWhileConnectionsAreCut(t *testing.T) {
	const events = 10_000
	w := newWorld(t, memlog.New(), eventhub.Options{Buffer: 64})
	_, s := publish(t, w.hub, ws.PublisherOptions{})
	p := pull(t, subscriber(t, s, ws.SubscriberOptions{}), ports.Subscription{})
	p.notice()
	running(t, func(context.Context) { w.append(t, "shop", events) })
	cuts := make(chan int, 1)
	cutting, done := context.WithCancel(t.Context())
	defer done()
	random := rand.New(rand.NewPCG(8, 8))
	go func() {
		n := 0
		defer func() { cuts <- n }()
		for cutting.Err() == nil {
			n += s.cut()
			<-time.After(time.Duration(random.IntN(5_000)) * time.Microsecond)
		}
	}()
	got := p.entries(events)
	done()
	assert.Equal(t, count(1, events), got, "none is missing, none is told twice and all are in order")
	assert.Positive(t, <-cuts)
}

func TestTenThousandMissedEventsAreToldAfterAnOutage(t *testing.T) {
	const events = 10_000
	w := newWorld(t, memlog.New(), eventhub.Options{})
	var target atomic.Pointer[ws.Publisher]
	s := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { target.Load().ServeHTTP(rw, r) }))
	first, second := must(ws.NewPublisher(w.hub, ws.PublisherOptions{})), must(ws.NewPublisher(w.hub, ws.PublisherOptions{}))
	target.Store(first)
	p := pull(t, subscriber(t, s, ws.SubscriberOptions{}), ports.Subscription{})
	p.notice()
	running(t, func(ctx context.Context) { _ = first.Shutdown(ctx) })
	_, err := w.log.Append(t.Context(), moved("shop", 0))
	require.NoError(t, err)
	w.append(t, "shop", events-1)
	target.Store(second)
	assert.Equal(t, count(1, events), p.entries(events))
	p.stop()
	require.NoError(t, second.Shutdown(t.Context()))
}

func TestASubscriberResumesAfterAClose(t *testing.T) {
	for code, slow := range map[websocket.StatusCode]time.Duration{ws.CloseSlow: time.Hour, ws.CloseGoingAway: 0} {
		w := newWorld(t, memlog.New(), eventhub.Options{})
		var target atomic.Pointer[ws.Publisher]
		s := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { target.Load().ServeHTTP(rw, r) }))
		first, second := must(ws.NewPublisher(w.hub, ws.PublisherOptions{})), must(ws.NewPublisher(w.hub, ws.PublisherOptions{}))
		first.Took(slow)
		target.Store(first)
		var down []ws.ConnectionState
		sub := subscriber(t, s, ws.SubscriberOptions{Observe: func(c ws.ConnectionState) {
			if !c.Up {
				down = append(down, c)
				target.Store(second)
			}
		}})
		p := pull(t, sub, ports.Subscription{})
		at := p.notice().At()
		running(t, func(ctx context.Context) { _ = first.Shutdown(ctx) })
		require.Eventually(t, func() bool {
			r, got := shake(t, s, "", nil)
			_ = r.Close()
			return got.status == http.StatusServiceUnavailable
		}, time.Minute, time.Millisecond)
		w.append(t, "shop", 2)
		assert.Equal(t, count(1, 2), p.entries(2))
		require.NotEmpty(t, down)
		assert.Contains(t, down[0].Err.Error(), fmt.Sprintf("%d: resume after %s", code, at))
		p.stop()
		require.NoError(t, second.Shutdown(t.Context()))
	}
}

// resyncs is a source that breaks off within a resync so many times.
type resyncs struct {
	w      *world
	breaks atomic.Int64
}

func (r *resyncs) Subscribe(context.Context, ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		if !yield(event.Resync{Repositories: []event.RepositoryRefs{{ID: repoID("a")}}}, nil) {
			return
		}
		if r.breaks.Add(-1) >= 0 {
			yield(nil, errs.New(errs.ReasonUnavailable, "broken off"))
			return
		}
		yield(event.Resync{Cursor: r.w.cursor(7), Repositories: []event.RepositoryRefs{{ID: repoID("b")}}}, nil)
	}
}

func TestAConsumerIsNeverToldHalfAResync(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	source := &resyncs{w: w}
	source.breaks.Store(3)
	_, s := publish(t, source, ws.PublisherOptions{})
	sub := must(ws.NewSubscriber(s.URL, ws.SubscriberOptions{BackoffBase: time.Second, BackoffCap: time.Minute}))
	var pauses []time.Duration
	sub.WithoutWaiting(func(d time.Duration) { pauses = append(pauses, d) })
	p := pull(t, sub, ports.Subscription{Resync: true})
	var got []string
	for range 2 {
		r := p.notice().(event.Resync)
		got = append(got, r.Repositories[0].ID.String())
	}
	assert.Equal(t, []string{"a", "b"}, got)
	assert.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, pauses, "half a resync is no success")
}

func TestThePauseDoublesUpToItsCapAndBeginsAnewAfterANotice(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	publisher := must(ws.NewPublisher(w.hub, ws.PublisherOptions{}))
	var outage atomic.Int64
	outage.Store(8)
	s := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if outage.Add(-1) >= 0 {
			http.Error(rw, "starting", http.StatusServiceUnavailable)
			return
		}
		publisher.ServeHTTP(rw, r)
	}))
	sub := must(ws.NewSubscriber(s.URL, ws.SubscriberOptions{}))
	var pauses []int
	sub.WithoutWaiting(func(d time.Duration) { pauses = append(pauses, int(d.Milliseconds())) })
	p := pull(t, sub, ports.Subscription{})
	p.notice()
	assert.Equal(t, []int{100, 200, 400, 800, 1600, 3200, 5000, 5000}, pauses)
	pauses = nil
	outage.Store(2)
	s.cut()
	p.notice()
	assert.Equal(t, []int{100, 200, 400}, pauses)
	p.stop()
	require.NoError(t, publisher.Shutdown(t.Context()))
}

func TestWhatWillNotPassEndsTheSubscription(t *testing.T) {
	text := func(messages ...string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			socket, err := websocket.Accept(rw, r, &websocket.AcceptOptions{Subprotocols: []string{ws.Subprotocol}})
			if err != nil {
				return
			}
			for _, m := range messages {
				_ = socket.Write(r.Context(), websocket.MessageText, []byte(m))
			}
			socket.CloseRead(r.Context())
			_ = socket.Close(ws.ClosePolicy, "go away")
		}
	}
	status := func(code int, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(code)
			_, _ = io.WriteString(rw, body)
		}
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		reason  errs.Reason
	}{
		"a problem":              {status(400, `{"reason":"INVALID_CURSOR","detail":"no cursor","field":"after"}`), errs.ReasonInvalidCursor},
		"a foreign origin":       {status(403, `{"reason":"PERMISSION_DENIED","detail":"d"}`), errs.ReasonPermissionDenied},
		"no token":               {status(401, "<html>"), errs.ReasonUnauthenticated},
		"forbidden by a proxy":   {status(403, ""), errs.ReasonPermissionDenied},
		"another path":           {status(404, ""), errs.ReasonInvalidArgument},
		"no WebSocket":           {status(426, ""), errs.ReasonInvalidArgument},
		"a page":                 {status(200, "<html>"), errs.ReasonInvalidArgument},
		"another subprotocol":    {func(rw http.ResponseWriter, r *http.Request) { _, _ = websocket.Accept(rw, r, nil) }, errs.ReasonInvalidArgument},
		"a policy":               {text(), errs.ReasonInvalidArgument},
		"no event":               {text("{}"), errs.ReasonInvalidArgument},
		"a message without end":  {text(strings.Repeat(" ", 5000)), errs.ReasonMessageTooLarge},
		"an event of a new type": {text(`{"specversion":"1.0","id":"1","source":"/repositories/shop","type":"x","data":{}}`), errs.ReasonInvalidArgument},
	} {
		s := serve(t, test.handler)
		var states []ws.ConnectionState
		sub := must(ws.NewSubscriber(s.URL, ws.SubscriberOptions{ReadLimit: 4 << 10, Observe: func(c ws.ConnectionState) { states = append(states, c) }}))
		err := pull(t, sub, ports.Subscription{}).fails()
		assert.Equal(t, test.reason, errs.ReasonOf(err), "%s: %v", name, err)
		last := states[len(states)-1]
		assert.Equal(t, err, last.Err, name)
		assert.Zero(t, last.Retry, name)
	}
}

func TestAnOutageIsObservedAndNoFailure(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	_, s := publish(t, w.hub, ws.PublisherOptions{})
	gone := serve(t, http.NotFoundHandler())
	gone.Close()
	var states []ws.ConnectionState
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sub := must(ws.NewSubscriber(gone.URL, ws.SubscriberOptions{Observe: func(c ws.ConnectionState) { states = append(states, c) }}))
	sub.WithoutWaiting(func(time.Duration) {
		if len(states) == 3 {
			cancel()
		}
	})
	var last error
	for _, err := range sub.Subscribe(ctx, ports.Subscription{After: w.cursor(1)}) {
		last = err
	}
	assert.Equal(t, errs.ReasonCanceled, errs.ReasonOf(last))
	require.Len(t, states, 3)
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(states[2].Err))
	assert.Equal(t, w.cursor(1), states[2].After)
	assert.Positive(t, states[2].Retry)

	states = nil
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	sub = must(ws.NewSubscriber(s.URL, ws.SubscriberOptions{Observe: func(c ws.ConnectionState) { states = append(states, c) }}))
	for n, err := range sub.Subscribe(ctx, ports.Subscription{}) {
		if n != nil {
			cancel()
		}
		last = err
	}
	assert.Equal(t, errs.ReasonCanceled, errs.ReasonOf(last))
	assert.Equal(t, []ws.ConnectionState{{Up: true}}, states)
}

func TestAConnectionThatDiedSilentlyIsReplaced(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	publisher := must(ws.NewPublisher(w.hub, ws.PublisherOptions{}))
	var handshakes atomic.Int64
	dead := make(chan struct{})
	s := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if handshakes.Add(1) > 1 {
			publisher.ServeHTTP(rw, r)
			return
		}
		// What nobody reads from answers no ping.
		socket, err := websocket.Accept(rw, r, &websocket.AcceptOptions{Subprotocols: []string{ws.Subprotocol}})
		if err == nil {
			<-dead
			_ = socket.CloseNow()
		}
	}))
	var down []ws.ConnectionState
	sub := subscriber(t, s, ws.SubscriberOptions{
		PingInterval: 10 * time.Millisecond, PongTimeout: 200 * time.Millisecond, Observe: func(c ws.ConnectionState) {
			if !c.Up {
				down = append(down, c)
			}
		},
	})
	p := pull(t, sub, ports.Subscription{})
	p.notice()
	require.NotEmpty(t, down)
	assert.ErrorContains(t, errs.From(down[0].Err).Err, "a ping was not answered")
	close(dead)
	p.stop()
	require.NoError(t, publisher.Shutdown(t.Context()))
}

func TestABusyConsumerIsNotTakenForADeadConnection(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	p, s := publish(t, w.hub, ws.PublisherOptions{})
	sub := subscriber(t, s, ws.SubscriberOptions{
		PingInterval: time.Millisecond, PongTimeout: time.Minute, Observe: func(c ws.ConnectionState) { assert.NoError(t, c.Err) },
	})
	stream := pull(t, sub, ports.Subscription{})
	stream.notice()
	w.append(t, "shop", 3)
	for i := range 3 {
		<-time.After(20 * time.Millisecond)
		assert.Equal(t, count(uint64(i+1), uint64(i+1)), stream.entries(1))
	}
	assert.Equal(t, 1, p.Stats().Connections)
}

func TestAURLIsChecked(t *testing.T) {
	for _, good := range []string{"ws://h", "wss://h/", "http://h:1/v1/events", "https://[::1]/x"} {
		_, err := ws.NewSubscriber(good, ws.SubscriberOptions{})
		assert.NoError(t, err, good)
	}
	for _, bad := range []string{"", "h", "ftp://h", "ws:///x", "ws://u:s3cret@h", "ws://h?token=s3cret", "ws://h#x", "ws://h:port\x00s3cret"} {
		_, err := ws.NewSubscriber(bad, ws.SubscriberOptions{})
		assert.Equal(t, errs.ReasonInvalidArgument, errs.ReasonOf(err), bad)
		assert.NotContains(t, err.Error(), "s3cret")
	}
}

func TestAHeaderIsSentWithEveryHandshake(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	publisher := must(ws.NewPublisher(w.hub, ws.PublisherOptions{}))
	var handshakes atomic.Int64
	s := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		handshakes.Add(1)
		assert.Equal(t, "Bearer s3cret", r.Header.Get("Authorization"))
		assert.Equal(t, ws.Path, r.URL.Path)
		publisher.ServeHTTP(rw, r)
	}))
	p := pull(t, subscriber(t, s, ws.SubscriberOptions{Header: http.Header{"Authorization": {"Bearer s3cret"}}}), ports.Subscription{})
	p.notice()
	s.cut()
	p.notice()
	assert.Equal(t, int64(2), handshakes.Load())
	p.stop()
	require.NoError(t, publisher.Shutdown(t.Context()))
}

func TestTheConnectionMayBeEncrypted(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	publisher := must(ws.NewPublisher(w.hub, ws.PublisherOptions{}))
	s := httptest.NewTLSServer(publisher)
	t.Cleanup(s.Close)
	url := "wss" + strings.TrimPrefix(s.URL, "https")
	p := pull(t, must(ws.NewSubscriber(url, ws.SubscriberOptions{HTTPClient: s.Client()})), ports.Subscription{})
	p.notice()
	w.append(t, "shop", 3)
	assert.Equal(t, count(1, 3), p.entries(3))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Error(t, publisher.Shutdown(ctx), "the client, which does not read now, is cut")
	assert.Zero(t, publisher.Stats().Connections)
}
