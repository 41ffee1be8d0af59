package e2e

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// graphql executes an operation that has to succeed, behind a cursor if one is given, and returns what it asked for and the cursor of the answer.
func (c *client) graphql(t testing.TB, query string, variables map[string]any, behind string) (data map[string]any, cursor string) {
	t.Helper()
	headers := []string{"Content-Type", "application/json"}
	if behind != "" {
		headers = append(headers, "GitStore-Min-Cursor", behind)
	}
	a := c.call(t, http.MethodPost, "/graphql", bytes.NewReader(encode(t, map[string]any{"query": query, "variables": variables})), headers...).wants(t, http.StatusOK)
	out := into[struct {
		Data   map[string]any
		Errors []any
	}](t, a)
	require.Empty(t, out.Errors, "%s", a.body)
	return out.Data, a.header.Get("GitStore-Cursor")
}

func TestWhatIsWrittenByGraphQLIsReadThroughEveryReplica(t *testing.T) {
	c := startCluster(t, 3, "GITSTORE_CATALOGS=shop@live")
	c.createRepository(t, "shop")
	c.importCatalog(t, "shop", smallCatalog(1))
	const publish = `mutation ($release: ReleaseInput!) { publishRelease(repository: "shop", release: $release) { release { version commitId } } }`
	const read = `{ catalog(repository: "shop") { release product(sku: "NEW-1") { title category { documentId } } } }`
	c.replicas[0].graphql(t, publish, map[string]any{"release": map[string]any{"version": "1.0.0"}}, "")
	c.replicas[1].graphql(t, `mutation ($product: ProductInput!) { createDocument(repository: "shop", document: {product: $product}) { document { path } } }`, map[string]any{"product": map[string]any{
		"documentId": "new-1", "sku": "NEW-1", "slug": "new-1", "title": "New", "categoryId": "cat-001", "price": "2.00", "currency": "EUR", "status": "ACTIVE", "inventoryStatus": "IN_STOCK", "body": "About it.\n",
	}}, "")
	_, cursor := c.replicas[2].graphql(t, publish, map[string]any{"release": map[string]any{"version": "1.1.0", "changes": []any{
		map[string]any{"action": "PATCH", "document": map[string]any{"product": map[string]any{"documentId": "new-1", "title": "Newer"}}},
	}}}, "")
	require.NotEmpty(t, cursor)
	for _, replica := range c.replicas {
		data, _ := replica.graphql(t, read, nil, cursor)
		require.Equal(t, map[string]any{"catalog": map[string]any{
			"release": "1.1.0", "product": map[string]any{"title": "Newer", "category": map[string]any{"documentId": "cat-001"}},
		}}, data)
	}
	data, _ := c.replicas[1].graphql(t, `{ diff(repository: "shop", from: "v1.0.0", to: "v1.1.0") { nodes { change documentId } } }`, nil, "")
	require.Equal(t, map[string]any{"diff": map[string]any{"nodes": []any{map[string]any{"change": "ADDED", "documentId": "new-1"}}}}, data)
	_, cursor = c.replicas[1].graphql(t, `mutation { rollBack(repository: "shop", release: {to: "1.0.0"}) { release { version } } }`, nil, "")
	for _, replica := range c.replicas {
		data, _ := replica.graphql(t, read, nil, cursor)
		require.Equal(t, map[string]any{"catalog": map[string]any{"release": "1.1.1", "product": nil}}, data)
	}
	c.requireRunning(t)
}
