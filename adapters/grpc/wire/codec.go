package wire

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// Codec writes and reads messages as gRPC's own codec for protobuf does, of which it has the name, with buffers that
// are at most twice as large as the message. gRPC takes buffers of 1 MiB for all that is above 32 KiB, and clears each
// as a whole before it is used again: for a message of [Batch] that costs more than to copy it.
// It is safe for concurrent use.
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
	whole := data.MaterializeToBuffer(buffers)
	defer whole.Free()
	return proto.Unmarshal(whole.ReadOnlyData(), m)
}
