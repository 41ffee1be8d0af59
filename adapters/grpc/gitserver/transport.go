package gitserver

import (
	"bytes"
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

// transportService is served without packs as well: it then answers METHOD_NOT_FOUND.
type transportService struct {
	gitv1.UnsafeTransportServiceServer
	packs ports.PackTransport
}

var errNoPacks = errs.New(errs.ReasonMethodNotFound, "this service does not serve git clients")

func (s transportService) AdvertiseRefs(m *gitv1.AdvertiseRefsRequest, stream grpc.ServerStreamingServer[gitv1.AdvertiseRefsResponse]) error {
	if s.packs == nil {
		return errNoPacks
	}
	id, q, err := wire.DecodeAdvertiseRefs(m)
	if err != nil {
		return err
	}
	out := chunkWriter(func(data []byte) error { return stream.Send(&gitv1.AdvertiseRefsResponse{Data: data}) })
	request, err := wire.DecodeLsRefs(m, q)
	if err != nil {
		return err
	}
	if len(request) > 0 {
		return s.packs.UploadPack(stream.Context(), id, q.Version, bytes.NewReader(request), out)
	}
	return s.packs.AdvertiseRefs(stream.Context(), id, q, out)
}

func (s transportService) UploadPack(stream grpc.BidiStreamingServer[gitv1.UploadPackRequest, gitv1.UploadPackResponse]) error {
	if s.packs == nil {
		return errNoPacks
	}
	id, version, in, err := beginPack(stream.RecvMsg, &gitv1.UploadPackRequest{})
	if err != nil {
		return err
	}
	return s.packs.UploadPack(stream.Context(), id, version, newStoppable(in), chunkWriter(func(data []byte) error {
		return stream.Send(&gitv1.UploadPackResponse{Data: data})
	}))
}

func (s transportService) ReceivePack(stream grpc.BidiStreamingServer[gitv1.ReceivePackRequest, gitv1.ReceivePackResponse]) error {
	if s.packs == nil {
		return errNoPacks
	}
	id, version, in, err := beginPack(stream.RecvMsg, &gitv1.ReceivePackRequest{})
	if err != nil {
		return err
	}
	return s.packs.ReceivePack(stream.Context(), id, version, in, chunkWriter(func(data []byte) error {
		return stream.Send(&gitv1.ReceivePackResponse{Data: data})
	}))
}

// packRequest is a message of a stream of a client's bytes.
type packRequest interface {
	GetRepository() string
	GetProtocolVersion() uint32
	GetData() []byte
}

// packReader reads the bytes of a stream, one message at a time: a client sends no faster than they are used.
type packReader struct {
	recv func(m any) error
	// m is the message that was received last; the next one takes its place.
	m    packRequest
	data []byte
}

// beginPack receives the first message into m, and returns what it says, and a reader of the bytes of this and the next.
func beginPack(recv func(m any) error, m packRequest) (git.RepositoryID, git.ProtocolVersion, *packReader, error) {
	err := recv(m)
	if errors.Is(err, io.EOF) {
		err = errs.InvalidField(errs.ReasonInvalidArgument, "repository", "the first message is missing")
	}
	if err != nil {
		return git.RepositoryID{}, 0, nil, err
	}
	id, version, err := wire.DecodePackHeader(m.GetRepository(), m.GetProtocolVersion())
	return id, version, &packReader{recv: recv, m: m, data: m.GetData()}, err
}

// Read implements io.Reader.
func (r *packReader) Read(b []byte) (int, error) {
	for len(r.data) == 0 {
		if err := r.recv(r.m); err != nil {
			return 0, err // io.EOF when the client has sent everything
		}
		if r.m.GetRepository() != "" || r.m.GetProtocolVersion() != 0 {
			return 0, errs.InvalidField(errs.ReasonInvalidArgument, "repository", "only the first message names repository and version")
		}
		r.data = r.m.GetData()
	}
	n := copy(b, r.data)
	r.data = r.data[n:]
	return n, nil
}

// stoppable is a packReader whose client may be silent when nothing more is wanted of it.
type stoppable struct {
	*packReader
	stop func()
}

var errStopped = errs.New(errs.ReasonCanceled, "no more of the request is wanted")

// newStoppable has each message received by a goroutine of its own, as gRPC ends a stream that stops to receive. The last one ends
// with the stream.
func newStoppable(r *packReader) stoppable {
	stopped, recv := make(chan struct{}), r.recv
	r.recv = func(m any) error {
		select {
		case <-stopped:
			return errStopped
		default:
		}
		received := make(chan error, 1)
		go func() { received <- recv(m) }()
		select {
		case err := <-received:
			return err
		case <-stopped:
			return errStopped
		}
	}
	return stoppable{r, sync.OnceFunc(func() { close(stopped) })}
}

// Stop implements [ports.Stopper].
func (s stoppable) Stop() { s.stop() }

// chunkWriter sends what is written in messages.
type chunkWriter func(data []byte) error

// Write implements io.Writer.
func (send chunkWriter) Write(b []byte) (int, error) {
	for sent := 0; sent < len(b); {
		chunk := b[sent:min(len(b), sent+wire.Chunk)]
		if err := send(chunk); err != nil {
			return sent, err
		}
		sent += len(chunk)
	}
	return len(b), nil
}
