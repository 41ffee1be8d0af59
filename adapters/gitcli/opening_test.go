package gitcli_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// newest returns the file of the kind among the packs that was written last.
func newest(t *testing.T, dir, kind string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "*."+kind))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return slices.MaxFunc(found, func(a, b string) int {
		return value[os.FileInfo](t)(os.Stat(a)).ModTime().Compare(value[os.FileInfo](t)(os.Stat(b)).ModTime())
	})
}

func TestADamagedRepositoryIsSaidToBe(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"no packs": func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "objects", "pack")))
		},
		"an empty pack": func(t *testing.T, dir string) {
			require.NoError(t, os.Chmod(newest(t, dir, "pack"), 0o600))
			require.NoError(t, os.Truncate(newest(t, dir, "pack"), 0))
		},
		"an empty index": func(t *testing.T, dir string) {
			require.NoError(t, os.Chmod(newest(t, dir, "idx"), 0o600))
			require.NoError(t, os.Truncate(newest(t, dir, "idx"), 0))
		},
		"a ref to nothing": func(t *testing.T, dir string) {
			overwritten(t, filepath.Join(dir, "refs", "heads", "main"), strings.Repeat("1", 40)+"\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: root}))
			r := createShop(t, s)
			commit(t, r, upsert(path(t, "a.md"), "one"))
			commit(t, r, upsert(path(t, "a.md"), "two"))
			require.NoError(t, s.Close())
			damage(t, repositoryDir(t, root))
			s = openStore(t, root)
			r = s.Repository(shopID(t))
			_, err := r.GetFile(t.Context(), git.Head(), path(t, "a.md"))
			assert.Equal(t, errs.ReasonRepositoryCorrupt, errs.ReasonOf(err), "%v", err)
			_, err = r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Change"}, changes(upsert(path(t, "a.md"), "two")))
			assert.Equal(t, errs.ReasonRepositoryCorrupt, errs.ReasonOf(err), "%v", err)
			err = s.AdvertiseRefs(t.Context(), shopID(t), ports.AdvertiseRefs{Service: git.UploadPackService}, io.Discard)
			assert.Equal(t, errs.ReasonRepositoryCorrupt, errs.ReasonOf(err), "%v", err)
		})
	}
}

func TestARepositoryThatCannotBeOpenedIsTriedSeldomAndLoggedOnce(t *testing.T) {
	root := t.TempDir()
	s := value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: root}))
	commit(t, createShop(t, s), upsert(path(t, "a.md"), "one"))
	require.NoError(t, s.Close())
	heal := overwritten(t, filepath.Join(repositoryDir(t, root), "refs", "heads", "main"), strings.Repeat("1", 40)+"\n")
	var log bytes.Buffer
	s = value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: root, Logger: slog.New(slog.NewJSONHandler(&log, nil))}))
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	before := s.Stats().ProcessesStarted
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			_, err := s.Repository(shopID(t)).GetFile(t.Context(), git.Head(), path(t, "a.md"))
			assert.Equal(t, errs.ReasonRepositoryCorrupt, errs.ReasonOf(err), "%v", err)
		})
	}
	calls.Wait()
	assert.EqualValues(t, 1, s.Stats().ProcessesStarted-before)
	require.Eventually(t, func() bool {
		_, err := s.Repository(shopID(t)).Info(t.Context())
		return assert.Error(t, err) && states(t, s)["shop"].ID == shopID(t) && s.Stats().ProcessesStarted-before == 3
	}, time.Minute, 10*time.Millisecond)
	assert.Equal(t, 1, strings.Count(log.String(), `"level":"ERROR"`), "%s", log.String())
	heal()
	worksAgain(t, s)
}

func TestWhoWaitsForARepositoryToBeOpenedGivesUpWithItsContext(t *testing.T) {
	root := t.TempDir()
	s := value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: root}))
	commit(t, createShop(t, s), upsert(path(t, "a.md"), "one"))
	require.NoError(t, s.Close())
	stall := filepath.Join(t.TempDir(), "stall")
	require.NoError(t, os.WriteFile(stall, nil, 0o600))
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, GitPath: scripted(t, `#!/bin/sh
while [ "$1" = for-each-ref ] && [ -e "`+stall+`" ]; do sleep 0.01; done
exec git "$@"
`)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			_, err := s.Repository(shopID(t)).Info(ctx)
			assert.Equal(t, errs.ReasonDeadlineExceeded, errs.ReasonOf(err))
		})
	}
	calls.Wait()
	require.NoError(t, os.Remove(stall))
	worksAgain(t, s)
}

func TestAnOpenRepositoryWhoseRefsCannotBeReadIsClosedUntilTheyCan(t *testing.T) {
	root := t.TempDir()
	s, doubts := openDoubted(t, root)
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "a.md"), "one"))
	known := states(t, s)
	main := filepath.Join(repositoryDir(t, root), "refs", "heads", "main")
	heal := overwritten(t, main, "")
	require.NoError(t, os.WriteFile(main+".new", nil, 0o600)) // what overwrites a file leaves its directory as it was
	require.NoError(t, os.Remove(main+".new"))
	require.Eventually(t, func() bool {
		_, err := r.GetFile(t.Context(), git.Head(), path(t, "a.md"))
		return errs.ReasonOf(err) == errs.ReasonRepositoryCorrupt
	}, time.Minute, 10*time.Millisecond)
	assert.Equal(t, errs.ReasonRepositoryCorrupt, errs.ReasonOf(s.AdvertiseRefs(t.Context(), shopID(t), ports.AdvertiseRefs{Service: git.UploadPackService}, io.Discard)))
	assert.True(t, states(t, s)["shop"].Unreadable)
	require.Eventually(t, func() bool { return doubts.Load() == 1 }, time.Minute, time.Millisecond)
	heal()
	worksAgain(t, s)
	assert.Equal(t, known, states(t, s))
}
