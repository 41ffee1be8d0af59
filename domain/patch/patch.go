// Package patch makes unified diffs of files. It does no I/O.
package patch

import (
	"bytes"
	"strconv"

	"znkr.io/diff"
	"znkr.io/diff/textdiff"
)

// MaxLines is the most lines of a file that a diff is made of: each takes some hundred bytes while it is, which lets a diff of
// two files of 1 MiB stay within 16 MiB.
const MaxLines = 50_000

const (
	contextLines = 3
	// binaryWindow is how far git looks for a NUL (buffer_is_binary, xdiff-interface.c).
	binaryWindow = 8000
	// maxCarefulLines bounds the lines of both sides for which a short diff is searched with care. Its time grows by the
	// power 1.5: a tenth of a second for these lines at worst, but many seconds for a hundred times as many.
	maxCarefulLines = 5_000
)

// IsDiffable reports whether a diff is made of content: it has no more than [MaxLines], and git does not take it for binary, as
// it does with a NUL in the first 8,000 bytes.
func IsDiffable(content []byte) bool {
	isBinary := bytes.IndexByte(content[:min(len(content), binaryWindow)], 0) >= 0
	return !isBinary && bytes.Count(bytes.TrimSuffix(content, []byte{'\n'}), []byte{'\n'}) < MaxLines
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
	all := textdiff.Hunks(before, after, options...)
	b := make([]byte, 0, sizeOf(all))
	for _, h := range all {
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

// sizeOf is at least what the hunks take, and little more: to let the patch of a large file grow would take several times
// its size.
func sizeOf(hunks []textdiff.Hunk[[]byte]) int {
	const header, unterminated = 64, 64
	n := unterminated
	for _, h := range hunks {
		n += header
		for _, e := range h.Edits {
			n += 1 + len(e.Line)
		}
	}
	return n
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
