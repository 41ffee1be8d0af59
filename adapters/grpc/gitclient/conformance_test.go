package gitclient_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

// gRPC is the same for every store behind it, so that each object format goes across once: what messages carry is tried with
// the longer names over memory, and the way to git and back with the usual ones.
func TestConformance(t *testing.T) {
	for name, way := range map[string]struct {
		behind gitrepotest.Harness
		format git.ObjectFormat
	}{
		"mem": {overMemory, git.SHA256},
		"git": {overGit, git.SHA1},
	} {
		t.Run(name, func(t *testing.T) {
			h := served(way.behind)
			h.Formats = []git.ObjectFormat{way.format}
			gitrepotest.Run(t, h)
		})
	}
}

func BenchmarkConformance(b *testing.B) {
	b.Run("mem", func(b *testing.B) { gitrepotest.Bench(b, served(overMemory)) })
	b.Run("git", func(b *testing.B) { gitrepotest.Bench(b, served(overGit)) })
}

// served is the harness of the stores of h behind a server and its client.
func served(h gitrepotest.Harness) gitrepotest.Harness {
	return gitrepotest.Harness{
		New: func(t testing.TB) ports.RepositoryStore { return serve(t, h.New(t)) },
		Import: func(t testing.TB, store ports.RepositoryStore, id git.RepositoryID, stream []byte) {
			h.Import(t, store.(remote).behind, id, stream)
		},
		Reopen: func(t testing.TB, store ports.RepositoryStore) ports.RepositoryStore {
			return serve(t, h.Reopen(t, store.(remote).behind))
		},
		CheckIdle: func(t testing.TB, store ports.RepositoryStore) {
			if h.CheckIdle != nil {
				h.CheckIdle(t, store.(remote).behind)
			}
		},
		NoPacks: h.NoPacks,
	}
}

var overMemory = gitrepotest.Harness{
	New: func(testing.TB) ports.RepositoryStore { return memrepo.New() },
	Import: func(t testing.TB, store ports.RepositoryStore, id git.RepositoryID, stream []byte) {
		require.NoError(t, store.(*memrepo.Store).Import(t.Context(), id, bytes.NewReader(stream)))
	},
	Reopen: func(_ testing.TB, store ports.RepositoryStore) ports.RepositoryStore {
		return store.(*memrepo.Store).Reopen()
	},
	NoPacks: "the reference knows neither packs nor deltas",
}

// gitStore is a store over git with its folder, so that it can be opened again.
type gitStore struct {
	*gitcli.Store
	dir string
}

func openGit(t testing.TB, dir string) gitStore {
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return gitStore{s, dir}
}

var overGit = gitrepotest.Harness{
	New: func(t testing.TB) ports.RepositoryStore { return openGit(t, t.TempDir()) },
	Import: func(t testing.TB, store ports.RepositoryStore, id git.RepositoryID, stream []byte) {
		require.NoError(t, store.(gitStore).Import(t.Context(), id, bytes.NewReader(stream)))
	},
	Reopen: func(t testing.TB, store ports.RepositoryStore) ports.RepositoryStore {
		require.NoError(t, store.(gitStore).Close())
		return openGit(t, store.(gitStore).dir)
	},
	CheckIdle: func(t testing.TB, store ports.RepositoryStore) {
		assert.Eventually(t, func() bool { return store.(gitStore).Stats().Busy == 0 }, 10*time.Second, time.Millisecond,
			"a call that ended still holds a process")
	},
}
