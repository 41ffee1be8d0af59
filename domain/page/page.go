// Package page holds the rules of listings that come in pages: how large a page is, and the opaque token that names the
// place where the next one begins. It does no I/O.
package page

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// Limits of a page, in items.
const (
	DefaultSize = 100
	MaxSize     = 1000
)

// Size returns the number of items of a page of which requested were asked for: [DefaultSize] for 0, [MaxSize] for
// more than that. A negative one fails with INVALID_PAGE_SIZE.
func Size(requested int) (int, error) {
	switch {
	case requested < 0:
		return 0, errs.InvalidField(errs.ReasonInvalidPageSize, "page_size",
			"page size %d is negative: use 1 to %d, or 0 for %d", requested, MaxSize, DefaultSize)
	case requested == 0:
		return DefaultSize, nil
	}
	return min(requested, MaxSize), nil
}

// Token is the place in a listing after the last item of a page.
type Token struct {
	// Commit is the commit that the whole listing is of, so that pages fit together; zero where none is.
	Commit git.ObjectID
	// After is the name or path of the last item; "" if the listing counts its items instead.
	After string
	// Skip is the number of items that went before; never negative.
	Skip int
}

const (
	tokenVersion = 1
	sumSize      = 16
	// maxToken leaves room for the longest path in base64.
	maxToken = 8 << 10
)

// Encode returns t as the token of one question. The scope tells the question: the method, the repository and whatever
// selects or orders the items, joined so that no two questions have the same scope. It has to be known to [Decode].
func Encode(scope string, t Token) string {
	b := []byte{tokenVersion, byte(t.Commit.Format())}
	b = t.Commit.AppendTo(b)
	b = binary.AppendUvarint(b, uint64(t.Skip)) //nolint:gosec // Skip is not negative
	b = append(b, t.After...)
	sum := checksum(scope, b)
	return base64.RawURLEncoding.EncodeToString(append(b, sum...))
}

// checksum binds a token to its question. It is no secret: what a token says is validated as if the caller had said it.
func checksum(scope string, payload []byte) []byte {
	h := sha256.New()
	h.Write(binary.AppendUvarint(nil, uint64(len(scope))))
	h.Write([]byte(scope))
	h.Write(payload)
	return h.Sum(nil)[:sumSize]
}

// Decode reads what [Encode] returned for the same scope. Anything else, the empty string included, fails with
// INVALID_PAGE_TOKEN.
func Decode(scope, s string) (Token, error) {
	t, ok := decode(s)
	if !ok || Encode(scope, t) != s {
		return Token{}, errs.InvalidField(errs.ReasonInvalidPageToken, "page_token",
			"the page token is not one of this listing: repeat the request that gave it with nothing changed, or start without a token")
	}
	return t, nil
}

func decode(s string) (t Token, ok bool) {
	if len(s) > maxToken {
		return t, false
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 2+sumSize || b[0] != tokenVersion {
		return t, false
	}
	format, b := git.ObjectFormat(b[1]), b[2:len(b)-sumSize]
	if n := format.Size(); n > 0 {
		if len(b) < n {
			return t, false
		}
		if t.Commit, err = git.ObjectIDFromBytes(b[:n]); err != nil {
			return t, false
		}
		b = b[n:]
	}
	skip, n := binary.Uvarint(b)
	if n <= 0 || skip > math.MaxInt {
		return t, false
	}
	t.Skip, t.After = int(skip), string(b[n:])
	return t, true
}
