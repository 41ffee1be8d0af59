package gitrepotest

import (
	"encoding/binary"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// The values of the fixtures are written as text, and are valid: a mistake is one of the suite.

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func branch(short string) git.RefName { return must(git.BranchRef(short)) }

func tag(short string) git.RefName { return must(git.TagRef(short)) }

func refName(full string) git.RefName { return must(git.ParseRefName(full)) }

func revision(s string) git.Revision { return must(git.ParseRevision(s)) }

func objectID(hex string) git.ObjectID { return must(git.ParseObjectID(hex)) }

func path(s string) git.TreePath { return must(git.ParseTreePath(s)) }

func paths(all ...string) []git.TreePath {
	list := make([]git.TreePath, len(all))
	for i, p := range all {
		list[i] = path(p)
	}
	return list
}

// mainBranch is the default branch.
func mainBranch() git.RefName { return branch("main") }

// unknownID is an object ID that no repository of the format has.
func (s *suite) unknownID() git.ObjectID { return s.filledID("7") }

// filledID is an object ID of the format that consists of one digit.
func (s *suite) filledID(digit string) git.ObjectID {
	return objectID(strings.Repeat(digit, 2*s.format.Size()))
}

// foreignID is an object ID of the other format.
func (s *suite) foreignID() git.ObjectID {
	return objectID(strings.Repeat("7", 2*(git.SHA1.Size()+git.SHA256.Size()-s.format.Size())))
}

func (s *suite) blobID(content string) git.ObjectID {
	return s.format.HashObject(git.BlobObject, []byte(content))
}

// ada makes the commits whose IDs are to be the same everywhere.
func ada(unix int64) git.Signature {
	return git.Signature{Name: "Ada Lovelace", Email: "ada@example.com", When: time.Unix(unix, 0).In(time.FixedZone("", 2*60*60))}
}

// epoch is when the fixtures begin: 2023-11-14 22:13:20 UTC.
const epoch = 1_700_000_000

// repo is a repository of a case.
type repo struct {
	ports.GitRepository
	c  *tc
	id git.RepositoryID
}

// create makes an empty repository in the store that the cases share.
func (c *tc) create() *repo {
	c.Helper()
	return c.createIn(c.store)
}

func (c *tc) createIn(store ports.RepositoryStore) *repo {
	c.Helper()
	id := c.newID()
	_, err := store.CreateRepository(c.ctx, ports.CreateRepository{ID: id, ObjectFormat: c.format})
	c.ok(err)
	return c.repo(store, id)
}

func (c *tc) repo(store ports.RepositoryStore, id git.RepositoryID) *repo {
	return &repo{store.Repository(id), c, id}
}

// createWith makes a repository with the files on its default branch.
func (c *tc) createWith(changes ...git.Change) *repo {
	c.Helper()
	r := c.create()
	r.commit(changes...)
	return r
}

// commit makes a commit on the default branch.
func (r *repo) commit(changes ...git.Change) ports.CommitResult {
	r.c.Helper()
	return r.commitTo(mainBranch(), changes...)
}

func (r *repo) commitTo(name git.RefName, changes ...git.Change) ports.CommitResult {
	r.c.Helper()
	res, err := r.CommitFiles(r.c.ctx, ports.CommitFiles{Branch: name, Message: "Change"}, each(changes...))
	r.c.ok(err)
	return res
}

// refs lists refs.
func (r *repo) refs(q ports.RefQuery) []git.Ref {
	r.c.Helper()
	seq, err := r.ListRefs(r.c.ctx, q)
	return all(r.c, seq, err)
}

// head is where the default branch is.
func (r *repo) head() git.ObjectID { return r.at(git.Head()) }

// at is where the revision leads.
func (r *repo) at(rev git.Revision) git.ObjectID {
	r.c.Helper()
	at, err := r.ResolveRevision(r.c.ctx, rev)
	r.c.ok(err)
	return at.Commit
}

// read returns the content of a file on the default branch.
func (r *repo) read(p string) string {
	r.c.Helper()
	f, err := r.GetFile(r.c.ctx, git.Head(), path(p))
	r.c.ok(err)
	return string(f.Content)
}

// files returns the contents of all files of a revision by their paths.
func (r *repo) files(rev git.Revision) map[string]string {
	r.c.Helper()
	_, seq, err := r.ReadTree(r.c.ctx, ports.ReadTree{Revision: rev})
	r.c.ok(err)
	contents := map[string]string{}
	for f, err := range seq {
		r.c.ok(err)
		contents[f.Path.String()] = r.c.content(f.Content)
	}
	return contents
}

// each yields the changes.
func each(changes ...git.Change) iter.Seq2[git.Change, error] {
	return func(yield func(git.Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func write(action git.Action, p, content string) git.Change {
	return git.Change{Action: action, Path: path(p), Content: strings.NewReader(content), Size: int64(len(content))}
}

func create(p, content string) git.Change { return write(git.ActionCreate, p, content) }

func update(p, content string) git.Change { return write(git.ActionUpdate, p, content) }

func upsert(p, content string) git.Change { return write(git.ActionUpsert, p, content) }

func del(p string) git.Change { return git.Change{Action: git.ActionDelete, Path: path(p), Size: -1} }

func move(from, to string) git.Change {
	return git.Change{Action: git.ActionMove, From: path(from), Path: path(to), Size: -1}
}

func moveWith(from, to, content string) git.Change {
	c := write(git.ActionMove, to, content)
	c.From = path(from)
	return c
}

func chmod(p string, executable bool) git.Change {
	return git.Change{Action: git.ActionChmod, Path: path(p), Size: -1, Executable: &executable}
}

// as sets whether the change makes the file executable.
func as(executable bool, c git.Change) git.Change {
	c.Executable = &executable
	return c
}

// expecting sets what the change expects to find.
func expecting(e git.Expectation, c git.Change) git.Change {
	c.ExpectedBlob = e
	return c
}

// pattern returns n bytes that do not repeat, are no text, and are the same each time. They hardly deflate.
func pattern(n int) string {
	b := make([]byte, 0, n+8)
	for x := uint64(n) + 1; len(b) < n; { //nolint:gosec // a length is not negative
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return string(b[:n])
}

// cut is a reader that fails behind its content.
func cut(content string, err error) io.Reader {
	return io.MultiReader(strings.NewReader(content), failing{err})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
