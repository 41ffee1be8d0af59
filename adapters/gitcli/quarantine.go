package gitcli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/packfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
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
// What git says of objects that it refuses is returned as well.
func (q *quarantine) receive(ctx context.Context, in io.Reader) (complaints []string, err error) {
	r := q.repo
	checked, check := io.Pipe()
	type outcome struct {
		objects int64
		err     error
	}
	found := make(chan outcome, 1)
	go func() {
		n, err := packfile.Check(checked, r.objects.format, r.store.packLimits())
		_ = checked.CloseWithError(err) // ends the reading; nil is of no consequence, as there is nothing left to write
		found <- outcome{n, err}
	}()
	var named strings.Builder
	source := &checkedReader{r: in, check: check}
	err = r.store.runner.Exchange(ctx, q.dir, command.Git("index-pack", "--stdin", "--fix-thin", "--strict", "--no-rev-index"), source, &named)
	_ = check.CloseWithError(io.ErrUnexpectedEOF) // without consequence if the input was read to its end
	o := <-found
	exit, ended := errors.AsType[*command.ExitError](err)
	switch {
	case source.err != nil && !errors.Is(source.err, io.EOF):
		return nil, &inputError{source.err}
	case source.err != nil && o.err != nil:
		return nil, o.err // git says less
	case ended:
		return q.refused(exit)
	case err != nil:
		return nil, err
	case o.objects == 0:
		return nil, nil
	}
	name, ok := strings.CutPrefix(strings.TrimSpace(named.String()), "pack\t")
	if !ok {
		return nil, errs.New(errs.ReasonInternal, "git did not say what it made of a pack")
	}
	q.pack = packfile.Adopt(r.packDir(), filepath.Join(q.dir, "objects", "pack", "pack-"+name))
	return nil, nil
}

// checkedReader passes on what was checked. At its end the check has come to its end, too.
type checkedReader struct {
	r     io.Reader
	check *io.PipeWriter
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
	badPack   = regexp.MustCompile(`(?m)^fatal: ([ -.0-~]{1,200})$`) // without "/": no directory is told
)

// errLacking is the cause of a refusal of a push that refers to objects which are not there.
var errLacking = errors.New("objects are missing")

// maxComplaints is the most objects that a client is told of.
const maxComplaints = 20

// refused returns what git found wrong with the pack.
func (q *quarantine) refused(exit *command.ExitError) (complaints []string, err error) {
	if errs.Is(exit, errs.ReasonStorageFull) {
		return nil, errs.From(exit)
	}
	for _, m := range badObject.FindAllStringSubmatch(exit.Said, maxComplaints) {
		complaints = append(complaints, "object "+m[1]+": "+m[3]+" ("+m[2]+")")
	}
	switch m := badPack.FindStringSubmatch(exit.Said); {
	case len(complaints) > 0:
		return complaints, errs.New(errs.ReasonInvalidPack, "git fsck refuses "+complaints[0])
	case m != nil && strings.HasPrefix(m[1], "did not receive expected object "):
		return nil, errs.Wrap(errLacking, errs.ReasonInvalidPack, "the push lacks object "+strings.TrimPrefix(m[1], "did not receive expected object ")+", to which it refers")
	case m != nil && strings.HasPrefix(m[1], "SHA1 COLLISION"):
		return nil, errs.New(errs.ReasonSHA1Collision, "an object is crafted to collide under SHA-1")
	case m != nil:
		return nil, errs.Wrap(exit, errs.ReasonInvalidPack, "git refuses the pack: "+m[1])
	}
	return nil, errs.Wrap(exit, errs.ReasonInvalidPack, "git refuses the pack")
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
	err := q.repo.store.runner.Exchange(ctx, q.dir, command.Git("rev-list", "--objects", "--quiet", "--stdin"), q.news(ids), io.Discard)
	if _, ended := errors.AsType[*command.ExitError](err); ended {
		return false, nil
	}
	return err == nil, err
}

// open gives access to the objects.
func (q *quarantine) open(ctx context.Context) error {
	s := q.repo.store
	reader, err := s.pool.Open(ctx, q.dir)
	if err == nil {
		q.objects = &objects{repository: s.opened.Add(1), format: q.repo.objects.format, cache: s.cache, reader: reader}
	}
	return err
}
