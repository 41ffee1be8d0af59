package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sourceFile is a file of the Go toolchain's source.
type sourceFile struct {
	path       string
	executable bool
	content    []byte
}

func (f sourceFile) blob() string {
	return fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(f.content)), f.content...)))
}

// goSource reads the source tree of the Go toolchain, ordered by path.
func goSource(t *testing.T) []sourceFile {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	root, err := filepath.EvalSymlinks(filepath.Join(strings.TrimSpace(string(out)), "src"))
	require.NoError(t, err)
	var files []sourceFile
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		name := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		files = append(files, sourceFile{name, info.Mode()&0o100 != 0, content})
		return err
	}))
	require.Greater(t, len(files), 5000)
	slices.SortFunc(files, func(a, b sourceFile) int { return strings.Compare(a.path, b.path) })
	return files
}

// streamCommit writes the body of a commit of all files as it is read.
func streamCommit(files []sourceFile) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(w, 64<<10)
		_, _ = b.WriteString(`{"branch":"main","message":"Import the source of Go","actions":[`)
		separator := ""
		for _, f := range files {
			path, err := json.Marshal(f.path)
			if err != nil {
				_ = w.CloseWithError(err)
				return
			}
			_, _ = fmt.Fprintf(b, `%s{"action":"create","path":%s,"executable":%t,"content_base64":"`, separator, path, f.executable)
			encoder := base64.NewEncoder(base64.StdEncoding, b)
			_, _ = encoder.Write(f.content)
			_ = encoder.Close()
			_, _ = b.WriteString(`"}`)
			separator = ","
		}
		_, _ = b.WriteString("]}")
		_ = w.CloseWithError(b.Flush()) // which has every error before it
	}()
	return r
}

func TestGoSourceTree(t *testing.T) {
	files := goSource(t)
	size := 0
	for _, f := range files {
		size += len(f.content)
	}
	s := startSystem(t)
	s.createRepository(t, "go")

	lap := stopwatch(t)
	imported := into[commitResult](t, s.call(t, "POST", inRepository("go", "/commits"), streamCommit(files)).wants(t, 201))
	lap("import of %d files, %d MiB, as one commit", len(files), size>>20)
	require.Empty(t, imported.ParentID)
	require.Len(t, imported.Blobs, len(files))
	for _, f := range files {
		require.Equal(t, f.blob(), imported.Blobs[f.path], f.path)
	}

	readBack(t, s, imported.CommitID, files)
	lap("%d files read back", len(files))
	compareListing(t, s, imported.CommitID, files)
	lap("listing in pages")
	commitConcurrently(t, s, "go", 16, 500)
	lap("500 commits by 16 writers")
	history := s.history(t, "go")
	require.Len(t, history, 501)
	require.Equal(t, imported.CommitID, history[500].CommitID)
	requireLinear(t, history)
	lap("history in pages")

	t.Logf("most memory: git-service %d MiB, API %d MiB", s.git.peakMemory(t), s.api.peakMemory(t))
	s.stop(t)
	lap("stop")
	dir := repositoryDirs(t, s.data)[0]
	require.Equal(t, "501", git(t, dir, "rev-list", "--count", "main"))
	require.Empty(t, git(t, dir, "rev-list", "--min-parents=2", "main"))
	require.Empty(t, git(t, dir, "fsck", "--strict", "--full", "--no-progress"))
	lap("git fsck --strict")
	for _, p := range []*process{s.git, s.api} {
		require.NotContains(t, p.logged(), `"level":"ERROR"`, p.name)
	}
}

// stopwatch returns a function that logs what was done since it was called last.
func stopwatch(t testing.TB) func(format string, args ...any) {
	last := time.Now()
	return func(format string, args ...any) {
		t.Helper()
		t.Logf("%6.2fs %s", time.Since(last).Seconds(), fmt.Sprintf(format, args...))
		last = time.Now()
	}
}

// inParallel calls do for 0 to n-1 from so many workers, and returns the first error.
func inParallel(workers, n int, do func(i int) error) error {
	var (
		wg    sync.WaitGroup
		once  sync.Once
		first error
		next  = make(chan int)
		stop  = make(chan struct{})
	)
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					once.Do(func() { first = err; close(stop) })
					return
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-stop:
			break feed
		}
	}
	close(next)
	wg.Wait()
	return first
}

func readBack(t *testing.T, s *system, commitID string, files []sourceFile) {
	t.Helper()
	require.NoError(t, inParallel(8, len(files), func(i int) error {
		f := files[i]
		a, err := s.try(t.Context(), "GET", fileTarget("go", f.path)+"?ref="+commitID, nil)
		switch {
		case err != nil:
			return err
		case a.status != 200:
			return fmt.Errorf("%s: %d: %s", f.path, a.status, a.body)
		case !bytes.Equal(a.body, f.content):
			return fmt.Errorf("%s: %d bytes came back that differ from the %d on the disk", f.path, len(a.body), len(f.content))
		case a.header.Get("ETag") != `"`+f.blob()+`"` || a.header.Get("GitStore-Commit") != commitID:
			return fmt.Errorf("%s: headers %v", f.path, a.header)
		}
		return nil
	}))
}

func compareListing(t *testing.T, s *system, commitID string, files []sourceFile) {
	t.Helper()
	listed := list[treeEntry](t, s.client, inRepository("go", "/tree?recursive=true&ref="+commitID), 700)
	require.Len(t, listed, len(files))
	for i, f := range files {
		want := treeEntry{Path: f.path, Type: "file", Mode: "100644", ID: f.blob(), Size: int64(len(f.content))}
		if f.executable {
			want.Mode = "100755"
		}
		require.Equal(t, want, listed[i])
	}
}

// commitConcurrently makes n commits of one file each from so many writers, none of which may fail. Each reads what it
// wrote.
func commitConcurrently(t *testing.T, s *system, repository string, writers, n int) {
	t.Helper()
	require.NoError(t, inParallel(writers, n, func(i int) error {
		path, content := fmt.Sprintf("written/%02d/%03d.txt", i%writers, i), fmt.Sprintf("content of %d\n", i)
		a, err := s.tryCommit(t.Context(), repository, commit{
			Branch: "main", Message: fmt.Sprintf("Write %d", i), Actions: []action{upsert(path, content)},
		})
		if err != nil || a.status != 201 {
			return fmt.Errorf("write %d: %d: %s: %w", i, a.status, a.body, err)
		}
		a, err = s.try(t.Context(), "GET", fileTarget(repository, path), nil)
		if err != nil || a.status != 200 || string(a.body) != content {
			return fmt.Errorf("read %d: %d: %s: %w", i, a.status, a.body, err)
		}
		return nil
	}))
}
