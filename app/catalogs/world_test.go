package catalogs_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func repoID(s string) git.RepositoryID { return must(git.ParseRepositoryID(s)) }

func branch(s string) git.RefName { return must(git.BranchRef(s)) }

func tag(s string) git.RefName { return must(git.TagRef(s)) }

func path(s string) git.TreePath { return must(git.ParseTreePath(s)) }

var shop = repoID("shop")

// world is a store in memory whose writes are told to subscribers, and which fails on demand.
type world struct {
	t       testing.TB
	store   *memrepo.Store
	events  *source
	faults  *faults
	follows *catalogs.Follower
}

func newWorld(t testing.TB, opts catalogs.Options, targets ...string) *world {
	t.Helper()
	w := &world{t: t, store: memrepo.New(), events: newSource(), faults: &faults{}}
	w.follow(opts, targets...)
	return w
}

// follow makes another follower over the same store.
func (w *world) follow(opts catalogs.Options, targets ...string) {
	w.t.Helper()
	parsed, err := catalogs.ParseTargets(targets)
	if err != nil {
		w.t.Fatal(err)
	}
	w.follows = catalogs.New(faultyStore{w.store, w.faults}, parsed, opts)
}

// run runs the follower until the test ends.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.follows.Run(ctx, w.events)
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) create(id git.RepositoryID) {
	w.t.Helper()
	info, err := w.store.CreateRepository(context.Background(), ports.CreateRepository{ID: id})
	w.ok(err)
	w.events.tell(event.RepositoryCreated{Header: event.Header{ID: id}, CreatedAt: info.CreatedAt})
}

func (w *world) delete(id git.RepositoryID) {
	w.t.Helper()
	w.ok(w.store.DeleteRepository(context.Background(), id))
	w.events.tell(event.RepositoryDeleted{Header: event.Header{ID: id}})
}

// commit writes files to a branch, and deletes those without content. It returns the commit and the event's cursor.
func (w *world) commit(id git.RepositoryID, to git.RefName, files map[string]string) (git.ObjectID, event.Cursor) {
	w.t.Helper()
	res, err := w.store.Repository(id).CommitFiles(context.Background(), ports.CommitFiles{Branch: to, Message: "Change"}, fileChanges(files))
	w.ok(err)
	return res.Commit, w.events.tell(moved(id, to, res.Parent, res.Commit))
}

// fileChanges writes files, and deletes those without content.
func fileChanges(files map[string]string) iter.Seq2[git.Change, error] {
	return func(yield func(git.Change, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			c := git.Change{Action: git.ActionUpsert, Path: path(name), Content: strings.NewReader(files[name]), Size: int64(len(files[name]))}
			if files[name] == "" {
				c = git.Change{Action: git.ActionDelete, Path: path(name)}
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

func moved(id git.RepositoryID, ref git.RefName, from, to git.ObjectID) event.RefUpdated {
	return event.RefUpdated{Header: event.Header{ID: id}, Ref: ref, Old: from, New: to, Commit: to, Release: repository.ReleaseOf(ref)}
}

func (w *world) tag(id git.RepositoryID, name string, commit git.ObjectID) {
	w.t.Helper()
	_, err := w.store.Repository(id).CreateTag(context.Background(), ports.CreateTag{Name: tag(name), Target: git.AtCommit(commit)})
	w.ok(err)
	w.events.tell(moved(id, tag(name), git.ObjectID{}, commit))
}

// move moves a ref, or deletes it if it is to lead nowhere.
func (w *world) move(id git.RepositoryID, ref git.RefName, from, to git.ObjectID) {
	w.t.Helper()
	_, err := w.store.Repository(id).UpdateRefs(context.Background(), []git.RefUpdate{{Name: ref, Expected: git.ExpectID(from), New: to, Force: true}})
	w.ok(err)
	w.events.tell(moved(id, ref, from, to))
}

// files reads what Git has at a commit.
func (w *world) files(id git.RepositoryID, commit git.ObjectID) map[string]string {
	w.t.Helper()
	_, files, err := w.store.Repository(id).ReadTree(context.Background(), ports.ReadTree{Revision: git.AtCommit(commit)})
	w.ok(err)
	all := map[string]string{}
	for f, err := range files {
		w.ok(err)
		all[f.Path.String()] = string(must(io.ReadAll(f.Content)))
	}
	return all
}

func (w *world) catalog() *catalogs.Catalog {
	w.t.Helper()
	c, err := w.follows.Catalog(context.Background(), shop)
	w.ok(err)
	return c
}

func (w *world) status() catalogs.Status {
	w.t.Helper()
	s, err := w.follows.Status(shop)
	w.ok(err)
	return s
}

// serves checks that the catalog of the shop is that of a commit, and all of it.
func (w *world) serves(commit git.ObjectID) {
	w.t.Helper()
	c := w.catalog()
	if c.Commit() != commit {
		w.t.Fatalf("the catalog is of commit %s, want %s; status %+v", c.Commit(), commit, w.status())
	}
	if got, want := content(c), w.files(shop, commit); !maps.Equal(got, want) {
		w.t.Fatalf("the catalog of commit %s holds %v, want %v", commit, got, want)
	}
}

func (w *world) refuses(reason errs.Reason) {
	w.t.Helper()
	if c, err := w.follows.Catalog(context.Background(), shop); !errs.Is(err, reason) {
		w.t.Fatalf("Catalog = %v, %v, want %s", c, err, reason)
	}
}

// settled runs the test with a clock that moves only while everybody waits.
func settled(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// pass lets time go by within settled.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// source is a journal that keeps everything, and the place to subscribe to it.
type source struct {
	mu      sync.Mutex
	epoch   string
	events  []event.Event
	changed chan struct{}
	// cut ends the subscriptions; refuses ends those to come.
	cut     chan struct{}
	refuses error
	// subscribed counts.
	subscribed int
}

func newSource() *source {
	return &source{epoch: "00000000000000aa", changed: make(chan struct{}), cut: make(chan struct{})}
}

// tell adds an event and returns the cursor behind it.
func (s *source) tell(e event.Event) event.Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	close(s.changed)
	s.changed = make(chan struct{})
	return event.NewCursor(s.epoch, uint64(len(s.events)))
}

// disconnect ends all subscriptions, and refuses new ones until it is connected again.
func (s *source) disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = errors.New("no connection")
	close(s.cut)
	s.cut = make(chan struct{})
}

func (s *source) connect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = nil
}

// renew begins another epoch, without what was told before.
func (s *source) renew(epoch string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch, s.events = epoch, nil
	close(s.cut)
	s.cut = make(chan struct{})
}

// Subscribe implements [ports.EventSource].
func (s *source) Subscribe(ctx context.Context, sub ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		s.mu.Lock()
		cut, at, err := s.cut, int(sub.After.Sequence()), s.refuses
		s.subscribed++
		lost := sub.After.Epoch() != s.epoch
		if lost {
			at = len(s.events)
		}
		present := event.NewCursor(s.epoch, uint64(at))
		s.mu.Unlock()
		if err != nil {
			yield(nil, err)
			return
		}
		if lost && (!yield(event.Resync{}, nil) || !yield(event.Resync{Cursor: present}, nil)) {
			return
		}
		for s.next(ctx, cut, at) {
			s.mu.Lock()
			entry := event.Entry{Cursor: event.NewCursor(s.epoch, uint64(at+1)), Event: s.events[at]}
			s.mu.Unlock()
			if at++; !yield(entry, nil) {
				return
			}
		}
		yield(nil, cmp.Or(ctx.Err(), errors.New("the connection was cut")))
	}
}

// next waits for the event behind at.
func (s *source) next(ctx context.Context, cut <-chan struct{}, at int) bool {
	for {
		s.mu.Lock()
		there, changed := at < len(s.events), s.changed
		s.mu.Unlock()
		select {
		case <-cut:
			return false
		default:
		}
		if there {
			return true
		}
		select {
		case <-changed:
		case <-cut:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// faults are what goes wrong in a store.
type faults struct {
	mu sync.Mutex
	// down fails every call.
	down error
	// breakAfter ends ReadTree with an error after so many files, if it is not 0.
	breakAfter int
	// panics makes it panic there instead.
	panics bool
	// gate, if there is one, stops each ReadTree after its first file until somebody receives from it twice: when it
	// stops, and to let it go on.
	gate chan struct{}
	// trees and resolves count calls; moved the bytes of content that the store gave out.
	trees, resolves int
	moved           int64
}

func (f *faults) set(change func(f *faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faults) count() (trees, resolves int, moved int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trees, f.resolves, f.moved
}

type faultyStore struct {
	ports.RepositoryStore
	faults *faults
}

func (s faultyStore) Repository(id git.RepositoryID) ports.GitRepository {
	return faultyRepository{s.RepositoryStore.Repository(id), s.faults}
}

type faultyRepository struct {
	ports.GitRepository
	faults *faults
}

func (r faultyRepository) resolving() error {
	r.faults.mu.Lock()
	defer r.faults.mu.Unlock()
	r.faults.resolves++
	return r.faults.down
}

func (r faultyRepository) ResolveRevision(ctx context.Context, rev git.Revision) (ports.Resolved, error) {
	if err := r.resolving(); err != nil {
		return ports.Resolved{}, err
	}
	return r.GitRepository.ResolveRevision(ctx, rev)
}

func (r faultyRepository) LatestTag(ctx context.Context, q ports.LatestTagQuery) (ports.TagInfo, error) {
	if err := r.resolving(); err != nil {
		return ports.TagInfo{}, err
	}
	return r.GitRepository.LatestTag(ctx, q)
}

func (r faultyRepository) ReadTree(ctx context.Context, q ports.ReadTree) (git.ObjectID, iter.Seq2[ports.TreeFile, error], error) {
	r.faults.mu.Lock()
	r.faults.trees++
	breakAfter, panics, gate := r.faults.breakAfter, r.faults.panics, r.faults.gate
	r.faults.mu.Unlock()
	commit, files, err := r.GitRepository.ReadTree(ctx, q)
	if err != nil {
		return commit, files, err
	}
	return commit, func(yield func(ports.TreeFile, error) bool) {
		n := 0
		for f, err := range files {
			if n++; n == breakAfter {
				if panics {
					panic("a fault of the code")
				}
				f, err = ports.TreeFile{}, errs.New(errs.ReasonUnavailable, "the service was killed")
			}
			if f.Content != nil {
				r.faults.set(func(all *faults) { all.moved += f.Size })
			}
			if !yield(f, err) || err != nil {
				return
			}
			if n == 1 && gate != nil {
				gate <- struct{}{}
				gate <- struct{}{}
			}
		}
	}, nil
}

// product is the document of a product, whose body is to tell it from others.
func product(id, body string) string {
	return fmt.Sprintf("---\nid: %[1]s\nsku: SKU-%[1]s\nslug: %[1]s\ntitle: %[1]s\ncategory: none\nprice: \"1.00\"\ncurrency: EUR\n"+
		"status: active\ninventory_status: in_stock\n---\nBody%[2]s\n", id, body)
}

const minute = time.Minute
