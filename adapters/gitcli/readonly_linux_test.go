package gitcli_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/mounts"
	"github.com/gitstore-dev/gitstore/ports"
)

func TestWritesToAReadOnlyFileSystemFailAndReadsGoOn(t *testing.T) {
	if !mounts.Own(t) {
		return
	}
	dir := t.TempDir()
	require.NoError(t, unix.Mount("none", dir, "tmpfs", 0, ""))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, 0)) })
	root := filepath.Join(dir, "data")
	require.NoError(t, value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: root})).Close())
	// The lock is open to be written, which keeps what it is on from becoming read-only.
	lock := filepath.Join(root, "lock")
	apart := filepath.Join(t.TempDir(), "lock")
	require.NoError(t, os.WriteFile(apart, nil, 0o600))
	require.NoError(t, unix.Mount(apart, lock, "", unix.MS_BIND, ""))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(lock, 0)) })
	s := openStore(t, root)
	r := createShop(t, s)
	head := commit(t, r, upsert(path(t, "a.md"), "one")).Commit
	require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	other := value[git.RepositoryID](t)(git.ParseRepositoryID("other"))
	for name, write := range map[string]func() error{
		"a commit": func() error {
			_, err := r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Change"}, changes(upsert(path(t, "a.md"), "two")))
			return err
		},
		"a branch": func() error {
			_, err := r.CreateBranch(t.Context(), ports.CreateBranch{Name: value[git.RefName](t)(git.BranchRef("side")), Target: git.Head()})
			return err
		},
		"a repository": func() error {
			_, err := s.CreateRepository(t.Context(), ports.CreateRepository{ID: other})
			return err
		},
		"a deletion": func() error { return s.DeleteRepository(t.Context(), shopID(t)) },
	} {
		err := write()
		assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err), "%s: %v", name, err)
	}
	value[ports.FileContent](t)(r.GetFile(t.Context(), git.Head(), path(t, "a.md")))
	assert.NoError(t, s.AdvertiseRefs(t.Context(), shopID(t), ports.AdvertiseRefs{Service: git.UploadPackService}, io.Discard))
	assert.Equal(t, head, branchAt(t, r, "main"))
	require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND, ""))
	commit(t, r, upsert(path(t, "a.md"), "two"))
}
