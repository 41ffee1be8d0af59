package event

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// Cursor is a place in the journal: just behind one event of one epoch. Whoever has seen everything up to a cursor goes
// on from there. The zero value is before everything. Callers take its text as it is; that it counts is nobody's
// business but the journal's.
type Cursor struct {
	epoch    string
	sequence uint64
}

// An epoch is 16 hexadecimal digits; the sequence has no leading zero, so that a cursor has one text alone.
var cursorPattern = regexp.MustCompile(`^[0-9a-f]{16}-(0|[1-9][0-9]{0,18})$`)

// NewCursor returns the cursor behind the event of that sequence number, 1 for the first of an epoch; 0 is before it.
// The epoch is 16 lower-case hexadecimal digits.
func NewCursor(epoch string, sequence uint64) Cursor { return Cursor{epoch, sequence} }

// ParseCursor reads what [Cursor.String] wrote; "" is the zero cursor. It fails with INVALID_CURSOR.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	if !cursorPattern.MatchString(s) {
		return Cursor{}, errs.InvalidField(errs.ReasonInvalidCursor, "cursor", "%.80q is no cursor: use one from an event or an answer as it is", s)
	}
	epoch, digits, _ := strings.Cut(s, "-")
	sequence, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return Cursor{}, errs.InvalidField(errs.ReasonInvalidCursor, "cursor", "%.80q is no cursor: use one from an event or an answer as it is", s)
	}
	return Cursor{epoch, sequence}, nil
}

// IsZero reports whether the cursor is before everything.
func (c Cursor) IsZero() bool { return c.epoch == "" }

// Epoch names the journal that the cursor is of. A journal that was rebuilt has another one.
func (c Cursor) Epoch() string { return c.epoch }

// Sequence is the number of the event that the cursor is behind.
func (c Cursor) Sequence() uint64 { return c.sequence }

// Reached reports whether everything up to other has happened at c. Cursors of different epochs reach nothing of each
// other; the zero cursor is reached by all.
func (c Cursor) Reached(other Cursor) bool {
	return other.IsZero() || c.epoch == other.epoch && c.sequence >= other.sequence
}

// String returns the cursor's text, "" for the zero one.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	return c.epoch + "-" + strconv.FormatUint(c.sequence, 10)
}

// MarshalText implements [encoding.TextMarshaler].
func (c Cursor) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Cursor) UnmarshalText(text []byte) error {
	parsed, err := ParseCursor(string(text))
	if err == nil {
		*c = parsed
	}
	return err
}
