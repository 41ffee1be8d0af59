package ws_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/adapters/ws"
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

func oid(n int) git.ObjectID { return must(git.ParseObjectID(fmt.Sprintf("%040x", n+1))) }

// moved is the nth move of the main branch of a repository.
func moved(repo string, n int) event.RefUpdated {
	return event.RefUpdated{
		Header: event.Header{ID: repoID(repo)}, Ref: must(git.BranchRef("main")), Old: oid(n), New: oid(n + 1), Commit: oid(n + 1),
	}
}

// running runs f until the test ends.
func running(t *testing.T, f func(context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
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

func (w *world) append(t *testing.T, repo string, n int) event.Cursor {
	t.Helper()
	var last event.Cursor
	for i := range n {
		last = must(w.log.Append(t.Context(), moved(repo, i)))[0]
	}
	return last
}

func (w *world) caughtUp(t *testing.T) {
	t.Helper()
	require.NoError(t, w.hub.WaitFor(t.Context(), must(w.log.Bounds(t.Context())).Newest))
}

func (w *world) cursor(sequence uint64) event.Cursor {
	return event.NewCursor(must(w.log.Bounds(context.Background())).Newest.Epoch(), sequence)
}

// repositories makes repositories with a branch each.
func (w *world) repositories(t *testing.T, ids ...string) {
	t.Helper()
	const stream = "blob\nmark :1\ndata 1\na\ncommit refs/heads/main\nmark :2\ncommitter A <a@example.com> 0 +0000\ndata 1\nx\nM 100644 :1 \"f\"\n\ndone\n"
	for _, id := range ids {
		_, err := w.store.CreateRepository(t.Context(), ports.CreateRepository{ID: repoID(id)})
		require.NoError(t, err)
		require.NoError(t, w.store.Import(t.Context(), repoID(id), strings.NewReader(stream)))
	}
}

// server is an HTTP server whose connections can be cut.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func serve(t *testing.T, handler http.Handler) *server {
	t.Helper()
	s := &server{Server: httptest.NewUnstartedServer(handler), conns: map[net.Conn]bool{}}
	s.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if state == http.StateHijacked {
			s.conns[conn] = true
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// cut cuts all connections that became WebSockets and returns how many there were since the last time.
func (s *server) cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.conns)
	for conn := range s.conns {
		_ = conn.Close()
		delete(s.conns, conn)
	}
	return n
}

// publish serves a source until the test ends.
func publish(t *testing.T, source ports.EventSource, opts ws.PublisherOptions) (*ws.Publisher, *server) {
	t.Helper()
	p := must(ws.NewPublisher(source, opts))
	s := serve(t, p)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.Shutdown(ctx)
	})
	return p, s
}

// dial connects as any client would.
func dial(t *testing.T, s *server, query string) *websocket.Conn {
	t.Helper()
	socket, _, err := websocket.Dial(t.Context(), s.URL+ws.Path+query, &websocket.DialOptions{ //nolint:bodyclose // it is the library's
		Subprotocols: []string{ws.Subprotocol}, HTTPClient: s.Client(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.CloseNow() })
	return socket
}

func receive(t *testing.T, socket *websocket.Conn) event.Notice {
	t.Helper()
	kind, message, err := socket.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, websocket.MessageText, kind)
	n, err := event.UnmarshalNotice(message)
	require.NoError(t, err)
	return n
}

// closeOf reads until the connection is closed and returns the close and the last cursor before.
func closeOf(t *testing.T, socket *websocket.Conn) (websocket.CloseError, event.Cursor) {
	t.Helper()
	var last event.Cursor
	for {
		_, message, err := socket.Read(t.Context())
		if err != nil {
			var closed websocket.CloseError
			require.ErrorAs(t, err, &closed)
			return closed, last
		}
		if at := must(event.UnmarshalNotice(message)).At(); !at.IsZero() {
			last = at
		}
	}
}

// raw is a client that speaks bytes.
type raw struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

// answer is how a handshake was answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// shake makes a handshake by hand, with headers in place of the usual ones. A client that will not read has little room for
// what it is sent.
func shake(t *testing.T, s *server, query string, header http.Header) (*raw, answer) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+ws.Path+query, nil)
	require.NoError(t, err)
	request.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"MDEyMzQ1Njc4OWFiY2RlZg=="},
	}
	for name, values := range header {
		request.Header[name] = values
		if values == nil {
			delete(request.Header, name)
		}
	}
	require.NoError(t, request.Write(conn))
	r := &raw{t, conn, bufio.NewReader(conn)}
	response, err := http.ReadResponse(r.in, request)
	require.NoError(t, err)
	defer response.Body.Close()
	a := answer{status: response.StatusCode, header: response.Header}
	if a.status != http.StatusSwitchingProtocols {
		a.body, err = io.ReadAll(response.Body)
		require.NoError(t, err)
	}
	return r, a
}

// frame is a masked frame of a payload that is declared to be so long.
func frame(first byte, declared uint64, payload string) []byte {
	b := []byte{first}
	switch {
	case declared < 126:
		b = append(b, 0x80|byte(declared))
	case declared < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(declared))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), declared)
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xa
	final   = 0x80
)

// next reads a frame.
func (r *raw) next() (op byte, payload []byte, err error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r.in, head); err != nil {
		return 0, nil, err
	}
	length := int(head[1])
	if length == 126 {
		long := make([]byte, 2)
		if _, err := io.ReadFull(r.in, long); err != nil {
			return 0, nil, err
		}
		length = int(binary.BigEndian.Uint16(long))
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(r.in, payload)
	return head[0] & 0xf, payload, err
}

// code reads until the connection is closed and returns with which code, and what kinds of frames came before.
func (r *raw) code() (code int, frames map[byte]int) {
	r.t.Helper()
	frames = map[byte]int{}
	for {
		op, payload, err := r.next()
		require.NoError(r.t, err)
		if op == opClose {
			return int(binary.BigEndian.Uint16(payload)), frames
		}
		frames[op]++
	}
}

// pulled is the notices of a subscription.
type pulled struct {
	t    *testing.T
	next func() (event.Notice, error, bool)
	stop func()
}

func pull(t *testing.T, source ports.EventSource, sub ports.Subscription) *pulled {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	next, stop := iter.Pull2(source.Subscribe(ctx, sub))
	t.Cleanup(func() { stop(); cancel() })
	return &pulled{t, next, stop}
}

func (p *pulled) notice() event.Notice {
	p.t.Helper()
	n, err, ok := p.next()
	require.NoError(p.t, err)
	require.True(p.t, ok, "the stream ended")
	return n
}

// fails returns the error that the subscription ends with, notices left out.
func (p *pulled) fails() error {
	p.t.Helper()
	for {
		_, err, ok := p.next()
		require.True(p.t, ok, "the stream ended without an error")
		if err != nil {
			return err
		}
	}
}

// entries returns the sequence numbers of the next n events, heartbeats left out.
func (p *pulled) entries(n int) []uint64 {
	p.t.Helper()
	got := []uint64{}
	for len(got) < n {
		switch notice := p.notice().(type) {
		case event.Entry:
			got = append(got, notice.Cursor.Sequence())
		case event.Resync:
			require.Fail(p.t, "there was a resync", "after %d events", len(got))
		}
	}
	return got
}

// count returns from to to, both included.
func count(from, to uint64) []uint64 {
	all := []uint64{}
	for ; from <= to; from++ {
		all = append(all, from)
	}
	return all
}

func values(pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	return "?" + q.Encode()
}
