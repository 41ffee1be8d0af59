package gitcli

import (
	"bytes"
	"io/fs"
	"log/slog"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
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
