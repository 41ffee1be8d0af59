package eventstest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// SourceHarness is what the suite has to know of a place to subscribe to changes, and of the store whose changes it tells.
type SourceHarness struct {
	// New returns a store and a source of its changes. Its journal may hold what others did before. Both are closed by
	// t.Cleanup.
	New func(t testing.TB) (ports.RepositoryStore, ports.EventSource)
}

// RunSource holds a [ports.EventSource] to the comments of the port by real writes: whoever writes through the store, the
// source tells of it. It runs over any transport.
func RunSource(t *testing.T, h SourceHarness) {
	for _, tt := range sourceCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), sourceTimeout)
			t.Cleanup(cancel)
			store, source := h.New(t)
			tt.run(&sc{T: t, ctx: ctx, store: store, source: source})
		})
	}
}

// sourceTimeout ends a case that waits for an event that does not come.
const sourceTimeout = time.Minute

// sourceCase is one sentence of the port's comments, and how it is tried.
type sourceCase struct {
	name string
	run  func(*sc)
}

var sourceCases = []sourceCase{
	{"every write is told in order, with where the ref was and is", (*sc).tellsWrites},
	{"refs that move at once follow each other as one transaction", (*sc).tellsTransactions},
	{"a subscription goes on behind its cursor", (*sc).resumes},
	{"a filter selects repositories, refs and types", (*sc).filters},
	{"who begins from nowhere is told the present state first", (*sc).tellsState},
	{"a cursor of another journal leads to the present state, and no gap follows", (*sc).resyncs},
	{"writers at the same time are told completely, each repository in its order", (*sc).tellsConcurrentWriters},
	{"a heartbeat tells the cursor while nothing happens", (*sc).beats},
	{"a subscription ends with its context", (*sc).ends},
	{"a deleted repository is told, and one of the same id after it", (*sc).tellsRepositories},
}

// sc is one case at work.
type sc struct {
	*testing.T
	ctx    context.Context
	store  ports.RepositoryStore
	source ports.EventSource
	made   int
}

func (c *sc) fail(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// newRepository creates a repository of the case's own, and returns the cursor behind that.
func (c *sc) newRepository() (git.RepositoryID, event.Cursor) {
	c.Helper()
	c.made++
	name := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, c.Name()[strings.LastIndexByte(c.Name(), '/')+1:]), "-")
	id := repository(fmt.Sprintf("%.40s%d", name, c.made))
	return id, c.create(id)
}

func (c *sc) create(id git.RepositoryID) event.Cursor {
	c.Helper()
	var receipt ports.Receipt
	_, err := c.store.CreateRepository(ports.WithReceipt(c.ctx, &receipt), ports.CreateRepository{ID: id})
	c.fail(err)
	if receipt.Cursor.IsZero() {
		c.Fatal("creating a repository left no cursor")
	}
	return receipt.Cursor
}

// commit changes a file on a branch and returns the commit and the cursor behind it. It may be called concurrently.
func (c *sc) commit(id git.RepositoryID, branch git.RefName, content string) (git.ObjectID, event.Cursor) {
	c.Helper()
	change := func(yield func(git.Change, error) bool) {
		yield(git.Change{
			Action: git.ActionUpsert, Path: must(git.ParseTreePath("file")),
			Content: strings.NewReader(content), Size: int64(len(content)),
		}, nil)
	}
	var receipt ports.Receipt
	done, err := c.store.Repository(id).CommitFiles(ports.WithReceipt(c.ctx, &receipt),
		ports.CommitFiles{Branch: branch, Message: "Change", AllowEmpty: true}, change)
	if err != nil {
		c.Error(err)
	}
	return done.Commit, receipt.Cursor
}

// branchOff makes the branches main and b1, and returns the cursor behind that.
func (c *sc) branchOff(id git.RepositoryID) event.Cursor {
	c.Helper()
	c.commit(id, main, "first")
	var receipt ports.Receipt
	_, err := c.store.Repository(id).CreateBranch(ports.WithReceipt(c.ctx, &receipt),
		ports.CreateBranch{Name: branch(1), Target: git.AtRef(main)})
	c.fail(err)
	return receipt.Cursor
}

// subscription is a subscription being read.
type subscription struct {
	c    *sc
	next func() (event.Notice, error, bool)
}

func (c *sc) subscribe(s ports.Subscription) subscription {
	next, stop := iter.Pull2(c.source.Subscribe(c.ctx, s))
	c.Cleanup(stop)
	return subscription{c, next}
}

// in selects the events of a repository.
func in(id git.RepositoryID) event.Filter { return event.Filter{Repositories: []git.RepositoryID{id}} }

// notice returns the next notice that is no heartbeat.
func (s subscription) notice() event.Notice {
	s.c.Helper()
	for {
		n, err, ok := s.next()
		if !ok {
			s.c.Fatal("the subscription ended")
		}
		s.c.fail(err)
		if _, idle := n.(event.Heartbeat); !idle {
			return n
		}
	}
}

func (s subscription) entry() event.Entry {
	s.c.Helper()
	n := s.notice()
	e, ok := n.(event.Entry)
	if !ok {
		s.c.Fatalf("got %T, want an event", n)
	}
	return e
}

// moved returns the next event, which has to be of a ref.
func (s subscription) moved() event.RefUpdated {
	s.c.Helper()
	e := s.entry()
	r, ok := e.Event.(event.RefUpdated)
	if !ok {
		s.c.Fatalf("got %s, want %s", e.Event.Type(), event.TypeRefUpdated)
	}
	return r
}

// state returns the state that comes next: refs by repository.
func (s subscription) state() (map[git.RepositoryID][]git.Ref, event.Cursor) {
	s.c.Helper()
	refs := map[git.RepositoryID][]git.Ref{}
	for {
		n := s.notice()
		r, ok := n.(event.Resync)
		if !ok {
			s.c.Fatalf("got %T, want the present state", n)
		}
		for _, repository := range r.Repositories {
			refs[repository.ID] = append(refs[repository.ID], repository.Refs...)
		}
		if r.Last() {
			return refs, r.Cursor
		}
	}
}

func (c *sc) tellsWrites() {
	id, begin := c.newRepository()
	s := c.subscribe(ports.Subscription{Filter: in(id), After: begin})
	var old git.ObjectID
	for i := range 5 {
		commit, behind := c.commit(id, main, fmt.Sprint(i))
		e := s.entry()
		r, ok := e.Event.(event.RefUpdated)
		if !ok || r.Ref != main || r.Old != old || r.New != commit || r.Commit != commit || r.Synthetic || r.Forced || e.Cursor != behind {
			c.Fatalf("commit %d of %s is told as %+v, its receipt says %s", i, commit, e, behind)
		}
		old = commit
	}
	_, err := c.store.Repository(id).CreateTag(c.ctx, ports.CreateTag{Name: v1, Target: git.AtRef(main), Message: "First"})
	c.fail(err)
	if r := s.moved(); r.Ref != v1 || r.Release.Version != "1.0.0" || r.Commit != old || r.Change() != event.Created {
		c.Errorf("the release is told as %+v", r)
	}
	c.fail(c.store.Repository(id).DeleteTag(c.ctx, ports.DeleteRef{Name: v1}))
	if r := s.moved(); r.Ref != v1 || r.Change() != event.Deleted {
		c.Errorf("the deleted release is told as %+v", r)
	}
}

func (c *sc) tellsTransactions() {
	id, _ := c.newRepository()
	commit, begin := c.commit(id, main, "1")
	s := c.subscribe(ports.Subscription{Filter: in(id), After: begin})
	var updates []git.RefUpdate
	for i := range 3 {
		updates = append(updates, git.RefUpdate{Name: branch(i), Expected: git.ExpectAbsent(), New: commit})
	}
	_, err := c.store.Repository(id).UpdateRefs(c.ctx, updates)
	c.fail(err)
	transaction := ""
	for i := range updates {
		r := s.moved()
		if i == 0 {
			transaction = r.Transaction.ID
		}
		if want := (event.Transaction{ID: transaction, Index: i, Count: len(updates)}); r.Transaction != want || transaction == "" {
			c.Errorf("ref %d is told as %+v, want %+v", i, r.Transaction, want)
		}
	}
}

func (c *sc) resumes() {
	id, begin := c.newRepository()
	var want []git.ObjectID
	for i := range 6 {
		commit, _ := c.commit(id, main, fmt.Sprint(i))
		want = append(want, commit)
	}
	for i := range want {
		e := c.subscribe(ports.Subscription{Filter: in(id), After: begin}).entry()
		if r, ok := e.Event.(event.RefUpdated); !ok || r.New != want[i] {
			c.Fatalf("behind %s came %+v, want commit %s", begin, e, want[i])
		}
		begin = e.Cursor
	}
}

func (c *sc) filters() {
	id, _ := c.newRepository()
	another, _ := c.newRepository()
	c.branchOff(another)
	begin := c.branchOff(id)
	topics, err := event.ParseFilter([]string{id.String()}, []string{"refs/heads/b1"}, []string{string(event.TypeRefUpdated)})
	c.fail(err)
	s := c.subscribe(ports.Subscription{Filter: topics, After: begin})
	for i := range 3 {
		c.commit(another, branch(1), fmt.Sprint(i))
		c.commit(id, main, fmt.Sprint(i))
		commit, _ := c.commit(id, branch(1), fmt.Sprint(i))
		if r := s.moved(); r.ID != id || r.Ref != branch(1) || r.New != commit {
			c.Fatalf("the filter lets %+v pass", r)
		}
	}
	_, err = pull1(c.source.Subscribe(c.ctx, ports.Subscription{Filter: event.Filter{Types: []event.Type{"none"}}}))
	if got := errs.ReasonOf(err); got != errs.ReasonInvalidArgument {
		c.Errorf("an unknown type fails with %q, want %q", got, errs.ReasonInvalidArgument)
	}
}

// pull1 returns the first of a sequence.
func pull1(seq iter.Seq2[event.Notice, error]) (event.Notice, error) {
	for n, err := range seq {
		return n, err
	}
	return nil, nil //nolint:nilnil // an empty sequence has neither
}

func (c *sc) tellsState() {
	id, _ := c.newRepository()
	c.commit(id, main, "1")
	commit, behind := c.commit(id, main, "2")
	s := c.subscribe(ports.Subscription{Filter: in(id), Resync: true})
	refs, at := s.state()
	if len(refs[id]) != 1 || refs[id][0].Name != main || refs[id][0].Target != commit {
		c.Errorf("the state is %+v, want %s at %s", refs, main, commit)
	}
	if !at.Reached(behind) {
		c.Errorf("the state is of %s, before the write at %s", at, behind)
	}
	commit, _ = c.commit(id, main, "3")
	if r := s.moved(); r.New != commit {
		c.Errorf("behind the state came %+v, want commit %s", r, commit)
	}
}

func (c *sc) resyncs() {
	id, _ := c.newRepository()
	commit, _ := c.commit(id, main, "1")
	s := c.subscribe(ports.Subscription{Filter: in(id), After: event.NewCursor("0123456789abcdef", 7)})
	refs, _ := s.state()
	if len(refs[id]) != 1 || refs[id][0].Target != commit {
		c.Errorf("the state is %+v, want %s at %s", refs, main, commit)
	}
	for i := range 3 {
		commit, _ = c.commit(id, main, fmt.Sprint(2+i))
		if r := s.moved(); r.New != commit {
			c.Fatalf("behind the state came %+v, want commit %s", r, commit)
		}
	}
}

func (c *sc) tellsConcurrentWriters() {
	const writers, each = 8, 10
	one, _ := c.newRepository()
	two, begin := c.newRepository()
	s := c.subscribe(ports.Subscription{
		Filter: event.Filter{Repositories: []git.RepositoryID{one, two}, Types: []event.Type{event.TypeRefUpdated}}, After: begin,
	})
	var mu sync.Mutex
	want := map[git.ObjectID]bool{}
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				commit, _ := c.commit([]git.RepositoryID{one, two}[w%2], main, fmt.Sprint(w, i))
				mu.Lock()
				want[commit] = true
				mu.Unlock()
			}
		})
	}
	at := map[git.RepositoryID]git.ObjectID{}
	var told []git.ObjectID
	for range writers * each {
		r := s.moved()
		if r.Old != at[r.ID] {
			c.Fatalf("%s moves from %s, but was told to be at %s", r.ID, r.Old, at[r.ID])
		}
		at[r.ID] = r.New
		told = append(told, r.New)
	}
	writing.Wait()
	for _, commit := range told {
		if !want[commit] {
			c.Errorf("commit %s is told, and nobody made it or it is told twice", commit)
		}
		delete(want, commit)
	}
}

func (c *sc) beats() {
	id, begin := c.newRepository()
	_, behind := c.commit(id, main, "1")
	only := event.Filter{Repositories: in(id).Repositories, Refs: must(git.ParseRefPatterns([]string{"refs/heads/other"})), Types: []event.Type{event.TypeRefUpdated}}
	for n, err := range c.source.Subscribe(c.ctx, ports.Subscription{Filter: only, After: begin}) {
		c.fail(err)
		beat, ok := n.(event.Heartbeat)
		if !ok {
			c.Fatalf("got %+v, want a heartbeat", n)
		}
		if beat.Cursor.Reached(behind) {
			return
		}
	}
	c.Error("the subscription ended before a heartbeat")
}

func (c *sc) ends() {
	id, begin := c.newRepository()
	c.commit(id, main, "1")
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	var last error
	for _, err := range c.source.Subscribe(ctx, ports.Subscription{Filter: in(id), After: begin}) {
		last = err
		cancel()
	}
	if got := errs.ReasonOf(last); got != errs.ReasonCanceled {
		c.Errorf("the last error is %v, want %q", last, errs.ReasonCanceled)
	}
}

func (c *sc) tellsRepositories() {
	id, begin := c.newRepository()
	s := c.subscribe(ports.Subscription{Filter: in(id), After: begin})
	c.commit(id, main, "1")
	c.fail(c.store.DeleteRepository(c.ctx, id))
	c.create(id)
	var types []event.Type
	for range 3 {
		types = append(types, s.entry().Event.Type())
	}
	want := []event.Type{event.TypeRefUpdated, event.TypeRepositoryDeleted, event.TypeRepositoryCreated}
	if !slices.Equal(types, want) {
		c.Errorf("told %q, want %q", types, want)
	}
}
