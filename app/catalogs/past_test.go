package catalogs_test

import (
	"context"
	"maps"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

func TestAnyCommitCanBeOpened(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		w.run()
		var commits []git.ObjectID
		for i := range 30 {
			c, _ := w.commit(shop, mainBranch, map[string]string{"products/p" + strconv.Itoa(i%3) + ".md": product("p"+strconv.Itoa(i%3), strings.Repeat("x", i))})
			commits = append(commits, c)
			synctest.Wait()
		}
		for i, commit := range commits {
			before, _, _ := w.faults.count()
			c, err := w.follows.OpenCommit(t.Context(), shop, commit)
			w.ok(err)
			if !maps.Equal(content(c), w.files(shop, commit)) || c.Commit() != commit {
				t.Errorf("snapshot %d of 30 holds %v", i, content(c))
			}
			if trees, _, _ := w.faults.count(); (trees == before) != (i >= 22) {
				t.Errorf("snapshot %d of 30 was read %d times", i, trees-before)
			}
		}
		for _, tt := range []struct {
			of   int
			kept bool
		}{{21, true}, {6, true}, {5, false}} {
			before, _, _ := w.faults.count()
			_, err := w.follows.OpenCommit(t.Context(), shop, commits[tt.of])
			w.ok(err)
			if trees, _, _ := w.faults.count(); (trees == before) != tt.kept {
				t.Errorf("snapshot %d was read %d times, kept %v", tt.of, trees-before, tt.kept)
			}
		}
		w.tag(shop, "v1.0.0", commits[3])
		for name, want := range map[string]git.ObjectID{"v1.0.0": commits[3], "main": commits[29], commits[7].String(): commits[7]} {
			c, err := w.follows.Open(t.Context(), shop, must(git.ParseRevision(name)))
			w.ok(err)
			if c.Commit() != want {
				t.Errorf("%s opens %s, want %s", name, c.Commit(), want)
			}
		}
		for name, reason := range map[string]errs.Reason{"gone": errs.ReasonRefNotFound, strings.Repeat("1", 40): errs.ReasonObjectNotFound} {
			if _, err := w.follows.Open(t.Context(), shop, must(git.ParseRevision(name))); !errs.Is(err, reason) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// versions are commits of so many products each, of which none is in two of them.
func versions(w *world, n, products, size int) []git.ObjectID {
	w.t.Helper()
	var commits []git.ObjectID
	for i := range n {
		files := map[string]string{}
		for j := range products {
			files["products/p"+strconv.Itoa(j)+".md"] = product("p"+strconv.Itoa(j), strconv.Itoa(i)+strings.Repeat("x", size))
		}
		c, _ := w.commit(shop, mainBranch, files)
		commits = append(commits, c)
	}
	return commits
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestCatalogsOfThePastStayWithinTheirMemory(t *testing.T) {
	const limit = 24 << 20
	w := newWorld(t, catalogs.Options{PastWeight: limit, Recheck: time.Hour}, "shop")
	w.create(shop)
	commits := versions(w, 12, 250, 16<<10)
	before := heap()
	w.run()
	open := func(commit git.ObjectID) *catalogs.Catalog {
		c, err := w.follows.OpenCommit(t.Context(), shop, commit)
		w.ok(err)
		return c
	}
	for range 2 {
		for _, commit := range commits {
			open(commit)
			if n, weight := w.follows.Past(); weight > limit || n == 0 {
				t.Errorf("%d catalogs of the past weigh %d MiB, at most %d are to", n, weight>>20, limit>>20)
			}
		}
	}
	if taken, most := heap()-before, limit+open(commits[11]).Snapshot.Weight(); taken > most {
		t.Errorf("the catalogs take %d MiB, want at most %d", taken>>20, most>>20)
	}
	runtime.KeepAlive(w)
}

func TestACatalogBeyondTheLimitPushesNoOthersOut(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{PastWeight: 4 << 20}, "shop", "large")
		large := repoID("large")
		w.create(shop)
		w.create(large)
		first, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		w.run()
		synctest.Wait()
		w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "x")})
		synctest.Wait()
		files := map[string]string{}
		for i := range 100 {
			files["products/p"+strconv.Itoa(i)+".md"] = product("p"+strconv.Itoa(i), strings.Repeat("x", 64<<10))
		}
		whole, _ := w.commit(large, mainBranch, files)
		for path := range files {
			files[path] = product(strings.TrimSuffix(strings.TrimPrefix(path, "products/"), ".md"), "")
		}
		w.commit(large, mainBranch, files)
		synctest.Wait()
		_, err := w.follows.OpenCommit(t.Context(), large, whole)
		w.ok(err)
		before, _, _ := w.faults.count()
		_, err = w.follows.OpenCommit(t.Context(), shop, first)
		w.ok(err)
		if trees, _, _ := w.faults.count(); trees != before {
			t.Error("a catalog of another repository had to be read again")
		}
	})
}

func TestCatalogsOfThePastAreWeighedByWhatThePresentHasNot(t *testing.T) {
	settled(t, func(t *testing.T) {
		const limit = 16 << 20
		w := newWorld(t, catalogs.Options{PastWeight: limit}, "shop")
		w.create(shop)
		first := versions(w, 1, 100, 8<<10)[0]
		w.run()
		synctest.Wait()
		whole := w.catalog().Snapshot.Unshared(nil)
		for i := range 7 {
			w.commit(shop, mainBranch, map[string]string{"products/p0.md": product("p0", strconv.Itoa(i))})
			synctest.Wait()
		}
		one := whole / 100
		n, weight := w.follows.Past()
		if own := 7 * w.catalog().Snapshot.OwnWeight(); n != 7 || weight < own || weight > own+(7+6+5+4+3+2+1)*2*one {
			t.Errorf("%d catalogs that share all but a product weigh %d KiB, the whole is %d", n, weight>>10, whole>>10)
		}
		trees, _, _ := w.faults.count()
		_, err := w.follows.OpenCommit(t.Context(), shop, first)
		w.ok(err)
		if now, _, _ := w.faults.count(); now != trees {
			t.Error("the first catalog had to be read")
		}
		for i := range 6 {
			versions(w, 1, 100, 16<<10+i)
			synctest.Wait()
			if n, weight := w.follows.Past(); weight > limit || n == 0 || weight < int64(n)*whole/2 {
				t.Errorf("%d catalogs that the present one shares nothing with weigh %d KiB", n, weight>>10)
			}
		}
		if n, _ := w.follows.Past(); n > 3 {
			t.Errorf("%d catalogs stay that share nothing", n)
		}
		w.delete(shop)
		synctest.Wait()
		if n, weight := w.follows.Past(); n != 0 || weight != 0 {
			t.Errorf("%d catalogs of a repository that is gone weigh %d", n, weight)
		}
	})
}

func TestACommitIsReadOnceForAllWhoWait(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.create(shop)
		first, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", "")})
		for i := range 9 {
			w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", strings.Repeat("x", i+1))})
		}
		w.run()
		synctest.Wait()
		before, _, _ := w.faults.count()
		gate := make(chan struct{})
		w.faults.set(func(f *faults) { f.gate = gate })
		leaves, leave := context.WithCancel(t.Context())
		failed, opened := make(chan error), make(chan *catalogs.Catalog)
		go func() {
			_, err := w.follows.OpenCommit(leaves, shop, first)
			failed <- err
		}()
		<-gate
		for range 3 {
			go func() {
				c, err := w.follows.OpenCommit(t.Context(), shop, first)
				if err != nil {
					t.Error(err)
				}
				opened <- c
			}()
		}
		synctest.Wait()
		leave()
		<-gate
		if err := <-failed; !errs.Is(err, errs.ReasonCanceled) {
			t.Errorf("who left got %v", err)
		}
		<-gate
		<-gate
		for range 3 {
			if c := <-opened; c.Commit() != first {
				t.Errorf("opened %s", c.Commit())
			}
		}
		if trees, _, _ := w.faults.count(); trees != before+2 {
			t.Errorf("the commit was read %d times, want once for who left and once for all others", trees-before)
		}
	})
}

func TestANewRepositoryIsReadBeforeItIsNoticed(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newWorld(t, catalogs.Options{}, "shop")
		w.run()
		synctest.Wait()
		w.refuses(errs.ReasonRepositoryNotFound)
		w.events.disconnect()
		synctest.Wait()
		w.create(shop)
		commit, _ := w.commit(shop, mainBranch, map[string]string{"products/p.md": product("p", "x")})
		for _, rev := range []git.Revision{git.Head(), git.AtCommit(commit)} {
			c, err := w.follows.Open(t.Context(), shop, rev)
			w.ok(err)
			if c.Commit() != commit {
				t.Errorf("%v opens %s, want %s", rev, c.Commit(), commit)
			}
		}
		w.refuses(errs.ReasonRepositoryNotFound)
	})
}
