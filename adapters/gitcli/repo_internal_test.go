package gitcli

import (
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
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
