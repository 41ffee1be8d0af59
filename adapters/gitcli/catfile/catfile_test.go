package catfile_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/catfile"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newRunner(t *testing.T) *command.Runner {
	t.Helper()
	runner, err := command.NewRunner(t.Context(), "git", 1<<30, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return runner
}

// repositoryWith makes a bare repository that holds blobs.
func repositoryWith(t *testing.T, runner *command.Runner, contents ...string) (dir string, ids []git.ObjectID) {
	t.Helper()
	dir = t.TempDir()
	_, err := runner.Output(t.Context(), dir, command.Git("init", "--quiet", "--bare", "--template="), nil)
	require.NoError(t, err)
	for _, content := range contents {
		out, err := runner.Output(t.Context(), dir, command.Git("hash-object", "-w", "--stdin"), strings.NewReader(content))
		require.NoError(t, err)
		id, err := git.ParseObjectID(strings.TrimSpace(string(out)))
		require.NoError(t, err)
		ids = append(ids, id)
	}
	return dir, ids
}

func newPool(t *testing.T, runner *command.Runner, opts catfile.Options) *catfile.Pool {
	t.Helper()
	pool := catfile.NewPool(runner, opts)
	t.Cleanup(pool.Close)
	return pool
}

func open(t *testing.T, pool *catfile.Pool, dir string) *catfile.Reader {
	t.Helper()
	r, err := pool.Open(t.Context(), dir)
	require.NoError(t, err)
	return r
}

var large = strings.Repeat("0123456789abcdef", 1<<18)

func TestAnswersComeInOrderAndMissingOnesDoNotShiftThem(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, "one", "", "three\nlines\n")
	r := open(t, newPool(t, runner, catfile.Options{}), dir)
	absent := git.SHA1.HashObject(git.BlobObject, []byte("absent"))
	objects, err := r.Objects(t.Context(), []git.ObjectID{ids[2], absent, ids[1], ids[0], ids[2]}, 100)
	require.NoError(t, err)
	var got []string
	for _, o := range objects {
		got = append(got, fmt.Sprintf("%v %d %s", o.Type, o.Size, o.Content))
	}
	assert.Equal(t, []string{"blob 12 three\nlines\n", "unknown 0 ", "blob 0 ", "blob 3 one", "blob 12 three\nlines\n"}, got)
	assert.True(t, objects[1].ID.IsZero())
}

func TestMoreQuestionsThanAPipeHoldsAreAnswered(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, strings.Repeat("x", 800))
	r := open(t, newPool(t, runner, catfile.Options{}), dir)
	many := make([]git.ObjectID, 5000)
	for i := range many {
		many[i] = ids[0]
	}
	objects, err := r.Objects(t.Context(), many, 1<<20)
	require.NoError(t, err)
	for _, o := range objects {
		require.Len(t, o.Content, 800)
	}
}

func TestAnExchangeBringsNoMoreThanFitsTheMemory(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, strings.Repeat("x", catfile.MaxContents-1), "xx", "x", strings.Repeat("y", catfile.MaxContents+1))
	r := open(t, newPool(t, runner, catfile.Options{}), dir)
	objects, err := r.Objects(t.Context(), ids, 2*catfile.MaxContents)
	require.NoError(t, err)
	for i, want := range []int{catfile.MaxContents - 1, 0, 1, 0} {
		assert.Len(t, objects[i].Content, want)
		assert.Equal(t, ids[i], objects[i].ID)
	}
	objects, err = r.Objects(t.Context(), ids[3:], 2*catfile.MaxContents)
	require.NoError(t, err)
	assert.Len(t, objects[0].Content, catfile.MaxContents+1, "one alone is brought")
}

func TestBlobAboveTheLimitIsPassedOver(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large, "small")
	r := open(t, newPool(t, runner, catfile.Options{}), dir)
	objects, err := r.Objects(t.Context(), ids, 1000)
	require.NoError(t, err)
	assert.Nil(t, objects[0].Content)
	assert.Equal(t, int64(len(large)), objects[0].Size)
	assert.Equal(t, "small", string(objects[1].Content))
}

func TestHugeBlobAmongOthersIsPassedOver(t *testing.T) {
	runner := newRunner(t)
	huge := strings.Repeat(large, 9)
	dir, ids := repositoryWith(t, runner, "one", huge, "three")
	pool := newPool(t, runner, catfile.Options{})
	r := open(t, pool, dir)
	absent := git.SHA1.HashObject(git.BlobObject, []byte("absent"))
	objects, err := r.Objects(t.Context(), []git.ObjectID{ids[0], ids[1], absent, ids[2]}, 1000)
	require.NoError(t, err)
	assert.Equal(t, []string{"one", "", "", "three"}, []string{
		string(objects[0].Content), string(objects[1].Content), string(objects[2].Content), string(objects[3].Content),
	})
	assert.Equal(t, []int64{3, int64(len(huge)), 0, 5}, []int64{objects[0].Size, objects[1].Size, objects[2].Size, objects[3].Size})
	assert.True(t, objects[2].ID.IsZero())
	assert.Zero(t, pool.Busy())
}

func TestStreamGivesItsProcessBack(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	pool := newPool(t, runner, catfile.Options{})
	r := open(t, pool, dir)
	readAll := func() {
		info, stream, err := r.Stream(t.Context(), ids[0])
		require.NoError(t, err)
		got, err := io.ReadAll(stream)
		require.NoError(t, err)
		assert.Equal(t, info.Size, int64(len(got)))
		require.NoError(t, stream.Close())
	}
	readAll()
	before := runner.Started()
	readAll()
	readAll()
	assert.Equal(t, before, runner.Started())
}

func TestSmallReadsDoNotWaitForStreams(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large, "small")
	r := open(t, newPool(t, runner, catfile.Options{}), dir)
	for range 4 {
		_, stream, err := r.Stream(t.Context(), ids[0])
		require.NoError(t, err)
		defer func() { assert.NoError(t, stream.Close()) }()
	}
	objects, err := r.Objects(t.Context(), ids[1:], 100)
	require.NoError(t, err)
	assert.Equal(t, "small", string(objects[0].Content))
}

func TestCanceledStreamEndsAndTheNextReadWorks(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	r := open(t, newPool(t, runner, catfile.Options{}), dir)
	ctx, cancel := context.WithCancel(t.Context())
	_, stream, err := r.Stream(ctx, ids[0])
	require.NoError(t, err)
	_, err = io.ReadFull(stream, make([]byte, 10))
	require.NoError(t, err)
	cancel()
	_, err = io.Copy(io.Discard, stream)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, stream.Close())
	infos, err := r.Infos(t.Context(), ids)
	require.NoError(t, err)
	assert.Equal(t, int64(len(large)), infos[0].Size)
}

func TestManyRepositoriesShareFewProcesses(t *testing.T) {
	runner := newRunner(t)
	pool := newPool(t, runner, catfile.Options{MaxProcesses: 4})
	var readers []*catfile.Reader
	var ids []git.ObjectID
	for i := range 12 {
		dir, id := repositoryWith(t, runner, fmt.Sprint("repository ", i))
		readers, ids = append(readers, open(t, pool, dir)), append(ids, id[0])
	}
	var callers sync.WaitGroup
	for range 3 {
		for i, r := range readers {
			callers.Go(func() {
				objects, err := r.Objects(t.Context(), ids[i:i+1], 100)
				if assert.NoError(t, err) {
					assert.Equal(t, fmt.Sprint("repository ", i), string(objects[0].Content))
				}
				assert.LessOrEqual(t, pool.Processes(), 4)
			})
		}
	}
	callers.Wait()
}

func TestReadThatWouldWaitBehindTooManyIsRefused(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	pool := newPool(t, runner, catfile.Options{MaxProcesses: 2, MaxWaiting: 1})
	r := open(t, pool, dir)
	for range 2 {
		_, stream, err := r.Stream(t.Context(), ids[0])
		require.NoError(t, err)
		defer func() { assert.NoError(t, stream.Close()) }()
	}
	ctx, cancel := context.WithCancel(t.Context())
	outcomes := make(chan error)
	for range 2 {
		go func() {
			_, err := r.Infos(ctx, ids)
			outcomes <- err
		}()
	}
	assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(<-outcomes), "one waits, so the other is refused")
	cancel()
	require.ErrorIs(t, <-outcomes, context.Canceled)
}

func TestIdleProcessesEnd(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, "x")
	pool := newPool(t, runner, catfile.Options{IdleTimeout: 20 * time.Millisecond})
	r := open(t, pool, dir)
	require.Eventually(t, func() bool { return pool.Processes() == 0 }, 10*time.Second, time.Millisecond)
	_, err := r.Infos(t.Context(), ids)
	require.NoError(t, err)
}

func TestOldProcessesMakeRoomForNewOnes(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, "x")
	r := open(t, newPool(t, runner, catfile.Options{MaxAge: time.Nanosecond}), dir)
	for range 3 {
		before := runner.Started()
		_, err := r.Infos(t.Context(), ids)
		require.NoError(t, err)
		_, err = r.Infos(t.Context(), ids)
		require.NoError(t, err)
		assert.Greater(t, runner.Started(), before)
	}
}

func TestClosedPoolIsDraining(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, "x")
	pool := newPool(t, runner, catfile.Options{})
	r := open(t, pool, dir)
	pool.Close()
	_, err := r.Infos(t.Context(), ids)
	assert.Equal(t, errs.ReasonDraining, errs.ReasonOf(err))
	assert.Zero(t, pool.Processes())
}

func TestProcessThatDiesIsReplaced(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	r := open(t, newPool(t, runner, catfile.Options{}), dir)
	for range 4 {
		killChildren(t)
		infos, err := r.Infos(t.Context(), ids)
		require.NoError(t, err)
		assert.Equal(t, int64(len(large)), infos[0].Size)
	}
}

// killChildren kills the git processes of this test, as the kernel does when memory is short.
func killChildren(t *testing.T) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	for _, task := range tasks {
		children, err := os.ReadFile(filepath.Join("/proc/self/task", task.Name(), "children"))
		if err != nil {
			continue // the thread has ended
		}
		for pid := range strings.FieldsSeq(string(children)) {
			n, err := strconv.Atoi(pid)
			require.NoError(t, err)
			require.NoError(t, syscall.Kill(n, syscall.SIGKILL))
		}
	}
}

func TestCanceledReadLeavesTheRepositoryReadable(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	r := open(t, newPool(t, runner, catfile.Options{}), dir)
	for range 8 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := r.Infos(ctx, ids)
		require.ErrorIs(t, err, context.Canceled)
		_, err = r.Infos(t.Context(), ids)
		require.NoError(t, err)
	}
}

func TestBeginningOfALargeObjectCostsNoProcess(t *testing.T) {
	runner := newRunner(t)
	dir, ids := repositoryWith(t, runner, large)
	pool := newPool(t, runner, catfile.Options{})
	r := open(t, pool, dir)
	beginning := func() {
		_, stream, err := r.Stream(t.Context(), ids[0])
		require.NoError(t, err)
		_, err = io.ReadFull(stream, make([]byte, 100))
		require.NoError(t, err)
		require.NoError(t, stream.Close())
		require.Eventually(t, func() bool { return pool.Busy() == 0 }, 10*time.Second, time.Millisecond)
	}
	beginning()
	before := runner.Started()
	for range 5 {
		beginning()
	}
	assert.Equal(t, before, runner.Started())
}
