package gitserver

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

// breakableContext is the context of a stream that ends as if its deadline had passed when it is broken off. gRPC itself
// tells a client whose stream ends while it waits for a message, and reads why from Err; a cause would not get there.
type breakableContext struct {
	context.Context
	cancel context.CancelFunc
	// why is nil until the stream is broken off.
	why atomic.Pointer[errs.Error]
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
	if err != nil && b.why.Load() != nil {
		return context.DeadlineExceeded
	}
	return err
}

// statusDetails is the trailer with what is told of a failure beside its code (grpc-status-details-bin, which gRPC sends as it is
// set where it has none itself).
const statusDetails = "grpc-status-details-bin"

// breakOff ends the stream with an error of DEADLINE_EXCEEDED. gRPC answers what waits for the client, and knows nothing of
// why: the trailer tells.
func (b *breakableContext) breakOff(stream grpc.ServerStream, why *errs.Error) {
	if !b.why.CompareAndSwap(nil, why) {
		return
	}
	if details, err := proto.Marshal(status.Convert(wire.EncodeError(why)).Proto()); err == nil {
		stream.SetTrailer(metadata.Pairs(statusDetails, string(details)))
	}
	b.cancel()
}

// breakableOf returns the context of a stream that can be broken off; nil if this one cannot.
func breakableOf(ctx context.Context) *breakableContext {
	b, _ := ctx.Value(breakableKey{}).(*breakableContext)
	return b
}

// told returns the error of a stream whose handler ended with err.
func (b *breakableContext) told(stream grpc.ServerStream, err error) error {
	if b == nil {
		return err
	}
	why := b.why.Load()
	switch {
	case why == nil:
		return err
	case err != nil:
		return why
	}
	stream.SetTrailer(metadata.Pairs(statusDetails, "")) // it was whole by then: of several gRPC reads none
	return nil
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
	timer *time.Timer
	most  time.Duration
}

var errStalled = errs.New(errs.ReasonDeadlineExceeded, "the client let the stream wait for too long: take what it sends, or send what it waits for, without long pauses")

// newStall returns the stall of a stream; nil if the stream may wait for ever. The context is the stream's.
func newStall(stream grpc.ServerStream, most time.Duration) *stall {
	b := breakableOf(stream.Context())
	if b == nil {
		return nil
	}
	s := &stall{most: most, timer: time.AfterFunc(most, func() { b.breakOff(stream, errStalled) })}
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
