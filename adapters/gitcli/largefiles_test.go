package gitcli_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// noise is content that does not compress, so that a pack holds all of it.
func noise(seed byte, size int) string {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return string(b)
}

func read(t *testing.T, r ports.GitRepository, q ports.ReadFile) (ports.File, io.ReadCloser) {
	t.Helper()
	q.Revision = git.Head()
	f, content, err := r.ReadFile(t.Context(), q)
	require.NoError(t, err)
	return f, content
}

func readAll(t *testing.T, content io.ReadCloser) string {
	t.Helper()
	b, err := io.ReadAll(content)
	require.NoError(t, err)
	require.NoError(t, content.Close())
	return string(b)
}

// assertIdle checks that no process is busy, and that no file that has no name is open.
func assertIdle(t *testing.T, s *gitcli.Store, root string) {
	t.Helper()
	assert.Eventually(t, func() bool { return s.Stats().Busy == 0 }, 10*time.Second, time.Millisecond)
	assert.Eventually(t, func() bool { return len(nameless(t, root)) == 0 }, 10*time.Second, time.Millisecond)
	left, err := os.ReadDir(filepath.Join(root, "tmp"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func nameless(t *testing.T, root string) []string {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	var names []string
	for _, fd := range fds {
		name, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name()))
		if err == nil && strings.HasPrefix(name, root) && strings.HasSuffix(name, "(deleted)") {
			names = append(names, name)
		}
	}
	return names
}

func TestSlowReadersOfALargeFileHoldUpNobody(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	r := createShop(t, s)
	big, other := noise(1, 20<<20), noise(2, 1100<<10)
	bigPath, otherPath := path(t, "big.bin"), path(t, "other.bin")
	commit(t, r, upsert(bigPath, big), upsert(otherPath, other))
	var slow []io.ReadCloser
	for i := range 8 {
		_, content := read(t, r, ports.ReadFile{Path: bigPath, Offset: int64(i / 2)})
		_, err := io.ReadFull(content, make([]byte, 1))
		require.NoError(t, err)
		slow = append(slow, content)
	}
	_, trees, err := r.ReadTree(t.Context(), ports.ReadTree{Revision: git.Head()})
	require.NoError(t, err)
	for f, err := range trees { // a consumer of a tree that stops within a file
		require.NoError(t, err)
		_, err = io.ReadFull(f.Content, make([]byte, 1))
		require.NoError(t, err)

		file, content := read(t, r, ports.ReadFile{Path: bigPath})
		assert.Equal(t, int64(len(big)), file.Size)
		require.NoError(t, content.Close())
		_, content = read(t, r, ports.ReadFile{Path: otherPath})
		assert.Equal(t, other, readAll(t, content))
		_, content = read(t, r, ports.ReadFile{Path: bigPath, Offset: 5 << 20, Limit: 10})
		assert.Equal(t, big[5<<20:5<<20+10], readAll(t, content))
	}
	for i, content := range slow {
		assert.Equal(t, big[i/2+1:], readAll(t, content))
	}
	assertIdle(t, s, root)
}

func TestMetadataOfALargeFileTakesNoProcessOfItsOwn(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	r := createShop(t, s)
	big := noise(1, 3<<20)
	commit(t, r, upsert(path(t, "big.bin"), big))
	before := s.Stats().ProcessesStarted
	for _, q := range []ports.ReadFile{{}, {Offset: 10}, {Limit: 10}, {Offset: int64(len(big))}} {
		q.Path = path(t, "big.bin")
		f, content := read(t, r, q)
		assert.Equal(t, int64(len(big)), f.Size)
		assert.Zero(t, s.Stats().Busy)
		require.NoError(t, content.Close())
	}
	_, _, err := r.ReadFile(t.Context(), ports.ReadFile{Revision: git.Head(), Path: path(t, "big.bin"), Offset: int64(len(big)) + 1})
	assert.Equal(t, errs.ReasonInvalidRange, errs.ReasonOf(err))
	assert.Equal(t, before, s.Stats().ProcessesStarted)
}

func TestContentThatATreeIsReadWithoutIsNotAskedOfGit(t *testing.T) {
	root := t.TempDir()
	r := createShop(t, openStore(t, root))
	commit(t, r, upsert(path(t, "a.md"), "small"))
	commit(t, r, upsert(path(t, "large.md"), noise(1, 2<<20)), upsert(path(t, "photo.jpg"), noise(2, 2<<20)))
	for _, name := range files(t, root) {
		if info, err := os.Stat(name); err == nil && info.Size() > 1<<20 {
			content := value[[]byte](t)(os.ReadFile(name))
			clear(content[1<<10 : len(content)-1<<10]) // all but where large.md begins, and the end
			require.NoError(t, os.Chmod(name, 0o600))
			require.NoError(t, os.WriteFile(name, content, 0o600))
		}
	}
	readTree := func(q ports.ReadTree) (read []string, err error) {
		q.Revision = git.Head()
		_, tree, err := r.ReadTree(t.Context(), q)
		require.NoError(t, err)
		for f, err := range tree {
			if err != nil {
				return read, err
			}
			content := "-"
			if !f.Omitted {
				b, err := io.ReadAll(f.Content)
				if err != nil {
					return read, err
				}
				content = string(b)
			}
			read = append(read, fmt.Sprint(f.Path, " ", f.Size, " ", content))
		}
		return read, nil
	}
	read, err := readTree(ports.ReadTree{Suffixes: []string{".md"}, MaxFileSize: 1 << 20})
	require.NoError(t, err)
	assert.Equal(t, []string{"a.md 5 small", "large.md 2097152 -"}, read)
	_, err = readTree(ports.ReadTree{Suffixes: []string{".md"}})
	assert.Equal(t, errs.ReasonRepositoryCorrupt, errs.ReasonOf(err), "the content is there after all: %v", err)
	_, err = readTree(ports.ReadTree{Suffixes: []string{".jpg"}})
	assert.Equal(t, errs.ReasonRepositoryCorrupt, errs.ReasonOf(err), "the content is there after all: %v", err)
}

func TestAbandonedReadsOfLargeFilesLeaveNothing(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	r := createShop(t, s)
	commit(t, r, upsert(path(t, "big.bin"), noise(1, 8<<20)), upsert(path(t, "more.bin"), noise(2, 2<<20)))
	for _, n := range []int64{0, 1, 1 << 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			_, closed := read(t, r, ports.ReadFile{Path: path(t, "big.bin")})
			_, err := io.CopyN(io.Discard, closed, n)
			require.NoError(t, err)
			require.NoError(t, closed.Close())

			ctx, cancel := context.WithCancel(t.Context())
			_, canceled, err := r.ReadFile(ctx, ports.ReadFile{Revision: git.Head(), Path: path(t, "big.bin")})
			require.NoError(t, err)
			_, err = io.CopyN(io.Discard, canceled, n)
			require.NoError(t, err)
			cancel()
			_, err = io.Copy(io.Discard, canceled)
			require.ErrorIs(t, err, context.Canceled)
			require.NoError(t, canceled.Close())

			_, batch, err := r.BatchGetFiles(t.Context(), git.Head(), []git.TreePath{path(t, "big.bin"), path(t, "more.bin")})
			require.NoError(t, err)
			for f, err := range batch {
				require.NoError(t, err)
				_, err = io.CopyN(io.Discard, f.Content, n)
				require.NoError(t, err)
				break
			}
			assertIdle(t, s, root)
		})
	}
}

func TestLargeFileIsReadToItsEndAfterItsRepositoryWasDeleted(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	r := createShop(t, s)
	big := noise(1, 3<<20)
	commit(t, r, upsert(path(t, "big.bin"), big))
	_, content := read(t, r, ports.ReadFile{Path: path(t, "big.bin")})
	_, err := io.ReadFull(content, make([]byte, 1))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.Stats().Busy == 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, s.DeleteRepository(t.Context(), shopID(t)))
	assert.Equal(t, big[1:], readAll(t, content))
	assert.Empty(t, nameless(t, root))
}

func TestALargeFileIsReadWithoutTheDiskWhereThatIsToBeLeftFree(t *testing.T) {
	dir, content := t.TempDir(), noise(2, 3<<20)
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir})
	require.NoError(t, err)
	commit(t, createShop(t, s), upsert(path(t, "large"), content))
	require.NoError(t, s.Close())
	for least, files := range map[int64]int{0: 1, math.MaxInt64: 0} {
		s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir, MinFreeSpace: least})
		require.NoError(t, err)
		_, large := read(t, s.Repository(shopID(t)), ports.ReadFile{Path: path(t, "large")})
		_, err = io.ReadFull(large, make([]byte, 1))
		require.NoError(t, err)
		assert.Len(t, nameless(t, dir), files)
		assert.True(t, content[1:] == readAll(t, large))
		assertIdle(t, s, dir)
		require.NoError(t, s.Close())
	}
}

func TestATreeOfLargeFilesIsReadAFewAtATime(t *testing.T) {
	const n, size = 256, 128 << 10
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), CacheBytes: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := createShop(t, s)
	content := noise(1, size)
	_, err = r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "Import"}, func(yield func(git.Change, error) bool) {
		for i := range n {
			if !yield(upsert(path(t, fmt.Sprintf("%03d", i)), fmt.Sprintf("%03d", i)+content[3:]), nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most := heap(), int64(0)
	_, tree, err := r.ReadTree(t.Context(), ports.ReadTree{Revision: git.Head()})
	require.NoError(t, err)
	i := 0
	for f, err := range tree {
		require.NoError(t, err)
		got, err := io.ReadAll(f.Content)
		require.NoError(t, err)
		assert.True(t, string(got) == fmt.Sprintf("%03d", i)+content[3:], "%s differs", f.Path)
		if i++; i%32 == 1 {
			most = max(most, heap()-before)
		}
	}
	assert.Equal(t, n, i)
	assert.Less(t, most, int64(n*size*2/3), "of %d bytes in all", n*size)
}

func TestAPageOfLargeTagsTakesNoMoreThanItHolds(t *testing.T) {
	dir := t.TempDir()
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir, CacheBytes: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := createShop(t, s)
	_, err = r.CommitFiles(t.Context(), ports.CommitFiles{Branch: mainBranch(t), Message: "m"}, changes(upsert(path(t, "a"), "a")))
	require.NoError(t, err)
	const n = 200
	for i := range n {
		name, err := git.TagRef(fmt.Sprintf("v%d.0.0", i))
		require.NoError(t, err)
		_, err = r.CreateTag(t.Context(), ports.CreateTag{Name: name, Target: git.Head(), Message: strings.Repeat("x", 255<<10)})
		require.NoError(t, err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	found, err := r.ListTags(t.Context(), ports.Page{Size: n})
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	assert.Equal(t, ports.MaxTagPage/(256<<10), len(found.Items)) //nolint:testifylint // the tags are too large to be shown
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*ports.MaxTagPage))
}
