package catalogs_test

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

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
