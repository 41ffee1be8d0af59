package memrepo_test

import (
	"bytes"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var harness = gitrepotest.Harness{
	New: func(testing.TB) ports.RepositoryStore { return memrepo.New() },
	Import: func(t testing.TB, store ports.RepositoryStore, id git.RepositoryID, stream []byte) {
		if err := store.(*memrepo.Store).Import(t.Context(), id, bytes.NewReader(stream)); err != nil {
			t.Fatal(err)
		}
	},
	Reopen: func(_ testing.TB, store ports.RepositoryStore) ports.RepositoryStore {
		return store.(*memrepo.Store).Reopen()
	},
}

func TestConformance(t *testing.T) { gitrepotest.Run(t, harness) }

func BenchmarkConformance(b *testing.B) { gitrepotest.Bench(b, harness) }
