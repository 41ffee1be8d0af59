package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// newProduct is a product in the category of another.
func newProduct(n int) map[string]any {
	return map[string]any{
		"id": fmt.Sprintf("new-%d", n), "sku": fmt.Sprintf("NEW-%d", n), "slug": fmt.Sprintf("new-%d", n), "title": "New", "category": "cat-001",
		"price": "2.00", "currency": "EUR", "status": "active", "inventory_status": "in_stock", "body": "About it.\n",
	}
}

// patch merges members into product 1.
func (c *client) patch(t testing.TB, members, header string) answer {
	t.Helper()
	headers := []string{"Content-Type", "application/merge-patch+json"}
	if header != "" {
		headers = append(headers, "If-Match", header)
	}
	return c.call(t, "PATCH", productTarget("shop", 1), strings.NewReader(members), headers...)
}

func TestWritesThroughReplicasAreAllInTheNextRelease(t *testing.T) {
	data := smallCatalog(1)
	c := startCluster(t, 3, "GITSTORE_CATALOGS=shop@live")
	c.createRepository(t, "shop")
	c.importCatalog(t, "shop", data)
	release := func(i int, path string, members map[string]any) answer {
		return c.replicas[i].post(t, inRepository("shop", "/releases"+path), members).wants(t, http.StatusCreated)
	}
	cursor := release(0, "", map[string]any{"version": "1.0.0"}).cursor(t)
	c.get(t, catalogTarget("shop", "?min_cursor="+cursor)).wants(t, http.StatusOK)

	var writing sync.WaitGroup
	answers := make([]answer, 90) // all at once
	for i := range answers {
		writing.Go(func() {
			answers[i] = c.replicas[i%3].post(t, catalogTarget("shop", "/products"), newProduct(i))
		})
	}
	writing.Wait()
	for _, a := range answers {
		a.wants(t, http.StatusCreated)
	}
	// Two edits of one product between two releases, and two editors of one version.
	c.replicas[0].patch(t, `{"fields":{"first":1}}`, "").wants(t, http.StatusOK)
	seen := c.replicas[1].patch(t, `{"fields":{"second":2}}`, "").wants(t, http.StatusOK).header.Get("ETag")
	current := c.replicas[2].patch(t, `{"price":"5"}`, seen).wants(t, http.StatusOK)
	lost := c.replicas[0].patch(t, `{"title":"Lost"}`, seen).wants(t, http.StatusPreconditionFailed)
	require.Contains(t, string(lost.body), `"current":`+strings.TrimSpace(string(current.body)))
	c.replicas[0].patch(t, `{"title":"Merged"}`, lost.header.Get("ETag")).wants(t, http.StatusOK)

	cursor = release(2, "", map[string]any{"version": "1.1.0"}).cursor(t)
	for _, replica := range c.replicas {
		a := replica.get(t, catalogTarget("shop", "/products?q=new-&fields=id&page_size=100&min_cursor="+cursor)).wants(t, http.StatusOK)
		for i := range answers {
			require.Contains(t, string(a.body), fmt.Sprintf(`{"id":"new-%d"}`, i))
		}
		p := into[map[string]any](t, replica.get(t, productTarget("shop", 1)).wants(t, http.StatusOK))
		require.Equal(t, []any{"Merged", "5"}, []any{p["title"], p["price"]})
		fields, _ := p["fields"].(map[string]any)
		require.Subset(t, slices.Collect(maps.Keys(fields)), []string{"first", "second"})
	}

	refused := c.replicas[1].post(t, inRepository("shop", "/releases"), map[string]any{"version": "1.2.0", "changes": []any{
		map[string]any{"action": "delete", "kind": "Category", "id": "cat-001"},
	}}).wants(t, http.StatusUnprocessableEntity)
	require.Contains(t, string(refused.body), "BROKEN_REFERENCE")

	cursor = release(1, "/1.0.0/rollback", map[string]any{}).cursor(t)
	for _, replica := range c.replicas {
		replica.get(t, catalogTarget("shop", "/products/new-1?min_cursor="+cursor)).wants(t, http.StatusNotFound)
	}
	whole := inRepository("shop", "/tree?recursive=true&page_size=1000&ref=")
	require.Equal(t, string(c.get(t, whole+"v1.0.0").wants(t, http.StatusOK).body), string(c.get(t, whole+"v1.1.1").wants(t, http.StatusOK).body))
	c.requireRunning(t)
}
