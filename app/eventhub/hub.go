// Package eventhub serves one journal of changes to any number of subscribers. A [Hub] keeps the last events in memory; a
// subscriber is no more than its place in the journal, which the hub looks up in memory and, where that reaches back no
// longer, in the journal. There is no queue and no goroutine for each: the journal is the buffer, and a subscriber that
// is slow costs nobody anything.
//
// [Verify] is a safety net below a subscriber: it compares what it was told with the refs.
package eventhub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

// Options of a [Hub].
type Options struct {
	// Buffer is how many events are kept in memory. 0 is 4096.
	Buffer int
	// Heartbeat is after how long without any other notice a subscriber is told its cursor, or what there is of a resync. 0
	// is 15 s.
	Heartbeat time.Duration
	// Retry is the pause before a feed that failed is asked again. It doubles while the feed brings nothing, up to 20 times
	// as long. 0 is 250 ms.
	Retry time.Duration
	// OnFeedError is told why a feed ended, before each pause; nil is nobody. It is called in the goroutine of the feed.
	OnFeedError func(error)
}

const (
	defaultBuffer    = 4096
	defaultHeartbeat = 15 * time.Second
	defaultRetry     = 250 * time.Millisecond
	// maxRetries is how many times longer than at first the pause between two tries becomes.
	maxRetries = 20
	// pageSize is how many events are read from the journal at a time.
	pageSize = 500
)

func (o Options) withDefaults() Options {
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = defaultHeartbeat
	}
	if o.Retry <= 0 {
		o.Retry = defaultRetry
	}
	if o.OnFeedError == nil {
		o.OnFeedError = func(error) {}
	}
	return o
}

// Hub is a [ports.EventSource] over a feed, which [Hub.Run] or [Hub.Follow] pumps, and the journal that the feed is of. It
// is safe for concurrent use.
type Hub struct {
	history ports.EventReader
	store   ports.RepositoryStore
	opts    Options

	mu   sync.RWMutex
	ring ring
	// changed is closed when ring has changed.
	changed chan struct{}

	subscribers atomic.Int64
	stats       counters
}

type counters struct{ events, feedErrors, historyReads, resyncs atomic.Uint64 }

// New returns a hub that knows nothing yet: subscribers wait until the feed has told it where the journal is. The history
// is the journal that the feed is of; the store holds the repositories whose refs a resync names.
func New(history ports.EventReader, store ports.RepositoryStore, opts Options) *Hub {
	opts = opts.withDefaults()
	return &Hub{history: history, store: store, opts: opts, ring: newRing(opts.Buffer), changed: make(chan struct{})}
}

// Run takes in what the feed tells until the context ends, and returns the context's error. A feed that ends is asked
// again after [Options.Retry], from where it ended. It has to be subscribed to without a filter and is told nothing but a
// cursor; what its resyncs say of refs is not kept. A hub has one feed: call either Run or Follow, once.
func (h *Hub) Run(ctx context.Context, feed ports.EventSource) error {
	return h.keep(ctx, func(ctx context.Context) error {
		for notice, err := range feed.Subscribe(ctx, ports.Subscription{After: h.Position()}) {
			if err != nil {
				return err
			}
			h.take(notice)
		}
		return errs.New(errs.ReasonUnavailable, "the feed of events ended")
	})
}

// Follow is [Hub.Run] for the process that has the journal.
func (h *Hub) Follow(ctx context.Context, log ports.EventLog) error {
	return h.keep(ctx, func(ctx context.Context) error {
		at := h.Position()
		for {
			next, err := h.read(ctx, log, at)
			if err != nil {
				return err
			}
			at = next
		}
	})
}

// read waits for events behind the cursor, takes them in and returns the cursor behind them. Where they cannot be told it
// goes on from the end.
func (h *Hub) read(ctx context.Context, log ports.EventLog, after event.Cursor) (event.Cursor, error) {
	if after.IsZero() {
		return h.restart(ctx, log)
	}
	err := log.Wait(ctx, after)
	var entries []event.Entry
	if err == nil {
		entries, err = log.ReadEvents(ctx, after, pageSize)
	}
	if errs.Is(err, errs.ReasonCursorExpired) {
		return h.restart(ctx, log)
	}
	if err != nil || len(entries) == 0 {
		return after, err
	}
	h.append(entries...)
	return entries[len(entries)-1].Cursor, nil
}

func (h *Hub) restart(ctx context.Context, log ports.EventLog) (event.Cursor, error) {
	bounds, err := log.Bounds(ctx)
	if err == nil {
		h.reset(bounds.Newest)
	}
	return bounds.Newest, err
}

// keep runs the pump again and again, with pauses that grow while it brings nothing.
func (h *Hub) keep(ctx context.Context, pump func(context.Context) error) error {
	pause := h.opts.Retry
	for {
		_, before := h.position()
		err := pump(ctx)
		if ctx.Err() != nil {
			return errs.From(ctx.Err())
		}
		h.stats.feedErrors.Add(1)
		h.opts.OnFeedError(err)
		if _, after := h.position(); after != before {
			pause = h.opts.Retry
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxRetries*h.opts.Retry)
	}
}

func (h *Hub) take(notice event.Notice) {
	switch n := notice.(type) {
	case event.Entry:
		h.append(n)
	case event.Heartbeat:
		h.advance(n.Cursor)
	case event.Resync:
		if n.Last() {
			h.reset(n.Cursor)
		}
	}
}

func (h *Hub) append(entries ...event.Entry) {
	h.change(func(r *ring) {
		for _, e := range entries {
			if r.add(e) {
				h.stats.events.Add(1)
			}
		}
	})
}

func (h *Hub) advance(to event.Cursor) { h.change(func(r *ring) { r.advance(to) }) }

func (h *Hub) reset(at event.Cursor) { h.change(func(r *ring) { r.reset(at) }) }

func (h *Hub) change(f func(*ring)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.ring)
	close(h.changed)
	h.changed = make(chan struct{})
}

// Position returns the cursor behind the newest event that the hub knows of, zero if it knows of none yet.
func (h *Hub) Position() event.Cursor {
	position, _ := h.position()
	return position
}

// position returns the cursor and what is closed when it has changed.
func (h *Hub) position() (event.Cursor, <-chan struct{}) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ring.newest, h.changed
}

// WaitFor returns when the hub's position has reached the cursor. It fails with CURSOR_EXPIRED if the cursor is of another
// epoch than the hub and the journal both are, with CURSOR_NOT_REACHED if the context's deadline passes before, and with
// CANCELED if the context is cancelled. A cursor that the journal never gave out is waited for as others are.
func (h *Hub) WaitFor(ctx context.Context, cursor event.Cursor) error {
	for {
		position, changed := h.position()
		if position.Reached(cursor) {
			return nil
		}
		if err := h.checkEpoch(ctx, position, cursor); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return notReached(ctx, cursor)
		}
	}
}

func notReached(ctx context.Context, cursor event.Cursor) error {
	err := errs.From(ctx.Err())
	if err.Kind != errs.Deadline {
		return err
	}
	return errs.Wrap(err, errs.ReasonCursorNotReached, "what happened up to "+cursor.String()+" has not arrived here yet: try again")
}

// checkEpoch tells a cursor of a journal that is gone from one of a journal that the feed has not told of yet. If the
// journal cannot be asked, the benefit of the doubt is the cursor's.
func (h *Hub) checkEpoch(ctx context.Context, position, cursor event.Cursor) error {
	if position.IsZero() || position.Epoch() == cursor.Epoch() {
		return nil
	}
	bounds, err := h.history.Bounds(ctx)
	if err != nil || bounds.Newest.Epoch() == cursor.Epoch() {
		return nil //nolint:nilerr // whoever waits finds out at the deadline
	}
	return errs.New(errs.ReasonCursorExpired, cursor.String()+" is of a journal that is gone: read without it",
		errs.MetaCursor, bounds.Newest.String())
}

// Stats are figures of a hub.
type Stats struct {
	// Subscribers is how many subscriptions are under way.
	Subscribers int
	// Buffered is how many events are in memory.
	Buffered int
	// Position is as [Hub.Position].
	Position event.Cursor
	// Events counts what the feed told, each event once; FeedErrors how often it ended; HistoryReads the pages of the
	// journal that were read for subscribers whose place was not in memory; Resyncs those that were begun.
	Events, FeedErrors, HistoryReads, Resyncs uint64
}

// Stats returns the hub's figures.
func (h *Hub) Stats() Stats {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return Stats{
		Subscribers: int(h.subscribers.Load()), Buffered: h.ring.len, Position: h.ring.newest,
		Events: h.stats.events.Load(), FeedErrors: h.stats.feedErrors.Load(),
		HistoryReads: h.stats.historyReads.Load(), Resyncs: h.stats.resyncs.Load(),
	}
}
