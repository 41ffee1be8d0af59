package gitcli

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
)

// idleProcess is a process of a repository that nobody uses just now.
func idleProcess(t *testing.T) (*refProcesses, *refProcess) {
	t.Helper()
	runner, err := command.NewRunner(t.Context(), "git", 0, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	s := &refProcesses{runner: runner, most: 1, timeout: time.Minute, maxTransactions: 10, syncPath: disk.Sync}
	dir := t.TempDir()
	_, err = runner.Output(t.Context(), dir, command.Git("init", "--quiet", "--bare", "--template="), nil)
	require.NoError(t, err)
	p, err := s.take(dir)
	require.NoError(t, err)
	s.give(p)
	return s, p
}

func TestAProcessThatNobodyUsesIsEnded(t *testing.T) {
	s, p := idleProcess(t)
	s.forgetUnused(p.used)
	assert.Len(t, s.idle, 1)
	s.forgetUnused(p.used.Add(1))
	assert.Empty(t, s.idle)
	_, err := p.p.Stdin.Write([]byte("start\n"))
	assert.Error(t, err, "the process goes on")
}

func TestTheProcessOfATransactionThatPanicsIsEnded(t *testing.T) {
	s, p := idleProcess(t)
	assert.Panics(t, func() {
		_ = s.transact(context.Background(), p.dir, nil, false, func() error { panic("stored") })
	})
	assert.Empty(t, s.idle)
	_, err := p.p.Stdin.Write([]byte("start\n"))
	assert.Error(t, err, "the process goes on")
}
