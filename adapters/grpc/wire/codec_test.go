package wire_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
)

func TestCodecWritesAndReadsWhatThatOfGRPCDoes(t *testing.T) {
	ours, theirs := wire.Codec(), encoding.GetCodecV2(grpcproto.Name)
	assert.Equal(t, theirs.Name(), ours.Name())
	for _, size := range []int{0, 1, 1023, 1024, 32 << 10, 33 << 10, 100 << 10, 1 << 20, 5 << 20} {
		m := &gitv1.ReadTreeResponse{More: bytes.Repeat([]byte{0xa5}, size)}
		// The second time the buffers have held a message already.
		for range 2 {
			data, err := ours.Marshal(m)
			require.NoError(t, err)
			want, err := theirs.Marshal(m)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(want.Materialize(), data.Materialize()), "%d bytes", size)
			var read gitv1.ReadTreeResponse
			require.NoError(t, ours.Unmarshal(data, &read))
			data.Free()
			assert.True(t, proto.Equal(m, &read), "%d bytes", size)
		}
	}
}

func TestTheBytesOfAPackAreReadAsGRPCDoesIt(t *testing.T) {
	ours, theirs := wire.Codec(), encoding.GetCodecV2(grpcproto.Name)
	content := bytes.Repeat([]byte("pack"), 50<<10)
	for _, messages := range [][]proto.Message{
		{&gitv1.UploadPackRequest{Repository: "shop", ProtocolVersion: 2, Data: content[:10]}, &gitv1.UploadPackRequest{Data: content}, &gitv1.UploadPackRequest{}, &gitv1.UploadPackRequest{Repository: "x"}},
		{&gitv1.ReceivePackRequest{Repository: "shop", Data: content[:10]}, &gitv1.ReceivePackRequest{Data: content[:5]}, &gitv1.ReceivePackRequest{Data: content[:9]}},
		{&gitv1.UploadPackResponse{Data: content}, &gitv1.UploadPackResponse{Data: content[:1]}, &gitv1.UploadPackResponse{}, &gitv1.UploadPackResponse{Data: content}},
		{&gitv1.ReceivePackResponse{Data: content[:1]}, &gitv1.ReceivePackResponse{Data: content}},
	} {
		read := messages[0].ProtoReflect().New().Interface()
		for _, m := range messages { // all into the same one
			data, err := theirs.Marshal(m)
			require.NoError(t, err)
			whole := data.Materialize()
			for _, at := range []int{0, 1, 2, len(whole) / 2} { // the frames that it comes in
				at = min(at, len(whole))
				frames := mem.BufferSlice{mem.SliceBuffer(whole[:at]), mem.SliceBuffer(whole[at:])}
				require.NoError(t, ours.Unmarshal(frames, read))
				assert.True(t, proto.Equal(m, read), "%.60v instead of %.60v", read, m)
			}
			if len(whole) > 0 {
				assert.Error(t, ours.Unmarshal(mem.BufferSlice{mem.SliceBuffer(whole[:len(whole)-1])}, read), "cut off")
			}
		}
	}
	twice := &gitv1.UploadPackResponse{}
	require.NoError(t, ours.Unmarshal(mem.BufferSlice{mem.SliceBuffer("\x0a\x01a\x0a\x01b")}, twice))
	assert.Equal(t, "b", string(twice.GetData()), "the last one of a field holds")
}

func TestReceivingTheBytesOfAPackAllocatesNoneForThem(t *testing.T) {
	codec := wire.Codec()
	data := mem.BufferSlice{mem.SliceBuffer(append([]byte{0x0a, 0x80, 0x80, 0x08}, make([]byte, 128<<10)...))}
	m := &gitv1.UploadPackResponse{}
	require.NoError(t, codec.Unmarshal(data, m))
	held := &m.GetData()[0]
	require.NoError(t, codec.Unmarshal(data, m))
	assert.Same(t, held, &m.GetData()[0])
}

func TestCodecRefusesWhatIsNoMessage(t *testing.T) {
	codec := wire.Codec()
	_, err := codec.Marshal("text")
	assert.ErrorContains(t, err, "string is no message")
	assert.ErrorContains(t, codec.Unmarshal(nil, new(string)), "*string is no message")
	cut := mem.BufferSlice{mem.SliceBuffer{0x0a, 0x05, 'a'}}
	assert.Error(t, codec.Unmarshal(cut, &gitv1.GetFileRequest{}))
}
