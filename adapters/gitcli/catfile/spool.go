package catfile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// maxHeld is the largest part of an object that waits for its reader in memory. A larger one waits on the disk.
const maxHeld = 64 << 10

// Content returns n bytes of the blob id from offset on, which the caller knows to be there. Nothing is asked of git
// before the first Read, and how slowly the content is read holds no process: git writes it as fast as it can into
// memory or into a file without a name, from where it is read while git is still writing. Who reads the same part at the
// same time reads the same file. If the disk takes nothing, or has no more free than is to be left, the process waits for
// the reader.
//
// Its methods are not to be called concurrently, and the caller closes it. Read fails with QUEUE_FULL
// if no process becomes free or too much waits on the disk already, of all repositories or of this one, and as [Reader.Infos] does.
func (r *Reader) Content(ctx context.Context, id git.ObjectID, offset, n int64) io.ReadCloser {
	return &content{ctx: ctx, part: spoolKey{r, id, offset, n}}
}

type content struct {
	ctx    context.Context
	part   spoolKey
	source io.ReadCloser
	// at is how much was read.
	at  int64
	err error
}

// Read implements [io.Reader].
func (c *content) Read(b []byte) (int, error) {
	if c.err == nil && c.ctx.Err() != nil {
		c.err = errs.From(c.ctx.Err())
	}
	if c.err == nil && c.source == nil {
		c.source, c.err = c.open()
		c.withoutDisk()
	}
	for c.err == nil {
		var n int
		n, c.err = c.source.Read(b)
		c.at += int64(n)
		if n > 0 || !c.withoutDisk() {
			return n, c.err
		}
	}
	return 0, c.err
}

// withoutDisk has the rest read from a process of its own, if the disk is why it could not be read, and reports whether it can.
func (c *content) withoutDisk() bool {
	if !diskRefused(c.err) {
		return false
	}
	if c.source != nil {
		_ = c.source.Close()
	}
	c.source, c.err = c.part.from(c.ctx, c.at)
	return c.err == nil
}

// diskRefused reports whether the disk takes nothing: it is full, read-only, or fails.
func diskRefused(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EIO)
}

func (c *content) open() (io.ReadCloser, error) {
	switch {
	case c.part.n == 0:
		return io.NopCloser(bytes.NewReader(nil)), nil
	case c.part.n <= maxHeld:
		return c.hold()
	}
	return c.part.reader.pool.openSpool(c.ctx, c.part)
}

// hold reads the part into memory.
func (c *content) hold() (io.ReadCloser, error) {
	var held bytes.Buffer
	held.Grow(int(c.part.n))
	if err := c.part.copyTo(c.ctx, c.ctx, &held); err != nil {
		return nil, err
	}
	return io.NopCloser(&held), nil
}

// Close implements [io.Closer]. What nobody reads any more is not written further.
func (c *content) Close() error {
	if c.err = io.EOF; c.source == nil {
		return nil
	}
	source := c.source
	c.source = nil
	return source.Close()
}

// spoolKey is a part of an object.
type spoolKey struct {
	reader    *Reader
	id        git.ObjectID
	offset, n int64
}

// from reads the part from an offset on, from a process that waits for whoever reads.
func (k spoolKey) from(ctx context.Context, at int64) (io.ReadCloser, error) {
	_, s, err := k.reader.stream(ctx, ctx, k.id)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, s, k.offset+at); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(s, k.n-at), s}, nil
}

// copyTo reads the part from a process, for which it waits as long as wait lasts, and gives the process back.
func (k spoolKey) copyTo(wait, ctx context.Context, w io.Writer) error {
	_, s, err := k.reader.stream(wait, ctx, k.id)
	if errs.Is(err, errs.ReasonObjectNotFound) {
		return errs.Wrap(err, errs.ReasonRepositoryCorrupt, "the repository lacks a file's content", errs.MetaObject, k.id.String())
	}
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if _, err = io.CopyN(io.Discard, s, k.offset); err == nil {
		_, err = io.CopyN(w, s, k.n)
	}
	if errors.Is(err, io.EOF) {
		return errs.Wrap(err, errs.ReasonRepositoryCorrupt, "a file's content is shorter than it says", errs.MetaObject, k.id.String())
	}
	return err
}

// spools are the files that large parts wait in.
type spools struct {
	mu   sync.Mutex
	open map[spoolKey]*spool
	// bytes is how many all of them may come to hold, and of how many those of each repository.
	bytes int64
	of    map[*Reader]int64
	// coming is how many of bytes are still to be written.
	coming int64
}

// spool is a part of an object in a file that has no name, so that nothing is left of it however the process ends.
type spool struct {
	pool *Pool
	part spoolKey
	file *os.File
	// abandon ends the wait for a process.
	abandon context.CancelFunc
	// unlooked is how much may be written before the next look at the free space.
	unlooked int

	// The fields below are guarded by the lock of spools.

	// written is how much can be read.
	written int64
	// filling is whether more is to come; if not, err says why not all came.
	filling bool
	err     error
	readers int
	// changed is closed, and replaced, when written or filling changes.
	changed chan struct{}
}

var (
	errSpoolsFull = errs.New(errs.ReasonQueueFull, "too much of large files waits for slow readers: try again later")
	errNoRoom     = disk.Error(syscall.ENOSPC)
)

// tooMuch reports whether a part more would exceed what all or those of its repository may hold. It is called with the
// lock of spools.
func (p *Pool) tooMuch(part spoolKey) bool {
	all, own := p.spools.bytes, p.spools.of[part.reader]
	return all > 0 && all+part.n > p.opts.MaxSpooled || own > 0 && own+part.n > p.opts.MaxSpooled*int64(p.opts.RepositoryShare)/100
}

// leavesRoom reports whether n bytes more leave as much of the disk free as is to be left.
func (p *Pool) leavesRoom(n int64) bool {
	least := p.opts.MinFreeSpace
	return least <= 0 || disk.Available(p.opts.SpoolDir) >= uint64(least)+uint64(n) //nolint:gosec // neither is negative
}

// openSpool returns a reader of the part, which begins to be written if it is not there.
func (p *Pool) openSpool(ctx context.Context, part spoolKey) (io.ReadCloser, error) {
	p.spools.mu.Lock()
	defer p.spools.mu.Unlock()
	s := p.spools.open[part]
	if s == nil || s.err != nil {
		if p.tooMuch(part) {
			return nil, errSpoolsFull
		}
		if !p.leavesRoom(p.spools.coming + part.n) {
			return nil, errNoRoom
		}
		file, err := nameless(p.opts.SpoolDir)
		if err != nil {
			return nil, disk.Error(err)
		}
		if s, err = p.startSpool(part, file); err != nil {
			return nil, err
		}
	}
	s.readers++
	return &spoolReader{ctx: ctx, spool: s}, nil
}

// startSpool begins to write the part into the file, which it takes. It is called with the lock of spools.
func (p *Pool) startSpool(part spoolKey, file *os.File) (*spool, error) {
	wait, abandon := context.WithCancel(p.ctx)
	s := &spool{pool: p, part: part, file: file, abandon: abandon, filling: true, changed: make(chan struct{})}
	if !p.work(func(ctx context.Context) { s.fill(wait, ctx) }) {
		abandon()
		_ = file.Close()
		return nil, errDraining
	}
	p.spools.open[part] = s
	p.spools.bytes += part.n
	p.spools.of[part.reader] += part.n
	p.spools.coming += part.n
	return s, nil
}

// nameless creates a file and takes its name away. What is killed in between leaves an empty file, which the next start
// removes.
func nameless(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "spool-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (s *spool) fill(wait, ctx context.Context) {
	err := s.part.copyTo(wait, ctx, s)
	if err != nil && ctx.Err() != nil {
		err = errDraining
	}
	s.pool.spools.mu.Lock()
	defer s.pool.spools.mu.Unlock()
	s.filling, s.err = false, disk.Error(err)
	s.pool.spools.coming -= s.part.n - s.written
	close(s.changed)
	s.abandon()
	s.settle()
}

var errAbandoned = errors.New("nobody reads the spool")

// lookEvery is how much is written between two looks at the free space, which others take, too.
const lookEvery = 4 << 20

// Write implements [io.Writer] for what fills the spool.
func (s *spool) Write(b []byte) (int, error) {
	if s.unlooked -= len(b); s.unlooked < 0 {
		if s.unlooked = lookEvery; !s.pool.leavesRoom(0) {
			return 0, errNoRoom
		}
	}
	n, err := s.file.Write(b)
	s.pool.spools.mu.Lock()
	defer s.pool.spools.mu.Unlock()
	s.written += int64(n)
	s.pool.spools.coming -= int64(n)
	close(s.changed)
	s.changed = make(chan struct{})
	if err == nil && s.readers == 0 {
		err = errAbandoned
	}
	return n, err
}

// settle closes the file if nobody needs it any more. It is called with the lock of spools.
func (s *spool) settle() {
	if s.readers > 0 {
		return
	}
	if all := s.pool.spools.open; all[s.part] == s {
		delete(all, s.part)
	}
	s.abandon()
	if !s.filling {
		_ = s.file.Close()
		s.pool.spools.bytes -= s.part.n
		if of := s.pool.spools.of; of[s.part.reader] > s.part.n {
			of[s.part.reader] -= s.part.n
		} else {
			delete(of, s.part.reader)
		}
	}
}

// state returns how much can be read, what is closed when that changes, whether more is to come, and why not.
func (s *spool) state() (written int64, changed <-chan struct{}, filling bool, err error) {
	s.pool.spools.mu.Lock()
	defer s.pool.spools.mu.Unlock()
	return s.written, s.changed, s.filling, s.err
}

// spoolReader is one reader of a spool.
type spoolReader struct {
	ctx   context.Context
	spool *spool
	at    int64
}

// Read implements [io.Reader].
func (r *spoolReader) Read(b []byte) (int, error) {
	for {
		written, changed, filling, err := r.spool.state()
		switch {
		case len(b) == 0:
			return 0, nil
		case written > r.at:
			n, err := r.spool.file.ReadAt(b[:min(int64(len(b)), written-r.at)], r.at)
			r.at += int64(n)
			return n, disk.Error(err)
		case err != nil:
			return 0, err
		case !filling:
			return 0, io.EOF
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			return 0, errs.From(r.ctx.Err())
		}
	}
}

// Close implements [io.Closer].
func (r *spoolReader) Close() error {
	r.spool.pool.spools.mu.Lock()
	defer r.spool.pool.spools.mu.Unlock()
	r.spool.readers--
	r.spool.settle()
	return nil
}
