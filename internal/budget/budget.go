// Package budget bounds the memory that the requests of a service hold together.
package budget

import (
	"sync/atomic"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// Memory counts the bytes that all requests hold at the moment. Its fields are set before it is used; it is safe for concurrent
// use then, and is not copied.
type Memory struct {
	// Limit is for all requests together, in bytes; those that hold no more than Small each may take twice of it, so that they
	// go on while larger ones are refused.
	Limit, Small int64
	// Refusal says what a request is told that is refused.
	Refusal string

	used atomic.Int64
}

// Used is how many bytes are held.
func (m *Memory) Used() int64 { return m.used.Load() }

// Hold is what one request holds of a [Memory]. It is used by one goroutine at a time.
type Hold struct {
	Memory *Memory
	bytes  int64
}

// Take counts more bytes, and does not wait for them. It fails with QUEUE_FULL, and counts nothing then.
func (h *Hold) Take(bytes int64) error {
	limit := h.Memory.Limit
	if h.bytes+bytes <= h.Memory.Small {
		limit *= 2
	}
	if h.Memory.used.Add(bytes) > limit {
		h.Memory.used.Add(-bytes)
		return errs.New(errs.ReasonQueueFull, h.Memory.Refusal)
	}
	h.bytes += bytes
	return nil
}

// Give takes bytes back off the count.
func (h *Hold) Give(bytes int64) {
	h.bytes -= bytes
	h.Memory.used.Add(-bytes)
}

// Release takes back all.
func (h *Hold) Release() { h.Give(h.bytes) }
