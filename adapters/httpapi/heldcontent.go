package httpapi

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gitstore-dev/gitstore/internal/budget"
)

const (
	// contentWindow is how much of a commit's JSON is read ahead of its decoder.
	contentWindow = 32 << 10
	// contentBlock is in what pieces contents are kept, once they are not small.
	contentBlock = 256 << 10
	// contentDepth is how deep the members of actions are.
	contentDepth = 3
	// longestName is more than the names of contents take with all characters escaped.
	longestName = 96
)

// heldContent is the decoded content of an action.
type heldContent struct {
	hold   *budget.Hold
	base64 bool
	blocks [][]byte
	size   int64
	// counted is what the blocks take.
	counted int64
	// quad are characters of base64 that do not make bytes yet. After padding nothing may follow.
	quad, decoded []byte
	padded        bool
}

// errNotBase64 is told apart from what the memory refuses.
var errNotBase64 = errors.New("not base64")

// write adds what comes next of the text.
func (h *heldContent) write(text []byte) error {
	if !h.base64 {
		return h.keep(text)
	}
	if h.padded && len(text) > 0 || bytes.ContainsAny(text, "\r\n") {
		return errNotBase64
	}
	h.quad = append(h.quad, text...)
	whole := len(h.quad) / 4 * 4
	decoded, err := base64.StdEncoding.Strict().AppendDecode(h.decoded[:0], h.quad[:whole])
	if err != nil {
		return errNotBase64
	}
	h.decoded, h.padded = decoded, len(decoded) < whole/4*3
	h.quad = append(h.quad[:0], h.quad[whole:]...)
	return h.keep(decoded)
}

// end is called behind the last of the text.
func (h *heldContent) end() error {
	if len(h.quad) > 0 {
		return errNotBase64
	}
	h.quad, h.decoded = nil, nil
	return nil
}

func (h *heldContent) keep(p []byte) error {
	h.size += int64(len(p))
	for len(p) > 0 {
		last := len(h.blocks) - 1
		if last < 0 || len(h.blocks[last]) == cap(h.blocks[last]) {
			room := min(max(len(p), int(h.counted)), contentBlock)
			if err := h.hold.Take(int64(room)); err != nil {
				return err
			}
			h.counted += int64(room)
			h.blocks = append(h.blocks, make([]byte, 0, room))
			last++
		}
		block := h.blocks[last]
		n := min(len(p), cap(block)-len(block))
		h.blocks[last], p = append(block, p[:n]...), p[n:]
	}
	return nil
}

// reader reads the content once.
func (h *heldContent) reader() io.Reader {
	readers := make([]io.Reader, len(h.blocks))
	for i, block := range h.blocks {
		readers[i] = bytes.NewReader(block)
	}
	return io.MultiReader(readers...)
}

// release forgets the content.
func (h *heldContent) release() {
	h.hold.Give(h.counted)
	h.blocks, h.counted = nil, 0
}

// contentReader reads a commit's JSON for a decoder, which would hold the text of each value twice over and its value as well. It takes
// the contents of actions out of it, decoded, and leaves empty strings in their places. Of what is no JSON it may take out too
// much, which the decoder does not see: it never reads past the mistake.
type contentReader struct {
	source io.Reader
	hold   *budget.Hold
	// limit is how large a content may be, in bytes; at is the number of the action.
	limit    int64
	exceeded error
	at       int

	// ahead is what was read and not passed on, in buf.
	ahead, buf []byte
	err        error
	// depth is how many arrays and objects are open, last the string that was read last or is being read, and afterName that it names
	// the value that comes next.
	depth                        int
	inString, escaped, afterName bool
	last                         []byte
	// content is being taken out; taken are those that were.
	content *heldContent
	taken   []*heldContent
	// removed is how many bytes were taken out, and passed how many were read with them.
	removed, passed int64
}

func (r *contentReader) allow(limit int64, exceeded error) { r.limit, r.exceeded = limit, exceeded }

// Read stops behind each action, so that the contents of the next are not read before they are wanted, and before each content, so that
// what is wrong before it is found first.
func (r *contentReader) Read(p []byte) (n int, err error) {
	if r.content != nil {
		if err := r.takeContent(); err != nil {
			return 0, err
		}
	}
	if len(r.ahead) == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	for stop := false; !stop && n < len(p) && n < len(r.ahead); n++ {
		p[n] = r.ahead[n]
		stop = r.step(p[n])
	}
	r.ahead, r.passed = r.ahead[n:], r.passed+int64(n)
	return n, nil
}

// fill reads more behind what is there. It fails only if nothing came.
func (r *contentReader) fill() error {
	if r.err != nil {
		return r.err
	}
	if r.buf == nil {
		r.buf = make([]byte, contentWindow)
	}
	have := copy(r.buf, r.ahead)
	n := 0
	for n == 0 && r.err == nil {
		n, r.err = r.source.Read(r.buf[have:])
	}
	r.ahead = r.buf[:have+n]
	if n > 0 {
		return nil
	}
	return r.err
}

// step follows one byte that is passed on, and reports whether to stop behind it.
func (r *contentReader) step(b byte) bool {
	if r.inString {
		switch {
		case r.escaped:
			r.escaped = false
		case b == '\\':
			r.escaped = true
		case b == '"':
			r.inString = false
		}
		if len(r.last) < longestName {
			r.last = append(r.last, b)
		}
		return false
	}
	switch b {
	case ' ', '\t', '\r', '\n':
		return false
	case '"':
		if r.afterName && r.depth == contentDepth {
			r.content = r.named()
		}
		r.inString, r.last = r.content == nil, append(r.last[:0], b)
	case '{', '[':
		r.depth++
	case '}', ']':
		r.depth--
	}
	r.afterName = b == ':'
	return r.content != nil || b == '}' && r.depth == contentDepth-1
}

// named returns a new content if the name that was read last is that of one, else nil.
func (r *contentReader) named() *heldContent {
	name, err := jsontext.AppendUnquote(nil, r.last)
	if s := string(name); err == nil && (s == "content" || s == "content_base64") {
		return &heldContent{hold: r.hold, base64: s == "content_base64"}
	}
	return nil
}

// takeContent reads up to the quote that ends the content.
func (r *contentReader) takeContent() error {
	var quoted, text []byte
	for {
		n, end := wholeCharacters(r.ahead)
		quoted = append(append(append(quoted[:0], '"'), r.ahead[:n]...), '"')
		var err error
		if text, err = jsontext.AppendUnquote(text[:0], quoted); err != nil {
			return r.syntaxError(err)
		}
		err = r.content.write(text)
		if end && err == nil {
			err = r.content.end()
		}
		switch {
		case errors.Is(err, errNotBase64):
			return semanticError(fmt.Sprintf("actions[%d].content_base64", r.at), &json.SemanticError{GoType: reflect.TypeFor[base64Content]()})
		case err != nil:
			return err
		case r.content.size > r.limit:
			return r.exceeded
		}
		r.ahead, r.removed, r.passed = r.ahead[n:], r.removed+int64(n), r.passed+int64(n)
		if end {
			r.taken, r.content, r.inString = append(r.taken, r.content), nil, true
			return nil
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
}

// syntaxError is like those of a decoder, which knows nothing of what was taken out.
func (r *contentReader) syntaxError(err error) error {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		name := "content"
		if r.content.base64 {
			name = "content_base64"
		}
		return &jsontext.SyntacticError{
			ByteOffset: r.passed - r.removed, JSONPointer: jsontext.Pointer(fmt.Sprintf("/actions/%d/%s", r.at, name)), Err: e.Err,
		}
	}
	return err
}

// take returns the contents that were taken out since it was called last.
func (r *contentReader) take() []*heldContent {
	taken := r.taken
	r.taken = nil
	return taken
}

// wholeCharacters returns how much of the inside of a JSON string is whole, without a character or an escape at its end that may go on,
// and whether the string ends there.
func wholeCharacters(b []byte) (n int, end bool) {
	for n < len(b) && b[n] != '"' {
		size := 1
		if b[n] == '\\' {
			size = escapeSize(b[n:])
		}
		if n+size > len(b) {
			return n, false
		}
		n += size
	}
	if n < len(b) {
		return n, true
	}
	for back := 1; back < utf8.UTFMax && back <= n; back++ {
		if tail := b[n-back : n]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				n -= back
			}
			break
		}
	}
	return n, false
}

// escapeSize is the length of the escape that b begins with; that of two, if it is the first half of a pair of surrogates.
func escapeSize(b []byte) int {
	switch {
	case len(b) < 2 || b[1] != 'u':
		return 2
	case len(b) >= 4 && (b[2] == 'd' || b[2] == 'D') && bytes.IndexByte([]byte("89abAB"), b[3]) >= 0:
		return 12
	}
	return 6
}
