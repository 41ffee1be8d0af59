// Package memlog is a [ports.EventLog] in memory: the reference that package eventstest is checked against, and a journal
// for tests of whatever stands above the port. It keeps every promise of the port, but its data do not outlive the process.
package memlog

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// Log is a [ports.EventLog] in memory. It is safe for concurrent use.
type Log struct {
	maxEvents int

	mu    sync.Mutex
	epoch string
	// dropped is how many events are before the first of entries.
	dropped uint64
	entries []event.Entry
	states  map[git.RepositoryID]event.RepositoryState
	// grown is closed when there are more events, or when the journal was rebuilt.
	grown chan struct{}
}

// New returns an empty journal that drops nothing.
func New() *Log { return NewBounded(0) }

// NewBounded returns an empty journal that keeps the last maxEvents events; all if it is 0.
func NewBounded(maxEvents int) *Log {
	l := &Log{maxEvents: maxEvents, grown: make(chan struct{})}
	l.Rebuild()
	return l
}

// Rebuild begins a new epoch, without events and states, as a journal does whose data were lost.
func (l *Log) Rebuild() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	l.epoch, l.dropped, l.entries = hex.EncodeToString(b[:]), 0, nil
	l.states = map[git.RepositoryID]event.RepositoryState{}
	l.wake()
}

// wake ends what waits. The lock is held.
func (l *Log) wake() {
	close(l.grown)
	l.grown = make(chan struct{})
}

// Append implements [ports.EventLog].
func (l *Log) Append(ctx context.Context, events ...event.Event) ([]event.Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, errs.From(err)
	}
	cursors := make([]event.Cursor, len(events))
	for i, e := range events {
		cursors[i] = event.NewCursor(l.epoch, l.newest()+1)
		l.entries = append(l.entries, event.Entry{Cursor: cursors[i], Event: e})
		l.follow(e)
	}
	if over := len(l.entries) - l.maxEvents; l.maxEvents > 0 && over > 0 {
		l.entries = slices.Clone(l.entries[over:])
		l.dropped += uint64(over)
	}
	l.wake()
	return cursors, nil
}

// newest is the sequence number of the last event. The lock is held.
func (l *Log) newest() uint64 { return l.dropped + uint64(len(l.entries)) }

// follow brings the states behind the event. The lock is held.
func (l *Log) follow(e event.Event) {
	switch e := e.(type) {
	case event.RepositoryCreated:
		l.states[e.ID] = event.RepositoryState{ID: e.ID, CreatedAt: e.CreatedAt, Refs: map[git.RefName]git.ObjectID{}}
	case event.RepositoryDeleted:
		delete(l.states, e.ID)
	case event.RefUpdated:
		refs := l.states[e.ID].Refs
		switch {
		case refs == nil:
		case e.New.IsZero():
			delete(refs, e.Ref)
		default:
			refs[e.Ref] = e.New
		}
	}
}

// Bounds implements [ports.EventReader].
func (l *Log) Bounds(ctx context.Context) (ports.EventBounds, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return ports.EventBounds{}, errs.From(err)
	}
	return ports.EventBounds{Oldest: event.NewCursor(l.epoch, l.dropped), Newest: event.NewCursor(l.epoch, l.newest())}, nil
}

// ReadEvents implements [ports.EventReader].
func (l *Log) ReadEvents(ctx context.Context, after event.Cursor, limit int) ([]event.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit < 1 {
		return nil, errs.InvalidField(errs.ReasonInvalidArgument, "limit", "limit %d is below 1: ask for one event at least", limit)
	}
	behind, err := l.behind(ctx, after)
	if err != nil {
		return nil, err
	}
	return slices.Clone(behind[:min(limit, len(behind))]), nil
}

// behind returns the events behind the cursor. The lock is held.
func (l *Log) behind(ctx context.Context, after event.Cursor) ([]event.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.From(err)
	}
	if after.IsZero() {
		return l.entries, nil
	}
	if s := after.Sequence(); after.Epoch() != l.epoch || s < l.dropped || s > l.newest() {
		return nil, errs.New(errs.ReasonCursorExpired, fmt.Sprintf("the journal cannot tell what came behind %s: read the present state", after),
			errs.MetaCursor, event.NewCursor(l.epoch, l.newest()).String())
	}
	return l.entries[after.Sequence()-l.dropped:], nil
}

// Wait implements [ports.EventLog].
func (l *Log) Wait(ctx context.Context, after event.Cursor) error {
	for {
		l.mu.Lock()
		behind, err := l.behind(ctx, after)
		grown := l.grown
		l.mu.Unlock()
		if err != nil || len(behind) > 0 {
			return err
		}
		select {
		case <-grown:
		case <-ctx.Done():
		}
	}
}

// States implements [ports.StateReader].
func (l *Log) States(ctx context.Context, ids ...git.RepositoryID) iter.Seq2[event.RepositoryState, error] {
	return func(yield func(event.RepositoryState, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(event.RepositoryState{}, errs.From(err))
			return
		}
		for _, state := range l.copyStates(ids) {
			if !yield(state, nil) {
				return
			}
		}
	}
}

func (l *Log) copyStates(ids []git.RepositoryID) []event.RepositoryState {
	l.mu.Lock()
	defer l.mu.Unlock()
	var states []event.RepositoryState
	for id, state := range l.states {
		if len(ids) == 0 || slices.Contains(ids, id) {
			state.Refs = maps.Clone(state.Refs)
			states = append(states, state)
		}
	}
	return states
}
