package gitcli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/catfile"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/packfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/panics"
)

// quarantine is where the objects of a push are until its refs move: a repository of its own that borrows the objects of
// the one that is pushed to (gitrepository-layout(5), objects/info/alternates). Nobody who reads that one sees them, and
// dropping the quarantine leaves nothing of them.
type quarantine struct {
	repo *repo
	dir  string
	// objects are those of the push and of the repository; nil until there are any.
	objects *objects
	// pack is nil if the push brought no object.
	pack *packfile.Pack
}

func newQuarantine(r *repo) (*quarantine, error) {
	dir, err := os.MkdirTemp(r.store.root.tmp(), "push-*")
	if err != nil {
		return nil, disk.Error(err)
	}
	q := &quarantine{repo: r, dir: dir}
	for _, sub := range []string{"refs", "objects/pack", "objects/info"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	for name, content := range map[string]string{
		"HEAD": "ref: " + r.defaultBranch.String() + "\n", "config": repositoryConfig(r.objects.format),
		"objects/info/alternates": filepath.Join(r.dir, "objects") + "\n",
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	if err != nil {
		q.drop()
		return nil, disk.Error(err)
	}
	return q, nil
}

// drop ends the quarantine, with all that was not moved out of it.
func (q *quarantine) drop() {
	if q.objects != nil {
		q.objects.reader.Close(errs.New(errs.ReasonCanceled, "the push has ended"))
	}
	if err := os.RemoveAll(q.dir); err != nil {
		q.repo.store.logger.Error("what was pushed is still on the disk until the next start", "repository", q.repo.id.String(), "error", err)
	}
}

// receive takes a pack in: held to the limits while it comes, indexed and its objects checked by git, and put on the disk.
// What git says of objects that it refuses is returned as well. It calls sent once when the client has sent everything: it waits
// from then on, as it does not take an answer before.
func (q *quarantine) receive(ctx context.Context, in io.Reader, sent func()) (complaints []string, err error) {
	r := q.repo
	checked, check := io.Pipe()
	var contents *packfile.Contents
	var wrong error
	found := make(chan struct{})
	go func() {
		defer close(found)
		wrong = panics.Caught(func() (err error) {
			contents, err = packfile.Check(checked, r.objects.format, r.store.packLimits())
			return err
		})
		_ = checked.CloseWithError(wrong) // ends the reading; nil is of no consequence, as there is nothing left to write
	}()
	var named strings.Builder
	source := &checkedReader{r: in, check: check, ended: sync.OnceFunc(sent)}
	whole := &withholding{r: bufio.NewReaderSize(&roomReader{Reader: source, store: r.store}, copySize), release: func() error {
		if <-found; wrong != nil {
			return wrong
		}
		return q.addBases(ctx, contents)
	}}
	err = r.store.runner.Exchange(ctx, q.dir, command.Git("index-pack", "--stdin", "--fix-thin", "--strict", "--no-rev-index").Bounded(), whole, &named)
	_ = check.CloseWithError(io.ErrUnexpectedEOF) // without consequence if the input was read to its end
	<-found
	exit, ended := errors.AsType[*command.ExitError](err)
	switch {
	case source.err != nil && !errors.Is(source.err, io.EOF):
		return nil, &inputError{source.err}
	case source.err != nil && wrong != nil:
		return nil, wrong // git says less
	case ended:
		return q.refused(exit)
	case err != nil:
		return nil, err
	case contents.Objects == 0:
		return nil, nil
	}
	name, ok := strings.CutPrefix(strings.TrimSpace(named.String()), "pack\t")
	if !ok {
		return nil, errs.New(errs.ReasonInternal, "git did not say what it made of a pack")
	}
	path := filepath.Join(q.dir, "objects", "pack", "pack-"+name)
	if err := q.checkDeltas(ctx, path+".idx", contents); err != nil {
		return nil, err
	}
	q.pack = packfile.Adopt(r.packDir(), path)
	return nil, nil
}

// addBases holds what git adds to a thin pack to the limits: the objects of the repository of which deltas are made.
func (q *quarantine) addBases(ctx context.Context, contents *packfile.Contents) error {
	return eachInfo(ctx, q.repo.objects.reader, slices.Collect(maps.Keys(contents.Bases)), func(base catfile.Info) error {
		if base.ID.IsZero() {
			return nil // the pack has it, or git finds out that nobody does
		}
		return contents.Add(base.Size)
	})
}

// checkDeltas holds the deltas of a pack to the limits that depend on what only git knows now: of which type that is what large
// ones make, and where the bases are that they name.
func (q *quarantine) checkDeltas(ctx context.Context, index string, contents *packfile.Contents) error {
	deep := contents.MayBeDeep()
	if len(contents.Large) == 0 && !deep {
		return nil
	}
	f, err := os.Open(index)
	if err != nil {
		return disk.Error(err)
	}
	defer func() { _ = f.Close() }()
	var large []git.ObjectID
	bases := map[git.ObjectID]int64{}
	lines := &lineWriter{each: func(line string) error {
		offset, rest, _ := strings.Cut(line, " ")
		text, _, _ := strings.Cut(rest, " ")
		at, err := strconv.ParseInt(offset, 10, 64)
		if err != nil {
			return err
		}
		id, err := git.ParseObjectID(text)
		if _, ok := slices.BinarySearch(contents.Large, at); ok {
			large = append(large, id)
		}
		if _, ok := contents.Bases[id]; ok && deep {
			bases[id] = at
		}
		return err
	}}
	showIndex := command.Git("show-index").WithFormat("--object-format=", q.repo.objects.format).Bounded()
	if err := q.repo.store.runner.Exchange(ctx, q.dir, showIndex, f, lines); err != nil {
		return err
	}
	if deep {
		if err := contents.CheckDepth(bases); err != nil {
			return err
		}
	}
	if len(large) == 0 {
		return nil
	}
	if err := q.open(ctx); err != nil {
		return err
	}
	limits := q.repo.store.packLimits()
	return eachInfo(ctx, q.objects.reader, large, func(made catfile.Info) error { return limits.Object(made.Type, made.Size) })
}

// eachInfo calls fn with what is told of each of the objects, a few at a time in memory.
func eachInfo(ctx context.Context, reader *catfile.Reader, ids []git.ObjectID, fn func(catfile.Info) error) error {
	for some := range slices.Chunk(ids, 1000) {
		infos, err := reader.Infos(ctx, some)
		if err != nil {
			return err
		}
		for _, info := range infos {
			if err := fn(info); err != nil {
				return err
			}
		}
	}
	return nil
}

// withholding passes on all but the last byte, and that one when release says so: git goes on to make something of a pack as
// soon as it has all of it.
type withholding struct {
	r       *bufio.Reader
	release func() error
}

// Read implements io.Reader.
func (w *withholding) Read(b []byte) (int, error) {
	ahead, err := w.r.Peek(2)
	if err == nil {
		return w.r.Read(b[:min(len(b), w.r.Buffered()-1)])
	}
	if errors.Is(err, io.EOF) {
		if failed := w.release(); failed != nil {
			return 0, failed
		}
	}
	return copy(b, ahead), err
}

// checkedReader passes on what was checked. At its end the check has come to its end, too.
type checkedReader struct {
	r     io.Reader
	check *io.PipeWriter
	// ended is called at the end of r.
	ended func()
	// err is what r ended with.
	err error
}

// Read implements io.Reader.
func (c *checkedReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.err = err
	if n > 0 {
		if _, failed := c.check.Write(b[:n]); failed != nil {
			return 0, failed
		}
	}
	if errors.Is(err, io.EOF) {
		c.ended()
		_ = c.check.Close() // it never fails
	}
	return n, err
}

// inputError is a failure to read what the client sends.
type inputError struct{ error }

// Unwrap returns what the reader failed with.
func (e *inputError) Unwrap() error { return e.error }

var (
	badObject = regexp.MustCompile(`(?m)^error: object ([0-9a-f]{40,64}): (\w+): ([ -~]{1,200})$`)
	// badPack is by what git index-pack ends that found something wrong with the pack. What else it ends by is no fault of the
	// client. There is no "/" in it: no directory is told.
	badPack = regexp.MustCompile(`(?m)^fatal: ((?:did not receive expected object |early EOF|fsck error |invalid (?:blob|commit|tag|tree)|object |pack has |` +
		`pack is corrupted|pack signature |pack version |confusion beyond insanity|Not all child objects |REF_DELTA |SHA-1 appears |SHA1 COLLISION |The same object )[ -.0-~]{0,200})$`)
	// lacking is by what git rev-list ends that does not find an object, or another one in its place.
	lacking = regexp.MustCompile(`(?m)^fatal: (?:bad object |bad tree object |entry '|missing \w+ object |Failed to traverse parents )`)
)

// errLacking is the cause of a refusal of a push that refers to objects which are not there.
var errLacking = errors.New("objects are missing")

// maxComplaints is the most objects that a client is told of.
const maxComplaints = 20

// refused returns what git found wrong with the pack, exit itself if that is not why it ended.
func (q *quarantine) refused(exit *command.ExitError) (complaints []string, err error) {
	m := badPack.FindStringSubmatch(exit.Said)
	if m == nil {
		return nil, exit
	}
	for _, m := range badObject.FindAllStringSubmatch(exit.Said, maxComplaints) {
		complaints = append(complaints, "object "+m[1]+": "+m[3]+" ("+m[2]+")")
	}
	switch {
	case len(complaints) > 0:
		return complaints, errs.New(errs.ReasonInvalidPack, "git fsck refuses "+complaints[0])
	case strings.HasPrefix(m[1], "did not receive expected object "):
		return nil, errs.Wrap(errLacking, errs.ReasonInvalidPack, "the push lacks object "+strings.TrimPrefix(m[1], "did not receive expected object ")+", to which it refers")
	case strings.HasPrefix(m[1], "SHA"):
		return nil, errs.New(errs.ReasonSHA1Collision, "an object is crafted to collide under SHA-1")
	}
	return nil, errs.Wrap(exit, errs.ReasonInvalidPack, "git refuses the pack: "+m[1])
}

// news are the revisions, for a standard input, of what the ids lead to and the refs of the repository do not.
func (q *quarantine) news(ids []git.ObjectID) io.Reader {
	var in strings.Builder
	for _, id := range ids {
		in.WriteString(id.String() + "\n")
	}
	q.repo.refs.Load().tree.Scan(func(ref git.Ref) bool {
		in.WriteString("^" + ref.Target.String() + "\n")
		return true
	})
	return strings.NewReader(in.String())
}

// connected reports whether all that the ids lead to is there, as far as the refs of the repository do not lead to it.
func (q *quarantine) connected(ctx context.Context, ids []git.ObjectID) (bool, error) {
	err := q.repo.store.runner.Exchange(ctx, q.dir, command.Git("rev-list", "--objects", "--quiet", "--stdin").Bounded(), q.news(ids), io.Discard)
	if exit, ended := errors.AsType[*command.ExitError](err); ended && lacking.MatchString(exit.Said) {
		return false, nil
	}
	return err == nil, err
}

// pushCache is how much of the objects of a push is kept, in bytes, beside [treeCache]: in the cache of the service they would be in the
// place of what is read, and nobody finds them there once the push has ended.
const pushCache = 8 << 20

// open gives access to the objects.
func (q *quarantine) open(ctx context.Context) error {
	if q.objects != nil {
		return nil
	}
	s := q.repo.store
	reader, err := s.pool.Open(ctx, q.dir)
	if err == nil {
		q.objects = &objects{repository: s.opened.Add(1), format: q.repo.objects.format, cache: newObjectCache(pushCache), reader: reader}
	}
	return err
}
