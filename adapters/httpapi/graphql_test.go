package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
)

// gql is the answer to a query that is executed.
func (c *client) gql(query string, variables map[string]any) answer {
	c.t.Helper()
	return c.post("/graphql", mustJSON(c.t, map[string]any{"query": query, "variables": variables}), header("Content-Type", "application/json")).wants(http.StatusOK)
}

// data is what was asked for, if nothing was wrong.
func (a answer) data() map[string]any {
	a.t.Helper()
	v := a.json()
	if v["errors"] != nil {
		a.t.Fatalf("%s: %s", a.what, a.body)
	}
	return v["data"].(map[string]any)
}

// code checks the first error of an answer.
func (a answer) code(want string) map[string]any {
	a.t.Helper()
	var v struct{ Errors []map[string]any }
	if err := json.Unmarshal(a.body, &v); err != nil || len(v.Errors) == 0 {
		a.t.Fatalf("%s has no errors: %v: %s", a.what, err, a.body)
	}
	extensions, _ := v.Errors[0]["extensions"].(map[string]any)
	if extensions["code"] != want || v.Errors[0]["message"] == "" {
		a.t.Errorf("%s: code %v, want %s: %s", a.what, extensions["code"], want, a.body)
	}
	return v.Errors[0]
}

const someDocument = `__typename id documentId kind slug title path pathBase64 blobId fields body bodyHtml
	... on Product { sku categoryId price currency status inventoryStatus tags images { url alt } links { title url } }
	... on Category { parentId position }
	... on Collection { productSkus }`

// asREST turns a document of GraphQL into what REST says of it.
func asREST(node map[string]any) map[string]any {
	names := map[string]string{
		"documentId": "id", "blobId": "blob_id", "pathBase64": "path_base64", "categoryId": "category", "inventoryStatus": "inventory_status",
		"parentId": "parent", "productSkus": "products",
	}
	out := map[string]any{}
	for name, value := range node {
		switch {
		case name == "__typename", name == "id", name == "bodyHtml", name == "pathBase64" && value == nil:
			continue
		case name == "status", name == "inventoryStatus":
			value = strings.ToLower(value.(string))
		}
		if known := names[name]; known != "" {
			name = known
		}
		out[name] = value
	}
	return out
}

func member(v map[string]any, path ...string) map[string]any {
	for _, name := range path {
		v, _ = v[name].(map[string]any)
	}
	return v
}

func TestDocumentsOfAllKindsAreListedAsByREST(t *testing.T) {
	w := openShop(t, smallShop())
	for field, path := range map[string]string{
		"categories(first: $size, after: $after)":                                                                                        "/categories",
		"categories(first: $size, after: $after, filter: {parent: \"root\"})":                                                            "/categories?parent=root",
		"categories(first: $size, after: $after, filter: {parent: \"\", slug: \"root\"})":                                                "/categories?parent=&slug=root",
		"categories(first: $size, after: $after, filter: {text: \"l\"}, orderBy: {field: \"title\"})":                                    "/categories?q=l&sort=title",
		"collections(first: $size, after: $after, filter: {documentId: \"picks\"})":                                                      "/collections?id=picks",
		"documents(kind: \"Note\", first: $size, after: $after)":                                                                         "/documents?kind=Note",
		"documents(kind: \"Product\", first: $size, after: $after, filter: {where: [{field: \"price\", operator: LESS, value: \"2\"}]})": "/documents?kind=Product&filter=price%3C2",
		"documents(kind: \"None\", first: $size, after: $after)":                                                                         "/documents?kind=None",
		"documents(kind: \"\", first: $size, after: $after)":                                                                             "/documents",
	} {
		path, query, _ := strings.Cut(path, "?")
		question, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		want, reason, detail := w.pagesByREST(shopCatalog+path, question, 2)
		got, code, message := w.pagesByGraphQL("", field, map[string]any{}, 2, false)
		if code != reason || message != detail || mustJSON(t, got) != mustJSON(t, asPages(want)) {
			t.Errorf("%s\nGraphQL: %s %s %s\nREST:    %s %s %s", field, code, message, mustJSON(t, got), reason, detail, mustJSON(t, asPages(want)))
		}
	}
}

func TestACatalogIsDescribedAsByREST(t *testing.T) {
	w := openShop(t, smallShop())
	w.tag("v1.2.0")
	for at, parameter := range map[string]string{"": "", `, at: "v1.2.0"`: "?at=v1.2.0"} {
		want := w.get(shopCatalog + parameter).wants(http.StatusOK).json()
		got := member(w.gql(`{catalog(repository: "shop"`+at+`) { repository view commitId ref release counts { kind count } loadedAt stale lastError { reason message }
			movedRelease { tag } problemCount problems { commitId nodes { path pathBase64 line column field reason message } } } }`, nil).data(), "catalog")
		for name, rest := range map[string]string{"repository": "repository", "view": "view", "commitId": "commit_id", "ref": "ref", "release": "release", "loadedAt": "loaded_at", "stale": "stale", "problemCount": "problems"} {
			if got[name] != want[rest] {
				t.Errorf("%s is %v, want %v", name, got[name], want[rest])
			}
		}
		counts := map[string]any{}
		for _, c := range got["counts"].([]any) {
			counts[c.(map[string]any)["kind"].(string)] = c.(map[string]any)["count"]
		}
		if mustJSON(t, counts) != mustJSON(t, want["counts"]) {
			t.Errorf("counts are %v, want %v", counts, want["counts"])
		}
		problems := w.get(shopCatalog + "/problems" + parameter).wants(http.StatusOK).json()["items"].([]any)
		for _, p := range problems {
			p.(map[string]any)["pathBase64"] = nil
		}
		if mustJSON(t, member(got, "problems")["nodes"]) != mustJSON(t, problems) {
			t.Errorf("problems are %v, want %v", member(got, "problems")["nodes"], problems)
		}
	}
}

// tag makes a light tag of the head.
func (w *shopWindow) tag(name string) {
	w.t.Helper()
	w.post(shop+"/tags", `{"name":"`+name+`"}`).wants(http.StatusCreated)
}

func TestAllOfAnAnswerIsOfOneCommitAndPagesOfTheFirst(t *testing.T) {
	w := openShop(t, smallShop())
	first := w.head()
	const query = `query ($after: String) { catalog(repository: "shop") { commitId products(first: 2, after: $after) { commitId nodes { documentId category { documentId } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`
	one := member(w.gql(query, nil).data(), "catalog", "products")
	w.edit(map[string]string{"products/0.md": productFile("0", "late", ""), "products/c.md": productFile("c", "early", "")})
	a := w.gql(query, map[string]any{"after": member(one, "pageInfo")["endCursor"]})
	of := member(a.data(), "catalog")
	two := member(of, "products")
	if of["commitId"] != w.head() || two["commitId"] != first || fmt.Sprint(two["nodes"]) != "[map[category:map[documentId:late] documentId:c] map[category:<nil> documentId:d]]" {
		t.Errorf("the second page is %v", of)
	}
	if info := member(two, "pageInfo"); info["hasNextPage"] != false || info["hasPreviousPage"] != true || member(one, "pageInfo")["hasPreviousPage"] != false {
		t.Errorf("the second page says %v", info)
	}
	if a.header.Get("GitStore-Cursor") != "" {
		t.Errorf("an answer of an earlier commit has the place %s in the journal", a.header.Get("GitStore-Cursor"))
	}
	w.gql(strings.Replace(query, "first: 2", `first: 2, filter: {text: "a"}`, 1), map[string]any{"after": member(one, "pageInfo")["endCursor"]}).code("INVALID_PAGE_TOKEN")
	w.gql(query, map[string]any{"after": "nonsense"}).code("INVALID_PAGE_TOKEN")
	nested := w.gql(`{catalog(repository:"shop"){category(slug:"root"){products(tree:true,first:1){pageInfo{endCursor}}}}}`, nil).data()
	cursor := member(nested, "catalog", "category", "products", "pageInfo")["endCursor"]
	rest := w.gql(`query($c:String){catalog(repository:"shop"){category(slug:"root"){products(tree:true,first:9,after:$c){nodes{documentId}}}}}`, map[string]any{"c": cursor}).data()
	if got := fmt.Sprint(member(rest, "catalog", "category", "products")["nodes"]); got != "[map[documentId:b] map[documentId:c]]" {
		t.Errorf("behind the first product of a category there are %s", got)
	}
	if zero := member(w.gql(`{catalog(repository:"shop"){products(first:0){nodes{sku} pageInfo{hasNextPage endCursor}}}}`, nil).data(), "catalog", "products"); fmt.Sprint(zero) != "map[nodes:[] pageInfo:map[endCursor:<nil> hasNextPage:true]]" {
		t.Errorf("a page of nothing is %v", zero)
	}
}

func TestNodesAreFoundAgain(t *testing.T) {
	w := openShop(t, smallShop())
	w.tag("v1.2.0")
	of := member(w.gql(`{catalog(repository:"shop"){id product(documentId:"a"){id} category(slug:"late"){id} collection(slug:"picks"){id} document(kind:"Note",documentId:"n1"){id}} release(repository:"shop",version:"v1.2.0"){id}}`, nil).data())
	ids := map[string]string{"Catalog": "catalog", "Product": "product", "Category": "category", "Collection": "collection", "OtherDocument": "document", "Release": "release"}
	for typename, field := range ids {
		at := member(of, "catalog")
		id, _ := member(at, field)["id"].(string)
		switch field {
		case "catalog":
			id = at["id"].(string)
		case "release":
			id = member(of, "release")["id"].(string)
		}
		if got := member(w.gql(`query($id:ID!){node(id:$id){__typename id}}`, map[string]any{"id": id}).data(), "node"); got["__typename"] != typename || got["id"] != id {
			t.Errorf("the node %s is %v, want a %s", id, got, typename)
		}
	}
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, gone := range []string{
		"document\x00shop\x00gone", "catalog\x00elsewhere", "release\x00shop\x009.9.9", "document\x00elsewhere\x00a",
		"catalog at\x00elsewhere\x00main", "catalog at\x00shop\x00gone", "document at\x00shop\x00gone\x00a", "document at\x00shop\x00main\x00gone",
		"catalog at\x00shop\x00" + strings.Repeat("1", 40), "document at\x00shop\x00" + treeOf(w) + "\x00a",
	} {
		if got := w.gql(`query($id:ID!){node(id:$id){id}}`, map[string]any{"id": b64(gone)}).data(); got["node"] != nil {
			t.Errorf("%q is %v", gone, got)
		}
	}
	for _, malformed := range []string{"", "a", "prod-1", b64("document\x00shop"), b64("catalog\x00shop\x00a"), b64("nothing\x00shop\x00a"), strings.Repeat("A", 9000),
		b64("catalog at\x00shop"), b64("catalog at\x00shop\x00"), b64("catalog at\x00shop\x00main\x00a"), b64("document at\x00shop\x00main"), b64("document at\x00shop\x00\x00a")} {
		if e := w.gql(`query($id:ID!){node(id:$id){id}}`, map[string]any{"id": malformed}).code("INVALID_ARGUMENT"); member(e, "extensions")["field"] != "id" {
			t.Errorf("%.40q: %v", malformed, e)
		}
	}
}

// cached are the objects of answers as a client keeps them that knows them by their ids. It fails if an object of one answer is
// told in two ways.
type cached struct {
	t       *testing.T
	objects map[string]map[string]any
}

func (k *cached) keep(v any) {
	k.t.Helper()
	seen := map[string]map[string]any{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for _, member := range v {
				walk(member)
			}
			id, ok := v["id"].(string)
			if !ok {
				return
			}
			if seen[id] == nil {
				seen[id] = map[string]any{}
			}
			for name, value := range v {
				if _, nested := value.(map[string]any); nested {
					continue
				}
				if was, told := seen[id][name]; told && !reflect.DeepEqual(was, value) {
					k.t.Errorf("one object is told with %s %v and %v", name, was, value)
				}
				seen[id][name] = value
			}
		}
	}
	walk(v)
	for id, object := range seen {
		if k.objects[id] == nil {
			k.objects[id] = map[string]any{}
		}
		maps.Copy(k.objects[id], object)
	}
}

func TestAClientThatKeepsObjectsByTheirIDsDoesNotMixRevisions(t *testing.T) {
	w := openShop(t, soundShop())
	k := &cached{t: t, objects: map[string]map[string]any{}}
	w.tag("v1.0.0")
	w.edit(map[string]string{"products/a.md": strings.Replace(productFile("a", "late", ""), "Title of", "New title of", 1)})
	const sides = `one: catalog(repository: "shop") { id commitId ref product(documentId: "a") { id title category { id title } } }
		two: catalog(repository: "shop", at: "v1.0.0") { id commitId ref product(documentId: "a") { id title category { id title } } }
		three: catalog(repository: "shop", at: "main") { id commitId ref product(documentId: "a") { id title } }
		release(repository: "shop", version: "1.0.0") { id catalog { id commitId ref product(documentId: "a") { id title } } }`
	const difference = `diff(repository: "shop", from: "v1.0.0", first: 1, after: $after) { nodes { old { id ... on Product { title category { id title } } } new { id ... on Product { title category { id title } } } } pageInfo { endCursor } }`
	of := w.gql(`query ($after: String) {`+sides+" "+difference+`}`, nil).data()
	k.keep(of)
	id := func(path ...string) string { return member(of, path...)["id"].(string) }
	node := func(id, fields string) map[string]any {
		return member(w.gql(`query($id: ID!) { node(id: $id) { id ... on Catalog { commitId ref } ... on Product { title } `+fields+` } }`, map[string]any{"id": id}).data(), "node")
	}
	for _, side := range []string{"one", "two", "three"} {
		k.keep(node(id(side), ""))
		k.keep(node(id(side, "product"), ""))
		if got := node(id(side, "product"), "")["title"]; got != member(of, side, "product")["title"] {
			t.Errorf("read again, the product of %s is %v", side, got)
		}
		if got := node(id(side), "")["commitId"]; got != member(of, side)["commitId"] {
			t.Errorf("read again, the catalog of %s is of %v", side, got)
		}
	}
	d := member(of, "diff")["nodes"].([]any)[0].(map[string]any)
	oldID, newID := member(d, "old")["id"].(string), member(d, "new")["id"].(string)
	if node(oldID, "")["title"] != "Title of a" || node(newID, "")["title"] != "New title of a" {
		t.Errorf("read again, the sides of the difference are %v and %v", node(oldID, ""), node(newID, ""))
	}

	// The branch moves on: what follows it has the same ids, what is of a commit or tag stays as it is.
	w.edit(map[string]string{"products/a.md": strings.Replace(productFile("a", "late", ""), "Title of", "Newest title of", 1)})
	for what, tt := range map[string]struct{ id, title string }{
		"followed": {id("one", "product"), "Newest title of a"}, "at a tag": {id("two", "product"), "Title of a"}, "at the branch": {id("three", "product"), "Newest title of a"},
		"of a release": {id("release", "catalog", "product"), "Title of a"}, "the old side": {oldID, "Title of a"}, "the new side": {newID, "New title of a"},
	} {
		if got := node(tt.id, "")["title"]; got != tt.title {
			t.Errorf("%s: the title is %v, want %s", what, got, tt.title)
		}
	}

	// Pages behind the first are of its commit, and so are their ids if that is not the present one.
	page := func(after any) map[string]any {
		data := w.gql(`query ($after: String) { catalog(repository: "shop") { products(first: 1, after: $after) { nodes { id title category { id products(first: 1) { pageInfo { endCursor } } } } pageInfo { endCursor } } again: product(documentId: "b") { id title } } }`, map[string]any{"after": after}).data()
		k.keep(data)
		return member(data, "catalog", "products")
	}
	one := page(nil)
	w.edit(map[string]string{"products/b.md": strings.Replace(productFile("b", "early", ""), "Title of", "New title of", 1)})
	two := page(member(one, "pageInfo")["endCursor"])["nodes"].([]any)[0].(map[string]any)
	if got := node(two["id"].(string), "")["title"]; two["title"] != "Title of b" || got != "Title of b" {
		t.Errorf("the second page has %v, and read again %v", two, got)
	}
	category := member(two, "category")
	cursor := member(category, "products", "pageInfo")["endCursor"].(string)
	node(category["id"].(string), `... on Category { products(first: 1, after: "`+cursor+`") { nodes { id } } }`) // a client goes on from there
}

func TestOneDocumentIsFoundByOneKey(t *testing.T) {
	w := openShop(t, smallShop())
	for field, want := range map[string]string{
		`product(documentId: "a")`: "a", `product(sku: "SKU-b")`: "b", `product(slug: "slug-c")`: "c", `product(documentId: "root")`: "", `product(sku: "gone")`: "",
		`category(documentId: "root")`: "root", `category(slug: "late")`: "late", `category(documentId: "a")`: "",
		`collection(slug: "picks")`: "picks", `collection(documentId: "picks")`: "picks", `collection(slug: "slug-a")`: "",
		`document(kind: "Note", documentId: "n1")`: "n1", `document(kind: "Product", slug: "slug-a")`: "a", `document(kind: "Note", documentId: "a")`: "",
	} {
		got := member(w.gql(`{catalog(repository:"shop"){one: `+field+`{documentId}}}`, nil).data(), "catalog", "one")
		if id, _ := got["documentId"].(string); id != want {
			t.Errorf("%s is %v, want %s", field, got, want)
		}
	}
	for _, field := range []string{`product`, `product(documentId: "a", sku: "SKU-a")`, `category(documentId: null)`, `collection`, `document(kind: "Note")`} {
		w.gql(`{catalog(repository:"shop"){`+field+`{documentId}}}`, nil).code("INVALID_ARGUMENT")
	}
}

func TestReleasesAreToldAsByREST(t *testing.T) {
	w := openShop(t, soundShop())
	w.post(releases, `{"version":"1.0.0","message":"The first","tagger":{"name":"Ada","email":"ada@example.com"}}`).wants(http.StatusCreated)
	w.post(releases, `{"version":"1.1.0","changes":[{"action":"patch","kind":"Product","id":"a","document":{"price":"9.00"}},{"action":"delete","kind":"Product","id":"b"}]}`).wants(http.StatusCreated)
	w.post(releases, `{"version":"2.0.0-rc.1"}`).wants(http.StatusCreated)
	w.tag("nightly")
	const all = `version prerelease tag targetId commitId message tagger { name email time }`
	names := map[string]string{"target_id": "targetId", "commit_id": "commitId"}
	var want []any
	for _, item := range w.get(releases).wants(http.StatusOK).json()["items"].([]any) {
		r := item.(map[string]any)
		for rest, name := range names {
			r[name] = r[rest]
			delete(r, rest)
		}
		want = append(want, r)
	}
	for size := 1; size < 5; size++ {
		var got []any
		for after := any(nil); ; {
			page := member(w.gql(`query($size:Int,$after:String){releases(repository:"shop",first:$size,after:$after){edges{cursor node{`+all+`}} pageInfo{hasNextPage endCursor}}}`, map[string]any{"size": size, "after": after}).data(), "releases")
			for _, e := range page["edges"].([]any) {
				node := member(e.(map[string]any), "node")
				got = append(got, node)
			}
			if after = member(page, "pageInfo")["endCursor"]; member(page, "pageInfo")["hasNextPage"] == false {
				break
			}
		}
		if !sameInstants(got, want) {
			t.Errorf("in pages of %d the releases are\n%v, want\n%v", size, got, want)
		}
	}
	of := w.gql(`{release(repository:"shop",version:"v1.0.0"){version catalog{release commitId product(documentId:"a"){price}}}
		none: release(repository:"shop",version:"9.0.0"){version} latestRelease(repository:"shop"){version} pre: latestRelease(repository:"shop",prereleases:true){version}}`, nil).data()
	if price := member(of, "release", "catalog", "product")["price"]; price != "1.50" || of["none"] != nil || member(of, "latestRelease")["version"] != "1.1.0" || member(of, "pre")["version"] != "2.0.0-rc.1" {
		t.Errorf("the releases are %v", of)
	}
	w.gql(`{release(repository:"shop",version:"one"){version}}`, nil).code("INVALID_ARGUMENT")
	w.gql(`{release(repository:"Not a name",version:"1.0.0"){version}}`, nil).code("INVALID_REPOSITORY_ID")
}

// sameInstants compares without regard to the zone of times.
func sameInstants(a, b []any) bool {
	for _, list := range [][]any{a, b} {
		for _, r := range list {
			tagger := member(r.(map[string]any), "tagger")
			if at, err := time.Parse(time.RFC3339, fmt.Sprint(tagger["time"])); err == nil {
				tagger["time"] = at.UTC().Format(time.RFC3339)
			}
		}
	}
	return reflect.DeepEqual(a, b)
}

func TestTwoCatalogsAreComparedAsByREST(t *testing.T) {
	w := openShop(t, soundShop())
	w.tag("v1.0.0")
	w.edit(map[string]string{"products/a.md": strings.Replace(productFile("a", "late", "gtin: \"1\"\n"), "About", "All about", 1), "products/e.md": productFile("e", "late", "")})
	want := w.get(shopCatalog + "/diff?from=v1.0.0").wants(http.StatusOK).json()
	const all = `change kind documentId title path oldPath fields { field old new } bodyChanged`
	var got []any
	for after := any(nil); ; {
		page := member(w.gql(`query($after:String){diff(repository:"shop",from:"v1.0.0",first:1,after:$after){fromCommitId toCommitId nodes{`+all+` old{... on Product{category{title}}} new{documentId}} pageInfo{hasNextPage endCursor}}}`, map[string]any{"after": after}).data(), "diff")
		if page["fromCommitId"] != want["from_commit_id"] || page["toCommitId"] != want["to_commit_id"] {
			t.Errorf("the page is of %v and %v", page["fromCommitId"], page["toCommitId"])
		}
		got = append(got, page["nodes"].([]any)...)
		if after = member(page, "pageInfo")["endCursor"]; member(page, "pageInfo")["hasNextPage"] == false {
			break
		}
		w.edit(map[string]string{"products/f.md": productFile("f", "late", "")}) // the pages stay of the same two commits
	}
	if old := member(got[0].(map[string]any), "old", "category")["title"]; old != "EARLY" {
		t.Errorf("the old side is in the category %v", old)
	}
	for i, d := range got {
		d := d.(map[string]any)
		rest := want["items"].([]any)[i].(map[string]any)
		rest["change"] = strings.ToUpper(rest["change"].(string))
		if (d["old"] == nil) != (rest["change"] == "ADDED") || (d["new"] == nil) != (rest["change"] == "REMOVED") {
			t.Errorf("the sides of %v are %v and %v", d["documentId"], d["old"], d["new"])
		}
		for name, member := range map[string]string{"change": "change", "kind": "kind", "documentId": "id", "title": "title", "path": "path", "oldPath": "old_path", "bodyChanged": "body_changed"} {
			if d[name] != rest[member] {
				t.Errorf("%s of %v is %v, want %v", name, d["documentId"], d[name], rest[member])
			}
		}
		for _, f := range rest["fields"].([]any) {
			for _, side := range []string{"old", "new"} {
				if f := f.(map[string]any); f[side] == nil {
					f[side] = nil // REST leaves it out
				}
			}
		}
		if mustJSON(t, d["fields"]) != mustJSON(t, rest["fields"]) {
			t.Errorf("the fields of %v are %v, want %v", d["documentId"], d["fields"], rest["fields"])
		}
	}
	if len(got) != len(want["items"].([]any)) || len(got) < 2 {
		t.Errorf("there are %d differences, want %d", len(got), len(want["items"].([]any)))
	}
	w.gql(`{diff(repository:"shop",from:"v9"){fromCommitId}}`, nil).code("REF_NOT_FOUND")
	if e := w.gql(`{diff(repository:"shop",from:"v1.0.0",to:""){fromCommitId}}`, nil).code("INVALID_REVISION"); member(e, "extensions")["field"] != "to" {
		t.Errorf("the error is %v", e)
	}
}

func TestAQueryReadsItsOwnWrites(t *testing.T) {
	w := openShop(t, smallShop())
	a := w.gql(`{catalog(repository:"shop"){commitId}}`, nil)
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", a.header)
	}
	w.put(shop+"/files/products/e.md?branch=main", productFile("e", "late", "")).wants(http.StatusCreated)
	cursor := w.announce(w.head())
	for range 20 {
		b := w.post("/graphql", `{"query":"{catalog(repository:\"shop\"){product(documentId:\"e\"){sku}}}"}`, header("Content-Type", "application/json"), header("GitStore-Min-Cursor", cursor.String())).wants(http.StatusOK)
		if member(b.data(), "catalog", "product")["sku"] != "SKU-e" {
			t.Fatalf("the new product is not told: %s", b.body)
		}
	}
	w.post("/graphql", `{"query":"{__typename}"}`, header("Content-Type", "application/json"), header("GitStore-Min-Cursor", "nonsense")).wants(http.StatusBadRequest).code("INVALID_CURSOR")
	get := w.get("/graphql?query=" + url.QueryEscape(`{catalog(repository:"shop"){commitId}}`) + "&min_cursor=" + cursor.String()).wants(http.StatusOK)
	if member(get.data(), "catalog")["commitId"] != w.head() {
		t.Errorf("by GET there is %s", get.body)
	}
}

func TestABrowserGetsAPageThatNeedsNothingElse(t *testing.T) {
	w := openShop(t, smallShop())
	a := w.get("/graphql", header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")).wants(http.StatusOK)
	page := string(a.body)
	if a.header.Get("Content-Type") != "text/html; charset=utf-8" || strings.Contains(page, "://") || strings.Contains(page, "src=") || strings.Contains(page, "<link") {
		t.Errorf("the page wants more: %v", a.header)
	}
	_, script, _ := strings.Cut(page, "<script>")
	script, _, _ = strings.Cut(script, "</script>")
	sum := sha256.Sum256([]byte(script))
	want := "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if got := a.header.Get("Content-Security-Policy"); got != want || strings.Count(page, "<script") != 1 || strings.Contains(page, " on") && regexp.MustCompile(`<[^>]* on[a-z]+=`).MatchString(page) {
		t.Errorf("the policy is %s, want %s", got, want)
	}
	for _, query := range regexp.MustCompile("(?s)(?:example|introspection) = `(.*?)`;").FindAllStringSubmatch(script, -1) {
		text := strings.ReplaceAll(query[1], "${reference}", "kind name ofType { kind name ofType { kind name ofType { kind name } } }")
		w.gql(text, map[string]any{"repository": "shop"}).data()
	}
	w.get("/graphql?query="+url.QueryEscape("{__typename}"), header("Accept", "text/html")).wants(http.StatusOK).data()
}

func TestOperationsAreCountedAndLogged(t *testing.T) {
	var lines bytes.Buffer
	registry := prometheus.NewRegistry()
	w := openShop(t, smallShop())
	c := serve(t, newStore(t), httpapi.Options{Catalogs: w.follower, Registerer: registry, Logger: slog.New(slog.NewTextHandler(&lines, nil))})
	untouched := map[string]float64{
		"none refused": 0, "query ok": 0, "query errors": 0, "query refused": 0, "mutation ok": 0, "mutation errors": 0, "mutation refused": 0,
		"none": 0, "query": 0, "mutation": 0,
	}
	if got := operationMetrics(t, registry); !maps.Equal(got, untouched) {
		t.Errorf("before any operation the metrics are %v, want %v", got, untouched)
	}
	c.gql(`{catalog(repository:"shop"){commitId}}`, nil).data()
	c.gql(`{catalog(repository:"gone"){commitId}}`, nil).code("CATALOG_NOT_FOUND")
	c.gql(`{nothing}`, nil).code("INVALID_ARGUMENT")
	c.server.Close()
	want := maps.Clone(untouched)
	maps.Copy(want, map[string]float64{"none refused": 1, "query errors": 1, "query ok": 1, "none": 1, "query": 2})
	if got := operationMetrics(t, registry); !maps.Equal(got, want) {
		t.Errorf("operations are counted as %v, want %v", got, want)
	}
	for _, want := range []string{`path=/graphql status=200 .* operation=query\n`, `operation=query reason=CATALOG_NOT_FOUND error="no catalog`, `operation="" reason=INVALID_ARGUMENT error=`} {
		if !regexp.MustCompile(want).MatchString(lines.String()) {
			t.Errorf("the log lacks %s:\n%s", want, lines.String())
		}
	}
}

// operationMetrics are the counts of GraphQL operations by kind and outcome, and those that were timed by kind.
func operationMetrics(t *testing.T, registry prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "gitstore_graphql_operations_total":
				got[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			case "gitstore_graphql_operation_duration_seconds":
				got[m.GetLabel()[0].GetValue()] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return got
}

// exampleShop serves examples/catalog.
func exampleShop(t *testing.T) *shopWindow {
	t.Helper()
	files := map[string]string{}
	root := os.DirFS("../../examples/catalog")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		files[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return openShop(t, files)
}

func TestTheCommandsOfTheGuideWorkAsTheyAreWritten(t *testing.T) {
	guide, err := os.ReadFile("../../docs/graphql.md")
	if err != nil {
		t.Fatal(err)
	}
	w := exampleShop(t)
	commands := regexp.MustCompile(`(?s)curl http://127\.0\.0\.1:8080/graphql -H 'Content-Type: application/json' -d '([^']*)'\n`).FindAllStringSubmatch(string(guide), -1)
	if len(commands) != strings.Count(string(guide), "\ncurl ") || len(commands) < 3 {
		t.Errorf("only %d commands of the guide are run", len(commands))
	}
	for _, command := range commands {
		a := w.post("/graphql", command[1], header("Content-Type", "application/json")).wants(http.StatusOK)
		if text := mustJSON(t, a.data()); strings.Contains(text, `"nodes":[]`) || strings.Contains(text, `:null}`) {
			t.Errorf("%s\nfinds nothing: %s", command[1], text)
		}
	}
}
