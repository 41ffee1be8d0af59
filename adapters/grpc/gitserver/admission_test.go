package gitserver_test

import (
	"context"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// refused checks that a call was refused because its class is full, and that its client is told when to come back.
func refused(t testing.TB, err error, class string) {
	t.Helper()
	fails(t, err, errs.ReasonQueueFull)
	assert.Equal(t, codes.ResourceExhausted, status.Code(err))
	assert.Equal(t, class, told(err).Meta["class"])
	assert.Positive(t, retryDelay(err))
}

// retryDelay is after which time the status of a failed call says that it is worth another try; 0 is never.
func retryDelay(err error) time.Duration {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

func listing() *gitv1.ListFilesRequest { return &gitv1.ListFilesRequest{Repository: "shop"} }

func TestACallOfAFullClassIsRefusedWhileOtherClassesAreServed(t *testing.T) {
	release := make(chan struct{})
	store := odd{
		RepositoryStore: shop(t, nil),
		getFile: func(context.Context) (ports.FileContent, error) {
			<-release
			return ports.FileContent{}, nil
		},
		listFiles: func(context.Context) iter.Seq2[ports.FileInfo, error] {
			return func(func(ports.FileInfo, error) bool) {}
		},
	}
	s := start(t, store, gitserver.Options{Limits: gitserver.Limits{Reads: 2, HeavyReads: 1, RepositoryShare: 100, QueueWait: time.Hour}})
	const working, waiting, tooMany = 2, 4, 3
	results := make(chan error, working+waiting+tooMany)
	for range working + waiting + tooMany {
		go func() {
			_, err := s.content().GetFile(t.Context(), readme())
			results <- err
		}()
	}
	for range tooMany {
		refused(t, <-results, "read")
	}
	_, err := gitv1.NewRepositoryServiceClient(s).ListRepositories(t.Context(), &gitv1.ListRepositoriesRequest{})
	assert.NoError(t, err, "a look-up is CHEAP")
	_, err = receive(s.content().ListFiles(t.Context(), listing()))
	assert.NoError(t, err, "a listing is HEAVY")
	close(release)
	for range working + waiting {
		assert.NoError(t, <-results)
	}
}

func TestABusyRepositoryLeavesRoomForOthers(t *testing.T) {
	release, begun := make(chan struct{}), make(chan struct{}, 2)
	store := odd{getFile: func(context.Context) (ports.FileContent, error) {
		begun <- struct{}{}
		<-release
		return ports.FileContent{}, nil
	}}
	s := start(t, store, gitserver.Options{Limits: gitserver.Limits{Reads: 2, RepositoryShare: 50, QueueWait: time.Hour}})
	results := make(chan error, 5)
	read := func(repository string) {
		go func() {
			_, err := s.content().GetFile(t.Context(), &gitv1.GetFileRequest{Repository: repository, Revision: head(), Path: []byte("a")})
			results <- err
		}()
	}
	for range 4 { // one is at work, two wait
		read("busy")
	}
	refused(t, <-results, "read")
	<-begun
	read("other")
	<-begun
	close(release)
	for range 4 {
		assert.NoError(t, <-results)
	}
}

// advertising is a transport that has nothing to offer.
type advertising struct{ ports.PackTransport }

func (advertising) AdvertiseRefs(context.Context, git.RepositoryID, ports.AdvertiseRefs, io.Writer) error {
	return nil
}

func TestWhoClonesWaitsForLongerAlreadyToLearnOfTheRefs(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	store := odd{listFiles: func(context.Context) iter.Seq2[ports.FileInfo, error] {
		return func(func(ports.FileInfo, error) bool) {
			close(begun)
			<-release
		}
	}}
	s := start(t, store, gitserver.Options{
		Limits: gitserver.Limits{HeavyReads: 1, RepositoryShare: 100, QueueWait: 20 * time.Millisecond}, Packs: advertising{},
	})
	listed, advertised := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := receive(s.content().ListFiles(t.Context(), listing()))
		listed <- err
	}()
	<-begun
	go func() {
		_, err := receive(gitv1.NewTransportServiceClient(s).AdvertiseRefs(t.Context(), &gitv1.AdvertiseRefsRequest{
			Repository: "shop", Service: gitv1.PackService_PACK_SERVICE_UPLOAD_PACK,
		}))
		advertised <- err
	}()
	for range 3 {
		_, err := receive(s.content().ListFiles(t.Context(), listing()))
		refused(t, err, "heavy")
	}
	close(release)
	require.NoError(t, <-listed)
	require.NoError(t, <-advertised)
}

func TestAStreamHoldsItsPlaceUntilItEnds(t *testing.T) {
	store := odd{listFiles: func(ctx context.Context) iter.Seq2[ports.FileInfo, error] {
		return func(yield func(ports.FileInfo, error) bool) {
			<-ctx.Done()
			yield(ports.FileInfo{}, ctx.Err())
		}
	}}
	s := start(t, store, gitserver.Options{Limits: gitserver.Limits{HeavyReads: 1, RepositoryShare: 100, QueueWait: time.Hour}})
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 4)
	for range cap(results) {
		go func() {
			_, err := receive(s.content().ListFiles(ctx, listing()))
			results <- err
		}()
	}
	refused(t, <-results, "heavy")
	cancel()
	for range 3 {
		fails(t, <-results, errs.ReasonCanceled)
	}
}

// endlessListing is a store whose listings have no end for as long as endless is true.
func endlessListing(t *testing.T) (store odd, endless *atomic.Bool) {
	t.Helper()
	path, err := git.ParseTreePath("a")
	require.NoError(t, err)
	endless = &atomic.Bool{}
	endless.Store(true)
	return odd{listFiles: func(context.Context) iter.Seq2[ports.FileInfo, error] {
		return func(yield func(ports.FileInfo, error) bool) {
			for yield(ports.FileInfo{Path: path, ID: someID}, nil) && endless.Load() {
			}
		}
	}}, endless
}

func TestAClientThatTakesNothingIsBrokenOffAndItsPlaceGoesToTheNext(t *testing.T) {
	store, endless := endlessListing(t)
	s := start(t, store, gitserver.Options{
		Limits: gitserver.Limits{HeavyReads: 1, RepositoryShare: 100, QueueWait: time.Hour}, MaxStall: 250 * time.Millisecond,
	})
	slow, err := s.content().ListFiles(t.Context(), listing())
	require.NoError(t, err)
	_, err = slow.Recv()
	require.NoError(t, err)
	endless.Store(false)
	_, err = receive(s.content().ListFiles(t.Context(), listing()))
	require.NoError(t, err)
	_, err = receive(slow, nil)
	if err != nil { // else the end was in time
		fails(t, err, errs.ReasonDeadlineExceeded)
	}
}

func TestOthersAreServedWhileAClientTakesNothing(t *testing.T) {
	store, endless := endlessListing(t)
	s := start(t, store, gitserver.Options{Limits: gitserver.Limits{HeavyWork: 1, RepositoryShare: 100, QueueWait: time.Hour}})
	slow, err := s.content().ListFiles(t.Context(), listing())
	require.NoError(t, err)
	_, err = slow.Recv()
	require.NoError(t, err)
	endless.Store(false)
	_, err = receive(s.content().ListFiles(t.Context(), listing()))
	require.NoError(t, err)
	_, err = receive(slow, nil)
	require.NoError(t, err, "it is idle for as long as it likes")
}

// A stream of a commit begins before its first message: who is refused then was refused unheard.
func TestACallIsRefusedBeforeItIsReceivedIfItsQueueIsFull(t *testing.T) {
	release := make(chan struct{})
	store := odd{commit: func(context.Context, iter.Seq2[git.Change, error]) error {
		<-release
		return nil
	}}
	s := start(t, store, gitserver.Options{Limits: gitserver.Limits{Writes: 1, RepositoryShare: 100, QueueWait: time.Hour}})
	busy := message(onMain())
	busy.Repository = "shop"
	results := make(chan error, 4)
	for range cap(results) { // one is at work, two wait
		go func() {
			stream, err := s.commits().CommitFiles(t.Context())
			if err == nil {
				err = stream.Send(busy)
			}
			if err == nil {
				_, err = stream.CloseAndRecv()
			}
			results <- err
		}()
	}
	refused(t, <-results, "write")
	unheard := func(repository ...string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		stream, err := s.commits().CommitFiles(metadata.NewOutgoingContext(ctx, metadata.MD{wire.RepositoryMetadata: repository}))
		require.NoError(t, err)
		return stream.RecvMsg(new(gitv1.CommitFilesResponse))
	}
	const many = 20
	for range many {
		refused(t, unheard("shop"), "write")
	}
	assert.Equal(t, 1, strings.Count(s.log.String(), "before they were received"), "the log says it once a second")
	refused(t, unheard(), "write") // all repositories share that queue
	close(release)
	for range 3 {
		require.NoError(t, <-results)
	}
	fails(t, unheard("shop"), errs.ReasonDeadlineExceeded)
}

func TestAClientThatDoesNotSendItsCommitIsBrokenOff(t *testing.T) {
	s := start(t, shop(t, nil), gitserver.Options{MaxStall: 250 * time.Millisecond})
	stream, err := s.commits().CommitFiles(t.Context())
	require.NoError(t, err)
	first := message(onMain())
	first.Repository = "shop"
	require.NoError(t, stream.Send(first))
	var answer gitv1.CommitFilesResponse
	fails(t, stream.RecvMsg(&answer), errs.ReasonDeadlineExceeded)
}

func TestUnderTenTimesTheLoadEveryCallIsServedOrRefusedAndThenAllIsWell(t *testing.T) {
	const most = 4
	var atWork, served atomic.Int64
	store := odd{getFile: func(context.Context) (ports.FileContent, error) {
		assert.LessOrEqual(t, atWork.Add(1), int64(most))
		defer atWork.Add(-1)
		served.Add(1)
		<-time.After(5 * time.Millisecond)
		return ports.FileContent{}, nil
	}}
	s := start(t, store, gitserver.Options{Limits: gitserver.Limits{Reads: most, RepositoryShare: 100, QueueWait: time.Minute}})
	var callers sync.WaitGroup
	var answered, turnedAway atomic.Int64
	for range 10 * most {
		callers.Go(func() {
			for range 10 {
				if _, err := s.content().GetFile(t.Context(), readme()); err != nil {
					refused(t, err, "read")
					turnedAway.Add(1)
					continue
				}
				answered.Add(1)
			}
		})
	}
	callers.Wait()
	assert.Equal(t, served.Load(), answered.Load())
	assert.Positive(t, turnedAway.Load(), "there was no overload")
	_, err := s.content().GetFile(t.Context(), readme())
	require.NoError(t, err, "it has not recovered")
}
