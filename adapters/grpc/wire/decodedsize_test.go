package wire_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
)

// many returns so many of an item.
func many[T any](n int, item T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = item
	}
	return all
}

// frames are data in the pieces of a connection.
func frames(data []byte) mem.BufferSlice {
	var all mem.BufferSlice
	for ; len(data) > 0; data = data[min(len(data), 16<<10):] {
		all = append(all, mem.SliceBuffer(data[:min(len(data), 16<<10)]))
	}
	return all
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func TestAMessageTakesNoMoreMemoryThanItsDecodedSize(t *testing.T) {
	none := &gitv1.Expectation{}
	for what, m := range map[string]proto.Message{
		"a content":      &gitv1.CommitFileRequest{Repository: "shop", File: &gitv1.InlineFileAction{Content: make([]byte, 4<<20)}},
		"empty actions":  &gitv1.PublishReleaseRequest{Actions: many(100_000, &gitv1.InlineFileAction{})},
		"bare actions":   &gitv1.PublishReleaseRequest{Actions: many(100_000, &gitv1.InlineFileAction{Action: &gitv1.FileAction{ExpectedBlobId: none}})},
		"short paths":    &gitv1.BatchGetFilesRequest{Repository: "shop", Paths: many(1_000_000, []byte("a"))},
		"nested paths":   &gitv1.GetDiffRequest{Comparison: &gitv1.Comparison{Paths: many(1_000_000, []byte("a"))}},
		"long paths":     &gitv1.BatchGetFilesRequest{Repository: "shop", Paths: many(4000, bytes.Repeat([]byte("d"), 1000))},
		"updates":        &gitv1.UpdateRefsRequest{Updates: many(100_000, &gitv1.RefUpdate{Ref: []byte("a"), ExpectedOid: none})},
		"a file's piece": &gitv1.CommitFilesRequest{Payload: &gitv1.CommitFilesRequest_Data{Data: make([]byte, 128<<10)}},
	} {
		t.Run(what, func(t *testing.T) {
			data, err := proto.Marshal(m)
			require.NoError(t, err)
			decoded := m.ProtoReflect().New().Interface()
			size := wire.DecodedSize(frames(data), decoded)
			before := heap()
			require.NoError(t, proto.Unmarshal(data, decoded))
			grown := heap() - before
			runtime.KeepAlive(data)
			runtime.KeepAlive(decoded)
			t.Logf("%d bytes become %d, counted as %d", len(data), grown, size)
			assert.Less(t, grown, size+64<<10)
			assert.LessOrEqual(t, len(data), size)
		})
	}
}

func TestAContentCountsOnce(t *testing.T) {
	m := &gitv1.CommitFileRequest{Repository: "shop", File: &gitv1.InlineFileAction{Content: make([]byte, 1<<20)}}
	data, err := proto.Marshal(m)
	require.NoError(t, err)
	assert.InDelta(t, 1<<20, wire.DecodedSize(frames(data), m), 2000)
}

func TestTheDecodedSizeOfWhatIsNoMessageIsFound(t *testing.T) {
	m := &gitv1.PublishReleaseRequest{}
	actions := bytes.Repeat([]byte{5<<3 | byte(protowire.BytesType), 0}, 1000)
	group := []byte{99<<3&0x7f | byte(protowire.StartGroupType), 1}
	for what, data := range map[string][]byte{
		"cut off": append(actions, 0x0a, 0xff), "without end": append(actions, 0xff), "longer than it is": append(actions, 0x2a, 0xff, 0xff, 0xff, 0x07),
		"behind a group": append(group, actions...),
	} {
		assert.Greater(t, wire.DecodedSize(frames(data), m), 100*1000, what)
	}
}
