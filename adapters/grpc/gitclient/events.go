package gitclient

import (
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

// Journal is the service's journal of changes, as its clients see it: a [ports.EventReader] to page through and a
// [ports.EventSource] to watch. It is safe for concurrent use and lives as long as its store.
type Journal struct{ client gitv1.EventServiceClient }

// Journal returns the journal of the service. Its methods fail with METHOD_NOT_FOUND if the service keeps none.
func (s *Store) Journal() *Journal { return &Journal{s.events} }

// Bounds implements [ports.EventReader].
func (j *Journal) Bounds(ctx context.Context) (ports.EventBounds, error) {
	m, err := j.client.ListEvents(ctx, wire.EncodeListEvents(event.Cursor{}, 1))
	if err != nil {
		return ports.EventBounds{}, wire.DecodeError(err)
	}
	_, bounds, err := wire.DecodeEvents(m)
	return bounds, wire.BadAnswer(err)
}

// ReadEvents implements [ports.EventReader]. It returns [wire.MaxEvents] at most, and fewer than there are where they
// would not fit a message.
func (j *Journal) ReadEvents(ctx context.Context, after event.Cursor, limit int) ([]event.Entry, error) {
	if limit < 1 {
		return nil, errs.InvalidField(errs.ReasonInvalidArgument, "limit", "the limit %d is not positive", limit)
	}
	m, err := j.client.ListEvents(ctx, wire.EncodeListEvents(after, limit))
	if err != nil {
		return nil, wire.DecodeError(err)
	}
	entries, _, err := wire.DecodeEvents(m)
	return entries, wire.BadAnswer(err)
}

// Backoff of a watch that was broken off, with full jitter. It comes on top of the connection's: both together stay below
// the 2 s within which a replica has caught up with a service that is back. An attempt without a connection costs nobody
// anything.
const (
	watchBackoff    = 100 * time.Millisecond
	maxWatchBackoff = 500 * time.Millisecond
)

// Subscribe implements [ports.EventSource]. A watch that is broken off is resumed by its cursor for as long as the
// context lasts; only errors that another try cannot mend are yielded. The parts of a resync are yielded when all have come.
func (j *Journal) Subscribe(ctx context.Context, s ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		w := &watch{client: j.client, subscription: s, backoff: watchBackoff}
		for {
			err := w.once(ctx, yield)
			switch {
			case w.left:
				return
			case ctx.Err() != nil:
				yield(nil, errs.From(ctx.Err()))
				return
			case permanent(err):
				yield(nil, err)
				return
			}
			if !pause(ctx, rand.N(w.backoff)) { //nolint:gosec // jitter is no secret
				yield(nil, errs.From(ctx.Err()))
				return
			}
			w.backoff = min(2*w.backoff, maxWatchBackoff)
		}
	}
}

// permanent reports whether a watch that failed so would fail again.
func permanent(err error) bool {
	switch errs.KindOf(err) {
	case errs.Invalid, errs.NotFound, errs.Denied, errs.Unauthenticated, errs.Precondition:
		return true
	default:
		return false
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// watch is a subscription over one stream after the other.
type watch struct {
	client       gitv1.EventServiceClient
	subscription ports.Subscription
	backoff      time.Duration
	// left reports that the consumer broke off.
	left bool
}

// once watches until the stream ends; what it returns is why, never nil unless the consumer left.
func (w *watch) once(ctx context.Context, yield func(event.Notice, error) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := w.client.WatchEvents(ctx, wire.EncodeSubscription(w.subscription))
	if err != nil {
		return wire.DecodeError(err)
	}
	var parts []event.Notice // of a resync whose last is still to come: another stream would begin it anew
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errs.New(errs.ReasonUnavailable, "the git service ended the stream of events")
		}
		if err != nil {
			return wire.DecodeError(err)
		}
		notice, err := wire.DecodeNotice(m)
		if err != nil {
			return wire.BadAnswer(err)
		}
		if notice == nil {
			continue
		}
		parts = append(parts, notice)
		if r, ok := notice.(event.Resync); ok && !r.Last() {
			continue
		}
		for _, n := range parts {
			if !yield(n, nil) {
				w.left = true
				return nil
			}
		}
		parts = parts[:0]
		w.passed(notice.At())
	}
}

// passed notes where to resume.
func (w *watch) passed(at event.Cursor) {
	w.backoff = watchBackoff
	if !at.IsZero() {
		w.subscription.After, w.subscription.Resync = at, false
	}
}

var (
	_ ports.EventReader = (*Journal)(nil)
	_ ports.EventSource = (*Journal)(nil)
)
