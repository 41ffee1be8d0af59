package gitserver_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

// echo takes a request and then gives as much as a clone.
func echo(size int) packs {
	return packs{upload: func(_ context.Context, in io.Reader, out io.Writer) error {
		if _, err := io.Copy(io.Discard, in); err != nil {
			return err
		}
		_, err := out.Write(make([]byte, size))
		return err
	}}
}

// slowClient has a call under way that moves rate bytes a second for its first part. It is done when that says how it ended.
type slowClient struct {
	stream gitv1.TransportService_UploadPackClient
	done   chan error
}

// sendSlowly begins a call that sends so many seconds, and then takes the answer at once.
func sendSlowly(t *testing.T, s service, repository string, rate, seconds int) slowClient {
	t.Helper()
	stream, err := gitv1.NewTransportServiceClient(s).UploadPack(t.Context())
	require.NoError(t, err)
	c := slowClient{stream, make(chan error, 1)}
	require.NoError(t, stream.Send(&gitv1.UploadPackRequest{Repository: repository}))
	go func() {
		for range seconds {
			<-time.After(time.Second)
			if stream.Send(&gitv1.UploadPackRequest{Data: make([]byte, rate)}) != nil {
				break // why is told to who receives
			}
		}
		_ = stream.CloseSend()
		c.done <- drained(stream)
	}()
	synctest.Wait()
	return c
}

// takeSlowly begins a call that takes a message of the answer at a time, with a pause after each.
func takeSlowly(t *testing.T, s service, repository string, pause time.Duration) slowClient {
	t.Helper()
	stream, err := gitv1.NewTransportServiceClient(s).UploadPack(t.Context())
	require.NoError(t, err)
	c := slowClient{stream, make(chan error, 1)}
	require.NoError(t, stream.Send(&gitv1.UploadPackRequest{Repository: repository}))
	require.NoError(t, stream.CloseSend())
	go func() {
		for err == nil {
			<-time.After(pause)
			_, err = stream.Recv()
		}
		c.done <- err
	}()
	synctest.Wait()
	return c
}

func drained(stream gitv1.TransportService_UploadPackClient) error {
	for {
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
}

// fetch makes a call that is as fast as it can be, and returns how long it took.
func fetch(t *testing.T, s service, repository string) time.Duration {
	t.Helper()
	begin := time.Now()
	c := sendSlowly(t, s, repository, 0, 0)
	require.ErrorIs(t, <-c.done, io.EOF)
	return time.Since(begin)
}

func onePack(t *testing.T, size int) service {
	t.Helper()
	return start(t, memrepo.New(), gitserver.Options{Packs: echo(size), Registerer: prometheus.NewRegistry(),
		Limits: gitserver.Limits{Packs: 2, MinTransferRate: 64 << 10}})
}

func TestASlowClientKeepsItsPlaceWhileNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onePack(t, 1)
		c := sendSlowly(t, s, "shop", 1100, 300)
		fetch(t, s, "other")
		require.ErrorIs(t, <-c.done, io.EOF)
	})
}

func TestASlowClientGivesWayToWhoeverWaits(t *testing.T) {
	for what, begin := range map[string]func(*testing.T, service) slowClient{
		"one that sends": func(t *testing.T, s service) slowClient { return sendSlowly(t, s, "shop", 1100, 600) },
		"one that takes": func(t *testing.T, s service) slowClient { return takeSlowly(t, s, "shop", time.Minute) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := onePack(t, 64<<20)
				c := begin(t, s)
				<-time.After(30 * time.Second)
				assert.Less(t, fetch(t, s, "shop"), 2*time.Second)
				e := told(<-c.done)
				assert.Equal(t, errs.ReasonDeadlineExceeded, e.Reason, "%v", e)
				assert.Contains(t, e.Error(), "less than 64 KiB a second")
			})
		})
	}
}

func TestAClientThatIsFastEnoughKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onePack(t, 1)
		c := sendSlowly(t, s, "shop", 80<<10, 60)
		<-time.After(30 * time.Second)
		assert.Greater(t, fetch(t, s, "shop"), 25*time.Second)
		require.ErrorIs(t, <-c.done, io.EOF)
	})
}

func TestABurstIsNoCreditForLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onePack(t, 1)
		stream, err := gitv1.NewTransportServiceClient(s).UploadPack(t.Context())
		require.NoError(t, err)
		require.NoError(t, stream.Send(&gitv1.UploadPackRequest{Repository: "shop"}))
		for range 1024 {
			require.NoError(t, stream.Send(&gitv1.UploadPackRequest{Data: make([]byte, wire.Chunk)}))
		}
		<-time.After(30 * time.Second)
		assert.Less(t, fetch(t, s, "shop"), 17*time.Second)
		assert.Equal(t, errs.ReasonDeadlineExceeded, told(drained(stream)).Reason)
	})
}

func TestNobodyGivesWayWhosePlaceWouldNotHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, memrepo.New(), gitserver.Options{Packs: echo(1), Limits: gitserver.Limits{Packs: 4}}) // two for each repository
		other := sendSlowly(t, s, "other", 10, 120)
		fast := []slowClient{sendSlowly(t, s, "shop", 80<<10, 60), sendSlowly(t, s, "shop", 80<<10, 60)}
		<-time.After(30 * time.Second)
		assert.Greater(t, fetch(t, s, "shop"), 25*time.Second)
		for _, c := range append(fast, other) {
			require.ErrorIs(t, <-c.done, io.EOF)
		}
	})
}

// What a slow client has sent all of is not lost for the pace of that.
func TestAClientThatHasSentEverythingIsJudgedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onePack(t, 4<<20)
		stream, err := gitv1.NewTransportServiceClient(s).UploadPack(t.Context())
		require.NoError(t, err)
		require.NoError(t, stream.Send(&gitv1.UploadPackRequest{Repository: "shop"}))
		<-time.After(31 * time.Second)
		require.NoError(t, stream.CloseSend())
		synctest.Wait()
		ended := make(chan error, 1)
		go func() {
			<-time.After(10 * time.Second)
			ended <- drained(stream)
		}()
		assert.Greater(t, fetch(t, s, "shop"), 9*time.Second)
		require.ErrorIs(t, <-ended, io.EOF)
	})
}

func TestAClientThatHasBecomeFastKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onePack(t, 1)
		stream, err := gitv1.NewTransportServiceClient(s).UploadPack(t.Context())
		require.NoError(t, err)
		require.NoError(t, stream.Send(&gitv1.UploadPackRequest{Repository: "shop"}))
		<-time.After(16 * time.Second)
		ended := make(chan error, 1)
		go func() {
			for range 40 {
				assert.NoError(t, stream.Send(&gitv1.UploadPackRequest{Data: make([]byte, 80<<10)}))
				<-time.After(time.Second)
			}
			assert.NoError(t, stream.CloseSend())
			ended <- drained(stream)
		}()
		<-time.After(5 * time.Second)
		assert.Greater(t, fetch(t, s, "shop"), 30*time.Second)
		require.ErrorIs(t, <-ended, io.EOF)
	})
}

func TestASlowCommitGivesWayToWhoeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shop(t, nil), gitserver.Options{Limits: gitserver.Limits{Writes: 2, MinTransferRate: 64 << 10}}) // one for each repository
		ended := make(chan error, 1)
		go func() {
			stream, err := s.commits().CommitFiles(t.Context())
			assert.NoError(t, err)
			first := message(onMain())
			first.Repository = "shop"
			for _, m := range []*gitv1.CommitFilesRequest{first, message(create("slow"))} {
				assert.NoError(t, stream.Send(m))
			}
			for range 60 {
				<-time.After(time.Second)
				if stream.Send(message(strings.Repeat("x", 1100))) != nil {
					break // why is told to who receives
				}
			}
			_, err = stream.CloseAndRecv()
			ended <- err
		}()
		<-time.After(20 * time.Second)
		begin := time.Now()
		_, err := s.commit(onMain(), create("fast"), "x")
		require.NoError(t, err)
		assert.Less(t, time.Since(begin), time.Second)
		e := told(<-ended)
		assert.Equal(t, errs.ReasonDeadlineExceeded, e.Reason, "%v", e)
		assert.Contains(t, e.Error(), "when fewer writes are under way")
	})
}

// What is to be done counts as well as contents: a commit that deletes or makes many small files has hardly any.
func TestACommitOfManySmallFilesKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shop(t, nil), gitserver.Options{Limits: gitserver.Limits{Writes: 2, MinTransferRate: 64 << 10}})
		ended := make(chan error, 1)
		go func() {
			stream, err := s.commits().CommitFiles(t.Context())
			assert.NoError(t, err)
			first := message(onMain())
			first.Repository = "shop"
			assert.NoError(t, stream.Send(first))
			for i := range 30 {
				for j := range 400 {
					assert.NoError(t, stream.Send(message(create(fmt.Sprintf("%0200d/%d", i, j), 0))))
				}
				<-time.After(time.Second)
			}
			_, err = stream.CloseAndRecv()
			ended <- err
		}()
		<-time.After(20 * time.Second)
		_, err := s.commit(onMain(), create("other"), "x")
		fails(t, err, errs.ReasonQueueFull)
		require.NoError(t, <-ended)
	})
}

func TestASlowReaderGivesWayToWhoeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shop(t, map[string]string{"large": strings.Repeat("x", 8<<20)}), gitserver.Options{Limits: gitserver.Limits{HeavyReads: 2}})
		read := func(pause time.Duration) error {
			stream, err := gitv1.NewContentServiceClient(s).ReadFile(t.Context(), &gitv1.ReadFileRequest{Repository: "shop", Revision: head(), Path: []byte("large")})
			for err == nil {
				<-time.After(pause)
				_, err = stream.Recv()
			}
			return err
		}
		ended := make(chan error, 1)
		go func() { ended <- read(time.Minute) }()
		<-time.After(30 * time.Second)
		begin := time.Now()
		require.ErrorIs(t, read(0), io.EOF)
		assert.Less(t, time.Since(begin), time.Second)
		assert.Equal(t, errs.ReasonDeadlineExceeded, told(<-ended).Reason)
	})
}

func TestAnUploadThatPausesHoldsUpNoOtherRepository(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := shop(t, nil)
		other, err := git.ParseRepositoryID("other")
		require.NoError(t, err)
		s := start(t, store, gitserver.Options{Limits: gitserver.Limits{WriteRepositories: 1}})
		stream, err := s.commits().CommitFiles(t.Context())
		require.NoError(t, err)
		first := message(onMain())
		first.Repository = "shop"
		for _, m := range []*gitv1.CommitFilesRequest{first, message(create("slow"))} {
			require.NoError(t, stream.Send(m))
		}
		<-time.After(time.Second)
		begin := time.Now()
		_, err = gitv1.NewRepositoryServiceClient(s).CreateRepository(t.Context(), &gitv1.CreateRepositoryRequest{Repository: other.String()})
		require.NoError(t, err)
		assert.Less(t, time.Since(begin), 100*time.Millisecond)
		require.NoError(t, stream.Send(message("x")))
		_, err = stream.CloseAndRecv()
		require.NoError(t, err)
	})
}
