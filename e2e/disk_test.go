package e2e

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// repositoryDirs returns the repositories below a data directory.
func repositoryDirs(t testing.TB, data string) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(data, "repositories", "*", "*", "*.git"))
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	return dirs
}

// repositoryDir returns the directory of a repository, as docs/operations.md tells operators to find it.
func repositoryDir(data, id string) string {
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(id)))
	return filepath.Join(data, "repositories", hash[:2], hash[2:4], hash+".git")
}

// git runs git on a repository of the data directory and returns what it prints.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	return strings.TrimSpace(string(gitcmd.Run(t, nil, append([]string{"--git-dir=" + dir}, args...)...)))
}

// leftovers returns the locks, temporary files and halves of packs below a data directory.
func leftovers(t testing.TB, data string) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // it was removed meanwhile
		}
		if err == nil && isLeftover(data, path, e) {
			found = append(found, path)
		}
		return err
	}))
	return found
}

func isLeftover(data, path string, e fs.DirEntry) bool {
	name := e.Name()
	switch {
	case filepath.Dir(path) == filepath.Join(data, "tmp"),
		strings.HasSuffix(name, ".lock"),
		strings.HasPrefix(name, "tmp_"), strings.HasPrefix(name, ".tmp"):
		return true
	case strings.HasSuffix(name, ".pack"):
		_, err := os.Lstat(strings.TrimSuffix(path, ".pack") + ".idx")
		return err != nil
	case strings.HasSuffix(name, ".idx"):
		_, err := os.Lstat(strings.TrimSuffix(path, ".idx") + ".pack")
		return err != nil
	}
	return false
}

// contents returns every file below a data directory with its size and hash.
func contents(t testing.TB, data string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, data)] = fmt.Sprintf("%d bytes, %x", len(b), sha256.Sum256(b))
		return err
	}))
	return files
}
