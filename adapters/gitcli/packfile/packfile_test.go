package packfile_test

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/packfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// repository is an empty bare repository and the git to judge it with.
type repository struct {
	t      *testing.T
	runner *command.Runner
	dir    string
}

func newRepository(t *testing.T, f git.ObjectFormat) repository {
	t.Helper()
	runner, err := command.NewRunner(t.Context(), "git", 1<<30, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	r := repository{t, runner, t.TempDir()}
	r.git(command.Git("init", "--quiet", "--bare", "--template=").WithFormat("--object-format=", f), "")
	return r
}

func (r repository) git(c command.Command, stdin string) string {
	r.t.Helper()
	out, err := r.runner.Output(r.t.Context(), r.dir, c, strings.NewReader(stdin))
	require.NoError(r.t, err)
	return string(out)
}

func (r repository) packDir() string { return filepath.Join(r.dir, "objects", "pack") }

func formats(t *testing.T, test func(*testing.T, git.ObjectFormat)) {
	for _, f := range []git.ObjectFormat{git.SHA1, git.SHA256} {
		t.Run(f.String(), func(t *testing.T) { test(t, f) })
	}
}

func TestGitReadsEveryObjectOfAPack(t *testing.T) {
	formats(t, func(t *testing.T, f git.ObjectFormat) {
		repo := newRepository(t, f)
		pack, err := packfile.Create(repo.packDir(), f)
		require.NoError(t, err)
		random := rand.New(rand.NewPCG(1, 2))
		want := map[git.ObjectID][]byte{}
		for i := range 300 {
			content := make([]byte, random.IntN(1<<(i%18)))
			for j := range content {
				content[j] = byte(random.IntN(1 + i%256))
			}
			id := add(t, pack, f, content, i%2 == 0)
			want[id] = content
		}
		require.NoError(t, pack.Finish())
		require.NoError(t, pack.Install())

		assert.Empty(t, repo.git(command.Git("fsck", "--strict", "--full", "--no-progress", "--no-dangling"), ""))
		var ids, contents strings.Builder
		for id, content := range want {
			assert.Equal(t, f.HashObject(git.BlobObject, content), id)
			ids.WriteString(id.String() + "\n")
			contents.WriteString("blob\n" + string(content) + "\n")
		}
		require.Equal(t, contents.String(), repo.git(command.Git("cat-file", "--batch=%(objecttype)"), ids.String()))
	})
}

// add puts a blob into the pack by one way or the other.
func add(t *testing.T, pack *packfile.Pack, f git.ObjectFormat, content []byte, streamed bool) git.ObjectID {
	t.Helper()
	if streamed {
		id, err := pack.AddBlob(int64(len(content)), iotest.OneByteReader(bytes.NewReader(content)))
		require.NoError(t, err)
		return id
	}
	object, err := packfile.NewObject(f, git.BlobObject, content)
	require.NoError(t, err)
	require.NoError(t, pack.Add(object))
	return object.ID
}

func TestObjectThatIsAddedAgainIsHeldOnce(t *testing.T) {
	repo := newRepository(t, git.SHA1)
	pack, err := packfile.Create(repo.packDir(), git.SHA1)
	require.NoError(t, err)
	for _, streamed := range []bool{false, true, false, true} {
		add(t, pack, git.SHA1, []byte("twice"), streamed)
		add(t, pack, git.SHA1, []byte("other"), streamed)
	}
	require.NoError(t, pack.Finish())
	require.NoError(t, pack.Install())
	assert.Empty(t, repo.git(command.Git("fsck", "--strict", "--full", "--no-progress", "--no-dangling"), ""))
	assert.Contains(t, repo.git(command.Git("count-objects", "-v"), ""), "in-pack: 2\n")
}

func TestPackThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	pack, err := packfile.Create(dir, git.SHA1)
	require.NoError(t, err)
	gone := errors.New("gone")
	_, err = pack.AddBlob(10, iotest.ErrReader(gone))
	require.ErrorIs(t, err, gone)
	pack.Discard()
	assert.Empty(t, names(t, dir))
}

func TestBlobOfAnotherSizeThanAnnouncedIsInvalid(t *testing.T) {
	pack, err := packfile.Create(t.TempDir(), git.SHA1)
	require.NoError(t, err)
	defer pack.Discard()
	_, err = pack.AddBlob(10, strings.NewReader("short"))
	assert.Equal(t, errs.ReasonInvalidAction, errs.ReasonOf(err))
}

func TestInstalledPackStays(t *testing.T) {
	dir := t.TempDir()
	pack, err := packfile.Create(dir, git.SHA1)
	require.NoError(t, err)
	add(t, pack, git.SHA1, []byte("x"), false)
	require.NoError(t, pack.Finish())
	require.False(t, pack.Installed())
	require.NoError(t, pack.Install())
	require.True(t, pack.Installed())
	installed := names(t, dir)
	pack.Discard()
	assert.Equal(t, installed, names(t, dir))
}

func TestPackWhoseIndexCannotBeInstalledIsNotInstalled(t *testing.T) {
	dir := t.TempDir()
	pack, err := packfile.Create(dir, git.SHA1)
	require.NoError(t, err)
	add(t, pack, git.SHA1, []byte("x"), false)
	require.NoError(t, pack.Finish())
	for _, name := range names(t, dir) {
		if strings.HasSuffix(name, ".idx") {
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
		}
	}
	require.Error(t, pack.Install())
	pack.Discard()
	assert.Empty(t, names(t, dir))
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
