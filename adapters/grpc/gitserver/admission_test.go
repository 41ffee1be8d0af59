package gitserver_test

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/ports"
)

// refused checks that a call was refused because its class is full, and that its client is told when to come back.
func refused(t testing.TB, err error, class string) {
	t.Helper()
	fails(t, err, errs.ReasonQueueFull)
	assert.Equal(t, codes.ResourceExhausted, status.Code(err))
	assert.Equal(t, class, told(err).Meta["class"])
	assert.Positive(t, wire.RetryDelay(err))
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

// work is a handler of bounded speed that notes how many calls are in it.
type work struct {
	takes          time.Duration
	atWork, atMost atomic.Int64
}

func (w *work) do(context.Context) (ports.FileContent, error) {
	n := w.atWork.Add(1)
	defer w.atWork.Add(-1)
	for most := w.atMost.Load(); n > most && !w.atMost.CompareAndSwap(most, n); most = w.atMost.Load() {
	}
	<-time.After(w.takes)
	return ports.FileContent{}, nil
}

// goodput is how many calls a second succeed with so many callers, who come back after a pause when they were refused.
// It ends soon after so many successes.
func goodput(t *testing.T, s service, callers, successes int) float64 {
	var done atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for range callers {
		all.Go(func() {
			for done.Load() < int64(successes) {
				_, err := s.content().GetFile(t.Context(), readme())
				if err == nil {
					done.Add(1)
					continue
				}
				refused(t, err, "read")
				<-time.After(200 * time.Millisecond) // it was asked to wait for longer
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(begin).Seconds()
}

func TestTenTimesTheLoadLeavesTheGoodput(t *testing.T) {
	const most = 4
	w := &work{takes: 20 * time.Millisecond}
	s := start(t, odd{getFile: w.do}, gitserver.Options{Limits: gitserver.Limits{Reads: most, RepositoryShare: 100, QueueWait: 100 * time.Millisecond}})
	best := 0.0
	for range 3 { // the machine does other work as well
		peak := goodput(t, s, most, 100)
		best = max(best, goodput(t, s, 10*most, 100)/peak)
		if best >= 0.8 {
			break
		}
	}
	assert.GreaterOrEqual(t, best, 0.8, "of the calls that succeed without overload")
	assert.EqualValues(t, most, w.atMost.Load())
	_, err := s.content().GetFile(t.Context(), readme())
	require.NoError(t, err, "it has not recovered")
}
