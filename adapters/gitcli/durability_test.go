package gitcli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/internal/pktline"
	"github.com/gitstore-dev/gitstore/ports"
)

const requestID = "00000000-0000-4000-8000-000000000001"

func commitWithRequestID(t *testing.T, r ports.GitRepository) (ports.CommitResult, error) {
	t.Helper()
	return r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Change", RequestID: requestID},
		changes(upsert(path(t, "a.md"), "one")))
}

// isPrepared reports whether a file that is put on the disk is one that git is going to rename when the refs move.
func isPrepared(p string) bool { return strings.HasSuffix(p, ".lock") || strings.HasSuffix(p, ".new") }

func TestWriteWhoseRefCannotBeSyncedIsNotAcknowledgedAlsoNotToARetry(t *testing.T) {
	var unsures int
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), Observer: observer(func(e event.Event) {
		if e.Type() == "unsure" {
			unsures++
		}
	})})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	var broken atomic.Bool
	s.SyncRefsWith(func(p string) error {
		if broken.Load() && !isPrepared(p) {
			return disk.Error(os.ErrPermission)
		}
		return disk.Sync(p)
	})
	r := createShop(t, s)
	broken.Store(true)
	_, err = commitWithRequestID(t, r)
	require.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	assert.Equal(t, 1, unsures)
	_, err = commitWithRequestID(t, r)
	require.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	broken.Store(false)
	res, err := commitWithRequestID(t, r)
	require.NoError(t, err)
	assert.True(t, res.Replayed)
}

func TestAWriteThatMayHaveTakenEffectIsNotSaidToHaveFailedForLackOfRoom(t *testing.T) {
	s := openStore(t, t.TempDir())
	var full atomic.Bool
	s.SyncRefsWith(func(p string) error {
		if full.Load() && !isPrepared(p) {
			return disk.Error(syscall.ENOSPC)
		}
		return disk.Sync(p)
	})
	r := createShop(t, s)
	full.Store(true)
	_, err := commitWithRequestID(t, r)
	require.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err), "STORAGE_FULL says that nothing changed")
	require.ErrorContains(t, err, "repeat it with the same request_id")
	_, err = commitWithRequestID(t, r)
	require.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	full.Store(false)
	res, err := commitWithRequestID(t, r)
	require.NoError(t, err)
	assert.True(t, res.Replayed)
}

func TestGitClientsSeeNoRefsThatMayNotBeOnTheDisk(t *testing.T) {
	s := openStore(t, t.TempDir())
	var broken atomic.Bool
	s.SyncRefsWith(func(p string) error {
		if broken.Load() && !isPrepared(p) {
			return disk.Error(syscall.EIO)
		}
		return disk.Sync(p)
	})
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "b.md"), "zero"))
	advertised := func() (string, error) {
		var out bytes.Buffer
		err := s.AdvertiseRefs(t.Context(), shopID(t), ports.AdvertiseRefs{Service: git.UploadPackService}, &out)
		return out.String(), err
	}
	broken.Store(true)
	_, err := commitWithRequestID(t, r)
	require.Error(t, err)
	shown, err := advertised()
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	assert.Empty(t, shown)
	var out bytes.Buffer
	err = s.UploadPack(t.Context(), shopID(t), 2, bytes.NewReader(append(pktline.Append(nil, "command=ls-refs"), pktline.Flush...)), &out)
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	assert.Empty(t, out.String())

	broken.Store(false)
	shown, err = advertised()
	require.NoError(t, err)
	assert.Contains(t, shown, branchAt(t, r, "main").String()+" refs/heads/main", "readers and clients of git are shown different refs")
}

// failedOnce is a disk that fails once to put the names in a directory of refs there, and what the files below it were then. What a sync
// that failed was to write is not written by one that succeeds later.
type failedOnce struct {
	armed atomic.Bool
	// in is where the directory is, below a repository.
	in    string
	mu    sync.Mutex
	files map[string]os.FileInfo
}

func (f *failedOnce) sync(p string) error {
	if strings.HasSuffix(p, f.in) && f.armed.CompareAndSwap(true, false) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.files = map[string]os.FileInfo{}
		dir, _, _ := strings.Cut(p, ".git")
		dir += ".git"
		for _, name := range []string{"packed-refs", "refs/heads/main", "refs/heads/x/side", "refs/tags/v1"} {
			if info, err := os.Lstat(filepath.Join(dir, name)); err == nil {
				f.files[name] = info
			}
		}
		return disk.Error(syscall.EIO)
	}
	return disk.Sync(p)
}

func TestRefsWhoseSyncFailedAreWrittenAnewBeforeTheWriteIsAcknowledged(t *testing.T) {
	side, v1 := value[git.RefName](t)(git.BranchRef("x/side")), value[git.RefName](t)(git.TagRef("v1"))
	for name, write := range map[string]struct {
		in    string
		anew  []string
		write func(r ports.GitRepository) error
	}{
		"a commit": {"/refs/heads", []string{"refs/heads/main"}, func(r ports.GitRepository) error {
			res, err := commitWithRequestID(t, r)
			assert.False(t, res.Replayed)
			return err
		}},
		"a deletion": {"/refs/heads/x", []string{"packed-refs"}, func(r ports.GitRepository) error {
			return r.DeleteBranch(t.Context(), ports.DeleteRef{Name: side})
		}},
		"a release": {"/refs/tags", []string{"refs/heads/main", "refs/tags/v1"}, func(r ports.GitRepository) error {
			_, err := r.PublishRelease(t.Context(), ports.PublishRelease{
				Tag:    ports.CreateTag{Name: v1, Message: "Release"},
				Commit: &ports.CommitFiles{Branch: mainBranch(t), Message: "Release"},
			}, changes(upsert(path(t, "a.md"), "released")))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := openStore(t, root)
			disk := &failedOnce{in: write.in}
			s.SyncRefsWith(disk.sync)
			r := createShop(t, s)
			commit(t, r, upsert(path(t, "a.md"), "zero"))
			_, err := r.CreateBranch(t.Context(), ports.CreateBranch{Name: side, Target: git.Head()})
			require.NoError(t, err)
			dir := repositoryDir(t, root)
			runGit(t, dir, command.Git("pack-refs", "--all"))
			disk.armed.Store(true)
			require.NoError(t, write.write(r))
			require.False(t, disk.armed.Load(), "no sync failed")
			for _, name := range write.anew {
				now, err := os.Lstat(filepath.Join(dir, name))
				require.NoError(t, err)
				require.Contains(t, disk.files, name)
				assert.False(t, os.SameFile(disk.files[name], now), "%s is the file of before the sync failed", name)
			}
			require.NoFileExists(t, filepath.Join(dir, "gitstore-intent"))
		})
	}
}

func TestRefsThatMayNotBeOnTheDiskAreWrittenAnewByTheProcessThatTakesOver(t *testing.T) {
	root := t.TempDir()
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root})
	require.NoError(t, err)
	var broken atomic.Bool
	s.SyncRefsWith(func(p string) error {
		if broken.Load() && !isPrepared(p) {
			return disk.Error(syscall.EIO)
		}
		return disk.Sync(p)
	})
	r := createShop(t, s)
	before := commit(t, r, upsert(path(t, "b.md"), "zero")).Commit
	broken.Store(true)
	_, err = commitWithRequestID(t, r)
	require.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	assert.Equal(t, before, branchAt(t, r, "main"), "readers see what may not be on the disk")
	_, err = commitWithRequestID(t, r)
	require.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	assert.Equal(t, before, branchAt(t, r, "main"), "readers see what may not be on the disk")
	require.NoError(t, s.Close())
	lock := func() string { return string(value[[]byte](t)(os.ReadFile(filepath.Join(root, "lock")))) }
	require.NotEmpty(t, strings.TrimSpace(lock()), "the stop was not a clean one: the next start is to put everything on the disk")

	file := filepath.Join(repositoryDir(t, root), "refs/heads/main")
	left, err := os.Lstat(file)
	require.NoError(t, err)
	s = openStore(t, root)
	res, err := commitWithRequestID(t, s.Repository(shopID(t)))
	require.NoError(t, err)
	assert.True(t, res.Replayed)
	now, err := os.Lstat(file)
	require.NoError(t, err)
	assert.False(t, os.SameFile(left, now), "the ref is the file that may not be on the disk")
	require.NoError(t, s.Close())
	require.Empty(t, strings.TrimSpace(lock()))
	require.Len(t, lock(), 20, "a full disk has room for the next pid")
}

func TestRefsMoveWhenWhatGitPreparedIsOnTheDisk(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	dir := ""
	var mu sync.Mutex
	prepared := map[string]string{} // what the ref was, in its file, when the new one was put on the disk
	s.SyncRefsWith(func(p string) error {
		if isPrepared(p) {
			before, _ := os.ReadFile(strings.TrimSuffix(strings.TrimSuffix(p, ".lock"), ".new")) // there may be none
			name, err := filepath.Rel(dir, p)
			mu.Lock()
			defer mu.Unlock()
			if prepared[name] = string(before); err != nil {
				return err
			}
		}
		return disk.Sync(p)
	})
	r := createShop(t, s)
	dir = repositoryDir(t, root)
	first := commit(t, r, upsert(path(t, "a.md"), "1")).Commit
	second := commit(t, r, upsert(path(t, "a.md"), "2")).Commit
	require.Equal(t, map[string]string{"refs/heads/main.lock": first.String() + "\n"}, prepared)

	clear(prepared)
	head := func(name string) git.RefName { return value[git.RefName](t)(git.BranchRef(name)) }
	_, err := r.UpdateRefs(t.Context(), []git.RefUpdate{
		{Name: head("main"), Expected: git.ExpectID(second), New: first, Force: true},
		{Name: head("x/a"), Expected: git.ExpectAbsent(), New: first}, {Name: head("x/b"), Expected: git.ExpectAbsent(), New: first},
	})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"refs/heads/main.lock": second.String() + "\n", "refs/heads/x/a.lock": "", "refs/heads/x/b.lock": ""}, prepared)

	runGit(t, dir, command.Git("pack-refs", "--all"))
	packed := string(value[[]byte](t)(os.ReadFile(filepath.Join(dir, "packed-refs"))))
	clear(prepared)
	require.NoError(t, r.DeleteBranch(t.Context(), ports.DeleteRef{Name: head("x/a")}))
	require.Equal(t, map[string]string{"packed-refs.new": packed}, prepared)
}

func TestRefsArePutOnTheDiskAtOnce(t *testing.T) {
	s := openStore(t, t.TempDir())
	var waiting atomic.Int32
	both := make(chan struct{})
	var alone atomic.Bool
	s.SyncRefsWith(func(p string) error {
		if strings.Contains(p, "/tags/") && isPrepared(p) {
			if waiting.Add(1) == 2 {
				close(both)
			}
			select {
			case <-both:
			case <-time.After(time.Minute):
				alone.Store(true)
			}
		}
		return disk.Sync(p)
	})
	r := createShop(t, s)
	head := commit(t, r, upsert(path(t, "a.md"), "1")).Commit
	var updates []git.RefUpdate
	for _, name := range []string{"a", "b"} {
		updates = append(updates, git.RefUpdate{Name: value[git.RefName](t)(git.TagRef(name)), Expected: git.ExpectAbsent(), New: head})
	}
	_, err := r.UpdateRefs(t.Context(), updates)
	require.NoError(t, err)
	require.False(t, alone.Load())
}

func TestATransactionOfManyRefsMayTakeAsManyTimesAsLong(t *testing.T) {
	slow := scripted(t, `#!/bin/sh
if [ "$1" != update-ref ]; then exec git "$@"; fi
n=0
while read -r line; do
	case "$line" in
	start) n=0 ;;
	prepare) if [ "$n" -gt 1000 ]; then sleep 3; fi ;;
	*) n=$((n + 1)) ;;
	esac
	echo "$line"
done | git "$@"
`)
	s := newPushShop(t, gitcli.Options{GitPath: slow, RefTimeout: 2 * time.Second})
	head, pack := elsewhere(t, "x")
	var moves []string
	for i := range repository.MaxPushedRefs {
		moves = append(moves, move(fmt.Sprintf("refs/tags/%d", i), git.ObjectID{}, head))
	}
	_, report := s.push(pack, "", moves...)
	require.Equal(t, repository.MaxPushedRefs, strings.Count(report, "ok refs/tags/"), "%.300s", report)
}

// gitThatEndsAfterCommit is a git whose update-ref moves the refs and ends without saying so.
func gitThatEndsAfterCommit(t *testing.T) string {
	t.Helper()
	script := `#!/bin/sh
if [ "$1" != update-ref ]; then exec git "$@"; fi
git "$@" | while read -r line; do
	if [ "$line" = "commit: ok" ]; then echo lost; exit; fi
	echo "$line"
done
`
	return scripted(t, script)
}

func TestRefsThatGitMovedBeforeItWasKilledAreSyncedBeforeTheWriteIsAcknowledged(t *testing.T) {
	root := t.TempDir()
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, GitPath: gitThatEndsAfterCommit(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	var mu sync.Mutex
	var synced []string
	s.SyncRefsWith(func(p string) error {
		mu.Lock()
		defer mu.Unlock()
		synced = append(synced, p)
		return disk.Sync(p)
	})
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "a.md"), "one"))
	dir := repositoryDir(t, root)
	for _, name := range []string{"refs/heads", "refs", "."} {
		assert.Contains(t, synced, filepath.Join(dir, name))
	}
}

func TestWhatARefWasMovedOnFromIsKeptAlthoughItsWriteFailed(t *testing.T) {
	once := filepath.Join(t.TempDir(), "once")
	gitPath := scripted(t, `#!/bin/sh
if [ "$1" != update-ref ]; then exec git "$@"; fi
git "$@" | while read -r line; do
	if [ "$line" = "commit: ok" ] && [ -e "`+once+`" ]; then
		rm "`+once+`"
		next=$(git -c user.name=x -c user.email=x commit-tree -m Next -p main "main^{tree}")
		git update-ref refs/heads/main "$next"
		echo lost
		exit
	fi
	echo "$line"
done
`)
	root := t.TempDir()
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, GitPath: gitPath})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "b.md"), "zero"))
	require.NoError(t, os.WriteFile(once, nil, 0o600))
	res, err := commitWithRequestID(t, r)
	require.NoError(t, err)
	assert.NoFileExists(t, once)
	assert.Empty(t, runGit(t, repositoryDir(t, root), command.Git("fsck", "--strict", "--full", "--no-progress", "--no-dangling")))
	assert.True(t, res.Replayed)
	head := value[*git.Commit](t)(r.GetCommit(t.Context(), git.Head()))
	assert.Equal(t, []git.ObjectID{res.Commit}, head.Parents)
}

func TestWhoMayHaveFoundARepositoryDeletedIsToldWhenItIsNot(t *testing.T) {
	root := t.TempDir()
	var s *gitcli.Store
	var found []git.RepositoryID
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, Observer: observer(func(e event.Event) {
		if e.Type() == "unsure" {
			for state, err := range s.States(t.Context(), e.Repository()) {
				assert.NoError(t, err)
				found = append(found, state.ID)
			}
		}
	})})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	createShop(t, s)
	tmp := filepath.Join(root, "tmp")
	require.NoError(t, os.Rename(tmp, tmp+".away"))
	require.Error(t, s.DeleteRepository(t.Context(), shopID(t)))
	require.NoError(t, os.Rename(tmp+".away", tmp))
	assert.Equal(t, []git.RepositoryID{shopID(t)}, found)
}

// gitThatCannotSay is a git that moves refs, ends without saying so, and cannot list them either, while the file exists.
func gitThatCannotSay(t *testing.T, broken string) string {
	t.Helper()
	script := `#!/bin/sh
if [ "$1" = for-each-ref ] && [ -e "` + broken + `" ]; then exit 1; fi
if [ "$1" != update-ref ]; then exec git "$@"; fi
git "$@" | while read -r line; do
	if [ "$line" = "commit: ok" ] && [ -e "` + broken + `" ]; then echo lost; exit; fi
	echo "$line"
done
`
	return scripted(t, script)
}

func TestWritesGoOnFromWhereTheRefsAreAfterItWasNotKnownWhereTheyAre(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), GitPath: gitThatCannotSay(t, broken)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "a.md"), "zero"))
	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	_, err = commitWithRequestID(t, r)
	require.Error(t, err)
	require.NoError(t, os.Remove(broken))
	made := commit(t, r, upsert(path(t, "b.md"), "two"))
	again, err := commitWithRequestID(t, r)
	require.NoError(t, err)
	assert.True(t, again.Replayed)
	assert.Equal(t, again.Commit, value[*git.Commit](t)(r.GetCommit(t.Context(), git.AtCommit(made.Commit))).Parents[0])
}

// panicOnce is a log that fails its first error, in the midst of the code that has it.
type panicOnce struct {
	slog.Handler
	done atomic.Bool
}

func (h *panicOnce) Enabled(context.Context, slog.Level) bool { return true }

func (h *panicOnce) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelError && h.done.CompareAndSwap(false, true) {
		panic(r.Message)
	}
	return nil
}

func TestRefsThatMovedBeforeThePanicOfAWriteAreSyncedBeforeItsRetryIsAcknowledged(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	root := t.TempDir()
	log := &panicOnce{Handler: slog.DiscardHandler}
	var passed atomic.Int64
	later := func() time.Time { return time.Unix(passed.Add(1), 0) } // else the retry makes the same commit
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, GitPath: gitThatCannotSay(t, broken), Logger: slog.New(log), Now: later})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	var mu sync.Mutex
	var synced []string
	s.SyncRefsWith(func(p string) error {
		mu.Lock()
		defer mu.Unlock()
		synced = append(synced, p)
		return disk.Sync(p)
	})
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "b.md"), "zero"))
	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	synced = nil
	_, err = commitWithRequestID(t, r)
	require.Equal(t, errs.ReasonInternal, errs.ReasonOf(err))
	require.True(t, log.done.Load(), "nothing panicked")
	heads := filepath.Join(repositoryDir(t, root), "refs/heads")
	require.NotContains(t, synced, heads)
	require.NoError(t, os.Remove(broken))
	again, err := commitWithRequestID(t, r)
	require.NoError(t, err)
	assert.True(t, again.Replayed)
	assert.Contains(t, synced, heads)
}

func TestAProcessThatWasKilledWhileWhatItMovedWasSyncedIsNotUsedAgain(t *testing.T) {
	const timeout = 2 * time.Second
	root := t.TempDir()
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, RefTimeout: timeout})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	var slow atomic.Bool
	s.SyncRefsWith(func(p string) error {
		if !isPrepared(p) && slow.CompareAndSwap(true, false) {
			<-time.After(timeout + timeout/4)
		}
		return disk.Sync(p)
	})
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "a.md"), "one"))
	slow.Store(true)
	commit(t, r, upsert(path(t, "a.md"), "two"))
	require.False(t, slow.Load())
	before := s.Stats().ProcessesStarted
	commit(t, r, upsert(path(t, "a.md"), "three"))
	assert.Equal(t, before+1, s.Stats().ProcessesStarted, "more was started than a process to move the ref")
}

// gitThatEndsBetweenTwoRefs is a git whose update-ref, where it is to move several refs, moves the first and ends, until
// the file returned is removed. While that says "locked" it moves none and leaves its locks.
func gitThatEndsBetweenTwoRefs(t *testing.T) (git, broken string) {
	t.Helper()
	broken = filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	script := `#!/bin/sh
if [ "$1" != update-ref ]; then exec git "$@"; fi
lines=
n=0
while read -r line; do
	case "$line" in
	start) lines=; n=0; echo "start: ok" ;;
	prepare)
		printf '%s' "$lines" | while read -r how ref rest; do mkdir -p "$(dirname "$ref")" && ! [ -e "$ref.lock" ] && touch "$ref.lock" || exit 1; done || exit 1
		echo "prepare: ok"
		;;
	abort) echo "abort: ok" ;;
	commit)
		if [ "$n" -gt 1 ] && grep -qs locked "` + broken + `"; then exit 1; fi
		printf '%s' "$lines" | while read -r how ref rest; do rm "$ref.lock"; done
		if [ "$n" -gt 1 ] && [ -e "` + broken + `" ]; then lines=$(printf '%s' "$lines" | head -n 1)'
'; fi
		printf '%s' "$lines" | git update-ref --no-deref --stdin || exit 1
		if [ "$n" -gt 1 ] && [ -e "` + broken + `" ]; then exit 1; fi
		echo "commit: ok"
		;;
	*) lines="$lines$line
"; n=$((n + 1)) ;;
	esac
done
`
	return scripted(t, script), broken
}

func branchAt(t *testing.T, r ports.GitRepository, name string) git.ObjectID {
	t.Helper()
	at, err := r.ResolveRevision(t.Context(), value[git.Revision](t)(git.ParseRevision("refs/heads/"+name)))
	if errs.Is(err, errs.ReasonRefNotFound) {
		return git.ObjectID{}
	}
	require.NoError(t, err)
	return at.Commit
}

func TestRefsThatMoveTogetherDoSoAlthoughGitEndsBetweenThem(t *testing.T) {
	gitPath, broken := gitThatEndsBetweenTwoRefs(t)
	root := t.TempDir()
	open := func() *gitcli.Store {
		s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, GitPath: gitPath})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, s.Close()) })
		return s
	}
	s := open()
	r := createShop(t, s)
	head := commit(t, r, upsert(path(t, "a.md"), "one")).Commit
	update := func(names ...string) error {
		var updates []git.RefUpdate
		for _, name := range names {
			updates = append(updates, git.RefUpdate{Name: value[git.RefName](t)(git.BranchRef(name)), Expected: git.ExpectAbsent(), New: head})
		}
		_, err := r.UpdateRefs(t.Context(), updates)
		return err
	}

	require.NoError(t, update("a", "b"), "one of two refs is left, and moved by itself")
	assert.Equal(t, []git.ObjectID{head, head}, []git.ObjectID{branchAt(t, r, "a"), branchAt(t, r, "b")})

	require.Error(t, update("c", "d", "e", "f"), "three of four refs are left, and git ends again")
	for _, name := range []string{"c", "d", "e", "f"} {
		assert.Zero(t, branchAt(t, r, name), "readers see %s, and not the others", name)
	}
	require.NoError(t, os.WriteFile(broken, []byte("locked"), 0o600))
	require.Error(t, update("g"), "two of four refs are left, and git ends with their locks")
	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	require.Error(t, update("g"), "a write is made before those that were begun are finished")
	require.NoError(t, os.Remove(broken))
	require.NoError(t, update("g"), "the locks that git left are in the way")
	for _, name := range []string{"c", "d", "e", "f", "g"} {
		assert.Equal(t, head, branchAt(t, r, name), name)
	}

	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	require.Error(t, update("h", "i", "j", "k"))
	require.NoError(t, s.Close())
	s = open() // git still ends
	r = s.Repository(shopID(t))
	require.NoError(t, os.Remove(broken))
	require.NoError(t, update("l"))
	for _, name := range []string{"h", "i", "j", "k", "l"} {
		assert.Equal(t, head, branchAt(t, r, name), name)
	}
	assert.NotContains(t, strings.Join(files(t, root), "\n"), "intent")
}

func TestWritesOfABatchOfWhichGitMovedSomeAreNotAcknowledgedAndMadeOnlyAsFarAsTheyWere(t *testing.T) {
	gitPath, broken := gitThatEndsBetweenTwoRefs(t)
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), GitPath: gitPath})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := createShop(t, s)
	head := commit(t, r, upsert(path(t, "a.md"), "one")).Commit
	create := func(name string) error {
		_, err := r.CreateBranch(t.Context(), ports.CreateBranch{Name: value[git.RefName](t)(git.BranchRef(name)), Target: git.AtCommit(head)})
		return err
	}
	fails := func(name string) func() error {
		return func() error {
			assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(create(name)), name)
			return nil
		}
	}
	inOneBatch(t, s, fails("a"), fails("b"), fails("c"))
	for _, name := range []string{"a", "b", "c"} {
		assert.Zero(t, branchAt(t, r, name), "readers see %s, which may not be on the disk", name)
	}
	require.NoError(t, os.Remove(broken))
	require.NoError(t, create("d"))
	assert.Equal(t, head, branchAt(t, r, "a"))
	assert.Zero(t, branchAt(t, r, "b"))
	require.NoError(t, create("b"))
}

func TestNothingIsWrittenBeforeTheRemovalOfAnIntentIsOnTheDisk(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	head := commit(t, createShop(t, s), upsert(path(t, "a.md"), "one")).Commit
	require.NoError(t, s.Close())
	s = openStore(t, root)
	dir := repositoryDir(t, root)
	intent := filepath.Join(dir, "gitstore-intent")
	require.NoError(t, os.WriteFile(intent, []byte("refs/heads/side - "+head.String()+"\n"), 0o600))
	var broken atomic.Bool
	broken.Store(true)
	s.SyncRefsWith(func(p string) error {
		if _, err := os.Lstat(intent); p == dir && err != nil && broken.Load() {
			return disk.Error(syscall.EIO)
		}
		return disk.Sync(p)
	})
	r := s.Repository(shopID(t))
	for range 3 {
		_, err := commitWithRequestID(t, r)
		require.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err), "the intent is removed in memory alone: after a power cut it moves refs that were moved since")
		require.NoFileExists(t, intent)
	}
	broken.Store(false)
	_, err := commitWithRequestID(t, r)
	require.NoError(t, err)
	assert.Equal(t, head, branchAt(t, r, "side"))
}

func TestRefsOfAnAlteredRepositoryAreNotMovedAtStart(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	head := commit(t, createShop(t, s), upsert(path(t, "a.md"), "one")).Commit
	require.NoError(t, s.Close())
	dir := repositoryDir(t, root)
	require.NoError(t, appendTo(filepath.Join(dir, "gitstore-intent"), "refs/heads/side - "+head.String()+"\n"))
	alternates := filepath.Join(dir, "objects/info/alternates")
	require.NoError(t, appendTo(alternates, "/elsewhere\n"))

	require.NoError(t, openStore(t, root).Close())
	require.NoFileExists(t, filepath.Join(dir, "refs/heads/side"))

	require.NoError(t, os.Remove(alternates))
	assert.Equal(t, head, branchAt(t, openStore(t, root).Repository(shopID(t)), "side"))
}

// inOneBatch makes the writes in their order, and as one batch: of what waits while another write is under way.
func inOneBatch(t *testing.T, s *gitcli.Store, writes ...func() error) {
	t.Helper()
	release := value[func()](t)(s.HoldWriter(shopID(t)))
	before := func() error {
		_, err := s.Repository(shopID(t)).CommitFiles(t.Context(),
			ports.CommitFiles{Branch: mainBranch(t), Message: "Before", AllowEmpty: true}, changes(upsert(path(t, "before.md"), "x")))
		return err
	}
	var group errgroup.Group
	for i, write := range append([]func() error{before}, writes...) {
		group.Go(write)
		require.NoError(t, s.WaitUntilQueued(shopID(t), i))
	}
	release()
	require.NoError(t, group.Wait())
}

func TestAWriteThatConflictsFailsAloneInItsBatch(t *testing.T) {
	var batches []int
	root := t.TempDir()
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, Batched: func(b gitcli.Batch) { batches = append(batches, b.Writes) }})
	require.NoError(t, err)
	r := createShop(t, s)
	base := commit(t, r, upsert(path(t, "a.md"), "one"))
	write := func(name string, expected git.Expectation, want errs.Reason, change git.Change) func() error {
		return func() error {
			req := ports.CommitFiles{Branch: mainBranch(t), Message: name, ExpectedHead: expected}
			if _, err := r.CommitFiles(t.Context(), req, changes(change)); errs.ReasonOf(err) != want {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		}
	}
	existing := upsert(path(t, "a.md"), "two")
	existing.Action = git.ActionCreate
	inOneBatch(t, s,
		write("first", git.Expectation{}, "", upsert(path(t, "first.md"), "x")),
		write("stale", git.ExpectID(base.Commit), errs.ReasonRefMoved, upsert(path(t, "stale.md"), "x")),
		write("existing", git.Expectation{}, errs.ReasonPathExists, existing),
		write("last", git.Expectation{}, "", upsert(path(t, "last.md"), "x")),
	)
	require.NoError(t, s.Close())
	require.Equal(t, []int{1, 1, 2}, batches, "two of the four that wait move the branch, at once")
	tree := runGit(t, repositoryDir(t, root), command.Git("ls-tree", "--name-only", "main"))
	require.Equal(t, "a.md\nbefore.md\nfirst.md\nlast.md\n", tree)
}

func TestRequestOfACommitThatABatchTookFromItsBranchIsNotReplayed(t *testing.T) {
	s := openStore(t, t.TempDir())
	r := createShop(t, s)
	base := commit(t, r, upsert(path(t, "b.md"), "one"))
	side := value[git.RefName](t)(git.BranchRef("side"))
	request := func() (ports.CommitResult, error) {
		return r.CommitFiles(t.Context(), ports.CommitFiles{Branch: side, Message: "Change", RequestID: requestID},
			changes(upsert(path(t, "a.md"), "one")))
	}
	create := func() error {
		_, err := r.CreateBranch(t.Context(), ports.CreateBranch{Name: side, Target: git.AtCommit(base.Commit)})
		return err
	}
	require.NoError(t, create())
	first := value[ports.CommitResult](t)(request())

	var again, third ports.CommitResult
	inOneBatch(t, s,
		func() error { return r.DeleteBranch(t.Context(), ports.DeleteRef{Name: side}) },
		create,
		func() (err error) { again, err = request(); return err },
		func() (err error) { third, err = request(); return err },
	)
	assert.False(t, again.Replayed)
	assert.True(t, third.Replayed)
	assert.Equal(t, again.Commit, third.Commit)
	assert.Equal(t, again.Commit, value[ports.Resolved](t)(r.ResolveRevision(t.Context(), value[git.Revision](t)(git.ParseRevision("side")))).Commit)

	reset := func(from, to git.ObjectID) func() error {
		return func() error {
			_, err := r.UpdateRefs(t.Context(), []git.RefUpdate{{Name: side, Expected: git.ExpectID(from), New: to, Force: true}})
			return err
		}
	}
	inOneBatch(t, s, reset(again.Commit, base.Commit), reset(base.Commit, first.Commit),
		func() (err error) { again, err = request(); return err },
	)
	assert.True(t, again.Replayed)
	assert.Equal(t, first.Commit, again.Commit)
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

func TestWhatFillsTheDiskWhileItComesIsRefused(t *testing.T) {
	dir := t.TempDir()
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir, MinFreeSpace: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	const room = 6 << 20
	var free atomic.Uint64
	free.Store(room)
	s.AvailableIs(free.Load)
	shop := pushShop{Store: s, t: t, repo: createShop(t, s)}
	made := commit(t, shop.repo, upsert(path(t, "a.md"), "one"))

	content := make([]byte, 2*room)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content) // it never fails
	head, pack := elsewhere(t, string(content))
	// filling is content that fills the disk while its first half is taken.
	filling := func(content []byte) io.Reader {
		full := readFunc(func([]byte) (int, error) {
			free.Store(0)
			return 0, io.EOF
		})
		return io.MultiReader(bytes.NewReader(content[:len(content)/2]), full, bytes.NewReader(content[len(content)/2:]))
	}
	var said bytes.Buffer
	request := append(pktline.Append(nil, move("refs/heads/more", git.ObjectID{}, head)+"\x00report-status\n"), pktline.Flush...)
	require.NoError(t, s.ReceivePack(t.Context(), shopID(t), 0, io.MultiReader(bytes.NewReader(request), filling([]byte(pack))), &said))
	require.Contains(t, said.String(), "unpack the disk has less than 1 MiB free, which writes have to leave: free some space and try again\n")
	require.Contains(t, said.String(), "ng refs/heads/more the disk has less than 1 MiB free")
	large := func(size int64) []git.Change {
		return []git.Change{{Action: git.ActionUpsert, Path: path(t, "large"), Content: filling(content), Size: size}}
	}
	var small []git.Change
	for part := range slices.Chunk(content, 200<<10) {
		small = append(small, git.Change{Action: git.ActionUpsert, Path: path(t, fmt.Sprint(len(small))), Content: filling(part), Size: int64(len(part))})
	}
	for name, all := range map[string][]git.Change{"large": large(int64(len(content))), "of unknown size": large(-1), "small": small} {
		free.Store(room)
		_, err = shop.repo.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Change"}, changes(all...))
		require.Equal(t, errs.ReasonStorageFull, errs.ReasonOf(err), name)
	}
	left, err := os.ReadDir(filepath.Join(dir, "tmp"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.False(t, shop.has("refs/heads/more"))
	require.Equal(t, made.Commit, value[ports.Resolved](t)(shop.repo.ResolveRevision(t.Context(), git.Head())).Commit)

	free.Store(room)
	_, report := shop.push(pack, "", move("refs/heads/more", git.ObjectID{}, head))
	require.Contains(t, report, "ok refs/heads/more\n")
}

func TestWritesLeaveTheFreeSpaceThatTheyAreToLeave(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	made := commit(t, createShop(t, s), upsert(path(t, "a.md"), "one"))
	other, old, tag := value[git.RefName](t)(git.BranchRef("other")), value[git.RefName](t)(git.BranchRef("old")), value[git.RefName](t)(git.TagRef("v1"))
	for _, name := range []git.RefName{other, old} {
		_, err := s.Repository(shopID(t)).CreateBranch(t.Context(), ports.CreateBranch{Name: name, Target: git.AtCommit(made.Commit)})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())

	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir, MinFreeSpace: math.MaxInt64})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := s.Repository(shopID(t))
	for name, write := range map[string]func() error{
		"repository": func() error {
			_, err := s.CreateRepository(t.Context(), ports.CreateRepository{ID: value[git.RepositoryID](t)(git.ParseRepositoryID("new"))})
			return err
		},
		"commit": func() error {
			_, err := r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Change"}, func(func(git.Change, error) bool) {
				t.Error("content is taken before it is refused")
			})
			return err
		},
		"branch": func() error {
			_, err := r.CreateBranch(t.Context(), ports.CreateBranch{Name: value[git.RefName](t)(git.BranchRef("more")), Target: git.Head()})
			return err
		},
		"tag": func() error {
			_, err := r.CreateTag(t.Context(), ports.CreateTag{Name: tag, Target: git.Head(), Message: "first"})
			return err
		},
		"release": func() error {
			_, err := r.PublishRelease(t.Context(), ports.PublishRelease{Tag: ports.CreateTag{Name: tag, Target: git.Head(), Message: "first"}}, changes())
			return err
		},
		"refs": func() error {
			_, err := r.UpdateRefs(t.Context(), []git.RefUpdate{{Name: value[git.RefName](t)(git.BranchRef("more")), New: made.Commit}})
			return err
		},
		"push": func() error {
			var said bytes.Buffer
			push := pktline.Append(nil, strings.Repeat("0", 40)+" "+made.Commit.String()+" refs/heads/more\x00report-status\n")
			err := s.ReceivePack(t.Context(), shopID(t), 0, bytes.NewReader(append(push, pktline.Flush...)), &said)
			assert.Contains(t, said.String(), "free some space")
			if err == nil {
				return errs.New(errs.ReasonStorageFull, "told in the answer")
			}
			return err
		},
	} {
		assert.Equal(t, errs.ReasonStorageFull, errs.ReasonOf(write()), name)
	}
	f, err := r.GetFile(t.Context(), git.Head(), path(t, "a.md"))
	require.NoError(t, err)
	assert.Equal(t, "one", string(f.Content))
	require.NoError(t, r.DeleteBranch(t.Context(), ports.DeleteRef{Name: other}), "what makes room is not refused")
	_, err = r.UpdateRefs(t.Context(), []git.RefUpdate{{Name: old, Expected: git.ExpectID(made.Commit)}})
	require.NoError(t, err, "no more than it is when several refs are updated")
	require.NoError(t, s.DeleteRepository(t.Context(), shopID(t)))
}
