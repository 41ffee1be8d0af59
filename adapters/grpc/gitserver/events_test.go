package gitserver_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

// events is a source of what it is told to yield.
type events func(ctx context.Context) iter.Seq2[event.Notice, error]

func (e events) Subscribe(ctx context.Context, _ ports.Subscription) iter.Seq2[event.Notice, error] {
	return e(ctx)
}

func TestAWatcherThatTakesNothingIsLeft(t *testing.T) {
	main, err := git.ParseRefName("refs/heads/" + strings.Repeat("x", 200))
	require.NoError(t, err)
	many := make([]git.Ref, 100)
	for i := range many {
		many[i] = git.Ref{Name: main, Target: someID}
	}
	ended := make(chan struct{})
	s := start(t, memrepo.New(), gitserver.Options{MaxStall: 250 * time.Millisecond, Events: events(func(context.Context) iter.Seq2[event.Notice, error] {
		return func(yield func(event.Notice, error) bool) {
			defer close(ended)
			for yield(event.Resync{Repositories: []event.RepositoryRefs{{ID: shopID(t), Refs: many}}}, nil) {
			}
		}
	})})
	stream, err := gitv1.NewEventServiceClient(s).WatchEvents(t.Context(), &gitv1.WatchEventsRequest{})
	require.NoError(t, err)
	<-ended
	for err == nil {
		_, err = stream.Recv()
	}
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
	assert.Contains(t, told(err).Error(), "take what it sends")
}

func TestThoseWhoWatchAreBounded(t *testing.T) {
	s := start(t, memrepo.New(), gitserver.Options{MaxWatches: 1, Events: events(func(ctx context.Context) iter.Seq2[event.Notice, error] {
		return func(yield func(event.Notice, error) bool) {
			_ = yield(event.Heartbeat{}, nil)
			<-ctx.Done()
		}
	})})
	ctx, leave := context.WithCancel(t.Context())
	watch := func(ctx context.Context) error {
		stream, err := gitv1.NewEventServiceClient(s).WatchEvents(ctx, &gitv1.WatchEventsRequest{})
		require.NoError(t, err)
		return second(stream.Recv())
	}
	require.NoError(t, watch(ctx))
	err := watch(t.Context())
	fails(t, err, errs.ReasonResourceExhausted)
	leave()
	for told(err).Reason == errs.ReasonResourceExhausted { // until the server has seen that it left
		if err = watch(t.Context()); err == nil {
			return
		}
	}
	t.Errorf("the place of a watcher that left is not free: %v", err)
}
