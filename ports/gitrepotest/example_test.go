package gitrepotest_test

import (
	"bytes"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

// audited is an adapter of one's own: here a decorator of the in-memory store.
type audited struct{ *memrepo.Store }

var auditedHarness = gitrepotest.Harness{
	New: func(testing.TB) ports.RepositoryStore { return audited{memrepo.New()} },
	Import: func(t testing.TB, store ports.RepositoryStore, id git.RepositoryID, stream []byte) {
		if err := store.(audited).Import(t.Context(), id, bytes.NewReader(stream)); err != nil {
			t.Fatal(err)
		}
	},
	NoReopen: "its data end with the process",
	NoPacks:  "it is in memory",
}

// In a file of tests, the function of TestConformance and that of BenchmarkConformance.
func ExampleRun() {
	_ = func(t *testing.T) { gitrepotest.Run(t, auditedHarness) }
	_ = func(b *testing.B) { gitrepotest.Bench(b, auditedHarness) }
	// Output:
}
