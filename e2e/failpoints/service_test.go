package failpoints

import (
	"context"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
	"github.com/gitstore-dev/gitstore/internal/testkit/program"
	"github.com/gitstore-dev/gitstore/ports"
)

// service is a git-service that can be told where to end, with a client.
type service struct {
	// test is the one at whose end the service ends.
	test         *testing.T
	data, points string
	// settings are variables of the service's environment.
	settings []string
	// refused is told of each refusal of a call as it comes from the service.
	refused func(*status.Status)
	process *program.Process
	client  *gitclient.Store
}

func startService(t *testing.T, settings ...string) *service {
	t.Helper()
	s := &service{test: t, data: t.TempDir(), points: t.TempDir(), settings: settings, refused: func(*status.Status) {}}
	s.start(t)
	t.Cleanup(func() { require.NoError(t, s.client.Close()) })
	return s
}

// start starts the service and waits until it is ready.
func (s *service) start(t *testing.T) {
	t.Helper()
	s.process = program.Start(s.test, breakable, s.test.TempDir(), append([]string{
		"PATH=" + os.Getenv("PATH"), "GITSTORE_FAILPOINTS=" + s.points, "GITSTORE_DATA_DIR=" + s.data,
		"GITSTORE_GRPC_LISTEN=127.0.0.1:0", "GITSTORE_EVENTS_LISTEN=127.0.0.1:0",
	}, s.settings...))
	address, ok := s.process.Await("serving gRPC")["address"].(string)
	require.True(t, ok, s.process.Log())
	tell := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, opts...)
		if err != nil {
			s.refused(status.Convert(err))
		}
		return err
	}
	client, err := gitclient.Dial(address, gitclient.Options{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(tell)}})
	require.NoError(t, err)
	s.client = client
	require.Eventually(t, func() bool { return client.Ready(t.Context()) == nil }, patience, pause, "the service is not ready")
}

// patience is how long anything may take that is bound to happen, and pause what lies between two looks.
const (
	patience = time.Minute
	pause    = 10 * time.Millisecond
)

// arm has the service end the next time that it reaches the point.
func (s *service) arm(t *testing.T, p failpoint.Point) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(s.points, string(p)), nil, 0o600))
}

// restart waits for the end of the service and starts it again.
func (s *service) restart(t *testing.T) {
	t.Helper()
	s.awaitEnd(t)
	s.start(t)
}

func (s *service) awaitEnd(t *testing.T) {
	t.Helper()
	require.Equal(t, -1, s.process.Wait(), "exit code of the service:\n%s", s.process.Log())
	require.NoError(t, s.client.Close())
}

func (s *service) newest(t *testing.T) event.Cursor {
	t.Helper()
	bounds, err := s.client.Journal().Bounds(t.Context())
	require.NoError(t, err)
	return bounds.Newest
}

// refs returns what the branches and tags of a repository point at; nothing if there is no such repository.
func (s *service) refs(t *testing.T, id git.RepositoryID) map[string]git.ObjectID {
	t.Helper()
	refs := map[string]git.ObjectID{}
	found, err := s.client.Repository(id).ListRefs(t.Context(), ports.RefQuery{})
	if err != nil {
		return refs
	}
	for ref, err := range found {
		require.NoError(t, err)
		refs[ref.Name.String()] = ref.Target
	}
	return refs
}

// commit makes a commit of one file.
func (s *service) commit(ctx context.Context, id git.RepositoryID, req ports.CommitFiles, content string) (ports.CommitResult, error) {
	return s.client.Repository(id).CommitFiles(ctx, req, oneFile(content))
}

func oneFile(content string) iter.Seq2[git.Change, error] {
	path, err := git.ParseTreePath("a.txt")
	return func(yield func(git.Change, error) bool) {
		yield(git.Change{Action: git.ActionUpsert, Path: path, Content: strings.NewReader(content), Size: int64(len(content))}, err)
	}
}

// leftovers returns the locks, temporary files and halves of packs below the data directory.
func (s *service) leftovers(t *testing.T) (found []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(s.data, func(path string, e fs.DirEntry, err error) error {
		name := filepath.Base(path)
		half := map[string]string{".pack": ".idx", ".idx": ".pack"}[filepath.Ext(name)]
		if half != "" && strings.HasPrefix(name, "pack-") {
			_, missing := os.Stat(strings.TrimSuffix(path, filepath.Ext(path)) + half)
			err = missing
		}
		if strings.HasSuffix(name, ".lock") || strings.HasPrefix(name, "tmp_") || strings.HasPrefix(name, ".tmp") ||
			name == "gitstore-intent" || filepath.Dir(path) == filepath.Join(s.data, "tmp") {
			found = append(found, path)
		}
		return err
	}))
	return found
}

func (s *service) fsck(t *testing.T) string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(s.data, "repositories", "*", "*", "*.git"))
	require.NoError(t, err)
	var said strings.Builder
	for _, dir := range dirs {
		said.Write(gitcmd.Run(t, nil, "--git-dir="+dir, "fsck", "--strict", "--full", "--no-dangling", "--no-progress"))
	}
	return said.String()
}
