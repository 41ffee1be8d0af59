package e2e

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
	"github.com/gitstore-dev/gitstore/internal/testkit/env"
)

// smallCatalog is enough to see whether a catalog is right.
func smallCatalog(seed uint64) catalogdata.Catalog {
	return catalogdata.New(seed, catalogdata.Options{Products: 60, Categories: 12, Collections: 3})
}

// restartGit starts the git-service again and waits until it serves.
func (c *cluster) restartGit(t testing.TB) {
	t.Helper()
	c.startGit(t)
	eventually(t, "the git-service is not ready", func() error { return c.gitAdmin.ready(t, c.git) })
}

func TestEventsOfCommitsSurviveKills(t *testing.T) {
	rounds := env.Number(t, "ROUNDS", 3)
	seed := env.Number(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d ROUNDS=%d", seed, rounds)
	random := rand.New(rand.NewPCG(seed, seed))
	c := startCluster(t, 2, "GITSTORE_CATALOGS=shop-0")
	watcher := watch(t, c.replicas[1], "?repository=shop-0")
	load := startLoad(t, c.system, seed, 1, 4)
	c.importCatalog(t, "shop-0", smallCatalog(1))
	for _, replica := range c.replicas {
		eventually(t, "the catalog is not loaded", func() error { return served("shop-0", 1)(t.Context(), replica, random) })
	}
	r := startReaders(t, c, served("shop-0", 60))
	e := &editors{c, smallCatalog(1), "shop-0", make([]int, 60)}
	for round := range rounds {
		pause(t.Context(), time.Duration(100+random.IntN(500))*time.Millisecond)
		c.git.kill()
		c.restartGit(t)
		done := load.oracle.count()
		eventually(t, "no commit is acknowledged", func() error {
			if load.oracle.count() == done {
				return errors.New("none since the restart")
			}
			return load.failed()
		})
		e.requireShown(t, int(round%60))
	}
	load.finish(t)
	head := c.head(t, "shop-0", "main")
	c.convergesTo(t, "shop-0", head)
	r.finish(t)
	c.requireRunning(t)

	watcher.waitFor(t, "refs/heads/main", head)
	moves := watcher.moves(t, "shop-0", "refs/heads/main")
	requireTold(t, c, load.oracle, watcher.all(t))

	again := watch(t, c.replicas[0], "?repository=shop-0&after="+watcher.all(t)[0].Cursor)
	again.waitFor(t, "refs/heads/main", head)
	require.Equal(t, moves, again.moves(t, "shop-0", "refs/heads/main"), "what the journal tells afterwards")
}

// requireShown edits a product and waits until all replicas show the edit.
func (e *editors) requireShown(t *testing.T, i int) {
	t.Helper()
	begin := time.Now()
	e.edits[i]++
	converges(t, "an edit is not taken", func() error {
		e.edits[i]-- // it is the same edit that is tried again
		return second(e.edit(t.Context(), e.cluster.replicas[0], i))
	})
	for _, replica := range e.cluster.replicas {
		converges(t, "an edit is not shown", func() error {
			p := into[product](t, replica.get(t, productTarget(e.id, i)).wants(t, http.StatusOK))
			if p.Fields.Edits != e.edits[i] {
				return fmt.Errorf("edit %d is shown, not %d", p.Fields.Edits, e.edits[i])
			}
			return nil
		})
	}
	t.Logf("an edit was taken and shown within %v", time.Since(begin))
}

// requireTold checks that every commit has an event of its own, but for those that a synthetic event tells together with
// the next, and that no acknowledged commit was lost.
func requireTold(t *testing.T, c *cluster, o *oracle, messages []told) {
	t.Helper()
	history := c.history(t, "shop-0")
	requireLinear(t, history)
	place := map[string]int{}
	for i, h := range history {
		place[h.CommitID] = i
	}
	require.NotZero(t, o.count())
	for _, ack := range o.acks {
		require.Contains(t, place, ack.commitID)
	}
	synthetic, last := 0, len(history)
	for _, m := range messages {
		if m.Type != typeRefUpdated {
			continue
		}
		require.Contains(t, place, m.Data.New)
		if m.Data.Synthetic {
			synthetic++
			require.Less(t, place[m.Data.New], last, "%s is told after what follows it", m.ID)
		} else {
			require.Equal(t, last-1, place[m.Data.New], "%s tells more than one commit", m.ID)
		}
		last = place[m.Data.New]
	}
	require.Zero(t, last, "commits that were not told")
	t.Logf("%d acknowledged commits were told, with %d synthetic events", o.count(), synthetic)
}

func TestALostJournalEndsInAResyncAndTheNewState(t *testing.T) {
	c := startCluster(t, 2, "GITSTORE_CATALOGS=shop")
	watcher := watch(t, c.replicas[0], "?repository=shop")
	c.createRepository(t, "shop")
	imported, _ := c.importCatalog(t, "shop", smallCatalog(1))
	c.post(t, inRepository("shop", "/branches"), map[string]string{"name": "side"}).wants(t, http.StatusCreated)
	e := &editors{c, smallCatalog(1), "shop", make([]int, 60)}
	require.NoError(t, e.run(t.Context(), 4, 5))
	edited := c.head(t, "shop", "main")
	c.convergesTo(t, "shop", edited)
	watcher.waitFor(t, "refs/heads/main", edited)
	lost := watcher.all(t)[5].Cursor
	r := startReaders(t, c, served("shop", 60))

	c.git.kill()
	require.NoError(t, os.RemoveAll(filepath.Join(c.data, "journal")))
	dir := repositoryDirs(t, c.data)[0]
	reverted := git(t, dir, "commit-tree", imported+"^{tree}", "-p", edited, "-m", "Take all edits back")
	git(t, dir, "update-ref", "refs/heads/main", reverted)
	git(t, dir, "update-ref", "-d", "refs/heads/side")
	c.restartGit(t)

	c.convergesTo(t, "shop", reverted)
	for _, replica := range c.replicas {
		p, err := replica.checkAgainstGit(t.Context(), "shop", replica.get(t, productTarget("shop", 1)))
		require.NoError(t, err)
		require.Zero(t, p.Fields.Edits)
	}
	eventually(t, "no resync comes", func() error { return watcher.resynced(map[string]string{"shop:refs/heads/main": reverted}) })
	next := c.commit(t, "shop", commit{Branch: "main", Message: "Go on", Actions: []action{upsert("a.txt", "a")}}).CommitID
	watcher.waitFor(t, "refs/heads/main", next)
	c.convergesTo(t, "shop", next)
	r.finish(t)
	c.requireRunning(t)

	for _, target := range []string{productTarget("shop", 1), inRepository("shop", "/branches")} {
		p := c.get(t, target+"?min_cursor="+lost).problem(t, http.StatusConflict)
		require.Equal(t, "CURSOR_EXPIRED", p.Reason)
		require.NotEmpty(t, p.Metadata["cursor"])
		require.Equal(t, http.StatusOK, c.get(t, target+"?min_cursor="+p.Metadata["cursor"]).status)
	}
	late := watch(t, c.replicas[1], "?repository=shop&after="+lost)
	require.Equal(t, typeResync, late.all(t)[0].Type, "what follows a cursor of the journal that was lost")
	require.NoError(t, late.resynced(map[string]string{"shop:refs/heads/main": next}))

	read := c.get(t, inRepository("shop", "/branches")).wants(t, http.StatusOK)
	after := c.commit(t, "shop", commit{Branch: "main", Message: "Go on again", Actions: []action{upsert("a.txt", "b")}}).CommitID
	follower := watch(t, c.replicas[1], "?repository=shop&after="+read.cursor(t))
	follower.waitFor(t, "refs/heads/main", after)
	require.NotEqual(t, typeResync, follower.all(t)[0].Type, "what follows the cursor of a read")
}

// resynced returns nil if a resync named exactly the refs that are wanted, by "repository:ref".
func (w *watcher) resynced(want map[string]string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	refs := map[string]string{}
	for _, m := range w.messages {
		if m.Type != typeResync {
			continue
		}
		for _, repo := range m.Data.Repositories {
			for _, ref := range repo.Refs {
				refs[repo.Repository+":"+ref.Ref] = ref.ID
			}
		}
		if m.Data.Last && maps.Equal(refs, want) {
			return nil
		}
		if m.Data.Last {
			clear(refs)
		}
	}
	return fmt.Errorf("no resync names the refs %v", want)
}
