// Package requestid carries the correlation id of a request, by which the log lines of every service that had a part in
// it are found. It travels in the HTTP header X-Request-Id and in the gRPC metadata [Metadata]. It has nothing to do
// with the request id that makes a commit idempotent.
package requestid

import (
	"context"
	"crypto/rand"
	"encoding/hex"
)

// Metadata is the key of the id in gRPC metadata.
const Metadata = "x-request-id"

// maxLength bounds an id that a client made up, in bytes.
const maxLength = 128

type key struct{}

// With returns a context that carries the id.
func With(ctx context.Context, id string) context.Context { return context.WithValue(ctx, key{}, id) }

// From returns the id that ctx carries, "" if there is none.
func From(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}

// New returns an id that nobody can guess: 32 hexadecimal digits.
func New() string {
	var b [16]byte
	var text [2 * len(b)]byte
	_, _ = rand.Read(b[:]) // never fails
	hex.Encode(text[:], b[:])
	return string(text[:])
}

// Valid reports whether an id from outside is fit for a header and a log: 1 to 128 printable ASCII characters, none of
// them a space.
func Valid(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= maxLength
}
