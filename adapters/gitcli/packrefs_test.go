package gitcli_test

import (
	"bytes"
	"errors"
	"fmt"
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
	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// tagged is a repository to which a thousand tags are pushed, so that it is maintained.
type tagged struct {
	pushShop
	root, dir string
	head      git.ObjectID
}

func newTagged(t *testing.T, opts gitcli.Options) tagged {
	t.Helper()
	opts.Dir, opts.Logger = t.TempDir(), slog.New(slog.DiscardHandler)
	s, err := gitcli.Open(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	shop := pushShop{s, t, createShop(t, s), &bytes.Buffer{}}
	return tagged{pushShop: shop, root: opts.Dir, dir: repositoryDir(t, opts.Dir)}
}

// maintained pushes the tags and waits for the maintenance.
func (s *tagged) maintained(t *testing.T) {
	t.Helper()
	var pack string
	s.head, pack = elsewhere(t, "x")
	commands := []string{move("refs/heads/main", git.ObjectID{}, s.head), move("refs/tags/deep/one", git.ObjectID{}, s.head)}
	for i := range 1000 {
		commands = append(commands, move(fmt.Sprintf("refs/tags/v1.0.%d", i), git.ObjectID{}, s.head))
	}
	_, report := s.push(pack, "", commands...)
	require.NotContains(t, report, "ng ")
	require.Eventually(t, func() bool {
		stats := s.Stats()
		return (stats.Maintenances == 1 || stats.MaintenancesFailed == 1) && !s.Maintaining()
	}, time.Minute, time.Millisecond)
}

func loose(t *testing.T, dir string) []string {
	t.Helper()
	return files(t, filepath.Join(dir, "refs"))
}

func locks(t *testing.T, dir string) []string {
	t.Helper()
	return slices.DeleteFunc(files(t, dir), func(name string) bool { return !strings.HasSuffix(name, ".lock") && !strings.HasSuffix(name, ".new") })
}

func refsOf(t *testing.T, s *gitcli.Store) (refs []string) {
	t.Helper()
	for state, err := range s.States(t.Context(), shopID(t)) {
		require.NoError(t, err)
		for name, id := range state.Refs {
			refs = append(refs, name.String()+" "+id.String())
		}
	}
	slices.Sort(refs)
	return refs
}

func TestManyRefsArePutIntoOneFile(t *testing.T) {
	s := newTagged(t, gitcli.Options{})
	var mu sync.Mutex
	var synced []string
	s.SyncRefsWith(func(path string) error {
		mu.Lock()
		defer mu.Unlock()
		if _, err := os.Stat(filepath.Join(s.dir, "packed-refs")); err == nil {
			synced = append(synced, fmt.Sprintf("%s with %d", strings.TrimPrefix(path, s.root), len(loose(t, s.dir))))
		}
		return disk.Sync(path)
	})
	s.maintained(t)
	require.Zero(t, s.Stats().MaintenancesFailed)
	require.Empty(t, loose(t, s.dir))
	require.Equal(t, []string{strings.TrimPrefix(s.dir, s.root) + " with 1002"}, synced, "the file has its name on the disk before others are removed")
	require.Len(t, refsOf(t, s.Store), 1002)

	synced = nil
	_, report := s.push(emptyPack(), "", move("refs/tags/deep/two", git.ObjectID{}, s.head))
	require.Contains(t, report, "ok refs/tags/deep/two\n")
	require.Contains(t, synced, strings.TrimPrefix(filepath.Join(s.dir, "refs", "tags"), s.root)+" with 1", "the directory was removed, and is made again")
	_, report = s.push("", "delete-refs", move("refs/tags/v1.0.7", s.head, git.ObjectID{}))
	require.Contains(t, report, "ok refs/tags/v1.0.7\n")
	commit(t, s.repo, upsert(path(t, "b.md"), "y"))
	want := refsOf(t, s.Store)
	require.Len(t, want, 1002)
	require.NoError(t, s.Close())
	require.Equal(t, want, refsOf(t, openStore(t, s.root)))
	require.Empty(t, runGit(t, s.dir, command.Git("fsck", "--strict", "--full", "--no-progress", "--no-dangling")))
}

func TestNoRefIsLostWhosePackingEndsEarly(t *testing.T) {
	t.Run("git fails and leaves its locks", func(t *testing.T) {
		s := newTagged(t, gitcli.Options{GitPath: scripted(t, `#!/bin/sh
case "$*" in "pack-refs --all --prune")
	rm refs/tags/v1.0.1*
	touch packed-refs.lock packed-refs.new refs/tags/v1.0.2.lock
	exit 128
esac
exec git "$@"
`)})
		s.maintained(t)
		require.EqualValues(t, 1, s.Stats().MaintenancesFailed)
		require.Empty(t, locks(t, s.dir))
		_, report := s.push("", "delete-refs", move("refs/tags/v1.0.2", s.head, git.ObjectID{}), move("refs/tags/v1.0.11", s.head, git.ObjectID{}))
		require.Equal(t, 2, strings.Count(report, "ok refs/tags/"), report)
		want := refsOf(t, s.Store)
		require.Len(t, want, 1000)
		require.NoError(t, s.Close())
		require.Equal(t, want, refsOf(t, openStore(t, s.root)))
	})
	t.Run("the name of the file may not be on the disk", func(t *testing.T) {
		s := newTagged(t, gitcli.Options{})
		s.SyncRefsWith(func(path string) error {
			if _, err := os.Stat(filepath.Join(s.dir, "packed-refs")); err == nil && path == s.dir {
				return errors.New("no")
			}
			return disk.Sync(path)
		})
		s.maintained(t)
		require.EqualValues(t, 1, s.Stats().MaintenancesFailed)
		require.Len(t, loose(t, s.dir), 1002)
	})
	t.Run("the service is killed", func(t *testing.T) {
		left := filepath.Join(t.TempDir(), "left")
		s := newTagged(t, gitcli.Options{GitPath: scripted(t, `#!/bin/sh
case "$*" in "pack-refs --all --prune")
	cp -R . `+left+`
	rm `+left+`/refs/tags/v1.0.1*
	touch `+left+`/packed-refs.lock `+left+`/packed-refs.new `+left+`/refs/tags/v1.0.2.lock
esac
exec git "$@"
`)})
		s.maintained(t)
		want := refsOf(t, s.Store)
		require.NoError(t, s.Close())
		require.NoError(t, os.RemoveAll(s.dir))
		require.NoError(t, os.Rename(left, s.dir))
		require.NoError(t, os.WriteFile(filepath.Join(s.root, "lock"), []byte("1\n"), 0o600), "it was no clean stop")
		again := openStore(t, s.root)
		require.Equal(t, want, refsOf(t, again))
		require.NoError(t, again.Repository(shopID(t)).DeleteTag(t.Context(), ports.DeleteRef{Name: value[git.RefName](t)(git.ParseRefName("refs/tags/v1.0.2"))}))
		require.Empty(t, locks(t, s.dir))
	})
}
