package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// shown is what a repository shows of its history.
type shown struct {
	main, side []historyEntry
	release    string
}

func (c *client) shows(t *testing.T, id string) shown {
	t.Helper()
	return shown{
		main:    list[historyEntry](t, c, inRepository(id, "/commits?ref=main"), 200),
		side:    list[historyEntry](t, c, inRepository(id, "/commits?ref=side"), 200),
		release: string(c.get(t, inRepository(id, "/tags/latest")).wants(t, 200).body),
	}
}

// fillForBackup makes a repository with two branches and a release.
func (c *client) fillForBackup(t *testing.T, id string) {
	t.Helper()
	c.createRepository(t, id)
	var ids []string
	for i := range 5 {
		ids = append(ids, c.commit(t, id, commit{Branch: "main", Message: "Edit", Actions: []action{upsert("a.txt", fmt.Sprint(i))}}).CommitID)
	}
	c.post(t, inRepository(id, "/branches"), map[string]string{"name": "side", "target": ids[2]}).wants(t, 201)
	c.commit(t, id, commit{Branch: "side", Message: "Edit", Actions: []action{upsert("b.txt", "side")}})
	c.tag(t, id, "v1.0.0", ids[3])
}

// What docs/operations.md says of a copy of the data directory.
func TestACopyOfTheRepositoriesRestoresThem(t *testing.T) {
	s := startSystem(t)
	for _, id := range []string{"shop", "docs"} {
		s.fillForBackup(t, id)
	}
	want := s.shows(t, "shop")
	lost := s.get(t, inRepository("shop", "/branches")).wants(t, 200).cursor(t)
	s.stop(t)

	restored := newSystem(t, t.TempDir())
	require.NoError(t, os.CopyFS(filepath.Join(restored.data, "repositories"), os.DirFS(filepath.Join(s.data, "repositories"))))
	restored.startGit(t)
	restored.startAPI(t)
	restored.waitReady(t)
	for _, id := range []string{"shop", "docs"} {
		require.Equal(t, want.main[0].TreeID, restored.shows(t, id).main[0].TreeID)
	}
	require.Equal(t, want, restored.shows(t, "shop"))
	require.Equal(t, "CURSOR_EXPIRED", restored.get(t, inRepository("shop", "?min_cursor="+lost)).problem(t, 409).Reason)
	restored.commit(t, "shop", commit{Branch: "main", Message: "Go on", Actions: []action{upsert("a.txt", "on")}})
	restored.stop(t)
}

// What docs/operations.md says of mirrors and bundles: made while the service takes writes, and fetched while it is stopped.
func TestABundleOfAMirrorRestoresARepository(t *testing.T) {
	s := startSystem(t)
	s.fillForBackup(t, "shop")
	l := startLoad(t, s, 1, 1, 2)
	const before = 20
	eventually(t, "the writers do not write", func() error {
		if n := l.oracle.count(); n < before {
			return fmt.Errorf("%d commits", n)
		}
		return nil
	})
	bundles := t.TempDir()
	ids := []string{"shop", "shop-0"}
	for _, id := range ids {
		mirror := filepath.Join(t.TempDir(), id)
		gitcmd.Run(t, nil, "clone", "--quiet", "--mirror", "file://"+repositoryDir(s.data, id), mirror)
		git(t, mirror, "bundle", "create", "--quiet", filepath.Join(bundles, id), "--all")
	}
	l.finish(t)
	want, history := s.shows(t, "shop"), s.history(t, "shop-0")
	s.stop(t)

	restored := startSystem(t)
	for _, id := range ids {
		restored.createRepository(t, id)
	}
	restored.git.signal(syscall.SIGTERM)
	require.Zero(t, restored.git.exitCode(t))
	for _, id := range ids {
		git(t, repositoryDir(restored.data, id), "-c", "fetch.fsckObjects=true", "fetch", "--quiet", filepath.Join(bundles, id),
			"refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*")
	}
	restored.startGit(t)
	restored.waitReady(t)
	require.Equal(t, want, restored.shows(t, "shop"))
	saved := restored.history(t, "shop-0")
	require.Equal(t, history[len(history)-len(saved):], saved)
	require.Subset(t, commitIDs(saved), l.oracle.first(before))
	restored.commit(t, "shop", commit{Branch: "main", Message: "Go on", Actions: []action{upsert("a.txt", "on")}})
	restored.stop(t)
}

func commitIDs(history []historyEntry) (ids []string) {
	for _, h := range history {
		ids = append(ids, h.CommitID)
	}
	return ids
}

// first returns the commits that were acknowledged first.
func (o *oracle) first(n int) (ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.acks[:n] {
		ids = append(ids, a.commitID)
	}
	return ids
}
