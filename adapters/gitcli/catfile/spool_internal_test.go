package catfile

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

func TestFullDiskIsToldToTheReaderAndForgotten(t *testing.T) {
	runner, err := command.NewRunner(t.Context(), "git", 1<<30, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = runner.Output(t.Context(), dir, command.Git("init", "--quiet", "--bare", "--template="), nil)
	require.NoError(t, err)
	text := strings.Repeat("0123456789abcdef", 1<<18)
	out, err := runner.Output(t.Context(), dir, command.Git("hash-object", "-w", "--stdin"), strings.NewReader(text))
	require.NoError(t, err)
	id, err := git.ParseObjectID(strings.TrimSpace(string(out)))
	require.NoError(t, err)
	pool := NewPool(runner, Options{SpoolDir: t.TempDir()})
	t.Cleanup(pool.Close)
	r, err := pool.Open(t.Context(), dir)
	require.NoError(t, err)
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	require.NoError(t, err)

	first := spooledTo(t, pool, spoolKey{r, id, 0, int64(len(text))}, full)
	_, err = io.Copy(io.Discard, first)
	assert.Equal(t, errs.ReasonStorageFull, errs.ReasonOf(err))

	again := r.Content(t.Context(), id, 0, int64(len(text)))
	got, err := io.ReadAll(again)
	require.NoError(t, err)
	assert.Equal(t, text, string(got))
	require.NoError(t, first.Close())
	require.NoError(t, again.Close())
	assert.Empty(t, pool.spools.open)
	assert.Zero(t, pool.spools.bytes)
	assert.Empty(t, pool.spools.of)
	assert.Zero(t, pool.spools.coming)
}

// spooledTo returns a reader of a part that is written to the file.
func spooledTo(t *testing.T, pool *Pool, part spoolKey, file *os.File) *spoolReader {
	t.Helper()
	pool.spools.mu.Lock()
	defer pool.spools.mu.Unlock()
	s, err := pool.startSpool(part, file)
	require.NoError(t, err)
	s.readers = 1
	return &spoolReader{ctx: t.Context(), spool: s}
}
