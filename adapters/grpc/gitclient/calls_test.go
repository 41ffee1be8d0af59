package gitclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/requestid"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

var (
	shop, _       = git.ParseRepositoryID("shop")
	mainBranch, _ = git.BranchRef("main")
	someID        = git.SHA1.EmptyTree()
)

func path(t testing.TB, s string) git.TreePath {
	p, err := git.ParseTreePath(s)
	require.NoError(t, err)
	return p
}

func create(t testing.TB, name, content string) git.Change {
	return git.Change{Action: git.ActionCreate, Path: path(t, name), Content: strings.NewReader(content), Size: int64(len(content))}
}

func each(changes ...git.Change) iter.Seq2[git.Change, error] {
	return func(yield func(git.Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// drain counts the items of an iteration up to its error.
func drain[T any](seq iter.Seq2[T, error]) (n int, err error) {
	for _, err := range seq {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// newShop is a store in memory with the repository "shop".
func newShop(t testing.TB, changes ...git.Change) *memrepo.Store {
	store := memrepo.New()
	_, err := store.CreateRepository(t.Context(), ports.CreateRepository{ID: shop})
	require.NoError(t, err)
	if len(changes) > 0 {
		_, err = store.Repository(shop).CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch, Message: "import"}, each(changes...))
		require.NoError(t, err)
	}
	return store
}

// watched is a store that notes its calls and fails the first ones.
type watched struct {
	ports.RepositoryStore
	mu sync.Mutex
	// failures are what the next calls fail with.
	failures []error
	calls    int
	ctx      context.Context
}

func (w *watched) begin(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	w.ctx = ctx
	if len(w.failures) == 0 {
		return nil
	}
	err := w.failures[0]
	w.failures = w.failures[1:]
	return err
}

func (w *watched) fail(n int, reason errs.Reason) {
	w.calls, w.failures = 0, nil
	for range n {
		w.failures = append(w.failures, errs.New(reason, "not now"))
	}
}

func (w *watched) Repository(id git.RepositoryID) ports.GitRepository {
	return watchedRepository{w.RepositoryStore.Repository(id), w}
}

type watchedRepository struct {
	ports.GitRepository
	*watched
}

func (r watchedRepository) GetFile(ctx context.Context, rev git.Revision, p git.TreePath) (ports.FileContent, error) {
	if err := r.begin(ctx); err != nil {
		return ports.FileContent{}, err
	}
	return r.GitRepository.GetFile(ctx, rev, p)
}

func (r watchedRepository) ListFiles(ctx context.Context, q ports.ListFiles) (git.ObjectID, iter.Seq2[ports.FileInfo, error], error) {
	if err := r.begin(ctx); err != nil {
		return git.ObjectID{}, nil, err
	}
	return r.GitRepository.ListFiles(ctx, q)
}

func (r watchedRepository) CommitFiles(ctx context.Context, req ports.CommitFiles, changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
	if err := r.begin(ctx); err != nil {
		return ports.CommitResult{}, err
	}
	return r.GitRepository.CommitFiles(ctx, req, changes)
}

func (r watchedRepository) CreateBranch(ctx context.Context, req ports.CreateBranch) (git.Ref, error) {
	if err := r.begin(ctx); err != nil {
		return git.Ref{}, err
	}
	return r.GitRepository.CreateBranch(ctx, req)
}

func (r watchedRepository) PublishRelease(ctx context.Context, req ports.PublishRelease, changes iter.Seq2[git.Change, error]) (ports.ReleaseResult, error) {
	if err := r.begin(ctx); err != nil {
		return ports.ReleaseResult{}, err
	}
	return r.GitRepository.PublishRelease(ctx, req, changes)
}

const uuid = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"

func TestOnlyWhatIsSafeIsRepeated(t *testing.T) {
	large := strings.Repeat("x", wire.MaxInline+1)
	call := map[string]func(*testing.T, ports.GitRepository) error{
		"read": func(t *testing.T, r ports.GitRepository) error {
			_, err := r.GetFile(t.Context(), git.Head(), path(t, "a"))
			return err
		},
		"listing": func(t *testing.T, r ports.GitRepository) error {
			_, files, err := r.ListFiles(t.Context(), ports.ListFiles{Revision: git.Head()})
			if err != nil {
				return err
			}
			n, err := drain(files)
			assert.Equal(t, 1, n)
			return err
		},
		"commit with a request id": func(t *testing.T, r ports.GitRepository) error {
			_, err := r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch, Message: "m", RequestID: uuid}, each(create(t, "b", "2")))
			return err
		},
		"commit without a request id": func(t *testing.T, r ports.GitRepository) error {
			_, err := r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch, Message: "m"}, each(create(t, "b", "2")))
			return err
		},
		"streamed commit with a request id": func(t *testing.T, r ports.GitRepository) error {
			_, err := r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch, Message: "m", RequestID: uuid}, each(create(t, "b", large)))
			return err
		},
		"release with a request id": func(t *testing.T, r ports.GitRepository) error {
			tag, _ := git.TagRef("v1")
			_, err := r.PublishRelease(t.Context(), ports.PublishRelease{Tag: ports.CreateTag{Name: tag, Target: git.Head(), Message: "m"}, RequestID: uuid}, each())
			return err
		},
		"creation of a branch": func(t *testing.T, r ports.GitRepository) error {
			other, _ := git.BranchRef("other")
			_, err := r.CreateBranch(t.Context(), ports.CreateBranch{Name: other, Target: git.Head()})
			return err
		},
	}
	for _, tt := range []struct {
		call     string
		failures int
		reason   errs.Reason
		calls    int
		want     errs.Reason
	}{
		{"read", 2, errs.ReasonUnavailable, 3, ""},
		{"read", 2, errs.ReasonDraining, 3, ""},
		{"read", 9, errs.ReasonUnavailable, 4, errs.ReasonUnavailable},
		{"read", 1, errs.ReasonQueueFull, 1, errs.ReasonQueueFull},
		{"read", 1, errs.ReasonResourceExhausted, 1, errs.ReasonResourceExhausted},
		{"listing", 1, errs.ReasonQueueFull, 1, errs.ReasonQueueFull},
		{"read", 1, errs.ReasonDeadlineExceeded, 1, errs.ReasonDeadlineExceeded},
		{"listing", 2, errs.ReasonUnavailable, 3, ""},
		{"commit with a request id", 2, errs.ReasonUnavailable, 3, ""},
		{"commit with a request id", 9, errs.ReasonUnavailable, 4, errs.ReasonUnavailable},
		{"commit with a request id", 1, errs.ReasonQueueFull, 1, errs.ReasonQueueFull},
		{"commit with a request id", 1, errs.ReasonStorageFull, 1, errs.ReasonStorageFull},
		{"commit without a request id", 1, errs.ReasonQueueFull, 1, errs.ReasonQueueFull},
		{"commit without a request id", 2, errs.ReasonUnavailable, 1, errs.ReasonUnavailable},
		{"streamed commit with a request id", 2, errs.ReasonUnavailable, 1, errs.ReasonUnavailable},
		{"release with a request id", 2, errs.ReasonUnavailable, 3, ""},
		{"release with a request id", 1, errs.ReasonQueueFull, 1, errs.ReasonQueueFull},
		{"creation of a branch", 1, errs.ReasonUnavailable, 1, errs.ReasonUnavailable},
	} {
		t.Run(fmt.Sprintf("%s that fails %d times with %s", tt.call, tt.failures, tt.reason), func(t *testing.T) {
			t.Parallel() // most of the time they wait
			w := &watched{RepositoryStore: newShop(t, create(t, "a", "1"))}
			w.fail(tt.failures, tt.reason)
			err := call[tt.call](t, serve(t, w).Repository(shop))
			assert.Equal(t, tt.want, errs.ReasonOf(err), "%v", err)
			assert.Equal(t, tt.calls, w.calls)
		})
	}
}

func TestARepetitionEndsWithItsContext(t *testing.T) {
	w := &watched{RepositoryStore: newShop(t)}
	w.fail(9, errs.ReasonUnavailable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := serve(t, w).Repository(shop).CommitFiles(ctx, ports.CommitFiles{Branch: mainBranch, Message: "m", RequestID: uuid}, each(create(t, "b", "2")))
	assert.ErrorIs(t, err, context.Canceled)
}

// broken is a store whose listing ends in an error after n items.
type broken struct {
	ports.RepositoryStore
	ports.GitRepository
	n, calls int
}

func (b *broken) Repository(git.RepositoryID) ports.GitRepository { return b }

func (b *broken) ListFiles(context.Context, ports.ListFiles) (git.ObjectID, iter.Seq2[ports.FileInfo, error], error) {
	b.calls++
	p, err := git.ParseTreePath("a")
	return someID, func(yield func(ports.FileInfo, error) bool) {
		for range b.n {
			if !yield(ports.FileInfo{Path: p, ID: someID}, nil) {
				return
			}
		}
		yield(ports.FileInfo{}, errs.New(errs.ReasonUnavailable, "gone"))
	}, err
}

func TestAStreamThatHasGivenItemsIsNotBegunAgain(t *testing.T) {
	b := &broken{n: 5000}
	_, files, err := serve(t, b).Repository(shop).ListFiles(t.Context(), ports.ListFiles{})
	require.NoError(t, err)
	n, err := drain(files)
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	assert.Equal(t, 5000, n)
	assert.Equal(t, 1, b.calls)
}

// dialNobody returns a client of an address at which nothing listens.
func dialNobody(t *testing.T, options ...grpc.DialOption) (client *gitclient.Store, address string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address = lis.Addr().String()
	require.NoError(t, lis.Close())
	client, err = gitclient.Dial(address, gitclient.Options{DialOptions: options})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	return client, address
}

func TestAServiceThatIsDownIsToldAtOnceAndClearly(t *testing.T) {
	client, address := dialNobody(t)
	repo := client.Repository(shop)
	tag, _ := git.TagRef("v1")
	for name, call := range map[string]func() error{
		"ready":   func() error { return client.Ready(t.Context()) },
		"read":    func() error { _, err := repo.GetFile(t.Context(), git.Head(), path(t, "a")); return err },
		"listing": func() error { _, _, err := repo.ListFiles(t.Context(), ports.ListFiles{}); return err },
		"write":   func() error { return repo.DeleteTag(t.Context(), ports.DeleteRef{Name: tag}) },
		"commit": func() error {
			_, err := repo.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch}, each(create(t, "a", "1"), create(t, "b", "2")))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := call()
			assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err), "%v", err)
			assert.NotContains(t, err.Error(), address)
			assert.Contains(t, errors.Unwrap(err).Error(), address, "the log cannot say what cannot be reached")
		})
	}
}

// unsent is a stream whose attempts all lost their connection before the request was written, as gRPC tells it.
type unsent struct{ grpc.ClientStream }

var errUnsent = fmt.Errorf("max retries exhausted: failed after 4 attempts: %w", io.EOF)

func (unsent) SendMsg(any) error { return errUnsent }

func TestARequestThatNoAttemptCouldSendIsUnavailable(t *testing.T) {
	store, err := gitclient.Dial("passthrough:///nowhere", gitclient.Options{DialOptions: []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
			return errUnsent
		}),
		grpc.WithChainStreamInterceptor(func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption) (grpc.ClientStream, error) {
			return unsent{}, nil
		}),
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	_, err = store.ListRepositories(t.Context(), ports.Page{})
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	_, err = store.Repository(shop).GetFile(t.Context(), git.Head(), path(t, "a"))
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
}

func TestAMalformedAddressIsRefused(t *testing.T) {
	_, err := gitclient.Dial("unix\x7f:%%", gitclient.Options{})
	assert.Equal(t, errs.ReasonInvalidArgument, errs.ReasonOf(err))
}

func TestReadyFollowsTheHealthOfTheService(t *testing.T) {
	client, server := serveWith(t, newShop(t), gitserver.Options{})
	assert.NoError(t, client.Ready(t.Context()))
	server.SetServing(false)
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(client.Ready(t.Context())))
}

// attempts counts how often a client tried to make calls, by their methods.
type attempts struct {
	mu sync.Mutex
	of map[string]int
}

type methodKey struct{}

func (a *attempts) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, methodKey{}, info.FullMethodName)
}

func (a *attempts) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, begins := s.(*stats.Begin); begins {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.of[ctx.Value(methodKey{}).(string)]++
	}
}

func (a *attempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (a *attempts) HandleConn(context.Context, stats.ConnStats) {}

func TestWhatIsReadyTakesCallsOfEachClassAtOnce(t *testing.T) {
	tried := &attempts{of: map[string]int{}}
	pause := backoff.Config{BaseDelay: time.Second, MaxDelay: time.Second}
	client, address := dialNobody(t, grpc.WithStatsHandler(tried), grpc.WithConnectParams(grpc.ConnectParams{Backoff: pause, MinConnectTimeout: time.Minute}))
	repo := client.Repository(shop)
	tag, _ := git.TagRef("v1")
	calls := map[string]func() error{
		"CHEAP": func() error { _, err := client.ListRepositories(t.Context(), ports.Page{}); return err },
		"READ":  func() error { _, err := repo.GetFile(t.Context(), git.Head(), path(t, "a")); return err },
		"HEAVY": func() error { _, _, err := repo.ListFiles(t.Context(), ports.ListFiles{}); return err },
		"WRITE": func() error { return repo.DeleteTag(t.Context(), ports.DeleteRef{Name: tag}) },
		"PACK":  func() error { return client.UploadPack(t.Context(), shop, 2, strings.NewReader(""), io.Discard) },
	}
	for class, call := range calls {
		require.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(call()), class)
	}
	lis, err := net.Listen("tcp", address)
	require.NoError(t, err)
	srv := gitserver.New(newShop(t), gitserver.Options{})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		assert.NoError(t, srv.Shutdown(context.Background()))
		assert.NoError(t, <-served)
	})
	require.NoError(t, client.Ready(t.Context()))
	tried.of = map[string]int{}
	for class, call := range calls {
		err := call()
		assert.NotEqual(t, errs.ReasonUnavailable, errs.ReasonOf(err), "%s: %v", class, err)
	}
	assert.Len(t, tried.of, len(calls))
	for method, n := range tried.of {
		assert.Equal(t, 1, n, method)
	}
}

// stuck is a store whose files cannot be read before release.
type stuck struct {
	slowPushes
	begun   chan struct{}
	release chan struct{}
}

func (s stuck) Repository(id git.RepositoryID) ports.GitRepository {
	return stuckRepository{s.slowPushes.Repository(id), s}
}

type stuckRepository struct {
	ports.GitRepository
	stuck
}

func (s stuckRepository) GetFile(context.Context, git.Revision, git.TreePath) (ports.FileContent, error) {
	s.begun <- struct{}{}
	<-s.release
	return ports.FileContent{}, errs.New(errs.ReasonPathNotFound, "there is none")
}

func TestAsManyCallsOfAClassAsAConnectionTakesKeepNoOtherWaiting(t *testing.T) {
	const streams = 1024 // of a connection
	log := memlog.New()
	store := stuck{slowPushes{RepositoryStore: newShop(t, create(t, "a", "1"))}, make(chan struct{}), make(chan struct{})}
	client, _ := serveWith(t, store, gitserver.Options{
		Limits: gitserver.Limits{Reads: streams, RepositoryShare: 100}, Journal: log, Events: follow(t, log, store),
	})
	var calls sync.WaitGroup
	for range streams {
		calls.Go(func() { _, _ = client.Repository(shop).GetFile(t.Context(), git.Head(), path(t, "a")) })
	}
	for range streams {
		<-store.begun
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	assert.NoError(t, client.Ready(ctx))
	_, err := client.Repository(shop).GetCommit(ctx, git.Head())
	assert.NoError(t, err, "a look-up is CHEAP")
	_, files, err := client.Repository(shop).ListFiles(ctx, ports.ListFiles{Revision: git.Head()})
	if assert.NoError(t, err, "a listing is HEAVY") {
		_, err = drain(files)
		assert.NoError(t, err)
	}
	_, err = client.Repository(shop).CommitFiles(ctx, ports.CommitFiles{Branch: mainBranch, Message: "m"}, each(create(t, "b", "2")))
	assert.NoError(t, err, "a commit is WRITE")
	assert.NoError(t, client.UploadPack(ctx, shop, 2, strings.NewReader("0012command=fetch"), io.Discard), "a fetch is PACK")
	for notice, err := range client.Journal().Subscribe(ctx, ports.Subscription{Resync: true}) {
		assert.NoError(t, err, "a subscription is WATCH")
		assert.IsType(t, event.Resync{}, notice)
		break
	}
	close(store.release)
	calls.Wait()
}

func TestACallWithoutADeadlineGetsTheOneOfItsOperation(t *testing.T) {
	w := &watched{RepositoryStore: newShop(t, create(t, "a", "1"))}
	repo := serve(t, w).Repository(shop)
	check := func(method string) {
		t.Helper()
		op, _ := wire.OperationOf(method)
		deadline, ok := w.ctx.Deadline()
		require.True(t, ok)
		assert.WithinDuration(t, time.Now().Add(op.Timeout()), deadline, op.Timeout()/2)
	}
	_, err := repo.GetFile(t.Context(), git.Head(), path(t, "a"))
	require.NoError(t, err)
	check(gitv1.ContentService_GetFile_FullMethodName)
	_, files, err := repo.ListFiles(t.Context(), ports.ListFiles{Revision: git.Head()})
	require.NoError(t, err)
	_, err = drain(files)
	require.NoError(t, err)
	check(gitv1.ContentService_ListFiles_FullMethodName)
}

func TestTheCorrelationIDGoesAlong(t *testing.T) {
	w := &watched{RepositoryStore: newShop(t, create(t, "a", "1"))}
	repo := serve(t, w).Repository(shop)
	ctx := requestid.With(t.Context(), "id-42")
	_, err := repo.GetFile(ctx, git.Head(), path(t, "a"))
	require.NoError(t, err)
	assert.Equal(t, "id-42", requestid.From(w.ctx))
	_, files, err := repo.ListFiles(ctx, ports.ListFiles{Revision: git.Head()})
	require.NoError(t, err)
	_, err = drain(files)
	require.NoError(t, err)
	assert.Equal(t, "id-42", requestid.From(w.ctx))
}

func TestACallNamesItsRepositoryAndItsCallerBeforeItIsReceived(t *testing.T) {
	w := &watched{RepositoryStore: newShop(t, create(t, "a", "1"))}
	repo := serve(t, w).Repository(shop)
	ctx := ports.WithCaller(t.Context(), "10.0.0.7")
	for name, call := range map[string]func() error{
		"of one message": func() error {
			_, err := repo.GetFile(ctx, git.Head(), path(t, "a"))
			return err
		},
		"of a stream of answers": func() error {
			_, files, err := repo.ListFiles(ctx, ports.ListFiles{Revision: git.Head()})
			if err == nil {
				_, err = drain(files)
			}
			return err
		},
		"of a stream of requests": func() error {
			_, err := repo.CommitFiles(ctx, ports.CommitFiles{Branch: mainBranch, Message: "m"}, each(create(t, "b", "2"), create(t, "c", "3")))
			return err
		},
	} {
		require.NoError(t, call(), name)
		assert.Equal(t, []string{shop.String()}, metadata.ValueFromIncomingContext(w.ctx, wire.RepositoryMetadata), name)
		assert.Equal(t, []string{"10.0.0.7"}, metadata.ValueFromIncomingContext(w.ctx, wire.CallerMetadata), name)
	}
}

func TestTheUserAgentNamesTheProgram(t *testing.T) {
	w := &watched{RepositoryStore: newShop(t, create(t, "a", "1"))}
	_, err := serve(t, w).Repository(shop).GetFile(t.Context(), git.Head(), path(t, "a"))
	require.NoError(t, err)
	agent := metadata.ValueFromIncomingContext(w.ctx, "user-agent")
	require.Len(t, agent, 1)
	assert.True(t, strings.HasPrefix(agent[0], "gitstore-test/1 "), agent[0])
}

// methods notes which RPCs are called.
func methods(called *[]string) gitserver.Options {
	return gitserver.Options{ServerOptions: []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			*called = append(*called, info.FullMethod)
			return handler(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			*called = append(*called, info.FullMethod)
			return handler(srv, stream)
		}),
	}}
}

func TestACommitOfOneSmallChangeIsOneMessage(t *testing.T) {
	var called []string
	client, _ := serveWith(t, newShop(t, create(t, "a", "1")), methods(&called))
	unknown := func(name, content string) git.Change {
		c := create(t, name, content)
		c.Size = -1
		return c
	}
	for _, tt := range []struct {
		name    string
		changes []git.Change
		want    string
	}{
		{"one small", []git.Change{create(t, "b", "2")}, gitv1.CommitService_CommitFile_FullMethodName},
		{"one small of unknown size", []git.Change{unknown("c", "2")}, gitv1.CommitService_CommitFile_FullMethodName},
		{"one of the largest size", []git.Change{create(t, "d", strings.Repeat("d", wire.MaxInline))}, gitv1.CommitService_CommitFile_FullMethodName},
		{"a deletion", []git.Change{{Action: git.ActionDelete, Path: path(t, "a")}}, gitv1.CommitService_CommitFile_FullMethodName},
		{"one larger", []git.Change{create(t, "e", strings.Repeat("e", wire.MaxInline+1))}, gitv1.CommitService_CommitFiles_FullMethodName},
		{"one larger of unknown size", []git.Change{unknown("f", strings.Repeat("f", 3<<20))}, gitv1.CommitService_CommitFiles_FullMethodName},
		{"two", []git.Change{create(t, "g", "1"), create(t, "h", "2")}, gitv1.CommitService_CommitFiles_FullMethodName},
	} {
		t.Run(tt.name, func(t *testing.T) {
			called = nil
			_, err := client.Repository(shop).CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch, Message: "m"}, each(tt.changes...))
			require.NoError(t, err)
			assert.Equal(t, []string{tt.want}, called)
		})
	}
	f, err := client.Repository(shop).GetFile(t.Context(), git.Head(), path(t, "e"))
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("e", wire.MaxInline+1), string(f.Content))
}

// endless is a content without end that counts what was taken of it.
type endless struct{ read int64 }

func (e *endless) Read(b []byte) (int, error) {
	e.read += int64(len(b))
	return len(b), nil
}

func TestTheReasonWhyTheServiceEndedAnUploadIsTold(t *testing.T) {
	repo := serve(t, newShop(t)).Repository(shop)
	content := &endless{}
	change := git.Change{Action: git.ActionCreate, Path: path(t, "a"), Content: content, Size: -1}
	_, err := repo.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch, Message: "m", RequestID: "no UUID"}, each(change))
	assert.Equal(t, errs.ReasonInvalidRequestID, errs.ReasonOf(err), "%v", err)
	assert.Less(t, content.read, int64(256<<20))

	after := 0
	_, err = repo.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch, Message: "m"}, func(yield func(git.Change, error) bool) {
		bad := git.Change{Action: git.ActionDelete}
		for yield(bad, nil) {
			after++
		}
	})
	assert.Equal(t, errs.ReasonInvalidAction, errs.ReasonOf(err), "%v", err)
	assert.Less(t, after, 1_000_000)
}

func TestAnErrorAmongTheChangesMakesNoCommit(t *testing.T) {
	own := errors.New("the disk of the caller")
	large := strings.Repeat("x", 1<<20)
	for name, changes := range map[string]iter.Seq2[git.Change, error]{
		"first": func(yield func(git.Change, error) bool) { yield(git.Change{}, own) },
		"second": func(yield func(git.Change, error) bool) {
			_ = yield(create(t, "a", "1"), nil) && yield(git.Change{}, own)
		},
		"third": func(yield func(git.Change, error) bool) {
			_ = yield(create(t, "a", "1"), nil) && yield(create(t, "b", large), nil) && yield(git.Change{}, own)
		},
		"in a small content":    each(git.Change{Action: git.ActionCreate, Path: path(t, "a"), Content: failing("12", own), Size: 3}),
		"in a large content":    each(git.Change{Action: git.ActionCreate, Path: path(t, "a"), Content: failing(large, own), Size: -1}),
		"in the second content": each(create(t, "a", "1"), git.Change{Action: git.ActionCreate, Path: path(t, "b"), Content: failing("12", own), Size: 3}),
	} {
		t.Run(name, func(t *testing.T) {
			store := newShop(t)
			repo := serve(t, store).Repository(shop)
			_, err := repo.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch, Message: "m"}, changes)
			assert.ErrorIs(t, err, own)
			_, err = repo.GetCommit(t.Context(), git.Head())
			assert.Equal(t, errs.ReasonRefNotFound, errs.ReasonOf(err), "a commit was made")
		})
	}
}

func failing(content string, err error) io.Reader {
	return io.MultiReader(strings.NewReader(content), errReader{err})
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestAReleaseThatDoesNotFitAMessageSaysWhatToDo(t *testing.T) {
	repo := serve(t, newShop(t)).Repository(shop)
	tag, _ := git.TagRef("v1")
	content := &endless{}
	req := ports.PublishRelease{Tag: ports.CreateTag{Name: tag, Message: "m"}, Commit: &ports.CommitFiles{Branch: mainBranch, Message: "m"}}
	_, err := repo.PublishRelease(t.Context(), req, each(git.Change{Action: git.ActionCreate, Path: path(t, "a"), Content: content, Size: -1}))
	assert.Equal(t, errs.ReasonMessageTooLarge, errs.ReasonOf(err))
	assert.Contains(t, err.Error(), "CommitFiles")
	assert.Less(t, content.read, int64(16<<20))
	_, err = repo.PublishRelease(t.Context(), req, each(create(t, "a", strings.Repeat("x", wire.MaxRequest-10))))
	assert.Equal(t, errs.ReasonMessageTooLarge, errs.ReasonOf(err))
}

// manyBlobs answers every commit with a long result.
type manyBlobs struct {
	ports.RepositoryStore
	ports.GitRepository
	result ports.CommitResult
}

func (m manyBlobs) Repository(git.RepositoryID) ports.GitRepository { return m }

func (m manyBlobs) CommitFiles(_ context.Context, _ ports.CommitFiles, changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
	_, err := drain(changes)
	return m.result, err
}

func TestTheResultOfALargestCommitArrives(t *testing.T) {
	store := manyBlobs{result: ports.CommitResult{Commit: someID, Tree: someID}}
	for i := range 40_000 {
		store.result.Blobs = append(store.result.Blobs, ports.PathBlob{Path: path(t, fmt.Sprintf("%060d/%060d", i%100, i)), Blob: someID})
	}
	got, err := serve(t, store).Repository(shop).CommitFiles(t.Context(), ports.CommitFiles{}, each(create(t, "a", "1"), create(t, "b", "2")))
	require.NoError(t, err)
	assert.Equal(t, store.result, got)
}

func TestLargeFilesStream(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 9<<16) // 9 MiB
	change := git.Change{Action: git.ActionCreate, Path: path(t, "a"), Content: bytes.NewReader(want), Size: int64(len(want))}
	repo := serve(t, newShop(t, change, create(t, "z", "last"))).Repository(shop)
	t.Run("ReadFile", func(t *testing.T) {
		f, r, err := repo.ReadFile(t.Context(), ports.ReadFile{Revision: git.Head(), Path: path(t, "a"), Offset: 5})
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(got, want[5:]))
		assert.EqualValues(t, len(want), f.Size)
		assert.NoError(t, r.Close())
	})
	t.Run("ReadTree", func(t *testing.T) {
		_, files, err := repo.ReadTree(t.Context(), ports.ReadTree{Revision: git.Head()})
		require.NoError(t, err)
		for f, err := range files {
			require.NoError(t, err)
			var got bytes.Buffer
			_, err = io.Copy(&got, f.Content)
			require.NoError(t, err)
			assert.EqualValues(t, f.Size, got.Len())
			if f.Path.String() == "a" {
				assert.True(t, bytes.Equal(got.Bytes(), want))
			}
		}
	})
	t.Run("a content that was not read, or read in part, is skipped", func(t *testing.T) {
		_, files, err := repo.BatchGetFiles(t.Context(), git.Head(), []git.TreePath{path(t, "a"), path(t, "z"), path(t, "none"), path(t, "a"), path(t, "z")})
		require.NoError(t, err)
		var last []string
		n := 0
		for f, err := range files {
			require.NoError(t, err)
			if n++; n == 1 {
				_, err := io.ReadFull(f.Content, make([]byte, 300<<10))
				require.NoError(t, err)
			}
			switch f.Path.String() {
			case "z":
				got, err := io.ReadAll(f.Content)
				require.NoError(t, err)
				last = append(last, string(got))
			case "none":
				assert.Equal(t, errs.ReasonPathNotFound, errs.ReasonOf(f.Err))
				assert.Equal(t, "none", errs.From(f.Err).Meta[errs.MetaPath])
				assert.Nil(t, f.Content)
			}
		}
		assert.Equal(t, []string{"last", "last"}, last)
		assert.Equal(t, 5, n)
	})
	t.Run("a reader that is closed early", func(t *testing.T) {
		_, r, err := repo.ReadFile(t.Context(), ports.ReadFile{Revision: git.Head(), Path: path(t, "a")})
		require.NoError(t, err)
		_, err = r.Read(make([]byte, 10))
		require.NoError(t, err)
		require.NoError(t, r.Close())
		_, err = io.ReadAll(r)
		assert.Equal(t, errs.ReasonCanceled, errs.ReasonOf(err))
	})
}

// endlessTree is a store whose tree has no end.
type endlessTree struct {
	ports.RepositoryStore
	ports.GitRepository
	ended chan struct{}
}

func (e endlessTree) Repository(git.RepositoryID) ports.GitRepository { return e }

func (e endlessTree) ReadTree(context.Context, ports.ReadTree) (git.ObjectID, iter.Seq2[ports.TreeFile, error], error) {
	p, err := git.ParseTreePath("a")
	return someID, func(yield func(ports.TreeFile, error) bool) {
		defer close(e.ended)
		for yield(ports.TreeFile{Path: p, Blob: someID, Size: 4, Content: strings.NewReader("text")}, nil) {
		}
	}, err
}

func TestAnIterationThatIsBrokenOffEndsTheStores(t *testing.T) {
	for name, end := range map[string]func(iter.Seq2[ports.TreeFile, error], context.CancelFunc){
		"by breaking off": func(files iter.Seq2[ports.TreeFile, error], _ context.CancelFunc) {
			for _, err := range files {
				assert.NoError(t, err)
				break
			}
		},
		"by cancelling the context unused": func(_ iter.Seq2[ports.TreeFile, error], cancel context.CancelFunc) { cancel() },
		"by cancelling the context amid": func(files iter.Seq2[ports.TreeFile, error], cancel context.CancelFunc) {
			var err error
			for _, err = range files {
				cancel()
			}
			assert.ErrorIs(t, err, context.Canceled)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := endlessTree{ended: make(chan struct{})}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, files, err := serve(t, store).Repository(shop).ReadTree(ctx, ports.ReadTree{})
			require.NoError(t, err)
			end(files, cancel)
			<-store.ended
		})
	}
}

func TestAnIterationIsGoodForOneRange(t *testing.T) {
	repo := serve(t, newShop(t, create(t, "a", "1"))).Repository(shop)
	_, files, err := repo.ListFiles(t.Context(), ports.ListFiles{Revision: git.Head()})
	require.NoError(t, err)
	for _, err := range files {
		require.NoError(t, err)
		break
	}
	_, err = drain(files)
	assert.Equal(t, errs.ReasonCanceled, errs.ReasonOf(err))
}
