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
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/mounts"
)

func TestReadsGoOnWithoutRoomOnTheDisk(t *testing.T) {
	if !mounts.Own(t) {
		return
	}
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
			require.NoError(t, unix.Mount("tmpfs", small, "tmpfs", 0, options))
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
