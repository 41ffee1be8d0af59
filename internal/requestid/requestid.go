// Package requestid carries the id of a request through a context, so that every log line of every service that worked
// on it can be found by one word. It is not the request_id of a commit, which makes a retry safe.
package requestid

import (
	"context"
	"crypto/rand"
)

type key struct{}

// With returns a context that carries the id.
func With(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, key{}, id)
}

// From returns the id that ctx carries, or "".
func From(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}

// New returns an id that nobody has: 26 letters and digits.
func New() string { return rand.Text() }

// Valid reports whether an id that somebody sent is fit for a log and a header: up to 128 visible ASCII characters.
func Valid(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= 128
}
