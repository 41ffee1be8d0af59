package e2e

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/fastimport"
)

// toAllRefs are the refspecs of a push of all branches and tags.
var toAllRefs = []string{"refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"}

// importInto feeds a stream to git fast-import.
func importInto(t testing.TB, dir string, write func(io.Writer) error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "fast-import", "--quiet")
	cmd.Dir, cmd.Env, cmd.Stderr = dir, gitClientEnv, os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, errors.Join(write(in), in.Close(), cmd.Wait()))
}

// atOnce does something n times at the same time.
func atOnce(t testing.TB, n int, do func(i int) error) {
	t.Helper()
	failed := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { failed[i] = do(i) })
	}
	all.Wait()
	require.NoError(t, errors.Join(failed...))
}

// longHistory is a bare repository of 20,000 commits in 100 MB on main, which grows. It has a tag for each thousand of them
// and a few other branches.
type longHistory struct {
	dir   string
	heads []string
}

func newLongHistory(t testing.TB) *longHistory {
	t.Helper()
	const commits = 20_000
	h := &longHistory{dir: t.TempDir()}
	h.git(t, "init", "--quiet", "--bare", "--initial-branch=main")
	h.grow(t, commits)
	for i := range commits / 1000 {
		version := fmt.Sprintf("v1.%d.0", i)
		h.git(t, "tag", "--annotate", "--message", version, version, fmt.Sprintf("main~%d", commits-1000*(i+1)))
	}
	for i := range 3 {
		h.git(t, "branch", fmt.Sprintf("stable-%d", i), fmt.Sprintf("main~%d", 5000*(i+1)))
	}
	require.Equal(t, fmt.Sprint(commits), h.git(t, "rev-list", "--count", "--all"))
	return h
}

func (h *longHistory) git(t testing.TB, args ...string) string {
	t.Helper()
	out, err := gitClient(t.Context(), h.dir, args...)
	require.NoError(t, err)
	return out
}

// grow adds commits to main.
func (h *longHistory) grow(t testing.TB, commits int) {
	t.Helper()
	from := ""
	if len(h.heads) > 0 {
		from = "refs/heads/main^0"
	}
	importInto(t, h.dir, func(w io.Writer) error { return fastimport.Bulk(w, uint64(len(h.heads)), commits, from) })
	h.heads = append(h.heads, h.git(t, "rev-parse", "main"))
}

// TestManyCloneALongHistoryWhileItGrows has as many clients at once as a pipeline has runners, and services at their defaults,
// which hold neither what is pushed in memory nor what is cloned.
func TestManyCloneALongHistoryWhileItGrows(t *testing.T) {
	const cloners = 16
	s := startSystem(t)
	s.createRepository(t, "long")
	w := watch(t, s.client, "?repository=long")
	h, url := newLongHistory(t), s.gitURL("long")
	push := append([]string{"push", "--quiet", url}, toAllRefs...)
	idleGit, idleAPI := s.git.peakMemory(t), s.api.peakMemory(t)
	// The caches of the git-service take their part of a history that is read, whatever the size of its files.
	holdsNoPack := func() {
		require.Less(t, s.git.peakMemory(t), idleGit+128, "MiB of the git-service")
		require.Less(t, s.api.peakMemory(t), idleAPI+64, "MiB of the API")
	}
	h.git(t, push...)
	holdsNoPack()

	clones := t.TempDir()
	dir := func(i int) string { return filepath.Join(clones, fmt.Sprintf("%d.git", i)) }
	atOnce(t, cloners, func(i int) error {
		_, err := gitClient(t.Context(), clones, "clone", "--quiet", "--mirror", url, dir(i))
		return err
	})
	holdsNoPack()
	for _, commits := range []int{100, 1000} {
		h.grow(t, commits)
		h.git(t, push...)
		atOnce(t, cloners, func(i int) error {
			_, err := gitClient(t.Context(), dir(i), "fetch", "--quiet")
			return err
		})
	}

	refs, err := refsOf(h.dir)
	require.NoError(t, err)
	atOnce(t, cloners, func(i int) error { return isWhole(dir(i), refs) })
	s.call(t, http.MethodGet, inRepository("long", "/commits/"+h.heads[2]), nil).wants(t, http.StatusOK)
	w.waitFor(t, "refs/heads/main", h.heads[2])
	pushed := 0
	for ref, id := range refs {
		moves := []string{id}
		if ref == "refs/heads/main" {
			moves = h.heads
		}
		assert.Equal(t, moves, w.moves(t, "long", ref), ref)
		pushed += len(moves)
	}
	moves := slices.DeleteFunc(w.all(t), func(m told) bool { return m.Type != typeRefUpdated })
	require.Len(t, moves, pushed, "refs are told to have moved that were not pushed")

	eventually(t, "something is left", func() error {
		if left := leftovers(t, s.data); len(left) > 0 {
			return fmt.Errorf("there is %v", left)
		}
		return nil
	})
	s.stop(t)
	require.NoError(t, isWhole(repositoryDir(s.data, "long"), refs))
}

// isWhole returns nil if a repository has exactly the refs, and git finds nothing wrong with it.
func isWhole(dir string, refs map[string]string) error {
	has, err := refsOf(dir)
	if err == nil && !maps.Equal(has, refs) {
		err = fmt.Errorf("%s has other refs than were pushed: %v", dir, has)
	}
	return errors.Join(err, fsck(dir))
}
