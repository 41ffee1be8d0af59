package gitserver

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// breakableContext is the context of a stream that ends as if its deadline had passed when it is broken off. gRPC itself
// tells a client whose stream ends while it waits for a message, and reads why from Err; a cause would not get there.
type breakableContext struct {
	context.Context
	cancel context.CancelFunc
	broken atomic.Bool
}

// breakable returns a context that [newStall] can break off.
func breakable(ctx context.Context) context.Context {
	b := &breakableContext{}
	b.Context, b.cancel = context.WithCancel(ctx)
	context.AfterFunc(ctx, b.cancel) // ctx ends with the call
	return b
}

func (b *breakableContext) Err() error {
	err := b.Context.Err()
	if err != nil && b.broken.Load() {
		return context.DeadlineExceeded
	}
	return err
}

type breakableKey struct{}

func (b *breakableContext) Value(key any) any {
	if key == (breakableKey{}) {
		return b
	}
	return b.Context.Value(key)
}

// stall breaks a stream off whose client lets it wait for too long. It is used by one goroutine at a time; a nil one does
// nothing.
type stall struct {
	ctx   *breakableContext
	timer *time.Timer
	most  time.Duration
}

var errStalled = errs.New(errs.ReasonDeadlineExceeded, "the client let the stream wait for too long: take what it sends, or send what it waits for, without long pauses")

// newStall returns the stall of a stream; nil if the stream may wait for ever. The context is the stream's.
func newStall(ctx context.Context, most time.Duration) *stall {
	b, ok := ctx.Value(breakableKey{}).(*breakableContext)
	if !ok {
		return nil
	}
	s := &stall{ctx: b, most: most}
	s.timer = time.AfterFunc(most, func() {
		b.broken.Store(true)
		b.cancel()
	})
	s.timer.Stop()
	return s
}

// begin says that the stream waits for its client, and end that it does not.
func (s *stall) begin() {
	if s != nil {
		s.timer.Reset(s.most)
	}
}

func (s *stall) end() {
	if s != nil {
		s.timer.Stop()
	}
}

// over reports whether the stream was broken off.
func (s *stall) over() bool { return s != nil && s.ctx.broken.Load() }
