package gitclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var _ ports.PackTransport = (*Store)(nil)

// AdvertiseRefs implements [ports.PackTransport].
func (s *Store) AdvertiseRefs(ctx context.Context, id git.RepositoryID, q ports.AdvertiseRefs, out io.Writer) error {
	return s.advertised(ctx, wire.EncodeAdvertiseRefs(id, q), out)
}

func (s *Store) advertised(ctx context.Context, req *gitv1.AdvertiseRefsRequest, out io.Writer) error {
	answer, err := open(ctx, gitv1.TransportService_AdvertiseRefs_FullMethodName, s.packs.AdvertiseRefs, req)
	if err != nil {
		return err
	}
	defer answer.close()
	for {
		m, err := answer.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_, err = out.Write(m.GetData())
		}
		if err != nil {
			return err
		}
	}
}

// UploadPack implements [ports.PackTransport]. Refs are listed by a call of their own, which waits for no pack.
func (s *Store) UploadPack(ctx context.Context, id git.RepositoryID, version git.ProtocolVersion, in io.Reader, out io.Writer) error {
	if version == 2 {
		command, rest, err := lsRefs(in)
		if err != nil {
			return errs.From(err)
		}
		if command != nil {
			req := wire.EncodeAdvertiseRefs(id, ports.AdvertiseRefs{Service: git.UploadPackService, Version: version})
			req.ListRefs = command
			return s.advertised(ctx, req, out)
		}
		in = rest
	}
	ctx, cancel := withDeadline(ctx, gitv1.TransportService_UploadPack_FullMethodName)
	defer cancel()
	first := &gitv1.UploadPackRequest{Repository: id.String(), ProtocolVersion: uint32(version)}
	stream, err := s.packs.UploadPack(ofRepository(ctx, first))
	if err != nil {
		return wire.DecodeError(err)
	}
	e := exchange[gitv1.UploadPackRequest, gitv1.UploadPackResponse]{
		stream: stream, cancel: cancel,
		request: func(data []byte) *gitv1.UploadPackRequest { return &gitv1.UploadPackRequest{Data: data} },
		data:    (*gitv1.UploadPackResponse).GetData,
	}
	return e.run(first, in, out)
}

// lsRefs returns the request if it is the command ls-refs and not too long, and else what is to be read in its place.
func lsRefs(in io.Reader) (command []byte, rest io.Reader, err error) {
	begins := bufio.NewReaderSize(in, wire.Chunk)
	if head, _ := begins.Peek(wire.LsRefsBegins); !wire.IsLsRefs(head) { // what Peek fails with, reading does
		return nil, begins, nil
	}
	command, err = io.ReadAll(io.LimitReader(begins, wire.MaxLsRefs+1))
	if len(command) > wire.MaxLsRefs {
		return nil, io.MultiReader(bytes.NewReader(command), begins), nil
	}
	return command, nil, err
}

// ReceivePack implements [ports.PackTransport].
func (s *Store) ReceivePack(ctx context.Context, id git.RepositoryID, version git.ProtocolVersion, in io.Reader, out io.Writer) error {
	receipt := ports.ReceiptOf(ctx)
	ctx, cancel := withDeadline(ctx, gitv1.TransportService_ReceivePack_FullMethodName)
	defer cancel()
	first := &gitv1.ReceivePackRequest{Repository: id.String(), ProtocolVersion: uint32(version)}
	stream, err := s.packs.ReceivePack(ofRepository(ctx, first))
	if err != nil {
		return wire.DecodeError(err)
	}
	e := exchange[gitv1.ReceivePackRequest, gitv1.ReceivePackResponse]{
		stream: stream, cancel: cancel,
		request: func(data []byte) *gitv1.ReceivePackRequest { return &gitv1.ReceivePackRequest{Data: data} },
		data:    (*gitv1.ReceivePackResponse).GetData,
	}
	if err := e.run(first, in, out); err != nil {
		return err
	}
	fill(receipt, stream.Trailer())
	return nil
}

// exchange is a call that sends a client's bytes and receives those of the answer.
type exchange[Q, A any] struct {
	stream  grpc.BidiStreamingClient[Q, A]
	cancel  context.CancelFunc
	request func(data []byte) *Q
	data    func(*A) []byte
}

// run sends the first message and what in has, from this goroutine, and writes what comes to out from another one.
func (e exchange[Q, A]) run(first *Q, in io.Reader, out io.Writer) error {
	var answered error
	var answering sync.WaitGroup
	answering.Go(func() {
		if answered = e.receive(out); answered != nil {
			e.cancel()
		}
	})
	read := e.send(first, in)
	if read != nil {
		e.cancel() // a request that is not whole must not be taken for one that is
	}
	answering.Wait()
	if read != nil {
		return errs.From(read)
	}
	return wire.DecodeError(answered)
}

// send returns what in fails with. When the service has ended the call, nothing more is to be sent; why it did is told to
// who receives.
func (e exchange[Q, A]) send(first *Q, in io.Reader) error {
	if err := e.stream.Send(first); err != nil {
		return nil //nolint:nilerr // see above
	}
	chunk := make([]byte, wire.Chunk)
	for {
		n, err := in.Read(chunk)
		if n > 0 {
			if failed := e.stream.Send(e.request(chunk[:n])); failed != nil {
				return nil //nolint:nilerr // see above
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = e.stream.CloseSend() // it never fails
			return nil
		case err != nil:
			return err
		}
	}
}

// receive writes what comes until it ends. A failure to write is returned as it is.
func (e exchange[Q, A]) receive(out io.Writer) error {
	m := new(A) // for all of them: see [wire.Codec]
	for {
		err := e.stream.RecvMsg(m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_, err = out.Write(e.data(m))
		}
		if err != nil {
			return err
		}
	}
}
