package catalogs

import (
	"sync"
	"sync/atomic"

	"github.com/gitstore-dev/gitstore/domain/event"
)

// signal wakes everybody who waits for a change. Take the channel first, then look, then wait.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is closed at the next raise.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// journal is how far the journal was followed: everything up to the cursor was passed on to the feeds that it concerns.
type journal struct {
	cursor atomic.Pointer[event.Cursor]
	moved  signal
	// cut reports that no events can arrive: see [Follower.SetConnected].
	cut atomic.Bool

	mu sync.Mutex
	// left holds the epochs that came before the present one.
	left map[string]bool
}

// at returns the cursor, zero before the first one.
func (j *journal) at() event.Cursor {
	if c := j.cursor.Load(); c != nil {
		return *c
	}
	return event.Cursor{}
}

// reached takes note of a cursor. One from before, as the source may repeat itself, changes nothing.
func (j *journal) reached(c event.Cursor) {
	before := j.at()
	if c.IsZero() || before.Reached(c) {
		return
	}
	if !before.IsZero() && before.Epoch() != c.Epoch() {
		j.leave(before.Epoch(), c.Epoch())
	}
	j.cursor.Store(&c)
	j.moved.raise()
}

func (j *journal) leave(old, present string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.left == nil {
		j.left = map[string]bool{}
	}
	j.left[old] = true
	delete(j.left, present)
}

// hasLeft reports whether the cursor is of an epoch that is over.
func (j *journal) hasLeft(c event.Cursor) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.left[c.Epoch()]
}
