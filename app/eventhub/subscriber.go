package eventhub

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

const (
	// batch is how many events a subscriber takes from memory at a time.
	batch = 32
	// maxPassedOver is how many events that the filter leaves out are passed over until the subscriber is told its cursor.
	maxPassedOver = 1000
)

// errStopped is the end of a subscription whose consumer broke off.
var errStopped = errors.New("stopped")

// Subscribe implements [ports.EventSource]. The subscription begins when the hub knows its position, which it then tells
// by a heartbeat as soon as it has told all that is known: the subscriber has caught up. If the journal or the store fails
// on the way, the subscription ends with that error; subscribe again from the last cursor. The end of the context is an
// error as well, CANCELED or DEADLINE_EXCEEDED.
//
// Resyncs come when the journal answers CURSOR_EXPIRED, which is also how a rebuilt journal shows. The events of a
// repository that was deleted while it was listed tell so.
func (h *Hub) Subscribe(ctx context.Context, s ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		h.subscribers.Add(1)
		defer h.subscribers.Add(-1)
		sub := &subscriber{hub: h, filter: s.Filter, yield: yield}
		defer sub.stop()
		if err := sub.run(ctx, s); err != errStopped { //nolint:errorlint // it is never wrapped
			yield(nil, err)
		}
	}
}

// subscriber is a place in the journal.
type subscriber struct {
	hub    *Hub
	filter event.Filter
	yield  func(event.Notice, error) bool

	// at is the place: everything before it was told or passed over.
	at event.Cursor
	// passed is how many events were passed over since the subscriber was told a cursor.
	passed int
	// caughtUp reports that the subscriber was told so.
	caughtUp bool
	// awaited reports that the journal has nothing behind at, which the hub has not reached yet.
	awaited bool
	// last is when anything was told.
	last  time.Time
	timer *time.Timer
}

func (s *subscriber) run(ctx context.Context, sub ports.Subscription) error {
	if err := s.begin(ctx, sub); err != nil {
		return err
	}
	var buffer [batch]event.Entry
	for {
		if err := ctx.Err(); err != nil {
			return errs.From(err)
		}
		if err := s.step(ctx, buffer[:]); err != nil {
			return err
		}
	}
}

func (s *subscriber) begin(ctx context.Context, sub ports.Subscription) error {
	position, err := s.hub.known(ctx)
	switch {
	case err != nil:
		return err
	case !sub.After.IsZero():
		s.at = sub.After
		return nil
	case sub.Resync:
		return s.resync(ctx)
	}
	s.at = position
	return nil
}

// known waits until the hub has a position.
func (h *Hub) known(ctx context.Context) (event.Cursor, error) {
	for {
		position, changed := h.position()
		if !position.IsZero() {
			return position, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return position, errs.From(ctx.Err())
		}
	}
}

// step tells the next events, or waits for some.
func (s *subscriber) step(ctx context.Context, buffer []event.Entry) error {
	v := s.hub.look(s.at, buffer)
	switch {
	case v.held:
		s.awaited = false
		if err := s.deliver(ctx, buffer[:v.n]); err != nil || v.n > 0 {
			return err
		}
		s.at = v.position
		return s.rest(ctx, v.changed)
	case s.awaited && s.at.Epoch() == v.position.Epoch() && !v.position.Reached(s.at):
		return s.rest(ctx, v.changed)
	}
	return s.page(ctx, v.changed)
}

// view is what the hub has at one moment.
type view struct {
	position event.Cursor
	// held reports that memory has all events behind the place that was looked up, n of which were copied.
	held    bool
	n       int
	changed <-chan struct{}
}

func (h *Hub) look(at event.Cursor, buffer []event.Entry) view {
	h.mu.RLock()
	defer h.mu.RUnlock()
	v := view{position: h.ring.newest, changed: h.changed, held: h.ring.holds(at)}
	if v.held {
		v.n = h.ring.read(at, buffer)
	}
	return v
}

// page tells events from the journal. If it has none, the hub has yet to reach the place that the subscriber is at.
func (s *subscriber) page(ctx context.Context, changed <-chan struct{}) error {
	s.hub.stats.historyReads.Add(1)
	entries, err := s.hub.history.ReadEvents(ctx, s.at, pageSize)
	switch {
	case errs.Is(err, errs.ReasonCursorExpired):
		return s.resync(ctx)
	case err != nil:
		return err
	case len(entries) == 0:
		s.awaited = true
		return s.rest(ctx, changed)
	}
	s.awaited = false
	return s.deliver(ctx, entries)
}

// deliver tells those of the events that the filter selects.
func (s *subscriber) deliver(ctx context.Context, entries []event.Entry) error {
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return errs.From(err)
		}
		s.at = e.Cursor
		if err := s.deliverOne(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *subscriber) deliverOne(e event.Entry) error {
	if s.filter.Match(e.Event) {
		return s.tell(e)
	}
	if s.passed++; s.passed >= maxPassedOver {
		return s.tell(event.Heartbeat{Cursor: s.at})
	}
	return nil
}

// tell yields a notice. The rest of the subscription is over if it fails.
func (s *subscriber) tell(n event.Notice) error {
	if !s.yield(n, nil) {
		return errStopped
	}
	s.passed, s.last = 0, time.Now()
	return nil
}

// rest waits for a change, or tells where the subscriber is when it is time to.
func (s *subscriber) rest(ctx context.Context, changed <-chan struct{}) error {
	if !s.caughtUp {
		s.caughtUp = true
		return s.tell(event.Heartbeat{Cursor: s.at})
	}
	s.wake(s.hub.opts.Heartbeat - time.Since(s.last))
	select {
	case <-changed:
		return nil
	case <-s.timer.C:
		return s.tell(event.Heartbeat{Cursor: s.at})
	case <-ctx.Done():
		return errs.From(ctx.Err())
	}
}

func (s *subscriber) wake(after time.Duration) {
	if s.timer == nil {
		s.timer = time.NewTimer(after)
		return
	}
	s.timer.Reset(after)
}

func (s *subscriber) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// resync tells the present state. The journal's end is taken before the refs are listed, so that what happens meanwhile
// is told again behind it and nothing is missed.
func (s *subscriber) resync(ctx context.Context) error {
	s.hub.stats.resyncs.Add(1)
	bounds, err := s.hub.history.Bounds(ctx)
	if err != nil {
		return err
	}
	// A part is told when the next one is complete.
	if err := tellState(state(ctx, s.hub.store, s.filter, s.hub.opts.Heartbeat/2), bounds.Newest, s.tell); err != nil {
		return err
	}
	s.at, s.caughtUp, s.awaited = bounds.Newest, false, false
	return nil
}
