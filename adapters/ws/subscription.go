package ws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

// errStopped is the end of a subscription whose consumer broke off.
var errStopped = errors.New("stopped")

// final is an error that trying again does not help against.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// subscription is one call of Subscribe, over all its connections.
type subscription struct {
	*Subscriber
	// sub is what is left to ask for: its cursor goes on with what was yielded.
	sub   ports.Subscription
	yield func(event.Notice, error) bool
	// parts are those of a resync whose last is still to come.
	parts []event.Notice
	// failures counts connections in a row over which nothing came that could be yielded.
	failures int
}

func (s *subscription) run(ctx context.Context) error {
	for {
		err := s.connect(ctx)
		switch {
		case err == errStopped: //nolint:errorlint // it is never wrapped
			return err
		case ctx.Err() != nil:
			return errs.From(ctx.Err())
		}
		down := ConnectionState{After: s.sub.After, Err: err}
		if fatal, ok := errors.AsType[final](err); ok {
			down.Err = fatal.error
			s.opts.Observe(down)
			return fatal.error
		}
		down.Retry = s.backoff(s.failures)
		s.failures++
		s.opts.Observe(down)
		if s.sleep(ctx, down.Retry) != nil {
			return errs.From(ctx.Err())
		}
	}
}

// connect makes a connection, yields what comes over it and returns why it ended.
func (s *subscription) connect(ctx context.Context) error {
	socket, err := s.dial(ctx)
	if err != nil {
		return err
	}
	s.parts = nil
	s.opts.Observe(ConnectionState{Up: true, After: s.sub.After})
	ctx, end := context.WithCancelCause(ctx)
	l := &link{socket: socket}
	var watch sync.WaitGroup
	watch.Go(func() { l.watch(ctx, end, s.opts.PingInterval, s.opts.PongTimeout) })
	defer watch.Wait()
	defer socket.CloseNow() //nolint:errcheck // nothing is lost
	defer end(nil)
	for {
		n, err := l.next(ctx)
		if err == nil {
			err = s.take(n)
		}
		if err != nil {
			return err
		}
	}
}

func (s *subscription) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.HandshakeTimeout)
	defer cancel()
	target := *s.url
	target.RawQuery = formatQuery(s.sub)
	socket, response, err := websocket.Dial(ctx, target.String(), &websocket.DialOptions{ //nolint:bodyclose // it is the library's
		HTTPClient: s.opts.HTTPClient, HTTPHeader: s.opts.Header, Subprotocols: []string{Subprotocol},
	})
	switch {
	case err != nil:
		return nil, dialFailure(response, err)
	case socket.Subprotocol() != Subprotocol:
		_ = socket.CloseNow()
		return nil, final{errs.New(errs.ReasonInvalidArgument, "the server does not speak "+Subprotocol+": check the URL")}
	}
	socket.SetReadLimit(s.opts.ReadLimit)
	return socket, nil
}

// dialFailure tells an outage from a refusal that is the caller's to mend.
func dialFailure(response *http.Response, err error) error {
	if response == nil {
		return errs.Wrap(err, errs.ReasonUnavailable, "the events cannot be reached")
	}
	failure := refused(response, err)
	switch status := response.StatusCode; {
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout,
		status == http.StatusTooEarly:
		return failure
	}
	return final{failure}
}

// refused returns the error of a problem, or of the status if the answer is none.
func refused(response *http.Response, err error) error {
	var p problem
	if response.Body != nil && json.NewDecoder(response.Body).Decode(&p) == nil && p.Reason != "" {
		refusal := errs.Wrap(err, errs.Reason(p.Reason), p.Detail)
		if p.Field != "" {
			refusal = refusal.WithMeta(errs.MetaField, p.Field)
		}
		return refusal
	}
	return errs.Wrap(err, statusReason(response.StatusCode), fmt.Sprintf("the server answered the handshake with status %d", response.StatusCode))
}

func statusReason(status int) errs.Reason {
	switch {
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests:
		return errs.ReasonUnavailable
	case status == http.StatusUnauthorized:
		return errs.ReasonUnauthenticated
	case status == http.StatusForbidden:
		return errs.ReasonPermissionDenied
	}
	return errs.ReasonInvalidArgument
}

// take yields the notice, or keeps it until the rest of it has come. A nil one is of a type that is not known.
func (s *subscription) take(n event.Notice) error {
	if n == nil {
		return nil
	}
	if r, ok := n.(event.Resync); ok {
		s.parts = append(s.parts, r)
		if !r.Last() {
			return nil
		}
		return s.tell(s.parts...)
	}
	return s.tell(n)
}

func (s *subscription) tell(notices ...event.Notice) error {
	s.parts, s.failures = nil, 0
	for _, n := range notices {
		if !s.yield(n, nil) {
			return errStopped
		}
		if at := n.At(); !at.IsZero() {
			s.sub.After = at
		}
	}
	return nil
}

// link is one connection.
type link struct {
	socket *websocket.Conn
	// reads is odd while a message is waited for, and grows with each.
	reads atomic.Uint64
}

// next returns the next notice, nil for one that is not known.
func (l *link) next(ctx context.Context) (event.Notice, error) {
	l.reads.Add(1)
	kind, message, err := l.socket.Read(ctx)
	l.reads.Add(1)
	switch {
	case err != nil:
		return nil, readFailure(ctx, err)
	case kind != websocket.MessageText:
		return nil, final{errs.New(errs.ReasonInvalidArgument, "a message is no text: the server is no publisher of events")}
	}
	n, err := event.UnmarshalNotice(message)
	if err != nil {
		return nil, final{err}
	}
	return n, nil
}

func readFailure(ctx context.Context, err error) error {
	closed, _ := errors.AsType[websocket.CloseError](err)
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return final{errs.Wrap(err, errs.ReasonMessageTooLarge, "a message is above the limit: raise ReadLimit")}
	case closed.Code == ClosePolicy:
		return final{errs.Wrap(err, errs.ReasonInvalidArgument, "the server closed the connection: "+closed.Reason)}
	case closed.Code != 0:
		return errs.Wrap(err, errs.ReasonUnavailable, fmt.Sprintf("the server closed the connection with %d: %s", int(closed.Code), closed.Reason))
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return errs.Wrap(err, errs.ReasonUnavailable, "the connection broke")
}

var errNoPong = errors.New("a ping was not answered")

// watch ends the connection if nothing comes over it, not even the answer to a ping. While the consumer is busy nothing is
// read, so then a missing answer says nothing.
func (l *link) watch(ctx context.Context, end context.CancelCauseFunc, interval, timeout time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		before := l.reads.Load()
		if before%2 == 0 {
			continue
		}
		pong, cancel := context.WithTimeout(ctx, timeout)
		err := l.socket.Ping(pong)
		cancel()
		if err != nil && l.reads.Load() == before {
			end(errNoPong)
		}
	}
}
