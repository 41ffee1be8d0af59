package graphqlapi

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/gitstore-dev/gitstore/app/markdown"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// maxAnswer is how many bytes of texts and JSON an answer holds at most.
const maxAnswer = 8 << 20

// session is what the fields of one operation share. gqlgen resolves some of them at the same time.
type session struct {
	executor *Executor
	request  Request

	// calls makes one call of the store after the other, so that the first one is that of the oldest state.
	calls sync.Mutex
	// opened are the catalogs that the query named, each once: all that is said of one is of one commit.
	opened map[opening]*Catalog
	// older reports that a page is of the commit of a page before.
	older bool
	// made are the ids of the commits that the mutations so far led to.
	made []string

	mu        sync.Mutex
	left      int
	exhausted bool
	html      map[*catalog.Document]string
}

type opening struct {
	repository git.RepositoryID
	// at is the revision that was asked for, "" for what is followed.
	at string
	// page is the commit of the pages before, if that was asked for instead.
	page git.ObjectID
}

type sessionKey struct{}

func sessionOf(ctx context.Context) *session { return ctx.Value(sessionKey{}).(*session) }

// take reserves room in the answer, and reports whether there was some.
func (s *session) take(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left -= n; s.left < 0 {
		s.exhausted = true
	}
	return !s.exhausted
}

// has reserves room in the answer for what it can do without, and reports whether there was some.
func (s *session) has(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exhausted || s.left < n {
		return false
	}
	s.left -= n
	return true
}

// perItem is about what an item of a list takes before it is written, in bytes.
const perItem = 64

// listed reserves room for a list that a document has.
func listed[T any](ctx context.Context, items []T) ([]T, error) {
	if !sessionOf(ctx).take(perItem * len(items)) {
		return nil, errAnswerTooLarge
	}
	return items, nil
}

var errAnswerTooLarge = errs.New(errs.ReasonQueryTooComplex,
	fmt.Sprintf("the answer would hold more than %d MiB: ask for fewer documents by first, or without body and fields", maxAnswer>>20))

// errDoneAndTooLarge is what becomes of an answer that does not fit when what it answers is done.
func (s *session) errDoneAndTooLarge() error {
	return errs.New(errs.ReasonQueryTooComplex,
		fmt.Sprintf("what was asked for was done, but the answer would hold more than %d MiB: read the documents by themselves", maxAnswer>>20),
		"commit_ids", strings.Join(s.made, ","))
}

// bodyHTML renders the body of a document once.
func (s *session) bodyHTML(d *catalog.Document) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, known := s.html[d]
	if !known && !s.exhausted {
		text = markdown.HTML(d.Body)
		s.html[d] = text
		if s.left -= len(text); s.left < 0 {
			s.exhausted = true
		}
	}
	if s.exhausted {
		return "", errAnswerTooLarge
	}
	return text, nil
}

// catalog opens the catalog of a repository, at a revision if one is given.
func (s *session) catalog(repository string, at *string) (*Catalog, error) {
	id, err := git.ParseRepositoryID(repository)
	if err != nil {
		return nil, errs.InField(err, "repository")
	}
	key := opening{repository: id}
	if at != nil {
		key.at = *at
	}
	s.calls.Lock()
	defer s.calls.Unlock()
	if known := s.opened[key]; known != nil {
		return known, nil
	}
	out := &Catalog{in: s, at: key.at}
	if at == nil {
		if out.Catalog, err = s.executor.catalogs.Catalog(s.request.Call(), id); err == nil {
			out.status, err = s.executor.catalogs.Status(id)
		}
	} else {
		var rev git.Revision
		if rev, err = git.ParseRevision(*at); err != nil {
			return nil, errs.InField(err, "at")
		}
		out.Catalog, err = s.executor.catalogs.Open(s.request.Call(), id, rev)
	}
	if err != nil {
		return nil, err
	}
	s.opened[key] = out
	return out, nil
}

// pageBefore is the catalog of the same listing that the pages before were of.
func (c *Catalog) pageBefore(ctx context.Context, commit git.ObjectID) (*Catalog, error) {
	if c.CommitID() == commit {
		return c, nil
	}
	return c.in.before(ctx, c.Catalog.Repository, commit)
}

// before opens the catalog that the pages before were of. What is found in it has the ids of that commit, as it is not how
// things are now.
func (s *session) before(ctx context.Context, repository git.RepositoryID, commit git.ObjectID) (*Catalog, error) {
	s.calls.Lock()
	defer s.calls.Unlock()
	s.older = true
	key := opening{repository: repository, page: commit}
	if known := s.opened[key]; known != nil {
		return known, nil
	}
	found, err := s.executor.catalogs.OpenCommit(ctx, repository, commit)
	if err != nil {
		return nil, errs.InField(err, "after")
	}
	out := &Catalog{Catalog: found, in: s, at: commit.String()}
	s.opened[key] = out
	return out, nil
}

// repository calls the store for one repository.
func (s *session) repository(id string, call func(context.Context, git.RepositoryID, ports.GitRepository) error) error {
	parsed, err := git.ParseRepositoryID(id)
	if err != nil {
		return errs.InField(err, "repository")
	}
	s.calls.Lock()
	defer s.calls.Unlock()
	return call(s.request.Call(), parsed, s.executor.store.Repository(parsed))
}
