package gitrepotest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// Harness is what the suite has to know of an implementation. Its functions may be called from several cases at once.
type Harness struct {
	// New returns an empty store. It is closed by t.Cleanup, which is also where the harness checks that nothing is left
	// of it: no goroutine, no process, no temporary file. The suite calls New about a dozen times for each object
	// format, and puts most of its repositories into one store.
	New func(t testing.TB) ports.RepositoryStore

	// Import feeds a git-fast-import(1) stream into an empty or existing repository of the store, behind the port: the
	// port itself makes no merges, symbolic links, or names that are not UTF-8. The stream has raw dates, ends in "done",
	// and may name refs outside refs/heads/ and refs/tags/, which the store is free to drop. What was imported is seen
	// by the next call.
	Import func(t testing.TB, store ports.RepositoryStore, id git.RepositoryID, stream []byte)
	// NoImport says why Import is nil. The cases that need it are skipped with this reason.
	NoImport string

	// Reopen ends the store as a process would be stopped, and returns one over the same data. It is closed by t.Cleanup.
	Reopen func(t testing.TB, store ports.RepositoryStore) ports.RepositoryStore
	// NoReopen says why Reopen is nil.
	NoReopen string

	// Formats are those of the repositories that the suite makes; nil is both.
	Formats []git.ObjectFormat

	// NoPacks says why the store is no [ports.PackTransport]; "" if it is. Nothing but git, or what is as much as git, can
	// be: the in-memory reference is not.
	NoPacks string

	// CheckIdle fails the test if calls that have ended left something at work in the store, such as the process behind
	// a stream that was broken off. It may wait for what is about to end. Nil checks nothing.
	CheckIdle func(t testing.TB, store ports.RepositoryStore)
}

// Run runs the suite, once over SHA-1 and once over SHA-256 repositories if the harness does not name one. A single case is run by its name, as in
//
//	go test -run 'TestConformance/sha1/Tags/a_release_comes_before_its_pre-releases'
func Run(t *testing.T, h Harness) {
	formats := h.Formats
	if formats == nil {
		formats = []git.ObjectFormat{git.SHA1, git.SHA256}
	}
	for _, format := range formats {
		t.Run(format.String(), func(t *testing.T) {
			s := newSuite(t, h, format)
			for _, c := range capabilities {
				t.Run(c.name, func(t *testing.T) { s.run(t, c.cases) })
			}
		})
	}
}

// capability is a part of the port with the cases that hold it to its comments.
type capability struct {
	name  string
	cases []testCase
}

// testCase is one sentence of the port's comments, and how it is tried.
type testCase struct {
	name string
	run  func(*tc)
}

var capabilities = []capability{
	{"Repositories", repositoryCases},
	{"Revisions", revisionCases},
	{"Refs", refCases},
	{"Files", fileCases},
	{"Batches", batchCases},
	{"Listings", listCases},
	{"Trees", readTreeCases},
	{"Branches", branchCases},
	{"Ref updates", updateCases},
	{"Tags", tagCases},
	{"History", historyCases},
	{"Comparisons", compareCases},
	{"Commits", commitCases},
	{"Expectations", expectationCases},
	{"Requests", requestCases},
	{"Releases", releaseCases},
	{"Concurrency", concurrencyCases},
	{"Cancellation", cancellationCases},
	{"Errors", errorCases},
	{"Bad input", badInputCases},
	{"Object formats", formatCases},
	{"Packs", packCases},
	{"Policies", policyCases},
}

// suite is what the cases of one object format share.
type suite struct {
	h      Harness
	format git.ObjectFormat
	store  ports.RepositoryStore
	// sample and story are in the store, for cases that only read; nil if the harness cannot import.
	sample, story *imported
	// made numbers the repositories, which have to be apart from each other.
	made atomic.Int64
}

func newSuite(t *testing.T, h Harness, format git.ObjectFormat) *suite {
	t.Helper()
	s := &suite{h: h, format: format, store: h.New(t)}
	if h.Import != nil {
		c := s.newCase(t)
		s.sample, s.story = c.importInto(s.store, sample), c.importInto(s.store, story)
	}
	return s
}

// imported is a fixture in a store.
type imported struct {
	*world
	id git.RepositoryID
}

// importInto makes a repository of the fixture.
func (c *tc) importInto(store ports.RepositoryStore, f fixture) *imported {
	c.Helper()
	r := c.createIn(store)
	w := f.build(c.format)
	c.h.Import(c, store, r.id, w.stream)
	return &imported{w, r.id}
}

// readSample returns the sample, which the case must not write to.
func (c *tc) readSample() (*repo, *world) {
	c.Helper()
	c.needImport()
	return c.repo(c.store, c.sample.id), c.sample.world
}

// readStory returns the story, which the case must not write to.
func (c *tc) readStory() (*repo, *world) {
	c.Helper()
	c.needImport()
	return c.repo(c.store, c.story.id), c.story.world
}

// ownCopy imports the fixture into a repository of the case's own.
func (c *tc) ownCopy(f fixture) (*repo, *world) {
	c.Helper()
	c.needImport()
	own := c.importInto(c.store, f)
	return c.repo(c.store, own.id), own.world
}

// caseTimeout ends a case that hangs, so that it fails by its name.
const caseTimeout = 5 * time.Minute

func (s *suite) run(t *testing.T, cases []testCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(s.newCase(t))
		})
	}
}

func (s *suite) newCase(t *testing.T) *tc {
	ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
	t.Cleanup(cancel)
	return &tc{T: t, suite: s, ctx: ctx}
}

// tc is one case at work.
type tc struct {
	*testing.T
	*suite
	ctx context.Context
}

// sub runs a part of the case as a test of its own, after the part before it.
func (c *tc) sub(name string, run func(*tc)) {
	c.Helper()
	c.Run(name, func(t *testing.T) { run(&tc{T: t, suite: c.suite, ctx: c.ctx}) })
}

// newID returns the id of a repository that nobody else has.
func (s *suite) newID() git.RepositoryID {
	id, err := git.ParseRepositoryID(fmt.Sprintf("%s-%04d", s.format, s.made.Add(1)))
	if err != nil {
		panic(err)
	}
	return id
}

// needImport skips the case if the harness cannot import.
func (c *tc) needImport() {
	c.Helper()
	if c.h.Import == nil {
		c.Skip("the harness cannot import: " + c.h.NoImport)
	}
}

// needReopen skips the case if the harness cannot reopen.
func (c *tc) needReopen() {
	c.Helper()
	if c.h.Reopen == nil {
		c.Skip("the harness cannot reopen: " + c.h.NoReopen)
	}
}
