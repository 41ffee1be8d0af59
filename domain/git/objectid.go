// Package git holds the values of Git that GitStore works with: object IDs, ref names, revisions, tree paths, objects
// and changes. Their constructors validate, so a value that exists is valid and nothing below checks it again. The
// words are those of gitglossary(7). The package needs the standard library alone and does no I/O.
package git

import (
	"crypto/sha1" //nolint:gosec // Git's object format; collisions are detected where content is stored.
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// ObjectFormat is the hash algorithm of a repository (git-init(1), --object-format). The zero value is no format.
type ObjectFormat uint8

const (
	// SHA1 names objects by 20 bytes. It is Git's default.
	SHA1 ObjectFormat = iota + 1
	// SHA256 names objects by 32 bytes.
	SHA256
)

// ParseObjectFormat reads "sha1" or "sha256". It fails with INVALID_ARGUMENT.
func ParseObjectFormat(s string) (ObjectFormat, error) {
	switch s {
	case "sha1":
		return SHA1, nil
	case "sha256":
		return SHA256, nil
	}
	return 0, errs.InvalidField(errs.ReasonInvalidArgument, "object_format", `object format %q is unknown: use "sha1" or "sha256"`, s)
}

// String returns the name that git uses.
func (f ObjectFormat) String() string {
	switch f {
	case SHA1:
		return "sha1"
	case SHA256:
		return "sha256"
	}
	return "unknown"
}

// Size returns the length of an object ID in bytes, and 0 for no format.
func (f ObjectFormat) Size() int {
	switch f {
	case SHA1:
		return sha1.Size
	case SHA256:
		return sha256.Size
	}
	return 0
}

// New returns the format's hash. It does not detect SHA-1 collisions: content that comes from outside is hashed where
// it is stored, by a hash that does.
func (f ObjectFormat) New() hash.Hash {
	if f == SHA256 {
		return sha256.New()
	}
	return sha1.New() //nolint:gosec // see above
}

// HashObject returns the ID of an object of the type and content.
func (f ObjectFormat) HashObject(t ObjectType, content []byte) ObjectID {
	h := f.New()
	h.Write(ObjectHeader(t, int64(len(content))))
	h.Write(content)
	return f.sum(h)
}

func (f ObjectFormat) sum(h hash.Hash) ObjectID {
	id := ObjectID{format: f}
	h.Sum(id.raw[:0])
	return id
}

// EmptyTree returns the ID of the tree without entries. Git knows it in every repository.
func (f ObjectFormat) EmptyTree() ObjectID { return f.HashObject(TreeObject, nil) }

// ObjectHeader returns what Git hashes before an object's content: type, size in bytes, NUL.
func ObjectHeader(t ObjectType, size int64) []byte {
	h := make([]byte, 0, 28)
	h = append(h, t.String()...)
	h = append(h, ' ')
	h = strconv.AppendInt(h, size, 10)
	return append(h, 0)
}

// ObjectID is the name of an object. It is comparable. The zero value names nothing and stands for "no object".
type ObjectID struct {
	format ObjectFormat
	raw    [sha256.Size]byte
}

// ParseObjectID reads 40 (SHA-1) or 64 (SHA-256) hexadecimal digits. Abbreviations and the null ID of zeros alone are
// refused, with INVALID_OBJECT_ID.
func ParseObjectID(s string) (ObjectID, error) {
	var id ObjectID
	switch len(s) {
	case 2 * sha1.Size:
		id.format = SHA1
	case 2 * sha256.Size:
		id.format = SHA256
	default:
		return ObjectID{}, invalidObjectID(s)
	}
	if _, err := hex.Decode(id.raw[:], []byte(s)); err != nil || id.raw == [sha256.Size]byte{} {
		return ObjectID{}, invalidObjectID(s)
	}
	return id, nil
}

func invalidObjectID(s string) error {
	return errs.New(errs.ReasonInvalidObjectID, "object id "+quote(s)+" is not 40 or 64 hexadecimal digits, in full and not all zero")
}

// ObjectIDFromBytes reads 20 (SHA-1) or 32 (SHA-256) bytes, as trees and packs hold them. It fails with
// INVALID_OBJECT_ID on any other length and on zeros alone.
func ObjectIDFromBytes(b []byte) (ObjectID, error) {
	var id ObjectID
	switch len(b) {
	case sha1.Size:
		id.format = SHA1
	case sha256.Size:
		id.format = SHA256
	default:
		return ObjectID{}, invalidObjectID(hex.EncodeToString(b))
	}
	copy(id.raw[:], b)
	if id.raw == [sha256.Size]byte{} {
		return ObjectID{}, invalidObjectID(hex.EncodeToString(b))
	}
	return id, nil
}

// IsZero reports whether id names no object.
func (id ObjectID) IsZero() bool { return id.format == 0 }

// Format returns the object format, and the zero format of the zero ID.
func (id ObjectID) Format() ObjectFormat { return id.format }

// Bytes returns the ID's 20 or 32 bytes, and none for the zero ID. The caller owns them.
func (id ObjectID) Bytes() []byte { return id.AppendTo(nil) }

// AppendTo appends the ID's bytes to b.
func (id ObjectID) AppendTo(b []byte) []byte { return append(b, id.raw[:id.format.Size()]...) }

// String returns the ID in lower-case hexadecimal, and "" for the zero ID.
func (id ObjectID) String() string {
	var text [2 * sha256.Size]byte
	n := hex.Encode(text[:], id.raw[:id.format.Size()])
	return string(text[:n])
}

// MarshalText implements [encoding.TextMarshaler].
func (id ObjectID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// ObjectType is the type of an object. The zero value is no type.
type ObjectType uint8

// The numbers are those of gitformat-pack(5).
const (
	CommitObject ObjectType = iota + 1
	TreeObject
	BlobObject
	TagObject
)

// ParseObjectType reads "commit", "tree", "blob" or "tag" and reports whether s was one of them.
func ParseObjectType(s string) (ObjectType, bool) {
	for t := CommitObject; t <= TagObject; t++ {
		if t.String() == s {
			return t, true
		}
	}
	return 0, false
}

// String returns the name that git uses.
func (t ObjectType) String() string {
	switch t {
	case CommitObject:
		return "commit"
	case TreeObject:
		return "tree"
	case BlobObject:
		return "blob"
	case TagObject:
		return "tag"
	}
	return "unknown"
}

// quote returns s quoted, shortened to what fits a message.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
