package packfile

import (
	"bufio"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// Limits are what a pack that somebody sends may have.
type Limits struct {
	// Bytes is the most that the pack may have as it is sent.
	Bytes int64
	// Objects is the most objects.
	Objects int64
	// Blob is the largest file, in bytes.
	Blob int64
}

const (
	// maxWhole is the largest object that git has to hold in memory: any but a blob that comes as a whole. A delta names the
	// sizes of what it is based on and of what it makes; both are held.
	maxWhole = 64 << 20
	// maxMessage is the largest commit or tag that is sent as a whole: an answer has room for it.
	maxMessage = 1 << 20
	// maxMade is the most that all objects of a pack may make together. Each of them is made and hashed at least once,
	// however few bytes a delta takes, and reading the one at the end of a chain of deltas makes all that are in it.
	maxMade = 8 << 30
	// What is sent may become maxRatio times as long and freeInflated more. Deflate shrinks nothing that somebody wrote
	// as much; it can shrink nothing at all a thousand times.
	maxRatio     = 200
	freeInflated = 64 << 20
)

// Check reads a pack up to its end, before anything is made of it, and holds it to the limits. It returns how many objects
// the pack has. It fails with INVALID_PACK for what is not a pack, cut short or followed by something else, with
// PACK_TOO_LARGE, and as the reader does. What the objects are, and the checksums, are left to git.
func Check(r io.Reader, f git.ObjectFormat, limits Limits) (objects int64, err error) {
	c := &checker{limits: limits, count: countingReader{r: r, limit: limits.Bytes}}
	c.in = bufio.NewReaderSize(&c.count, 64<<10)
	if objects, err = c.header(); err != nil {
		return 0, err
	}
	for i := range objects {
		if err := c.object(f); err != nil {
			return 0, c.explain(err, fmt.Sprintf("object %d of %d", i+1, objects))
		}
	}
	if _, err := c.in.Discard(f.Size()); err != nil {
		return 0, c.explain(err, "its checksum")
	}
	if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = invalidPack("something follows the pack")
		}
		return 0, c.explain(err, "its end")
	}
	return objects, nil
}

type checker struct {
	limits Limits
	count  countingReader
	in     *bufio.Reader
	zr     io.ReadCloser
	// inflated is how much came out of what was read, and made how much all objects make.
	inflated, made int64
}

// countingReader counts what is read, up to a limit.
type countingReader struct {
	r        io.Reader
	n, limit int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if c.n += int64(n); c.n > c.limit {
		return 0, packTooLarge("the push is larger than the limit of %d bytes: push the history in parts, the oldest commits first", c.limit)
	}
	return n, err
}

func invalidPack(what string) error {
	return errs.New(errs.ReasonInvalidPack, "the pack is damaged: "+what)
}

func packTooLarge(format string, args ...any) error {
	return errs.New(errs.ReasonPackTooLarge, fmt.Sprintf(format, args...))
}

// explain returns what a failure to read a part of the pack is: its end came too early, or it is not deflated data.
func (c *checker) explain(err error, part string) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalidPack("it ends within " + part)
	case errors.Is(err, zlib.ErrHeader), errors.Is(err, zlib.ErrChecksum), errors.Is(err, zlib.ErrDictionary), errors.As(err, new(flate.CorruptInputError)):
		return invalidPack(part + " cannot be inflated")
	}
	return err
}

func (c *checker) header() (int64, error) {
	var h [packHeaderLen]byte
	if _, err := io.ReadFull(c.in, h[:]); err != nil {
		return 0, c.explain(err, "its header")
	}
	if string(h[:4]) != "PACK" || binary.BigEndian.Uint32(h[4:]) != packVersion && binary.BigEndian.Uint32(h[4:]) != 3 {
		return 0, invalidPack("its header is not that of a pack")
	}
	objects := int64(binary.BigEndian.Uint32(h[8:]))
	if objects > c.limits.Objects {
		return 0, packTooLarge("the push has %d objects, more than the limit of %d: push the history in parts, the oldest commits first", objects, c.limits.Objects)
	}
	return objects, nil
}

// Types of the entries of a pack that are not objects of their own (gitformat-pack(5)).
const (
	offsetDelta = 6
	refDelta    = 7
)

// object reads one entry.
func (c *checker) object(f git.ObjectFormat) error {
	kind, size, err := c.entryHeader()
	if err != nil {
		return err
	}
	switch kind {
	case byte(git.BlobObject):
		if size > c.limits.Blob {
			return packTooLarge("a file of %d bytes is larger than the limit of %d", size, c.limits.Blob)
		}
	case byte(git.CommitObject), byte(git.TagObject):
		if size > maxMessage {
			return packTooLarge("a commit or tag of %d bytes is larger than the limit of %d: write a shorter message", size, maxMessage)
		}
	case byte(git.TreeObject):
		if size > maxWhole {
			return packTooLarge("a tree of %d bytes is larger than the limit of %d", size, maxWhole)
		}
	case offsetDelta:
		if _, err := c.varint(); err != nil {
			return err
		}
	case refDelta:
		if _, err := c.in.Discard(f.Size()); err != nil {
			return err
		}
	default:
		return invalidPack(fmt.Sprintf("an entry has the unknown type %d", kind))
	}
	if kind == offsetDelta || kind == refDelta {
		return c.delta(size)
	}
	if err := c.make(size); err != nil {
		return err
	}
	return c.inflate(size, io.Discard)
}

// entryHeader reads the type and size of an entry.
func (c *checker) entryHeader() (kind byte, size int64, err error) {
	b, err := c.in.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	kind, size = b>>4&7, int64(b&15)
	for shift := 4; b&0x80 != 0; shift += 7 {
		if b, err = c.in.ReadByte(); err != nil {
			return 0, 0, err
		}
		if shift > 55 {
			return 0, 0, invalidPack("the size of an entry is no number")
		}
		size |= int64(b&0x7f) << shift
	}
	return kind, size, nil
}

// varint reads a number of seven bits a byte, of which nothing has to be known but where it ends.
func (c *checker) varint() (n int, err error) {
	for n = 1; ; n++ {
		b, err := c.in.ReadByte()
		if err != nil {
			return n, err
		}
		if b&0x80 == 0 {
			return n, nil
		}
		if n == 10 {
			return n, invalidPack("the base of a delta is no number")
		}
	}
}

// make counts what an object makes.
func (c *checker) make(size int64) error {
	if c.made += size; c.made > maxMade {
		return packTooLarge("the objects of the push have more than %d bytes together: push the history in parts, the oldest commits first", int64(maxMade))
	}
	return nil
}

// delta reads a delta of size bytes, which begins with the sizes of its base and its result.
func (c *checker) delta(size int64) error {
	if size > maxWhole {
		return packTooLarge("a delta of %d bytes is larger than the limit of %d", size, maxWhole)
	}
	var head prefix
	if err := c.inflate(size, &head); err != nil {
		return err
	}
	base, n := binary.Uvarint(head.b)
	if n <= 0 {
		return invalidPack("a delta does not tell the size of its base")
	}
	result, n := binary.Uvarint(head.b[n:])
	if n <= 0 {
		return invalidPack("a delta does not tell the size of its result")
	}
	if base > maxWhole || result > maxWhole {
		return packTooLarge("a file of more than %d bytes comes as a delta, which takes too much memory: push it with git -c core.bigFileThreshold=%dm push", maxWhole, maxWhole>>21)
	}
	return c.make(int64(result))
}

// prefix keeps the first bytes that are written to it.
type prefix struct{ b []byte }

func (p *prefix) Write(b []byte) (int, error) {
	if room := 2*binary.MaxVarintLen64 - len(p.b); room > 0 {
		p.b = append(p.b, b[:min(room, len(b))]...)
	}
	return len(b), nil
}

// inflate reads deflated data of which exactly size bytes come out, piece by piece.
func (c *checker) inflate(size int64, out io.Writer) error {
	if err := c.reset(); err != nil {
		return err
	}
	for left := size; left > 0; {
		n, err := io.CopyN(out, c.zr, min(left, 1<<20))
		left -= n
		if err != nil {
			if errors.Is(err, io.EOF) && left > 0 {
				return invalidPack("an entry is shorter than it says")
			}
			return err
		}
		if c.inflated += n; c.inflated > freeInflated+maxRatio*c.count.n {
			return packTooLarge("the push becomes more than %d times as large when it is unpacked, as nothing does that was not made for it", maxRatio)
		}
	}
	var one [1]byte
	switch n, err := io.ReadFull(c.zr, one[:]); {
	case n > 0:
		return invalidPack("an entry is longer than it says")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// reset begins with the next deflated data. The reader takes no byte behind it, as it is given one that reads single bytes.
func (c *checker) reset() (err error) {
	if c.zr == nil {
		c.zr, err = zlib.NewReader(c.in)
		return err
	}
	return c.zr.(zlib.Resetter).Reset(c.in, nil)
}
