package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func (c *client) patch(path, body string, opts ...option) answer {
	c.t.Helper()
	opts = append([]option{header("Content-Type", "application/merge-patch+json")}, opts...)
	return c.do(http.MethodPatch, path, strings.NewReader(body), opts...)
}

// file is what a file of main holds.
func (c *client) file(path string) string {
	c.t.Helper()
	return string(c.get(shop + "/files/" + path).wants(http.StatusOK).body)
}

const newProduct = `{"id":"e","sku":"SKU-e","slug":"slug-e","title":"Title: e","category":"early","price":"2.00","currency":"EUR","status":"active","inventory_status":"in_stock"`

func TestADocumentIsWrittenAndReadBack(t *testing.T) {
	w := openShop(t, smallShop())
	a := w.post(shopCatalog+"/products", newProduct+`,"tags":["x"],"fields":{"gtin":"0042","supplier":{"name":"Ada"}},"body":"About *e*.\n"}`).wants(http.StatusCreated)
	if got := a.header.Get("Location"); got != shopCatalog+"/products/e" || a.header.Get("GitStore-Commit") != w.head() {
		t.Errorf("headers %v", a.header)
	}
	read := w.get(shopCatalog + "/products/e?at=main").wants(http.StatusOK)
	if string(read.body) != string(a.body) || read.header.Get("ETag") != a.header.Get("ETag") {
		t.Errorf("the product was written as %s and is read as %s", a.body, read.body)
	}
	want := "---\nid: e\nsku: SKU-e\nslug: slug-e\ntitle: 'Title: e'\ncategory: early\nprice: \"2.00\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n" +
		"tags:\n  - x\ngtin: \"0042\"\nsupplier:\n  name: Ada\n---\n\nAbout *e*.\n"
	if got := w.file("products/slug-e.md"); got != want {
		t.Errorf("the file is\n%s\nwant\n%s", got, want)
	}
	head := w.head()
	again := w.put(shopCatalog+"/products/e", string(read.body), header("If-Match", read.header.Get("ETag"))).wants(http.StatusOK)
	if w.head() != head || string(again.body) != string(read.body) {
		t.Errorf("writing what is there made a commit, or %s", again.body)
	}
	p := w.patch(shopCatalog+"/products/e?message=Dearer&author_name=Ada&author_email=ada@example.com",
		`{"price":"3.00","tags":null,"fields":{"supplier":{"name":null,"city":"Rome"}},"body":"New.\n"}`).wants(http.StatusOK)
	want = strings.NewReplacer(`"2.00"`, `"3.00"`, "tags:\n  - x\n", "", "name: Ada", "city: Rome", "About *e*.", "New.").Replace(want)
	if got := w.file("products/slug-e.md"); got != want {
		t.Errorf("the patched file is\n%s\nwant\n%s", got, want)
	}
	commit := w.get(shop + "/commits/" + p.header.Get("GitStore-Commit")).json()
	if author := commit["author"].(map[string]any); !strings.HasPrefix(commit["message"].(string), "Dearer") || author["name"] != "Ada" {
		t.Errorf("the commit is %v", commit)
	}
	w.put(shopCatalog+"/products/e", newProduct+`}`).wants(http.StatusOK)
	if got := w.file("products/slug-e.md"); strings.Contains(got, "gtin") || strings.Contains(got, "supplier") || !strings.Contains(got, "New.") {
		t.Errorf("the replaced file is\n%s", got)
	}
	d := w.delete(shopCatalog + "/products/e").wants(http.StatusOK).json()
	if documents := d["documents"].([]any); len(documents) != 1 || documents[0].(map[string]any)["action"] != "delete" || d["commit_id"] != w.head() {
		t.Errorf("the deletion is %v", d)
	}
	w.get(shop+"/files/products/slug-e.md").problem(http.StatusNotFound, "PATH_NOT_FOUND")
	w.get(shopCatalog+"/products/e?at=main").problem(http.StatusNotFound, "DOCUMENT_NOT_FOUND")
}

func TestDocumentsOfAllKindsAreWritten(t *testing.T) {
	w := openShop(t, smallShop())
	for _, tt := range []struct{ path, body, file, content string }{
		{"/categories/new", `{"slug":"new-one","title":"New","parent":"root","position":3}`, "categories/new-one.md", "---\nid: new\nslug: new-one\ntitle: New\nparent: root\nposition: 3\n---\n"},
		{"/collections/mine", `{"slug":"mine","title":"Mine","products":["SKU-a"],"path":"collections/by-me/mine.yaml"}`, "collections/by-me/mine.yaml", "id: mine\nslug: mine\ntitle: Mine\nproducts:\n  - SKU-a\n"},
		{"/documents/Note/n2", `{"fields":{"text":"hi"},"path":"notes/n2.json"}`, "notes/n2.json", "{\n  \"kind\": \"Note\",\n  \"id\": \"n2\",\n  \"text\": \"hi\"\n}\n"},
		{"/documents/Note/n3", `{"title":"Three","fields":{"text":"ho"},"body":"x"}`, "documents/Note/n3.md", "---\nkind: Note\nid: n3\ntitle: Three\ntext: ho\n---\n\nx"},
		{"/documents/Category/more", `{"slug":"more","title":"More","position":1}`, "categories/more.md", "---\nid: more\nslug: more\ntitle: More\nposition: 1\n---\n"},
		{"/products/a%2Fb", `{"sku":"AB","slug":"a-b","title":"T","category":"early","price":"1","currency":"EUR","status":"draft","inventory_status":"preorder"}`, "products/a-b.md",
			"---\nid: a/b\nsku: AB\nslug: a-b\ntitle: T\ncategory: early\nprice: \"1\"\ncurrency: EUR\nstatus: draft\ninventory_status: preorder\n---\n"},
	} {
		w.put(shopCatalog+tt.path, tt.body, header("If-None-Match", "*")).wants(http.StatusCreated)
		if got := w.file(tt.file); got != tt.content {
			t.Errorf("%s was written as\n%s\nwant\n%s", tt.path, got, tt.content)
		}
		read := w.get(shopCatalog + tt.path + "?at=main").wants(http.StatusOK)
		head := w.head()
		w.put(shopCatalog+tt.path, string(read.body)).wants(http.StatusOK)
		if w.head() != head {
			t.Errorf("writing %s back made a commit: %s", tt.path, w.file(tt.file))
		}
	}
	// Of YAML and JSON the rest stays as well.
	w.patch(shopCatalog+"/documents/Note/n1", `{"fields":{"text":"good bye","more":[1]}}`).wants(http.StatusOK)
	if got := w.file("notes/n.yaml"); got != "kind: Note\nid: n1\ntext: good bye\nmore:\n  - 1\n" {
		t.Errorf("the note is %q", got)
	}
}

func TestANewDocumentGetsAFileThatMayBeThere(t *testing.T) {
	files := smallShop()
	files["categories/Tea.md"] = categoryFile("black", "root", 3)
	files["categories/readme.md"] = "# Categories\n"
	w := openShop(t, files)
	for _, tt := range []struct{ kind, id, slug, file string }{
		{"Category", "c1", "con", "categories/c1.md"},
		{"Category", "nul", "aux", "categories/aux-2.md"},
		{"Category", "c2", "com1", "categories/c2.md"},
		{"Category", "c3", "readme", "categories/c3.md"},
		{"Category", "c4", "tea", "categories/c4.md"},
		{"Category", "TEA", "TEA", ""},
		{"Category", "C4", "c4", "categories/c4-2.md"},
		{"Note", "\u65e5\u672c", "", "documents/Note/document-1.md"},
		{"Note", "a b", "", "documents/Note/document-2.md"},
		{"Note", "a/b", "slashed", "documents/Note/slashed.md"},
		{"Note", "README", "", "documents/Note/README-2.md"},
		{"Note", "document-3", "", "documents/Note/document-3.md"},
		{"Note", "c d", "", "documents/Note/document-4.md"},
	} {
		body := fmt.Sprintf(`{"id":%q,"title":"T","fields":{"text":"x"}`, tt.id)
		if tt.slug != "" {
			body += fmt.Sprintf(`,"slug":%q`, tt.slug)
		}
		made := w.post(shopCatalog+"/documents/"+tt.kind, body+"}")
		if tt.file == "" {
			made.problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT")
			continue
		}
		if got := made.wants(http.StatusCreated).json()["path"]; got != tt.file {
			t.Errorf("the %s %q with the slug %q is in %v, want %s", tt.kind, tt.id, tt.slug, got, tt.file)
		}
	}
	several := w.post(shopCatalog+"/changes", `{"changes":[
		{"action":"create","kind":"Note","id":"x","document":{"fields":{"text":"x"}}},
		{"action":"create","kind":"Note","id":"X","document":{"fields":{"text":"x"}}},
		{"action":"create","kind":"Note","id":"x y","document":{"fields":{"text":"x"}}},
		{"action":"create","kind":"Note","id":"x z","document":{"fields":{"text":"x"}}}]}`).wants(http.StatusCreated).json()
	for i, want := range []string{"x.md", "X-2.md", "document-5.md", "document-6.md"} {
		if got := several["documents"].([]any)[i].(map[string]any)["path"]; got != "documents/Note/"+want {
			t.Errorf("of several, document %d is in %v, want %s", i, got, want)
		}
	}
}

func TestAWriteThatExpectsAnotherVersionGetsTheOneThatIs(t *testing.T) {
	w := openShop(t, smallShop())
	for _, path := range []string{"/products/a", "/categories/early"} {
		seen := w.get(shopCatalog + path + "?at=main").wants(http.StatusOK)
		w.patch(shopCatalog+path, `{"title":"First editor"}`, header("If-Match", seen.header.Get("ETag"))).wants(http.StatusOK)
		head := w.head()
		for _, lost := range []answer{
			w.patch(shopCatalog+path, `{"title":"Second editor"}`, header("If-Match", seen.header.Get("ETag"))),
			w.put(shopCatalog+path, string(seen.body), header("If-Match", `"x", W/"y"`)),
			w.delete(shopCatalog+path, header("If-Match", `"`+seen.json()["blob_id"].(string)+`"`)),
		} {
			current := lost.problem(http.StatusPreconditionFailed, "BLOB_MOVED").json()["current"].(map[string]any)
			now := w.get(shopCatalog + path + "?at=main")
			if mustJSON(t, current) != mustJSON(t, now.json()) || lost.header.Get("ETag") != now.header.Get("ETag") {
				t.Errorf("the current version is told as %v with %s", current, lost.header.Get("ETag"))
			}
		}
		kind := map[string]string{"/products/a": "Product", "/categories/early": "Category"}[path]
		stale := fmt.Sprintf(`"id":%q,"expected_blob_id":%q`, seen.json()["id"], seen.json()["blob_id"])
		for _, late := range []struct {
			lost answer
			at   string
		}{
			{w.patch(shopCatalog+path, fmt.Sprintf(`{"title":"Third editor","blob_id":%q}`, seen.json()["blob_id"])), ""},
			{w.post(shopCatalog+"/changes", `{"changes":[{"action":"patch","kind":"`+kind+`",`+stale+`,"document":{"title":"Third"}}]}`), ""},
			{w.post(shopCatalog+"/changes", `{"changes":[{"action":"patch","kind":"Product","id":"b","document":{"title":"B"}},{"action":"delete","kind":"`+kind+`",`+stale+`}]}`), "changes[1]"},
			{w.post(shop+"/releases", `{"version":"9.0.0","changes":[{"action":"delete","kind":"`+kind+`",`+stale+`}]}`), ""},
		} {
			is := w.get(shopCatalog + path + "?at=main")
			told := late.lost.problem(http.StatusConflict, "BLOB_MOVED").json()
			if at, _ := told["field"].(string); mustJSON(t, told["current"]) != mustJSON(t, is.json()) || late.lost.header.Get("ETag") != is.header.Get("ETag") || at != late.at {
				t.Errorf("%s: the current version is told as %v with %s, at %q", late.lost.what, told["current"], late.lost.header.Get("ETag"), at)
			}
		}
		if w.head() != head {
			t.Error("a write that was refused made a commit")
		}
		merged := w.patch(shopCatalog+path, `{"fields":{"more":"x"}}`, header("If-Match", w.get(shopCatalog+path+"?at=main").header.Get("ETag"))).wants(http.StatusOK).json()
		if merged["title"] != "First editor" {
			t.Errorf("both edits make %v", merged)
		}
	}
	w.put(shopCatalog+"/products/a", "{}", header("If-None-Match", "*")).problem(http.StatusPreconditionFailed, "DOCUMENT_EXISTS").field("If-None-Match")
	w.patch(shopCatalog+"/products/nobody", "{}", header("If-Match", "*")).problem(http.StatusPreconditionFailed, "DOCUMENT_NOT_FOUND").field("If-Match")
	w.put(shopCatalog+"/products/a", strings.Replace(newProduct, `"e"`, `"a"`, 1)+`,"blob_id":"`+strings.Repeat("1", 40)+`"}`).problem(http.StatusConflict, "BLOB_MOVED")
	w.delete(shopCatalog+"/products/b?expected_head="+strings.Repeat("1", 40)).problem(http.StatusConflict, "REF_MOVED")
}

func TestADocumentThatIsNotServedKeepsItsFile(t *testing.T) {
	files := smallShop()
	whole := strings.Replace(newProduct, `"e"`, `"p"`, 1) + `,"fields":{"gtin":"0042"}}`
	for name, tt := range map[string]struct{ path, content, want string }{
		"a wrong value": {
			"products/deep/guji.md", "---\n# kept\nid: p\nslug: guji\ntitle: Guji\nprice: abc\n---\nBody.\n",
			"---\n# kept\nid: p\nslug: slug-e\ntitle: 'Title: e'\nprice: \"2.00\"\nsku: SKU-e\ncategory: early\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\ngtin: \"0042\"\n---\nBody.\n",
		},
		"no YAML": {
			"products/zz.md", "---\nid: \"p\" # it\ntitle: Guji: washed\n---\nBody.\n",
			"---\nid: p\nsku: SKU-e\nslug: slug-e\ntitle: 'Title: e'\ncategory: early\nprice: \"2.00\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\ngtin: \"0042\"\n---\n\nBody.\n",
		},
		"a key twice": {
			"products/zz.yaml", "id: p\ntitle: x\ntitle: y\n",
			"id: p\nsku: SKU-e\nslug: slug-e\ntitle: 'Title: e'\ncategory: early\nprice: \"2.00\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\ngtin: \"0042\"\n",
		},
		"a slug that another has": {
			"products/zz.md", productFile("p", "early", "# kept\n") + "more", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a slug that another has" {
				tt.content = strings.Replace(tt.content, "slug-p", "slug-a", 1)
			}
			files := maps.Clone(files)
			files[tt.path] = tt.content
			w := openShop(t, files)
			head := w.head()
			w.get(shopCatalog+"/products/p?at=main").problem(http.StatusNotFound, "DOCUMENT_NOT_FOUND")
			if refused := w.post(shopCatalog+"/products", whole).problem(http.StatusConflict, "DOCUMENT_EXISTS"); !strings.Contains(string(refused.body), tt.path) {
				t.Errorf("the refusal does not name the file: %s", refused.body)
			}
			w.put(shopCatalog+"/categories/p", `{"slug":"p","title":"P"}`).problem(http.StatusConflict, "DOCUMENT_EXISTS")
			w.put(shopCatalog+"/products/p", whole, header("If-None-Match", "*")).problem(http.StatusPreconditionFailed, "DOCUMENT_EXISTS")
			w.put(shopCatalog+"/products/p", whole, header("If-Match", `"`+strings.Repeat("1", 40)+`"`)).problem(http.StatusPreconditionFailed, "BLOB_MOVED")
			w.put(shopCatalog+"/products/p", strings.Replace(whole, "2.00", "dear", 1)).problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT")
			patched := w.patch(shopCatalog+"/products/p", `{"price":"3.00"}`).problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT")
			if problems, _ := patched.json()["problems"].([]any); len(problems) == 0 || problems[0].(map[string]any)["path"] != tt.path {
				t.Errorf("the refusal of a patch does not tell what is wrong: %s", patched.body)
			}
			w.patch(shopCatalog+"/categories/p", `{"title":"P"}`).problem(http.StatusNotFound, "DOCUMENT_NOT_FOUND")
			if w.head() != head {
				t.Fatal("something was committed")
			}
			blob := w.get(shop + "/files/" + tt.path).header.Get("ETag")
			w.put(shopCatalog+"/products/p", whole, header("If-Match", blob)).wants(http.StatusOK)
			if got := w.file(tt.path); tt.want != "" && got != tt.want || tt.want == "" && !strings.Contains(got, "# kept") {
				t.Errorf("the file is\n%s\nwant\n%s", got, tt.want)
			}
			if got := w.get(shopCatalog + "/products/p?at=main").wants(http.StatusOK).json(); got["path"] != tt.path {
				t.Errorf("the product is %v", got)
			}

			w.edit(map[string]string{tt.path: tt.content})
			w.delete(shopCatalog + "/products/p").wants(http.StatusOK)
			w.get(shop+"/files/"+tt.path).problem(http.StatusNotFound, "PATH_NOT_FOUND")
			w.post(shopCatalog+"/products", whole).wants(http.StatusCreated)
		})
	}
}

func TestADocumentOfNoKindIsMendedUnderTheKindThatItIsToHave(t *testing.T) {
	files := smallShop()
	files["documents/n.md"] = "---\n# kept\nid: n7\ntext: ho\n---\nBody.\n"
	w := openShop(t, files)
	listed := w.get(shopCatalog + "/problems?at=main").wants(http.StatusOK).json()["items"].([]any)
	if !slices.ContainsFunc(listed, func(p any) bool { return strings.Contains(mustJSON(t, p), `"documents/n.md","reason":"MISSING_FIELD"`) }) {
		t.Errorf("the problems are %v", listed)
	}
	whole := `{"fields":{"text":"hi"}}`
	if refused := w.post(shopCatalog+"/documents/Note", `{"id":"n7",`+whole[1:]).problem(http.StatusConflict, "DOCUMENT_EXISTS"); !strings.Contains(string(refused.body), "documents/n.md") {
		t.Errorf("the refusal does not name the file: %s", refused.body)
	}
	w.patch(shopCatalog+"/documents/Note/n7", whole).problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT")
	blob := w.get(shop + "/files/documents/n.md").header.Get("ETag")
	w.put(shopCatalog+"/documents/Note/n7", whole, header("If-Match", blob)).wants(http.StatusOK)
	if got, want := w.file("documents/n.md"), "---\n# kept\nid: n7\ntext: hi\nkind: Note\n---\nBody.\n"; got != want {
		t.Errorf("the mended file is\n%s\nwant\n%s", got, want)
	}
	w.edit(map[string]string{"documents/n.md": files["documents/n.md"]})
	w.delete(shopCatalog + "/documents/Note/n7").wants(http.StatusOK)
	w.get(shop+"/files/documents/n.md").problem(http.StatusNotFound, "PATH_NOT_FOUND")
}

func TestTheKeysOfADocumentThatIsNotServedMayBeTaken(t *testing.T) {
	files := smallShop()
	files["products/broken.md"] = "---\nid: p\nslug: slug-e\nsku: SKU-e\ntitle: [\n---\n"
	w := openShop(t, files)
	w.post(shopCatalog+"/products", newProduct+"}").wants(http.StatusCreated)
	mended := w.put(shopCatalog+"/products/p", strings.Replace(newProduct, `"e"`, `"p"`, 1)+"}").problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT")
	if !strings.Contains(string(mended.body), "DUPLICATE_SLUG") || !strings.Contains(string(mended.body), "DUPLICATE_SKU") {
		t.Errorf("the mended document is refused with %s", mended.body)
	}
}

func TestADocumentIsWrittenOverHoweverItWasRead(t *testing.T) {
	w := openShop(t, smallShop())
	for i, shape := range []string{"", "&fields=title", "&body=none", "&body=html"} {
		for _, path := range []string{"/products/a", "/categories/root"} {
			tag := w.get(shopCatalog + path + "?at=main" + shape).wants(http.StatusOK).header.Get("ETag")
			w.patch(shopCatalog+path, fmt.Sprintf(`{"title":"Title %d"}`, i), header("If-Match", tag)).wants(http.StatusOK)
			w.patch(shopCatalog+path, `{"title":"Late"}`, header("If-Match", tag)).problem(http.StatusPreconditionFailed, "BLOB_MOVED")
		}
	}
	// What is below a category is told with it, and is not what its editor read.
	tag := w.get(shopCatalog + "/categories/root?at=main").header.Get("ETag")
	w.post(shopCatalog+"/categories", `{"id":"third","slug":"third","title":"Third","parent":"root"}`).wants(http.StatusCreated)
	if now := w.get(shopCatalog + "/categories/root?at=main").header.Get("ETag"); now == tag {
		t.Error("an answer with another category below has the same ETag")
	}
	w.patch(shopCatalog+"/categories/root", `{"title":"Whole"}`, header("If-Match", tag)).wants(http.StatusOK)
}

func TestANullIsNoFieldOfWhatIsPut(t *testing.T) {
	w := openShop(t, smallShop())
	const product = newProduct + `,"tags":null,"fields":{"gtin":null}}`
	w.put(shopCatalog+"/products/e", product).wants(http.StatusCreated)
	created, head := w.file("products/slug-e.md"), w.head()
	w.put(shopCatalog+"/products/e", product).wants(http.StatusOK)
	if got := w.file("products/slug-e.md"); got != created || w.head() != head || strings.Contains(got, "null") {
		t.Errorf("the same product again makes\n%s\nof\n%s", got, created)
	}
}

func TestARetryIsAnsweredAsTheFirstRequestThoughNothingIsLeftToDo(t *testing.T) {
	w := openShop(t, smallShop())
	const id = "request_id=6f9619ff-8b86-d011-b42d-00cf4fc964ff"
	product := strings.NewReplacer(`"e"`, `"a"`, "SKU-e", "SKU-a", "slug-e", "slug-a").Replace(newProduct) + "}"
	first := w.put(shopCatalog+"/products/a?"+id, product).wants(http.StatusOK)
	w.patch(shopCatalog+"/products/b", `{"title":"Another"}`).wants(http.StatusOK)
	head := w.head()
	again := w.put(shopCatalog+"/products/a?"+id, product).wants(http.StatusOK)
	if made, told := first.header.Get("GitStore-Commit"), again.header.Get("GitStore-Commit"); told != made || w.head() != head {
		t.Errorf("the first made %s, its retry tells %s, the head is %s", made, told, w.head())
	}
}

func TestAnInvalidDocumentIsRefusedWithAllThatIsWrong(t *testing.T) {
	files := smallShop()
	files["notes/m.md"], files["notes/o.json"] = "---\nkind: Note\nid: n2\ntext: x\n---\n", `{"id":"n3","kind":"Note","text":"x"}`
	w := openShop(t, files)
	head := w.head()
	for _, tt := range []struct {
		name, method, path, body string
		problems                 string
	}{
		{"too large for a file of any folder", "PATCH", "/documents/Note/n2", `{"body":"` + strings.Repeat("x", 1<<20) + `"}`, "notes/m.md:0:0  TOO_LARGE"},
		{"fields too large in one line", "PATCH", "/documents/Note/n3", `{"fields":{"text":"` + strings.Repeat("x", 70_000) + `"}}`, "notes/o.json:1:1  TOO_LARGE"},
		{"fields", "PATCH", "/products/a", `{"price":"cheap","currency":"EURO","status":"sold","tags":[1]}`, "products/a.md:7:8 price INVALID_PRICE;products/a.md:8:11 currency INVALID_CURRENCY;products/a.md:9:9 status INVALID_VALUE;products/a.md:11:8 tags[0] WRONG_TYPE"},
		{"missing", "PUT", "/products/new", `{"slug":"new"}`, "MISSING_FIELD"},
		{"slug of another", "PATCH", "/products/a", `{"slug":"slug-b"}`, "products/b.md:4:7 slug DUPLICATE_SLUG"},
		{"slug and file of another", "POST", "/categories", `{"id":"x","slug":"early","title":"X"}`, "categories/x.md:3:7 slug DUPLICATE_SLUG"},
		{"slug of another new one", "POST", "/changes", `{"changes":[{"action":"create","kind":"Product","id":"e","document":` + newProduct + `}},{"action":"create","kind":"Product","id":"slug-e","document":` +
			strings.NewReplacer(`"e"`, `"slug-e"`, "SKU-e", "SKU-f").Replace(newProduct) + "}}]}", "products/slug-e.md:4:7 slug DUPLICATE_SLUG"},
		{"sku of another", "POST", "/products", strings.Replace(newProduct, "SKU-e", "SKU-a", 1) + "}", "products/slug-e.md:3:6 sku DUPLICATE_SKU"},
		{"no category", "PATCH", "/products/a", `{"category":"gone"}`, "products/a.md:6:11 category BROKEN_REFERENCE"},
		{"category in use", "DELETE", "/categories/early", "", "products/a.md:6:11 category BROKEN_REFERENCE;products/b.md:6:11 category BROKEN_REFERENCE"},
		{"circle", "PATCH", "/categories/root", `{"parent":"late"}`, "CATEGORY_CYCLE"},
		{"schema", "PATCH", "/documents/Note/n1", `{"fields":{"text":5}}`, "notes/n.yaml:3:7 text SCHEMA_VIOLATION"},
		{"unknown kind", "PUT", "/documents/Poem/p1", `{}`, "documents/Poem/p1.md:2:7 kind UNKNOWN_KIND"},
		{"too large", "PATCH", "/products/a", `{"fields":{"x":"` + strings.Repeat("x", 70_000) + `"}}`, "TOO_LARGE"},
	} {
		a := w.do(tt.method, shopCatalog+tt.path, strings.NewReader(tt.body)).problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT")
		var told []string
		for _, p := range a.json()["problems"].([]any) {
			p := p.(map[string]any)
			told = append(told, fmt.Sprintf("%s:%v:%v %s %s", p["path"], p["line"], p["column"], p["field"], p["reason"]))
		}
		if got := strings.Join(told, ";"); !strings.Contains(got, tt.problems) {
			t.Errorf("%s: the problems are %s, want %s", tt.name, got, tt.problems)
		}
	}
	if w.head() != head {
		t.Error("something was committed")
	}
	// What was wrong before holds nobody up: the category of d never was.
	w.patch(shopCatalog+"/products/d", `{"price":"7"}`).wants(http.StatusOK)
}

func TestOfManyProblemsTheFirstAreListedAndAllCounted(t *testing.T) {
	w := openShop(t, soundShop())
	changes, byGraphQL := make([]string, 150), make([]any, 150)
	for i := range changes {
		id := fmt.Sprintf("many-%03d", i)
		changes[i] = `{"action":"create","kind":"Category","id":"` + id + `","document":{"slug":"` + id + `"}}`
		byGraphQL[i] = map[string]any{"action": "CREATE", "document": map[string]any{"category": map[string]any{"documentId": id, "slug": id}}}
	}
	for path, begin := range map[string]string{shopCatalog + "/changes": `{`, releases: `{"version":"1.0.0",`} {
		got := w.post(path, begin+`"changes":[`+strings.Join(changes, ",")+`]}`).problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT").json()
		if len(got["problems"].([]any)) != 100 || member(got, "metadata")["problem_count"] != "150" || !strings.Contains(got["detail"].(string), "150 problems, of which 100 are listed") {
			t.Errorf("%s: %v", path, got)
		}
	}
	e := w.mutate(`changeDocuments(repository: "shop", changes: $changes) { commitId }`, map[string]any{"changes": byGraphQL}, `($changes: [DocumentChangeInput!]!)`).code("INVALID_DOCUMENT")
	if got := member(e, "extensions"); len(got["problems"].([]any)) != 100 || member(got, "metadata")["problem_count"] != "150" {
		t.Errorf("by GraphQL: %v", e)
	}
	one := w.post(shopCatalog+"/changes", `{"changes":[`+changes[0]+`]}`).problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT").json()
	if member(one, "metadata")["problem_count"] != "1" {
		t.Errorf("of one problem: %v", one)
	}
}

func TestSeveralDocumentsAreChangedInOneCommit(t *testing.T) {
	w := openShop(t, smallShop())
	before := w.head()
	body := `{"message":"Merge early into late","changes":[
		{"action":"patch","kind":"Product","id":"a","document":{"category":"late"}},
		{"action":"patch","kind":"Product","id":"b","document":{"category":"late"}},
		{"action":"delete","kind":"Category","id":"early"},
		{"action":"create","kind":"Product","id":"e","document":` + strings.Replace(newProduct, "early", "late", 1) + `}},
		{"action":"put","kind":"Note","id":"n1","document":{"fields":{"text":"x"}}}]`
	dry := w.post(shopCatalog+"/changes", body+`,"dry_run":true}`).wants(http.StatusOK).json()
	if w.head() != before || len(dry["documents"].([]any)) != 5 {
		t.Errorf("the dry run is %v", dry)
	}
	const request = `,"request_id":"6f9619ff-8b86-d011-b42d-00cf4fc964ff"}`
	done := w.post(shopCatalog+"/changes", body+request).wants(http.StatusCreated).json()
	if parents := w.get(shop + "/commits/main").json()["parent_ids"].([]any); done["commit_id"] != w.head() || len(parents) != 1 || parents[0] != before {
		t.Errorf("the commit is %v, its parents %v", done, parents)
	}
	w.patch(shopCatalog+"/products/a", `{"title":"Later"}`).wants(http.StatusOK)
	head := w.head()
	again := w.post(shopCatalog+"/changes", body+request).wants(http.StatusCreated).json()
	if again["replayed"] != true || again["commit_id"] != done["commit_id"] || w.head() != head {
		t.Errorf("the retry is %v, want %v", again, done)
	}
	w.post(shopCatalog+"/changes", strings.Replace(body, `"text":"x"`, `"text":"y"`, 1)+request).problem(http.StatusConflict, "REQUEST_ID_REUSED")
	if got := w.get(shopCatalog + "/products?category=late&at=main").items("id"); strings.Join(got, " ") != "a b c e" {
		t.Errorf("late has %q", got)
	}
}

// permutations yields all orders of a list.
func permutations(list []string) (all []string) {
	if len(list) == 0 {
		return []string{""}
	}
	for i, first := range list {
		for _, rest := range permutations(slices.Concat(list[:i], list[i+1:])) {
			all = append(all, strings.TrimSuffix(first+","+rest, ","))
		}
	}
	return all
}

func TestChangesAreJudgedByWhatComesOfThem(t *testing.T) {
	product := func(id, slug, sku string) string {
		return strings.NewReplacer(`"e"`, `"`+id+`"`, "slug-e", slug, "SKU-e", sku).Replace(newProduct) + "}"
	}
	create := func(kind, id, document string) string {
		return `{"action":"create","kind":"` + kind + `","id":"` + id + `","document":` + document + `}`
	}
	wrong := len(openShop(t, smallShop()).get(shopCatalog + "/problems").items("path"))
	const dropA = `{"action":"delete","kind":"Product","id":"a"}`
	for name, tt := range map[string]struct {
		changes []string
		want    string // files by their paths, with what they say of id, slug and sku
	}{
		"another document in its place": {[]string{dropA, create("Product", "z", product("z", "slug-a", "SKU-a"))}, "products/a.md - products/slug-a.md z slug-a SKU-a"},
		"in its file":                   {[]string{dropA, create("Product", "z", strings.Replace(product("z", "slug-a", "SKU-a"), "{", `{"path":"products/a.md",`, 1))}, "products/a.md z slug-a SKU-a"},
		"another file":                  {[]string{dropA, create("Product", "a", strings.Replace(product("a", "slug-a", "SKU-a"), "{", `{"path":"products/deep/a.md",`, 1))}, "products/a.md - products/deep/a.md a slug-a SKU-a"},
		"another kind":                  {[]string{dropA, create("Category", "a", `{"slug":"a","title":"A"}`), `{"action":"patch","kind":"Collection","id":"picks","document":{"products":["SKU-c","SKU-gone"]}}`}, "products/a.md - categories/a.md a a -"},
		"the keys of each other": {[]string{
			`{"action":"patch","kind":"Product","id":"a","document":{"slug":"slug-b","sku":"SKU-b"}}`, `{"action":"patch","kind":"Product","id":"b","document":{"slug":"slug-a","sku":"SKU-a"}}`,
		}, "products/a.md a slug-b SKU-b products/b.md b slug-a SKU-a"},
		"a key that another gives up": {[]string{
			`{"action":"patch","kind":"Product","id":"a","document":{"slug":"was-a","sku":"WAS-a"}}`, create("Product", "z", product("z", "slug-a", "SKU-a")),
		}, "products/a.md a was-a WAS-a products/slug-a.md z slug-a SKU-a"},
		"a slug that is the name of another's file": {[]string{
			`{"action":"patch","kind":"Category","id":"early","document":{"slug":"was-early"}}`, create("Category", "new", `{"slug":"early","title":"New"}`),
		}, "categories/early.md early was-early - categories/new.md new early -"},
		"a category and what is in it": {[]string{
			`{"action":"delete","kind":"Category","id":"early"}`, `{"action":"patch","kind":"Product","id":"a","document":{"category":"new"}}`, `{"action":"patch","kind":"Product","id":"b","document":{"category":"new"}}`,
			create("Category", "new", `{"slug":"early","title":"New"}`),
		}, "products/a.md a slug-a SKU-a categories/early.md new early -"},
	} {
		for _, changes := range permutations(tt.changes) {
			w := openShop(t, smallShop())
			parts := strings.Fields(tt.want)
			w.post(shopCatalog+"/changes", `{"changes":[`+changes+`]}`).wants(http.StatusCreated)
			for len(parts) > 0 {
				path := parts[0]
				if parts = parts[1:]; parts[0] == "-" {
					w.get(shop+"/files/"+path).problem(http.StatusNotFound, "PATH_NOT_FOUND")
					parts = parts[1:]
					continue
				}
				for i, field := range []string{"id", "slug", "sku"} {
					if content := w.file(path); parts[i] != "-" && !strings.Contains(content, "\n"+field+": "+parts[i]+"\n") {
						t.Errorf("%s: %s has not the %s %s:\n%s", name, path, field, parts[i], content)
					}
				}
				parts = parts[3:]
			}
			if problems := w.get(shopCatalog + "/problems?at=main").items("path"); len(problems) != wrong {
				t.Errorf("%s: problems in %v", name, problems)
			}
			w.server.Close()
		}
	}
	w := openShop(t, smallShop())
	for changes, field := range map[string]string{
		dropA + "," + dropA: "changes[1].id",
		dropA + "," + create("Product", "a", product("a", "x", "x")) + "," + dropA:                            "changes[2].id",
		dropA + `,{"action":"patch","kind":"Product","id":"a","document":{}}`:                                 "changes[1].id",
		create("Product", "y", product("y", "y", "y")) + "," + create("Product", "y", product("y", "x", "x")): "changes[1].id",
		dropA + "," + create("Product", "y", strings.Replace(product("y", "y", "y"), "{", `{"path":"products/a.md",`, 1)) + "," +
			create("Product", "z", strings.Replace(product("z", "z", "z"), "{", `{"path":"products/a.md",`, 1)): "changes[2].path",
	} {
		a := w.post(shopCatalog+"/changes", `{"changes":[`+changes+`]}`)
		if told := a.json()["field"]; a.status != http.StatusBadRequest || told != field {
			t.Errorf("%s: %d at %v", changes, a.status, told)
		}
	}
	done := w.post(shopCatalog+"/changes", `{"changes":[`+create("Product", "z", product("z", "slug-a", "SKU-a"))+","+dropA+`]}`).wants(http.StatusCreated).json()["documents"].([]any)
	if first, second := done[0].(map[string]any), done[1].(map[string]any); first["id"] != "z" || first["action"] != "create" || second["id"] != "a" || second["action"] != "delete" || second["blob_id"] != "" {
		t.Errorf("the documents are %v", done)
	}
}

func TestWritesBuildOnTheHeadWhateverIsServed(t *testing.T) {
	w := openShop(t, smallShop())
	// The catalog that is followed does not hear of it.
	w.patch(shopCatalog+"/products/a", `{"title":"One"}`).wants(http.StatusOK)
	w.patch(shopCatalog+"/products/a", `{"price":"9.00"}`).wants(http.StatusOK)
	if a := w.get(shopCatalog + "/products/a?at=main").json(); a["title"] != "One" || a["price"] != "9.00" {
		t.Errorf("of two edits there is %v", a)
	}
	if a := w.get(shopCatalog + "/products/a").json(); a["title"] != "Title of a" {
		t.Errorf("the catalog that is served is %v", a)
	}
	w.post(shop+"/branches", `{"name":"drafts"}`).wants(http.StatusCreated)
	w.patch(shopCatalog+"/products/a?branch=drafts", `{"title":"Draft"}`).wants(http.StatusOK)
	if a := w.get(shopCatalog + "/products/a?at=main").json(); a["title"] != "One" {
		t.Errorf("an edit of a branch changed main: %v", a)
	}
	w.patch(shopCatalog+"/products/a?branch=gone", `{"title":"Draft"}`).problem(http.StatusNotFound, "REF_NOT_FOUND")
}

func TestTheFirstDocumentOfARepositoryIsWritten(t *testing.T) {
	w := openShop(t, map[string]string{"README.md": "x"})
	w.put(shopCatalog+"/categories/first", `{"slug":"first","title":"First"}`).wants(http.StatusCreated)
	if got := w.file("categories/first.md"); got != "---\nid: first\nslug: first\ntitle: First\n---\n" {
		t.Errorf("the file is %q", got)
	}
}

func TestBadWritesOfDocumentsAreRefused(t *testing.T) {
	w := openShop(t, smallShop())
	head := w.head()
	change := func(s string) string { return `{"changes":[` + s + `]}` }
	patch := func(id string) string {
		return `{"action":"patch","kind":"Product","id":"` + id + `","document":{"title":"x"}}`
	}
	for _, tt := range []badInput{
		{"no JSON", "PATCH", shopCatalog + "/products/a", "{", 400, "INVALID_ARGUMENT", "", nil},
		{"a list", "PATCH", shopCatalog + "/products/a", "[]", 400, "INVALID_ARGUMENT", "", nil},
		{"nothing", "PUT", shopCatalog + "/products/a", "", 400, "INVALID_ARGUMENT", "", nil},
		{"a key twice", "PATCH", shopCatalog + "/products/a", `{"title":"x","title":"y"}`, 400, "INVALID_ARGUMENT", "title", nil},
		{"no UTF-8", "PATCH", shopCatalog + "/products/a", "{\"title\":\"\xff\"}", 400, "INVALID_ARGUMENT", "title", nil},
		{"unknown member", "PATCH", shopCatalog + "/products/a", `{"weight":5}`, 400, "INVALID_ARGUMENT", "weight", nil},
		{"member among the fields", "PATCH", shopCatalog + "/products/a", `{"fields":{"price":"5"}}`, 400, "INVALID_ARGUMENT", "fields.price", nil},
		{"fields that are none", "PATCH", shopCatalog + "/products/a", `{"fields":null}`, 400, "INVALID_ARGUMENT", "fields", nil},
		{"too deep", "PATCH", shopCatalog + "/products/a", `{"fields":{"x":` + strings.Repeat(`[`, 70) + strings.Repeat(`]`, 70) + `}}`, 400, "INVALID_ARGUMENT", "fields", nil},
		{"another id", "PATCH", shopCatalog + "/products/a", `{"id":"b"}`, 400, "INVALID_ARGUMENT", "id", nil},
		{"another kind", "PATCH", shopCatalog + "/products/a", `{"kind":"Note"}`, 400, "INVALID_ARGUMENT", "kind", nil},
		{"another path", "PATCH", shopCatalog + "/products/a", `{"path":"products/z.md"}`, 400, "INVALID_ARGUMENT", "path", nil},
		{"body that is no text", "PATCH", shopCatalog + "/products/a", `{"body":5}`, 400, "INVALID_ARGUMENT", "body", nil},
		{"body of a file of YAML", "PATCH", shopCatalog + "/documents/Note/n1", `{"body":"x"}`, 400, "INVALID_ARGUMENT", "body", nil},
		{"large body", "PATCH", shopCatalog + "/products/a", strings.Repeat(" ", 5<<20), 413, "BODY_TOO_LARGE", "", nil},
		{"document above the limit", "PATCH", shopCatalog + "/products/a", `{"body":"` + strings.Repeat("x", 1<<20) + `"}`, 422, "INVALID_DOCUMENT", "", nil},
		{"unknown document", "PATCH", shopCatalog + "/products/nobody", "{}", 404, "DOCUMENT_NOT_FOUND", "", nil},
		{"deletion of an unknown one", "DELETE", shopCatalog + "/products/nobody", "", 404, "DOCUMENT_NOT_FOUND", "", nil},
		{"document of another kind", "PATCH", shopCatalog + "/products/root", "{}", 404, "DOCUMENT_NOT_FOUND", "", nil},
		{"id of another kind", "PUT", shopCatalog + "/products/root", "{}", 409, "DOCUMENT_EXISTS", "", nil},
		{"id that exists", "POST", shopCatalog + "/products", strings.Replace(newProduct, `"e"`, `"a"`, 1) + "}", 409, "DOCUMENT_EXISTS", "", nil},
		{"no id", "POST", shopCatalog + "/products", `{"title":"x"}`, 400, "INVALID_ARGUMENT", "id", nil},
		{"path that is taken", "POST", shopCatalog + "/products", newProduct + `,"path":"products/a.md"}`, 409, "PATH_EXISTS", "", nil},
		{"path of no document", "POST", shopCatalog + "/products", newProduct + `,"path":"products/e.txt"}`, 400, "INVALID_ARGUMENT", "path", nil},
		{"path of a README", "POST", shopCatalog + "/products", newProduct + `,"path":"products/README.md"}`, 400, "INVALID_ARGUMENT", "path", nil},
		{"path upwards", "POST", shopCatalog + "/products", newProduct + `,"path":"../e.md"}`, 400, "INVALID_PATH", "path", nil},
		{"path into .git", "POST", shopCatalog + "/products", newProduct + `,"path":".git/e.md"}`, 400, "DOTGIT_COMPONENT", "", nil},
		{"id upwards", "PUT", shopCatalog + "/documents/Note/" + url.PathEscape("../n"), `{"fields":{"text":"x"}}`, 422, "INVALID_DOCUMENT", "", nil},
		{"kind upwards", "PUT", shopCatalog + "/documents/" + url.PathEscape("../../x") + "/n", `{}`, 400, "INVALID_ARGUMENT", "path", nil},
		{"conditions that exclude each other", "PUT", shopCatalog + "/products/a", "{}", 400, "INVALID_ARGUMENT", "If-None-Match", []option{header("If-Match", "*"), header("If-None-Match", "*")}},
		{"malformed condition", "PATCH", shopCatalog + "/products/a", "{}", 400, "INVALID_ARGUMENT", "If-Match", []option{header("If-Match", "x")}},
		{"condition on a creation", "POST", shopCatalog + "/products", newProduct + "}", 400, "INVALID_ARGUMENT", "If-Match", []option{header("If-Match", "*")}},
		{"malformed request id", "PATCH", shopCatalog + "/products/a?request_id=1", `{"title":"x"}`, 400, "INVALID_REQUEST_ID", "request_id", nil},
		{"repository that is not followed", "PATCH", "/v1/repositories/other/catalog/products/a", `{}`, 404, "CATALOG_NOT_FOUND", "", nil},
		{"no changes", "POST", shopCatalog + "/changes", change(""), 400, "NO_ACTIONS", "changes", nil},
		{"many changes", "POST", shopCatalog + "/changes", change(patch("a") + strings.Repeat(","+patch("b"), 1000)), 400, "TOO_MANY_ACTIONS", "changes", nil},
		{"a document twice", "POST", shopCatalog + "/changes", change(patch("a") + "," + patch("a")), 400, "INVALID_ARGUMENT", "changes[1].id", nil},
		{"one unknown among several", "POST", shopCatalog + "/changes", change(patch("a") + "," + patch("nobody")), 404, "DOCUMENT_NOT_FOUND", "changes[1]", nil},
		{"a file twice", "POST", shopCatalog + "/changes", change(`{"action":"create","kind":"Category","id":"x","document":{"path":"categories/y.md"}},{"action":"create","kind":"Category","id":"y","document":{"path":"categories/y.md"}}`), 400, "DUPLICATE_PATH", "changes[1].path", nil},
		{"unknown action", "POST", shopCatalog + "/changes", change(`{"action":"move","kind":"Product","id":"a"}`), 400, "INVALID_ARGUMENT", "changes[0].action", nil},
		{"no document", "POST", shopCatalog + "/changes", change(`{"action":"patch","kind":"Product","id":"a"}`), 400, "INVALID_ARGUMENT", "changes[0].document", nil},
		{"deletion with a document", "POST", shopCatalog + "/changes", change(`{"action":"delete","kind":"Product","id":"a","document":{}}`), 400, "INVALID_ARGUMENT", "changes[0].document", nil},
		{"no kind", "POST", shopCatalog + "/changes", change(`{"action":"delete","id":"a"}`), 400, "INVALID_ARGUMENT", "kind", nil},
		{"unknown member of a document", "POST", shopCatalog + "/changes", change(`{"action":"patch","kind":"Product","id":"a","document":{"weight":1}}`), 400, "INVALID_ARGUMENT", "changes[0].document.weight", nil},
		{"another blob", "POST", shopCatalog + "/changes", change(`{"action":"patch","kind":"Product","id":"a","expected_blob_id":"","document":{}}`), 409, "BLOB_MOVED", "", nil},
		{"document that is a text", "POST", shopCatalog + "/changes", change(`{"action":"patch","kind":"Product","id":"a","document":"x"}`), 400, "INVALID_ARGUMENT", "changes[0].document", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.t = t
			a := w.do(tt.method, tt.path, strings.NewReader(tt.body), tt.opts...).problem(tt.status, tt.reason)
			if tt.field != "" {
				a.field(tt.field)
			}
		})
	}
	w.t = t
	if w.head() != head {
		t.Error("something was committed")
	}
}

func TestEveryMemberThatIsTakenIsDescribed(t *testing.T) {
	w := openShop(t, smallShop())
	schemas := w.get("/openapi.json").wants(http.StatusOK).json()["components"].(map[string]any)["schemas"].(map[string]any)
	for list, schema := range map[string]string{"products": "ProductInput", "categories": "CategoryInput", "collections": "CollectionInput"} {
		detail, _ := w.post(shopCatalog+"/"+list, `{"id":"e","nothing":1}`).wants(http.StatusBadRequest).json()["detail"].(string)
		_, taken, _ := strings.Cut(detail, "there are ")
		taken, _, _ = strings.Cut(taken, ";")
		described := slices.Sorted(maps.Keys(schemas[schema].(map[string]any)["properties"].(map[string]any)))
		if got := slices.Sorted(slices.Values(strings.Split(taken, ", "))); !slices.Equal(got, described) {
			t.Errorf("%s takes %q, described are %q", list, got, described)
		}
	}
}
