package catfile

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/mounts"
)

// repositoryOf makes a repository with a blob of size bytes.
func repositoryOf(t *testing.T, size int) (runner *command.Runner, dir string, id git.ObjectID, text string) {
	t.Helper()
	dir, text = t.TempDir(), strings.Repeat("0123456789abcdef", size/16)
	runner, err := command.NewRunner(t.Context(), "git", 1<<30, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, err = runner.Output(t.Context(), dir, command.Git("init", "--quiet", "--bare", "--template="), nil)
	require.NoError(t, err)
	out, err := runner.Output(t.Context(), dir, command.Git("hash-object", "-w", "--stdin"), strings.NewReader(text))
	require.NoError(t, err)
	id, err = git.ParseObjectID(strings.TrimSpace(string(out)))
	require.NoError(t, err)
	return runner, dir, id, text
}

// mounted mounts a file system that is as large as the options say.
func mounted(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, options))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

func poolOn(t *testing.T, runner *command.Runner, dir string, opts Options) (*Pool, *Reader) {
	t.Helper()
	pool := NewPool(runner, opts)
	t.Cleanup(pool.Close)
	r, err := pool.Open(t.Context(), dir)
	require.NoError(t, err)
	return pool, r
}

func TestReadsGoOnWithoutRoomOnTheDisk(t *testing.T) {
	if !mounts.Own(t) {
		return
	}
	runner, dir, id, text := repositoryOf(t, 4<<20)
	for name, options := range map[string]string{"full from the first byte": "size=4k,nr_inodes=1", "full in between": "size=1m"} {
		t.Run(name, func(t *testing.T) {
			pool, r := poolOn(t, runner, dir, Options{SpoolDir: mounted(t, options)})
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

func TestLargeReadsLeaveTheFreeSpaceThatIsToBeLeft(t *testing.T) {
	if !mounts.Own(t) {
		return
	}
	const size, least = 4 << 20, 6 << 20
	runner, dir, id, text := repositoryOf(t, size)
	small := mounted(t, "size=12m")
	pool, r := poolOn(t, runner, dir, Options{SpoolDir: small, MinFreeSpace: least})
	var readers []io.ReadCloser
	for i := range 3 { // as each may take a process
		content := r.Content(t.Context(), id, int64(i), int64(size-i))
		_, err := io.ReadFull(content, make([]byte, 1))
		require.NoError(t, err)
		readers = append(readers, content)
	}
	assert.Len(t, pool.spools.of, 1)
	assert.EqualValues(t, size, pool.spools.of[r], "one has room")
	for i, content := range readers {
		got, err := io.ReadAll(content)
		require.NoError(t, err)
		assert.Equal(t, text[i+1:], string(got))
		assert.GreaterOrEqual(t, disk.Available(small), uint64(least))
		require.NoError(t, content.Close())
	}
}

func TestALargeReadThatIsUnderWayLeavesTheFreeSpaceThatOthersTook(t *testing.T) {
	if !mounts.Own(t) {
		return
	}
	const size, least = 16 << 20, 10 << 20
	runner, dir, id, text := repositoryOf(t, size)
	small := mounted(t, "size=20m")
	pool, r := poolOn(t, runner, dir, Options{SpoolDir: small, MinFreeSpace: least})
	file, err := nameless(small)
	require.NoError(t, err)
	first := spooledTo(t, pool, spoolKey{r, id, 0, size}, file) // as if there had been room when it began
	_, err = io.Copy(io.Discard, first)
	assert.Equal(t, errs.ReasonStorageFull, errs.ReasonOf(err))
	assert.GreaterOrEqual(t, disk.Available(small), uint64(least-lookEvery))
	assert.Zero(t, pool.spools.coming)

	content := r.Content(t.Context(), id, 0, size)
	got, err := io.ReadAll(content)
	require.NoError(t, err)
	assert.Equal(t, text, string(got))
	require.NoError(t, content.Close())
	require.NoError(t, first.Close())
	assert.Empty(t, pool.spools.of)
}
