// Package patch makes unified diffs of files. It does no I/O.
package patch

import (
	"bytes"
	"strconv"

	"znkr.io/diff"
	"znkr.io/diff/textdiff"
)

const (
	contextLines = 3
	// binaryWindow is how far git looks for a NUL (buffer_is_binary, xdiff-interface.c).
	binaryWindow = 8000
	// maxCarefulLines bounds the lines of both sides for which a short diff is searched with care. Its time grows by the
	// power 1.5: a tenth of a second for these lines at worst, but many seconds for a hundred times as many.
	maxCarefulLines = 5_000
)

// IsBinary reports whether git takes content for binary: it has a NUL in its first 8,000 bytes.
func IsBinary(content []byte) bool {
	return bytes.IndexByte(content[:min(len(content), binaryWindow)], 0) >= 0
}

// Unified returns the hunks of the unified diff from before to after with three lines of context, each beginning with
// "@@", and how many lines they add and remove. There is none if both are equal. Behind a header that names the files
// git-apply(1) takes it. The diff need not be the shortest, least of all that of large files, and another release may
// give another one.
func Unified(before, after []byte) (hunks []byte, added, removed int) {
	options := []diff.Option{diff.Context(contextLines)}
	if bytes.Count(before, []byte{'\n'})+bytes.Count(after, []byte{'\n'}) > maxCarefulLines {
		options = append(options, diff.Fast())
	}
	var b []byte
	for _, h := range textdiff.Hunks(before, after, options...) {
		b = appendRange(append(b, "@@ -"...), h.LineNoX, h.EndLineNoX)
		b = appendRange(append(b, " +"...), h.LineNoY, h.EndLineNoY)
		b = append(b, " @@\n"...)
		for _, e := range h.Edits {
			sign := byte(' ')
			switch e.Op {
			case diff.Delete:
				sign = '-'
				removed++
			case diff.Insert:
				sign = '+'
				added++
			case diff.Match:
			}
			b = appendLine(append(b, sign), e.Line)
		}
	}
	return b, added, removed
}

// appendRange writes the lines [start, end), counted from zero: the first line's number and how many there are unless
// it is one. No lines are said to be behind the line before them.
func appendRange(b []byte, start, end int) []byte {
	n := end - start
	if n > 0 {
		start++
	}
	b = strconv.AppendInt(b, int64(start), 10)
	if n == 1 {
		return b
	}
	return strconv.AppendInt(append(b, ','), int64(n), 10)
}

func appendLine(b, line []byte) []byte {
	b = append(b, line...)
	if !bytes.HasSuffix(line, []byte{'\n'}) {
		b = append(b, "\n\\ No newline at end of file\n"...)
	}
	return b
}
