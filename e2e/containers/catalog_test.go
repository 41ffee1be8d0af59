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
	"github.com/gitstore-dev/gitstore/internal/testkit/browser"
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

const jsonType, patchType = "application/json", "application/merge-patch+json"

func TestACatalogIsEditedAndReleasedThroughAnyReplica(t *testing.T) {
	g := run(t, gitstoretest.WithReplicas(3), gitstoretest.WithAPIEnv(map[string]string{"GITSTORE_CATALOGS": "shop@live,asked@live,shown"}))
	t.Run("by REST", func(t *testing.T) { editByREST(t, g) })
	t.Run("by GraphQL", func(t *testing.T) { editByGraphQL(t, g) })
	t.Run("in a browser", func(t *testing.T) { editInABrowser(t, g) })
}

func editByREST(t *testing.T, g *gitstoretest.GitStore) {
	shop := newShop(t, g.API(0))
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

// graphql executes an operation behind a cursor, if one is given, and returns what it answers, with the reason of its error, and the
// cursor from which on every replica has what it wrote.
func graphql(t *testing.T, a *gitstoretest.API, behind, query string, variables map[string]any) (data, code, cursor string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	require.NoError(t, err)
	headers := []string{"Content-Type", jsonType}
	if behind != "" {
		headers = append(headers, "GitStore-Min-Cursor", behind)
	}
	got := want(t, 200, "POST", a.URL()+"/graphql", body, headers...)
	var out struct {
		Data   json.RawMessage
		Errors []struct{ Extensions struct{ Code string } }
	}
	require.NoError(t, json.Unmarshal(got.body, &out), "%s", got.body)
	for _, e := range out.Errors {
		code += e.Extensions.Code
	}
	return string(out.Data), code, got.header.Get("GitStore-Cursor")
}

// editByGraphQL makes each change through one replica, and reads what came of it through another.
func editByGraphQL(t *testing.T, g *gitstoretest.GitStore) {
	want(t, 201, "POST", g.API(0).URL()+"/v1/repositories", []byte(`{"id":"asked"}`), "Content-Type", jsonType)
	want(t, 201, "POST", g.API(0).URL()+"/v1/repositories/asked/commits", exampleCatalog(t), "Content-Type", jsonType)
	replica, cursor := 0, ""
	mutate := func(code, mutation string, variables map[string]any) (data string) {
		t.Helper()
		replica++
		declared := ""
		if variables != nil {
			declared = "($blob: String)"
		}
		data, failed, told := graphql(t, g.API(replica%3), "", "mutation M"+declared+" { "+mutation+" }", variables)
		require.Equal(t, code, failed, "%s: %s", mutation, data)
		if code == "" {
			require.NotEmpty(t, told)
			cursor = told
		}
		return data
	}
	reads := func(answer, query string) {
		t.Helper()
		data, failed, _ := graphql(t, g.API((replica+1)%3), cursor, query, nil)
		require.Empty(t, failed, query)
		require.JSONEq(t, answer, data)
	}
	const cup = `{ catalog(repository: "asked", at: "main") { product(documentId: "cup") { title price } } }`
	const live = `{ latestRelease(repository: "asked") { version } catalog(repository: "asked") { product(documentId: "cup") { title price } } }`

	created := mutate("", `createDocument(repository: "asked", document: {product: {documentId: "cup", sku: "CUP-1", slug: "cup", title: "Cup", categoryId: "cat-brewing", price: "6.00",
		currency: "EUR", status: ACTIVE, inventoryStatus: IN_STOCK}}) { document { blobId } }`, nil)
	reads(`{"catalog":{"product":{"title":"Cup","price":"6.00"}}}`, cup)
	var document struct {
		CreateDocument struct{ Document struct{ BlobID string } }
	}
	require.NoError(t, json.Unmarshal([]byte(created), &document))
	asCreated := map[string]any{"blob": document.CreateDocument.Document.BlobID}
	mutate("", `patchDocument(repository: "asked", document: {product: {documentId: "cup", price: "7.00"}}, ifMatch: $blob) { commitId }`, asCreated)
	mutate("BLOB_MOVED", `patchDocument(repository: "asked", document: {product: {documentId: "cup", price: "8.00"}}, ifMatch: $blob) { commitId }`, asCreated)
	mutate("BLOB_MOVED", `deleteDocument(repository: "asked", kind: "Product", documentId: "cup", ifMatch: $blob) { commitId }`, asCreated)
	reads(`{"catalog":{"product":{"title":"Cup","price":"7.00"}}}`, cup)

	mutate("", `publishRelease(repository: "asked", release: {version: "1.0.0"}) { release { version } }`, nil)
	reads(`{"latestRelease":{"version":"1.0.0"},"catalog":{"product":{"title":"Cup","price":"7.00"}}}`, live)
	mutate("INVALID_DOCUMENT", `publishRelease(repository: "asked", release: {version: "1.1.0", changes: [{action: DELETE, kind: "Category", documentId: "cat-brewing"}]}) { release { version } }`, nil)
	mutate("", `deleteDocument(repository: "asked", kind: "Product", documentId: "cup") { commitId }`, nil)
	reads(`{"catalog":{"product":null}}`, cup)
	reads(`{"latestRelease":{"version":"1.0.0"},"catalog":{"product":{"title":"Cup","price":"7.00"}}}`, live)
	mutate("", `publishRelease(repository: "asked", release: {version: "1.1.0"}) { release { version } }`, nil)
	reads(`{"latestRelease":{"version":"1.1.0"},"catalog":{"product":null}}`, live)
	mutate("", `rollBack(repository: "asked", release: {to: "1.0.0"}) { release { version } }`, nil)
	reads(`{"latestRelease":{"version":"1.1.1"},"catalog":{"product":{"title":"Cup","price":"7.00"}}}`, live)
	reads(`{"diff":{"nodes":[]}}`, `{ diff(repository: "asked", from: "v1.0.0", to: "v1.1.1") { nodes { documentId } } }`)
}

// editInABrowser uses the page of one replica while others work through another.
func editInABrowser(t *testing.T, g *gitstoretest.GitStore) {
	want(t, 201, "POST", g.API(0).URL()+"/v1/repositories", []byte(`{"id":"shown"}`), "Content-Type", jsonType)
	imported := want(t, 201, "POST", g.API(0).URL()+"/v1/repositories/shown/commits", exampleCatalog(t), "Content-Type", jsonType)
	want(t, 200, "GET", g.API(1).URL()+"/v1/repositories/shown/catalog?min_cursor="+imported.header.Get("GitStore-Cursor"), nil)
	b := browser.Open(t, g.API(1).URL())
	browser.Shop{ID: "shown", API: g.API(2).URL()}.Use(t, b)
	b.RequireOwn()
}
