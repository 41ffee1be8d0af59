package gitserver

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/budget"
)

const (
	defaultMaxRequestMemory = 1 << 30
	// smallRequest is what a request may take, in bytes, while those that take more are refused already.
	smallRequest = 64 << 10
	// uncounted is the largest message that is not counted: what it is decoded into is less than smallRequest, and the number of calls
	// bounds them.
	uncounted = 256
	// editMemory is what an edit of a commit takes until its turn, beside its paths.
	editMemory = 300
)

func (s *Server) boundRequests(limit int64, reg prometheus.Registerer) {
	setDefault(&limit, defaultMaxRequestMemory)
	s.memory.Limit, s.memory.Small = limit, smallRequest
	s.memory.Refusal = "the requests of others take all the memory that is for them: try again in a moment, and make a large commit in parts"
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gitstore_grpc_request_bytes",
		Help: "Bytes of memory that requests take, those that wait for their turn included.",
	}, func() float64 { return float64(s.memory.Used()) })
}

// takeMessage counts a message before it is decoded.
func takeMessage(hold *budget.Hold, data mem.BufferSlice, m any) error {
	p, ok := m.(proto.Message)
	if hold == nil || !ok || data.Len() <= uncounted {
		return nil
	}
	size := int64(wire.DecodedSize(data, p))
	if size > hold.Memory.Limit {
		return errs.New(errs.ReasonMessageTooLarge, fmt.Sprintf("the message takes %d bytes of memory, of which there are %d for all requests: make it in parts", size, hold.Memory.Limit))
	}
	return hold.Take(size)
}

// takeEdit counts what a commit keeps of a change until its turn, and what its result will say of it, as a value and encoded.
func takeEdit(hold *budget.Hold, c git.Change, result int) error {
	return hold.Take(int64(editMemory + len(c.Path.String()) + len(c.From.String()) + 2*result))
}

type holdKey struct{}

// withHold returns the context of a call whose handler is to count what it collects.
func withHold(ctx context.Context, hold *budget.Hold) context.Context {
	return context.WithValue(ctx, holdKey{}, hold)
}

func holdOf(ctx context.Context) *budget.Hold {
	hold, _ := ctx.Value(holdKey{}).(*budget.Hold)
	return hold
}
