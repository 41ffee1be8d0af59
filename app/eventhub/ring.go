package eventhub

import (
	"sort"

	"github.com/gitstore-dev/gitstore/domain/event"
)

// ring holds the last events of one epoch, in order and without a gap: it has every event between base and newest.
type ring struct {
	entries []event.Entry
	// first is where the oldest entry is, and len how many there are.
	first, len int
	// base is where the ring begins: behind the last event that it does not hold.
	base event.Cursor
	// newest is zero until anything is known.
	newest event.Cursor
}

func newRing(size int) ring { return ring{entries: make([]event.Entry, size)} }

func (r *ring) at(i int) *event.Entry { return &r.entries[(r.first+i)%len(r.entries)] }

// reset begins anew at a cursor behind which nothing is known.
func (r *ring) reset(at event.Cursor) {
	clear(r.entries)
	r.first, r.len, r.base, r.newest = 0, 0, at, at
}

// add appends the event, unless it is there already, and reports whether it did. An event of an epoch that nobody
// announced may have others before it that the ring has not: it begins behind the event.
func (r *ring) add(e event.Entry) bool {
	if r.newest.Epoch() != e.Cursor.Epoch() {
		r.reset(e.Cursor)
		return true
	}
	if r.newest.Reached(e.Cursor) {
		return false
	}
	if r.len == len(r.entries) {
		r.base = r.at(0).Cursor
		r.first = (r.first + 1) % len(r.entries)
		r.len--
	}
	*r.at(r.len) = e
	r.len++
	r.newest = e.Cursor
	return true
}

// advance notes that there is no further event up to the cursor.
func (r *ring) advance(to event.Cursor) {
	switch {
	case r.newest.Epoch() != to.Epoch():
		r.reset(to)
	case !r.newest.Reached(to):
		r.newest = to
	}
}

// holds reports whether the ring has every event behind the cursor.
func (r *ring) holds(c event.Cursor) bool {
	return r.newest.Reached(c) && c.Reached(r.base)
}

// read copies the next events behind a cursor that the ring holds, and returns how many.
func (r *ring) read(after event.Cursor, to []event.Entry) int {
	from := sort.Search(r.len, func(i int) bool { return !after.Reached(r.at(i).Cursor) })
	n := min(r.len-from, len(to))
	for i := range n {
		to[i] = *r.at(from + i)
	}
	return n
}
