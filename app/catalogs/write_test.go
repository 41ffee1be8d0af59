package catalogs_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

func productFields(id, slug string) json.RawMessage {
	return fmt.Appendf(nil, `{"sku":"SKU-%[1]s","slug":%[2]q,"title":"T","category":"c","price":"1.00","currency":"EUR","status":"active","inventory_status":"in_stock"}`, id, slug)
}

func TestWritersThroughSeveralReplicasLoseNothingAndShareNoKey(t *testing.T) {
	store := memrepo.New()
	must(store.CreateRepository(t.Context(), ports.CreateRepository{ID: shop}))
	targets := must(catalogs.ParseTargets([]string{"shop"}))
	// They follow nothing: what they write on is the head.
	replicas := []*catalogs.Follower{catalogs.New(store, targets, catalogs.Options{}), catalogs.New(store, targets, catalogs.Options{}), catalogs.New(store, targets, catalogs.Options{})}
	_, err := replicas[0].Write(t.Context(), shop, catalogs.Write{Changes: []catalogs.DocumentChange{{
		Action: catalogs.CreateDocument, Kind: catalog.KindCategory, ID: "c", Fields: json.RawMessage(`{"slug":"c","title":"C"}`),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var (
		writing sync.WaitGroup
		mu      sync.Mutex
		refused []error
	)
	for i := range 20 {
		writing.Go(func() {
			// Each slug is wanted twice, at another path: one of the two has to lose.
			id := fmt.Sprintf("p%d", i)
			_, err := replicas[i%3].Write(t.Context(), shop, catalogs.Write{Changes: []catalogs.DocumentChange{{
				Action: catalogs.CreateDocument, Kind: catalog.KindProduct, ID: id, Path: path("products/" + id + ".md"), Fields: productFields(id, fmt.Sprintf("slug-%d", i/2)),
			}}})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				refused = append(refused, err)
			}
		})
	}
	writing.Wait()
	c, err := replicas[0].Open(t.Context(), shop, git.Head())
	if err != nil {
		t.Fatal(err)
	}
	slugs := map[string]bool{}
	for d := range c.Snapshot.List(catalog.KindProduct, "") {
		slugs[d.Slug] = true
	}
	if len(slugs) != 10 || c.Problems() != 0 || c.Snapshot.Count(catalog.KindProduct) != 10 {
		t.Errorf("there are %d products with the slugs %v and %d problems", c.Snapshot.Count(catalog.KindProduct), slices.Sorted(maps.Keys(slugs)), c.Problems())
	}
	if len(refused) != 10 {
		t.Errorf("%d writes were refused, want 10", len(refused))
	}
	for _, err := range refused {
		if !errs.Is(err, errs.ReasonInvalidDocument) || !strings.Contains(err.Error(), "slug") {
			t.Errorf("refused for %v", err)
		}
	}
}
