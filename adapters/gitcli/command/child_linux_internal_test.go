package command

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestWhatRunsInTheBackgroundLeavesTheCoresToOthers(t *testing.T) {
	runner, err := NewRunner(t.Context(), "git", 1<<30, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = runner.Output(t.Context(), dir, Git("init", "--quiet", "--bare", "--template="), nil)
	require.NoError(t, err)
	read := Git("cat-file", "--batch")
	for _, c := range []struct {
		Command
		nice int
	}{{read, 0}, {read.InBackground(), 10}} {
		p, err := runner.Start(dir, c.Command)
		require.NoError(t, err)
		of, err := unix.Getpriority(unix.PRIO_PROCESS, p.child.Process.Pid)
		require.NoError(t, err)
		assert.Equal(t, c.nice, 20-of) // the system call never returns a negative number: getpriority(2)
		require.NoError(t, p.Close())
	}
}
