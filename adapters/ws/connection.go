package ws

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

// closing is why a connection ends.
type closing struct {
	code websocket.StatusCode
	// reason is what the client is told; "" tells it to resume.
	reason string
	err    error
}

func (c *closing) Error() string { return c.reason }

func (c *closing) Unwrap() error { return c.err }

var (
	errGoingAway = &closing{code: CloseGoingAway}
	errSlow      = &closing{code: CloseSlow}
	errPings     = &closing{code: ClosePolicy, reason: "too many pings"}
	errMessage   = &closing{code: ClosePolicy, reason: "clients send no messages"}
	errTooBig    = &closing{code: websocket.StatusMessageTooBig, reason: "clients send no messages"}
	errNotUTF8   = &closing{code: websocket.StatusInvalidFramePayloadData, reason: "text is UTF-8"}
)

// connection is one that is served. One goroutine sends, one receives and one pings; the first to fail ends it.
type connection struct {
	publisher *Publisher
	// end ends the connection for a reason, which is a *closing; only the first counts.
	end    context.CancelCauseFunc
	socket *websocket.Conn
	// reached is the last cursor that was sent.
	reached event.Cursor
	// pings is for whoever receives.
	pings budget

	mu     sync.Mutex
	raw    net.Conn
	wasCut bool
}

// own takes over the network connection.
func (c *connection) own(raw net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = raw
	if c.wasCut {
		_ = raw.Close()
	}
}

// cut ends the connection without a word. The library's ways to do so wait for a close that is under way.
func (c *connection) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wasCut = true
	if c.raw != nil {
		_ = c.raw.Close()
	}
}

// run serves the connection until the context ends. No write or read has that context, since the library drops a
// connection whose write or read is cancelled, and there would be no close to be read.
func (c *connection) run(ctx context.Context, sub ports.Subscription) {
	var others sync.WaitGroup
	others.Go(func() { c.end(c.receive()) })
	others.Go(func() { c.keepAlive(ctx) })
	sent := c.send(ctx, sub)
	c.end(sent)
	c.farewell(c.verdict(ctx, sent))
	others.Wait()
}

// send sends what the source tells, and returns why it stopped.
func (c *connection) send(ctx context.Context, sub ports.Subscription) error {
	for n, err := range c.publisher.source.Subscribe(ctx, sub) {
		if err == nil {
			err = c.write(n)
		}
		if err != nil {
			return err
		}
	}
	return errs.New(errs.ReasonUnavailable, "the source ended")
}

// write sends one message. A client that took too long for it is slow even if it took it in the end, but only then can
// it be told so: a message that is not whole leaves no room for a close.
func (c *connection) write(n event.Notice) error {
	message, err := c.publisher.encoder.encode(n)
	if err != nil {
		return err
	}
	patience := c.publisher.opts.WriteTimeout
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if err := c.socket.Write(ctx, websocket.MessageText, message); err != nil {
		if ctx.Err() != nil {
			return errSlow
		}
		return &closing{code: websocket.StatusProtocolError, reason: "the connection broke", err: err}
	}
	c.publisher.messages.Add(1)
	if at := n.At(); !at.IsZero() {
		c.reached = at
	}
	if ctx.Err() != nil || c.publisher.since(begin) > patience {
		return errSlow
	}
	return nil
}

// receive handles control frames until the connection ends, and returns why it does: a client sends no messages.
func (c *connection) receive() error {
	kind, message, err := c.socket.Reader(context.Background())
	if err != nil {
		return &closing{code: websocket.StatusProtocolError, reason: "a frame is malformed", err: err}
	}
	defer time.AfterFunc(c.publisher.opts.WriteTimeout, c.cut).Stop()
	content, err := io.ReadAll(message)
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return errTooBig
	case err != nil:
		return &closing{code: websocket.StatusProtocolError, reason: "a frame is malformed", err: err}
	case kind == websocket.MessageText && !utf8.Valid(content):
		return errNotUTF8
	}
	return errMessage
}

// keepAlive ends the connection if the client does not answer a ping.
func (c *connection) keepAlive(ctx context.Context) {
	interval := c.publisher.opts.PingInterval
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		pong, cancel := context.WithTimeout(context.Background(), interval)
		if err := c.socket.Ping(pong); err != nil {
			c.end(errSlow)
		}
		cancel()
	}
}

// The budget of pings: those that clients need, with room.
const (
	maxPings     = 20
	pingsRegrown = time.Second
)

// onPing answers a ping unless there were too many. It runs in receive.
func (c *connection) onPing(context.Context, []byte) bool {
	if c.pings.spend(time.Now()) {
		return true
	}
	c.end(errPings)
	return false
}

func (c *connection) onPong(ctx context.Context, payload []byte) { c.onPing(ctx, payload) }

// budget grows by one a time until it is full. The zero value is full.
type budget struct {
	spent int
	since time.Time
}

func (b *budget) spend(now time.Time) bool {
	regrown := int(min(now.Sub(b.since)/pingsRegrown, maxPings))
	if b.spent <= regrown {
		b.spent, b.since = 0, now
	} else if regrown > 0 {
		b.spent -= regrown
		b.since = b.since.Add(time.Duration(regrown) * pingsRegrown)
	}
	b.spent++
	return b.spent <= maxPings
}

// farewell closes the connection with what it ended for.
func (c *connection) farewell(why *closing) {
	if why == errSlow {
		c.publisher.slow.Add(1)
	}
	reason := why.reason
	if reason == "" {
		reason = "resume"
		if !c.reached.IsZero() {
			reason += " after " + c.reached.String()
		}
	}
	_ = c.socket.Close(why.code, reason) // whether the client has it is seen when it comes back
}

// verdict returns why the connection ends: what one of its goroutines or the publisher said, or what the source failed
// with. A write that took too long ends reading as well, which may be noticed first.
func (c *connection) verdict(ctx context.Context, sent error) *closing {
	cause := context.Cause(ctx)
	if sent == error(errSlow) { //nolint:errorlint // it is never wrapped
		cause = sent
	}
	if why, ok := errors.AsType[*closing](cause); ok {
		return why
	}
	err := errs.From(cause)
	switch err.Kind {
	case errs.Canceled:
		return errGoingAway
	case errs.Unavailable, errs.Exhausted, errs.Deadline:
		return &closing{code: CloseSlow, err: err}
	case errs.Invalid:
		return &closing{code: ClosePolicy, reason: shorten(err.Error()), err: err}
	}
	c.publisher.opts.Logger.LogAttrs(ctx, slog.LevelError, "events cannot be served", slog.Any("error", cause))
	return &closing{code: CloseInternal, err: err}
}

// maxCloseReason is the most bytes that a close frame has room for behind its code.
const maxCloseReason = 123

func shorten(reason string) string {
	for len(reason) > maxCloseReason {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	return reason
}
