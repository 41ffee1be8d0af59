package command

import (
	"bufio"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProcessThatEndedIsNotKilledWhoeverHasItsIDNow(t *testing.T) {
	runner, err := NewRunner(t.Context(), "git", 1<<30, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ended, err := runner.Start(t.TempDir(), Git("version"))
	require.NoError(t, err)
	require.NoError(t, ended.Close())
	dir := t.TempDir()
	_, err = runner.Output(t.Context(), dir, Git("init", "--quiet", "--bare", "--template="), nil)
	require.NoError(t, err)
	other, err := runner.Start(dir, Git("update-ref", "--no-deref", "--stdin"))
	require.NoError(t, err)

	ended.child.Process = other.child.Process
	ended.Kill()
	ended.Discard()

	_, err = other.Stdin.Write([]byte("start\n"))
	require.NoError(t, err)
	answer, err := bufio.NewReader(other.Stdout).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "start: ok\n", answer)
	require.NoError(t, other.Close())
}

func TestProcessIsKilledWhileItIsWaitedFor(t *testing.T) {
	runner, err := NewRunner(t.Context(), "git", 1<<30, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = runner.Output(t.Context(), dir, Git("init", "--quiet", "--bare", "--template="), nil)
	require.NoError(t, err)
	p, err := runner.Start(dir, Git("update-ref", "--no-deref", "--stdin"))
	require.NoError(t, err)
	ended := make(chan error)
	go func() { ended <- p.child.wait() }()
	p.Kill()
	require.ErrorContains(t, <-ended, "killed")
	p.Kill()
}
