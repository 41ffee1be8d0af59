// Package catfile reads objects through persistent "git cat-file --batch-command" processes. A repository's processes
// are started when it is first read and answer every read from then on; the pool bounds them for the whole service and
// ends those that nobody uses.
package catfile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// Info is what cat-file tells of an object before its content.
type Info struct {
	ID   git.ObjectID
	Type git.ObjectType
	// Size is the content's, in bytes.
	Size int64
}

// Object is an object with its content.
type Object struct {
	Info
	Content []byte
}

// window is how many questions are asked before answers are read. Its lines fit the 64 KiB of a pipe (pipe(7)), so
// that writing them never waits for git, which may be waiting for us to read.
const window = 256

// process is one cat-file. Only object IDs, which are hexadecimal, are ever written to it: a name with a newline would
// make two questions of one and shift all answers that follow.
type process struct {
	*command.Process
	out     *bufio.Reader
	started time.Time
}

func start(runner *command.Runner, dir string) (*process, error) {
	p, err := runner.Start(dir, command.Git("cat-file", "--batch-command", "--buffer"))
	if err != nil {
		return nil, err
	}
	return &process{Process: p, out: bufio.NewReaderSize(p.Stdout, 64<<10), started: time.Now()}, nil
}

// name appends the name of the object that question i is about: an object ID, and behind it at most what peels or
// descends from it (gitrevisions(7)).
type name func(b []byte, i int) []byte

func named(ids []git.ObjectID, suffix string) name {
	return func(b []byte, i int) []byte { return append(appendHex(b, ids[i]), suffix...) }
}

func appendHex(b []byte, id git.ObjectID) []byte {
	var raw [32]byte
	return hex.AppendEncode(b, id.AppendTo(raw[:0]))
}

// ask writes the questions from first up to end.
func (p *process) ask(question string, first, end int, name name) error {
	b := make([]byte, 0, (end-first)*(len(question)+72)+len("flush\n"))
	for i := first; i < end; i++ {
		b = name(append(append(b, question...), ' '), i)
		b = append(b, '\n')
	}
	_, err := p.Stdin.Write(append(b, "flush\n"...))
	return err
}

// errMissing is an answer, not a failure: the process can be used on.
var errMissing = errors.New("object is missing")

var errUnknownForm = errors.New("cat-file answered in an unknown form")

// header reads the first line of an answer.
func (p *process) header() (Info, error) {
	line, err := p.out.ReadSlice('\n')
	if err != nil {
		return Info{}, err
	}
	name, rest, _ := bytes.Cut(line[:len(line)-1], []byte{' '})
	if string(rest) == "missing" {
		return Info{}, errMissing
	}
	var raw [32]byte
	if len(name) > 2*len(raw) {
		return Info{}, errUnknownForm
	}
	n, err := hex.Decode(raw[:], name)
	if err != nil {
		return Info{}, err
	}
	id, err := git.ObjectIDFromBytes(raw[:n])
	if err != nil {
		return Info{}, err
	}
	kind, length, _ := bytes.Cut(rest, []byte{' '})
	t, ok := git.ParseObjectType(string(kind))
	size, err := strconv.ParseInt(string(length), 10, 64)
	if !ok || err != nil {
		return Info{}, errUnknownForm
	}
	return Info{ID: id, Type: t, Size: size}, nil
}

func (p *process) content(info Info) ([]byte, error) {
	content := make([]byte, info.Size+1)
	if _, err := io.ReadFull(p.out, content); err != nil {
		return nil, err
	}
	return content[:info.Size:info.Size], nil
}

// guard kills the process if ctx ends before the returned function is called, so that no read of it blocks for longer.
func (p *process) guard(ctx context.Context) (release func() (killed bool)) {
	stop := context.AfterFunc(ctx, p.Kill)
	return func() bool { return !stop() }
}

// broken makes the error of a process that did not answer as it should; nil stays nil.
func broken(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return errs.From(ctx.Err())
	}
	return errs.Wrap(err, errs.ReasonRepositoryCorrupt, "the repository's objects cannot be read")
}

// Reader reads one repository. It is safe for concurrent use.
type Reader struct {
	pool *Pool
	dir  string
	// ended is why the reader is closed; nil while it is open. The pool's lock guards it.
	ended error
}

// maxAttempts is how often a question is asked if the process behind it turns out to be dead: as many times as a
// repository has processes for it, and once more. One that dies of the question itself dies each time.
const maxAttempts = 3

// exchange asks n questions and calls each with every answer in their order, nil for an object that is missing. It
// returns early with each's error. After a failure all are asked again, so each may see an answer twice.
func (r *Reader) exchange(ctx context.Context, question string, n int, name name, each func(int, *process, *Info) error) error {
	for attempt := 1; ; attempt++ {
		p, err := r.pool.acquire(ctx, key{r, small})
		if err != nil {
			return err
		}
		release := p.guard(ctx)
		err = p.converse(question, n, name, each)
		if killed := release(); !killed && err == nil {
			r.pool.release(key{r, small}, p)
			return nil
		}
		r.pool.discard(key{r, small}, p)
		if err == nil || ctx.Err() != nil || attempt == maxAttempts || errors.Is(err, errHuge) {
			return broken(ctx, err)
		}
	}
}

func (p *process) converse(question string, n int, name name, each func(int, *process, *Info) error) error {
	for first := 0; first < n; first += window {
		end := min(first+window, n)
		if err := p.ask(question, first, end, name); err != nil {
			return err
		}
		for i := first; i < end; i++ {
			info, err := p.header()
			if err != nil && !errors.Is(err, errMissing) {
				return err
			}
			answer := &info
			if err != nil {
				answer = nil
			}
			if err := each(i, p, answer); err != nil {
				return err
			}
		}
	}
	return nil
}

// Infos returns what the IDs name, in their order; an Info with a zero ID is missing. It fails with QUEUE_FULL,
// REPOSITORY_CORRUPT and as the context does.
func (r *Reader) Infos(ctx context.Context, ids []git.ObjectID) ([]Info, error) {
	return r.infos(ctx, "", ids)
}

// Peel is [Reader.Infos] of what the IDs lead to when tags are followed to their end.
func (r *Reader) Peel(ctx context.Context, ids []git.ObjectID) ([]Info, error) {
	return r.infos(ctx, "^{}", ids)
}

func (r *Reader) infos(ctx context.Context, suffix string, ids []git.ObjectID) ([]Info, error) {
	infos := make([]Info, len(ids))
	err := r.exchange(ctx, "info", len(ids), named(ids, suffix), func(i int, _ *process, info *Info) error {
		if info != nil {
			infos[i] = *info
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return infos, nil
}

// MaxContents is how many bytes of contents one exchange brings into memory, if it is more than a single one.
const MaxContents = 4 << 20

// Objects returns objects with their contents, in the order of ids; one with a zero ID is missing. The content of a blob
// above maxBlob bytes, or of what exceeds [MaxContents] with those before it, is passed over and nil. It fails as
// [Reader.Infos] does.
func (r *Reader) Objects(ctx context.Context, ids []git.ObjectID, maxBlob int64) ([]Object, error) {
	objects, err := r.objects(ctx, len(ids), named(ids, ""), maxBlob)
	if errors.Is(err, errHuge) {
		return r.objectsUpTo(ctx, ids, maxBlob)
	}
	return objects, err
}

// objectsUpTo is [Reader.Objects] without a question for any content that would be passed over.
func (r *Reader) objectsUpTo(ctx context.Context, ids []git.ObjectID, maxBlob int64) ([]Object, error) {
	infos, err := r.Infos(ctx, ids)
	if err != nil {
		return nil, err
	}
	objects := make([]Object, len(ids))
	var wanted []git.ObjectID
	var at []int
	for i, info := range infos {
		objects[i].Info = info
		if info.Type != git.BlobObject || info.Size <= maxBlob {
			wanted, at = append(wanted, ids[i]), append(at, i)
		}
	}
	found, err := r.objects(ctx, len(wanted), named(wanted, ""), maxBlob)
	if err != nil {
		return nil, err
	}
	for i, o := range found {
		objects[at[i]] = o
	}
	return objects, nil
}

// errHuge ends an exchange within the answer of a blob that takes longer to pass over than a new process to start.
var errHuge = errors.New("a blob is too large to be passed over")

// Ancestors returns the commit id and those that are reached from it over n-1 first parents, as far as there are any,
// in this order. It fails as [Reader.Infos] does.
func (r *Reader) Ancestors(ctx context.Context, id git.ObjectID, n int) ([]Object, error) {
	objects, err := r.objects(ctx, n, func(b []byte, i int) []byte {
		return strconv.AppendInt(append(appendHex(b, id), '~'), int64(i), 10)
	}, 0)
	if err != nil {
		return nil, err
	}
	for i, o := range objects {
		if o.ID.IsZero() {
			return objects[:i], nil
		}
	}
	return objects, nil
}

func (r *Reader) objects(ctx context.Context, n int, name name, maxBlob int64) ([]Object, error) {
	objects := make([]Object, n)
	var taken int64
	err := r.exchange(ctx, "contents", n, name, func(i int, p *process, info *Info) (err error) {
		if info == nil {
			return nil
		}
		if info.Type == git.BlobObject && info.Size > maxBlob || taken > 0 && taken+info.Size > MaxContents {
			if info.Type == git.BlobObject && info.Size > maxDrain {
				return errHuge
			}
			objects[i] = Object{Info: *info}
			_, err = io.CopyN(io.Discard, p.out, info.Size+1)
			return err
		}
		taken += info.Size
		content, err := p.content(*info)
		if err == nil {
			objects[i] = Object{*info, content}
		}
		return err
	})
	if err != nil { // a tree whose content did not come would be taken for an empty one
		return nil, err
	}
	return objects, nil
}

// Stream returns an object's content as a stream of its size. It takes a process of its own from the pool until the
// caller closes it, so it is for callers that do not wait for anybody while they read; [Reader.Content] is for the others.
// Reading it fails when ctx ends. It fails with OBJECT_NOT_FOUND and as [Reader.Infos] does.
func (r *Reader) Stream(ctx context.Context, id git.ObjectID) (Info, io.ReadCloser, error) {
	return r.stream(ctx, ctx, id)
}

// stream waits for a process as long as wait lasts, and reads as long as ctx does.
func (r *Reader) stream(wait, ctx context.Context, id git.ObjectID) (Info, io.ReadCloser, error) {
	for attempt := 1; ; attempt++ {
		p, err := r.pool.acquire(wait, key{r, large})
		if err != nil {
			return Info{}, nil, err
		}
		s := &stream{ctx: ctx, reader: r, p: p, release: p.guard(ctx)}
		info, err := p.begin(id)
		switch {
		case err == nil:
			s.left = info.Size
			return info, s, nil
		case errors.Is(err, errMissing):
			s.end(true)
			return Info{}, nil, errs.New(errs.ReasonObjectNotFound, "object "+id.String()+" does not exist in this repository",
				errs.MetaObject, id.String())
		}
		s.end(false)
		if ctx.Err() != nil || attempt == maxAttempts {
			return Info{}, nil, broken(ctx, err)
		}
	}
}

// begin asks for an object and reads the answer up to its content.
func (p *process) begin(id git.ObjectID) (Info, error) {
	if err := p.ask("contents", 0, 1, named([]git.ObjectID{id}, "")); err != nil {
		return Info{}, err
	}
	return p.header()
}

type stream struct {
	ctx     context.Context
	reader  *Reader
	p       *process
	release func() bool
	left    int64
	ended   bool
}

// Read implements [io.Reader].
func (s *stream) Read(b []byte) (int, error) {
	if s.left == 0 || s.ended {
		return 0, io.EOF
	}
	n, err := s.p.out.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	if err != nil {
		return n, broken(s.ctx, err)
	}
	return n, nil
}

const (
	// maxDrain is how much of an unread object is read to keep its process. Beyond that a new process is cheaper.
	maxDrain = 32 << 20
	// maxDrainAtOnce is how much of it the reader's Close waits for.
	maxDrainAtOnce = 256 << 10
)

// Close ends the stream and gives its process back, at once or when what nobody wanted has been read past.
func (s *stream) Close() error {
	switch {
	case s.ended:
	case s.left > maxDrain:
		s.end(false)
	case s.left > maxDrainAtOnce:
		s.ended = true
		s.release()
		passing := s.reader.pool.work(func(ctx context.Context) {
			s.release = s.p.guard(ctx)
			s.end(s.pass())
		})
		if !passing {
			s.end(false)
		}
	default:
		s.end(s.pass())
	}
	return nil
}

// pass reads to the end of the answer.
func (s *stream) pass() bool {
	_, err := io.CopyN(io.Discard, s.p.out, s.left+1)
	return err == nil
}

func (s *stream) end(clean bool) {
	s.ended = true
	if killed := s.release(); killed || !clean {
		s.reader.pool.discard(key{s.reader, large}, s.p)
		return
	}
	s.reader.pool.release(key{s.reader, large}, s.p)
}
