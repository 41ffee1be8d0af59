package gitcli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
	"github.com/gitstore-dev/gitstore/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openStore(t testing.TB, dir string) *gitcli.Store {
	t.Helper()
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func value[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

func shopID(t testing.TB) git.RepositoryID {
	return value[git.RepositoryID](t)(git.ParseRepositoryID("shop"))
}

func mainBranch(t *testing.T) git.RefName { return value[git.RefName](t)(git.BranchRef("main")) }

func path(t *testing.T, p string) git.TreePath { return value[git.TreePath](t)(git.ParseTreePath(p)) }

func createShop(t testing.TB, s *gitcli.Store) ports.GitRepository {
	t.Helper()
	_, err := s.CreateRepository(t.Context(), ports.CreateRepository{ID: shopID(t)})
	require.NoError(t, err)
	return s.Repository(shopID(t))
}

func upsert(p git.TreePath, content string) git.Change {
	return git.Change{Action: git.ActionUpsert, Path: p, Content: strings.NewReader(content), Size: int64(len(content))}
}

func changes(all ...git.Change) iter.Seq2[git.Change, error] {
	return func(yield func(git.Change, error) bool) {
		for _, c := range all {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func commit(t *testing.T, r ports.GitRepository, all ...git.Change) ports.CommitResult {
	t.Helper()
	res, err := r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Change"}, changes(all...))
	require.NoError(t, err)
	return res
}

// dueForMaintenance makes a repository whose maintenance is held until it is released, and returns its directory of objects with the files
// that are there until then.
func dueForMaintenance(t *testing.T, s *gitcli.Store, root string) (r ports.GitRepository, objects string, before []string, release func()) {
	t.Helper()
	r = createShop(t, s)
	release, err := s.HoldMaintenance(t.Context())
	require.NoError(t, err)
	for i := range 50 {
		commit(t, r, upsert(path(t, "a.md"), fmt.Sprint(i)))
	}
	objects = filepath.Join(repositoryDir(t, root), "objects")
	return r, objects, files(t, objects), release
}

// repositoryDir is the one repository below the storage root.
func repositoryDir(t *testing.T, root string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "repositories", "*", "*", "*.git"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func runGit(t *testing.T, dir string, c command.Command) string {
	t.Helper()
	runner, err := command.NewRunner(t.Context(), "git", 1<<30, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	out, err := runner.Output(t.Context(), dir, c, nil)
	require.NoError(t, err)
	return string(out)
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, p)
		}
		return err
	}))
	return names
}

// processesIn are the processes that work in a directory.
func processesIn(t *testing.T, dir string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cwd")
	require.NoError(t, err)
	for _, cwd := range all {
		if at, err := os.Readlink(cwd); err == nil && at == dir {
			found = append(found, filepath.Dir(cwd))
		}
	}
	return found
}

func TestARepositoryThatIsBusyDoesNotHoldUpTheCloseOfOthers(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	// They are closed in the order of their ids, if one after the other.
	ids := make([]git.RepositoryID, 2)
	for i, name := range []string{"a", "b"} {
		ids[i] = value[git.RepositoryID](t)(git.ParseRepositoryID(name))
		_, err := s.CreateRepository(t.Context(), ports.CreateRepository{ID: ids[i]})
		require.NoError(t, err)
		commit(t, s.Repository(ids[i]), upsert(path(t, "x"), "x"))
	}
	release, err := s.HoldWriter(ids[0])
	require.NoError(t, err)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	dirs, err := filepath.Glob(filepath.Join(root, "repositories", "*", "*", "*.git"))
	require.NoError(t, err)
	require.Len(t, dirs, 2)
	require.Eventually(t, func() bool {
		return len(processesIn(t, dirs[0])) == 0 != (len(processesIn(t, dirs[1])) == 0)
	}, time.Minute, 10*time.Millisecond, "the other repository keeps its processes")
	release()
	require.NoError(t, <-closed)
	for _, dir := range dirs {
		assert.Empty(t, processesIn(t, dir))
	}
}

func TestSecondProcessIsRefusedWithTheHoldersPID(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir)
	_, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir})
	require.ErrorIs(t, err, gitcli.ErrInUse)
	assert.Contains(t, err.Error(), "process "+strconv.Itoa(os.Getpid())+" ")
}

func TestRootIsFreeAfterClose(t *testing.T) {
	dir := t.TempDir()
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	openStore(t, dir)
}

func TestSymbolicLinkAsRootIsRefused(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(t.TempDir(), link))
	_, err := gitcli.Open(t.Context(), gitcli.Options{Dir: link})
	require.ErrorContains(t, err, "symbolic links are refused")
}

func TestDirectoryOfSomethingElseIsRefused(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600))
	_, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir})
	require.Error(t, err)
	assert.Contains(t, err.Error(), strconv.Quote(dir)+` holds "notes.txt"`)
	assert.Equal(t, []string{filepath.Join(dir, "notes.txt")}, files(t, dir))
}

func TestFreshVolumeAndARootWithOtherFilesBesideItsRepositoriesAreAccepted(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "lost+found"), 0o700))
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600))
	openStore(t, dir)
}

func TestMissingAndOldGitAreNamed(t *testing.T) {
	_, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), GitPath: "no-such-git"})
	require.ErrorContains(t, err, `"no-such-git"`)

	old := filepath.Join(t.TempDir(), "git")
	require.NoError(t, os.WriteFile(old, []byte("#!/bin/sh\necho git version 2.20.1\n"), 0o700))
	_, err = gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), GitPath: old})
	require.ErrorContains(t, err, "git is too old: "+command.MinVersion+" is needed")
}

func TestLeftoversOfAKilledProcessAreRemovedAtStart(t *testing.T) {
	root := t.TempDir()
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root})
	require.NoError(t, err)
	first := commit(t, createShop(t, s), upsert(path(t, "a.md"), "one"))
	require.NoError(t, s.Close())
	dir := repositoryDir(t, root)
	clean := files(t, root)
	for _, leftover := range []string{
		"refs/heads/main.lock", "packed-refs.lock", "HEAD.lock", "objects/pack/tmp_pack_x", "objects/pack/tmp_gitstore_1",
		"objects/pack/tmp_gitstore_1.idx", "objects/pack/pack-1234.pack", "objects/pack/pack-1234.rev", "objects/tmp_obj_x", "objects/tmp_objdir-incoming-x/pack/p",
		"objects/pack/.tmp-7-pack-x.pack", "objects/.tmp-pack-1234.pack", "objects/.tmp-pack-1234.idx", "objects/pack/multi-pack-index.lock", "objects/pack/tmp_bitmap_x",
		"objects/info/commit-graphs/tmp_graph_x", "objects/info/commit-graphs/commit-graph-chain.lock", "../../../../tmp/create-1/HEAD", "../../../../tmp/delete-1/repository.git/HEAD",
	} {
		name := filepath.Join(dir, leftover)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
	}

	r := openStore(t, root).Repository(shopID(t))
	assert.Equal(t, clean, files(t, root))
	second := commit(t, r, upsert(path(t, "a.md"), "two"))
	assert.Equal(t, first.Commit, second.Parent)
}

func TestLockThatAppearsWhileRunningDoesNotBlockTheRef(t *testing.T) {
	root := t.TempDir()
	r := createShop(t, openStore(t, root))
	commit(t, r, upsert(path(t, "a.md"), "one"))
	lock := filepath.Join(repositoryDir(t, root), "refs", "heads", "main.lock")
	require.NoError(t, os.WriteFile(lock, nil, 0o600))
	commit(t, r, upsert(path(t, "a.md"), "two"))
	assert.NoFileExists(t, lock)
}

func TestLocksOfAKilledRefTransactionDoNotBlockTheRepository(t *testing.T) {
	root := t.TempDir()
	r := createShop(t, openStore(t, root))
	commit(t, r, upsert(path(t, "a.md"), "one"))
	tag := value[git.RefName](t)(git.TagRef("v1.0.0"))
	_, err := r.CreateTag(t.Context(), ports.CreateTag{Name: tag, Target: git.Head()})
	require.NoError(t, err)
	for _, name := range []string{"HEAD.lock", "packed-refs.lock", "refs/heads/main.lock", "refs/tags/v1.0.0.lock"} {
		lock := filepath.Join(repositoryDir(t, root), name)
		require.NoError(t, os.WriteFile(lock, nil, 0o600))
	}
	commit(t, r, upsert(path(t, "a.md"), "two"))
	require.NoError(t, r.DeleteTag(t.Context(), ports.DeleteRef{Name: tag}))
}

func TestFailedCommitOfKnownContentDoesNotTakeItAway(t *testing.T) {
	root := t.TempDir()
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root})
	require.NoError(t, err)
	r := createShop(t, s)
	noise := make([]byte, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.IntN(256))
	}
	commit(t, r, upsert(path(t, "a.bin"), string(noise)))
	blocked := filepath.Join(repositoryDir(t, root), "refs", "heads", "blocked")
	require.NoError(t, os.MkdirAll(filepath.Join(blocked, "by-a-directory"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(blocked, "by-a-directory", "x"), []byte("no ref"), 0o600))
	_, err = r.CommitFiles(t.Context(), ports.CommitFiles{
		Branch: value[git.RefName](t)(git.BranchRef("blocked")), Start: git.Head(), Message: "Fail",
	}, changes(upsert(path(t, "b.bin"), string(noise))))
	require.Error(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, os.RemoveAll(blocked))

	f, err := openStore(t, root).Repository(shopID(t)).GetFile(t.Context(), git.Head(), path(t, "a.bin"))
	require.NoError(t, err)
	assert.Equal(t, noise, f.Content)
	assert.Empty(t, runGit(t, repositoryDir(t, root), command.Git("fsck", "--strict", "--full", "--no-progress", "--no-dangling")))
}

func TestPanicInAWriteIsAnsweredAndTheWriterGoesOn(t *testing.T) {
	armed := false
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), Observer: observer(func(event.Event) {
		if armed {
			armed = false
			panic("observer")
		}
	})})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := createShop(t, s)
	armed = true
	_, err = r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Change"}, changes(upsert(path(t, "a.md"), "one")))
	assert.Equal(t, errs.ReasonInternal, errs.ReasonOf(err))
	commit(t, r, upsert(path(t, "a.md"), "two"))
}

func TestDamagedRepositoryHidesNoOtherFromTheListing(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	for i := range 6 {
		_, err := s.CreateRepository(t.Context(), ports.CreateRepository{ID: value[git.RepositoryID](t)(git.ParseRepositoryID(fmt.Sprint("r", i)))})
		require.NoError(t, err)
		if i == 0 {
			require.NoError(t, os.Remove(filepath.Join(repositoryDir(t, root), "HEAD")))
		}
	}
	var listed []string
	for token, first := "", true; token != "" || first; first = false {
		p, err := s.ListRepositories(t.Context(), ports.Page{Size: 2, Token: token})
		require.NoError(t, err)
		for _, info := range p.Items {
			listed = append(listed, info.ID.String())
		}
		token = p.NextToken
	}
	assert.Equal(t, []string{"r1", "r2", "r3", "r4", "r5"}, listed)
}

func TestAlteredRepositoryIsNotOpened(t *testing.T) {
	for name, alter := range map[string]func(dir string) error{
		"config runs a hook": func(dir string) error {
			return appendTo(filepath.Join(dir, "config"), "[core]\n\tfsmonitor = touch pwned\n")
		},
		"alternates": func(dir string) error { return appendTo(filepath.Join(dir, "objects/info/alternates"), "/elsewhere\n") },
		"commondir":  func(dir string) error { return appendTo(filepath.Join(dir, "commondir"), "../other\n") },
		"other id": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "gitstore.json"), []byte(`{"id":"other"}`), 0o600)
		},
		"no HEAD":      func(dir string) error { return os.Remove(filepath.Join(dir, "HEAD")) },
		"HEAD astray":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: ../x\n"), 0o600) },
		"link instead": replaceByLink,
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := openStore(t, root)
			r := createShop(t, s)
			require.NoError(t, alter(repositoryDir(t, root)))
			_, err := r.Info(t.Context())
			require.Error(t, err)
			assert.Equal(t, errs.ReasonUnsafeRepository, errs.ReasonOf(err))
			assert.NotContains(t, err.Error(), root)
		})
	}
}

func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func replaceByLink(dir string) error {
	elsewhere := dir + ".elsewhere"
	if err := os.Rename(dir, elsewhere); err != nil {
		return err
	}
	return os.Symlink(elsewhere, dir)
}

func TestIDNeverAppearsInAPath(t *testing.T) {
	root := t.TempDir()
	createShop(t, openStore(t, root))
	for _, name := range files(t, root) {
		assert.NotContains(t, strings.TrimPrefix(name, root), "shop")
	}
}

func TestReadsOfAnOpenRepositoryStartNoProcess(t *testing.T) {
	s := openStore(t, t.TempDir())
	r := createShop(t, s)
	var all []git.Change
	for i := range 300 {
		all = append(all, upsert(path(t, fmt.Sprintf("dir%d/file%d.md", i%10, i)), fmt.Sprint("content ", i)))
	}
	first := commit(t, r, all...)
	commit(t, r, upsert(path(t, "dir1/file1.md"), "changed"))
	large := path(t, "large.bin")
	commit(t, r, upsert(large, strings.Repeat("large", 1<<19)))
	drain := func() { readEverything(t, r, first.Commit, large) }
	drain()
	before := s.Stats().ProcessesStarted
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(drain)
	}
	readers.Wait()
	drain()
	assert.LessOrEqual(t, s.Stats().ProcessesStarted-before, int64(3), "only the streams of a large file may add to their pool, of 4")

	before = s.Stats().ProcessesStarted
	drain()
	assert.Equal(t, before, s.Stats().ProcessesStarted)
}

func readEverything(t *testing.T, r ports.GitRepository, base git.ObjectID, large git.TreePath) {
	ctx := t.Context()
	head := git.Head()
	_, err := r.GetFile(ctx, head, path(t, "dir1/file1.md"))
	assert.NoError(t, err)
	_, content, err := r.ReadFile(ctx, ports.ReadFile{Revision: head, Path: large})
	if assert.NoError(t, err) {
		_, err = io.Copy(io.Discard, content)
		assert.NoError(t, err)
		assert.NoError(t, content.Close())
	}
	_, entries, err := r.ListFiles(ctx, ports.ListFiles{Revision: head, Recursive: true})
	drainAll(t, entries, err, 301)
	_, tree, err := r.ReadTree(ctx, ports.ReadTree{Revision: head})
	drainAll(t, contents(tree), err, 301)
	_, batch, err := r.BatchGetFiles(ctx, head, []git.TreePath{path(t, "dir2/file2.md"), path(t, "missing")})
	drainAll(t, batch, err, 2)
	refs, err := r.ListRefs(ctx, ports.RefQuery{})
	drainAll(t, refs, err, 1)
	_, commits, err := r.ListCommits(ctx, ports.ListCommits{Revision: head, Path: path(t, "dir1")})
	drainAll(t, commits, err, 2)
	_, diffs, err := r.GetDiff(ctx, ports.Compare{Base: git.AtCommit(base), Head: head, FromMergeBase: true})
	drainAll(t, diffs, err, 2)
	_, err = r.Info(ctx)
	assert.NoError(t, err)
}

// contents reads the content of every file, as whoever asks for a tree does.
func contents(tree iter.Seq2[ports.TreeFile, error]) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		for f, err := range tree {
			n := int64(0)
			if err == nil {
				n, err = io.Copy(io.Discard, f.Content)
			}
			if !yield(n, err) {
				return
			}
		}
	}
}

func drainAll[T any](t *testing.T, items iter.Seq2[T, error], err error, want int) {
	t.Helper()
	if !assert.NoError(t, err) {
		return
	}
	n := 0
	for _, err := range items {
		assert.NoError(t, err)
		n++
	}
	assert.Equal(t, want, n)
}

func TestCommitsStartNoProcess(t *testing.T) {
	s := openStore(t, t.TempDir())
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "a.md"), "first"))
	before := s.Stats().ProcessesStarted
	for i := range 20 {
		commit(t, r, upsert(path(t, "a.md"), fmt.Sprint(i)))
	}
	assert.Equal(t, before, s.Stats().ProcessesStarted)
}

func TestAProcessThatMovedManyRefsMakesRoomForANewOne(t *testing.T) {
	s := openStore(t, t.TempDir())
	s.EndRefProcessesAfter(5)
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "a.md"), "first"))
	before := s.Stats().ProcessesStarted
	for i := range 10 {
		commit(t, r, upsert(path(t, "a.md"), fmt.Sprint(i)))
	}
	assert.Equal(t, before+2, s.Stats().ProcessesStarted)
}

func TestCommitWritesOnlyWhatChangedWhateverTheSizeOfTheRepository(t *testing.T) {
	objectsOfOneCommit := func(files int) string {
		root := t.TempDir()
		s := openStore(t, root)
		r := createShop(t, s)
		var all []git.Change
		for i := range files {
			all = append(all, upsert(path(t, fmt.Sprintf("d%d/e%d/f%d.md", i%10, i/10%100, i)), fmt.Sprint(i)))
		}
		commit(t, r, all...)
		before := runGit(t, repositoryDir(t, root), command.Git("count-objects", "-v"))
		commit(t, r, upsert(path(t, "d1/e1/new.md"), "new"))
		after := runGit(t, repositoryDir(t, root), command.Git("count-objects", "-v"))
		return strconv.Itoa(inPack(t, after) - inPack(t, before))
	}
	assert.Equal(t, "5", objectsOfOneCommit(11), "a blob, three trees, a commit")
	assert.Equal(t, "5", objectsOfOneCommit(5000))
}

func inPack(t *testing.T, countObjects string) int {
	t.Helper()
	for line := range strings.Lines(countObjects) {
		if n, ok := strings.CutPrefix(line, "in-pack: "); ok {
			return value[int](t)(strconv.Atoi(strings.TrimSpace(n)))
		}
	}
	t.Fatalf("no in-pack in %q", countObjects)
	return 0
}

func TestFailedAndDryWritesLeaveNothingBehind(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	r := createShop(t, s)
	head := commit(t, r, upsert(path(t, "a.md"), "one"))
	clean := files(t, root)
	big := strings.Repeat("0123456789abcdef", 1<<16)
	broken := io.MultiReader(strings.NewReader(big), iotest.ErrReader(errs.New(errs.ReasonUnavailable, "gone")))
	stale := git.ExpectID(git.SHA1.HashObject(git.CommitObject, []byte("elsewhere")))
	unknownSize := git.Change{Action: git.ActionUpsert, Path: path(t, "b.md"), Content: strings.NewReader(big), Size: -1}
	for name, try := range map[string]struct {
		req    ports.CommitFiles
		change git.Change
		reason errs.Reason
	}{
		"sender fails in mid-file":   {change: git.Change{Action: git.ActionUpsert, Path: path(t, "b.md"), Content: broken, Size: -1}, reason: errs.ReasonUnavailable},
		"fewer bytes than announced": {change: git.Change{Action: git.ActionUpsert, Path: path(t, "b.md"), Content: strings.NewReader(big), Size: 1 << 21}, reason: errs.ReasonInvalidAction},
		"more bytes than announced":  {change: git.Change{Action: git.ActionUpsert, Path: path(t, "b.md"), Content: strings.NewReader(big), Size: 1 << 19}, reason: errs.ReasonInvalidAction},
		"stale head, large file":     {req: ports.CommitFiles{ExpectedHead: stale}, change: upsert(path(t, "b.md"), big), reason: errs.ReasonRefMoved},
		"stale head, unknown size":   {req: ports.CommitFiles{ExpectedHead: stale}, change: unknownSize, reason: errs.ReasonRefMoved},
		"path conflict":              {change: upsert(path(t, "a.md/b"), big), reason: errs.ReasonPathConflict},
		"dry run":                    {req: ports.CommitFiles{DryRun: true}, change: upsert(path(t, "b.md"), big)},
	} {
		t.Run(name, func(t *testing.T) {
			try.req.Branch, try.req.Message = mainBranch(t), "Change"
			_, err := r.CommitFiles(t.Context(), try.req, changes(try.change))
			assert.Equal(t, try.reason, errs.ReasonOf(err), "%v", err)
			assert.Equal(t, clean, files(t, root))
			at, err := r.ResolveRevision(t.Context(), git.Head())
			require.NoError(t, err)
			assert.Equal(t, head.Commit, at.Commit)
		})
	}
}

func TestCanceledWriteLeavesNothingBehind(t *testing.T) {
	root := t.TempDir()
	r := createShop(t, openStore(t, root))
	commit(t, r, upsert(path(t, "a.md"), "one"))
	clean := files(t, root)
	ctx, cancel := context.WithCancel(t.Context())
	canceling := func(yield func(git.Change, error) bool) {
		yield(upsert(path(t, "b.md"), strings.Repeat("x", 1<<20)), nil)
		cancel()
		yield(upsert(path(t, "c.md"), "x"), nil)
	}
	_, err := r.CommitFiles(ctx, ports.CommitFiles{Branch: mainBranch(t), Message: "Change"}, canceling)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, clean, files(t, root))
}

// scripted writes a script that stands in for git, and returns its path.
func scripted(t *testing.T, script string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "git")
	require.NoError(t, os.WriteFile(name, []byte(script), 0o700))
	return name
}

// gitThatStalls is a git that answers a question for the object with the beginning of its content and no more, once the file stall is there. It removes
// the file when it has begun.
func gitThatStalls(t *testing.T, object git.ObjectID, stall string) string {
	t.Helper()
	script := `#!/bin/sh
if [ "$1" != cat-file ]; then exec git "$@"; fi
while read -r question; do
	if [ "$question" = "contents ` + object.String() + `" ] && [ -e "` + stall + `" ]; then
		echo "$question" | git "$@" | head -c 60
		rm "` + stall + `"
		exec sleep 3600
	fi
	if [ "$question" != flush ]; then echo "$question" | git "$@"; fi
done
`
	return scripted(t, script)
}

func TestAReadThatIsCanceledInAnAnswerDoesNotMakeADirectoryEmpty(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	commit(t, createShop(t, s), upsert(path(t, "a/x.md"), "x"), upsert(path(t, "b/y.md"), "y"))
	require.NoError(t, s.Close())
	dir := value[git.ObjectID](t)(git.ParseObjectID(strings.TrimSpace(runGit(t, repositoryDir(t, root), command.Git("rev-parse", "main:a")))))
	stall := filepath.Join(t.TempDir(), "stall")
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, GitPath: gitThatStalls(t, dir, stall)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := s.Repository(shopID(t))
	list := func(ctx context.Context) (paths []string, err error) {
		_, entries, err := r.ListFiles(ctx, ports.ListFiles{Revision: git.Head(), Recursive: true})
		if err != nil {
			return nil, err
		}
		for e, err := range entries {
			if err != nil {
				return nil, err
			}
			paths = append(paths, e.Path.String())
		}
		return paths, nil
	}
	require.NoError(t, os.WriteFile(stall, nil, 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	canceled := make(chan error, 1)
	go func() {
		_, err := list(ctx)
		canceled <- err
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(stall); return os.IsNotExist(err) }, time.Minute, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-canceled, context.Canceled)
	paths, err := list(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"a/x.md", "b/y.md"}, paths)
}

func TestManyWritersAllSucceedAndTheRepositoryIsSound(t *testing.T) {
	const writers, each = 16, 20
	root := t.TempDir()
	var mu sync.Mutex
	var writes int
	var batches []gitcli.Batch
	s := value[*gitcli.Store](t)(gitcli.Open(t.Context(), gitcli.Options{Dir: root, Batched: func(b gitcli.Batch) {
		mu.Lock()
		defer mu.Unlock()
		writes += b.Writes
		if b.Writes > 0 {
			batches = append(batches, b)
		}
	}}))
	r := createShop(t, s)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				_, err := r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Change"},
					changes(upsert(path(t, fmt.Sprintf("w%d/f%d.md", w, i)), fmt.Sprint(w, i))))
				assert.NoError(t, err)
			}
		})
	}
	group.Wait()
	_, err := r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Change", DryRun: true}, changes(upsert(path(t, "dry.md"), "")))
	require.NoError(t, err)
	assert.Equal(t, writers*each, writes)
	assert.Less(t, len(batches), writes/2, "those that wait share one")
	for _, b := range batches {
		for step, took := range b.Took {
			assert.Equal(t, gitcli.Step(step) != gitcli.StepSettle, took > 0, gitcli.Step(step))
		}
	}
	dir := repositoryDir(t, root)
	assert.Equal(t, strconv.Itoa(writers*each), strings.TrimSpace(runGit(t, dir, command.Git("rev-list", "--count", "HEAD"))))
	assert.Empty(t, runGit(t, dir, command.Git("rev-list", "--min-parents=2", "HEAD")))
	assert.Empty(t, runGit(t, dir, command.Git("fsck", "--strict", "--full", "--no-progress", "--no-dangling")))
	require.NoError(t, s.Close())
	for _, name := range files(t, root) {
		assert.NotContains(t, filepath.Base(name), "tmp", name)
		assert.NotEqual(t, ".lock", filepath.Ext(name), name)
	}
}

func TestWritesInTurnToManyRepositoriesStartNoProcesses(t *testing.T) {
	s := openStore(t, t.TempDir())
	var all []ports.GitRepository
	for i := range 64 {
		id := value[git.RepositoryID](t)(git.ParseRepositoryID(fmt.Sprint("shop", i)))
		_, err := s.CreateRepository(t.Context(), ports.CreateRepository{ID: id})
		require.NoError(t, err)
		all = append(all, s.Repository(id))
	}
	write := func(content string) {
		for _, r := range all {
			commit(t, r, upsert(path(t, "a.md"), content))
		}
	}
	write("one")
	before := s.Stats().ProcessesStarted
	write("two")
	write("three")
	require.Equal(t, before, s.Stats().ProcessesStarted)
}

func TestABatchOfWhichNothingIsWrittenIsTold(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	told := make(chan gitcli.Batch, 10)
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), GitPath: gitThatCannotSay(t, broken), Batched: func(b gitcli.Batch) { told <- b }})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := createShop(t, s)
	write := func(ctx context.Context, dry bool) error {
		_, err := r.CommitFiles(ctx, ports.CommitFiles{Branch: mainBranch(t), Message: "Change", DryRun: dry}, changes(upsert(path(t, "a.md"), "one")))
		return err
	}
	is := func(writes int, steps ...gitcli.Step) {
		t.Helper()
		require.Len(t, told, 1)
		b := <-told
		require.Equal(t, writes, b.Writes)
		for step, took := range b.Took {
			require.Equal(t, slices.Contains(steps, gitcli.Step(step)), took > 0, gitcli.Step(step))
		}
	}
	require.NoError(t, write(t.Context(), true))
	is(0, gitcli.StepWait, gitcli.StepPlan, gitcli.StepTell)

	release := value[func()](t)(s.HoldWriter(shopID(t)))
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() { failed <- write(ctx, false) }()
	require.NoError(t, s.WaitUntilQueued(shopID(t), 0))
	cancel()
	release()
	require.Equal(t, errs.ReasonCanceled, errs.ReasonOf(<-failed))
	is(0, gitcli.StepWait, gitcli.StepPlan)

	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	require.Error(t, write(t.Context(), false))
	is(0, gitcli.StepWait, gitcli.StepPlan, gitcli.StepStore, gitcli.StepMove)
	require.Error(t, write(t.Context(), false))
	is(0, gitcli.StepWait, gitcli.StepSettle)
}

func TestABatchThatTakesLongIsLoggedWhileItDoes(t *testing.T) {
	log := lines(make(chan string, 100))
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	s.WarnOfBatchesAfter(time.Second)
	var hang atomic.Bool
	s.SyncRefsWith(func(p string) error {
		if hang.CompareAndSwap(true, false) {
			assert.Contains(t, log.next(t), "level=WARN msg=\"a batch of writes takes long, and others to the repository wait for it\" repository=shop step=refs writes=1\n")
		}
		return disk.Sync(p)
	})
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "a.md"), "one"))
	hang.Store(true)
	commit(t, r, upsert(path(t, "a.md"), "two"))

	release := value[func()](t)(s.HoldWriter(shopID(t)))
	written := make(chan error)
	go func() {
		_, err := r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Change"}, changes(upsert(path(t, "a.md"), "three")))
		written <- err
	}()
	assert.Contains(t, log.next(t), "repository=shop step=wait writes=1\n")
	release()
	require.NoError(t, <-written)
	assert.Empty(t, log)
}

// lines are what is logged.
type lines chan string

func (l lines) next(t *testing.T) string {
	t.Helper()
	select {
	case line := <-l:
		return line
	case <-time.After(time.Minute):
		t.Error("nothing is logged")
		return ""
	}
}

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

func TestRepositoryOfAnEmptyCommitIsSound(t *testing.T) {
	root := t.TempDir()
	r := createShop(t, openStore(t, root))
	_, err := r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Begin", AllowEmpty: true}, changes())
	require.NoError(t, err)
	assert.Empty(t, runGit(t, repositoryDir(t, root), command.Git("fsck", "--strict", "--full", "--no-progress", "--no-dangling")))
}

func TestRepositoryIsMaintainedBeforeItHasTooManyPacks(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	r := createShop(t, s)
	dir := repositoryDir(t, root)
	tree := func() string {
		_, files, err := r.ReadTree(t.Context(), ports.ReadTree{Revision: git.Head()})
		require.NoError(t, err)
		var all strings.Builder
		for f, err := range files {
			require.NoError(t, err)
			all.WriteString(f.Path.String() + " " + f.Blob.String() + "\n")
		}
		return all.String()
	}
	for i := 0; i < 60 || s.Stats().Maintenances < 2; i++ {
		commit(t, r, upsert(path(t, fmt.Sprintf("%02d.md", i%20)), fmt.Sprint(i)))
		require.Less(t, i, 10_000, "the repository is not maintained")
	}
	before := tree()
	require.Eventually(t, func() bool { return !s.Maintaining() }, time.Minute, time.Millisecond)
	require.Zero(t, s.Stats().MaintenancesFailed)
	assert.Equal(t, before, tree())
	assert.Empty(t, runGit(t, dir, command.Git("fsck", "--strict", "--full", "--no-progress", "--no-dangling")))
	runGit(t, dir, command.Git("multi-pack-index", "verify", "--no-progress"))
	runGit(t, dir, command.Git("commit-graph", "verify", "--no-progress"))
	bitmaps, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "multi-pack-index-*.bitmap"))
	require.NoError(t, err)
	assert.Len(t, bitmaps, 1)

	require.NoError(t, s.Close())
	before = strings.Join(files(t, dir), "\n")
	again := openStore(t, root)
	assert.Equal(t, before, strings.Join(files(t, dir), "\n"), "opening takes it for leftovers")
	commit(t, again.Repository(shopID(t)), upsert(path(t, "a.md"), "again"))
	require.NoError(t, again.Close())
	assert.Zero(t, again.Stats().Maintenances, "what was maintained is maintained again")
}

func TestPacksAreIndexedAnewWhenEnoughCameSince(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	r := createShop(t, s)
	dir := repositoryDir(t, root)
	var many []git.Change
	for i := range 1500 {
		many = append(many, upsert(path(t, fmt.Sprintf("many/%d.md", i)), fmt.Sprint(i)))
	}
	commit(t, r, many...)
	n := 0
	maintained := func() (index os.FileInfo) {
		before := s.Stats().Maintenances
		release, err := s.HoldMaintenance(t.Context())
		require.NoError(t, err)
		for range 60 { // 180 objects
			n++
			commit(t, r, upsert(path(t, "a.md"), fmt.Sprint("a ", n)))
		}
		release()
		require.Eventually(t, func() bool { return s.Stats().Maintenances > before && !s.Maintaining() }, time.Minute, time.Millisecond)
		require.Equal(t, before+1, s.Stats().Maintenances)
		require.Zero(t, s.Stats().MaintenancesFailed)
		runGit(t, dir, command.Git("multi-pack-index", "verify", "--no-progress"))
		packs, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
		require.NoError(t, err)
		require.Less(t, len(packs), 10)
		index, err = os.Stat(filepath.Join(dir, "objects", "pack", "multi-pack-index"))
		require.NoError(t, err)
		return index
	}
	first := maintained()
	require.True(t, os.SameFile(first, maintained()), "180 objects are less than a fourth of 1,680")
	require.True(t, os.SameFile(first, maintained()))
	require.False(t, os.SameFile(first, maintained()), "540 objects are more")
	require.Empty(t, runGit(t, dir, command.Git("fsck", "--strict", "--full", "--no-progress", "--no-dangling")))
	bitmaps, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "multi-pack-index-*.bitmap"))
	require.NoError(t, err)
	require.Len(t, bitmaps, 1)
}

func TestARepositoryIsMaintainedAfterTheOneThatIsJustNow(t *testing.T) {
	s := openStore(t, t.TempDir())
	r := createShop(t, s)
	release, err := s.HoldMaintenance(t.Context())
	require.NoError(t, err)
	for i := range 60 {
		commit(t, r, upsert(path(t, "a.md"), fmt.Sprint(i)))
	}
	require.Zero(t, s.Stats().Maintenances)
	release()
	require.Eventually(t, func() bool { return s.Stats().Maintenances == 1 }, time.Minute, time.Millisecond)
}

func TestMaintenanceThatFailedIsTriedAgainBeforeThereAreTwiceAsManyPacks(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), GitPath: scripted(t, "#!/bin/sh\nif [ \"$1\" = multi-pack-index ] && [ -e "+broken+" ]; then exit 1; fi\nexec git \"$@\"\n")})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := createShop(t, s)
	for i := range 50 {
		commit(t, r, upsert(path(t, "a.md"), fmt.Sprint(i)))
	}
	require.Eventually(t, func() bool { return s.Stats().MaintenancesFailed == 1 && !s.Maintaining() }, time.Minute, time.Millisecond)
	require.NoError(t, os.Remove(broken))
	for i := range 30 {
		commit(t, r, upsert(path(t, "b.md"), fmt.Sprint(i)))
	}
	require.Eventually(t, func() bool { return s.Stats().Maintenances == 2 }, time.Minute, time.Millisecond)
	require.Equal(t, int64(1), s.Stats().MaintenancesFailed)
}

func TestAMaintenanceThatTakesTooLongEndsAndLeavesNothing(t *testing.T) {
	for _, tt := range []struct {
		command string
		first   string // what it does before it takes long
		settled bool   // the packs were made one before that
	}{
		{"pack-objects", "", false}, {"pack-objects", `git "$@"; `, false},
		{"multi-pack-index", "", false}, {"multi-pack-index", `git "$@"; `, false},
		{"commit-graph", "", true},
	} {
		slow := filepath.Join(t.TempDir(), "slow")
		require.NoError(t, os.WriteFile(slow, nil, 0o600))
		root := t.TempDir()
		var log bytes.Buffer
		s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, Logger: slog.New(slog.NewJSONHandler(&log, nil)), GitPath: scripted(t,
			"#!/bin/sh\nif [ \"$1\" = "+tt.command+" ] && [ -e "+slow+" ]; then "+tt.first+"exec sleep 1000; fi\nexec git \"$@\"\n")})
		require.NoError(t, err)
		s.EndMaintenanceAfter(time.Second)
		r, objects, before, release := dueForMaintenance(t, s, root)
		release()
		require.Eventually(t, func() bool { return s.Stats().MaintenancesFailed == 1 && !s.Maintaining() }, time.Minute, time.Millisecond)
		if left := files(t, objects); tt.settled {
			require.Empty(t, slices.DeleteFunc(left, func(f string) bool {
				return !strings.Contains(filepath.Base(f), "tmp") && !strings.HasSuffix(f, ".lock")
			}), "%+v", tt)
		} else {
			require.Equal(t, before, left, "%+v", tt)
		}

		require.NoError(t, os.Remove(slow))
		s.EndMaintenanceAfter(time.Minute)
		for i := range 30 {
			commit(t, r, upsert(path(t, "b.md"), fmt.Sprint(i)))
		}
		require.Eventually(t, func() bool { return s.Stats().Maintenances == 2 && !s.Maintaining() }, time.Minute, time.Millisecond)
		require.Equal(t, int64(1), s.Stats().MaintenancesFailed)
		require.Empty(t, runGit(t, repositoryDir(t, root), command.Git("fsck", "--strict", "--full", "--no-progress", "--no-dangling")))
		require.NoError(t, s.Close())
		require.Contains(t, log.String(), `"maintenance ended early; it is done again later","repository":"shop","error":"the deadline passed before the call was done"`)
	}
}

func TestAMaintenanceWithoutRoomForItsCopyIsPutOff(t *testing.T) {
	const least = 1 << 20
	for _, keep := range []int64{0, least} {
		root := t.TempDir()
		var log bytes.Buffer
		s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, MinFreeSpace: keep, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
		require.NoError(t, err)
		var free atomic.Uint64
		s.AvailableIs(free.Load)
		free.Store(1 << 30)
		r := createShop(t, s)
		packs := func() (names []string, bytes uint64) {
			for _, name := range files(t, filepath.Join(repositoryDir(t, root), "objects", "pack")) {
				info, err := os.Stat(name)
				require.NoError(t, err)
				bytes += uint64(info.Size())
				names = append(names, name)
			}
			return names, bytes
		}
		n := 0
		write := func(commits int) (release func()) {
			release, err := s.HoldMaintenance(t.Context())
			require.NoError(t, err)
			for range commits {
				n++
				commit(t, r, upsert(path(t, "a.md"), fmt.Sprint(n)))
			}
			return release
		}
		putOff := func(release func(), times int64) {
			before, size := packs()
			free.Store(uint64(keep) + size - 1)
			release()
			require.Eventually(t, func() bool { return s.Stats().MaintenancesPutOff == times && !s.Maintaining() }, time.Minute, time.Millisecond)
			after, _ := packs()
			require.Equal(t, before, after)
		}
		putOff(write(50), 1)
		free.Store(1 << 30)
		putOff(write(30), 2)
		require.Zero(t, s.Stats().Maintenances)

		free.Store(1 << 30)
		release := write(30)
		_, size := packs()
		free.Store(uint64(keep) + size)
		release()
		require.Eventually(t, func() bool { return s.Stats().Maintenances == 1 && !s.Maintaining() }, time.Minute, time.Millisecond)
		require.Zero(t, s.Stats().MaintenancesFailed)
		free.Store(1 << 30)
		release = write(60)
		free.Store(uint64(keep))
		release()
		require.Eventually(t, func() bool { return s.Stats().MaintenancesPutOff == 3 && !s.Maintaining() }, time.Minute, time.Millisecond)
		require.NoError(t, s.Close())
		require.Equal(t, 2, strings.Count(log.String(), "maintenance is put off until there is room on the disk"), "it is told again when there was room meanwhile")
	}
}

func TestAMaintenanceIsPutOffThatWouldTakeTheRoomOfWrites(t *testing.T) {
	for _, tt := range []struct{ command, first string }{
		{"pack-objects", ": >objects/pack/tmp_pack_half"}, {"pack-objects", `git "$@"`}, {"multi-pack-index", `git "$@"`},
	} {
		full := filepath.Join(t.TempDir(), "full")
		root := t.TempDir()
		var log bytes.Buffer
		s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, MinFreeSpace: 1 << 20, Logger: slog.New(slog.NewTextHandler(&log, nil)), GitPath: scripted(t,
			"#!/bin/sh\nif [ \"$1\" = "+tt.command+" ] && ! [ -e "+full+" ]; then "+tt.first+"; : >"+full+"; exec sleep 1000; fi\nexec git \"$@\"\n")})
		require.NoError(t, err)
		var again atomic.Bool // there is room
		s.AvailableIs(func() uint64 {
			if _, err := os.Stat(full); err == nil && !again.Load() {
				return 1<<20 - 1
			}
			return 1 << 30
		})
		r, objects, before, release := dueForMaintenance(t, s, root)
		release()
		require.Eventually(t, func() bool { return s.Stats().MaintenancesPutOff == 1 && !s.Maintaining() }, time.Minute, time.Millisecond)
		require.Equal(t, before, files(t, objects), "%+v", tt)
		require.Zero(t, s.Stats().Maintenances)

		again.Store(true)
		for i := range 30 {
			commit(t, r, upsert(path(t, "b.md"), fmt.Sprint(i)))
		}
		require.Eventually(t, func() bool { return s.Stats().Maintenances == 1 && !s.Maintaining() }, time.Minute, time.Millisecond)
		require.Zero(t, s.Stats().MaintenancesFailed)
		require.NoError(t, s.Close())
		require.Contains(t, log.String(), `level=WARN msg="maintenance is put off until there is room on the disk" repository=shop error="the disk has less than 1 MiB free`)
		require.NotContains(t, log.String(), "level=ERROR")
	}
}

func TestAPushedOrLargePackIsIndexedAtOnce(t *testing.T) {
	s := openStore(t, t.TempDir())
	noise := make([]byte, 50<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	commit(t, createShop(t, s), upsert(path(t, "large.bin"), string(noise)))
	require.Eventually(t, func() bool { return s.Stats().Maintenances == 1 }, time.Minute, time.Millisecond)
}

func TestRepositoryIsRepackedHoweverSeldomItIsWrittenToBeforeItIsClosed(t *testing.T) {
	root := t.TempDir()
	for round := range 12 {
		s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root})
		require.NoError(t, err)
		if round == 0 {
			createShop(t, s)
		}
		for i := range 10 {
			commit(t, s.Repository(shopID(t)), upsert(path(t, "a.md"), fmt.Sprint(round, i)))
		}
		require.Eventually(t, func() bool { return !s.Maintaining() }, time.Minute, time.Millisecond) // closing breaks it off
		require.NoError(t, s.Close())
	}
	packs, err := filepath.Glob(filepath.Join(repositoryDir(t, root), "objects", "pack", "*.pack"))
	require.NoError(t, err)
	assert.Less(t, len(packs), 120)
}

func TestWritesWithoutObjectsLeaveNoPacks(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	r := createShop(t, s)
	made := commit(t, r, upsert(path(t, "a.md"), "one"))
	branch := value[git.RefName](t)(git.BranchRef("other"))
	_, err := r.CreateBranch(t.Context(), ports.CreateBranch{Name: branch, Target: git.AtCommit(made.Commit)})
	require.NoError(t, err)
	require.NoError(t, r.DeleteBranch(t.Context(), ports.DeleteRef{Name: branch}))
	packs, err := filepath.Glob(filepath.Join(repositoryDir(t, root), "objects", "pack", "*"))
	require.NoError(t, err)
	assert.Len(t, packs, 2, "the pack of the commit, and its index")
}

func TestSizeIsThatAfterTheLastCommit(t *testing.T) {
	r := createShop(t, openStore(t, t.TempDir()))
	assert.Zero(t, value[ports.RepositoryInfo](t)(r.Info(t.Context())).SizeBytes)
	commit(t, r, upsert(path(t, "a.md"), "one"))
	first := value[ports.RepositoryInfo](t)(r.Info(t.Context())).SizeBytes
	assert.Positive(t, first)
	commit(t, r, upsert(path(t, "a.md"), "two"))
	assert.Greater(t, value[ports.RepositoryInfo](t)(r.Info(t.Context())).SizeBytes, first)
}

// Whoever asks for a repository that is written to all the time would else go through its packs each time, and wait for its writers.
func TestTheSizeOfABusyRepositoryIsAskedForWithoutALookAtItsPacks(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	r := createShop(t, s)
	size := func() int64 { return value[ports.RepositoryInfo](t)(r.Info(t.Context())).SizeBytes }
	commit(t, r, upsert(path(t, "a.md"), "one"))
	before := size()
	const unseen = 1 << 20
	require.NoError(t, os.WriteFile(filepath.Join(repositoryDir(t, root), "objects", "pack", "tmp_obj"), make([]byte, unseen), 0o600))
	for i := range 10 {
		commit(t, r, upsert(path(t, "a.md"), fmt.Sprint(i)))
		assert.Greater(t, size(), before)
		assert.Less(t, size(), before+unseen)
		before = size()
	}
	require.NoError(t, s.Close())
	assert.Greater(t, value[ports.RepositoryInfo](t)(openStore(t, root).Repository(shopID(t)).Info(t.Context())).SizeBytes, before)
}

func TestWritesAfterCloseAreDraining(t *testing.T) {
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	r := createShop(t, s)
	require.NoError(t, s.Close())
	_, err = r.Info(t.Context())
	assert.Equal(t, errs.ReasonDraining, errs.ReasonOf(err))
	_, err = s.CreateRepository(t.Context(), ports.CreateRepository{ID: shopID(t)})
	assert.Equal(t, errs.ReasonDraining, errs.ReasonOf(err))
}

func TestDeletedAndRecreatedRepositoryIsEmpty(t *testing.T) {
	s := openStore(t, t.TempDir())
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "a.md"), "one"))
	require.NoError(t, s.DeleteRepository(t.Context(), shopID(t)))
	_, err := r.GetFile(t.Context(), git.Head(), path(t, "a.md"))
	assert.Equal(t, errs.ReasonRepositoryNotFound, errs.ReasonOf(err))
	createShop(t, s)
	_, err = r.GetFile(t.Context(), git.Head(), path(t, "a.md"))
	assert.Equal(t, errs.ReasonRefNotFound, errs.ReasonOf(err))
}

func TestADeletionIsNotToldAsDoneWhileAnotherOneIsUnderWay(t *testing.T) {
	for name, fails := range map[string]bool{"that succeeds": false, "that fails": true} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := openStore(t, root)
			r := createShop(t, s)
			commit(t, r, upsert(path(t, "a.md"), "one"))
			release := sync.OnceFunc(value[func()](t)(s.HoldWriter(shopID(t))))
			defer release()
			outcomes := make(chan error, 2)
			remove := func() { outcomes <- s.DeleteRepository(t.Context(), shopID(t)) }
			go remove()
			require.Eventually(t, func() bool {
				_, err := r.Info(t.Context())
				return errs.Is(err, errs.ReasonRepositoryNotFound)
			}, time.Minute, time.Millisecond)

			impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			require.Equal(t, errs.ReasonDeadlineExceeded, errs.ReasonOf(s.DeleteRepository(impatient, shopID(t))))
			go remove()
			tmp := filepath.Join(root, "tmp")
			if fails {
				require.NoError(t, os.Rename(tmp, tmp+"-away"))
			}
			release()
			got := []errs.Reason{errs.ReasonOf(<-outcomes), errs.ReasonOf(<-outcomes)}
			if !fails {
				assert.ElementsMatch(t, []errs.Reason{"", errs.ReasonRepositoryNotFound}, got)
				return
			}
			require.NoError(t, os.Rename(tmp+"-away", tmp))
			assert.Equal(t, []errs.Reason{errs.ReasonInternal, errs.ReasonInternal}, got)
			f, err := r.GetFile(t.Context(), git.Head(), path(t, "a.md"))
			require.NoError(t, err)
			assert.Equal(t, "one", string(f.Content))
			require.NoError(t, s.DeleteRepository(t.Context(), shopID(t)))
		})
	}
}

// observer calls itself with each event, and numbers them.
type observer func(event.Event)

func (o observer) Changed(_ context.Context, events ...event.Event) []event.Cursor {
	cursors := make([]event.Cursor, len(events))
	for i, e := range events {
		o(e)
		cursors[i] = event.NewCursor("0123456789abcdef", uint64(i+1))
	}
	return cursors
}

func (o observer) Told(context.Context, git.RepositoryID) event.Cursor { return event.Cursor{} }

func (o observer) Unsure(id git.RepositoryID) { o(unsure{event.Header{ID: id}}) }

type unsure struct{ event.Header }

func (unsure) Type() event.Type { return "unsure" }

func TestEveryChangeIsObservedInOrder(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), Observer: observer(func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		line := fmt.Sprintf("%s %s", e.Repository(), e.Type())
		if ref, ok := e.(event.RefUpdated); ok {
			line += fmt.Sprintf(" %s %s commit=%t forced=%t release=%s %d/%d %s", ref.Ref, ref.Change(), !ref.Commit.IsZero(), ref.Forced,
				ref.Release.Version, ref.Transaction.Index, ref.Transaction.Count, ref.RequestID)
		}
		seen = append(seen, line)
	})})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := createShop(t, s)
	first := commit(t, r, upsert(path(t, "a.md"), "one"))
	commit(t, r, upsert(path(t, "a.md"), "one"))
	second := commit(t, r, upsert(path(t, "a.md"), "two"))
	const requestID = "00000000-0000-4000-8000-000000000001"
	tag := value[git.RefName](t)(git.TagRef("v1.0.0"))
	var receipt ports.Receipt
	release := ports.PublishRelease{
		Tag: ports.CreateTag{Name: tag, Message: "Release"}, RequestID: requestID,
		Commit: &ports.CommitFiles{Branch: mainBranch(t), Message: "Change"},
	}
	_, err = r.PublishRelease(ports.WithReceipt(t.Context(), &receipt), release, changes(upsert(path(t, "a.md"), "three")))
	require.NoError(t, err)
	assert.Equal(t, uint64(2), receipt.Cursor.Sequence())
	head, err := r.ResolveRevision(t.Context(), git.Head())
	require.NoError(t, err)
	_, err = r.UpdateRefs(t.Context(), []git.RefUpdate{{Name: mainBranch(t), Expected: git.ExpectID(head.Commit), New: first.Commit, Force: true}})
	require.NoError(t, err)
	_, err = r.UpdateRefs(t.Context(), []git.RefUpdate{{Name: mainBranch(t), Expected: git.ExpectID(first.Commit), New: second.Commit, Force: true}})
	require.NoError(t, err)
	require.NoError(t, r.DeleteTag(t.Context(), ports.DeleteRef{Name: tag}))
	require.NoError(t, s.Import(t.Context(), shopID(t), strings.NewReader("reset refs/heads/side\nfrom refs/heads/main\n\ndone\n")))
	require.NoError(t, s.DeleteRepository(t.Context(), shopID(t)))
	assert.Equal(t, []string{
		"shop dev.gitstore.repository.created.v1",
		"shop dev.gitstore.ref.updated.v1 refs/heads/main created commit=true forced=false release= 0/1 ",
		"shop dev.gitstore.ref.updated.v1 refs/heads/main updated commit=true forced=false release= 0/1 ",
		"shop dev.gitstore.ref.updated.v1 refs/heads/main updated commit=true forced=false release= 0/2 " + requestID,
		"shop dev.gitstore.ref.updated.v1 refs/tags/v1.0.0 created commit=true forced=false release=1.0.0 1/2 " + requestID,
		"shop dev.gitstore.ref.updated.v1 refs/heads/main updated commit=true forced=true release= 0/1 ",
		"shop dev.gitstore.ref.updated.v1 refs/heads/main updated commit=true forced=false release= 0/1 ",
		"shop dev.gitstore.ref.updated.v1 refs/tags/v1.0.0 deleted commit=false forced=false release=1.0.0 0/1 ",
		"shop unsure",
		"shop dev.gitstore.repository.deleted.v1",
	}, seen)
}

func TestStatesAreTheSameWhetherRepositoriesAreOpenOrNot(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "a.md"), "one"))
	_, err := r.CreateTag(t.Context(), ports.CreateTag{Name: value[git.RefName](t)(git.TagRef("v1.0.0")), Target: git.Head(), Message: "Release"})
	require.NoError(t, err)
	runGit(t, repositoryDir(t, root), command.Git("pack-refs", "--all"))
	commit(t, r, upsert(path(t, "a.md"), "two"))
	other := value[git.RepositoryID](t)(git.ParseRepositoryID("other"))
	value[ports.RepositoryInfo](t)(s.CreateRepository(t.Context(), ports.CreateRepository{ID: other}))
	open := states(t, s)
	require.Len(t, open["shop"].Refs, 2)
	require.Empty(t, open["other"].Refs)
	require.NoError(t, s.Close())

	s = openStore(t, root)
	assert.Equal(t, open, states(t, s))
	assert.Equal(t, map[string]event.RepositoryState{"other": open["other"]}, states(t, s, other))
	assert.Empty(t, states(t, s, value[git.RepositoryID](t)(git.ParseRepositoryID("none"))))
	assert.Zero(t, s.Stats().Processes)
}

func states(t *testing.T, s *gitcli.Store, ids ...git.RepositoryID) map[string]event.RepositoryState {
	t.Helper()
	all := map[string]event.RepositoryState{}
	for state, err := range s.States(t.Context(), ids...) {
		require.NoError(t, err)
		all[state.ID.String()] = state
	}
	return all
}

func TestARemovalEndsWithItsContextAndIsFinishedLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deleted")
	refs := filepath.Join(dir, "refs", "heads")
	require.NoError(t, os.MkdirAll(refs, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(refs, "main"), nil, 0o600))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, gitcli.RemoveAll(ended, dir), context.Canceled)
	require.FileExists(t, filepath.Join(refs, "main"))
	require.NoError(t, gitcli.RemoveAll(t.Context(), dir))
	require.NoDirExists(t, dir)
	require.NoError(t, gitcli.RemoveAll(t.Context(), dir), "again")
}

func TestDirectoriesThatAreTooLargeToBeReadTogetherAreListed(t *testing.T) {
	s := openStore(t, t.TempDir())
	r := createShop(t, s)
	const directories, files = 8, 4000
	var stream strings.Builder
	stream.WriteString("blob\nmark :1\ndata 1\nx\ncommit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 1\nx\n")
	name := strings.Repeat("n", 240)
	for d := range directories {
		for f := range files {
			fmt.Fprintf(&stream, "M 100644 :1 %d/%d-%d%s\n", d, d, f, name) // no two are the same tree
		}
	}
	require.NoError(t, s.Import(t.Context(), shopID(t), strings.NewReader(stream.String()+"done\n")))
	_, entries, err := r.ListFiles(t.Context(), ports.ListFiles{Revision: git.Head(), Recursive: true})
	require.NoError(t, err)
	listed := map[string]int{}
	for entry, err := range entries {
		require.NoError(t, err)
		listed[entry.Path.String()[:1]]++
	}
	require.Len(t, listed, directories)
	for d, n := range listed {
		require.Equal(t, files, n, "in %s", d)
	}
}

func TestARefThatWasMovedBehindTheServiceIsNoticedByTheNextWrite(t *testing.T) {
	root, doubts := t.TempDir(), 0
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, Observer: observer(func(e event.Event) {
		if _, ok := e.(unsure); ok {
			doubts++
		}
	})})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "a.md"), "one"))
	other := commit(t, r, upsert(path(t, "a.md"), "two")).Commit
	commit(t, r, upsert(path(t, "a.md"), "three"))
	doubts = 0
	gitcmd.Run(t, nil, "--git-dir="+repositoryDir(t, root), "update-ref", "refs/heads/main", other.String())

	made := commit(t, r, upsert(path(t, "b.md"), "four")).Commit
	assert.Equal(t, []git.ObjectID{other}, value[*git.Commit](t)(r.GetCommit(t.Context(), git.AtCommit(made))).Parents)
	assert.Equal(t, 1, doubts, "nobody was told that a ref had moved")
}

// openDoubted opens a store and counts how often it is unsure of a repository.
func openDoubted(t *testing.T, root string) (*gitcli.Store, *atomic.Int64) {
	doubts := new(atomic.Int64)
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, Observer: observer(func(e event.Event) {
		if _, ok := e.(unsure); ok {
			doubts.Add(1)
		}
	})})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s, doubts
}

func TestReadersSeeARefThatWasMovedBehindTheService(t *testing.T) {
	root := t.TempDir()
	s, doubts := openDoubted(t, root)
	r := createShop(t, s)
	first := commit(t, r, upsert(path(t, "a.md"), "one")).Commit
	head := commit(t, r, upsert(path(t, "a.md"), "two")).Commit
	_, err := r.CreateBranch(t.Context(), ports.CreateBranch{Name: value[git.RefName](t)(git.BranchRef("x/side")), Target: git.Head()})
	require.NoError(t, err)
	doubts.Store(0)
	require.Never(t, func() bool { return doubts.Load() > 0 }, 5*time.Second, 100*time.Millisecond, "what the service wrote is told of as if others had")
	for i, step := range []struct {
		update []string
		wanted git.ObjectID
	}{
		{[]string{"refs/heads/x/side", first.String()}, first},
		{[]string{"-d", "refs/heads/x/side"}, git.ObjectID{}},
		{[]string{"refs/heads/x/side", head.String()}, head},
	} {
		gitcmd.Run(t, nil, append([]string{"--git-dir=" + repositoryDir(t, root), "update-ref"}, step.update...)...)
		require.Eventually(t, func() bool {
			made := commit(t, r, upsert(path(t, "b.md"), fmt.Sprint(time.Now().UnixNano()))).Commit
			require.Equal(t, []git.ObjectID{head}, value[*git.Commit](t)(r.GetCommit(t.Context(), git.AtCommit(made))).Parents)
			head = made
			return branchAt(t, r, "x/side") == step.wanted
		}, time.Minute, 50*time.Millisecond)
		assert.EqualValues(t, i+1, doubts.Load(), "each is told of once")
	}
}
