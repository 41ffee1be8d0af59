package command

import (
	"bytes"
	"io"
	"regexp"

	"github.com/gitstore-dev/gitstore/internal/pktline"
)

// bandWriter passes on the pkt-lines of an answer, but for what git says of its failure on the bands for text and for errors. A line
// passes when it is whole, one of a pack as it comes, and so does what is no pkt-line: a pack for a client that knows no bands. An empty
// line passes in the place of the first that is kept back: whoever follows the lines knows by it that the client awaits bands.
type bandWriter struct {
	w     io.Writer
	lines pktline.Follower
	// held is the beginning of the line under way, as long as it does not pass.
	held []byte
	// said is what was kept back.
	said stderrTail
	// refused reports that the last line on no band begins with "ERR ".
	refused bool
}

// Write implements io.Writer.
func (b *bandWriter) Write(p []byte) (int, error) {
	var err error
	first, line := 0, 0 // p[first:line] is to pass; what is not held of the line under way begins at p[line]
	for at := 0; at < len(p) && err == nil; {
		at += b.lines.Step(p[at:])
		_, band, left, known := b.lines.Last()
		whole := known && left == 0
		if !b.lines.Lost() && (!known || !whole && band != pktline.PackBand) {
			continue
		}
		if whole && band != pktline.PackBand {
			all := p[line:at]
			if len(b.held) > 0 {
				all = append(b.held, all...)
			}
			if rest := b.judge(band, all); !bytes.Equal(rest, all) {
				_, err = b.w.Write(append(p[first:line:line], rest...))
				b.held, first, line = nil, at, at
				continue
			}
		}
		if len(b.held) > 0 {
			_, err = b.w.Write(b.held)
			b.held = nil
		}
		line = at
	}
	if err == nil && line > first {
		_, err = b.w.Write(p[first:line])
	}
	b.held = append(b.held, p[line:]...)
	return len(p), err
}

// complaint is where git begins to say what is wrong. What it says of its progress ends in a carriage return.
var complaint = regexp.MustCompile(`(?:^|[\r\n])(?:fatal|error): `)

// judge returns what of a line passes.
func (b *bandWriter) judge(band pktline.Band, line []byte) []byte {
	const lengthAndBand = len("0005\x03")
	switch band {
	case pktline.ErrorBand:
		return b.keepBack(line[lengthAndBand:])
	case pktline.TextBand:
		text, at := line[lengthAndBand:], 0
		if len(b.said.b) == 0 {
			begin := complaint.FindIndex(text)
			if begin == nil {
				return line
			}
			at = begin[0]
		}
		instead := b.keepBack(bytes.TrimLeft(text[at:], "\r\n"))
		if at == 0 {
			return instead
		}
		return pktline.AppendBand(nil, band, string(text[:at]))
	default:
		b.refused = bytes.HasPrefix(line[len("0000"):], []byte("ERR "))
		return line
	}
}

// keepBack keeps back what git said, and returns what passes instead.
func (b *bandWriter) keepBack(text []byte) (instead []byte) {
	if len(b.said.b) == 0 {
		instead = pktline.AppendBand(nil, pktline.PackBand, "")
	}
	_, _ = b.said.Write(text)
	return instead
}
