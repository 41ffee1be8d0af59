package gitcli_test

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// bound reports whether the permissions of files bind this process. Those of root usually do not: then the test is run in
// another process, without the capabilities that make it so, and is done here.
func bound(t *testing.T) bool {
	t.Helper()
	probe := t.TempDir()
	require.NoError(t, os.Chmod(probe, 0))
	if _, err := os.ReadDir(probe); err != nil {
		return true
	}
	runtime.LockOSThread() // which ends with the test
	for _, capability := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH} {
		require.NoError(t, unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0))
	}
	out, err := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "no tests to run")
	return false
}

func TestWhatCannotBeReadAtTheStartKeepsNoOtherRepositoryFromBeingServed(t *testing.T) {
	if !bound(t) {
		return
	}
	for name, c := range map[string]struct {
		unread func(root, shop string) string
		// reason is what calls of the repository fail with; none if they do not.
		reason errs.Reason
		// unreadable is whether the journal is told that its refs cannot be known.
		unreadable bool
	}{
		"the repository":                 {func(_, shop string) string { return shop }, errs.ReasonUnsafeRepository, true},
		"its metadata":                   {func(_, shop string) string { return filepath.Join(shop, "gitstore.json") }, errs.ReasonUnsafeRepository, true},
		"a directory in it":              {func(_, shop string) string { return filepath.Join(shop, "objects", "pack") }, errs.ReasonUnsafeRepository, false},
		"the directory it is in":         {func(_, shop string) string { return filepath.Dir(shop) }, errs.ReasonUnsafeRepository, true},
		"the directory above that":       {func(_, shop string) string { return filepath.Dir(filepath.Dir(shop)) }, errs.ReasonUnsafeRepository, true},
		"what is left of another one":    {func(root, _ string) string { return filepath.Join(root, "tmp", "delete-1") }, "", false},
		"an entry beside the repository": {func(_, shop string) string { return filepath.Join(filepath.Dir(shop), "backup") }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: root}))
			commit(t, createShop(t, s), upsert(path(t, "a.md"), "one"))
			shop := repositoryDir(t, root)
			otherID := value[git.RepositoryID](t)(git.ParseRepositoryID("other"))
			value[ports.RepositoryInfo](t)(s.CreateRepository(t.Context(), ports.CreateRepository{ID: otherID}))
			require.NoError(t, s.Close())

			lock := filepath.Join(shop, "refs", "heads", "main.lock")
			require.NoError(t, os.WriteFile(lock, nil, 0o600))
			unread := c.unread(root, shop)
			if _, err := os.Stat(unread); err != nil {
				require.NoError(t, os.MkdirAll(filepath.Join(unread, "below"), 0o700))
			}
			was := value[os.FileInfo](t)(os.Stat(unread)).Mode()
			require.NoError(t, os.Chmod(unread, 0))
			t.Cleanup(func() { _ = os.Chmod(unread, was) })
			var log bytes.Buffer
			s = value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: root, Logger: slog.New(slog.NewJSONHandler(&log, nil))}))
			assert.Equal(t, 1, strings.Count(log.String(), `"level":"ERROR"`), "%s", log.String())
			assert.Contains(t, log.String(), "restart the service")
			if !c.unreadable {
				assert.NoFileExists(t, lock)
			}
			commit(t, s.Repository(otherID), upsert(path(t, "a.md"), "two"))
			_, err := s.Repository(shopID(t)).GetFile(t.Context(), git.Head(), path(t, "a.md"))
			if c.reason == "" {
				assert.NoError(t, err)
			} else {
				assert.Equal(t, c.reason, errs.ReasonOf(err), "%v", err)
			}
			for state, err := range s.States(t.Context(), shopID(t)) {
				require.NoError(t, err)
				assert.Equal(t, c.unreadable, state.Unreadable)
			}
			if c.unreadable {
				assert.Equal(t, c.reason, errs.ReasonOf(s.DeleteRepository(t.Context(), shopID(t))))
			}
			require.NoError(t, s.Close())

			require.NoError(t, os.Chmod(unread, was))
			s = openStore(t, root)
			value[ports.FileContent](t)(s.Repository(shopID(t)).GetFile(t.Context(), git.Head(), path(t, "a.md")))
		})
	}
}

func TestRefsWhoseNamesAreNotUTF8DoNotKeepTheStoreFromBeingOpened(t *testing.T) {
	root := t.TempDir()
	s := value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: root}))
	commit(t, createShop(t, s), upsert(path(t, "a.md"), "one"))
	require.NoError(t, s.Import(t.Context(), shopID(t), strings.NewReader("reset refs/heads/caf\xe9/menu\nfrom refs/heads/main\n\ndone\n")))
	require.NoError(t, s.Close())
	lock := filepath.Join(repositoryDir(t, root), "refs", "heads", "caf\xe9", "menu.lock")
	require.NoError(t, os.WriteFile(lock, nil, 0o600))
	s = openStore(t, root)
	assert.NoFileExists(t, lock)
	menu := git.AtRef(value[git.RefName](t)(git.ParseRefName("refs/heads/caf\xe9/menu")))
	value[ports.FileContent](t)(s.Repository(shopID(t)).GetFile(t.Context(), menu, path(t, "a.md")))
}
