package gitclient_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// remote is a store behind a server.
type remote struct {
	*gitclient.Store
	behind ports.RepositoryStore
}

// serve serves the store and returns a client of it. Both end with the test.
func serve(t testing.TB, behind ports.RepositoryStore) remote {
	t.Helper()
	client, _ := serveWith(t, behind, gitserver.Options{})
	return client
}

func serveWith(t testing.TB, behind ports.RepositoryStore, opts gitserver.Options) (remote, *gitserver.Server) {
	t.Helper()
	if packs, ok := behind.(ports.PackTransport); ok {
		opts.Packs = packs
	}
	lis := bufconn.Listen(1 << 20)
	srv := gitserver.New(behind, opts)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	client := dial(t, lis)
	t.Cleanup(func() {
		assert.NoError(t, client.Close())
		assert.NoError(t, srv.Shutdown(context.Background()))
		assert.NoError(t, <-served)
	})
	return remote{client, behind}, srv
}

// dial returns a client of whatever serves on the listener. The caller closes it.
func dial(t testing.TB, lis *bufconn.Listener) *gitclient.Store {
	t.Helper()
	client, err := gitclient.Dial("passthrough:///bufconn", gitclient.Options{
		UserAgent: "gitstore-test/1",
		DialOptions: []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		},
	})
	require.NoError(t, err)
	return client
}
