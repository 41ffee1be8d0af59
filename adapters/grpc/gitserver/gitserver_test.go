package gitserver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a server with a connection to it.
type service struct {
	*grpc.ClientConn
	t      testing.TB
	server *gitserver.Server
	lis    *bufconn.Listener
	log    *logBuffer
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start serves the store; everything ends with the test.
func start(t testing.TB, store ports.RepositoryStore, opts gitserver.Options) service {
	t.Helper()
	s := service{t: t, lis: bufconn.Listen(1 << 20), log: &logBuffer{}}
	opts.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.server = gitserver.New(store, opts)
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(s.lis) }()
	s.ClientConn = s.dial()
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
		assert.NoError(t, s.server.Shutdown(context.Background()))
		assert.NoError(t, <-served)
	})
	return s
}

func (s service) dial(opts ...grpc.DialOption) *grpc.ClientConn {
	opts = append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.lis.DialContext(ctx) }))
	conn, err := grpc.NewClient("passthrough:///bufconn", opts...)
	require.NoError(s.t, err)
	return conn
}

func (s service) content() gitv1.ContentServiceClient { return gitv1.NewContentServiceClient(s) }

func (s service) commits() gitv1.CommitServiceClient { return gitv1.NewCommitServiceClient(s) }

// fails checks the reason of a call's error, and its field if one is given.
func fails(t testing.TB, err error, reason errs.Reason, field ...string) {
	t.Helper()
	require.Error(t, err)
	e := told(err)
	assert.Equal(t, reason, e.Reason, "%v", err)
	assert.Equal(t, reason.Kind(), e.Kind)
	for _, f := range field {
		assert.Equal(t, f, e.Meta[errs.MetaField])
	}
}

// told is what a call's error tells.
func told(err error) *errs.Error { return errs.From(wire.DecodeError(err)) }

// shop is a store with the repository "shop" that holds the files on main.
func shop(t testing.TB, files map[string]string) *memrepo.Store {
	t.Helper()
	store := memrepo.New()
	_, err := store.CreateRepository(t.Context(), ports.CreateRepository{ID: shopID(t)})
	require.NoError(t, err)
	if len(files) == 0 {
		return store
	}
	branch, err := git.BranchRef("main")
	require.NoError(t, err)
	_, err = store.Repository(shopID(t)).CommitFiles(t.Context(), ports.CommitFiles{Branch: branch, Message: "import"}, func(yield func(git.Change, error) bool) {
		for name, content := range files {
			path, err := git.ParseTreePath(name)
			change := git.Change{Action: git.ActionCreate, Path: path, Content: strings.NewReader(content), Size: int64(len(content))}
			if !yield(change, err) {
				return
			}
		}
	})
	require.NoError(t, err)
	return store
}

func shopID(t testing.TB) git.RepositoryID {
	id, err := git.ParseRepositoryID("shop")
	require.NoError(t, err)
	return id
}

// head is the revision of the default branch.
func head() *gitv1.Revision {
	return &gitv1.Revision{Revision: &gitv1.Revision_Name{Name: []byte("HEAD")}}
}

func readme() *gitv1.GetFileRequest {
	return &gitv1.GetFileRequest{Repository: "shop", Revision: head(), Path: []byte("README.md")}
}

// odd is a store some of whose calls do what a healthy one never does.
type odd struct {
	ports.RepositoryStore
	ports.GitRepository
	getFile   func(ctx context.Context) (ports.FileContent, error)
	listFiles func(ctx context.Context) iter.Seq2[ports.FileInfo, error]
	readTree  func(ctx context.Context) iter.Seq2[ports.TreeFile, error]
	commit    func(ctx context.Context, changes iter.Seq2[git.Change, error]) error
}

func (o odd) Repository(git.RepositoryID) ports.GitRepository { return o }

func (o odd) GetFile(ctx context.Context, _ git.Revision, _ git.TreePath) (ports.FileContent, error) {
	return o.getFile(ctx)
}

func (o odd) ListFiles(ctx context.Context, _ ports.ListFiles) (git.ObjectID, iter.Seq2[ports.FileInfo, error], error) {
	return someID, o.listFiles(ctx), nil
}

func (o odd) ReadTree(ctx context.Context, _ ports.ReadTree) (git.ObjectID, iter.Seq2[ports.TreeFile, error], error) {
	return someID, o.readTree(ctx), nil
}

func (o odd) CommitFiles(ctx context.Context, _ ports.CommitFiles, changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
	return ports.CommitResult{}, o.commit(ctx, changes)
}

var someID = git.SHA1.EmptyTree()

// receive returns all messages of a stream and its error, nil at its end.
func receive[M any](stream grpc.ServerStreamingClient[M], err error) ([]*M, error) {
	if err != nil {
		return nil, err
	}
	var all []*M
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
}
