package containers

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/gitstoretest"
)

// exampleCatalog is the body of a commit with the files of examples/catalog.
func exampleCatalog(t testing.TB) []byte {
	t.Helper()
	type action struct {
		Action  string `json:"action"`
		Path    string `json:"path"`
		Content string `json:"content"`
	}
	c := map[string]any{"branch": "main", "message": "Import the catalog"}
	var actions []action
	root := os.DirFS(filepath.Join("..", "..", "examples", "catalog"))
	require.NoError(t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		actions = append(actions, action{"create", name, string(content)})
		return err
	}))
	c["actions"] = actions
	body, err := json.Marshal(c)
	require.NoError(t, err)
	return body
}

func TestACatalogIsEditedAndReleasedThroughAnyReplica(t *testing.T) {
	g := run(t, gitstoretest.WithReplicas(3), gitstoretest.WithAPIEnv(map[string]string{"GITSTORE_CATALOGS": "shop@live"}))
	shop := newShop(t, g.API(0))
	const jsonType, patchType = "application/json", "application/merge-patch+json"
	at := func(replica int, path string) string { return g.API(replica%3).URL() + shop + path }
	// release makes one and returns the cursor from which on every replica has it.
	release := func(replica int, path, body string) string {
		return want(t, 201, "POST", at(replica, "/releases"+path), []byte(body), "Content-Type", jsonType).header.Get("GitStore-Cursor")
	}
	want(t, 201, "POST", at(0, "/commits"), exampleCatalog(t), "Content-Type", jsonType)
	release(0, "", `{"version":"1.0.0"}`)

	var writers sync.WaitGroup
	for i := range 10 {
		writers.Go(func() {
			body := fmt.Appendf(nil, `{"id":"new-%d","sku":"NEW-%d","slug":"new-%d","title":"New","category":"cat-brewing","price":"2.00","currency":"EUR",
				"status":"active","inventory_status":"in_stock"}`, i, i, i)
			a, err := call(t.Context(), "POST", at(i, "/catalog/products"), body, "Content-Type", jsonType)
			if assert.NoError(t, err) {
				assert.Equal(t, 201, a.status, "%s", a.body)
			}
		})
	}
	writers.Wait()

	product := "/catalog/products/prod-2105"
	tag := want(t, 200, "GET", at(1, product+"?at=main"), nil).header.Get("ETag")
	want(t, 200, "PATCH", at(1, product), []byte(`{"price":"9.20"}`), "Content-Type", patchType, "If-Match", tag)
	lost := want(t, 412, "PATCH", at(2, product), []byte(`{"title":"Cup"}`), "Content-Type", patchType, "If-Match", tag)
	assert.Contains(t, string(lost.body), `"price":"9.20"`)
	want(t, 200, "PATCH", at(2, product), []byte(`{"title":"Cup"}`), "Content-Type", patchType, "If-Match", lost.header.Get("ETag"))

	refused := want(t, 422, "POST", at(0, "/releases"), []byte(`{"version":"1.1.0","changes":[{"action":"delete","kind":"Category","id":"cat-brewing"}]}`), "Content-Type", jsonType)
	assert.Contains(t, string(refused.body), "BROKEN_REFERENCE")
	cursor := release(2, "", `{"version":"1.1.0"}`)
	for i := range 3 {
		list := want(t, 200, "GET", at(i, "/catalog/products?q=new-&fields=id&min_cursor="+cursor), nil)
		assert.Equal(t, 10, strings.Count(string(list.body), `"id":"new-`), "%s", list.body)
		assert.Contains(t, string(want(t, 200, "GET", at(i, product), nil).body), `"title":"Cup"`)
		query := []byte(`{"query":"{ latestRelease(repository: \"shop\") { version } catalog(repository: \"shop\") { product(documentId: \"prod-2105\") { title price } } }"}`)
		answer := want(t, 200, "POST", g.API(i).URL()+"/graphql", query, "Content-Type", jsonType)
		assert.JSONEq(t, `{"data":{"latestRelease":{"version":"1.1.0"},"catalog":{"product":{"title":"Cup","price":"9.20"}}}}`, string(answer.body))
		assert.Contains(t, string(want(t, 200, "GET", g.API(i).URL()+"/", nil).body), "<title>GitStore</title>")
	}
	assert.Equal(t, 11, strings.Count(string(want(t, 200, "GET", at(0, "/catalog/diff?from=v1.0.0&to=v1.1.0"), nil).body), `"change":`))

	cursor = release(1, "/1.0.0/rollback", `{}`)
	for i := range 3 {
		want(t, 404, "GET", at(i, "/catalog/products/new-1?min_cursor="+cursor), nil)
	}
	tree := at(2, "/tree?recursive=true&page_size=1000&ref=")
	assert.Equal(t, string(want(t, 200, "GET", tree+"v1.0.0", nil).body), string(want(t, 200, "GET", tree+"v1.1.1", nil).body))
}
