package gitclient_test

import (
	"context"
	"net"
	"testing"

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
func serve(t testing.TB, behind ports.RepositoryStore, opts ...grpc.DialOption) remote {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	srv := gitserver.New(behind, gitserver.Options{})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	client := dial(t, lis, opts...)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return remote{client, behind}
}

// dial returns a client of whatever serves on the listener. The caller closes it.
func dial(t testing.TB, lis *bufconn.Listener, opts ...grpc.DialOption) *gitclient.Store {
	t.Helper()
	opts = append(opts, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	client, err := gitclient.Dial("passthrough:///bufconn", gitclient.Options{UserAgent: "gitstore-test/1", DialOptions: opts})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
