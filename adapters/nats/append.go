package nats

import (
	"context"
	"errors"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
)

const (
	// writerHeader says in each event which Log wrote it.
	writerHeader = "GitStore-Writer"
	// appendAttempts bounds how often an append is begun anew where another message was stored in its place.
	appendAttempts = 3
)

var errMoved = errors.New("the stream is not as far as expected")

// Append implements [ports.EventLog]. Its events are seen by readers together, behind the last of them.
func (l *Log) Append(ctx context.Context, events ...event.Event) ([]event.Cursor, error) {
	if err := l.refusal(ctx); err != nil {
		return nil, err
	}
	payloads, err := encode(events)
	if err != nil {
		return nil, err
	}
	if err := l.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer l.leaveTurn()
	before, err := l.store(ctx, events, payloads)
	if err != nil {
		l.note(ctx, err)
		return nil, l.failure(ctx, err)
	}
	return l.stored(ctx, before, events), nil
}

func encode(events []event.Event) ([][]byte, error) {
	payloads := make([][]byte, len(events))
	for i, e := range events {
		b, err := event.MarshalNotice(event.Entry{Event: e})
		if err != nil {
			return nil, errs.Wrap(err, errs.ReasonInternal, "an event cannot be written")
		}
		payloads[i] = b
	}
	return payloads, nil
}

// store appends the events and returns the place before them.
func (l *Log) store(ctx context.Context, events []event.Event, payloads [][]byte) (before place, err error) {
	for range appendAttempts {
		if before, err = l.settle(ctx); err != nil || len(events) == 0 {
			return before, err
		}
		if err = l.publish(ctx, before.last, events, payloads); !errors.Is(err, errMoved) {
			return before, err
		}
		l.unsettle()
	}
	return before, err
}

// publish sends the events and waits until they are stored behind the sequence number. It fails with errMoved if none of
// them is, because there is another event.
func (l *Log) publish(ctx context.Context, last uint64, events []event.Event, payloads [][]byte) error {
	p, err := l.publisher(len(events))
	if err != nil {
		return err
	}
	for i, e := range events {
		subject := l.opts.Stream + ".event." + e.Repository().String()
		header := natsgo.Header{writerHeader: {l.writer}}
		if err = p.send(ctx, subject, last+uint64(i), header, payloads[i]); err != nil {
			return l.finish(p, err)
		}
	}
	return l.finish(p, p.wait(ctx))
}

// finish ends a publisher. What it did not wait for is waited for by whoever comes next. It fails with errMoved if nothing
// was stored, because something else was.
func (l *Log) finish(p *publisher, err error) error {
	if p.acked < p.sent {
		l.unread = p
		return err
	}
	p.close()
	if refusedSequence(p.failed) && p.stored == 0 {
		return errMoved
	}
	return err
}

// note has the next call find out where the journal ends, and repair the server if that could not store a message: it
// then says so, or nothing at all.
func (l *Log) note(ctx context.Context, err error) {
	l.unsettle()
	_, refused := errors.AsType[*jetstream.APIError](err)
	silent := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	if refused && !refusedSequence(err) || silent {
		l.broken = true
	}
}

// stored makes the events, which the stream has, known. They are what counts: if the states cannot be brought behind
// them now, the next call does it.
func (l *Log) stored(ctx context.Context, before place, events []event.Event) []event.Cursor {
	if len(events) == 0 {
		return nil
	}
	cursors, entries := make([]event.Cursor, len(events)), make([]event.Entry, len(events))
	for i, e := range events {
		cursors[i] = event.NewCursor(before.epoch, before.last+uint64(i)+1)
		entries[i] = event.Entry{Cursor: cursors[i], Event: e}
	}
	err := l.apply(ctx, entries)
	l.moveTo(before.epoch, before.last+uint64(len(events)), err == nil)
	if err != nil {
		l.note(ctx, err)
		l.opts.Logger.WarnContext(ctx, "the states of refs are behind the events for now", "error", err)
	}
	return cursors
}
