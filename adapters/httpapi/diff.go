package httpapi

import (
	"bufio"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// sendDiff streams the whole comparison in the format of git-diff(1) with --binary and --full-index.
func (c *call) sendDiff(repo ports.GitRepository, q ports.Compare) error {
	_, diffs, err := repo.GetDiff(c.ctx(), q)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", diffType+"; charset=utf-8")
	out := &diffWriter{w: bufio.NewWriterSize(c.w, bodyPart)}
	for d, err := range diffs {
		if err != nil {
			return err
		}
		if err := out.file(d, c.newContent(repo, q.Head)); err != nil {
			return err
		}
	}
	// An empty diff is an answer too.
	if c.w.status == 0 {
		c.w.WriteHeader(http.StatusOK)
	}
	return out.w.Flush()
}

// openContent opens the new content of a path; only what the patch itself does not show is asked for.
type openContent func(path git.TreePath) (size int64, content io.ReadCloser, err error)

func (c *call) newContent(repo ports.BlobReader, head git.Revision) openContent {
	return func(path git.TreePath) (int64, io.ReadCloser, error) {
		file, content, err := repo.ReadFile(c.ctx(), ports.ReadFile{Revision: head, Path: path})
		return file.Size, content, err
	}
}

// diffWriter writes git's patch format (git-diff(1), "Generating patch text with -p"). Failures of w show at its Flush.
type diffWriter struct{ w *bufio.Writer }

// file writes one path. What became another kind of entry is a deletion and a creation, as git has it.
func (d *diffWriter) file(f ports.FileDiff, open openContent) error {
	if f.Status == git.StatusTypeChanged {
		deleted, added := f, f
		deleted.Status, deleted.NewMode, deleted.NewID, deleted.Binary = git.StatusDeleted, 0, git.ObjectID{}, true
		added.Status, added.OldMode, added.OldID, added.Binary = git.StatusAdded, 0, git.ObjectID{}, true
		deleted.Patch, added.Patch = nil, nil
		if err := d.file(deleted, open); err != nil {
			return err
		}
		return d.file(added, open)
	}
	d.header(f)
	switch {
	case f.OldMode == git.ModeSubmodule || f.NewMode == git.ModeSubmodule:
		d.submodule(f)
	case f.Binary && f.OldID != f.NewID:
		return d.binary(f, open)
	case len(f.Patch) > 0:
		d.names(f)
		_, _ = d.w.Write(f.Patch)
	}
	return nil
}

func (d *diffWriter) header(f ports.FileDiff) {
	d.printf("diff --git %s %s\n", quoteName("a/", f.Path), quoteName("b/", f.Path))
	mode := ""
	switch {
	case f.Status == git.StatusAdded:
		d.printf("new file mode %s\n", f.NewMode)
	case f.Status == git.StatusDeleted:
		d.printf("deleted file mode %s\n", f.OldMode)
	case f.OldMode != f.NewMode:
		d.printf("old mode %s\nnew mode %s\n", f.OldMode, f.NewMode)
	default:
		mode = " " + f.NewMode.String()
	}
	if f.OldID != f.NewID {
		d.printf("index %s..%s%s\n", indexID(f.OldID, f.NewID), indexID(f.NewID, f.OldID), mode)
	}
}

// indexID writes an absent side as the null ID, in the length of the other.
func indexID(id, other git.ObjectID) string {
	if id.IsZero() {
		return strings.Repeat("0", 2*other.Format().Size())
	}
	return id.String()
}

func (d *diffWriter) names(f ports.FileDiff) {
	before, after := quoteName("a/", f.Path), quoteName("b/", f.Path)
	if f.Status == git.StatusAdded {
		before = "/dev/null"
	}
	if f.Status == git.StatusDeleted {
		after = "/dev/null"
	}
	d.printf("--- %s\n+++ %s\n", terminated(before), terminated(after))
}

// terminated ends a name with white space in it by a tab, without which "patch" would cut it.
func terminated(name string) string {
	if strings.Contains(name, " ") {
		return name + "\t"
	}
	return name
}

func (d *diffWriter) submodule(f ports.FileDiff) {
	d.names(f)
	switch {
	case f.Status == git.StatusAdded:
		d.printf("@@ -0,0 +1 @@\n+Subproject commit %s\n", f.NewID)
	case f.Status == git.StatusDeleted:
		d.printf("@@ -1 +0,0 @@\n-Subproject commit %s\n", f.OldID)
	default:
		d.printf("@@ -1 +1 @@\n-Subproject commit %s\n+Subproject commit %s\n", f.OldID, f.NewID)
	}
}

// binary writes the new content whole, deflated and in git's base85. The way back, which git writes too, is left out:
// "git apply" does not need it.
func (d *diffWriter) binary(f ports.FileDiff, open openContent) error {
	var (
		size    int64
		content io.ReadCloser = http.NoBody
		err     error
	)
	if f.Status != git.StatusDeleted {
		if size, content, err = open(f.Path); err != nil {
			return err
		}
		defer content.Close()
	}
	d.printf("GIT binary patch\nliteral %d\n", size)
	lines := &base85Writer{w: d.w}
	deflate := zlib.NewWriter(lines)
	n, err := io.Copy(deflate, content)
	if err != nil {
		return err
	}
	if n != size {
		return io.ErrUnexpectedEOF
	}
	if err := deflate.Close(); err != nil {
		return err
	}
	lines.flush()
	d.printf("\n")
	return nil
}

func (d *diffWriter) printf(format string, args ...any) { _, _ = fmt.Fprintf(d.w, format, args...) }

// quoteName quotes a path as git does (git-config(1), core.quotePath): in C's way if it has bytes that are special.
func quoteName(prefix string, path git.TreePath) string {
	name := prefix + path.String()
	if !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
		return name
	}
	b := []byte{'"'}
	for i := range len(name) {
		b = appendQuoted(b, name[i])
	}
	return string(append(b, '"'))
}

const escaped = "\a\b\t\n\v\f\r\"\\"

func appendQuoted(b []byte, c byte) []byte {
	if i := strings.IndexByte(escaped, c); i >= 0 {
		return append(b, '\\', `abtnvfr"\`[i])
	}
	if c < ' ' || c >= 0x7f {
		return fmt.Appendf(b, `\%03o`, c)
	}
	return append(b, c)
}

// base85Writer writes the lines of a binary patch: the number of bytes as a letter, then five digits for four bytes.
type base85Writer struct {
	w    *bufio.Writer
	line [52]byte
	n    int
}

func (b *base85Writer) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		k := copy(b.line[b.n:], p)
		b.n, p = b.n+k, p[k:]
		if b.n == len(b.line) {
			b.flush()
		}
	}
	return written, nil
}

const base85Lengths = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const base85Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"

func (b *base85Writer) flush() {
	if b.n == 0 {
		return
	}
	clear(b.line[b.n:])
	_ = b.w.WriteByte(base85Lengths[b.n-1])
	for i := 0; i < b.n; i += 4 {
		b.group(b.line[i : i+4])
	}
	_ = b.w.WriteByte('\n')
	b.n = 0
}

func (b *base85Writer) group(p []byte) {
	v := uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3])
	var digits [5]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base85Digits[v%85]
		v /= 85
	}
	_, _ = b.w.Write(digits[:])
}
