package catalogs_test

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

func textLogger(b *strings.Builder) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, nil))
}

func TestEveryAnswerIsOneCommitWhileManyWrite(t *testing.T) {
	const writers, readers, commits = 4, 8, 50
	w := newWorld(t, catalogs.Options{}, "shop")
	w.create(shop)
	w.run()
	var (
		writing, reading sync.WaitGroup
		done             = make(chan struct{})
		mu               sync.Mutex
		last             event.Cursor
		seen             = map[git.ObjectID]*catalogs.Catalog{}
	)
	for n := range writers {
		writing.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 7))
			for i := range commits {
				files := map[string]string{fmt.Sprintf("products/of-%d.md", n): product(fmt.Sprintf("of-%d", n), fmt.Sprint(i))}
				for range random.IntN(5) {
					id := fmt.Sprintf("shared-%d", random.IntN(10))
					files["products/"+id+".md"] = product(id, fmt.Sprint(n, i))
				}
				_, cursor := w.commit(shop, mainBranch, files)
				if _, _, err := w.read(t.Context(), cursor); err != nil {
					t.Errorf("the writer cannot read: %v", err)
				}
				mu.Lock()
				if cursor.Reached(last) {
					last = cursor
				}
				mu.Unlock()
			}
		})
	}
	for range readers {
		reading.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if c, err := w.follows.Catalog(t.Context(), shop); err == nil {
					mu.Lock()
					seen[c.Commit()] = c
					mu.Unlock()
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	for commit, c := range seen {
		if got, want := content(c), w.files(shop, commit); !maps.Equal(got, want) {
			t.Errorf("the catalog of commit %s holds %v, want %v", commit, got, want)
		}
	}
	c, _, err := w.read(t.Context(), last)
	w.ok(err)
	w.serves(c.Commit())
	head, err := w.store.Repository(shop).ResolveRevision(t.Context(), git.Head())
	w.ok(err)
	if c.Commit() != head.Commit {
		t.Errorf("after all writes the catalog is of %s, want %s", c.Commit(), head.Commit)
	}
}
