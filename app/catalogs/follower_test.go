package catalogs_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var mainBranch = branch("main")

func TestAChangeIsFollowed(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		first, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", ""), "products/b.md": product("b", "")})
		w.run()
		synctest.Wait()
		w.serves(first)
		if s := w.status(); s.State != catalogs.Loaded || s.Catalog.Ref != mainBranch || s.Stale || s.Err != nil || !s.Work.Last.Full {
			t.Errorf("status %+v", s)
		}
		second, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "changed"), "products/b.md": "", "products/c.md": product("c", "")})
		synctest.Wait()
		w.serves(second)
	})
}

func TestOnlyChangedBlobsTravel(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		files := map[string]string{}
		for _, id := range strings.Split("abcdefghij", "") {
			files["products/"+id+".md"] = product(id, strings.Repeat("text ", 100))
		}
		w.commit(shop, mainBranch, files)
		w.run()
		synctest.Wait()
		_, _, before := w.faults.count()
		changed := product("c", "other")
		second, _ := w.commit(shop, mainBranch, map[string]string{"products/c.md": changed})
		synctest.Wait()
		w.serves(second)
		_, _, after := w.faults.count()
		if after-before != int64(len(changed)) {
			t.Errorf("a reload after a change of %d bytes read %d bytes", len(changed), after-before)
		}
		if last := w.status().Work.Last; last.Full || last.Files != 1 || last.Bytes != uint64(len(changed)) {
			t.Errorf("the last reload is %+v", last)
		}
	})
}

func TestABurstBecomesTwoReloads(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		before, _, _ := w.faults.count()

		gate := make(chan struct{})
		w.faults.set(func(f *faults) { f.gate = gate })
		w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "0")})
		<-gate // the reload is under way
		w.faults.set(func(f *faults) { f.gate = nil })
		var last git.ObjectID
		for i := range 100 {
			last, _ = w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", strings.Repeat("x", i+1))})
		}
		<-gate
		synctest.Wait()
		w.serves(last)
		if after, _, _ := w.faults.count(); after-before != 2 {
			t.Errorf("101 commits took %d reloads, want 2", after-before)
		}
	})
}

func TestReadersKeepTheLastGoodSnapshotWhileReloadsFail(t *testing.T) {
	for _, panics := range []bool{false, true} {
		t.Run(fmt.Sprintf("panics %t", panics), func(t *testing.T) { testKeepingTheLastGoodSnapshot(t, panics) })
	}
}

func testKeepingTheLastGoodSnapshot(t *testing.T, panics bool) {
	reason, attempts, recovers := errs.ReasonUnavailable, uint64(10), time.Second
	if panics { // which does not end by itself, as a restart of the service does
		reason, attempts, recovers = errs.ReasonInternal, 4, 10*time.Second
	}
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		first, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", ""), "products/b.md": product("b", "")})
		w.run()
		synctest.Wait()

		w.faults.set(func(f *faults) { f.breakAfter, f.panics = 2, panics })
		second, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "2"), "products/b.md": product("b", "2")})
		pass(10 * time.Second)
		w.serves(first)
		s := w.status()
		if s.State != catalogs.Loaded || !s.Stale || !errs.Is(s.Err, reason) || s.Age(time.Now()) < 10*time.Second {
			t.Errorf("status %+v", s)
		}
		if s.Work.Failures < attempts || s.Work.Failures > 100 {
			t.Errorf("%d attempts in ten seconds", s.Work.Failures)
		}

		w.faults.set(func(f *faults) { f.breakAfter = 0 })
		pass(recovers)
		w.serves(second)
		if s := w.status(); s.Stale || s.Err != nil || s.Age(time.Now()) > recovers {
			t.Errorf("status after recovery %+v", s)
		}
	})
}

func TestAnEventEndsThePauseAfterAFailure(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{RetryBase: 1000 * time.Hour, RetryMax: 5000 * time.Hour}, "shop")
		w.create(shop)
		w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.faults.set(func(f *faults) { f.down = errs.New(errs.ReasonUnavailable, "down") })
		w.run()
		synctest.Wait()
		w.refuses(errs.ReasonCatalogNotLoaded)
		w.faults.set(func(f *faults) { f.down = nil })
		second, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "2")})
		synctest.Wait()
		w.serves(second)
	})
}

func TestTheAPIMayStartBeforeTheGitService(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop", "other@live")
		w.refuses(errs.ReasonCatalogNotLoaded)
		w.create(shop)
		w.create(repoID("other"))
		first, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.events.disconnect()
		w.faults.set(func(f *faults) { f.down = errs.New(errs.ReasonUnavailable, "the git service cannot be reached") })
		w.run()
		pass(minute)
		err := w.follows.Ready()
		if !errs.Is(err, errs.ReasonCatalogNotLoaded) || !strings.Contains(err.Error(), "other, shop") {
			t.Errorf("Ready = %v", err)
		}
		if _, err := w.follows.Catalog(t.Context(), shop); !errs.Is(err, errs.ReasonCatalogNotLoaded) || !strings.Contains(err.Error(), "cannot be reached") {
			t.Errorf("Catalog = %v", err)
		}

		w.faults.set(func(f *faults) { f.down = nil })
		w.events.connect()
		pass(time.Second)
		if err := w.follows.Ready(); err != nil {
			t.Errorf("Ready = %v", err)
		}
		w.serves(first)
	})
}

func TestARepositoryWithNothingToShowKeepsNobodyFromService(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop@live")
		w.run()
		synctest.Wait()
		w.refuses(errs.ReasonRepositoryNotFound)
		w.create(shop)
		synctest.Wait()
		w.refuses(errs.ReasonRefNotFound)
		first, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		synctest.Wait()
		w.refuses(errs.ReasonRefNotFound)
		if s := w.status(); s.State != catalogs.Absent || s.Err == nil || s.Stale {
			t.Errorf("status %+v", s)
		}
		if err := w.follows.Ready(); err != nil {
			t.Errorf("Ready = %v", err)
		}
		w.tag(shop, "v1.0.0", first)
		synctest.Wait()
		w.serves(first)
	})
}

func TestARepositoryThatIsNoTargetIsRefused(t *testing.T) {
	w := newWorld(t, catalogs.Options{}, "shop")
	other := repoID("other")
	if _, err := w.follows.Catalog(t.Context(), other); !errs.Is(err, errs.ReasonCatalogNotFound) {
		t.Errorf("Catalog: %v", err)
	}
	if _, err := w.follows.Status(other); !errs.Is(err, errs.ReasonCatalogNotFound) {
		t.Errorf("Status: %v", err)
	}
	if _, err := w.follows.Open(t.Context(), other, git.Head()); !errs.Is(err, errs.ReasonCatalogNotFound) {
		t.Errorf("Open: %v", err)
	}
	if _, err := w.follows.OpenCommit(t.Context(), other, git.ObjectID{}); !errs.Is(err, errs.ReasonCatalogNotFound) {
		t.Errorf("OpenCommit: %v", err)
	}
}

func TestLiveFollowsTheHighestRelease(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop@live")
		w.create(shop)
		var commits []git.ObjectID
		for i := range 4 {
			c, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", strings.Repeat("x", i))})
			commits = append(commits, c)
		}
		w.run()
		for i, step := range []struct {
			tag    string
			commit int
			serves int
		}{
			{"v1.0.0", 0, 0}, {"v1.10.0", 2, 2}, {"v1.9.0", 1, 2}, {"v2.0.0-rc.1", 3, 2}, {"notes", 3, 2}, {"v2.0.0", 3, 3},
		} {
			w.tag(shop, step.tag, commits[step.commit])
			synctest.Wait()
			w.serves(commits[step.serves])
			if i == 1 && w.catalog().Release != "1.10.0" {
				t.Errorf("the release is %q", w.catalog().Release)
			}
		}
		if s := w.status(); s.Moved != nil {
			t.Errorf("%+v is said to have moved", s.Moved)
		}
	})
}

func TestAMovedOrDeletedReleaseTagIsHandledAndVisible(t *testing.T) {
	settled(t, func(t *testing.T) {
		log := &strings.Builder{}
		w := newWorld(t, catalogs.Options{Logger: textLogger(log)}, "shop@live")
		w.create(shop)
		one, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "1")})
		two, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "2")})
		w.tag(shop, "v1.0.0", one)
		w.tag(shop, "v1.1.0", two)
		w.run()
		synctest.Wait()
		w.serves(two)

		w.move(shop, tag("v1.1.0"), two, one)
		synctest.Wait()
		w.serves(one)
		if m := w.status().Moved; m == nil || m.Tag != tag("v1.1.0") || m.Old != two || m.New != one {
			t.Errorf("the moved tag is seen as %+v", m)
		}
		w.move(shop, tag("v1.1.0"), one, git.ObjectID{})
		synctest.Wait()
		w.serves(one)
		if c := w.catalog(); c.Release != "1.0.0" || c.Ref != tag("v1.0.0") {
			t.Errorf("the view leads to release %q, ref %s", c.Release, c.Ref)
		}
		if m := w.status().Moved; m == nil || m.Tag != tag("v1.1.0") || m.Old != one || !m.New.IsZero() {
			t.Errorf("the deleted tag is seen as %+v", m)
		}
		w.move(shop, tag("v1.0.0"), one, git.ObjectID{})
		synctest.Wait()
		w.refuses(errs.ReasonRefNotFound)
		if n := strings.Count(log.String(), "level=WARN msg=\"a release tag was moved or deleted\""); n != 3 {
			t.Errorf("%d warnings in\n%s", n, log)
		}
	})
}

func TestADeletedRepositoryIsDroppedAndANewOneLoaded(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		first, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		w.serves(first)
		w.delete(shop)
		synctest.Wait()
		w.refuses(errs.ReasonRepositoryNotFound)
		if c, err := w.follows.OpenCommit(t.Context(), shop, first); !errs.Is(err, errs.ReasonRepositoryNotFound) {
			t.Errorf("the catalog of the deleted repository is still there: %v, %v", c, err)
		}
		w.create(shop)
		second, _ := w.commit(shop, mainBranch, map[string]string{"products/b.md": product("b", "")})
		synctest.Wait()
		w.serves(second)
	})
}

func TestARepositoryThatWasMadeAnewUnnoticedIsLoadedInFull(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		w.events.disconnect()
		w.delete(shop)
		w.create(shop)
		second, _ := w.commit(shop, mainBranch, map[string]string{"products/b.md": product("b", "")})
		w.events.renew("00000000000000bb")
		w.events.connect()
		pass(time.Second)
		w.serves(second)
		if last := w.status().Work.Last; !last.Full {
			t.Errorf("the last reload is %+v", last)
		}
	})
}

func TestWhatHappenedWhileTheEventsWereCutIsFoundByResuming(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{Recheck: 1000 * time.Hour}, "shop")
		w.create(shop)
		w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		w.events.disconnect()
		second, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "2")})
		pass(minute)
		if w.catalog().Commit() == second {
			t.Error("the change was seen without an event")
		}
		w.events.connect()
		pass(5 * time.Second)
		w.serves(second)
	})
}

func TestAnEventThatNeverCameIsMadeUpForByTheRecheck(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		w.events.disconnect()
		second, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "2")})
		pass(2 * minute)
		w.serves(second)
	})
}

func TestAnOutageIsToldSoonAlthoughNothingHappens(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		first, written := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		w.faults.set(func(f *faults) { f.down = errs.New(errs.ReasonUnavailable, "the git service cannot be reached") })
		w.follows.SetConnected(false)
		synctest.Wait()
		if s := w.status(); !s.Stale || !errs.Is(s.Err, errs.ReasonUnavailable) {
			t.Errorf("status %+v", s)
		}
		w.serves(first)
		if _, err := w.follows.Catalog(ports.WithMinCursor(t.Context(), written), shop); err != nil {
			t.Errorf("what was followed before the outage is read with its cursor: %v", err)
		}

		w.faults.set(func(f *faults) { f.down = nil })
		w.follows.SetConnected(true)
		pass(time.Second)
		if s := w.status(); s.Stale || s.Err != nil {
			t.Errorf("status after recovery %+v", s)
		}
	})
}

func TestWhileEventsAreCutOffChangesAreLookedFor(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		w.events.disconnect()
		w.follows.SetConnected(false)
		synctest.Wait()
		for i := range 3 {
			unheard, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", fmt.Sprint(i))})
			pass(6 * time.Second)
			w.serves(unheard)
		}
		w.follows.SetConnected(true)
		pass(minute)
		_, before, _ := w.faults.count()
		pass(10 * minute)
		if _, after, _ := w.faults.count(); after-before < 8 || after-before > 13 {
			t.Errorf("%d looks in ten minutes in which events can arrive", after-before)
		}
	})
}

func TestEventsOfOtherRefsAndRepositoriesCauseNoWork(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop@head:main")
		w.create(shop)
		w.create(repoID("other"))
		w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		_, before, _ := w.faults.count()
		c, _ := w.commit(repoID("other"), mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.tag(repoID("other"), "v1.0.0", c)
		w.tag(shop, "v1.0.0", w.catalog().Commit())
		w.ok(second(w.store.Repository(shop).CreateBranch(t.Context(), ports.CreateBranch{Name: branch("draft"), Target: git.Head()})))
		w.commit(shop, branch("draft"), map[string]string{"products/a.md": product("a", "draft")})
		synctest.Wait()
		if _, after, _ := w.faults.count(); after != before {
			t.Errorf("%d lookups", after-before)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// moves checks that the last reload moved so many files, and so many bytes of content, and that nothing else was moved
// since there were so many.
func (w *world) moves(before int64, full bool, files, bytes int) {
	w.t.Helper()
	if _, _, moved := w.faults.count(); moved-before != int64(bytes) {
		w.t.Errorf("the store gave out %d bytes of content, want %d", moved-before, bytes)
	}
	last := w.status().Work.Last
	last.Duration = 0
	if want := (catalogs.Reload{Files: uint64(files), Bytes: uint64(bytes), Full: full}); last != want {
		w.t.Errorf("the last reload is %+v, want %+v", last, want)
	}
}

// tooLarge returns the paths of the documents that are said to be too large.
func tooLarge(c *catalogs.Catalog) (paths []string) {
	for p := range c.Snapshot.Problems() {
		if p.Reason == catalog.ReasonTooLarge {
			paths = append(paths, p.Path.String())
		}
	}
	return paths
}

func TestOnlyWhatADocumentMayHoldIsMoved(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		a, z, large, photo := product("a", ""), product("z", ""), strings.Repeat("x", catalog.MaxDocument+1), strings.Repeat("x", 10<<20)
		schema := `{"type": "object"}`
		w.commit(shop, mainBranch, map[string]string{
			"products/a.md": a, "products/large.md": large, "products/z.MD": z, "products/photo.jpg": photo, "backup.tar": photo,
			"schemas/Recipe.schema.json": schema,
		})
		w.run()
		synctest.Wait()
		w.moves(0, true, 4, len(a)+len(z)+len(schema))
		if got := content(w.catalog()); got["products/a.md"] == "" || got["products/z.MD"] == "" {
			t.Errorf("the other documents are not served: %v", got)
		}
		if got := tooLarge(w.catalog()); !slices.Equal(got, []string{"products/large.md"}) {
			t.Errorf("too large are %q", got)
		}

		_, _, before := w.faults.count()
		w.commit(shop, mainBranch, map[string]string{
			"products/a.md": large, "products/large.md": product("large", ""), "products/photo.jpg": photo + "x", "backup.tar": "",
		})
		synctest.Wait()
		w.moves(before, false, 2, len(product("large", "")))
		if got := content(w.catalog()); got["products/a.md"] != "" || got["products/large.md"] == "" {
			t.Errorf("documents that crossed the limit are served as they were: %v", got)
		}
		if got := tooLarge(w.catalog()); !slices.Equal(got, []string{"products/a.md"}) {
			t.Errorf("too large are %q", got)
		}
	})
}

func TestDocumentsAreFoundHoweverTheirNamesEnd(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		files, want := map[string]string{}, []string(nil)
		for i, suffix := range append(catalog.Suffixes(), ".MD", ".Markdown", ".YAML", ".yMl", ".JSON") {
			id := fmt.Sprintf("doc%02d", i)
			content := fmt.Sprintf(`{"id": %q, "slug": %[1]q, "title": "A title"}`, id)
			if strings.EqualFold(suffix, ".md") || strings.EqualFold(suffix, ".markdown") {
				content = "---\n" + content + "\n---\n"
			}
			files["categories/"+id+suffix] = content
			want = append(want, id)
		}
		w.commit(shop, mainBranch, files)
		w.run()
		synctest.Wait()
		var got []string
		for d := range w.catalog().Snapshot.List(catalog.KindCategory, "") {
			got = append(got, d.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the documents %q are served, want %q", got, want)
		}
	})
}

func TestRunEndsWithItsContextInTheMidstOfEverything(t *testing.T) {
	settled(t, func(t *testing.T) {
		var log strings.Builder
		w := newWorld(t, catalogs.Options{Parallel: 1, Logger: textLogger(&log)}, "shop", "other", "third")
		w.create(shop)
		w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		gate := make(chan struct{})
		w.faults.set(func(f *faults) { f.gate = gate })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.follows.Run(ctx, w.events)
		}()
		<-gate
		cancel()
		<-gate
		<-done
		if s := w.status(); s.Err != nil {
			t.Errorf("ending is reported as a failure: %v", s.Err)
		}
		if strings.Contains(log.String(), "catalog loaded") {
			t.Errorf("a catalog was built of the files that were read:\n%s", log.String())
		}
	})
}

func TestAReloadThatHangsIsGivenUp(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		first, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", ""), "products/b.md": product("b", "")})
		gate := make(chan struct{})
		w.faults.set(func(f *faults) { f.gate = gate })
		w.run()
		<-gate
		w.faults.set(func(f *faults) { f.gate = nil })
		pass(3 * minute)
		<-gate
		pass(10 * time.Second)
		w.serves(first)
		if s := w.status(); s.Work.Failures != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

// read asks with a cursor, for a moment at most.
func (w *world) read(ctx context.Context, least event.Cursor) (*catalogs.Catalog, event.Cursor, error) {
	var receipt ports.Receipt
	c, err := w.follows.Catalog(ports.WithReceipt(ports.WithMinCursor(ctx, least), &receipt), shop)
	return c, receipt.Cursor, err
}

func TestAReaderReadsItsOwnWrite(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		w.run()
		for i := range 20 {
			commit, cursor := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", strings.Repeat("x", i))})
			c, at, err := w.read(t.Context(), cursor)
			if err != nil || c.Commit() != commit {
				t.Fatalf("write %d is not read: %v, %v", i, c, err)
			}
			if !at.Reached(cursor) {
				t.Errorf("the answer is from %s, want %s or later", at, cursor)
			}
		}
	})
}

func TestTheCursorMovesWithOtherRepositories(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		w.create(repoID("other"))
		first, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		_, cursor := w.commit(repoID("other"), mainBranch, map[string]string{"products/a.md": product("a", "")})
		c, at, err := w.read(t.Context(), cursor)
		if err != nil || c.Commit() != first || at != cursor {
			t.Errorf("read = %v, %s, %v", c, at, err)
		}
	})
}

func TestAReceiptDoesNotCoverAReloadThatIsStillToCome(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		_, before := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		gate := make(chan struct{})
		w.faults.set(func(f *faults) { f.gate = gate })
		_, cursor := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "2")})
		<-gate
		w.faults.set(func(f *faults) { f.gate = nil })
		synctest.Wait()
		if _, at, err := w.read(t.Context(), event.Cursor{}); err != nil || at != before {
			t.Errorf("while the reload is under way the answer is from %s, %v, want %s", at, err, before)
		}
		<-gate
		synctest.Wait()
		if _, at, err := w.read(t.Context(), event.Cursor{}); err != nil || at != cursor {
			t.Errorf("after the reload the answer is from %s, %v, want %s", at, err, cursor)
		}
	})
}

func TestACursorThatIsNotReachedInTimeIsTold(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		_, cursor := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		start := time.Now()
		if _, _, err := w.read(t.Context(), event.NewCursor(cursor.Epoch(), 1e18)); !errs.Is(err, errs.ReasonCursorNotReached) || time.Since(start) != 5*time.Second {
			t.Errorf("a cursor of the future: %v after %v", err, time.Since(start))
		}
		w.faults.set(func(f *faults) { f.down = errs.New(errs.ReasonUnavailable, "down") })
		_, cursor = w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "2")})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := w.read(short, cursor); !errs.Is(err, errs.ReasonCursorNotReached) {
			t.Errorf("a reload that fails: %v", err)
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := w.read(canceled, cursor); !errs.Is(err, errs.ReasonCanceled) {
			t.Errorf("a caller that gives up: %v", err)
		}
	})
}

func TestACursorOfAnotherEpochIsExpired(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		_, old := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		w.events.renew("00000000000000bb")
		commit, present := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "2")})
		c, _, err := w.read(t.Context(), present)
		if err != nil || c.Commit() != commit {
			t.Fatalf("a cursor of the new epoch: %v, %v", c, err)
		}
		start := time.Now()
		_, _, err = w.read(t.Context(), old)
		if !errs.Is(err, errs.ReasonCursorExpired) || errs.From(err).Meta[errs.MetaCursor] != present.String() || time.Since(start) != 0 {
			t.Errorf("a cursor of the old epoch: %v after %v", err, time.Since(start))
		}
		if _, _, err := w.read(t.Context(), event.NewCursor("00000000000000cc", 1)); !errs.Is(err, errs.ReasonCursorExpired) {
			t.Errorf("a cursor of an epoch that nobody knows: %v", err)
		}
	})
}

// scripted is a source that tells some notices and then nothing.
type scripted []event.Notice

// Subscribe implements [ports.EventSource].
func (s scripted) Subscribe(ctx context.Context, _ ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		for _, n := range s {
			if !yield(n, nil) {
				return
			}
		}
		<-ctx.Done()
		yield(nil, ctx.Err())
	}
}

func TestASourceThatRepeatsItselfDoesNotTurnTheCursorBack(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		at := func(n uint64) event.Cursor { return event.NewCursor("00000000000000aa", n) }
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(done)
			w.follows.Run(ctx, scripted{event.Heartbeat{Cursor: at(7)}, event.Heartbeat{Cursor: at(3)}})
		}()
		synctest.Wait()
		if _, cursor, err := w.read(t.Context(), event.Cursor{}); err != nil || cursor != at(7) {
			t.Errorf("the answer is from %s, %v, want %s", cursor, err, at(7))
		}
		cancel()
		<-done
	})
}
