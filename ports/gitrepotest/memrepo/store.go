// Package memrepo is a [ports.RepositoryStore] in memory: the reference that package gitrepotest is checked against,
// and a store for tests of whatever stands above the port. It keeps every promise of the port, but its data do
// not outlive the process, and it does not look for content that was crafted to collide under SHA-1.
//
// Reads work on one snapshot of the refs and never wait. Writes of one repository are made one after the other.
package memrepo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
	"github.com/gitstore-dev/gitstore/ports"
)

// Store is a [ports.RepositoryStore] in memory. It is safe for concurrent use.
type Store struct {
	mu    sync.Mutex
	repos map[git.RepositoryID]*repo
}

// New returns an empty store.
func New() *Store { return &Store{repos: map[git.RepositoryID]*repo{}} }

// Reopen returns a new store over the same data, as a process that is started again would have: nothing but objects,
// refs and settings is carried over. Do not use s afterwards.
func (s *Store) Reopen() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := New()
	for id, r := range s.repos {
		next.repos[id] = newRepo(r.info, r.db, r.refs.Load())
		next.repos[id].policy.Store(r.policy.Load())
	}
	return next
}

// repo is one repository.
type repo struct {
	// info has what never changes.
	info ports.RepositoryInfo
	db   *database
	refs atomic.Pointer[refTable]
	// policy is the repository's own, nil if it has none.
	policy atomic.Pointer[ports.Policy]
	// turn holds one token, which the writer at work has taken. Writers get it in the order they came.
	turn    chan struct{}
	deleted atomic.Bool
}

func newRepo(info ports.RepositoryInfo, db *database, refs *refTable) *repo {
	r := &repo{info: info, db: db, turn: make(chan struct{}, 1)}
	r.refs.Store(refs)
	return r
}

// CreateRepository implements [ports.RepositoryStore].
func (s *Store) CreateRepository(ctx context.Context, req ports.CreateRepository) (ports.RepositoryInfo, error) {
	if err := ctx.Err(); err != nil {
		return ports.RepositoryInfo{}, errs.From(err)
	}
	info, err := newInfo(req)
	if err != nil {
		return ports.RepositoryInfo{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repos[req.ID] != nil {
		return ports.RepositoryInfo{}, errs.New(errs.ReasonRepositoryExists, fmt.Sprintf("repository %q exists", req.ID),
			errs.MetaRepository, req.ID.String())
	}
	s.repos[req.ID] = newRepo(info, &database{byID: map[git.ObjectID]object{}}, &refTable{})
	return info, nil
}

func newInfo(req ports.CreateRepository) (info ports.RepositoryInfo, err error) {
	info = ports.RepositoryInfo{
		ID: req.ID, DefaultBranch: req.DefaultBranch, ObjectFormat: req.ObjectFormat,
		Empty: true, CreatedAt: time.Now().UTC().Truncate(time.Second),
	}
	if req.ID.IsZero() {
		return info, errs.InvalidField(errs.ReasonInvalidRepositoryID, "repository", "the repository id is missing")
	}
	if info.ObjectFormat == 0 {
		info.ObjectFormat = git.SHA1
	}
	if info.DefaultBranch.IsZero() {
		info.DefaultBranch, err = git.BranchRef("main")
		return info, err
	}
	if err := info.DefaultBranch.CheckWritable(); err != nil {
		return info, err
	}
	if !info.DefaultBranch.IsBranch() {
		return info, errs.InvalidField(errs.ReasonRefNotWritable, "default_branch",
			"the default branch %q has to begin with refs/heads/", info.DefaultBranch)
	}
	return info, nil
}

// DeleteRepository implements [ports.RepositoryStore].
func (s *Store) DeleteRepository(ctx context.Context, id git.RepositoryID) error {
	r, err := s.find(ctx, id)
	if err != nil {
		return err
	}
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.unlock()
	if r.deleted.Swap(true) {
		return repositoryNotFound(id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.repos, id)
	return nil
}

// Policy implements [ports.RepositoryStore].
func (s *Store) Policy(ctx context.Context, id git.RepositoryID) (ports.PolicyInfo, error) {
	r, err := s.find(ctx, id)
	if err != nil {
		return ports.PolicyInfo{}, err
	}
	return r.policyInfo(), nil
}

func (r *repo) policyInfo() ports.PolicyInfo {
	if own := r.policy.Load(); own != nil {
		return ports.PolicyInfo{Policy: *own, Own: true}
	}
	return ports.PolicyInfo{}
}

// SetPolicy implements [ports.RepositoryStore].
func (s *Store) SetPolicy(ctx context.Context, id git.RepositoryID, policy *ports.Policy) error {
	r, err := s.find(ctx, id)
	if err != nil {
		return err
	}
	r.policy.Store(policy)
	return nil
}

func repositoryNotFound(id git.RepositoryID) error {
	return errs.New(errs.ReasonRepositoryNotFound, fmt.Sprintf("repository %q does not exist", id), errs.MetaRepository, id.String())
}

// Repository implements [ports.RepositoryStore].
func (s *Store) Repository(id git.RepositoryID) ports.GitRepository { return repository{s, id} }

// find returns the repository for one call.
func (s *Store) find(ctx context.Context, id git.RepositoryID) (*repo, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.From(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.repos[id]; r != nil {
		return r, nil
	}
	return nil, repositoryNotFound(id)
}

// ListRepositories implements [ports.RepositoryStore].
func (s *Store) ListRepositories(ctx context.Context, p ports.Page) (ports.RepositoryPage, error) {
	const scope = "repositories"
	if err := ctx.Err(); err != nil {
		return ports.RepositoryPage{}, errs.From(err)
	}
	size, after, err := pageOf(scope, p)
	if err != nil {
		return ports.RepositoryPage{}, err
	}
	rest := s.reposAfter(after.After)
	var res ports.RepositoryPage
	for _, r := range rest[:min(size, len(rest))] {
		res.Items = append(res.Items, r.summary())
	}
	if len(rest) > size {
		res.NextToken = page.Encode(scope, page.Token{After: rest[size-1].info.ID.String()})
	}
	return res, nil
}

func pageOf(scope string, p ports.Page) (size int, after page.Token, err error) {
	if size, err = page.Size(p.Size); err != nil || p.Token == "" {
		return size, after, err
	}
	after, err = page.Decode(scope, p.Token)
	return size, after, err
}

func (s *Store) reposAfter(id string) (after []*repo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.repos {
		if r.info.ID.String() > id {
			after = append(after, r)
		}
	}
	slices.SortFunc(after, func(a, b *repo) int { return strings.Compare(a.info.ID.String(), b.info.ID.String()) })
	return after
}

func (r *repo) summary() ports.RepositoryInfo {
	info := r.info
	info.Empty = len(r.refs.Load().names) == 0
	return info
}
