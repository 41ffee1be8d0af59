package e2e

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// thisRepository is the path of a bare repository with the branches and tags of the one that the test is in, and with a branch
// that it is at: a continuous integration may have none.
func thisRepository(t testing.TB) string {
	t.Helper()
	inPlace := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "git %s says %s\nthe test pushes this project's own history: run it in a clone of the repository, not in an archive", strings.Join(args, " "), out)
		return strings.TrimSpace(string(out))
	}
	if inPlace("rev-parse", "--is-shallow-repository") != "false" {
		t.Fatal("the test pushes this project's whole history, of which this clone has a part: run git fetch --unshallow")
	}
	dir := filepath.Join(t.TempDir(), "this.git")
	inPlace("clone", "--quiet", "--bare", "--shared", inPlace("rev-parse", "--show-toplevel"), dir)
	git(t, dir, "branch", "--force", "under-test", "HEAD")
	return dir
}

// objectsOf returns the lines of git rev-list for all refs, sorted: ids of commits and tags, and ids and paths of trees and
// files.
func objectsOf(t testing.TB, dir string, args ...string) []string {
	t.Helper()
	lines := strings.Split(git(t, dir, append([]string{"rev-list", "--objects", "--all"}, args...)...), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	slices.Sort(lines)
	return lines
}

// TestTheHistoryOfThisProjectIsServedAsItIs pushes a history that people made.
func TestTheHistoryOfThisProjectIsServedAsItIs(t *testing.T) {
	this := thisRepository(t)
	whole := objectsOf(t, this)
	refs, err := refsOf(this)
	require.NoError(t, err)
	s := startSystem(t)
	s.createRepository(t, "this")
	url := s.gitURL("this")
	run := func(dir string, args ...string) string {
		out, err := gitClient(t.Context(), dir, args...)
		require.NoError(t, err)
		return out
	}
	run(this, append([]string{"push", "--quiet", url}, toAllRefs...)...)
	clone := func(options ...string) string {
		dir := filepath.Join(t.TempDir(), "clone.git")
		run(filepath.Dir(dir), append(append([]string{"clone", "--quiet", "--mirror"}, options...), url, dir)...)
		has, err := refsOf(dir)
		require.NoError(t, err)
		require.Equal(t, refs, has)
		return dir
	}

	t.Run("a clone has everything", func(t *testing.T) {
		dir := clone()
		requireSame(t, whole, objectsOf(t, dir))
		require.NoError(t, fsck(dir))
	})
	t.Run("a partial clone lacks the contents of files, and fetches them when they are needed", func(t *testing.T) {
		dir := clone("--filter=blob:none")
		requireSame(t, objectsOf(t, this, "--filter=blob:none"), objectsOf(t, dir, "--missing=allow-any"))
		require.Equal(t, git(t, this, "show", "under-test:go.mod"), run(dir, "show", "under-test:go.mod"))
	})
	t.Run("a shallow clone has what the refs are at, and deepens to everything", func(t *testing.T) {
		dir := clone("--depth=1", "--no-single-branch")
		requireSame(t, objectsOf(t, this, "--no-walk"), objectsOf(t, dir))
		run(dir, "fetch", "--quiet", "--unshallow")
		requireSame(t, whole, objectsOf(t, dir))
	})
	require.NoError(t, isWhole(repositoryDir(s.data, "this"), refs))
	require.Empty(t, leftovers(t, s.data))
}

// requireSame is require.Equal for many lines, of which it shows the first that differ.
func requireSame(t testing.TB, want, got []string) {
	t.Helper()
	missing := slices.DeleteFunc(slices.Clone(want), func(line string) bool { _, found := slices.BinarySearch(got, line); return found })
	more := slices.DeleteFunc(slices.Clone(got), func(line string) bool { _, found := slices.BinarySearch(want, line); return found })
	require.Empty(t, missing[:min(len(missing), 5)], "%d of %d are missing", len(missing), len(want))
	require.Empty(t, more[:min(len(more), 5)], "there are %d more than %d", len(more), len(want))
	require.Len(t, got, len(want))
}
