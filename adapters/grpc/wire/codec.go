package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
)

// Codec writes and reads messages as gRPC's own codec for protobuf does, of which it has the name, with buffers that
// are at most twice as large as the message. gRPC takes buffers of 1 MiB for all that is above 32 KiB, and clears each
// as a whole before it is used again: for a message of [Batch] that costs more than to copy it.
//
// The bytes of a pack are read into the memory that the message has for them already: who receives one after the other
// into the same message allocates nothing for each. It is safe for concurrent use.
func Codec() encoding.CodecV2 { return codec{} }

// buffers hold what is up to 1 MiB; gRPC allocates larger ones, and leaves them to the garbage collector.
var buffers = func() mem.BufferPool {
	pool, err := mem.NewBinaryTieredBufferPool(8, 12, 14, 15, 16, 17, 18, 19, 20)
	if err != nil {
		panic(err)
	}
	return pool
}()

type codec struct{}

func (codec) Name() string { return grpcproto.Name }

// Marshal implements [encoding.CodecV2].
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message of protobuf", v)
	}
	size := proto.Size(m)
	options := proto.MarshalOptions{UseCachedSize: true}
	if mem.IsBelowBufferPoolingThreshold(size) {
		data, err := options.Marshal(m)
		return mem.BufferSlice{mem.SliceBuffer(data)}, err
	}
	data := buffers.Get(size)
	if _, err := options.MarshalAppend((*data)[:0], m); err != nil {
		buffers.Put(data)
		return nil, err
	}
	return mem.BufferSlice{mem.NewBuffer(data, buffers)}, nil
}

// Unmarshal implements [encoding.CodecV2].
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message of protobuf", v)
	}
	if field, content := chunk(m); content != nil && readChunk(data, m, field, content) {
		return nil
	}
	whole := data.MaterializeToBuffer(buffers)
	defer whole.Free()
	return proto.Unmarshal(whole.ReadOnlyData(), m)
}

// chunk returns the number of the field that has the bytes of a pack, and where they go; nil for a message that has none.
func chunk(m proto.Message) (field uint64, content *[]byte) {
	switch m := m.(type) {
	case *gitv1.UploadPackRequest:
		return 3, &m.Data
	case *gitv1.UploadPackResponse:
		return 1, &m.Data
	case *gitv1.ReceivePackRequest:
		return 3, &m.Data
	case *gitv1.ReceivePackResponse:
		return 1, &m.Data
	}
	return 0, nil
}

// readChunk reads a message that is a field of bytes and nothing else. It reports false, and has changed nothing, if it
// is not.
func readChunk(data mem.BufferSlice, m proto.Message, field uint64, content *[]byte) bool {
	r := data.Reader()
	defer func() { _ = r.Close() }() // it never fails
	tag, err := binary.ReadUvarint(r)
	if err != nil || tag != field<<3|uint64(protowire.BytesType) {
		return false
	}
	size, err := binary.ReadUvarint(r)
	if err != nil || size != uint64(r.Remaining()) { //nolint:gosec // not negative
		return false
	}
	held := (*content)[:0]
	proto.Reset(m)
	*content = slices.Grow(held, r.Remaining())[:r.Remaining()]
	_, err = io.ReadFull(r, *content)
	return err == nil
}
