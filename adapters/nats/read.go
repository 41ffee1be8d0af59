package nats

import (
	"context"
	"fmt"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

// Bounds implements [ports.EventReader].
func (l *Log) Bounds(ctx context.Context) (ports.EventBounds, error) {
	p, err := l.settled(ctx)
	if err != nil {
		return ports.EventBounds{}, err
	}
	info, err := l.info(ctx, l.eventStream())
	if err != nil {
		return ports.EventBounds{}, l.lookAgain(ctx, err)
	}
	// The events of an append at work count when they are all there.
	oldest := min(max(info.State.FirstSeq, 1)-1, p.last)
	return ports.EventBounds{Oldest: event.NewCursor(p.epoch, oldest), Newest: p.cursor()}, nil
}

// lookAgain is the failure of a read, which may be that the streams are not there any more.
func (l *Log) lookAgain(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		l.unsettle()
	}
	return l.failure(ctx, err)
}

// ReadEvents implements [ports.EventReader].
func (l *Log) ReadEvents(ctx context.Context, after event.Cursor, limit int) ([]event.Entry, error) {
	if limit < 1 {
		return nil, errs.InvalidField(errs.ReasonInvalidArgument, "limit", "limit %d is below 1: ask for one event at least", limit)
	}
	p, err := l.settled(ctx)
	if err != nil {
		return nil, err
	}
	if !p.mayFollow(after) {
		return nil, p.expired(after)
	}
	entries, err := l.read(ctx, p, after, limit)
	if now := l.place(); err == nil && now.epoch != p.epoch {
		// The events may be those of another epoch under the same numbers.
		return nil, now.expired(after)
	}
	return entries, err
}

// mayFollow reports whether the cursor is of this journal and not behind its end.
func (p place) mayFollow(after event.Cursor) bool {
	return after.IsZero() || after.Epoch() == p.epoch && after.Sequence() <= p.last
}

func (p place) expired(after event.Cursor) error {
	return errs.New(errs.ReasonCursorExpired,
		fmt.Sprintf("the journal cannot tell what came behind %s: read the present state and go on from the cursor given here", after),
		errs.MetaCursor, p.cursor().String())
}

// read returns the events behind the cursor that follow each other. Where one is missing the journal has dropped it, or
// was damaged: it cannot be gone on from there.
func (l *Log) read(ctx context.Context, p place, after event.Cursor, limit int) ([]event.Entry, error) {
	var entries []event.Entry
	for from := after.Sequence() + 1; from <= p.last && len(entries) < limit; {
		page, more, err := l.fetchEvents(ctx, from, p.last, limit-len(entries))
		if err != nil {
			return nil, l.lookAgain(ctx, err)
		}
		for _, r := range page {
			if r.sequence != from && (len(entries) > 0 || !after.IsZero()) {
				return entries, p.gap(entries, after)
			}
			entry, err := decode(p.epoch, r)
			if err != nil {
				return nil, err
			}
			entries, from = append(entries, entry), r.sequence+1
		}
		if len(page) == 0 || !more {
			break
		}
	}
	if len(entries) == 0 && after.Sequence() < p.last {
		return nil, p.gap(entries, after)
	}
	return entries, nil
}

// gap is nil if there is something to read before the gap, or if the reader begins where the journal does.
func (p place) gap(entries []event.Entry, after event.Cursor) error {
	if len(entries) > 0 || after.IsZero() {
		return nil
	}
	return p.expired(after)
}

// fetchEvents returns up to n events from one sequence number to another. It reports whether there may be more.
func (l *Log) fetchEvents(ctx context.Context, from, to uint64, n int) (page []record, more bool, err error) {
	if left := to + 1 - from; left < maxPage {
		n = min(n, int(left))
	}
	page, more, err = l.fetch(ctx, l.eventStream(), everything, from, n)
	for len(page) > 0 && page[len(page)-1].sequence > to {
		page, more = page[:len(page)-1], false
	}
	return page, more, err
}

func decode(epoch string, r record) (event.Entry, error) {
	notice, err := event.UnmarshalNotice(r.data)
	entry, ok := notice.(event.Entry)
	if err != nil || !ok {
		return entry, errs.Wrap(err, errs.ReasonInternal, fmt.Sprintf("event %d of the journal cannot be read", r.sequence))
	}
	entry.Cursor = event.NewCursor(epoch, r.sequence)
	return entry, nil
}

// Wait implements [ports.EventLog]. It costs nothing while it waits.
func (l *Log) Wait(ctx context.Context, after event.Cursor) error {
	for {
		p, err := l.settled(ctx)
		if err != nil {
			return err
		}
		if found, err := l.ReadEvents(ctx, after, 1); err != nil || len(found) > 0 {
			return err
		}
		select {
		case <-p.moved:
		case <-ctx.Done():
		case <-l.closing:
		}
	}
}
