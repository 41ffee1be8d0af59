package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
)

// mutate executes one mutation.
func (w *shopWindow) mutate(field string, variables map[string]any, declared string) answer {
	w.t.Helper()
	return w.gql("mutation"+declared+"{"+field+"}", variables)
}

func TestADocumentIsWrittenByGraphQLAsByREST(t *testing.T) {
	const newOne = `documentId: "e", sku: "SKU-e", slug: "slug-e", title: "Title: e", categoryId: "early", price: "2.00", currency: "EUR", status: ACTIVE, inventoryStatus: IN_STOCK`
	// What is new is written in the order of the schema, or as it was sent by REST.
	const ofREST = `{"id":"e","slug":"slug-e","title":"Title: e","sku":"SKU-e","category":"early","price":"2.00","currency":"EUR","status":"active","inventory_status":"in_stock"`
	steps := []struct{ field, method, path, body string }{
		{`createDocument(repository: "shop", document: {product: {` + newOne + `, tags: "x", images: [{url: "https://example.com/e.jpg", alt: "An e"}], links: [{url: "https://example.com/e", title: "More"}], fields: {gtin: "0042", supplier: {name: "Ada <ada>", since: 1843}}, body: "About *e*.\n"}})`,
			"POST", "/products", ofREST + `,"tags":["x"],"images":[{"url":"https://example.com/e.jpg","alt":"An e"}],"links":[{"title":"More","url":"https://example.com/e"}],"fields":{"gtin":"0042","supplier":{"name":"Ada <ada>","since":1843}},"body":"About *e*.\n"}`},
		{`patchDocument(repository: "shop", document: {product: {documentId: "e", price: "3.00", tags: null, fields: {supplier: {name: null, city: "Rome"}}, body: "New.\n"}})`,
			"PATCH", "/products/e", `{"price":"3.00","tags":null,"fields":{"supplier":{"name":null,"city":"Rome"}},"body":"New.\n"}`},
		{`replaceDocument(repository: "shop", document: {product: {` + newOne + `}})`, "PUT", "/products/e", ofREST + "}"},
		{`putDocument(repository: "shop", document: {category: {documentId: "new", slug: "new-one", title: "New", parentId: "root", position: 3}})`, "PUT", "/categories/new", `{"slug":"new-one","title":"New","parent":"root","position":3}`},
		{`putDocument(repository: "shop", document: {category: {documentId: "new", slug: "new-one", title: "New", parentId: ""}})`, "PUT", "/categories/new", `{"slug":"new-one","title":"New","parent":""}`},
		{`putDocument(repository: "shop", document: {collection: {documentId: "mine", slug: "mine", title: "Mine", productSkus: ["SKU-a"], path: "collections/by-me/mine.yaml"}})`, "PUT", "/collections/mine", `{"slug":"mine","title":"Mine","products":["SKU-a"],"path":"collections/by-me/mine.yaml"}`},
		{`putDocument(repository: "shop", document: {other: {kind: "Note", documentId: "n2", fields: {text: "hi"}, path: "notes/n2.json"}})`, "PUT", "/documents/Note/n2", `{"fields":{"text":"hi"},"path":"notes/n2.json"}`},
		{`putDocument(repository: "shop", document: {other: {kind: "Category", documentId: "more", slug: "more", title: "More", fields: {position: 1}}})`, "PUT", "/documents/Category/more", `{"slug":"more","title":"More","fields":{"position":1}}`},
		{`deleteDocument(repository: "shop", kind: "Product", documentId: "e")`, "DELETE", "/products/e", ""},

		{`patchDocument(repository: "shop", document: {product: {documentId: "a", price: "cheap", currency: "EURO", fields: {tags: 1}}})`, "PATCH", "/products/a", `{"price":"cheap","currency":"EURO","fields":{"tags":1}}`},
		{`patchDocument(repository: "shop", document: {product: {documentId: "a", price: "cheap", currency: "EURO", tags: ["x"], categoryId: "gone"}})`, "PATCH", "/products/a", `{"price":"cheap","currency":"EURO","tags":["x"],"category":"gone"}`},
		{`createDocument(repository: "shop", document: {product: {documentId: "new", slug: "new"}})`, "POST", "/products", `{"id":"new","slug":"new"}`},
		{`createDocument(repository: "shop", document: {product: {` + strings.Replace(newOne, `"e"`, `"a"`, 1) + `}})`, "POST", "/products", strings.Replace(ofREST, `"e"`, `"a"`, 1) + "}"},
		{`replaceDocument(repository: "shop", document: {collection: {documentId: "none", slug: "none", title: "None"}})`, "POST", "/changes", `{"changes":[{"action":"replace","kind":"Collection","id":"none","document":{"slug":"none","title":"None"}}]}`},
		{`deleteDocument(repository: "shop", kind: "Category", documentId: "early")`, "DELETE", "/categories/early", ""},
		{`deleteDocument(repository: "shop", kind: "Product", documentId: "nobody")`, "DELETE", "/products/nobody", ""},
		{`patchDocument(repository: "shop", document: {product: {documentId: "a", path: "products/other.md"}})`, "PATCH", "/products/a", `{"path":"products/other.md"}`},
		{`patchDocument(repository: "shop", document: {product: {documentId: "a", path: "../a.md"}})`, "PATCH", "/products/a", `{"path":"../a.md"}`},
		{`patchDocument(repository: "shop", document: {product: {documentId: "a", fields: [1]}})`, "PATCH", "/products/a", `{"fields":[1]}`},
		{`createDocument(repository: "shop", document: {product: {documentId: "", title: "x"}})`, "POST", "/products", `{"id":"","title":"x"}`},
		{`patchDocument(repository: "shop", document: {product: {documentId: "a", title: "x"}}, commit: {branch: "refs/heads/main"})`, "PATCH", "/products/a?branch=refs/heads/main", `{"title":"x"}`},
		{`patchDocument(repository: "shop", document: {product: {documentId: "a", title: "x"}}, commit: {branch: "gone"})`, "PATCH", "/products/a?branch=gone", `{"title":"x"}`},
		{`patchDocument(repository: "shop", document: {product: {documentId: "a", title: "x"}}, commit: {requestId: "one"})`, "PATCH", "/products/a?request_id=one", `{"title":"x"}`},
		{`patchDocument(repository: "shop", document: {product: {documentId: "a", title: "x"}}, commit: {expectedHead: "1"})`, "PATCH", "/products/a?expected_head=1", `{"title":"x"}`},
	}
	byGraphQL, byREST := openShop(t, smallShop()), openShop(t, smallShop())
	for _, step := range steps {
		rest := byREST.do(step.method, shopCatalog+step.path, strings.NewReader(step.body))
		got := byGraphQL.mutate(step.field+`{ commitId replayed noOp action document { `+someDocument+` } }`, nil, "")
		if tree := treeOf(byGraphQL); tree != treeOf(byREST) {
			t.Fatalf("%s leaves other files than %s %s", step.field, step.method, step.path)
		}
		if rest.status < 300 {
			for _, payload := range got.data() {
				payload := payload.(map[string]any)
				if payload["commitId"] != byGraphQL.head() || payload["noOp"] != false || payload["replayed"] != false {
					t.Errorf("%s: %v", step.field, payload)
				}
				if document, _ := payload["document"].(map[string]any); (document == nil) != (step.method == "DELETE") || document != nil && mustJSON(t, asREST(document)) != mustJSON(t, withoutPlace(rest.json())) {
					t.Errorf("%s\nGraphQL: %s\nREST:    %s", step.field, mustJSON(t, document), rest.body)
				}
			}
			continue
		}
		p := rest.json()
		e := got.code(p["reason"].(string))
		if problems := member(e, "extensions")["problems"]; e["message"] != p["detail"] || mustJSON(t, problems) != mustJSON(t, p["problems"]) {
			t.Errorf("%s\nGraphQL: %s\nREST:    %s", step.field, got.body, rest.body)
		}
	}
}

// withoutPlace leaves out what REST tells besides of a category.
func withoutPlace(document map[string]any) map[string]any {
	delete(document, "ancestors")
	delete(document, "children")
	return document
}

func treeOf(w *shopWindow) string {
	w.t.Helper()
	return w.get(shop + "/commits/main").wants(http.StatusOK).json()["tree_id"].(string)
}

func TestManyDocumentsAreChangedByGraphQLInOneCommit(t *testing.T) {
	w := openShop(t, smallShop())
	const changes = `changeDocuments(repository: "shop", changes: $changes, commit: $commit) { commitId replayed noOp documents { action kind documentId path document { id blobId ... on Product { price category { id title products(first: 1) { commitId nodes { documentId } pageInfo { endCursor } } } } } } }`
	const declared = `($changes: [DocumentChangeInput!]!, $commit: CommitInput)`
	list := []any{
		map[string]any{"action": "PATCH", "document": map[string]any{"product": map[string]any{"documentId": "a", "price": "9.00"}}},
		map[string]any{"action": "PUT", "document": map[string]any{"category": map[string]any{"documentId": "new", "slug": "new", "title": "New", "position": 1}}},
		map[string]any{"action": "DELETE", "kind": "Note", "documentId": "n1"},
	}
	commit := map[string]any{
		"message": "Many at once", "author": map[string]any{"name": "Ada", "email": "ada@example.com", "time": "2026-01-31T09:00:00Z"}, "branch": nil,
		"requestId": "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "dryRun": true,
	}
	head := w.head()
	dry := member(w.mutate(changes, map[string]any{"changes": list, "commit": commit}, declared).data(), "changeDocuments")
	if w.head() != head || dry["commitId"] == head {
		t.Errorf("a dry run leaves %s behind, and says %v", w.head(), dry)
	}
	commit["dryRun"] = false
	a := w.mutate(changes, map[string]any{"changes": list, "commit": commit}, declared)
	got := member(a.data(), "changeDocuments")
	if got["commitId"] != w.head() || got["replayed"] != false {
		t.Errorf("the commit is %v, the head %s", got, w.head())
	}
	var actions []string
	for _, d := range got["documents"].([]any) {
		d := d.(map[string]any)
		actions = append(actions, d["action"].(string)+" "+d["kind"].(string)+" "+d["documentId"].(string)+" "+d["path"].(string))
		if (d["document"] == nil) != (d["action"] == "DELETE") {
			t.Errorf("the document of %v is %v", d["action"], d["document"])
		}
	}
	if all := strings.Join(actions, ","); all != "PATCH Product a products/a.md,CREATE Category new categories/new.md,DELETE Note n1 notes/n.yaml" {
		t.Errorf("what was done is %s", all)
	}
	first := member(got["documents"].([]any)[0].(map[string]any), "document")
	page := member(first, "category", "products")
	if first["price"] != "9.00" || page["commitId"] != got["commitId"] {
		t.Errorf("behind the change there is %v", first)
	}
	next := w.gql(`query($id: ID!, $c: String) { node(id: $id) { ... on Category { products(first: 9, after: $c) { nodes { documentId } } } } }`, map[string]any{"id": member(first, "category")["id"], "c": member(page, "pageInfo")["endCursor"]})
	if nodes := member(next.data(), "node", "products")["nodes"]; mustJSON(t, nodes) != `[{"documentId":"b"}]`+"\n" {
		t.Errorf("the next page is %v", nodes)
	}
	if again := member(w.mutate(changes, map[string]any{"changes": list, "commit": commit}, declared).data(), "changeDocuments"); again["commitId"] != got["commitId"] || again["replayed"] != true {
		t.Errorf("the retry is %v", again)
	}
	made := w.get(shop + "/commits/main").json()
	if author := made["author"].(map[string]any); author["name"] != "Ada" || !strings.HasPrefix(author["time"].(string), "2026-01-31T09:00:00") || !strings.HasPrefix(made["message"].(string), "Many at once") {
		t.Errorf("the commit is %v", made)
	}
	for what, tt := range map[string]struct {
		change      any
		code, field string
	}{
		"no document":          {map[string]any{"action": "CREATE"}, "INVALID_ARGUMENT", "changes[1].document"},
		"nothing of a kind":    {map[string]any{"action": "CREATE", "document": map[string]any{"product": nil}}, "INVALID_ARGUMENT", "document"},
		"two kinds":            {map[string]any{"action": "CREATE", "document": map[string]any{"product": map[string]any{"documentId": "x"}, "category": map[string]any{"documentId": "x"}}}, "INVALID_ARGUMENT", "document"},
		"a deletion with more": {map[string]any{"action": "DELETE", "document": map[string]any{"product": map[string]any{"documentId": "b"}}}, "INVALID_ARGUMENT", "changes[1].document"},
		"no id":                {map[string]any{"action": "DELETE", "kind": "Product"}, "INVALID_ARGUMENT", "changes[1].documentId"},
		"the same again":       {list[0], "INVALID_ARGUMENT", "changes[1].documentId"},
		"two kinds at once":    {map[string]any{"action": "CREATE", "kind": "Category", "document": map[string]any{"product": map[string]any{"documentId": "b"}}}, "INVALID_ARGUMENT", "changes[1].kind"},
		"a number for a text":  {map[string]any{"action": "PATCH", "document": map[string]any{"product": map[string]any{"documentId": "b", "price": 13.5}}}, "INVALID_ARGUMENT", ""},
		"another blob":         {map[string]any{"action": "PATCH", "ifMatch": strings.Repeat("1", 40), "document": map[string]any{"product": map[string]any{"documentId": "b", "title": "x"}}}, "BLOB_MOVED", "changes[1]"},
		"no blob":              {map[string]any{"action": "PATCH", "ifMatch": "x", "document": map[string]any{"product": map[string]any{"documentId": "b", "title": "x"}}}, "INVALID_OBJECT_ID", "changes[1].ifMatch"},
		"a field twice":        {map[string]any{"action": "PATCH", "document": map[string]any{"product": map[string]any{"documentId": "b", "fields": map[string]any{"sku": "x"}}}}, "INVALID_ARGUMENT", "changes[1].document.fields.sku"},
	} {
		e := w.mutate(changes, map[string]any{"changes": []any{list[0], tt.change}}, declared).code(tt.code)
		if got, _ := member(e, "extensions")["field"].(string); got != tt.field {
			t.Errorf("%s: field %s, want %s: %v", what, got, tt.field, e)
		}
	}
	w.mutate(changes, map[string]any{"changes": []any{}}, declared).code("NO_ACTIONS")
	w.mutate(changes, map[string]any{"changes": list, "commit": map[string]any{"expectedHead": head}}, declared).code("REF_MOVED")
	if e := w.mutate(changes, map[string]any{"changes": list, "commit": map[string]any{"author": map[string]any{"name": "", "email": ""}}}, declared).code("INVALID_SIGNATURE"); !strings.HasPrefix(member(e, "extensions")["field"].(string), "author") {
		t.Errorf("the error is %v", e)
	}
	w.mutate(changes, map[string]any{"changes": list, "commit": map[string]any{"author": map[string]any{"name": "A", "email": "a@b", "time": "today"}}}, declared).code("INVALID_ARGUMENT")
}

func TestWhatIsWrittenHasTheIDsOfWhatIsRead(t *testing.T) {
	w := openShop(t, soundShop())
	w.post(shop+"/branches", `{"name":"drafts"}`).wants(http.StatusCreated)
	read := func(at string) any {
		return member(w.gql(`query($at: String) { catalog(repository: "shop", at: $at) { product(documentId: "a") { id } } }`, map[string]any{"at": map[bool]any{true: nil, false: at}[at == ""]}).data(), "catalog", "product")["id"]
	}
	write := func(title string, commit map[string]any) (id, commitID any) {
		p := member(w.mutate(`patchDocument(repository: "shop", document: {product: {documentId: "a", title: $title}}, commit: $commit) { commitId document { id } }`,
			map[string]any{"title": title, "commit": commit}, `($title: String, $commit: CommitInput)`).data(), "patchDocument")
		return member(p, "document")["id"], p["commitId"]
	}
	const request = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
	for _, tt := range []struct {
		what   string
		commit map[string]any
		at     string
	}{
		{"the followed branch", nil, ""},
		{"the followed branch by name", map[string]any{"branch": "main", "requestId": request}, ""},
		{"another branch", map[string]any{"branch": "drafts"}, "drafts"},
	} {
		if got, _ := write("Of "+tt.what, tt.commit); got != read(tt.at) {
			t.Errorf("%s: the id is %v, read it is %v", tt.what, got, read(tt.at))
		}
	}
	if got, commit := write("Of the followed branch by name", map[string]any{"branch": "main", "requestId": request}); got != read(commit.(string)) {
		t.Errorf("a retry has the id %v, want that of its commit", got)
	}
	if got, _ := write("Of nobody", map[string]any{"dryRun": true}); got == read("") || w.gql(`query($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": got}).data()["node"] != nil {
		t.Errorf("what was not made has the id %v", got)
	}
}

func TestOfTwoEditorsTheSecondIsToldByGraphQL(t *testing.T) {
	w := openShop(t, smallShop())
	const edit = `patchDocument(repository: "shop", document: {product: {documentId: "a", title: $title}}, ifMatch: $blob) { document { blobId title } }`
	seen := member(w.gql(`{catalog(repository:"shop"){product(documentId:"a"){blobId}}}`, nil).data(), "catalog", "product")["blobId"]
	first := member(w.mutate(edit, map[string]any{"title": "First", "blob": seen}, `($title: String, $blob: String)`).data(), "patchDocument", "document")
	head := w.head()
	e := w.mutate(edit, map[string]any{"title": "Second", "blob": seen}, `($title: String, $blob: String)`).code("BLOB_MOVED")
	if metadata := member(e, "extensions", "metadata"); metadata["expected"] != seen || metadata["actual"] != first["blobId"] || w.head() != head {
		t.Errorf("the second editor is told %v", e)
	}
	w.mutate(edit, map[string]any{"title": "Third", "blob": ""}, `($title: String, $blob: String)`).code("BLOB_MOVED")
	current := member(e, "extensions", "current")
	fields := member(current, "fields")
	if current["kind"] != "Product" || current["documentId"] != "a" || current["path"] != "products/a.md" || current["body"] != "About **a**.\n" ||
		fields["title"] != "First" || member(fields, "supplier")["name"] != "Ada" || fields["sku"] != "SKU-a" {
		t.Errorf("the current version is told as %v", current)
	}
	const tag, declared = `patchDocument(repository: "shop", document: {product: {documentId: "a", tags: $tags}}, ifMatch: $blob) { document { title ... on Product { tags } } }`, `($tags: [String!], $blob: String)`
	merged := member(w.mutate(tag, map[string]any{"tags": append(fields["tags"].([]any), "z"), "blob": current["blobId"]}, declared).data(), "patchDocument", "document")
	if got, _ := merged["tags"].([]any); merged["title"] != "First" || len(got) != 3 || got[2] != "z" {
		t.Errorf("both edits make %v", merged)
	}
	// What several changes are refused for is told of the one that is late; of a document that there is not nothing is.
	const changes, list = `changeDocuments(repository: "shop", changes: $changes) { commitId }`, `($changes: [DocumentChangeInput!]!)`
	late := map[string]any{"action": "DELETE", "kind": "Product", "documentId": "b", "ifMatch": seen}
	e = w.mutate(changes, map[string]any{"changes": []any{map[string]any{"action": "DELETE", "kind": "Product", "documentId": "c"}, late}}, list).code("BLOB_MOVED")
	if member(e, "extensions")["field"] != "changes[1]" || member(e, "extensions", "current")["documentId"] != "b" {
		t.Errorf("the late change is told as %v", e)
	}
	late["documentId"] = "nobody"
	if e := w.mutate(changes, map[string]any{"changes": []any{late}}, list).code("BLOB_MOVED"); member(e, "extensions")["current"] != nil {
		t.Errorf("of a document that there is not %v is told", e)
	}
}

func TestACatalogIsReleasedAndRolledBackByGraphQL(t *testing.T) {
	w := openShop(t, soundShop())
	const publish, declared = `publishRelease(repository: "shop", release: $release) { release { id version tag commitId message tagger { name } catalog { product(documentId: "a") { price } } } latest }`, `($release: ReleaseInput!)`
	release := func(r map[string]any) answer { return w.mutate(publish, map[string]any{"release": r}, declared) }
	dry := member(release(map[string]any{"version": "1.0.0", "dryRun": true}).data(), "publishRelease", "release")
	w.get(releases+"/latest").problem(http.StatusNotFound, "REF_NOT_FOUND")
	one := member(release(map[string]any{"version": "v1.0.0", "message": "The first", "tagger": map[string]any{"name": "Ada", "email": "ada@example.com"}}).data(), "publishRelease", "release")
	if one["version"] != "1.0.0" || one["tag"] != "v1.0.0" || one["commitId"] != w.head() || dry["commitId"] != w.head() || member(one, "tagger")["name"] != "Ada" || !strings.HasPrefix(one["message"].(string), "The first") {
		t.Errorf("the release is %v, the dry run %v", one, dry)
	}
	two := member(release(map[string]any{"version": "1.1.0", "commitMessage": "Raise a price", "changes": []any{
		map[string]any{"action": "PATCH", "document": map[string]any{"product": map[string]any{"documentId": "a", "price": "9.00"}}},
	}}).data(), "publishRelease", "release")
	if two["commitId"] != w.head() || w.head() == one["commitId"] || member(two, "catalog", "product")["price"] != "9.00" {
		t.Errorf("the release with a commit is %v", two)
	}
	back := member(w.mutate(`rollBack(repository: "shop", release: {to: "1.0.0"}) { release { version commitId catalog { product(documentId: "a") { price } } } }`, nil, "").data(), "rollBack", "release")
	if back["version"] != "1.1.1" || back["commitId"] != one["commitId"] || member(back, "catalog", "product")["price"] != "1.50" {
		t.Errorf("the rollback is %v", back)
	}
	for version, want := range map[string]bool{"1.0.1": false, "1.2.0-rc.1": false, "1.2.0": true} {
		if got := member(release(map[string]any{"version": version}).data(), "publishRelease")["latest"]; got != want {
			t.Errorf("that %s is the latest is told as %v", version, got)
		}
	}
	release(map[string]any{"version": "1.1.0"}).code("REF_EXISTS")
	release(map[string]any{"version": "one"}).code("INVALID_ARGUMENT")
	release(map[string]any{"version": "2.0.0", "revision": "gone"}).code("REF_NOT_FOUND")
	release(map[string]any{"version": "2.0.0", "revision": "main", "changes": []any{map[string]any{"action": "DELETE", "kind": "Note", "documentId": "n1"}}}).code("INVALID_ARGUMENT")
	release(map[string]any{"version": "2.0.0", "expectedHead": one["commitId"]}).code("REF_MOVED")
	w.mutate(`rollBack(repository: "shop", release: {to: "9.0.0"}) { release { version } }`, nil, "").code("REF_NOT_FOUND")
	w.mutate(`rollBack(repository: "shop", release: {to: "1.0.0", requestId: "6f9619ff-8b86-d011-b42d-00cf4fc964ff"}) { release { version } }`, nil, "").code("INVALID_ARGUMENT")
	w.mutate(`rollBack(repository: "elsewhere", release: {to: "1.0.0"}) { release { version } }`, nil, "").code("CATALOG_NOT_FOUND")

	bad := openShop(t, smallShop())
	rest := bad.post(releases, `{"version":"1.0.0"}`).problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT").json()
	e := bad.mutate(publish, map[string]any{"release": map[string]any{"version": "1.0.0"}}, declared).code("INVALID_DOCUMENT")
	if problems := member(e, "extensions")["problems"]; mustJSON(t, problems) != mustJSON(t, rest["problems"]) || e["message"] != rest["detail"] {
		t.Errorf("what is wrong is told as %v, want %v", e, rest)
	}
}

func TestMutationsAreDoneInOrderAndByPOSTAlone(t *testing.T) {
	w := openShop(t, smallShop())
	head := w.head()
	const set = `patchDocument(repository: "shop", document: {product: {documentId: "a", title: "%"}}) { noOp commitId document { title } }`
	w.get("/graphql?query=mutation%7B" + strings.NewReplacer(" ", "+", `"`, "%22").Replace(strings.ReplaceAll(set, "%", "x")) + "%7D").wants(http.StatusMethodNotAllowed).code("INVALID_ARGUMENT")
	if w.head() != head {
		t.Error("a mutation was done by GET")
	}
	a := w.gql("mutation{one: "+strings.ReplaceAll(set, "%", "One")+" two: "+strings.ReplaceAll(set, "%", "Two")+" again: "+strings.ReplaceAll(set, "%", "Two")+"}", nil)
	of := a.data()
	if member(of, "one", "document")["title"] != "One" || member(of, "two", "document")["title"] != "Two" || member(of, "again")["noOp"] != true || member(of, "two")["commitId"] != w.head() {
		t.Errorf("the mutations came to %v", of)
	}
	w.gql("mutation{"+strings.ReplaceAll(set, "%", "Three")+" wrong: "+strings.Replace(set, `"shop"`, `"elsewhere"`, 1)+"}", nil).code("CATALOG_NOT_FOUND")
	if title := member(w.gql(`{catalog(repository:"shop",at:"main"){product(documentId:"a"){title}}}`, nil).data(), "catalog", "product")["title"]; title != "Three" {
		t.Errorf("before the one that failed the title was set to %v", title)
	}
	var many strings.Builder
	for i := range 21 {
		many.WriteString("a" + string(rune('a'+i)) + ": " + strings.ReplaceAll(set, "%", "Many") + " ")
	}
	w.gql("mutation{"+many.String()+"}", nil).code("QUERY_TOO_COMPLEX")
}
