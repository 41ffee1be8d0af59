package gitcli_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest"
)

func TestConformance(t *testing.T) { gitrepotest.Run(t, harness()) }

func BenchmarkConformance(b *testing.B) { gitrepotest.Bench(b, harness()) }

func harness() gitrepotest.Harness {
	var dirs sync.Map
	open := func(t testing.TB, dir string) ports.RepositoryStore {
		s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir})
		require.NoError(t, err)
		dirs.Store(s, dir)
		t.Cleanup(func() {
			assert.NoError(t, s.Close())
			assertNoLeftovers(t, dir)
		})
		return s
	}
	return gitrepotest.Harness{
		New: func(t testing.TB) ports.RepositoryStore { return open(t, t.TempDir()) },
		Import: func(t testing.TB, store ports.RepositoryStore, id git.RepositoryID, stream []byte) {
			require.NoError(t, store.(*gitcli.Store).Import(t.Context(), id, bytes.NewReader(stream)))
		},
		Reopen: func(t testing.TB, store ports.RepositoryStore) ports.RepositoryStore {
			require.NoError(t, store.(*gitcli.Store).Close())
			dir, _ := dirs.Load(store)
			return open(t, dir.(string))
		},
		CheckIdle: func(t testing.TB, store ports.RepositoryStore) {
			assert.Eventually(t, func() bool { return store.(*gitcli.Store).Stats().Busy == 0 }, 10*time.Second, time.Millisecond,
				"a call that ended still holds a process")
		},
	}
}

func assertNoLeftovers(t testing.TB, root string) {
	for _, pattern := range []string{"tmp/*", "repositories/*/*/*.git/objects/*/*tmp*", "repositories/*/*/*.git/*.lock"} {
		found, err := filepath.Glob(filepath.Join(root, strings.ReplaceAll(pattern, "/", string(filepath.Separator))))
		require.NoError(t, err)
		assert.Empty(t, found)
	}
}
