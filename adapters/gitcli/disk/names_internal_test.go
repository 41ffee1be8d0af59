package disk

import (
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// attempt is one sync of a directory that waits for how it is to end.
type attempt struct {
	again bool
	ends  chan error
}

func attempts() (*directories, chan attempt) {
	begun := make(chan attempt)
	return &directories{at: map[string]*directory{}, write: func(_ string, again bool) error {
		a := attempt{again, make(chan error)}
		begun <- a
		return <-a.ends
	}}, begun
}

func TestADirectoryWhoseSyncFailedIsWrittenAgainUntilItIsOnTheDisk(t *testing.T) {
	d, begun := attempts()
	for _, step := range []struct {
		again bool
		err   error
	}{{false, syscall.EIO}, {true, syscall.EIO}, {true, nil}, {false, fs.ErrNotExist}, {false, nil}} {
		ended := make(chan error)
		go func() { ended <- d.sync("a") }()
		a := <-begun
		require.Equal(t, step.again, a.again)
		a.ends <- step.err
		require.Equal(t, step.err, <-ended)
	}
	require.Empty(t, d.at)
	d.doubt("a")
	go func() { _ = d.sync("a") }()
	a := <-begun
	require.True(t, a.again, "it was in doubt")
	a.ends <- nil
}

func TestThoseWhoComeDuringASyncShareTheNextWhichKnowsThatItFailed(t *testing.T) {
	d, begun := attempts()
	var first, others errgroup.Group
	first.Go(func() error { return d.sync("a") })
	running := <-begun
	for range 3 {
		others.Go(func() error { return d.sync("a") })
	}
	require.Eventually(t, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.at["a"].next != nil
	}, time.Minute, time.Millisecond)
	select {
	case <-begun:
		t.Fatal("two syncs of a directory at once: one could hide that the other failed")
	default:
	}
	running.ends <- syscall.EIO
	require.ErrorIs(t, first.Wait(), syscall.EIO)
	shared := <-begun
	require.True(t, shared.again)
	shared.ends <- nil
	done := make(chan struct{})
	go func() {
		for {
			select {
			case late := <-begun:
				late.ends <- nil
			case <-done:
				return
			}
		}
	}()
	require.NoError(t, others.Wait())
	close(done)
}

func TestADirectoryIsWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	long := time.Unix(1, 0)
	require.NoError(t, os.Chtimes(dir, long, long))
	require.NoError(t, SyncDir(dir))
	require.True(t, written(t, dir).Equal(long))
	Doubt(dir)
	require.NoError(t, SyncDir(dir))
	require.False(t, written(t, dir).Equal(long))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func written(t *testing.T, dir string) time.Time {
	t.Helper()
	info, err := os.Stat(dir)
	require.NoError(t, err)
	return info.ModTime()
}
