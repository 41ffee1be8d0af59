package packfile

import (
	"bufio"
	"cmp"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

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
	// maxWhole is the largest object of those which git has to hold in memory for deltas: they name the sizes of what they are
	// based on and of what they make.
	maxWhole = 64 << 20
	// maxTree is the largest tree: one of git.MaxTreeEntries with names as long as those of files can be (NAME_MAX).
	maxTree = 16 << 20
	// maxMessage is the largest commit or tag that is sent as a whole: an answer has room for it.
	maxMessage = 1 << 20
	// maxMade is the most that all objects of a pack may make together. Each of them is made and hashed at least once,
	// however few bytes a delta takes, and reading the one at the end of a chain of deltas makes all that are in it.
	maxMade = 8 << 30
	// maxDepth is the most deltas, each of the result of the next one, that lead to an object, which is also the most that git
	// makes (git-config(1), pack.depth). All of them are made to read the last, so that reading those of a long chain in any
	// order but its own takes the square of its length.
	maxDepth = 4095
	// What is sent may become maxRatio times as long and freeInflated more. Deflate shrinks nothing that somebody wrote
	// as much; it can shrink nothing at all a thousand times.
	maxRatio     = 200
	freeInflated = 64 << 20
)

// Object holds an object of size bytes to the limits. It fails with PACK_TOO_LARGE.
func (l Limits) Object(t git.ObjectType, size int64) error {
	switch t {
	case git.BlobObject:
		if size > l.Blob {
			return packTooLarge("a file of %d bytes is larger than the limit of %d", size, l.Blob)
		}
	case git.CommitObject, git.TagObject:
		if size > maxMessage {
			return packTooLarge("a commit or tag of %d bytes is larger than the limit of %d: write a shorter message", size, maxMessage)
		}
	case git.TreeObject:
		if size > maxTree {
			return packTooLarge("a directory whose list of entries has %d bytes is larger than the limit of %d: use several", size, maxTree)
		}
	}
	return nil
}

// Contents are what a pack has, as far as it tells without git.
type Contents struct {
	// Objects is how many objects the pack has.
	Objects int64
	// Large are the offsets, in ascending order, of the deltas that make something which may be above the limit of its type,
	// depending on what that is: it has to be held to [Limits.Object] when git knows.
	Large []int64
	// Bases are the objects that deltas name, and their numbers. Those that the pack lacks are to be added to it, and told to
	// [Contents.Add].
	Bases map[git.ObjectID]int32
	// made is how much all objects make.
	made int64
	// deltas are in ascending order of their offsets.
	deltas []link
	// deepest is the longest chain of deltas over those that tell the offsets of their bases.
	deepest int32
}

// link is a delta, as far as chains of them need it. A pack may have a million.
type link struct {
	offset int64
	// base is the index of the delta that its base is, or notDelta, or firstNamed and downward for the bases that are named.
	base int32
	// depth is how many deltas lead to its result, itself included. A base that is named counts for none.
	depth int32
}

const (
	notDelta   = -1
	firstNamed = -2
)

func tooDeep() error {
	return packTooLarge("a chain of more than %d deltas takes too long to read: run git repack -adf, and push with git", maxDepth)
}

// chain counts a delta with the base, as in a link.
func (c *Contents) chain(offset int64, base int32) error {
	depth := int32(1)
	if base >= 0 {
		depth += c.deltas[base].depth
	}
	if depth > maxDepth {
		return tooDeep()
	}
	c.deltas = append(c.deltas, link{offset, base, depth})
	c.deepest = max(c.deepest, depth)
	return nil
}

// find returns the index of the delta at an offset, notDelta if there is another object.
func (c *Contents) find(offset int64) int32 {
	i, ok := slices.BinarySearchFunc(c.deltas, offset, func(l link, offset int64) int { return cmp.Compare(l.offset, offset) })
	if !ok {
		return notDelta
	}
	return index(i)
}

// index is that of a delta or a base as links have it, which are small.
func index(i int) int32 { return int32(i) } //nolint:gosec // 2^31 of them do not fit into memory

// MayBeDeep reports whether chains of deltas could be longer than the limit over bases that are named: [Contents.CheckDepth]
// has to be asked when it is known where these are. Also one that the repository has may be a delta of the pack.
func (c *Contents) MayBeDeep() bool { return int64(c.deepest)*int64(len(c.Bases)+1) > maxDepth }

// CheckDepth holds the chains of deltas to the limit. It is told the offsets of Bases in the pack, as git knows them when it has
// resolved all deltas. It fails with PACK_TOO_LARGE.
func (c *Contents) CheckDepth(offsets map[git.ObjectID]int64) error {
	named := make([]int32, len(c.Bases))
	for id, n := range c.Bases {
		named[n] = notDelta
		if offset, ok := offsets[id]; ok {
			named[n] = c.find(offset)
		}
	}
	depths := make([]int32, len(c.deltas))
	var way []int32
	for i := range c.deltas {
		way = way[:0]
		at := index(i)
		for at >= 0 && depths[at] == 0 {
			if way = append(way, at); len(way) > maxDepth {
				return tooDeep()
			}
			if at = c.deltas[at].base; at <= firstNamed {
				at = named[firstNamed-at]
			}
		}
		var depth int32
		if at >= 0 {
			depth = depths[at]
		}
		if int(depth)+len(way) > maxDepth {
			return tooDeep()
		}
		for _, delta := range slices.Backward(way) {
			depth++
			depths[delta] = depth
		}
	}
	return nil
}

// Add counts an object of size bytes that is added to the pack as the base of a delta. It fails with PACK_TOO_LARGE.
func (c *Contents) Add(size int64) error {
	if size > maxWhole {
		return largeDelta()
	}
	return c.make(size)
}

// Check reads a pack up to its end, before anything is made of it, and holds it to the limits. It fails with INVALID_PACK for
// what is not a pack, cut short or followed by something else, with PACK_TOO_LARGE, and as the reader does. What the objects
// are, and the checksums, are left to git.
func Check(r io.Reader, f git.ObjectFormat, limits Limits) (*Contents, error) {
	c := &checker{limits: limits, count: countingReader{r: r, limit: limits.Bytes}, Contents: &Contents{Bases: map[git.ObjectID]int32{}}}
	c.in = bufio.NewReaderSize(&c.count, 64<<10)
	if err := c.header(); err != nil {
		return nil, err
	}
	for i := range c.Objects {
		if err := c.object(f); err != nil {
			return nil, c.explain(err, fmt.Sprintf("object %d of %d", i+1, c.Objects))
		}
	}
	if _, err := c.in.Discard(f.Size()); err != nil {
		return nil, c.explain(err, "its checksum")
	}
	if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = invalidPack("something follows the pack")
		}
		return nil, c.explain(err, "its end")
	}
	return c.Contents, nil
}

type checker struct {
	*Contents
	limits Limits
	count  countingReader
	in     *bufio.Reader
	zr     io.ReadCloser
	// inflated is how much came out of what was read.
	inflated int64
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

func largeDelta() error {
	return packTooLarge("a file of more than %d bytes comes as a delta, which takes too much memory: push it with git -c core.bigFileThreshold=%dm push", maxWhole, maxWhole>>21)
}

func (c *checker) header() error {
	var h [packHeaderLen]byte
	if _, err := io.ReadFull(c.in, h[:]); err != nil {
		return c.explain(err, "its header")
	}
	if string(h[:4]) != "PACK" || binary.BigEndian.Uint32(h[4:]) != packVersion && binary.BigEndian.Uint32(h[4:]) != 3 {
		return invalidPack("its header is not that of a pack")
	}
	if c.Objects = int64(binary.BigEndian.Uint32(h[8:])); c.Objects > c.limits.Objects {
		return packTooLarge("the push has %d objects, more than the limit of %d: push the history in parts, the oldest commits first", c.Objects, c.limits.Objects)
	}
	return nil
}

// Types of the entries of a pack that are not objects of their own (gitformat-pack(5)).
const (
	offsetDelta = 6
	refDelta    = 7
)

// object reads one entry.
func (c *checker) object(f git.ObjectFormat) error {
	offset := c.count.n - int64(c.in.Buffered())
	kind, size, err := c.entryHeader()
	if err != nil {
		return err
	}
	switch kind {
	case byte(git.CommitObject), byte(git.TreeObject), byte(git.BlobObject), byte(git.TagObject):
		if err := c.limits.Object(git.ObjectType(kind), size); err != nil {
			return err
		}
		if err := c.make(size); err != nil {
			return err
		}
		return c.inflate(size, io.Discard)
	case offsetDelta:
		back, err := c.distance()
		if err != nil {
			return err
		}
		if back <= 0 || back > offset-packHeaderLen {
			return invalidPack("the base of a delta is not in front of it")
		}
		if err := c.chain(offset, c.find(offset-back)); err != nil {
			return err
		}
		return c.delta(offset, size)
	case refDelta:
		var raw [sha256.Size]byte
		if _, err := io.ReadFull(c.in, raw[:f.Size()]); err != nil {
			return err
		}
		base, err := git.ObjectIDFromBytes(raw[:f.Size()])
		if err != nil {
			return invalidPack("the base of a delta is no object")
		}
		n, ok := c.Bases[base]
		if !ok {
			n = index(len(c.Bases))
			c.Bases[base] = n
		}
		if err := c.chain(offset, firstNamed-n); err != nil {
			return err
		}
		return c.delta(offset, size)
	}
	return invalidPack(fmt.Sprintf("an entry has the unknown type %d", kind))
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

// distance reads how far in front of a delta its base is. The bytes of the number begin with the highest, and one is added for
// each that follows, so that no number has two forms.
func (c *checker) distance() (back int64, err error) {
	for {
		b, err := c.in.ReadByte()
		if err != nil {
			return 0, err
		}
		back |= int64(b & 0x7f)
		if b&0x80 == 0 {
			return back, nil
		}
		if back = (back + 1) << 7; back > 1<<55 {
			return 0, invalidPack("the base of a delta is no number")
		}
	}
}

// make counts what an object makes.
func (c *Contents) make(size int64) error {
	if c.made += size; c.made > maxMade {
		return packTooLarge("the objects of the push have more than %d bytes together: push the history in parts, the oldest commits first", int64(maxMade))
	}
	return nil
}

// delta reads a delta of size bytes, which begins with the sizes of its base and its result.
func (c *checker) delta(offset, size int64) error {
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
		return largeDelta()
	}
	if int64(result) > min(c.limits.Blob, maxMessage) {
		c.Large = append(c.Large, offset)
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
