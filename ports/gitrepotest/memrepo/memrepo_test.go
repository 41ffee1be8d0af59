package memrepo_test

import (
	"bytes"
	"strings"
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
	NoPacks: "it knows neither packs nor deltas",
}

func TestConformance(t *testing.T) { gitrepotest.Run(t, harness) }

func BenchmarkConformance(b *testing.B) { gitrepotest.Bench(b, harness) }

func TestImportRefusesWhatItDoesNotKnowAndChangesNothing(t *testing.T) {
	const person = "A <a@example.com> 1 +0000\n"
	for what, stream := range map[string]string{
		"nothing":              "",
		"no end":               "blob\nmark :1\ndata 1\nx\n",
		"an unknown command":   "feature done\ndone\n",
		"content cut short":    "blob\nmark :1\ndata 10\nx\ndone\n",
		"content by delimiter": "blob\nmark :1\ndata <<EOF\nx\nEOF\ndone\n",
		"a bad ref":            "reset refs/heads/a..b\nfrom :1\ndone\n",
		"an unknown mark":      "reset refs/heads/a\nfrom :1\ndone\n",
		"a bad parent":         "commit refs/heads/a\ncommitter " + person + "data 0\nfrom :7\ndone\n",
		"an unquoted path":     "blob\nmark :1\ndata 0\ncommit refs/heads/a\ncommitter " + person + "data 0\nM 100644 :1 x\ndone\n",
		"a bad mode":           "blob\nmark :1\ndata 0\ncommit refs/heads/a\ncommitter " + person + "data 0\nM 9 :1 \"x\"\ndone\n",
		"a tag of nothing":     "tag v1\nfrom :1\ntagger " + person + "data 0\ndone\n",
	} {
		t.Run(what, func(t *testing.T) {
			store := memrepo.New()
			id, err := git.ParseRepositoryID("shop")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.CreateRepository(t.Context(), ports.CreateRepository{ID: id}); err != nil {
				t.Fatal(err)
			}
			if err := store.Import(t.Context(), id, strings.NewReader(stream)); err == nil {
				t.Error("the stream was taken")
			}
			if info, err := store.Repository(id).Info(t.Context()); err != nil || !info.Empty || info.SizeBytes != 0 {
				t.Errorf("the repository holds %+v, %v", info, err)
			}
		})
	}
}
