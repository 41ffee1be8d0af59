package nats

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALockThatCouldNotBeSyncedIsWrittenAgainByTheNextStart(t *testing.T) {
	dir := t.TempDir()
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lock.Close()) })
	e := &embedded{opts: &Options{Dir: filepath.Join(dir, "gone"), Logger: slog.New(slog.DiscardHandler)}, lock: lock}
	require.ErrorIs(t, e.enter(t.Context()), fs.ErrNotExist)
	content, err := os.ReadFile(lock.Name())
	require.NoError(t, err)
	require.Empty(t, strings.TrimSpace(string(content)))

	e.opts.Dir = dir
	require.NoError(t, e.enter(t.Context()))
	content, err = os.ReadFile(lock.Name())
	require.NoError(t, err)
	require.Equal(t, bootID(), strings.TrimSpace(string(content)))
}
