package gitcli

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/ports"
)

func TestARepositoryThatCannotBeReadIsNotSaidToBeAltered(t *testing.T) {
	id, err := git.ParseRepositoryID("shop")
	require.NoError(t, err)
	for cause, reason := range map[error]errs.Reason{
		syscall.EIO: errs.ReasonInternal, syscall.EMFILE: errs.ReasonInternal,
		syscall.ENOENT: errs.ReasonUnsafeRepository, syscall.ENOTDIR: errs.ReasonUnsafeRepository,
	} {
		told := unsafeRepository(id, &fs.PathError{Op: "open", Path: "gitstore.json", Err: cause})
		assert.Equal(t, reason, errs.ReasonOf(told), "%v", cause)
	}
}

func TestWhatAStartCouldNotFinishIsFinishedBeforeTheNextWriteAlthoughNothingIsLeftOfIt(t *testing.T) {
	root := t.TempDir()
	open := func() *Store {
		s, err := Open(t.Context(), Options{Dir: root})
		require.NoError(t, err)
		return s
	}
	s := open()
	id, err := git.ParseRepositoryID("shop")
	require.NoError(t, err)
	_, err = s.CreateRepository(t.Context(), ports.CreateRepository{ID: id})
	require.NoError(t, err)
	require.NoError(t, s.Close())

	s = open()
	dir := s.root.path(id)
	branch, err := git.BranchRef("gone")
	require.NoError(t, err)
	require.NoError(t, writeIntent(dir, []repository.RefChange{{Name: branch, Old: git.SHA1.HashObject(git.BlobObject, nil)}}))
	s.refs.syncPath = func(p string) error {
		if _, err := os.Lstat(filepath.Join(dir, intentFile)); err != nil {
			return disk.Error(syscall.EIO)
		}
		return disk.Sync(p)
	}
	s.recoverRepository(t.Context(), dir) // as a start does
	require.NoFileExists(t, filepath.Join(dir, intentFile))
	r, err := s.repo(t.Context(), id)
	require.NoError(t, err)
	require.Error(t, r.certain(t.Context()))
	s.refs.syncPath = disk.Sync
	require.NoError(t, r.certain(t.Context()))
	require.NoError(t, s.Close())
	lock, err := os.ReadFile(filepath.Join(root, "lock"))
	require.NoError(t, err)
	require.NotEmpty(t, bytes.TrimSpace(lock), "the stop was not a clean one: the next start is to put everything on the disk")
}

func TestAPanicWhileARepositoryIsOpenedIsAnswered(t *testing.T) {
	var log bytes.Buffer
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	id, err := git.ParseRepositoryID("shop")
	require.NoError(t, err)
	_, err = s.CreateRepository(t.Context(), ports.CreateRepository{ID: id})
	require.NoError(t, err)
	runner := s.runner
	s.runner = nil
	_, err = s.Repository(id).Info(t.Context())
	assert.Equal(t, errs.ReasonInternal, errs.ReasonOf(err))
	s.runner = runner
	assert.Contains(t, log.String(), "loadUnpeeled", "the log tells where")
}
