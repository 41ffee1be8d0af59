package gitclient_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// slowPushes is a store to which somebody pushes until they may end, and that says what else it is asked.
type slowPushes struct {
	ports.RepositoryStore
	begun, end chan struct{}
}

func (s slowPushes) ReceivePack(context.Context, git.RepositoryID, git.ProtocolVersion, io.Reader, io.Writer) error {
	close(s.begun)
	<-s.end
	return nil
}

func (s slowPushes) UploadPack(_ context.Context, _ git.RepositoryID, v git.ProtocolVersion, in io.Reader, out io.Writer) error {
	request, err := io.ReadAll(in)
	if err == nil {
		_, err = fmt.Fprintf(out, "version %d: %d bytes of %.19s", v, len(request), request)
	}
	return err
}

func (s slowPushes) AdvertiseRefs(_ context.Context, _ git.RepositoryID, q ports.AdvertiseRefs, out io.Writer) error {
	_, err := fmt.Fprintf(out, "version %d", q.Version)
	return err
}

func TestRefsAreListedWhileThereIsNoPlaceForAPack(t *testing.T) {
	s := slowPushes{newShop(t), make(chan struct{}), make(chan struct{})}
	client, _ := serveWith(t, s, gitserver.Options{Limits: gitserver.Limits{Packs: 1, RepositoryShare: 100}})
	pushed := make(chan error, 1)
	go func() { pushed <- client.ReceivePack(t.Context(), shop, 0, strings.NewReader(""), io.Discard) }()
	<-s.begun
	var out strings.Builder
	require.NoError(t, client.AdvertiseRefs(t.Context(), shop, ports.AdvertiseRefs{Service: git.UploadPackService, Version: 2}, &out))
	require.Equal(t, "version 2", out.String())
	out.Reset()
	require.NoError(t, client.UploadPack(t.Context(), shop, 2, strings.NewReader("0014command=ls-refs\n0000"), &out))
	require.Equal(t, "version 2: 24 bytes of 0014command=ls-refs", out.String())
	close(s.end)
	require.NoError(t, <-pushed)
}

func TestRequestsThatDoNotListRefsAreSentAsTheyCome(t *testing.T) {
	client, _ := serveWith(t, slowPushes{RepositoryStore: newShop(t)}, gitserver.Options{})
	long := "0014command=ls-refs\n" + strings.Repeat("x", wire.MaxLsRefs)
	for _, request := range []string{"", "0012command=fetch", long} {
		var out strings.Builder
		require.NoError(t, client.UploadPack(t.Context(), shop, 2, strings.NewReader(request), &out))
		assert.Equal(t, fmt.Sprintf("version 2: %d bytes of %.19s", len(request), request), out.String())
	}
}
