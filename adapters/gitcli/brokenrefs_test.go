package gitcli_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
	"github.com/gitstore-dev/gitstore/ports"
)

// overwritten writes something else into a file, and returns how to undo that.
func overwritten(t *testing.T, file, content string) (heal func()) {
	t.Helper()
	was, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return func() { require.NoError(t, os.WriteFile(file, was, 0o600)) }
}

// forbidden takes all permissions of a file away, and returns how to undo that.
func forbidden(t *testing.T, file string) (heal func()) {
	t.Helper()
	was, err := os.Stat(file)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(file, 0))
	heal = func() { require.NoError(t, os.Chmod(file, was.Mode())) }
	t.Cleanup(heal)
	return heal
}

func TestRefsThatCannotBeReadAreNotTakenForDeleted(t *testing.T) {
	if !bound(t) {
		return
	}
	main, heads := filepath.Join("refs", "heads", "main"), filepath.Join("refs", "heads")
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string) (heal func())
		reason errs.Reason
	}{
		"an empty file":    {func(t *testing.T, dir string) func() { return overwritten(t, filepath.Join(dir, main), "") }, errs.ReasonRepositoryCorrupt},
		"a damaged file":   {func(t *testing.T, dir string) func() { return overwritten(t, filepath.Join(dir, main), "\x00\x00\x00") }, errs.ReasonRepositoryCorrupt},
		"a forbidden file": {func(t *testing.T, dir string) func() { return forbidden(t, filepath.Join(dir, main)) }, errs.ReasonUnsafeRepository},
		"a directory":      {func(t *testing.T, dir string) func() { return forbidden(t, filepath.Join(dir, heads)) }, errs.ReasonUnsafeRepository},
		"a directory below it": {func(t *testing.T, dir string) func() {
			return forbidden(t, filepath.Join(dir, heads, "x"))
		}, errs.ReasonUnsafeRepository},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: root}))
			head := commit(t, createShop(t, s), upsert(path(t, "a.md"), "one")).Commit
			dir := repositoryDir(t, root)
			value[git.Ref](t)(s.Repository(shopID(t)).CreateBranch(t.Context(), ports.CreateBranch{Name: value[git.RefName](t)(git.BranchRef("x/side")), Target: git.Head()}))
			known := states(t, s)
			require.NoError(t, s.Close())
			heal := c.damage(t, dir)

			s = openStore(t, root)
			_, err := s.Repository(shopID(t)).GetFile(t.Context(), git.Head(), path(t, "a.md"))
			assert.Equal(t, c.reason, errs.ReasonOf(err), "%v", err)
			assert.NotContains(t, err.Error(), root)
			err = s.AdvertiseRefs(t.Context(), shopID(t), ports.AdvertiseRefs{Service: git.UploadPackService}, io.Discard)
			assert.Equal(t, c.reason, errs.ReasonOf(err), "%v", err)
			assert.True(t, states(t, s)["shop"].Unreadable)
			other := value[git.RepositoryID](t)(git.ParseRepositoryID("other"))
			value[ports.RepositoryInfo](t)(s.CreateRepository(t.Context(), ports.CreateRepository{ID: other}))
			commit(t, s.Repository(other), upsert(path(t, "a.md"), "two"))

			heal()
			worksAgain(t, s)
			assert.Equal(t, known["shop"], states(t, s)["shop"])
			assert.Equal(t, head, branchAt(t, s.Repository(shopID(t)), "main"))
		})
	}
}

// worksAgain waits until a repository can be read.
func worksAgain(t *testing.T, s *gitcli.Store) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := s.Repository(shopID(t)).GetFile(t.Context(), git.Head(), path(t, "a.md"))
		return err == nil
	}, time.Minute, 10*time.Millisecond)
}

func TestARefOfWhichABatchFindsAnEmptyFileIsNotMovedAndNotLost(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	r := createShop(t, s)
	head := commit(t, r, upsert(path(t, "a.md"), "one")).Commit
	heal := overwritten(t, filepath.Join(repositoryDir(t, root), "refs", "heads", "main"), "")
	for range 2 {
		_, err := r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Change"}, changes(upsert(path(t, "a.md"), "two")))
		assert.Equal(t, errs.ReasonRepositoryCorrupt, errs.ReasonOf(err), "%v", err)
		assert.Equal(t, head, branchAt(t, r, "main"))
	}
	heal()
	made := commit(t, r, upsert(path(t, "a.md"), "two")).Commit
	assert.Equal(t, []git.ObjectID{head}, value[*git.Commit](t)(r.GetCommit(t.Context(), git.AtCommit(made))).Parents)
}

func TestSymbolicRefsAndFilesThatAreNoRefsAreNoDamage(t *testing.T) {
	root := t.TempDir()
	s := value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: root}))
	commit(t, createShop(t, s), upsert(path(t, "a.md"), "one"))
	known := states(t, s)
	require.NoError(t, s.Close())
	dir := repositoryDir(t, root)
	gitcmd.Run(t, nil, "--git-dir="+dir, "symbolic-ref", "refs/heads/nowhere", "refs/heads/none")
	heads := filepath.Join(dir, "refs", "heads")
	require.NoError(t, os.WriteFile(filepath.Join(heads, ".backup"), nil, 0o600))
	s = openStore(t, root)
	require.NoError(t, os.WriteFile(filepath.Join(heads, "main.lock"), nil, 0o600))
	worksAgain(t, s)
	assert.Equal(t, known, states(t, s))
}
