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

func TestCodecRefusesWhatIsNoMessage(t *testing.T) {
	codec := wire.Codec()
	_, err := codec.Marshal("text")
	assert.ErrorContains(t, err, "string is no message")
	assert.ErrorContains(t, codec.Unmarshal(nil, new(string)), "*string is no message")
	cut := mem.BufferSlice{mem.SliceBuffer{0x0a, 0x05, 'a'}}
	assert.Error(t, codec.Unmarshal(cut, &gitv1.GetFileRequest{}))
}
