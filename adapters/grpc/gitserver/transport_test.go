package gitserver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
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
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

// packs is a transport that does what a test wants.
type packs struct {
	ports.PackTransport
	upload func(ctx context.Context, in io.Reader, out io.Writer) error
}

func (p packs) UploadPack(ctx context.Context, _ git.RepositoryID, _ git.ProtocolVersion, in io.Reader, out io.Writer) error {
	return p.upload(ctx, in, out)
}

func TestAClientThatIsIdleIsLeft(t *testing.T) {
	endless := func(_ context.Context, _ io.Reader, out io.Writer) error {
		for {
			if _, err := out.Write(make([]byte, wire.Chunk)); err != nil {
				return err
			}
		}
	}
	for what, upload := range map[string]func(context.Context, io.Reader, io.Writer) error{
		"one that sends nothing": func(_ context.Context, in io.Reader, _ io.Writer) error {
			_, err := io.ReadAll(in)
			return err
		},
		"one that takes nothing": endless,
	} {
		t.Run(what, func(t *testing.T) {
			ended := make(chan error, 1)
			s := start(t, memrepo.New(), gitserver.Options{MaxStall: 250 * time.Millisecond, Packs: packs{
				upload: func(ctx context.Context, in io.Reader, out io.Writer) error {
					err := upload(ctx, in, out)
					ended <- err
					return err
				},
			}})
			stream, err := gitv1.NewTransportServiceClient(s).UploadPack(t.Context())
			require.NoError(t, err)
			require.NoError(t, stream.Send(&gitv1.UploadPackRequest{Repository: "shop"}))
			require.Error(t, <-ended)
			for err == nil {
				_, err = stream.Recv()
			}
			assert.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
		})
	}
}

// A store returns what it reads and writes fail with as part of its own errors.
func TestAClientThatLeavesIsNoDefect(t *testing.T) {
	for what, upload := range map[string]func(in io.Reader, out io.Writer) error{
		"while it sends": func(in io.Reader, _ io.Writer) error { return second(io.ReadAll(in)) },
		"while it takes": func(_ io.Reader, out io.Writer) error { return second(out.Write(make([]byte, 64<<20))) },
	} {
		t.Run(what, func(t *testing.T) {
			begun, ended := make(chan bool), make(chan error, 1)
			s := start(t, memrepo.New(), gitserver.Options{Packs: packs{upload: func(_ context.Context, in io.Reader, out io.Writer) error {
				close(begun)
				err := errs.From(upload(in, out))
				ended <- err
				return err
			}}})
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			stream, err := gitv1.NewTransportServiceClient(s).UploadPack(ctx)
			require.NoError(t, err)
			require.NoError(t, stream.Send(&gitv1.UploadPackRequest{Repository: "shop"}))
			<-begun
			leave()
			assert.Equal(t, errs.ReasonCanceled, errs.ReasonOf(<-ended))
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestAClientThatIsWorkedForIsNotIdle(t *testing.T) {
	const timeout = 250 * time.Millisecond
	s := start(t, memrepo.New(), gitserver.Options{MaxStall: timeout, Packs: packs{
		upload: func(ctx context.Context, in io.Reader, out io.Writer) error {
			if _, err := io.ReadAll(in); err != nil {
				return err
			}
			select {
			case <-time.After(2 * timeout):
			case <-ctx.Done():
				return ctx.Err()
			}
			_, err := out.Write([]byte("done"))
			return err
		},
	}})
	stream, err := gitv1.NewTransportServiceClient(s).UploadPack(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&gitv1.UploadPackRequest{Repository: "shop"}))
	require.NoError(t, stream.CloseSend())
	m, err := stream.Recv()
	require.NoError(t, err)
	assert.Equal(t, "done", string(m.GetData()))
}

func TestAnAnswerThatIsWholeEndsAlthoughTheClientIsSilent(t *testing.T) {
	answer := bytes.Repeat([]byte("done"), 8<<20)
	s := start(t, memrepo.New(), gitserver.Options{Packs: packs{upload: func(_ context.Context, in io.Reader, out io.Writer) error {
		if _, err := out.Write(answer); err != nil {
			return err
		}
		go in.(ports.Stopper).Stop()
		_, err := io.ReadAll(in)
		assert.Error(t, err)
		return nil
	}}})
	stream, err := gitv1.NewTransportServiceClient(s).UploadPack(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&gitv1.UploadPackRequest{Repository: "shop"}))
	var got []byte
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		got = append(got, m.GetData()...)
	}
	assert.True(t, bytes.Equal(answer, got), "%d bytes", len(got))
}

func TestAStreamOfPacksIsHeldToItsForm(t *testing.T) {
	s := start(t, memrepo.New(), gitserver.Options{Packs: packs{upload: func(_ context.Context, in io.Reader, _ io.Writer) error {
		_, err := io.ReadAll(in)
		return err
	}}})
	client := gitv1.NewTransportServiceClient(s)
	for what, messages := range map[string][]*gitv1.UploadPackRequest{
		"nothing":         nil,
		"no repository":   {{Data: []byte("0000")}},
		"a bad id":        {{Repository: "../x"}},
		"a bad version":   {{Repository: "shop", ProtocolVersion: 3}},
		"a second header": {{Repository: "shop"}, {Repository: "shop", Data: []byte("0000")}},
	} {
		stream, err := client.UploadPack(t.Context())
		require.NoError(t, err)
		for _, m := range messages {
			_ = stream.Send(m) // the answer may be quicker
		}
		require.NoError(t, stream.CloseSend())
		_, err = stream.Recv()
		assert.Equal(t, codes.InvalidArgument, status.Code(err), "%s: %v", what, err)
	}
	upload, receive := gitv1.PackService_PACK_SERVICE_UPLOAD_PACK, gitv1.PackService_PACK_SERVICE_RECEIVE_PACK
	lsRefs := []byte("0014command=ls-refs\n0000")
	for what, m := range map[string]*gitv1.AdvertiseRefsRequest{
		"no service":          {Repository: "shop"},
		"another command":     {Repository: "shop", Service: upload, ProtocolVersion: 2, ListRefs: []byte("0012command=fetch\n0000")},
		"half a command":      {Repository: "shop", Service: upload, ProtocolVersion: 2, ListRefs: []byte("0014")},
		"a long command":      {Repository: "shop", Service: upload, ProtocolVersion: 2, ListRefs: append(lsRefs, make([]byte, wire.MaxLsRefs)...)},
		"a command before it": {Repository: "shop", Service: upload, ProtocolVersion: 1, ListRefs: lsRefs},
		"a command to push":   {Repository: "shop", Service: receive, ProtocolVersion: 2, ListRefs: lsRefs},
	} {
		answer, err := client.AdvertiseRefs(t.Context(), m)
		require.NoError(t, err)
		_, err = answer.Recv()
		assert.Equal(t, codes.InvalidArgument, status.Code(err), what)
	}
}

func TestWithoutPacksNoGitClientIsServed(t *testing.T) {
	s := start(t, memrepo.New(), gitserver.Options{})
	client := gitv1.NewTransportServiceClient(s)
	answer, err := client.AdvertiseRefs(t.Context(), &gitv1.AdvertiseRefsRequest{Repository: "shop", Service: gitv1.PackService_PACK_SERVICE_UPLOAD_PACK})
	require.NoError(t, err)
	_, err = answer.Recv()
	assert.Equal(t, errs.ReasonMethodNotFound, errs.ReasonOf(wire.DecodeError(err)))
	push, err := client.ReceivePack(t.Context())
	require.NoError(t, err)
	_ = push.Send(&gitv1.ReceivePackRequest{Repository: "shop"}) // the answer may be quicker
	_, err = push.Recv()
	assert.Equal(t, errs.ReasonMethodNotFound, errs.ReasonOf(wire.DecodeError(err)))
}
