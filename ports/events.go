package ports

import (
	"context"
	"iter"

	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// EventReader reads the journal of changes. Its events are in one order, which is for each repository the order in which
// they happened. Methods may be called concurrently; beside what they list they may fail with UNAVAILABLE, CANCELED,
// DEADLINE_EXCEEDED and INTERNAL.
type EventReader interface {
	// Bounds returns where the journal begins and ends.
	Bounds(ctx context.Context) (EventBounds, error)
	// ReadEvents returns up to limit of the events behind a cursor, in order; none if there is none yet. It fails with
	// CURSOR_EXPIRED if it cannot tell what came behind the cursor: it is before Oldest, behind Newest, or of another
	// epoch. The zero cursor is where the journal begins. A limit below 1 is INVALID_ARGUMENT.
	ReadEvents(ctx context.Context, after event.Cursor, limit int) ([]event.Entry, error)
}

// EventBounds are the cursors between which the journal holds events.
type EventBounds struct {
	// Oldest is the earliest cursor that can be gone on from: events before it are dropped.
	Oldest event.Cursor
	// Newest is behind the last event. It is of the journal's epoch even if there is no event.
	Newest event.Cursor
}

// EventLog is the journal as its owner sees it.
type EventLog interface {
	EventReader
	// Append adds events at the end, next to each other and in order, and returns their cursors. It returns when they can
	// be read. If it fails, some of them, the first ones, may be there all the same. Concurrent calls do not mix.
	Append(ctx context.Context, events ...event.Event) ([]event.Cursor, error)
	// Wait returns once there is an event behind the cursor. It fails as ReadEvents does.
	Wait(ctx context.Context, after event.Cursor) error
	// StateReader tells where the journal's events, those that were dropped included, leave the refs.
	StateReader
}

// StateReader tells where refs are.
type StateReader interface {
	// States yields the state of each repository in no order: of those named, or of all if none is. Repositories that do
	// not exist are left out; one that exists and cannot be read is yielded as unreadable, so that it is not taken for one
	// that is gone, though not among all if its id cannot be read either. An error ends it.
	States(ctx context.Context, ids ...git.RepositoryID) iter.Seq2[event.RepositoryState, error]
}

// EventSource is a place to subscribe to changes.
type EventSource interface {
	// Subscribe yields what the subscription asks for: events from its cursor on and then as they happen, heartbeats with
	// the cursor while nothing happens, and a resync where events cannot be told. It goes on until the context ends, the
	// consumer breaks off or an error, which is the last it yields. Every event is told at least once, in the journal's
	// order. A malformed subscription fails with INVALID_ARGUMENT.
	Subscribe(ctx context.Context, s Subscription) iter.Seq2[event.Notice, error]
}

// Subscription says which events are wanted.
type Subscription struct {
	Filter event.Filter
	// After is where to begin. The zero cursor begins with what happens from now on, unless Resync is set.
	After event.Cursor
	// Resync asks for the present state first, where After is zero.
	Resync bool
}

type contextKey int

const (
	receiptKey contextKey = iota
	minCursorKey
)

// Receipt says where in the journal a call's effect is.
type Receipt struct {
	// Cursor is behind the events of the call's writes; for a read it is where the answer is from. It is zero if there is
	// no journal, or if it could not be reached in time: the write took effect all the same.
	Cursor event.Cursor
}

// WithReceipt returns a context whose calls leave in r where in the journal their effect is. A receipt belongs to one
// call: read it when that has returned.
//
// It travels beside the calls and not in their results because it is the journal's, which a store may well lack, and not
// Git's; decorators and adapters add it without a change to any method.
func WithReceipt(ctx context.Context, r *Receipt) context.Context {
	return context.WithValue(ctx, receiptKey, r)
}

// ReceiptOf returns the receipt to fill, nil if nobody asks for one.
func ReceiptOf(ctx context.Context) *Receipt {
	r, _ := ctx.Value(receiptKey).(*Receipt)
	return r
}

// WithMinCursor returns a context whose reads answer from a state in which everything up to the cursor has happened, or
// fail with CURSOR_EXPIRED or CURSOR_NOT_REACHED.
func WithMinCursor(ctx context.Context, c event.Cursor) context.Context {
	return context.WithValue(ctx, minCursorKey, c)
}

// MinCursor returns the cursor that a read has to have reached, zero if there is none.
func MinCursor(ctx context.Context) event.Cursor {
	c, _ := ctx.Value(minCursorKey).(event.Cursor)
	return c
}
