package gitserver

import (
	"context"
	"fmt"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/ports"
)

type eventService struct {
	gitv1.UnsafeEventServiceServer
	journal  ports.EventReader
	source   ports.EventSource
	stopping context.Context //nolint:containedctx // it is the server's
	// most is how many may watch at a time, and watches counts them.
	most    int
	watches *atomic.Int64
}

var errNoJournal = errs.New(errs.ReasonMethodNotFound, "this service keeps no journal of changes")

// ListEvents answers with fewer events than were asked for if they do not fit a message.
func (s eventService) ListEvents(ctx context.Context, m *gitv1.ListEventsRequest) (*gitv1.ListEventsResponse, error) {
	if s.journal == nil {
		return nil, errNoJournal
	}
	after, limit, err := wire.DecodeListEvents(m)
	if err != nil {
		return nil, err
	}
	entries, err := s.journal.ReadEvents(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	bounds, err := s.journal.Bounds(ctx)
	if err != nil {
		return nil, err
	}
	for {
		answer := wire.EncodeEvents(entries, bounds)
		if proto.Size(answer) <= wire.MaxAnswer || len(entries) < 2 {
			return answer, nil
		}
		entries = entries[:len(entries)/2]
	}
}

func (s eventService) WatchEvents(m *gitv1.WatchEventsRequest, stream grpc.ServerStreamingServer[gitv1.WatchEventsResponse]) error {
	if s.source == nil {
		return errNoJournal
	}
	subscription, err := wire.DecodeSubscription(m)
	if err != nil {
		return err
	}
	defer s.watches.Add(-1)
	if s.watches.Add(1) > int64(s.most) {
		return errs.New(errs.ReasonResourceExhausted, fmt.Sprintf("all %d places for those who watch events are taken: try again later", s.most))
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	for notice, err := range s.source.Subscribe(ctx, subscription) {
		switch {
		case s.stopping.Err() != nil:
			return errs.New(errs.ReasonDraining, "the service is shutting down: watch again from the last cursor")
		case err != nil:
			return err
		}
		if err := stream.Send(wire.EncodeNotice(notice)); err != nil {
			return err
		}
	}
	return s.ended(ctx)
}

// ended is why a watch ended whose source told no error.
func (s eventService) ended(ctx context.Context) error {
	if s.stopping.Err() != nil {
		return errs.New(errs.ReasonDraining, "the service is shutting down: watch again from the last cursor")
	}
	return errs.From(ctx.Err())
}
