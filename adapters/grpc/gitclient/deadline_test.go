package gitclient_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

func TestTheAttemptsOfAWriteShareOneDeadline(t *testing.T) {
	var deadlines []time.Time
	failing := func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ grpc.UnaryInvoker, _ ...grpc.CallOption) error {
		deadline, _ := ctx.Deadline()
		deadlines = append(deadlines, deadline)
		return status.Error(codes.Unavailable, "away")
	}
	store, err := gitclient.Dial("passthrough:///nowhere", gitclient.Options{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(failing)}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // nothing is lost
	id, err := git.ParseRepositoryID("shop")
	if err != nil {
		t.Fatal(err)
	}
	req := ports.PublishRelease{RequestID: "0b8f6a52-7c1d-4e3f-9a80-1b2c3d4e5f60"}
	if _, err := store.Repository(id).PublishRelease(t.Context(), req, func(func(git.Change, error) bool) {}); err == nil {
		t.Fatal("it succeeded")
	}
	if len(deadlines) < 2 {
		t.Fatalf("%d attempts", len(deadlines))
	}
	for _, d := range deadlines {
		if d.IsZero() || !d.Equal(deadlines[0]) {
			t.Fatalf("deadlines %v", deadlines)
		}
	}
}
