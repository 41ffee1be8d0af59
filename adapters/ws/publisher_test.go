package ws_test

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/netip"
	"strings"
	"sync"
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

func TestAClientIsSentCloudEvents(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	_, s := publish(t, w.hub, ws.PublisherOptions{})
	socket := dial(t, s, values("repository", "shop", "ref", "refs/heads", "type", string(event.TypeRefUpdated)))
	assert.Equal(t, ws.Subprotocol, socket.Subprotocol())
	assert.Equal(t, event.Heartbeat{Cursor: w.cursor(0)}, receive(t, socket))
	w.append(t, "other", 1)
	w.append(t, "shop", 1)
	_, message, err := socket.Read(t.Context())
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(message, &got))
	assert.Equal(t, "/repositories/shop", got["source"])
	assert.Equal(t, w.cursor(2).String(), got["cursor"])
}

func TestTheQuerySaysWhereToBegin(t *testing.T) {
	w := newWorld(t, memlog.NewBounded(3), eventhub.Options{Buffer: 2})
	w.repositories(t, "shop")
	w.append(t, "shop", 5)
	w.caughtUp(t)
	_, s := publish(t, w.hub, ws.PublisherOptions{})
	assert.Equal(t, w.cursor(4), receive(t, dial(t, s, values("after", w.cursor(3).String()))).At())
	for _, query := range []string{values("resync", "true"), values("after", w.cursor(1).String()), values("after", "0123456789abcdef-1", "resync", "false")} {
		n := receive(t, dial(t, s, query))
		require.IsType(t, event.Resync{}, n, query)
		assert.Equal(t, repoID("shop"), n.(event.Resync).Repositories[0].ID)
		assert.Equal(t, w.cursor(5), n.At())
	}
}

func TestAClientWithoutASubprotocolIsServedAndOneWithOthersRefused(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	_, s := publish(t, w.hub, ws.PublisherOptions{})
	for offered, status := range map[string]int{
		"": http.StatusSwitchingProtocols, "x, CloudEvents.json": http.StatusSwitchingProtocols, "cloudevents.avro": http.StatusBadRequest,
	} {
		header := http.Header{}
		if offered != "" {
			header["Sec-Websocket-Protocol"] = []string{offered}
		}
		_, got := shake(t, s, "", header)
		assert.Equal(t, status, got.status, offered)
	}
}

// refused asserts that a handshake is answered with a problem.
func refused(t *testing.T, got answer, status int, reason errs.Reason, field string) {
	t.Helper()
	var p struct {
		Status                      int
		Reason, Field, Detail, Type string
	}
	require.NoError(t, json.Unmarshal(got.body, &p), "%s", got.body)
	assert.Equal(t, "application/problem+json", got.header.Get("Content-Type"))
	assert.Equal(t, []any{status, status, string(reason), field}, []any{got.status, p.Status, p.Reason, p.Field}, "%s", got.body)
	assert.Equal(t, "/docs/errors#"+string(reason), p.Type)
	assert.NotEmpty(t, p.Detail)
}

func TestAMalformedQueryIsAProblemThatNamesTheParameter(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	p, s := publish(t, w.hub, ws.PublisherOptions{})
	tests := []struct {
		query  string
		reason errs.Reason
		field  string
	}{
		{"?repository=../x", errs.ReasonInvalidRepositoryID, "repository"},
		{"?ref=%5B", errs.ReasonInvalidPattern, "ref"},
		{"?type=push", errs.ReasonInvalidArgument, "type"},
		{"?after=42", errs.ReasonInvalidCursor, "after"},
		{"?after=0123456789abcdef-1%27%20or%201", errs.ReasonInvalidCursor, "after"},
		{"?after=&after=", errs.ReasonInvalidArgument, "after"},
		{"?resync=yes", errs.ReasonInvalidArgument, "resync"},
		{"?repo=shop", errs.ReasonInvalidArgument, "repo"},
		{"?a=%zz", errs.ReasonInvalidArgument, ""},
		{"?" + strings.Repeat("repository=shop&", event.MaxFilter+1), errs.ReasonInvalidArgument, "repository"},
		{"?access_token=s3cret", errs.ReasonInvalidArgument, "access_token"},
		{"?token=s3cret&repository=shop", errs.ReasonInvalidArgument, "token"},
	}
	for _, test := range tests {
		_, got := shake(t, s, test.query, nil)
		refused(t, got, http.StatusBadRequest, test.reason, test.field)
	}
	assert.Equal(t, ws.PublisherStats{Refused: uint64(len(tests))}, p.Stats())
}

func TestWhatIsNoHandshakeIsAProblem(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	_, s := publish(t, w.hub, ws.PublisherOptions{})
	for name, test := range map[string]struct {
		header http.Header
		status int
	}{
		"no upgrade":        {http.Header{"Upgrade": nil}, http.StatusUpgradeRequired},
		"of something else": {http.Header{"Upgrade": {"h2c"}}, http.StatusUpgradeRequired},
		"an old version":    {http.Header{"Sec-Websocket-Version": {"8"}}, http.StatusBadRequest},
		"no key":            {http.Header{"Sec-Websocket-Key": nil}, http.StatusBadRequest},
		"a short key":       {http.Header{"Sec-Websocket-Key": {"YQ=="}}, http.StatusBadRequest},
	} {
		_, got := shake(t, s, "", test.header)
		t.Log(name)
		refused(t, got, test.status, errs.ReasonInvalidArgument, "")
	}
}

func TestAForeignOriginIsRefused(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	_, s := publish(t, w.hub, ws.PublisherOptions{OriginPatterns: []string{"*.shop.example", "https://good.example"}})
	own := "http://" + s.Listener.Addr().String()
	for origin, allowed := range map[string]bool{
		"": true, own: true, "https://www.shop.example": true, "https://good.example": true,
		"https://evil.example": false, "null": false, "https://good.example.evil": false, "http://good.example": false,
		"https://shop.example": false, "https://www.shop.example.evil": false, "https://evil.example/good.example": false, "://": false,
		own + ".evil": false,
	} {
		header := http.Header{}
		if origin != "" {
			header["Origin"] = []string{origin}
		}
		_, got := shake(t, s, "", header)
		if allowed {
			assert.Equal(t, http.StatusSwitchingProtocols, got.status, origin)
			continue
		}
		t.Log(origin)
		refused(t, got, http.StatusForbidden, errs.ReasonPermissionDenied, "Origin")
	}
	for _, pattern := range []string{"https://*.shop.example", "*://good.example", "localhost:*", `\[::1\]:8080`, "shop[0-9].example", "192.0.2.?"} {
		_, err := ws.NewPublisher(w.hub, ws.PublisherOptions{OriginPatterns: []string{pattern}})
		assert.NoError(t, err, pattern)
	}
	for _, pattern := range []string{
		"*", "", "[", "*://*", "https://*", "*:*", "http://x/y", "x/y", "http://", "://x", "http://user@x", "a b", "x?y=z#", "http://x#y", "bücher.example",
	} {
		_, err := ws.NewPublisher(w.hub, ws.PublisherOptions{OriginPatterns: []string{pattern}})
		assert.Equal(t, errs.ReasonInvalidArgument, errs.ReasonOf(err), pattern)
	}
}

func TestConnectionsAreLimitedInAllAndForEachPeer(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	for status, opts := range map[int]ws.PublisherOptions{
		http.StatusServiceUnavailable: {MaxConnections: 2, MaxConnectionsPerPeer: -1},
		http.StatusTooManyRequests:    {MaxConnections: -1, MaxConnectionsPerPeer: 2},
	} {
		p, s := publish(t, w.hub, opts)
		first := dial(t, s, "")
		dial(t, s, "")
		_, got := shake(t, s, "", nil)
		refused(t, got, status, errs.ReasonResourceExhausted, "")
		assert.NotEmpty(t, got.header.Get("Retry-After"))
		_ = first.Close(websocket.StatusNormalClosure, "")
		require.Eventually(t, func() bool { return p.Stats().Connections == 1 }, time.Minute, time.Millisecond)
		dial(t, s, "")
	}
}

func TestAPeerIsAnAddressOrANetwork(t *testing.T) {
	for remote, want := range map[string]netip.Prefix{
		"192.0.2.1:80":             netip.MustParsePrefix("192.0.2.1/32"),
		"[::ffff:192.0.2.1]:80":    netip.MustParsePrefix("192.0.2.1/32"),
		"[2001:db8:1:2:3::4]:80":   netip.MustParsePrefix("2001:db8:1:2::/64"),
		"[fe80::1%eth0]:80":        netip.MustParsePrefix("fe80::/64"),
		"@":                        {},
		"":                         {},
		"example.com:80":           {},
		"192.0.2.1, 198.51.100.1:": {},
	} {
		assert.Equal(t, want, ws.PeerOf(remote), remote)
	}
}

func TestMalformedFramesAreAnsweredWithTheirCode(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	p, s := publish(t, w.hub, ws.PublisherOptions{})
	fast := dial(t, s, "")
	receive(t, fast)
	for name, test := range map[string]struct {
		bytes []byte
		code  int
	}{
		"a message":                {frame(final|opText, 2, "hi"), 1008},
		"a binary message":         {frame(final|0x2, 1, "\x00"), 1008},
		"an oversized message":     {frame(final|opText, 33<<10, strings.Repeat("x", 33<<10)), 1009},
		"1 GiB declared":           {frame(final|opText, 1<<30, strings.Repeat("x", 8<<10)), 1009},
		"2^63 declared":            {frame(final|opText, 1<<63, "x"), 1002},
		"text that is not UTF-8":   {frame(final|opText, 2, "\xff\xfe"), 1007},
		"an unmasked frame":        {[]byte{final | opText, 2, 'h', 'i'}, 1002},
		"a compressed frame":       {frame(final|0x40|opText, 2, "hi"), 1002},
		"an unknown opcode":        {frame(final|0x3, 0, ""), 1002},
		"a continuation of none":   {frame(final, 1, "x"), 1002},
		"a fragmented ping":        {frame(opPing, 1, "x"), 1002},
		"a ping that is too long":  {frame(final|opPing, 126, strings.Repeat("x", 126)), 1002},
		"fragments without an end": {append(frame(opText, 1, "x"), strings.Repeat(string(frame(0, 1, "x")), 5000)...), 1009},
		"a close of a bad code":    {frame(final|opClose, 2, "\x03\xed"), 1002},
	} {
		r, _ := shake(t, s, "", nil)
		_, _ = r.Write(test.bytes) // the answer may come before the end
		code, _ := r.code()
		assert.Equal(t, test.code, code, name)
		_ = r.Close()
	}
	w.append(t, "shop", 1)
	assert.Equal(t, w.cursor(1), receive(t, fast).At(), "nobody else was disturbed")
	require.Eventually(t, func() bool { return p.Stats().Connections == 1 }, time.Minute, time.Millisecond)
}

func TestPingsAreAnsweredUntilTheyAreAFlood(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	_, s := publish(t, w.hub, ws.PublisherOptions{})
	for _, op := range []byte{opPing, opPong} {
		r, _ := shake(t, s, "", nil)
		_, _ = r.Write([]byte(strings.Repeat(string(frame(final|op, 1, "x")), 10_000)))
		code, frames := r.code()
		assert.Equal(t, 1008, code)
		assert.LessOrEqual(t, frames[opPong], 100)
		_ = r.Close()
	}
}

func TestAClientThatNeverReadsIsCutAndAFastOneGetsEverything(t *testing.T) {
	const slow, events = 100, 2500
	w := newWorld(t, memlog.New(), eventhub.Options{Buffer: 256})
	p, s := publish(t, w.hub, ws.PublisherOptions{WriteTimeout: 250 * time.Millisecond, MaxConnectionsPerPeer: -1})
	for range slow {
		shake(t, s, "", nil)
	}
	fast := pull(t, must(ws.NewSubscriber(s.URL, ws.SubscriberOptions{})), ports.Subscription{})
	fast.notice()
	w.append(t, "shop", events)
	assert.Equal(t, count(1, events), fast.entries(events))
	require.Eventually(t, func() bool { return p.Stats().Connections <= 1 }, time.Minute, time.Millisecond)
	assert.GreaterOrEqual(t, p.Stats().Slow, uint64(slow))
	require.Eventually(t, func() bool { return w.hub.Stats().Subscribers <= 1 }, time.Minute, time.Millisecond)
}

func TestASlowClientIsToldToResume(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	p, s := publish(t, w.hub, ws.PublisherOptions{})
	p.Took(time.Hour)
	closed, last := closeOf(t, dial(t, s, ""))
	assert.Equal(t, websocket.CloseError{Code: ws.CloseSlow, Reason: "resume after " + last.String()}, closed)
	assert.Equal(t, w.cursor(0), last)
}

func TestAClientThatDoesNotAnswerPingsIsToldToResume(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	p, s := publish(t, w.hub, ws.PublisherOptions{PingInterval: 20 * time.Millisecond})
	r, _ := shake(t, s, "", nil)
	require.Eventually(t, func() bool { return p.Stats().Slow == 1 }, time.Minute, time.Millisecond)
	code, frames := r.code()
	assert.Equal(t, 1013, code)
	assert.Equal(t, 1, frames[opText])
}

// ending is a source that fails.
type ending struct{ err error }

func (e ending) Subscribe(context.Context, ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		if e.err != nil {
			yield(nil, e.err)
		}
	}
}

func TestTheCodeSaysWhetherToResume(t *testing.T) {
	for reason, want := range map[errs.Reason]websocket.CloseError{
		errs.ReasonUnavailable:       {Code: ws.CloseSlow, Reason: "resume"},
		errs.ReasonQueueFull:         {Code: ws.CloseSlow, Reason: "resume"},
		errs.ReasonInternal:          {Code: ws.CloseInternal, Reason: "resume"},
		errs.ReasonRepositoryCorrupt: {Code: ws.CloseInternal, Reason: "resume"},
		errs.ReasonCanceled:          {Code: ws.CloseGoingAway, Reason: "resume"},
		errs.ReasonInvalidPattern:    {Code: ws.ClosePolicy, Reason: strings.Repeat("x", 122)},
	} {
		_, s := publish(t, ending{errs.New(reason, strings.Repeat("x", 122)+"é")}, ws.PublisherOptions{})
		closed, _ := closeOf(t, dial(t, s, ""))
		assert.Equal(t, want, closed, reason)
	}
	_, s := publish(t, ending{}, ws.PublisherOptions{})
	closed, _ := closeOf(t, dial(t, s, ""))
	assert.Equal(t, ws.CloseSlow, closed.Code)
}

func TestShutdownTellsEverybodyToResumeAndWaitsForThem(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	p, s := publish(t, w.hub, ws.PublisherOptions{})
	w.append(t, "shop", 3)
	w.caughtUp(t)
	var wg sync.WaitGroup
	for range 10 {
		socket := dial(t, s, "")
		receive(t, socket)
		wg.Go(func() {
			closed, _ := closeOf(t, socket)
			assert.Equal(t, websocket.CloseError{Code: ws.CloseGoingAway, Reason: "resume after " + w.cursor(3).String()}, closed)
		})
	}
	require.NoError(t, p.Shutdown(t.Context()))
	assert.Zero(t, p.Stats().Connections)
	wg.Wait()
	_, got := shake(t, s, "", nil)
	refused(t, got, http.StatusServiceUnavailable, errs.ReasonDraining, "")
	require.NoError(t, p.Shutdown(t.Context()), "again")
}

func TestShutdownCutsThoseThatDoNotGo(t *testing.T) {
	w := newWorld(t, memlog.New(), eventhub.Options{})
	p, s := publish(t, w.hub, ws.PublisherOptions{WriteTimeout: time.Hour})
	shake(t, s, "", nil)
	w.append(t, "shop", 2000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, errs.ReasonCanceled, errs.ReasonOf(p.Shutdown(ctx)))
	assert.Zero(t, p.Stats().Connections)
}
