package journal_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/app/journal"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func value[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

// flaky is a log that can be put out of order.
type flaky struct {
	ports.EventLog
	down atomic.Bool
}

var errDown = errs.New(errs.ReasonUnavailable, "the log is down")

func (f *flaky) Append(ctx context.Context, events ...event.Event) ([]event.Cursor, error) {
	if f.down.Load() {
		return nil, errDown
	}
	return f.EventLog.Append(ctx, events...)
}

func (f *flaky) Bounds(ctx context.Context) (ports.EventBounds, error) {
	if f.down.Load() {
		return ports.EventBounds{}, errDown
	}
	return f.EventLog.Bounds(ctx)
}

// bed is a store with a journal.
type bed struct {
	t       *testing.T
	log     *flaky
	root    string
	store   *gitcli.Store
	journal *journal.Journal
	stop    func()
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, log: &flaky{EventLog: memlog.New()}, root: t.TempDir()}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// start opens the store and returns how many events its journal lacked.
func (b *bed) start() int {
	b.t.Helper()
	return b.startWith(journal.Options{}, func(s journal.Store) journal.Store { return s })
}

// startWith has the journal read the store through a view of it.
func (b *bed) startWith(opts journal.Options, view func(journal.Store) journal.Store) int {
	b.t.Helper()
	b.journal = journal.New(b.log, opts)
	b.store = value[*gitcli.Store](b.t)(gitcli.Open(b.t.Context(), gitcli.Options{Dir: b.root, Observer: b.journal}))
	n := value[int](b.t)(b.journal.Reconcile(b.t.Context(), view(b.store)))
	ctx, cancel := context.WithCancel(b.t.Context())
	var running sync.WaitGroup
	running.Go(func() { b.journal.Run(ctx) })
	b.stop = func() {
		cancel()
		running.Wait()
		require.NoError(b.t, b.store.Close())
	}
	return n
}

func (b *bed) restart() int {
	b.t.Helper()
	b.stop()
	return b.start()
}

func id(t *testing.T, s string) git.RepositoryID {
	t.Helper()
	return value[git.RepositoryID](t)(git.ParseRepositoryID(s))
}

func (b *bed) create(name string) ports.GitRepository {
	b.t.Helper()
	value[ports.RepositoryInfo](b.t)(b.store.CreateRepository(b.t.Context(), ports.CreateRepository{ID: id(b.t, name)}))
	return b.store.Repository(id(b.t, name))
}

func (b *bed) commit(r ports.GitRepository, content string) event.Cursor {
	b.t.Helper()
	var receipt ports.Receipt
	req := ports.CommitFiles{Branch: value[git.RefName](b.t)(git.BranchRef("main")), Message: "Change"}
	_, err := r.CommitFiles(ports.WithReceipt(b.t.Context(), &receipt), req, func(yield func(git.Change, error) bool) {
		yield(git.Change{
			Action: git.ActionUpsert, Path: value[git.TreePath](b.t)(git.ParseTreePath("a")),
			Content: strings.NewReader(content), Size: int64(len(content)),
		}, nil)
	})
	require.NoError(b.t, err)
	return receipt.Cursor
}

func (b *bed) head(r ports.GitRepository) git.ObjectID {
	b.t.Helper()
	return value[ports.Resolved](b.t)(r.ResolveRevision(b.t.Context(), git.Head())).Commit
}

func (b *bed) tag(r ports.GitRepository, name string) {
	b.t.Helper()
	value[ports.TagInfo](b.t)(r.CreateTag(b.t.Context(), ports.CreateTag{
		Name: value[git.RefName](b.t)(git.TagRef(name)), Target: git.Head(), Message: "Release",
	}))
}

// entries are all events, in words.
func (b *bed) entries() []string {
	b.t.Helper()
	var lines []string
	for _, e := range value[[]event.Entry](b.t)(b.log.ReadEvents(b.t.Context(), event.Cursor{}, 10_000)) {
		lines = append(lines, describe(e.Event))
	}
	return lines
}

func describe(e event.Event) string {
	line := e.Repository().String()
	synthetic := false
	switch e := e.(type) {
	case event.RepositoryCreated:
		line, synthetic = line+" created", e.Synthetic
	case event.RepositoryDeleted:
		line, synthetic = line+" deleted", e.Synthetic
	case event.RefUpdated:
		line += fmt.Sprintf(" %s %s %s", e.Ref, e.Change(), e.Release.Version)
		synthetic = e.Synthetic
	}
	if synthetic {
		line += " synthetic"
	}
	return line
}

// inStep waits until the journal says what the store does.
func (b *bed) inStep() {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		return assert.ObjectsAreEqual(b.states(b.store), b.states(b.log))
	}, 10*time.Second, 10*time.Millisecond)
}

func (b *bed) states(from ports.StateReader) map[git.RepositoryID]event.RepositoryState {
	b.t.Helper()
	all := map[git.RepositoryID]event.RepositoryState{}
	for state, err := range from.States(b.t.Context()) {
		require.NoError(b.t, err)
		all[state.ID] = state
	}
	return all
}

func TestWritesAreJournalledAndReceiptsSayWhere(t *testing.T) {
	b := newBed(t)
	r := b.create("shop")
	first := b.commit(r, "one")
	b.tag(r, "v1.0.0")
	second := b.commit(r, "two")
	assert.Equal(t, []string{
		"shop created", "shop refs/heads/main created ", "shop refs/tags/v1.0.0 created 1.0.0", "shop refs/heads/main updated ",
	}, b.entries())
	assert.Equal(t, uint64(2), first.Sequence())
	assert.Equal(t, uint64(4), second.Sequence())
	b.inStep()
	assert.Zero(t, b.restart(), "events that were missing although nothing happened")
}

func TestWhatAJournalMissedIsFoundAtTheStart(t *testing.T) {
	b := newBed(t)
	gone, old, shop := b.create("gone"), b.create("old"), b.create("shop")
	b.commit(gone, "1")
	b.commit(old, "1")
	b.commit(shop, "1")
	b.tag(shop, "v1.0.0")
	before := len(b.entries())

	b.stop()
	// As after a crash between a change and its event: the store goes on, and nobody listens.
	store := value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: b.root, Now: func() time.Time { return time.Now().Add(time.Hour) }}))
	listening := b.store
	b.store = store
	require.NoError(t, store.DeleteRepository(t.Context(), id(t, "gone")))
	require.NoError(t, store.DeleteRepository(t.Context(), id(t, "old")))
	b.commit(b.create("old"), "2")
	r := store.Repository(id(t, "shop"))
	b.commit(r, "2")
	b.tag(r, "v1.1.0")
	require.NoError(t, r.DeleteTag(t.Context(), ports.DeleteRef{Name: value[git.RefName](t)(git.TagRef("v1.0.0"))}))
	b.create("new")
	require.NoError(t, store.Close())
	b.store = listening

	assert.Equal(t, 8, b.start())
	assert.ElementsMatch(t, []string{
		"gone deleted synthetic",
		"old deleted synthetic", "old created synthetic", "old refs/heads/main created  synthetic",
		"shop refs/heads/main updated  synthetic", "shop refs/tags/v1.0.0 deleted 1.0.0 synthetic", "shop refs/tags/v1.1.0 created 1.1.0 synthetic",
		"new created synthetic",
	}, b.entries()[before:])
	b.inStep()
	for _, e := range value[[]event.Entry](t)(b.log.ReadEvents(t.Context(), event.Cursor{}, 100)) {
		if ref, ok := e.Event.(event.RefUpdated); ok && ref.Change() != event.Deleted {
			assert.False(t, ref.Commit.IsZero(), "the commit of %s", describe(ref))
		}
	}
}

func TestARepositoryThatCannotBeReadIsNotTakenForDeleted(t *testing.T) {
	b := newBed(t)
	shop := b.create("shop")
	b.create("other")
	b.commit(shop, "1")
	before := len(b.entries())
	b.stop()
	// It moves while nobody listens, and then cannot be read.
	store := value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: b.root}))
	listening := b.store
	b.commit(store.Repository(id(t, "shop")), "2")
	require.NoError(t, store.Close())
	b.store = listening
	refs := filepath.Join(b.find("shop"), "refs")
	require.NoError(t, os.Rename(refs, refs+".away"))

	assert.Zero(t, b.start())
	assert.Equal(t, 1, b.journal.Unreadable())
	other := b.store.Repository(id(t, "other"))
	b.commit(other, "1")
	b.journal.Unsure(id(t, "other"))
	b.journal.Unsure(id(t, "shop"))
	assert.Equal(t, []string{"other refs/heads/main created "}, b.entries()[before:])

	require.NoError(t, os.RemoveAll(refs))
	require.NoError(t, os.Rename(refs+".away", refs))
	b.inStep()
	assert.Equal(t, []string{"other refs/heads/main created ", "shop refs/heads/main updated  synthetic"}, b.entries()[before:])
	require.Eventually(t, func() bool { return b.journal.Unreadable() == 0 }, 10*time.Second, 10*time.Millisecond)
}

func TestARepositoryWithoutItsMetadataIsNotTakenForDeleted(t *testing.T) {
	b := newBed(t)
	b.commit(b.create("shop"), "1")
	before := b.entries()
	metadata := filepath.Join(b.find("shop"), "gitstore.json")
	intact := value[[]byte](t)(os.ReadFile(metadata))
	require.NoError(t, os.WriteFile(metadata, []byte("{"), 0o600))

	assert.Zero(t, b.restart())
	assert.Equal(t, 1, b.journal.Unreadable())
	assert.Equal(t, before, b.entries())

	require.NoError(t, os.WriteFile(metadata, intact, 0o600))
	assert.Zero(t, b.restart())
	assert.Zero(t, b.journal.Unreadable())

	require.NoError(t, os.Remove(metadata))
	assert.Zero(t, b.restart())
	require.NoError(t, os.RemoveAll(filepath.Dir(metadata)))
	assert.Equal(t, 1, b.restart(), "it is gone now")
}

// find returns the directory of a repository.
func (b *bed) find(name string) (dir string) {
	b.t.Helper()
	require.NoError(b.t, filepath.WalkDir(b.root, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Name() == "gitstore.json" && strings.Contains(string(value[[]byte](b.t)(os.ReadFile(path))), `"`+name+`"`) {
			dir = filepath.Dir(path)
		}
		return err
	}))
	require.NotEmpty(b.t, dir)
	return dir
}

func TestAJournalThatIsGoneIsMadeAnewFromTheRefs(t *testing.T) {
	b := newBed(t)
	r := b.create("shop")
	b.commit(r, "1")
	b.tag(r, "v1.0.0")
	b.stop()
	b.log.EventLog = memlog.New()
	assert.Equal(t, 3, b.start())
	assert.Equal(t, []string{"shop created synthetic", "shop refs/heads/main created  synthetic", "shop refs/tags/v1.0.0 created 1.0.0 synthetic"}, b.entries())
	b.inStep()
}

func TestALogThatIsMadeAnewUnderTheJournalIsFilledAgain(t *testing.T) {
	b := newBed(t)
	shop, other := b.create("shop"), b.create("other")
	b.commit(shop, "1")
	b.commit(other, "1")
	b.log.EventLog.(*memlog.Log).Rebuild()
	b.commit(shop, "2")
	b.inStep()
	assert.Contains(t, b.entries(), "other refs/heads/main created  synthetic")
}

func TestWritesGoOnWithoutTheJournalAndItCatchesUp(t *testing.T) {
	b := newBed(t)
	shop, other := b.create("shop"), b.create("other")
	b.commit(shop, "1")
	b.log.down.Store(true)
	for i := range 5 {
		assert.Zero(t, b.commit(shop, fmt.Sprint("down", i)), "a cursor that the journal cannot have given")
		b.commit(other, fmt.Sprint("down", i))
	}
	b.log.down.Store(false)
	b.inStep()
	cursor := b.commit(shop, "up")
	assert.NotZero(t, cursor)
	b.inStep()
}

// slow is a store whose states take a while to read: who gives it less is told that the deadline passed.
type slow struct {
	journal.Store
	takes time.Duration
}

func (s slow) States(ctx context.Context, ids ...git.RepositoryID) iter.Seq2[event.RepositoryState, error] {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < s.takes {
		return func(yield func(event.RepositoryState, error) bool) {
			yield(event.RepositoryState{}, errs.From(context.DeadlineExceeded))
		}
	}
	return s.Store.States(ctx, ids...)
}

func TestTheJournalTakesItsTimeToReadWhatItMissed(t *testing.T) {
	b := newBed(t)
	b.stop()
	const appendTimeout = 10 * time.Second
	b.startWith(journal.Options{AppendTimeout: appendTimeout}, func(s journal.Store) journal.Store { return slow{s, 2 * appendTimeout} })
	shop := b.create("shop")
	b.commit(shop, "1")
	b.log.down.Store(true)
	b.commit(shop, "2")
	b.log.down.Store(false)
	b.inStep()
}

func TestAStoreBeginsWithoutTheJournalAndItCatchesUp(t *testing.T) {
	b := newBed(t)
	gone, shop := b.create("gone"), b.create("shop")
	b.commit(gone, "1")
	b.commit(shop, "1")
	b.stop()
	store := value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: b.root}))
	require.NoError(t, store.DeleteRepository(t.Context(), id(t, "gone")))
	require.NoError(t, store.Close())

	b.log.down.Store(true)
	assert.Zero(t, b.start())
	shop = b.store.Repository(id(t, "shop"))
	assert.Zero(t, b.commit(shop, "2"), "a cursor that the journal cannot have given")
	b.commit(b.create("new"), "1")
	b.log.down.Store(false)
	b.inStep()
	assert.Contains(t, b.entries(), "gone deleted synthetic")
	assert.NotZero(t, b.commit(shop, "3"))
	b.inStep()
}

func TestRefsThatMovedUnseenAreToldOfSoon(t *testing.T) {
	b := newBed(t)
	r := b.create("shop")
	b.commit(r, "1")
	require.NoError(t, b.store.Import(t.Context(), id(t, "shop"), strings.NewReader("reset refs/heads/side\nfrom refs/heads/main\n\ndone\n")))
	b.inStep()
	assert.Contains(t, b.entries(), "shop refs/heads/side created  synthetic")
}

func TestNothingIsLostWhileTheJournalComesAndGoes(t *testing.T) {
	b := newBed(t)
	const writers = 4
	repos := make([]ports.GitRepository, writers)
	for i := range repos {
		repos[i] = b.create(fmt.Sprint("r", i))
	}
	var writing sync.WaitGroup
	for i, r := range repos {
		writing.Go(func() {
			for n := range 25 {
				b.log.down.Store((i+n)%3 == 0)
				b.commit(r, fmt.Sprint(i, n))
			}
		})
	}
	writing.Wait()
	b.log.down.Store(false)
	b.inStep()
	b.tellsEachMoveOnce()
}

// tellsEachMoveOnce checks that each event of main begins where the one before it of the same repository ended.
func (b *bed) tellsEachMoveOnce() {
	b.t.Helper()
	at := map[git.RepositoryID]git.ObjectID{}
	for _, e := range value[[]event.Entry](b.t)(b.log.ReadEvents(b.t.Context(), event.Cursor{}, 100_000)) {
		if ref, ok := e.Event.(event.RefUpdated); ok {
			assert.Equal(b.t, at[ref.ID], ref.Old, "where %s was", ref.ID)
			at[ref.ID] = ref.New
		}
	}
}

// watched is a store to which something happens before and after each of its states is read.
type watched struct {
	journal.Store
	before, after func(ids []git.RepositoryID, read map[git.RepositoryID]event.RepositoryState)
}

func (w watched) States(ctx context.Context, ids ...git.RepositoryID) iter.Seq2[event.RepositoryState, error] {
	return func(yield func(event.RepositoryState, error) bool) {
		read := map[git.RepositoryID]event.RepositoryState{}
		w.before(ids, read)
		for state, err := range w.Store.States(ctx, ids...) {
			if err != nil {
				yield(state, err)
				return
			}
			read[state.ID] = state
		}
		w.after(ids, read)
		for _, state := range read {
			if !yield(state, nil) {
				return
			}
		}
	}
}

func TestAJournalHealsWhileRepositoriesAreWrittenToWithoutPause(t *testing.T) {
	b := newBed(t)
	b.stop()
	var commits atomic.Int64
	commit := func(id git.RepositoryID) event.Cursor {
		return b.commit(b.store.Repository(id), fmt.Sprint(commits.Add(1)))
	}
	var busy atomic.Bool
	write := func(ids []git.RepositoryID, _ map[git.RepositoryID]event.RepositoryState) {
		if busy.Load() { // no look at a repository is of the moment
			commit(ids[0])
			commit(ids[0])
		}
	}
	b.startWith(journal.Options{}, func(s journal.Store) journal.Store { return watched{s, write, write} })
	ids := []git.RepositoryID{id(t, "one"), id(t, "two")}
	for _, id := range ids {
		b.create(id.String())
	}
	busy.Store(true)
	writing, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for _, id := range ids {
		writers.Go(func() {
			for writing.Err() == nil {
				commit(id)
			}
		})
	}
	for range 10 {
		b.log.down.Store(true)
		for _, id := range ids {
			assert.Zero(t, commit(id), "a cursor that the journal cannot have given")
		}
		b.log.down.Store(false)
		for _, id := range ids {
			require.Eventually(t, func() bool { return !commit(id).IsZero() }, 10*time.Second, time.Millisecond, "no events of %s are told any more", id)
		}
	}
	stop()
	writers.Wait()
	b.inStep()
	b.tellsEachMoveOnce()
}

func TestWhatIsWrittenWhileARepositoryIsReadIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		// before and after are the moves that are told before and after main was found at read, late what a writer had made
		// before that and tells last. The journal has main at a.
		before, read, after, late string
		// twice has it read once more after that.
		twice bool
		want  []string
	}{
		"moves after it was read":                                  {before: "", read: "a", after: "ab bc", want: []string{"ab", "bc"}},
		"moves before and after it was read":                       {before: "ab", read: "b", after: "bc cd", want: []string{"ab synthetic", "bc", "cd"}},
		"moves before it was read that are told then":              {before: "", read: "c", after: "ab bc cd", want: []string{"ac synthetic", "cd"}},
		"the last move before it was read is told late":            {before: "ab", read: "d", after: "bc", late: "cd", want: []string{"ad synthetic"}},
		"several moves of one batch before it are told late":       {before: "ab", read: "d", late: "bc cd", want: []string{"ad synthetic"}},
		"the last move leads back to where the journal is":         {before: "bc", read: "a", late: "ca"},
		"a branch that was deleted":                                {before: "ab", read: "0", after: "b0 0c", want: []string{"a0 synthetic", "0c"}},
		"a branch that was deleted, which is told late":            {before: "ab", read: "0", late: "b0", want: []string{"a0 synthetic"}},
		"a move that is told late, after two looks":                {before: "", read: "b", twice: true, late: "ab", want: []string{"ab synthetic"}},
		"a move there and back, of which it is not known when":     {before: "ab", read: "a", after: "ba", want: []string{"ab", "ba"}},
		"moves on from a place where it was before and is not now": {before: "ab ba", read: "b", after: "ab bc", want: []string{"ab synthetic", "ba", "ab", "bc"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.stop()
			shop := id(t, "shop")
			last := "a"
			tell := func(moves string) {
				var events []event.Event
				for _, m := range strings.Fields(moves) {
					e := event.RefUpdated{Header: event.Header{ID: shop}, Ref: value[git.RefName](t)(git.BranchRef("main")), Old: object(t, m[:1]), New: object(t, m[1:])}
					e.Commit = e.New
					events, last = append(events, e), m[1:]
				}
				b.journal.Changed(t.Context(), events...)
			}
			var reading atomic.Bool
			looks := 0
			before := func([]git.RepositoryID, map[git.RepositoryID]event.RepositoryState) {
				if looks++; reading.Load() && looks == 1 {
					tell(c.before)
				}
			}
			after := func(_ []git.RepositoryID, read map[git.RepositoryID]event.RepositoryState) {
				if !reading.Load() {
					return
				}
				if delete(read[shop].Refs, value[git.RefName](t)(git.BranchRef("main"))); c.read != "0" {
					read[shop].Refs[value[git.RefName](t)(git.BranchRef("main"))] = object(t, c.read)
				}
				if looks > 1 {
					return
				}
				tell(c.after)
				if c.twice {
					b.journal.Unsure(shop)
				}
			}
			b.startWith(journal.Options{}, func(s journal.Store) journal.Store { return watched{s, before, after} })
			b.create("shop")
			tell("0a")
			told := len(b.entries())
			looks = 0
			reading.Store(true)
			b.journal.Unsure(shop)
			require.Eventually(t, func() bool { return !b.journal.Told(t.Context(), shop).IsZero() }, 10*time.Second, time.Millisecond)
			tell(c.late)
			end := last + "e"
			tell(end)
			var got []string
			for _, e := range value[[]event.Entry](t)(b.log.ReadEvents(t.Context(), event.Cursor{}, 100))[told:] {
				ref := e.Event.(event.RefUpdated)
				move := letter(ref.Old) + letter(ref.New)
				if ref.Synthetic {
					move += " synthetic"
				}
				got = append(got, move)
			}
			assert.Equal(t, append(c.want, end), got)
		})
	}
}

// object is an object whose id is a letter again and again, none for "0".
func object(t *testing.T, letter string) git.ObjectID {
	t.Helper()
	if letter == "0" {
		return git.ObjectID{}
	}
	return value[git.ObjectID](t)(git.ParseObjectID(strings.Repeat(letter, 40)))
}

func letter(id git.ObjectID) string {
	if id.IsZero() {
		return "0"
	}
	return id.String()[:1]
}

// damaged is a store with a repository that cannot be read, and one that is read.
type damaged struct {
	ports.RepositoryStore
	shop func() event.RepositoryState
	lost git.RepositoryID
}

func (d damaged) States(_ context.Context, ids ...git.RepositoryID) iter.Seq2[event.RepositoryState, error] {
	return func(yield func(event.RepositoryState, error) bool) {
		for _, state := range []event.RepositoryState{d.shop(), {ID: d.lost, Unreadable: true}} {
			if (len(ids) == 0 || slices.Contains(ids, state.ID)) && !yield(state, nil) {
				return
			}
		}
	}
}

func TestARepositoryThatCannotBeReadDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shop := event.RepositoryState{ID: id(t, "shop"), CreatedAt: time.Unix(1_700_000_000, 0)}
		j := journal.New(memlog.New(), journal.Options{})
		var missing atomic.Int64
		store := damaged{lost: id(t, "lost"), shop: func() event.RepositoryState {
			if missing.Add(-1) >= 0 { // what only another look tells
				j.Changed(t.Context(), event.RepositoryDeleted{Header: event.Header{ID: shop.ID}})
			}
			return shop
		}}
		value[int](t)(j.Reconcile(t.Context(), store))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go j.Run(ctx)
		<-time.After(5 * time.Minute) // it is looked after at long intervals by now
		missing.Store(20)
		begun := time.Now()
		j.Unsure(shop.ID)
		for j.Told(t.Context(), shop.ID).IsZero() {
			<-time.After(time.Millisecond)
		}
		assert.Less(t, time.Since(begun), 2*time.Second)
		assert.Equal(t, 1, j.Unreadable())
	})
}

// commitAs makes the same commit each time.
func (b *bed) commitAs(r ports.GitRepository, when time.Time) {
	b.t.Helper()
	who := git.Signature{Name: "A", Email: "a@example.com", When: when}
	req := ports.CommitFiles{Branch: value[git.RefName](b.t)(git.BranchRef("main")), Message: "Change", Author: who, Committer: who}
	_, err := r.CommitFiles(b.t.Context(), req, func(yield func(git.Change, error) bool) {
		yield(git.Change{
			Action: git.ActionUpsert, Path: value[git.TreePath](b.t)(git.ParseTreePath("a")), Content: strings.NewReader("a"), Size: 1,
		}, nil)
	})
	require.NoError(b.t, err)
}

func TestARepositoryThatComesBackWithTheSameCommitIsToldOf(t *testing.T) {
	b := newBed(t)
	when := time.Unix(1_700_000_000, 0)
	b.log.down.Store(true)
	b.commitAs(b.create("shop"), when)
	b.log.down.Store(false)
	b.inStep()
	require.NoError(t, b.store.DeleteRepository(t.Context(), id(t, "shop")))
	before := len(b.entries())
	b.commitAs(b.create("shop"), when)
	assert.Equal(t, []string{"shop created", "shop refs/heads/main created "}, b.entries()[before:])
	b.inStep()
}

func TestAWriterThatIsLateTellsNothingTwice(t *testing.T) {
	b := newBed(t)
	shop := b.create("shop")
	b.log.down.Store(true)
	b.commit(shop, "one")
	first := b.head(shop)
	b.commit(shop, "two")
	second := b.head(shop)
	b.log.down.Store(false)
	b.inStep()
	before := b.entries()
	move := func(from, to git.ObjectID) event.Event {
		return event.RefUpdated{Header: event.Header{ID: id(t, "shop")}, Ref: value[git.RefName](t)(git.BranchRef("main")), Old: from, New: to, Commit: to}
	}
	assert.Empty(t, b.journal.Changed(t.Context(), move(git.ObjectID{}, first), move(first, second)))
	assert.Equal(t, before, b.entries())
	assert.Len(t, b.journal.Changed(t.Context(), move(second, first), move(first, second)), 2)
}

func TestADeletionThatIsFoundBeforeItIsToldOfIsToldOnce(t *testing.T) {
	b := newBed(t)
	b.stop()
	shop := id(t, "shop")
	var deleted atomic.Bool
	moved := event.RefUpdated{Header: event.Header{ID: shop}, Ref: value[git.RefName](t)(git.BranchRef("main")), New: object(t, "a"), Commit: object(t, "a")}
	before := func([]git.RepositoryID, map[git.RepositoryID]event.RepositoryState) {
		if deleted.Load() { // it was written to before it was deleted
			b.journal.Changed(t.Context(), moved)
		}
	}
	after := func(_ []git.RepositoryID, read map[git.RepositoryID]event.RepositoryState) {
		if deleted.Load() {
			delete(read, shop)
		}
	}
	b.startWith(journal.Options{}, func(s journal.Store) journal.Store { return watched{s, before, after} })
	b.create("shop")
	deleted.Store(true)
	b.journal.Unsure(shop)
	require.Eventually(t, func() bool { return !b.journal.Told(t.Context(), shop).IsZero() }, 10*time.Second, time.Millisecond)
	header := event.Header{ID: shop}
	assert.Empty(t, b.journal.Changed(t.Context(), event.RepositoryDeleted{Header: header}))
	assert.Len(t, b.journal.Changed(t.Context(), event.RepositoryCreated{Header: header}), 1)
	assert.Len(t, b.journal.Changed(t.Context(), moved), 1)
	assert.Len(t, b.journal.Changed(t.Context(), event.RepositoryDeleted{Header: header}), 1)
	assert.Equal(t, []string{"shop created", "shop deleted synthetic", "shop created", "shop refs/heads/main created ", "shop deleted"}, b.entries())
}
