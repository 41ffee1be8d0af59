package catfile_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/catfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// stalled returns readers of parts of the large blob, all different, that have read one byte.
func stalled(t *testing.T, r *catfile.Reader, id git.ObjectID, n int) []io.ReadCloser {
	t.Helper()
	readers := make([]io.ReadCloser, n)
	for i := range readers {
		readers[i] = r.Content(t.Context(), id, int64(i), int64(len(large)-i))
		got := make([]byte, 1)
		_, err := io.ReadFull(readers[i], got)
		require.NoError(t, err)
		require.Equal(t, large[i], got[0])
	}
	return readers
}

// nameless returns how many files below dir are open and have no name.
func nameless(t *testing.T, dir string) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	n := 0
	for _, fd := range fds {
		name, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name()))
		if err == nil && strings.HasPrefix(name, dir) && strings.HasSuffix(name, "(deleted)") {
			n++
		}
	}
	return n
}

func assertNothingIsHeld(t *testing.T, pool *catfile.Pool, spoolDir string) {
	t.Helper()
	assert.Eventually(t, func() bool { return pool.Busy() == 0 && nameless(t, spoolDir) == 0 }, 10*time.Second, time.Millisecond)
	left, err := os.ReadDir(spoolDir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestStalledReadersHoldNoProcess(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large, strings.ToUpper(large))
	spoolDir := t.TempDir()
	pool := newPool(t, runner, catfile.Options{MaxProcesses: 2, SpoolDir: spoolDir})
	r := open(t, pool, dir)
	readers := stalled(t, r, ids[0], 8)
	require.Eventually(t, func() bool { return pool.Busy() == 0 }, 10*time.Second, time.Millisecond)
	other := r.Content(t.Context(), ids[1], 0, int64(len(large)))
	got, err := io.ReadAll(other)
	require.NoError(t, err)
	assert.Equal(t, strings.ToUpper(large), string(got))
	require.NoError(t, other.Close())
	part := r.Content(t.Context(), ids[0], 1<<20+10, 6)
	got, err = io.ReadAll(part)
	require.NoError(t, err)
	assert.Equal(t, "abcdef", string(got))
	require.NoError(t, part.Close())
	for i, reader := range readers {
		got, err := io.ReadAll(reader)
		require.NoError(t, err)
		assert.Equal(t, large[i+1:], string(got))
		require.NoError(t, reader.Close())
	}
	assertNothingIsHeld(t, pool, spoolDir)
}

func TestContentThatNobodyReadsAsksGitNothing(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	pool := newPool(t, runner, catfile.Options{})
	r := open(t, pool, dir)
	before := runner.Started()
	content := r.Content(t.Context(), ids[0], 0, int64(len(large)))
	assert.Zero(t, pool.Busy())
	require.NoError(t, content.Close())
	end := r.Content(t.Context(), ids[0], int64(len(large)), 0)
	_, err := end.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, before, runner.Started())
}

func TestReadersOfTheSamePartShareOneFile(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	spoolDir := t.TempDir()
	pool := newPool(t, runner, catfile.Options{SpoolDir: spoolDir})
	r := open(t, pool, dir)
	var readers []io.ReadCloser
	for range 8 {
		reader := r.Content(t.Context(), ids[0], 0, int64(len(large)))
		_, err := io.ReadFull(reader, make([]byte, 1))
		require.NoError(t, err)
		readers = append(readers, reader)
	}
	assert.Equal(t, 1, nameless(t, spoolDir))
	for _, reader := range readers {
		got, err := io.ReadAll(reader)
		require.NoError(t, err)
		assert.Equal(t, large[1:], string(got))
		require.NoError(t, reader.Close())
	}
	assertNothingIsHeld(t, pool, spoolDir)
}

func TestReadersThatLeaveEarlyLeaveNothing(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	spoolDir := t.TempDir()
	pool := newPool(t, runner, catfile.Options{SpoolDir: spoolDir})
	r := open(t, pool, dir)
	for _, read := range []int64{0, 1, 1 << 20} {
		for _, size := range []int{1000, len(large)} {
			t.Run(fmt.Sprint(read, " of ", size), func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				canceled := r.Content(ctx, ids[0], 0, int64(size))
				_, err := io.CopyN(io.Discard, canceled, min(read, int64(size)))
				require.NoError(t, err)
				cancel()
				_, err = canceled.Read(make([]byte, 1))
				require.ErrorIs(t, err, context.Canceled)
				require.NoError(t, canceled.Close())
				closed := r.Content(t.Context(), ids[0], 0, int64(size))
				_, err = io.CopyN(io.Discard, closed, min(read, int64(size)))
				require.NoError(t, err)
				require.NoError(t, closed.Close())
				require.NoError(t, closed.Close())
				assertNothingIsHeld(t, pool, spoolDir)
			})
		}
	}
}

func TestWaitForAProcessForLargeObjectsIsBounded(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	pool := newPool(t, runner, catfile.Options{MaxWait: time.Millisecond})
	r := open(t, pool, dir)
	var holders []io.Closer
	for range 4 {
		_, s, err := r.Stream(t.Context(), ids[0])
		require.NoError(t, err)
		holders = append(holders, s)
	}
	for _, size := range []int64{10, int64(len(large))} {
		content := r.Content(t.Context(), ids[0], 0, size)
		_, err := content.Read(make([]byte, 1))
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(err))
		_, again := content.Read(make([]byte, 1))
		assert.Equal(t, err, again)
		require.NoError(t, content.Close())
	}
	for _, h := range holders {
		require.NoError(t, h.Close())
	}
	require.Eventually(t, func() bool { return pool.Busy() == 0 }, 10*time.Second, time.Millisecond)
	content := r.Content(t.Context(), ids[0], 0, 10)
	_, err := io.ReadAll(content)
	require.NoError(t, err)
	require.NoError(t, content.Close())
}

func TestFilesThatWaitForReadersAreBounded(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	spoolDir := t.TempDir()
	pool := newPool(t, runner, catfile.Options{SpoolDir: spoolDir, MaxSpooled: int64(len(large)) - 1})
	r := open(t, pool, dir)
	first := stalled(t, r, ids[0], 1)[0]
	refused := r.Content(t.Context(), ids[0], 1, int64(len(large))-1)
	_, err := refused.Read(make([]byte, 1))
	assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(err))
	require.NoError(t, refused.Close())
	require.NoError(t, first.Close())
	assertNothingIsHeld(t, pool, spoolDir)
	require.NoError(t, stalled(t, r, ids[0], 1)[0].Close())
	assertNothingIsHeld(t, pool, spoolDir)
}

func TestARepositoryTakesNoMoreThanItsShareOfWhatWaitsForReaders(t *testing.T) {
	runner := newRunner(t)
	spoolDir := t.TempDir()
	pool := newPool(t, runner, catfile.Options{SpoolDir: spoolDir, MaxSpooled: 10 * int64(len(large)), RepositoryShare: 30})
	dir, ids := repositoryWith(t, runner, large)
	r := open(t, pool, dir)
	slow := stalled(t, r, ids[0], 3)
	refused := r.Content(t.Context(), ids[0], 7, int64(len(large))-7)
	_, err := refused.Read(make([]byte, 1))
	assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(err))
	require.NoError(t, refused.Close())

	otherDir, otherIDs := repositoryWith(t, runner, large)
	others := stalled(t, open(t, pool, otherDir), otherIDs[0], 3)
	require.NoError(t, slow[0].Close())
	again := r.Content(t.Context(), ids[0], 7, int64(len(large))-7)
	got, err := io.ReadAll(again)
	require.NoError(t, err)
	assert.Equal(t, large[7:], string(got))
	for _, reader := range append(append(slow[1:], others...), again) {
		require.NoError(t, reader.Close())
	}
	assertNothingIsHeld(t, pool, spoolDir)
}

func TestDiskThatFailsIsToldToTheReader(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	r := open(t, newPool(t, runner, catfile.Options{SpoolDir: filepath.Join(dir, "missing")}), dir)
	content := r.Content(t.Context(), ids[0], 0, int64(len(large)))
	_, err := content.Read(make([]byte, 1))
	assert.Equal(t, errs.ReasonInternal, errs.ReasonOf(err))
	require.NoError(t, content.Close())
}

func TestContentThatIsNotThereIsCorruption(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	spoolDir := t.TempDir()
	pool := newPool(t, runner, catfile.Options{SpoolDir: spoolDir})
	r := open(t, pool, dir)
	absent := git.SHA1.HashObject(git.BlobObject, []byte("absent"))
	for _, content := range []io.ReadCloser{
		r.Content(t.Context(), absent, 0, 10),
		r.Content(t.Context(), absent, 0, 1<<20),
		r.Content(t.Context(), ids[0], int64(len(large)), 10),
		r.Content(t.Context(), ids[0], 10, int64(len(large))),
	} {
		_, err := io.ReadAll(content)
		assert.Equal(t, errs.ReasonRepositoryCorrupt, errs.ReasonOf(err))
		require.NoError(t, content.Close())
	}
	assertNothingIsHeld(t, pool, spoolDir)
}

func TestClosedPoolEndsWhatIsBeingWritten(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	spoolDir := t.TempDir()
	pool := newPool(t, runner, catfile.Options{SpoolDir: spoolDir})
	r := open(t, pool, dir)
	reader := stalled(t, r, ids[0], 1)[0]
	pool.Close()
	assert.Zero(t, pool.Busy())
	late := r.Content(t.Context(), ids[0], 7, int64(len(large))-7)
	_, err := late.Read(make([]byte, 1))
	assert.Equal(t, errs.ReasonDraining, errs.ReasonOf(err))
	require.NoError(t, late.Close())
	require.NoError(t, reader.Close())
	assertNothingIsHeld(t, pool, spoolDir)
}
