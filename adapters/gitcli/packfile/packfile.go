// Package packfile writes packs of whole (undeltified) objects and their indexes, as gitformat-pack(5) describes them.
// One pack holds all objects of a batch of commits, so that a batch costs two files and two syncs however many objects
// it has. It also holds packs that others send to limits. Reading objects, repacking and deltas are git's business.
package packfile

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/klauspost/compress/zlib"
	"github.com/pjbgf/sha1cd"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
)

// Object is an object ready to be put into a pack.
type Object struct {
	ID   git.ObjectID
	Type git.ObjectType
	// Size is the content's, in bytes.
	Size int64
	// deflated is the content as the pack holds it.
	deflated []byte
}

// NewObject hashes and deflates an object. It fails with SHA1_COLLISION.
func NewObject(f git.ObjectFormat, t git.ObjectType, content []byte) (Object, error) {
	deflated := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(deflated)
	deflated.Reset()
	id, err := deflate(deflated, f, t, int64(len(content)), bytes.NewReader(content))
	return Object{ID: id, Type: t, Size: int64(len(content)), deflated: bytes.Clone(deflated.Bytes())}, err
}

// buffers are what objects are deflated into before it is known how large they become.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Footprint is how many bytes of memory the object takes.
func (o Object) Footprint() int { return len(o.deflated) }

// The levels trade size for speed: git recompresses what it repacks into deltas, so a pack that lives for some minutes
// need not be small. Trees are half random bytes, and small ones come with every commit: deflating them costs a commit
// more than all else that it computes (docs/performance.md).
var blobDeflaters, otherDeflaters = deflaters(2), deflaters(zlib.NoCompression)

func deflaters(level int) *sync.Pool {
	return &sync.Pool{New: func() any {
		w, err := zlib.NewWriterLevel(io.Discard, level)
		if err != nil {
			panic(err)
		}
		return w
	}}
}

// deflate writes the content deflated and returns its object ID. The content must have exactly size bytes.
func deflate(w io.Writer, f git.ObjectFormat, t git.ObjectType, size int64, content io.Reader) (git.ObjectID, error) {
	pool := otherDeflaters
	if t == git.BlobObject {
		pool = blobDeflaters
	}
	zw := pool.Get().(*zlib.Writer)
	defer pool.Put(zw)
	zw.Reset(w)
	h := newHash(f)
	h.Write(git.ObjectHeader(t, size))
	n, err := io.Copy(io.MultiWriter(h, zw), content)
	if err == nil && n != size {
		err = errs.InvalidField(errs.ReasonInvalidAction, "size", "the content has %d bytes instead of %d", n, size)
	}
	if err == nil {
		err = zw.Close()
	}
	if err != nil {
		return git.ObjectID{}, err
	}
	return sum(h)
}

// newHash is the format's hash; SHA-1 is the variant that detects collision attacks, as git's own is.
func newHash(f git.ObjectFormat) hash.Hash {
	if f == git.SHA256 {
		return sha256.New()
	}
	return sha1cd.New()
}

func sum(h hash.Hash) (git.ObjectID, error) {
	if cr, ok := h.(sha1cd.CollisionResistantHash); ok {
		digest, collides := cr.CollisionResistantSum(nil)
		if collides {
			return git.ObjectID{}, errs.New(errs.ReasonSHA1Collision, "the content is crafted to collide under SHA-1 and is refused")
		}
		return git.ObjectIDFromBytes(digest)
	}
	return git.ObjectIDFromBytes(h.Sum(nil))
}

// Pack is a pack on its way to the repository: two temporary files that [Pack.Install] moves into place. Until then it
// is invisible to git, and [Pack.Discard] leaves nothing of it.
type Pack struct {
	dir string
	tmp string
	// tmpIndex is where the index is until then.
	tmpIndex string
	format   git.ObjectFormat
	file     *os.File
	out      *bufio.Writer
	offset   int64
	entries  []entry
	seen     map[git.ObjectID]bool
	name     string
	// installed is whether the pack is in its place.
	installed bool
}

type entry struct {
	id     git.ObjectID
	crc    uint32
	offset int64
}

// TempPrefix begins the names of unfinished packs in objects/pack. Git ignores them, and what begins with it when no
// writer runs is garbage.
const TempPrefix = "tmp_gitstore_"

const (
	packVersion   = 2
	packHeaderLen = 12
)

// Create begins a pack in the directory dir, which is the objects/pack of a repository.
func Create(dir string, f git.ObjectFormat) (*Pack, error) {
	file, err := os.CreateTemp(dir, TempPrefix+"*")
	if err != nil {
		return nil, disk.Error(err)
	}
	p := &Pack{
		dir: dir, tmp: file.Name(), tmpIndex: file.Name() + ".idx", format: f, file: file, out: bufio.NewWriterSize(file, 128<<10), seen: map[git.ObjectID]bool{},
	}
	if err := p.write(packHeader(0)); err != nil {
		p.Discard()
		return nil, err
	}
	return p, nil
}

// Adopt returns a pack that git has written to another directory of the file system and put on the disk: the files name with
// ".pack" and ".idx" behind it. It is as one that is finished.
func Adopt(dir, name string) *Pack {
	return &Pack{dir: dir, tmp: name + ".pack", tmpIndex: name + ".idx", name: uniqueName()}
}

func packHeader(objects int) []byte {
	b := append([]byte(nil), "PACK"...)
	b = binary.BigEndian.AppendUint32(b, packVersion)
	return binary.BigEndian.AppendUint32(b, uint32(objects)) //nolint:gosec // bounded by the actions of a commit
}

func (p *Pack) write(b []byte) error {
	n, err := p.out.Write(b)
	p.offset += int64(n)
	return disk.Error(err)
}

// Add appends an object; one that the pack holds is left out, as git takes a pack with an object twice for damaged.
func (p *Pack) Add(o Object) error {
	if p.seen[o.ID] {
		return nil
	}
	p.seen[o.ID] = true
	e := entry{id: o.ID, offset: p.offset}
	header := entryHeader(o.Type, o.Size)
	e.crc = crc32.Update(crc32.ChecksumIEEE(header), crc32.IEEETable, o.deflated)
	if err := p.write(header); err != nil {
		return err
	}
	p.entries = append(p.entries, e)
	return p.write(o.deflated)
}

// AddBlob appends a blob of exactly size bytes without holding it in memory and returns its ID. After a failure the
// pack can only be discarded. It fails with SHA1_COLLISION and STORAGE_FULL.
func (p *Pack) AddBlob(size int64, content io.Reader) (git.ObjectID, error) {
	e := entry{offset: p.offset}
	header := entryHeader(git.BlobObject, size)
	if err := p.write(header); err != nil {
		return git.ObjectID{}, err
	}
	w := &crcWriter{pack: p, crc: crc32.ChecksumIEEE(header)}
	id, err := deflate(w, p.format, git.BlobObject, size, content)
	if err != nil {
		return git.ObjectID{}, err
	}
	if p.seen[id] {
		return id, p.rewind(e.offset)
	}
	p.seen[id] = true
	e.id, e.crc = id, w.crc
	p.entries = append(p.entries, e)
	return id, nil
}

// rewind drops what was written since the offset.
func (p *Pack) rewind(offset int64) error {
	if err := p.out.Flush(); err != nil {
		return disk.Error(err)
	}
	p.offset = offset
	if err := p.file.Truncate(offset); err != nil {
		return disk.Error(err)
	}
	_, err := p.file.Seek(offset, io.SeekStart)
	return disk.Error(err)
}

type crcWriter struct {
	pack *Pack
	crc  uint32
}

func (w *crcWriter) Write(b []byte) (int, error) {
	w.crc = crc32.Update(w.crc, crc32.IEEETable, b)
	return len(b), w.pack.write(b)
}

// entryHeader is the type and size of an object, seven bits a byte after the first, which has four.
func entryHeader(t git.ObjectType, size int64) []byte {
	b := byte(t)<<4 | byte(size&0x0f)
	var header []byte
	for size >>= 4; size > 0; size >>= 7 {
		header = append(header, b|0x80)
		b = byte(size & 0x7f)
	}
	return append(header, b)
}

// Finish completes the pack and its index and puts both on the disk.
func (p *Pack) Finish() error {
	checksum, err := p.seal()
	if err != nil {
		return err
	}
	index := p.index(checksum)
	p.name = uniqueName()
	failpoint.Reach(failpoint.ObjectsWritten)
	indexed := make(chan error, 1)
	go func() { indexed <- writeSynced(p.tmpIndex, index) }()
	err = p.sync()
	err = cmp.Or(err, <-indexed)
	failpoint.Reach(failpoint.ObjectsSynced)
	return err
}

// uniqueName returns a name that no other pack has. Git names packs by their contents; here the same content may be stored
// twice, and no pack is put in the place of one that is being read.
func uniqueName() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // it never fails
	return "pack-" + hex.EncodeToString(b[:])
}

func (p *Pack) sync() error {
	if err := p.file.Chmod(0o444); err != nil {
		return disk.Error(err)
	}
	if err := disk.SyncFile(p.file); err != nil {
		return disk.Error(err)
	}
	return disk.Error(p.file.Close())
}

// seal writes the number of objects, which only now is known, and the checksum of the whole file.
func (p *Pack) seal() ([]byte, error) {
	if err := p.out.Flush(); err != nil {
		return nil, disk.Error(err)
	}
	if _, err := p.file.WriteAt(packHeader(len(p.entries)), 0); err != nil {
		return nil, disk.Error(err)
	}
	h := p.format.New()
	if _, err := io.Copy(h, io.NewSectionReader(p.file, 0, p.offset)); err != nil {
		return nil, disk.Error(err)
	}
	checksum := h.Sum(nil)
	_, err := p.file.WriteAt(checksum, p.offset)
	return checksum, disk.Error(err)
}

func writeSynced(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444) //nolint:gosec // a name of our own
	if err != nil {
		return disk.Error(err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = disk.SyncFile(f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return disk.Error(err)
}

// index returns the version 2 index of the pack.
func (p *Pack) index(packChecksum []byte) []byte {
	slices.SortFunc(p.entries, func(a, b entry) int { return bytes.Compare(a.id.Bytes(), b.id.Bytes()) })
	b := []byte{0xff, 't', 'O', 'c', 0, 0, 0, 2}
	b = p.appendFanout(b)
	for _, e := range p.entries {
		b = e.id.AppendTo(b)
	}
	for _, e := range p.entries {
		b = binary.BigEndian.AppendUint32(b, e.crc)
	}
	b = p.appendOffsets(b)
	b = append(b, packChecksum...)
	h := p.format.New()
	h.Write(b)
	return h.Sum(b)
}

func (p *Pack) appendFanout(b []byte) []byte {
	var fanout [256]uint32
	for _, e := range p.entries {
		fanout[e.id.Bytes()[0]]++
	}
	total := uint32(0)
	for _, n := range fanout {
		total += n
		b = binary.BigEndian.AppendUint32(b, total)
	}
	return b
}

// appendOffsets writes offsets of 31 bits in place and longer ones in a second table.
func (p *Pack) appendOffsets(b []byte) []byte {
	var large []byte
	for _, e := range p.entries {
		if e.offset < 1<<31 {
			b = binary.BigEndian.AppendUint32(b, uint32(e.offset)) //nolint:gosec // checked
			continue
		}
		b = binary.BigEndian.AppendUint32(b, 1<<31|uint32(len(large)/8)) //nolint:gosec // fewer than 2^31 entries
		large = binary.BigEndian.AppendUint64(large, uint64(e.offset))
	}
	return append(b, large...)
}

// Install moves a finished pack into place, the index last, so that git never sees an index without its pack. The
// directory still has to be synced.
func (p *Pack) Install() error {
	if err := os.Rename(p.tmp, p.path(".pack")); err != nil {
		return disk.Error(err)
	}
	if err := os.Rename(p.tmpIndex, p.path(".idx")); err != nil {
		_ = os.Rename(p.path(".pack"), p.tmp) // without its index nobody has seen it
		return disk.Error(err)
	}
	p.installed = true
	return nil
}

// Installed reports whether the pack is in its place.
func (p *Pack) Installed() bool { return p.installed }

// Bytes is the size of an installed pack, 0 of one that is not.
func (p *Pack) Bytes() int64 {
	info, err := os.Stat(p.path(".pack"))
	if err != nil {
		return 0
	}
	return info.Size()
}

func (p *Pack) path(ext string) string { return filepath.Join(p.dir, p.name+ext) }

// Discard removes a pack that was not installed. One that was stays.
func (p *Pack) Discard() {
	if p.installed {
		return
	}
	_ = p.file.Close()
	_ = os.Remove(p.tmp)
	_ = os.Remove(p.tmp + ".idx")
}
