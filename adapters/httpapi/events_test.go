package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/app/eventhub"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
)

const (
	epoch  = "0123456789abcdef"
	oldEra = "fedcba9876543210"
)

func at(sequence uint64) event.Cursor { return event.NewCursor(epoch, sequence) }

// moved is the event that a branch of the shop moved, at its place.
func moved(t testing.TB, sequence uint64, branch string) event.Entry {
	t.Helper()
	id, err := git.ParseRepositoryID("shop")
	if err != nil {
		t.Fatal(err)
	}
	ref, err := git.BranchRef(branch)
	if err != nil {
		t.Fatal(err)
	}
	one := git.SHA1.HashObject(git.BlobObject, []byte("one"))
	return event.Entry{Cursor: at(sequence), Event: event.RefUpdated{Header: event.Header{ID: id, At: time.Unix(1, 0)}, Ref: ref, New: one, Commit: one}}
}

// source is a subscription as a function.
type source func(ctx context.Context, s ports.Subscription, yield func(event.Notice, error) bool)

func (f source) Subscribe(ctx context.Context, s ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) { f(ctx, s, yield) }
}

// scripted tells the same to each subscriber, whatever is asked for, and then ends.
type scripted []event.Notice

func (s scripted) Subscribe(context.Context, ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		for _, n := range s {
			if !yield(n, nil) {
				return
			}
		}
	}
}

// quiet tells that it began, and then nothing until the subscriber leaves, and tells that it left.
type quiet struct{ began, ended chan struct{} }

func newQuiet() quiet { return quiet{make(chan struct{}, 100), make(chan struct{}, 100)} }

func (q quiet) Subscribe(ctx context.Context, _ ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		q.began <- struct{}{}
		<-ctx.Done()
		q.ended <- struct{}{}
		yield(nil, ctx.Err())
	}
}

// message is one event of a stream as EventSource dispatches it.
type message struct{ id, event, data string }

// read reads the stream to its end, as section 9.2.6 of the HTML standard says. It fails if the stream is broken off.
func (s *stream) read(t testing.TB) (messages []message, retry int, lastID string, err error) {
	t.Helper()
	lines := bufio.NewReader(s.body)
	var data []string
	var kind, id string
	for {
		line, err := lines.ReadString('\n')
		switch { // what is not ended by an empty line is dropped
		case errors.Is(err, io.EOF):
			return messages, retry, lastID, nil
		case err != nil:
			return messages, retry, lastID, err
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if strings.Contains(line, "\r") {
			t.Errorf("a carriage return, which ends a line, in %q", line)
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			lastID = id
			if data != nil {
				messages = append(messages, message{lastID, kind, strings.Join(data, "\n")})
			}
			data, kind = nil, ""
		case field == "": // a comment
		case field == "event":
			kind = value
		case field == "data":
			data = append(data, value)
		case field == "id" && !strings.Contains(value, "\x00"):
			id = value
		case field == "retry":
			if retry, err = strconv.Atoi(value); err != nil {
				t.Errorf("retry %q", value)
			}
		default:
			t.Errorf("line %q", line)
		}
	}
}

// stream is a stream of events as its client sees it.
type stream struct {
	header http.Header
	body   io.Reader
	leave  func()
}

// watch opens a stream, which ends at the latest with the test.
func (c *client) watch(path string, opts ...option) *stream {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server.URL+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, opt := range opts {
		opt(req)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	leave := func() {
		cancel()
		_ = resp.Body.Close()
	}
	c.t.Cleanup(leave)
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s answered %s", path, resp.Status)
	}
	return &stream{resp.Header, resp.Body, leave}
}

func TestEveryNoticeIsAnEventOfTheStream(t *testing.T) {
	shopID := moved(t, 1, "main").Event.Repository()
	main, err := git.BranchRef("main")
	if err != nil {
		t.Fatal(err)
	}
	refs := []event.RepositoryRefs{{ID: shopID, Refs: []git.Ref{{Name: main}}}}
	notices := scripted{
		event.Resync{Repositories: refs},
		event.Resync{Repositories: refs, Cursor: at(7)},
		event.Entry{Cursor: at(8), Event: event.RepositoryCreated{Header: event.Header{ID: shopID}}},
		moved(t, 9, "a\u2028b\u00e9"),
		event.Heartbeat{Cursor: at(12)},
	}
	c := serve(t, nil, httpapi.Options{Events: notices})
	watched := c.watch("/v1/events")
	messages, retry, lastID, err := watched.read(t)
	if err != nil || lastID != at(12).String() || retry < 1000 || retry > 5000 {
		t.Errorf("ended with %v at %q, retry %d", err, lastID, retry)
	}
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
		if got := watched.header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	var want []message
	for i, kind := range []event.Type{event.TypeResyncRequired, event.TypeResyncRequired, event.TypeRepositoryCreated, event.TypeRefUpdated, event.TypeHeartbeat} {
		data, err := event.MarshalNotice(notices[i])
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, message{notices[i].At().String(), string(kind), string(data)})
	}
	if !slices.Equal(messages, want) {
		t.Errorf("got\n%q\nwant\n%q", messages, want)
	}
}

func TestTheSubscriptionIsWhatTheRequestSays(t *testing.T) {
	var got ports.Subscription
	c := serve(t, nil, httpapi.Options{Events: source(func(_ context.Context, s ports.Subscription, _ func(event.Notice, error) bool) { got = s })})
	filter, err := event.ParseFilter([]string{"shop", "other"}, []string{"refs/heads", "refs/tags/v*"}, []string{string(event.TypeRefUpdated)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, query, lastID string
		want                ports.Subscription
	}{
		{"nothing", "", "", ports.Subscription{}},
		{"filter", "?repository=shop&repository=other&ref=refs/heads&ref=refs/tags/v*&type=dev.gitstore.ref.updated.v1", "", ports.Subscription{Filter: filter}},
		{"resync", "?resync=true", "", ports.Subscription{Resync: true}},
		{"after", "?after=" + at(3).String(), "", ports.Subscription{After: at(3)}},
		{"after nothing", "?after=", "", ports.Subscription{}},
		{"last id", "", at(4).String(), ports.Subscription{After: at(4)}},
		{"last id, the later one", "?resync=true&after=" + at(3).String(), at(4).String(), ports.Subscription{After: at(4), Resync: true}},
		{"last id of another journal", "?after=" + at(3).String(), event.NewCursor(oldEra, 9).String(), ports.Subscription{After: event.NewCursor(oldEra, 9)}},
	} {
		got = ports.Subscription{After: at(99)}
		c.get("/v1/events"+test.query, header("Last-Event-ID", test.lastID)).wants(http.StatusOK)
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// An EventSource that is cut off anywhere comes back with the last id that it got.
func TestAStreamThatIsResumedTellsEachEventOnceAndInOrder(t *testing.T) {
	const events = 20
	c := serve(t, nil, httpapi.Options{Events: source(func(_ context.Context, s ports.Subscription, yield func(event.Notice, error) bool) {
		for n := s.After.Sequence() + 1; n <= min(s.After.Sequence()+3, events); n++ {
			if !yield(moved(t, n, "main"), nil) {
				return
			}
		}
		if s.After.Sequence() == 6 { // a filter left out what came since
			yield(event.Heartbeat{Cursor: at(12)}, nil)
		}
	})})
	var got, want []string
	for id := ""; id != at(events).String(); {
		var messages []message
		var err error
		if messages, _, id, err = c.watch("/v1/events", header("Last-Event-ID", id)).read(t); err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if m.event == string(event.TypeRefUpdated) {
				got = append(got, m.id)
			}
		}
	}
	for n := range uint64(events) {
		if n+1 < 10 || n+1 > 12 {
			want = append(want, at(n+1).String())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// upToHeartbeat ends each subscription when it has caught up.
type upToHeartbeat struct{ ports.EventSource }

func (s upToHeartbeat) Subscribe(ctx context.Context, sub ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		for n, err := range s.EventSource.Subscribe(ctx, sub) {
			if _, caughtUp := n.(event.Heartbeat); !yield(n, err) || caughtUp {
				return
			}
		}
	}
}

func TestAStreamIsResumedFromTheJournalUntilThatIsRebuilt(t *testing.T) {
	store, journal := newStore(t), memlog.New()
	hub := eventhub.New(journal, store, eventhub.Options{})
	ctx, stop := context.WithCancel(t.Context())
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		_ = hub.Follow(ctx, journal) // ends with the context
	}()
	defer func() {
		stop()
		<-followed
	}()
	c := serve(t, store, httpapi.Options{Events: upToHeartbeat{hub}})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	c.put(shop+"/files/f", "x").wants(http.StatusCreated)
	cursors, err := journal.Append(t.Context(), moved(t, 1, "a").Event, moved(t, 2, "b").Event, moved(t, 3, "c").Event)
	if err != nil {
		t.Fatal(err)
	}
	messages, _, lastID, err := c.watch("/v1/events?repository=shop&after=" + cursors[0].String()).read(t)
	if err != nil || lastID != cursors[2].String() || len(messages) != 3 || messages[0].id != cursors[1].String() || messages[1].id != lastID {
		t.Errorf("resumed to %s with %v: %v", lastID, messages, err)
	}
	journal.Rebuild()
	bounds, err := journal.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.WaitFor(t.Context(), bounds.Newest); err != nil {
		t.Fatal(err)
	}
	messages, _, lastID, err = c.watch("/v1/events?repository=shop", header("Last-Event-ID", lastID)).read(t)
	if err != nil || lastID != bounds.Newest.String() || len(messages) != 2 || messages[0].event != string(event.TypeResyncRequired) ||
		!strings.Contains(messages[0].data, `"ref":"refs/heads/main"`) {
		t.Errorf("resumed to %s with %v: %v", lastID, messages, err)
	}
}

func TestABadSubscriptionIsRefused(t *testing.T) {
	c := serve(t, nil, httpapi.Options{Events: scripted{}})
	many := "?" + strings.Repeat("ref=refs/heads&", event.MaxFilter+1)
	for _, test := range []struct{ query, lastID, reason, field string }{
		{"?repository=../x", "", "INVALID_REPOSITORY_ID", "repository"},
		{"?repository=", "", "INVALID_REPOSITORY_ID", "repository"},
		{"?ref=refs/[", "", "INVALID_PATTERN", "ref"},
		{"?ref=", "", "INVALID_PATTERN", "ref"},
		{"?ref=main", "", "INVALID_PATTERN", "ref"},
		{many, "", "INVALID_ARGUMENT", "ref"},
		{"?" + strings.Repeat("repository=shop&", event.MaxFilter+1), "", "INVALID_ARGUMENT", "repository"},
		{"?type=push", "", "INVALID_ARGUMENT", "type"},
		{"?type=dev.gitstore.stream.heartbeat.v1", "", "INVALID_ARGUMENT", "type"},
		{"?resync=yes", "", "INVALID_ARGUMENT", "resync"},
		{"?after=42", "", "INVALID_CURSOR", "after"},
		{"?after=" + at(3).String() + "%0a", "", "INVALID_CURSOR", "after"},
		{"?after=" + at(3).String() + "&after=" + at(4).String(), "", "INVALID_ARGUMENT", "after"},
		{"", "42", "INVALID_CURSOR", "Last-Event-ID"},
		{"?after=" + at(3).String(), epoch, "INVALID_CURSOR", "Last-Event-ID"},
		{"?min_cursor=" + at(3).String(), "", "INVALID_ARGUMENT", "min_cursor"},
		{"?access_token=secret", "", "INVALID_ARGUMENT", "access_token"},
	} {
		c.get("/v1/events"+test.query, header("Last-Event-ID", test.lastID)).problem(http.StatusBadRequest, test.reason).field(test.field)
	}
	c.post("/v1/events", "").problem(http.StatusMethodNotAllowed, "METHOD_NOT_FOUND")
	twice := func(r *http.Request) { r.Header["Last-Event-Id"] = []string{at(3).String(), at(4).String()} }
	c.get("/v1/events", twice).problem(http.StatusBadRequest, "INVALID_CURSOR").field("Last-Event-ID")
}

func TestWithoutAJournalThereAreNoEvents(t *testing.T) {
	socket := httpapi.Options{EventSocket: http.NotFoundHandler()}
	stream := httpapi.Options{Events: scripted{}}
	serve(t, nil, httpapi.Options{}).get("/v1/events").problem(http.StatusNotFound, "METHOD_NOT_FOUND")
	serve(t, nil, socket).get("/v1/events").problem(http.StatusNotFound, "METHOD_NOT_FOUND")
	serve(t, nil, stream).get("/v1/events", header("Upgrade", "websocket"), header("Connection", "Upgrade")).
		problem(http.StatusNotFound, "METHOD_NOT_FOUND")
}

func TestAHeadRequestIsAnsweredWithoutAStream(t *testing.T) {
	c := serve(t, nil, httpapi.Options{Events: newQuiet(), MaxEventStreams: 1})
	for range 2 {
		a := c.do(http.MethodHead, "/v1/events", nil).wants(http.StatusOK)
		if got := a.header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("content type %q", got)
		}
	}
}

func TestAClientThatLeavesEndsItsSubscription(t *testing.T) {
	q, reg, log := newQuiet(), prometheus.NewRegistry(), &logged{}
	c := serve(t, nil, httpapi.Options{Events: q, Registerer: reg, Logger: slog.New(slog.NewJSONHandler(log, nil))})
	watched := c.watch("/v1/events?repository=shop")
	<-q.began
	wantMetric(t, reg, "gitstore_http_event_streams 1\n")
	watched.leave()
	<-q.ended
	c.server.Close() // waits for the last line
	lines := log.lines(t, "http request")
	if len(lines) != 1 || lines[0]["status"] != 200.0 || lines[0]["level"] != "INFO" || lines[0]["error"] != nil || lines[0]["path"] != "/v1/events" {
		t.Errorf("logged %v", lines)
	}
	wantMetric(t, reg, "gitstore_http_event_streams 0\n")
	wantMetric(t, reg, `gitstore_http_requests_total{method="GET",route="/v1/events",status="200"} 1`)
	if strings.Contains(metrics(reg), `duration_seconds_count{method="GET",route="/v1/events"}`) {
		t.Error("the life of a stream counts as the duration of a request")
	}
}

func metrics(reg *prometheus.Registry) string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, &http.Request{})
	return w.Body.String()
}

func wantMetric(t *testing.T, reg *prometheus.Registry, want string) {
	t.Helper()
	if got := metrics(reg); !strings.Contains(got, want) {
		t.Errorf("no %s in\n%s", want, got)
	}
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	ended := make(chan struct{})
	log := &logged{}
	c := serve(t, nil, httpapi.Options{
		IdleTimeout: 250 * time.Millisecond, Logger: slog.New(slog.NewJSONHandler(log, nil)),
		Events: source(func(_ context.Context, _ ports.Subscription, yield func(event.Notice, error) bool) {
			defer close(ended)
			for n := uint64(1); yield(moved(t, n, strings.Repeat("x", 200)), nil); n++ {
			}
		}),
	})
	conn, err := net.Dial("tcp", c.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-ended
	// What it then reads ends in the middle, so that it knows that there is more.
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	messages, _, lastID, err := (&stream{body: resp.Body}).read(t)
	if err == nil || len(messages) == 0 || lastID != messages[len(messages)-1].id {
		t.Errorf("the stream ends with %v after %d events at %s", err, len(messages), lastID)
	}
	c.server.Close() // waits for the last line
	lines := log.lines(t, "http request")
	if len(lines) != 1 || lines[0]["status"] != 499.0 || lines[0]["reason"] != "CANCELED" || lines[0]["level"] != "INFO" {
		t.Errorf("logged %v", lines)
	}
}

func TestAQuietStreamOutlivesTheTimeouts(t *testing.T) {
	const idle = 250 * time.Millisecond
	c := serve(t, nil, httpapi.Options{IdleTimeout: idle, Events: source(func(_ context.Context, _ ports.Subscription, yield func(event.Notice, error) bool) {
		yield(moved(t, 1, "main"), nil)
		<-time.After(2 * idle)
		yield(moved(t, 2, "main"), nil)
	})})
	if messages, _, lastID, err := c.watch("/v1/events").read(t); len(messages) != 2 || lastID != at(2).String() || err != nil {
		t.Errorf("got %v until %v", messages, err)
	}
}

func TestAShutdownEndsStreamsAsWholeOnes(t *testing.T) {
	q := newQuiet()
	c := serve(t, nil, httpapi.Options{Events: q})
	watched := c.watch("/v1/events")
	<-q.began
	if err := c.server.Config.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if messages, _, _, err := watched.read(t); len(messages) != 0 || err != nil {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestAStreamThatCannotGoOnIsBrokenOff(t *testing.T) {
	log := &logged{}
	c := serve(t, nil, httpapi.Options{
		Logger: slog.New(slog.NewJSONHandler(log, nil)),
		Events: source(func(_ context.Context, _ ports.Subscription, yield func(event.Notice, error) bool) {
			if yield(moved(t, 1, "main"), nil) {
				yield(nil, errs.New(errs.ReasonUnavailable, "the journal is gone"))
			}
		}),
	})
	messages, _, _, err := c.watch("/v1/events").read(t)
	if len(messages) != 1 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v until %v", messages, err)
	}
	lines := log.lines(t, "http request")
	if len(lines) != 1 || lines[0]["level"] != "ERROR" || lines[0]["reason"] != "UNAVAILABLE" {
		t.Errorf("logged %v", lines)
	}
}

func TestMoreStreamsThanAllowedAreSentElsewhere(t *testing.T) {
	q, done := newQuiet(), make(chan struct{}, 10)
	c := serveThrough(t, httpapi.Options{Events: q, MaxEventStreams: 2}, done)
	first := c.watch("/v1/events")
	c.watch("/v1/events")
	refused := c.get("/v1/events").problem(http.StatusServiceUnavailable, "RESOURCE_EXHAUSTED")
	if refused.header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After in %v", refused.header)
	}
	<-done
	first.leave()
	<-done
	c.watch("/v1/events")
}

// serveThrough tells when a request was served and accounted for.
func serveThrough(t *testing.T, opts httpapi.Options, done chan<- struct{}) *client {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	handler := httpapi.New(nil, opts)
	server.Config = httpapi.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { done <- struct{}{} }()
		handler.ServeHTTP(w, r)
	}), "", opts)
	server.Start()
	t.Cleanup(server.Close)
	return &client{t: t, server: server, http: server.Client()}
}

// echo serves a WebSocket that repeats what it reads, with what was asked for.
func echo(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"cloudevents.json"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for {
			kind, b, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			if err := conn.Write(context.Background(), kind, append(b, r.URL.RawQuery...)); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAWebSocketIsHandedOver(t *testing.T) {
	const idle = 250 * time.Millisecond
	reg, log, done := prometheus.NewRegistry(), &logged{}, make(chan struct{}, 1)
	c := serveThrough(t, httpapi.Options{EventSocket: echo(t), IdleTimeout: idle, Registerer: reg, Logger: slog.New(slog.NewJSONHandler(log, nil))}, done)
	url := "ws" + strings.TrimPrefix(c.server.URL, "http") + "/v1/events?repository=shop&after=" + at(3).String()
	conn, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"cloudevents.json"}}) //nolint:bodyclose // it is the connection's
	if err != nil {
		t.Fatal(err)
	}
	if conn.Subprotocol() != "cloudevents.json" || resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("answered %v", resp.Header)
	}
	for range 3 {
		<-time.After(2 * idle)
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("you asked ")); err != nil {
			t.Fatal(err)
		}
		if _, b, err := conn.Read(t.Context()); err != nil || string(b) != "you asked repository=shop&after="+at(3).String() {
			t.Fatalf("read %q: %v", b, err)
		}
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
	<-done
	lines := log.lines(t, "http request")
	if len(lines) != 1 || lines[0]["status"] != 101.0 || lines[0]["level"] != "INFO" {
		t.Errorf("logged %v", lines)
	}
	wantMetric(t, reg, `gitstore_http_requests_total{method="GET",route="/v1/events",status="101"} 1`)
	if strings.Contains(metrics(reg), `duration_seconds_count{method="GET",route="/v1/events"}`) {
		t.Error("the life of a WebSocket counts as the duration of a request")
	}
}

func TestAWebSocketWithABadQueryIsRefusedBeforeItIsOne(t *testing.T) {
	c := serve(t, nil, httpapi.Options{EventSocket: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was handed over") })})
	c.get("/v1/events?token=secret", header("Upgrade", "h2c, WebSocket"), header("Connection", "Upgrade")).
		problem(http.StatusBadRequest, "INVALID_ARGUMENT").field("token")
}
