package gitcli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"sync"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/packfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/pathrule"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/domain/tree"
	"github.com/gitstore-dev/gitstore/internal/panics"
)

const (
	// maxSmall is how much deflated content of a commit is held in memory to go into the pack of its batch. What exceeds
	// it goes into a pack of the commit's own, which is complete and on the disk before the commit queues.
	maxSmall = 256 << 10
	// maxBuffered is the largest file that is read into memory on its way into a pack. A larger one whose size nobody
	// told goes through a temporary file, as its hash begins with its size.
	maxBuffered = 256 << 10
)

// maxPacking is how many contents of one commit wait to be hashed and deflated, or are: enough to keep all cores busy.
var maxPacking = 4 * runtime.GOMAXPROCS(0)

// stage holds the contents of one commit until it is its turn.
type stage struct {
	repo  *repo
	edits []tree.FileEdit
	// contents reads them one after the other.
	contents roomReader
	small    []packfile.Object
	// footprint is how much memory small takes.
	footprint int
	// pack is the commit's own pack; nil if its contents are small.
	pack *packfile.Pack
	// quarantine is where the objects of a push are; nil for what comes by other ways.
	quarantine *quarantine
	// packing are contents that are on their way into small or pack, in the order of their edits.
	packing []packing
}

// packing is a content that is being hashed and deflated.
type packing struct {
	edit   int
	object chan packed
}

type packed struct {
	packfile.Object
	err error
}

// buffers hold contents that are read and not yet deflated.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// stageChanges reads all changes and their contents. The caller closes the stage, also after an error.
func (r *repo) stageChanges(ctx context.Context, changes iter.Seq2[git.Change, error]) (*stage, error) {
	s := &stage{repo: r, contents: roomReader{store: r.store}}
	for change, err := range changes {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return s, errs.From(err)
		}
		if err := s.add(change); err != nil {
			return s, stageError(err, change.Path)
		}
	}
	for len(s.packing) > 0 {
		if err := s.settle(); err != nil {
			return s, err
		}
	}
	if s.pack == nil {
		return s, nil
	}
	return s, s.pack.Finish()
}

// close removes what was staged and not installed.
func (s *stage) close() {
	if s.pack != nil {
		s.pack.Discard()
	}
}

func (s *stage) add(c git.Change) error {
	if len(s.edits) >= repository.MaxActions {
		return errs.InvalidField(errs.ReasonTooManyActions, "actions", "the commit has more than %d actions: split it", repository.MaxActions)
	}
	if err := checkChange(c); err != nil {
		return err
	}
	s.edits = append(s.edits, tree.FileEdit{
		Action: c.Action, Path: c.Path, From: c.From, Executable: c.Executable, ExpectedBlob: c.ExpectedBlob,
	})
	if c.Content == nil {
		return nil
	}
	return s.content(c)
}

func checkChange(c git.Change) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if c.Action == git.ActionDelete {
		return nil
	}
	return pathrule.Check(c.Path)
}

// content takes what the change writes, the last of edits.
func (s *stage) content(c git.Change) error {
	limit := s.repo.store.opts.MaxFileSize
	if c.Size > limit {
		return fileTooLarge(c.Path, limit)
	}
	s.contents.Reader = c.Content
	head := buffers.Get().(*bytes.Buffer)
	head.Reset()
	if _, err := head.ReadFrom(io.LimitReader(&s.contents, maxBuffered+1)); err != nil {
		return err
	}
	if head.Len() <= maxBuffered {
		if c.Size >= 0 && c.Size != int64(head.Len()) {
			return wrongSize(c.Size)
		}
		return s.packSmall(head)
	}
	defer buffers.Put(head)
	var err error
	edit := &s.edits[len(s.edits)-1]
	if all := io.MultiReader(head, &s.contents); c.Size < 0 {
		edit.Blob, err = s.addOfUnknownSize(all, c.Path, limit)
	} else {
		edit.Blob, err = s.addLarge(c.Size, &exactReader{r: all, left: c.Size, size: c.Size})
	}
	return err
}

// packSmall begins to hash and deflate the content of the last of edits, and takes the buffer.
func (s *stage) packSmall(content *bytes.Buffer) error {
	if len(s.packing) == maxPacking {
		if err := s.settle(); err != nil {
			return err
		}
	}
	p := packing{len(s.edits) - 1, make(chan packed, 1)}
	go func() {
		var object packfile.Object
		err := panics.Caught(func() (err error) {
			object, err = packfile.NewObject(s.repo.objects.format, git.BlobObject, content.Bytes())
			return err
		})
		buffers.Put(content)
		p.object <- packed{object, err}
	}()
	s.packing = append(s.packing, p)
	return nil
}

// settle waits for the first content that is being deflated and stores it.
func (s *stage) settle() error {
	p := s.packing[0]
	s.packing = s.packing[1:]
	object := <-p.object
	edit := &s.edits[p.edit]
	if object.err != nil {
		return stageError(object.err, edit.Path)
	}
	edit.Blob = object.ID
	return s.addSmall(object.Object)
}

func fileTooLarge(path git.TreePath, limit int64) error {
	return errs.New(errs.ReasonFileTooLarge, fmt.Sprintf("the file is larger than %d bytes, the limit for one file", limit),
		errs.MetaField, "content", errs.MetaPath, path.String())
}

func wrongSize(size int64) error {
	return errs.InvalidField(errs.ReasonInvalidAction, "size", "the content does not have the %d bytes that were announced", size)
}

// exactReader fails if there are more or fewer bytes than were announced.
type exactReader struct {
	r          io.Reader
	left, size int64
}

func (e *exactReader) Read(b []byte) (int, error) {
	n, err := e.r.Read(b)
	e.left -= int64(n)
	if e.left < 0 || errors.Is(err, io.EOF) && e.left > 0 {
		return n, wrongSize(e.size)
	}
	return n, err
}

func (s *stage) addSmall(object packfile.Object) error {
	if s.pack != nil {
		return s.pack.Add(object)
	}
	s.small = append(s.small, object)
	s.footprint += object.Footprint()
	if s.footprint > maxSmall {
		return s.ownPack()
	}
	return nil
}

// ownPack begins the commit's own pack with what was held in memory.
func (s *stage) ownPack() error {
	var err error
	if s.pack, err = packfile.Create(s.repo.packDir(), s.repo.objects.format); err != nil {
		return err
	}
	for _, o := range s.small {
		if err := s.pack.Add(o); err != nil {
			return err
		}
	}
	s.small, s.footprint = nil, 0
	return nil
}

func (s *stage) addLarge(size int64, content io.Reader) (git.ObjectID, error) {
	if s.pack == nil {
		if err := s.ownPack(); err != nil {
			return git.ObjectID{}, err
		}
	}
	return s.pack.AddBlob(size, content)
}

func (s *stage) addOfUnknownSize(content io.Reader, path git.TreePath, limit int64) (git.ObjectID, error) {
	spool, err := os.CreateTemp(s.repo.packDir(), packfile.TempPrefix+"*")
	if err != nil {
		return git.ObjectID{}, disk.Error(err)
	}
	defer func() {
		_ = spool.Close()
		_ = os.Remove(spool.Name())
	}()
	size, err := io.Copy(spool, io.LimitReader(content, limit+1))
	if err != nil {
		return git.ObjectID{}, disk.Error(err)
	}
	if size > limit {
		return git.ObjectID{}, fileTooLarge(path, limit)
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return git.ObjectID{}, disk.Error(err)
	}
	return s.addLarge(size, spool)
}
