package gitclient_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/app/eventhub"
	"github.com/gitstore-dev/gitstore/app/journal"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
)

// journalled is a store with a journal behind a server, and a client.
type journalled struct {
	*gitclient.Store
	log     *memlog.Log
	journal *journal.Journal
	server  *gitserver.Server
}

func serveJournalled(t testing.TB) journalled {
	t.Helper()
	log := memlog.New()
	j := journal.New(log, journal.Options{})
	store, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), Observer: j})
	require.NoError(t, err)
	_, err = j.Reconcile(t.Context(), store)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, store.Close()) })
	client, server := serveWith(t, store, gitserver.Options{Journal: log, Events: follow(t, log, store)})
	return journalled{client.Store, log, j, server}
}

// follow returns a hub of the log's events, to the end of the test.
func follow(t testing.TB, log *memlog.Log, store ports.RepositoryStore) *eventhub.Hub {
	hub := eventhub.New(log, store, eventhub.Options{Heartbeat: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = hub.Follow(ctx, log) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return hub
}

func (j journalled) newShop(t *testing.T) ports.GitRepository {
	t.Helper()
	id, err := git.ParseRepositoryID("shop")
	require.NoError(t, err)
	_, err = j.CreateRepository(t.Context(), ports.CreateRepository{ID: id})
	require.NoError(t, err)
	return j.Repository(id)
}

func oneFile(size int) iter.Seq2[git.Change, error] {
	return func(yield func(git.Change, error) bool) {
		path, _ := git.ParseTreePath("a")
		content := strings.Repeat("x", size)
		yield(git.Change{Action: git.ActionUpsert, Path: path, Content: strings.NewReader(content), Size: int64(size)}, nil)
	}
}

func commitTo(branch string) ports.CommitFiles {
	name, _ := git.BranchRef(branch)
	return ports.CommitFiles{Branch: name, Message: "Change", AllowEmpty: true}
}

// next returns the next notice that is no heartbeat.
func next(t *testing.T, pull func() (event.Notice, error, bool)) event.Notice {
	t.Helper()
	for {
		n, err, ok := pull()
		require.True(t, ok, "the stream ended")
		require.NoError(t, err)
		if _, idle := n.(event.Heartbeat); !idle {
			return n
		}
	}
}

func TestEveryWriteLeavesItsCursor(t *testing.T) {
	j := serveJournalled(t)
	shop := j.newShop(t)
	branch, _ := git.BranchRef("topic")
	tag, _ := git.TagRef("v1.0.0")
	head := func(ctx context.Context) git.ObjectID {
		at, err := shop.ResolveRevision(ctx, git.AtRef(branch))
		require.NoError(t, err)
		return at.Commit
	}
	writes := []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"a commit of one small file", func(ctx context.Context) error {
			_, err := shop.CommitFiles(ctx, commitTo("main"), oneFile(1))
			return err
		}},
		{"a commit that is streamed", func(ctx context.Context) error {
			_, err := shop.CommitFiles(ctx, commitTo("main"), oneFile(1<<20))
			return err
		}},
		{"a branch", func(ctx context.Context) error {
			_, err := shop.CreateBranch(ctx, ports.CreateBranch{Name: branch, Target: git.Head()})
			return err
		}},
		{"refs", func(ctx context.Context) error {
			main, err := shop.GetCommit(ctx, git.Head())
			if err != nil {
				return err
			}
			_, err = shop.UpdateRefs(ctx, []git.RefUpdate{{Name: branch, Expected: git.ExpectID(head(t.Context())), New: main.Parents[0], Force: true}})
			return err
		}},
		{"the end of a branch", func(ctx context.Context) error { return shop.DeleteBranch(ctx, ports.DeleteRef{Name: branch}) }},
		{"a tag", func(ctx context.Context) error {
			_, err := shop.CreateTag(ctx, ports.CreateTag{Name: tag, Target: git.Head()})
			return err
		}},
		{"the end of a tag", func(ctx context.Context) error { return shop.DeleteTag(ctx, ports.DeleteRef{Name: tag}) }},
		{"a release", func(ctx context.Context) error {
			c := commitTo("main")
			_, err := shop.PublishRelease(ctx, ports.PublishRelease{Tag: ports.CreateTag{Name: tag, Message: "Release"}, Commit: &c}, oneFile(2))
			return err
		}},
		{"the end of the repository", func(ctx context.Context) error {
			id, _ := git.ParseRepositoryID("shop")
			return j.DeleteRepository(ctx, id)
		}},
	}
	for _, w := range writes {
		var receipt ports.Receipt
		require.NoError(t, w.do(ports.WithReceipt(t.Context(), &receipt)), w.name)
		bounds, err := j.log.Bounds(t.Context())
		require.NoError(t, err)
		assert.Equal(t, bounds.Newest, receipt.Cursor, w.name)
	}
}

func TestAWriteLeavesNoCursorThatIsNotBehindIt(t *testing.T) {
	j := serveJournalled(t)
	shop := j.newShop(t)
	id, err := git.ParseRepositoryID("shop")
	require.NoError(t, err)
	commit := func(c ports.CommitFiles) (receipt ports.Receipt) {
		_, err := shop.CommitFiles(ports.WithReceipt(t.Context(), &receipt), c, oneFile(1))
		require.NoError(t, err)
		return receipt
	}
	first, again := commitTo("main"), commitTo("main")
	first.RequestID = "0b8f5a0e-6f7c-4a53-9d3e-6c1e3c1f5a01"
	again.AllowEmpty = false
	j.journal.Unsure(id) // its events wait until it was compared
	assert.Zero(t, commit(first).Cursor, "a commit that is not in the journal yet")
	assert.Zero(t, commit(first).Cursor, "one that was made before")
	assert.Zero(t, commit(again).Cursor, "one that changes nothing")

	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { j.journal.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	require.Eventually(t, func() bool { return !commit(first).Cursor.IsZero() }, 10*time.Second, time.Millisecond)
	bounds, err := j.log.Bounds(t.Context())
	require.NoError(t, err)
	assert.Equal(t, bounds.Newest, commit(first).Cursor)
	assert.Equal(t, bounds.Newest, commit(again).Cursor)
}

func TestAReadHasReachedTheCursorItAsksFor(t *testing.T) {
	j := serveJournalled(t)
	shop := j.newShop(t)
	var receipt ports.Receipt
	_, err := shop.CommitFiles(ports.WithReceipt(t.Context(), &receipt), commitTo("main"), oneFile(1))
	require.NoError(t, err)
	path, _ := git.ParseTreePath("a")
	read := func(c event.Cursor) error {
		_, err := shop.GetFile(ports.WithMinCursor(t.Context(), c), git.Head(), path)
		return err
	}
	require.NoError(t, read(receipt.Cursor))
	assert.Equal(t, errs.ReasonCursorNotReached, errs.ReasonOf(read(event.NewCursor(receipt.Cursor.Epoch(), 1000))))
	expired := errs.From(read(event.NewCursor("0123456789abcdef", 1)))
	assert.Equal(t, errs.ReasonCursorExpired, expired.Reason)
	assert.Equal(t, receipt.Cursor.String(), expired.Meta[errs.MetaCursor])
	_, seq, err := shop.ReadTree(ports.WithMinCursor(t.Context(), event.NewCursor("0123456789abcdef", 1)), ports.ReadTree{Revision: git.Head()})
	if err == nil {
		for _, err = range seq {
			break
		}
	}
	assert.Equal(t, errs.ReasonCursorExpired, errs.ReasonOf(err), "a stream")
}

func TestAWatchTellsWhatHappensAndResumes(t *testing.T) {
	j := serveJournalled(t)
	shop := j.newShop(t)
	filter, err := event.ParseFilter(nil, []string{"refs/heads/topic"}, []string{string(event.TypeRefUpdated)})
	require.NoError(t, err)
	start, err := j.log.Bounds(t.Context())
	require.NoError(t, err)
	pull, stop := iter.Pull2(j.Journal().Subscribe(t.Context(), ports.Subscription{Filter: filter, After: start.Newest}))
	defer stop()
	for i := range 3 {
		_, err := shop.CommitFiles(t.Context(), commitTo("main"), oneFile(i))
		require.NoError(t, err)
		c := commitTo("topic")
		if i == 0 {
			c.Start = git.Head()
		}
		_, err = shop.CommitFiles(t.Context(), c, oneFile(10+i))
		require.NoError(t, err)
	}
	var first event.Cursor
	for i := range 3 {
		e := next(t, pull).(event.Entry)
		assert.Equal(t, "refs/heads/topic", e.Event.(event.RefUpdated).Ref.String())
		if i == 0 {
			first = e.Cursor
		}
	}
	again, end := iter.Pull2(j.Journal().Subscribe(t.Context(), ports.Subscription{Filter: filter, After: first}))
	defer end()
	assert.Greater(t, next(t, again).At().Sequence(), first.Sequence())
}

func TestAWatchFromNowhereIsToldTheStateFirst(t *testing.T) {
	j := serveJournalled(t)
	shop := j.newShop(t)
	_, err := shop.CommitFiles(t.Context(), commitTo("main"), oneFile(1))
	require.NoError(t, err)
	for _, s := range []ports.Subscription{{Resync: true}, {After: event.NewCursor("0123456789abcdef", 9)}} {
		pull, stop := iter.Pull2(j.Journal().Subscribe(t.Context(), s))
		r, ok := next(t, pull).(event.Resync)
		require.True(t, ok)
		for !r.Last() && len(r.Repositories) == 0 {
			r = next(t, pull).(event.Resync)
		}
		assert.Equal(t, "shop", r.Repositories[0].ID.String())
		assert.Equal(t, "refs/heads/main", r.Repositories[0].Refs[0].Name.String())
		stop()
	}
}

func TestTheJournalIsPagedThrough(t *testing.T) {
	j := serveJournalled(t)
	shop := j.newShop(t)
	for i := range 25 {
		_, err := shop.CommitFiles(t.Context(), commitTo("main"), oneFile(i))
		require.NoError(t, err)
	}
	want, err := j.log.ReadEvents(t.Context(), event.Cursor{}, 100)
	require.NoError(t, err)
	var got []event.Entry
	for after := (event.Cursor{}); ; after = got[len(got)-1].Cursor {
		page, err := j.Journal().ReadEvents(t.Context(), after, 7)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	assert.Equal(t, fmt.Sprint(want), fmt.Sprint(got))
	bounds, err := j.Journal().Bounds(t.Context())
	require.NoError(t, err)
	assert.Equal(t, got[len(got)-1].Cursor, bounds.Newest)
	_, err = j.Journal().ReadEvents(t.Context(), event.NewCursor("0123456789abcdef", 1), 7)
	assert.Equal(t, errs.ReasonCursorExpired, errs.ReasonOf(err))
}

func TestAShutdownEndsWatchesAtOnce(t *testing.T) {
	j := serveJournalled(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pull, stop := iter.Pull2(j.Journal().Subscribe(ctx, ports.Subscription{}))
	defer stop()
	_, err, ok := pull()
	require.True(t, ok)
	require.NoError(t, err)
	require.NoError(t, j.server.Shutdown(t.Context()))
	cancel()
	for ok {
		_, err, ok = pull()
		if err != nil {
			assert.Equal(t, errs.ReasonCanceled, errs.ReasonOf(err))
		}
	}
}

func TestAServiceWithoutAJournalSaysSo(t *testing.T) {
	client, _ := serveWith(t, nil, gitserver.Options{})
	_, err := client.Journal().Bounds(t.Context())
	assert.Equal(t, errs.ReasonMethodNotFound, errs.ReasonOf(err))
	for _, err := range client.Journal().Subscribe(t.Context(), ports.Subscription{}) {
		assert.Equal(t, errs.ReasonMethodNotFound, errs.ReasonOf(err))
	}
}

// cutResync tells the first part of a resync and is cut off; who comes again is told the whole, of a later moment.
type cutResync struct {
	asked atomic.Int64
	first event.RepositoryRefs
	later event.Resync
}

func (c *cutResync) Subscribe(ctx context.Context, _ ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		if c.asked.Add(1) > 1 {
			if yield(c.later, nil) {
				<-ctx.Done()
				yield(nil, errs.From(ctx.Err()))
			}
			return
		}
		if yield(event.Resync{Repositories: []event.RepositoryRefs{c.first}}, nil) {
			yield(nil, errs.New(errs.ReasonUnavailable, "cut off"))
		}
	}
}

func TestAResyncIsOfOneStream(t *testing.T) {
	id, err := git.ParseRepositoryID("shop")
	require.NoError(t, err)
	log := memlog.New()
	cursors, err := log.Append(t.Context(), event.RepositoryCreated{Header: event.Header{ID: id, At: time.Unix(1, 0)}, CreatedAt: time.Unix(1, 0)})
	require.NoError(t, err)
	main, err := git.BranchRef("main")
	require.NoError(t, err)
	target, err := git.ParseObjectID(strings.Repeat("1", 40))
	require.NoError(t, err)
	source := &cutResync{
		first: event.RepositoryRefs{ID: id, Refs: []git.Ref{{Name: main, Target: target}}},
		later: event.Resync{Cursor: cursors[0], Repositories: []event.RepositoryRefs{{ID: id, Refs: []git.Ref{}}}},
	}
	store, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, store.Close()) })
	client, _ := serveWith(t, store, gitserver.Options{Journal: log, Events: source})
	pull, stop := iter.Pull2(client.Store.Journal().Subscribe(t.Context(), ports.Subscription{Resync: true}))
	defer stop()
	got, err, ok := pull()
	require.True(t, ok)
	require.NoError(t, err)
	assert.Equal(t, source.later, got)
}
