package httpapi

import (
	"sync/atomic"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

const (
	// smallJSON is what a request may hold, in bytes, while those with more are refused already: what a body of 1 MiB takes that is
	// read whole.
	smallJSON = wholeJSON << 20
	// wholeJSON is how many bytes are counted for each of a body that is read whole: the text, its buffer, and the values.
	wholeJSON = 3
)

// jsonMemory counts the bytes that the JSON bodies of all requests hold in memory at the moment.
type jsonMemory struct {
	used atomic.Int64
	// limit is for all requests together; those that hold no more than [smallJSON] may take twice of it.
	limit int64
}

// jsonHold is what one request holds of a [jsonMemory].
type jsonHold struct {
	memory *jsonMemory
	bytes  int64
}

// take counts more bytes, and does not wait for them. It fails with QUEUE_FULL.
func (h *jsonHold) take(bytes int64) error {
	limit := h.memory.limit
	if h.bytes+bytes <= smallJSON {
		limit *= 2
	}
	if h.memory.used.Add(bytes) > limit {
		h.memory.used.Add(-bytes)
		return errs.New(errs.ReasonQueueFull,
			"the JSON of other requests takes all the memory that is for it: try again in a moment, and send a large file by a PUT of its own")
	}
	h.bytes += bytes
	return nil
}

// give takes bytes back off the count.
func (h *jsonHold) give(bytes int64) {
	h.bytes -= bytes
	h.memory.used.Add(-bytes)
}

// release takes back all.
func (h *jsonHold) release() { h.give(h.bytes) }
