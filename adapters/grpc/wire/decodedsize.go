package wire

import (
	"encoding/binary"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What is counted for a message beside its bytes: two bytes of a request can make a value of some hundred.
const (
	// messageMemory is for a message inside another one, and the value that is made of it.
	messageMemory = 400
	// itemMemory is for an item of a list.
	itemMemory = 100
	// maxCopied is the longest field that counts twice: names and paths are copied into values, contents are not.
	maxCopied = 4 << 10
	// strangeMemory is for each byte of what no client of ours sends, and is not looked into.
	strangeMemory = 256
)

// DecodedSize returns about how many bytes of memory the message takes that data would be decoded into, and the values that are then
// made of it, and decodes nothing. It allows for the worst that a client can send in so many bytes.
func DecodedSize(data mem.BufferSlice, m proto.Message) int {
	r := data.Reader()
	defer func() { _ = r.Close() }() // it never fails
	return data.Len() + decodedSize(r, m.ProtoReflect().Descriptor(), 0)
}

// decodedSize returns what a message takes beside its bytes, of which so many are left behind it.
func decodedSize(r *mem.Reader, d protoreflect.MessageDescriptor, behind int) (size int) {
	for r.Remaining() > behind {
		tag, err := binary.ReadUvarint(r)
		if err != nil {
			return size
		}
		number, kind := protowire.DecodeTag(tag)
		length := 0
		switch kind {
		case protowire.VarintType:
			_, err = binary.ReadUvarint(r)
		case protowire.Fixed32Type:
			length = 4
		case protowire.Fixed64Type:
			length = 8
		case protowire.BytesType:
			var n uint64
			if n, err = binary.ReadUvarint(r); n > uint64(r.Remaining()) { //nolint:gosec // not negative
				return size
			}
			length = int(n) //nolint:gosec // no more than what is left
			field := d.Fields().ByNumber(number)
			if field == nil {
				break
			}
			if field.IsList() {
				size += itemMemory
			}
			if field.Message() != nil {
				size += messageMemory + decodedSize(r, field.Message(), r.Remaining()-length)
				continue
			}
			if length <= maxCopied {
				size += length
			}
		default:
			return size + strangeMemory*r.Remaining()
		}
		if err != nil {
			return size
		}
		if _, err := r.Discard(length); err != nil {
			return size
		}
	}
	return size
}
