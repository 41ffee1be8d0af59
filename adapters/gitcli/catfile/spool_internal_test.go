package catfile

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

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

	part := spoolKey{r, id, 0, int64(len(text))}
	pool.spools.mu.Lock()
	s, err := pool.startSpool(part, full)
	require.NoError(t, err)
	s.readers = 1
	pool.spools.mu.Unlock()
	first := &spoolReader{ctx: t.Context(), spool: s}
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
}

func TestReadsGoOnWithoutRoomOnTheDisk(t *testing.T) {
	dir, text := t.TempDir(), strings.Repeat("0123456789abcdef", 1<<18)
	runner, err := command.NewRunner(t.Context(), "git", 1<<30, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, err = runner.Output(t.Context(), dir, command.Git("init", "--quiet", "--bare", "--template="), nil)
	require.NoError(t, err)
	out, err := runner.Output(t.Context(), dir, command.Git("hash-object", "-w", "--stdin"), strings.NewReader(text))
	require.NoError(t, err)
	id, err := git.ParseObjectID(strings.TrimSpace(string(out)))
	require.NoError(t, err)
	for name, options := range map[string]string{"full from the first byte": "size=4k,nr_inodes=1", "full in between": "size=1m"} {
		t.Run(name, func(t *testing.T) {
			small := t.TempDir()
			if err := unix.Mount("tmpfs", small, "tmpfs", 0, options); err != nil {
				t.Skipf("no file system can be mounted: %v", err)
			}
			t.Cleanup(func() { require.NoError(t, unix.Unmount(small, unix.MNT_DETACH)) })
			pool := NewPool(runner, Options{SpoolDir: small})
			t.Cleanup(pool.Close)
			r, err := pool.Open(t.Context(), dir)
			require.NoError(t, err)
			for range 8 { // more than processes of a repository
				content := r.Content(t.Context(), id, 3, int64(len(text))-5)
				got, err := io.ReadAll(content)
				require.NoError(t, err)
				assert.Equal(t, text[3:len(text)-2], string(got))
				require.NoError(t, content.Close())
			}
			pool.spools.mu.Lock()
			defer pool.spools.mu.Unlock()
			assert.Empty(t, pool.spools.open)
		})
	}
}
