// Package pktline reads and writes the lines that Git's pack protocol is made of (gitprotocol-common(5), "pkt-line Format").
package pktline

import (
	"errors"
	"fmt"
	"io"
)

const (
	// MaxLine is the longest line, its length included, in bytes.
	MaxLine = 65520
	// MaxData is the most data of a line, in bytes.
	MaxData = MaxLine - lengthDigits

	lengthDigits = 4
)

// Flush is the line that ends a list of lines.
const Flush = "0000"

// Kind tells lines with data from the special ones.
type Kind uint8

const (
	// Data is a line with data, which may be empty.
	Data Kind = iota
	// FlushLine is "0000".
	FlushLine
	// Delimiter is "0001", which divides the parts of a message of version 2.
	Delimiter
	// ResponseEnd is "0002", which ends an answer of version 2 to a client without a session.
	ResponseEnd
)

// ErrMalformed is what is not a line.
var ErrMalformed = errors.New("malformed pkt-line")

// Reader reads lines. It reads no byte behind the line that it returns.
type Reader struct {
	r   io.Reader
	buf [MaxLine]byte
}

// NewReader returns a reader of the lines of r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Next reads a line. Its data is good until the next call. It fails with io.EOF at the end of the input, with
// io.ErrUnexpectedEOF within a line, with [ErrMalformed], and as the input does.
func (r *Reader) Next() (Kind, []byte, error) {
	digits := r.buf[:lengthDigits]
	if _, err := io.ReadFull(r.r, digits); err != nil {
		return 0, nil, err
	}
	n, err := length(digits)
	if err != nil {
		return 0, nil, err
	}
	if n < lengthDigits {
		return [...]Kind{FlushLine, Delimiter, ResponseEnd}[n], nil, nil
	}
	data := r.buf[lengthDigits:n]
	if _, err := io.ReadFull(r.r, data); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return Data, data, nil
}

func length(digits []byte) (int, error) {
	n := 0
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | int(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		case 'A' <= c && c <= 'F':
			n = n<<4 | int(c-'A'+10)
		default:
			return 0, fmt.Errorf("%w: its length is %q", ErrMalformed, digits)
		}
	}
	if n == lengthDigits-1 || n > MaxLine {
		return 0, fmt.Errorf("%w: its length is %q", ErrMalformed, digits)
	}
	return n, nil
}

// AppendLine appends a line as [Reader.Next] returns it.
func AppendLine(b []byte, kind Kind, data []byte) []byte {
	switch kind {
	case FlushLine:
		return append(b, "0000"...)
	case Delimiter:
		return append(b, "0001"...)
	case ResponseEnd:
		return append(b, "0002"...)
	case Data:
	}
	return Append(b, string(data))
}

// Append appends a line with the data, which must not be longer than [MaxData].
func Append(b []byte, data string) []byte {
	const digits = "0123456789abcdef"
	n := len(data) + lengthDigits
	b = append(b, digits[n>>12&15], digits[n>>8&15], digits[n>>4&15], digits[n&15])
	return append(b, data...)
}

// Band is a channel of an answer that is multiplexed (gitprotocol-pack(5), "side-band").
type Band byte

const (
	// PackBand has what the answer is about: a pack, or the report on a push.
	PackBand Band = 1
	// TextBand has text that the client shows to its user, line by line behind "remote: ".
	TextBand Band = 2
	// ErrorBand has why the answer ends here.
	ErrorBand Band = 3
)

// AppendBand appends data on a band, in as many lines as it takes; without data, an empty line that keeps a client waiting.
func AppendBand(b []byte, band Band, data string) []byte {
	const most = MaxData - 1
	for len(data) > most {
		b = Append(b, string(band)+data[:most])
		data = data[most:]
	}
	return Append(b, string(band)+data)
}
