package ws

import (
	"sync/atomic"

	"github.com/gitstore-dev/gitstore/domain/event"
)

// encoder encodes events, the recent ones once for all connections.
type encoder struct {
	recent [1024]atomic.Pointer[encoded]
}

type encoded struct {
	cursor  event.Cursor
	message []byte
}

// encode returns the notice's message, which is not to be written to.
func (e *encoder) encode(n event.Notice) ([]byte, error) {
	entry, ok := n.(event.Entry)
	if !ok {
		return event.MarshalNotice(n)
	}
	slot := &e.recent[entry.Cursor.Sequence()%uint64(len(e.recent))]
	if m := slot.Load(); m != nil && m.cursor == entry.Cursor {
		return m.message, nil
	}
	message, err := event.MarshalNotice(n)
	if err == nil {
		slot.Store(&encoded{entry.Cursor, message})
	}
	return message, err
}
