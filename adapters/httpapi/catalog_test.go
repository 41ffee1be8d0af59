package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

const shopCatalog = shop + "/catalog"

// announcer is the source of the events that a test makes.
type announcer struct {
	entries chan event.Entry
	told    uint64
}

// Subscribe implements [ports.EventSource].
func (a *announcer) Subscribe(ctx context.Context, _ ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		for {
			select {
			case e := <-a.entries:
				if !yield(e, nil) {
					return
				}
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			}
		}
	}
}

// shopWindow is an API that follows the catalog of the repository "shop".
type shopWindow struct {
	*client
	announcer *announcer
	follower  *catalogs.Follower
}

// openShop serves the files as the catalog of the shop.
func openShop(t testing.TB, files map[string]string) *shopWindow {
	t.Helper()
	store := newStore(t)
	targets, err := catalogs.ParseTargets([]string{"shop", "absent"})
	if err != nil {
		t.Fatal(err)
	}
	follower := catalogs.New(store, targets, catalogs.Options{})
	w := &shopWindow{announcer: &announcer{entries: make(chan event.Entry)}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		follower.Run(ctx, w.announcer)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	w.follower = follower
	w.client = serve(t, store, httpapi.Options{Catalogs: follower})
	w.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	w.edit(files)
	return w
}

// edit commits files, waits until the catalog has them, and returns the commit.
func (w *shopWindow) edit(files map[string]string) string {
	w.t.Helper()
	var actions []map[string]string
	for path, content := range files {
		actions = append(actions, map[string]string{"action": "upsert", "path": path, "content": content})
	}
	body := mustJSON(w.t, map[string]any{"branch": "main", "message": "Edit", "actions": actions})
	commit := w.post(shop+"/commits", body).wants(http.StatusCreated).json()["commit_id"].(string)
	upTo := shopCatalog + "?min_cursor=" + w.announce(commit).String()
	for range 12 { // a large catalog takes longer than the API waits
		if w.get(upTo).status != http.StatusServiceUnavailable {
			break
		}
	}
	w.get(upTo).wants(http.StatusOK)
	return commit
}

// announce tells that main moved, and returns the cursor behind that.
func (w *shopWindow) announce(commit string) event.Cursor {
	w.t.Helper()
	id, err := git.ParseRepositoryID("shop")
	if err != nil {
		w.t.Fatal(err)
	}
	main, err := git.BranchRef("main")
	if err != nil {
		w.t.Fatal(err)
	}
	to, err := git.ParseObjectID(commit)
	if err != nil {
		w.t.Fatal(err)
	}
	w.announcer.told++
	cursor := event.NewCursor("00000000000000aa", w.announcer.told)
	w.announcer.entries <- event.Entry{Cursor: cursor, Event: event.RefUpdated{Header: event.Header{ID: id}, Ref: main, New: to, Commit: to}}
	return cursor
}

func productFile(id, category, more string) string {
	return fmt.Sprintf("---\nid: %[1]s\nsku: SKU-%[1]s\nslug: slug-%[1]s\ntitle: Title of %[1]s\ncategory: %[2]s\nprice: \"1.50\"\ncurrency: EUR\n"+
		"status: active\ninventory_status: in_stock\n%[3]s---\n\nAbout **%[1]s**.\n", id, category, more)
}

func categoryFile(id, parent string, position int) string {
	return fmt.Sprintf("---\nid: %s\nslug: %s\ntitle: %s\nparent: %q\nposition: %d\n---\n", id, id, strings.ToUpper(id), parent, position)
}

// smallShop has four products in a tree of categories, a collection, and something wrong.
func smallShop() map[string]string {
	return map[string]string{
		"categories/root.md":       categoryFile("root", "", 1),
		"categories/late.md":       categoryFile("late", "root", 2),
		"categories/early.md":      categoryFile("early", "root", 1),
		"products/a.md":            productFile("a", "early", "tags: [x, y]\nimages:\n  - url: https://example.com/a.jpg\n    alt: An a\nlinks:\n  - title: More\n    url: https://example.com/a\nsupplier: {name: \"Ada\", since: 1843}\ngtin: \"0042\"\n"),
		"products/b.md":            productFile("b", "early", ""),
		"products/c.md":            productFile("c", "late", ""),
		"products/d.md":            productFile("d", "nowhere", ""),
		"products/bad.md":          "---\nid: bad\n---\n",
		"collections/picks.md":     "---\nid: picks\nslug: picks\ntitle: Picks\nproducts: [SKU-c, SKU-gone, SKU-a]\n---\n",
		"schemas/Note.schema.json": `{"type":"object","required":["text"],"properties":{"text":{"type":"string"}}}`,
		"notes/n.yaml":             "kind: Note\nid: n1\ntext: hello\n",
		"README.md":                "# Shop\n",
	}
}

func TestACatalogIsDescribed(t *testing.T) {
	w := openShop(t, smallShop())
	a := w.get(shopCatalog).wants(http.StatusOK)
	got := a.json()
	for member, want := range map[string]any{
		"repository": "shop", "view": "head", "commit_id": w.head(), "ref": "refs/heads/main", "release": "", "stale": false, "reloads": 1.0, "failures": 0.0,
	} {
		if got[member] != want {
			t.Errorf("%s is %v, want %v", member, got[member], want)
		}
	}
	if want := map[string]any{"Product": 4.0, "Category": 3.0, "Collection": 1.0, "Note": 1.0}; fmt.Sprint(got["counts"]) != fmt.Sprint(want) {
		t.Errorf("counts are %v, want %v", got["counts"], want)
	}
	if age, ok := got["age_seconds"].(float64); !ok || age < 0 {
		t.Errorf("age_seconds is %v", got["age_seconds"])
	}
	if a.header.Get("GitStore-Commit") != w.head() || !strings.HasPrefix(a.header.Get("ETag"), `W/"`) {
		t.Errorf("headers %v", a.header)
	}
	all := w.get(shopCatalog + "/problems?page_size=1000").wants(http.StatusOK)
	if n := float64(len(all.items("path"))); n != got["problems"] || n == 0 {
		t.Errorf("problems is %v of %v", got["problems"], n)
	}
	if first := got["first_problems"].([]any); len(first) == 0 || mustJSON(t, first[0]) != mustJSON(t, all.json()["items"].([]any)[0]) {
		t.Errorf("first_problems is %v", got["first_problems"])
	}
}

func TestProblemsTellTheirPlaceAndComeInPages(t *testing.T) {
	w := openShop(t, smallShop())
	whole := w.get(shopCatalog + "/problems").wants(http.StatusOK).json()["items"].([]any)
	var paged []any
	for token := ""; ; {
		a := w.get(shopCatalog + "/problems?page_size=2&page_token=" + token).wants(http.StatusOK)
		paged = append(paged, a.json()["items"].([]any)...)
		if token = a.next(); token == "" {
			break
		}
	}
	if mustJSON(t, paged) != mustJSON(t, whole) {
		t.Errorf("in pages the problems are %v, want %v", paged, whole)
	}
	i := slices.IndexFunc(whole, func(p any) bool { return p.(map[string]any)["path"] == "products/d.md" })
	if i < 0 {
		t.Fatalf("the broken reference is not told: %v", whole)
	}
	p := whole[i].(map[string]any)
	if p["reason"] != "BROKEN_REFERENCE" || p["field"] != "category" || p["line"] != 6.0 || p["column"] != 11.0 || p["message"] == "" {
		t.Errorf("the broken reference is told as %v", p)
	}
}

func TestAProductIsServedWithAllItsFields(t *testing.T) {
	w := openShop(t, smallShop())
	a := w.get(shopCatalog + "/products/a").wants(http.StatusOK)
	blob := strings.Trim(w.get(shop+"/files/products/a.md").header.Get("ETag"), `"`)
	want := `{"kind":"Product","id":"a","slug":"slug-a","title":"Title of a","path":"products/a.md","blob_id":"` + blob + `",` +
		`"sku":"SKU-a","category":"early","price":"1.50","currency":"EUR","status":"active","inventory_status":"in_stock","tags":["x","y"],` +
		`"images":[{"url":"https://example.com/a.jpg","alt":"An a"}],"links":[{"title":"More","url":"https://example.com/a"}],` +
		`"fields":{"supplier":{"name":"Ada","since":1843},"gtin":"0042"},"body":"About **a**.\n"}` + "\n"
	if string(a.body) != want {
		t.Errorf("the product is\n%s\nwant\n%s", a.body, want)
	}
	if a.header.Get("GitStore-Commit") != w.head() || a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("headers %v", a.header)
	}
	bare := w.get(shopCatalog + "/products/b").wants(http.StatusOK)
	if !strings.Contains(string(bare.body), `"tags":[],"images":[],"links":[],"fields":{}`) {
		t.Errorf("a product without them is %s", bare.body)
	}
}

func TestDocumentsAreFoundByTheirKeys(t *testing.T) {
	files := smallShop()
	files["schemas/Empty.schema.json"] = "{}"
	w := openShop(t, files)
	if counts := w.get(shopCatalog).json()["counts"].(map[string]any); counts["Empty"] != 0.0 {
		t.Errorf("a kind without documents cannot be found in the counts %v", counts)
	}
	for question, want := range map[string]string{
		"/products":                       "a b c d",
		"/products?sku=SKU-b":             "b",
		"/products?sku=SKU":               "",
		"/products?slug=slug-c":           "c",
		"/products?category=early":        "a b",
		"/products?category=root":         "",
		"/products?collection=picks":      "c a",
		"/products?collection=a":          "",
		"/categories":                     "early late root",
		"/categories?slug=late":           "late",
		"/categories?parent=root":         "early late",
		"/categories?parent=":             "root",
		"/collections":                    "picks",
		"/collections?slug=picks":         "picks",
		"/collections?slug=slug-a":        "",
		"/documents?kind=Note":            "n1",
		"/documents?kind=Product":         "a b c d",
		"/documents?kind=Empty":           "",
		"/products?page_size=1000":        "a b c d",
		"/products?sku=SKU-b&page_size=1": "b",
	} {
		a := w.get(shopCatalog + question).wants(http.StatusOK)
		if got := strings.Join(a.items("id"), " "); got != want || a.next() != "" || a.json()["commit_id"] != w.head() {
			t.Errorf("%s lists %q, want %q: %s", question, got, want, a.body)
		}
	}
}

func TestACategoryHasItsPlaceInTheTree(t *testing.T) {
	w := openShop(t, smallShop())
	root := w.get(shopCatalog + "/categories/root").wants(http.StatusOK)
	early := w.get(shopCatalog + "/categories/early").wants(http.StatusOK)
	for _, want := range []struct{ body, part string }{
		{string(root.body), `"ancestors":[],"children":[{"id":"early","slug":"early","title":"EARLY"},{"id":"late","slug":"late","title":"LATE"}]}` + "\n"},
		{string(early.body), `"ancestors":[{"id":"root","slug":"root","title":"ROOT"}],"children":[]}` + "\n"},
		{string(early.body), `"parent":"root","position":1,"fields":{},"body":""`},
	} {
		if !strings.Contains(want.body, want.part) {
			t.Errorf("%s lacks %s", want.body, want.part)
		}
	}
	w.edit(map[string]string{"categories/new.md": categoryFile("new", "root", 0)})
	if again := w.get(shopCatalog+"/categories/root", header("If-None-Match", root.header.Get("ETag"))).wants(http.StatusOK); !strings.Contains(string(again.body), `"children":[{"id":"new"`) {
		t.Errorf("the new child is not shown: %s", again.body)
	}
}

func TestTheAnswerOfACategoryStaysSmallInALargeTree(t *testing.T) {
	files := map[string]string{}
	for n := range 103 {
		files[fmt.Sprintf("categories/line%03d.md", n)] = categoryFile(fmt.Sprintf("line%03d", n), fmt.Sprintf("line%03d", n-1), 0)
	}
	for n := range 1002 {
		files[fmt.Sprintf("categories/leaf%04d.md", n)] = categoryFile(fmt.Sprintf("leaf%04d", n), "line102", n)
	}
	w := openShop(t, files)
	var got struct {
		Ancestors, Children []struct{ ID string }
	}
	if err := json.Unmarshal(w.get(shopCatalog+"/categories/line102").wants(http.StatusOK).body, &got); err != nil {
		t.Fatal(err)
	}
	if n := len(got.Ancestors); n != 100 || got.Ancestors[0].ID != "line002" || got.Ancestors[99].ID != "line101" {
		t.Errorf("there are %d ancestors: %v", n, got.Ancestors)
	}
	if n := len(got.Children); n != 1000 || got.Children[0].ID != "leaf0000" || got.Children[999].ID != "leaf0999" {
		t.Errorf("there are %d children: %v", n, got.Children)
	}
	if last := w.get(shopCatalog + "/categories?parent=line102&page_size=1000").wants(http.StatusOK).next(); last == "" {
		t.Error("the listing has no second page")
	}
}

func TestDocumentsOfAKindOfTheRepositorysOwnAreServed(t *testing.T) {
	w := openShop(t, smallShop())
	note := w.get(shopCatalog + "/documents/Note/n1").wants(http.StatusOK).json()
	if fields, _ := note["fields"].(map[string]any); fields["text"] != "hello" || note["kind"] != "Note" || note["path"] != "notes/n.yaml" || len(fields) != 1 {
		t.Errorf("the note is %v", note)
	}
	one := w.get(shopCatalog + "/documents/Product/a").wants(http.StatusOK)
	if other := w.get(shopCatalog + "/products/a"); string(one.body) != string(other.body) {
		t.Errorf("as a document the product is %s, want %s", one.body, other.body)
	}
	w.get(shopCatalog+"/documents/Product/n1").problem(http.StatusNotFound, "DOCUMENT_NOT_FOUND")
}

func TestIDsReachTheirDocumentsAsTheyAre(t *testing.T) {
	ids := []string{"a/b", "ü x", "50%", "a?b#c", "...", "日本"}
	files := map[string]string{}
	for i, id := range ids {
		files[fmt.Sprintf("products/%d.md", i)] = fmt.Sprintf("---\nid: %q\nsku: %q\nslug: s-%d\ntitle: T\ncategory: c\nprice: \"1\"\ncurrency: EUR\nstatus: draft\ninventory_status: preorder\n---\n", id, "SKU "+id, i)
	}
	w := openShop(t, files)
	for _, id := range ids {
		a := w.get(shopCatalog + "/products/" + url.PathEscape(id)).wants(http.StatusOK)
		if a.json()["id"] != id {
			t.Errorf("%q is answered with %s", id, a.body)
		}
		if got := w.get(shopCatalog + "/products?sku=" + url.QueryEscape("SKU "+id)).wants(http.StatusOK).items("id"); !slices.Equal(got, []string{id}) {
			t.Errorf("the sku of %q finds %q", id, got)
		}
	}
}

func TestAnswersOfACatalogAreConditional(t *testing.T) {
	w := openShop(t, smallShop())
	paths := []string{"", "/problems", "/products", "/products?sku=SKU-a", "/products/a", "/categories/root", "/documents?kind=Note", "/documents/Note/n1"}
	tags := map[string]string{}
	for _, path := range paths {
		tag := w.get(shopCatalog + path).wants(http.StatusOK).header.Get("ETag")
		for _, condition := range []string{tag, `"other", ` + tag, "W/" + strings.TrimPrefix(tag, "W/"), "*"} {
			a := w.get(shopCatalog+path, header("If-None-Match", condition)).wants(http.StatusNotModified)
			if len(a.body) != 0 || a.header.Get("ETag") != tag || a.header.Get("GitStore-Commit") != w.head() {
				t.Errorf("%s with If-None-Match %s: headers %v, body %q", path, condition, a.header, a.body)
			}
		}
		w.get(shopCatalog+path, header("If-None-Match", `"other"`)).wants(http.StatusOK)
		w.get(shopCatalog+path, header("If-None-Match", "bare")).problem(http.StatusBadRequest, "INVALID_ARGUMENT").field("If-None-Match")
		if tags[tag] != "" {
			t.Errorf("%s and %s have one ETag", path, tags[tag])
		}
		tags[tag] = path
	}
	w.edit(map[string]string{"products/b.md": productFile("b", "late", "")})
	for tag, path := range tags {
		wantsSame := path == "/products/a" || path == "/categories/root" || path == "/documents/Note/n1"
		status := w.get(shopCatalog+path, header("If-None-Match", tag)).status
		if (status == http.StatusNotModified) != wantsSame {
			t.Errorf("after a commit that changes product b, %s with the ETag of before is %d", path, status)
		}
	}
}

func TestPagesOfACatalogDoNotTearWhileItMovesOn(t *testing.T) {
	w := openShop(t, smallShop())
	before := w.head()
	for _, question := range []string{"/products?", "/products?collection=picks&", "/documents?kind=Product&"} {
		whole := w.get(shopCatalog + question).wants(http.StatusOK).items("id")
		a := w.get(shopCatalog + question + "page_size=1").wants(http.StatusOK)
		got, i := a.items("id"), 0
		for a.next() != "" {
			i++
			w.edit(map[string]string{"products/b.md": productFile("b", "early", fmt.Sprintf("edit: %q\n", question+fmt.Sprint(i))), fmt.Sprintf("products/0%d.md", i): productFile(fmt.Sprintf("0%d", i), "early", "")})
			a = w.get(shopCatalog + question + "page_size=1&page_token=" + a.next()).wants(http.StatusOK)
			got = append(got, a.items("id")...)
		}
		if !slices.Equal(got, whole) {
			t.Errorf("the pages of %s are %q, want %q", question, got, whole)
		}
	}
	if w.head() == before {
		t.Fatal("nothing was edited")
	}
	token := w.get(shopCatalog + "/products?page_size=1").wants(http.StatusOK).next()
	wanted := w.get(shopCatalog + "/products?page_size=1&page_token=" + token).wants(http.StatusOK)
	for i := range 9 {
		w.edit(map[string]string{"products/b.md": productFile("b", "early", fmt.Sprintf("last: %d\n", i))})
	}
	// It is of the commit of the first page, whatever has happened since.
	again := w.get(shopCatalog + "/products?page_size=1&page_token=" + token + "&min_cursor=" + at(1000).String()).wants(http.StatusOK).cursor("")
	if string(again.body) != string(wanted.body) {
		t.Errorf("nine commits later the page is %s, want %s", again.body, wanted.body)
	}
}

func TestAReadOfTheCatalogSeesTheWriteWhoseCursorItNames(t *testing.T) {
	w := openShop(t, smallShop())
	for i := range 20 {
		commit := w.put(shop+"/files/products/b.md", productFile("b", "early", fmt.Sprintf("edit: %d\n", i))).wants(http.StatusCreated).json()["commit_id"].(string)
		cursor := w.announce(commit).String()
		a := w.get(shopCatalog+"/products/b", header("GitStore-Min-Cursor", cursor)).wants(http.StatusOK)
		if a.header.Get("GitStore-Commit") != commit || !strings.Contains(string(a.body), fmt.Sprintf(`"edit":%d`, i)) || a.header.Get("GitStore-Cursor") != cursor {
			t.Fatalf("edit %d is not read: %v %s", i, a.header, a.body)
		}
	}
}

// aged are catalogs that were last checked a while ago.
type aged struct{ httpapi.Catalogs }

func (a aged) Status(id git.RepositoryID) (catalogs.Status, error) {
	s, err := a.Catalogs.Status(id)
	s.CheckedAt = s.CheckedAt.Add(-time.Hour)
	return s, err
}

func TestAnAnswerOfACatalogTellsItsAge(t *testing.T) {
	w := openShop(t, smallShop())
	c := serve(t, newStore(t), httpapi.Options{Catalogs: aged{w.follower}})
	for _, path := range []string{"", "/products", "/products/a", "/problems", "/documents?kind=Product"} {
		now := w.get(shopCatalog + path).wants(http.StatusOK)
		before := c.get(shopCatalog + path).wants(http.StatusOK)
		same := c.get(shopCatalog+path, header("If-None-Match", before.header.Get("ETag"))).wants(http.StatusNotModified)
		for _, a := range []struct {
			header   http.Header
			from, to int
		}{{now.header, 0, 1800}, {before.header, 3600, 5400}, {same.header, 3600, 5400}} {
			if age, err := strconv.Atoi(a.header.Get("Age")); err != nil || age < a.from || age > a.to {
				t.Errorf("the age of %s is %q, want %d to %d", path, a.header.Get("Age"), a.from, a.to)
			}
		}
	}
}

func TestBadQuestionsToACatalogAreRefused(t *testing.T) {
	w := openShop(t, smallShop())
	token := w.get(shopCatalog + "/products?page_size=1").next()
	for _, tt := range []badInput{
		{"repository that is not followed", "GET", "/v1/repositories/other/catalog", "", 404, "CATALOG_NOT_FOUND", "", nil},
		{"product of one that is not followed", "GET", "/v1/repositories/other/catalog/products/a", "", 404, "CATALOG_NOT_FOUND", "", nil},
		{"repository that does not exist", "GET", "/v1/repositories/absent/catalog", "", 404, "REPOSITORY_NOT_FOUND", "", nil},
		{"products of one that does not exist", "GET", "/v1/repositories/absent/catalog/products", "", 404, "REPOSITORY_NOT_FOUND", "", nil},
		{"malformed repository", "GET", "/v1/repositories/Shop/catalog/products", "", 400, "INVALID_REPOSITORY_ID", "", nil},
		{"unknown product", "GET", shopCatalog + "/products/nobody", "", 404, "DOCUMENT_NOT_FOUND", "", nil},
		{"product that is not served", "GET", shopCatalog + "/products/bad", "", 404, "DOCUMENT_NOT_FOUND", "", nil},
		{"product without id", "GET", shopCatalog + "/products/", "", 404, "DOCUMENT_NOT_FOUND", "", nil},
		{"category as product", "GET", shopCatalog + "/products/root", "", 404, "DOCUMENT_NOT_FOUND", "", nil},
		{"id that is not UTF-8", "GET", shopCatalog + "/products/%ff%00", "", 404, "DOCUMENT_NOT_FOUND", "", nil},
		{"long id", "GET", shopCatalog + "/products/" + strings.Repeat("x", 5000), "", 404, "DOCUMENT_NOT_FOUND", "", nil},
		{"unknown field to filter by", "GET", shopCatalog + "/products?filter=suplier.name=Ada", "", 400, "INVALID_ARGUMENT", "filter", nil},
		{"filter by a price that is no number", "GET", shopCatalog + "/products?filter=price%3E%3D1,000", "", 400, "INVALID_ARGUMENT", "filter", nil},
		{"filter with an unknown operator", "GET", shopCatalog + "/products?filter=price%3D%3E5", "", 400, "INVALID_ARGUMENT", "filter", nil},
		{"filter that is no condition", "GET", shopCatalog + "/products?filter=supplier", "", 400, "INVALID_ARGUMENT", "filter", nil},
		{"unknown field to sort by", "GET", shopCatalog + "/products?sort=weight", "", 400, "INVALID_ARGUMENT", "sort", nil},
		{"empty order", "GET", shopCatalog + "/products?sort=", "", 400, "INVALID_ARGUMENT", "sort", nil},
		{"unknown member", "GET", shopCatalog + "/products?fields=id,weight", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"unknown field", "GET", shopCatalog + "/products?fields=id,fields.suplier", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"unknown field of one document", "GET", shopCatalog + "/products/a?fields=fields.suplier", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"unknown field in a map", "GET", shopCatalog + "/products/a?fields=fields.supplier.nam", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"field of another kind", "GET", shopCatalog + "/categories/root?fields=fields.supplier", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"member as a field", "GET", shopCatalog + "/products/a?fields=fields.price", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"part of a member as a field", "GET", shopCatalog + "/products/a?fields=fields.images.url", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"list of a member as a field", "GET", shopCatalog + "/products/a?fields=fields.images", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"kind as a field", "GET", shopCatalog + "/documents/Note/n1?fields=fields.kind", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"member of another kind", "GET", shopCatalog + "/categories/root?fields=price", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"member of a category on its own in a list", "GET", shopCatalog + "/categories?fields=children", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"such a member in a list of any kind", "GET", shopCatalog + "/documents?kind=Category&fields=id,ancestors", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"such a member of a document of any kind", "GET", shopCatalog + "/documents/Category/root?fields=children", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"HTML that is not asked for", "GET", shopCatalog + "/products?fields=id,body_html", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"HTML of no body", "GET", shopCatalog + "/products/a?fields=body_html&body=none", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"no member", "GET", shopCatalog + "/products/a?fields=", "", 400, "INVALID_ARGUMENT", "fields", nil},
		{"unknown body", "GET", shopCatalog + "/products/a?body=pdf", "", 400, "INVALID_ARGUMENT", "body", nil},
		{"unknown status", "GET", shopCatalog + "/products?inventory_status=in_stock&inventory_status=gone", "", 400, "INVALID_ARGUMENT", "inventory_status", nil},
		{"price that is none", "GET", shopCatalog + "/products?price_min=cheap", "", 400, "INVALID_ARGUMENT", "price_min", nil},
		{"empty price", "GET", shopCatalog + "/products?price_max=", "", 400, "INVALID_ARGUMENT", "price_max", nil},
		{"unknown revision", "GET", shopCatalog + "/products?at=gone", "", 404, "REF_NOT_FOUND", "", nil},
		{"revision of no commit", "GET", shopCatalog + "/products?at=" + strings.Repeat("1", 40), "", 404, "OBJECT_NOT_FOUND", "", nil},
		{"malformed revision", "GET", shopCatalog + "/products/a?at=main~1", "", 400, "INVALID_REVISION", "at", nil},
		{"revision of a repository that is not followed", "GET", "/v1/repositories/other/catalog?at=main", "", 404, "CATALOG_NOT_FOUND", "", nil},
		{"parameter of another list", "GET", shopCatalog + "/categories?price_min=1", "", 400, "INVALID_ARGUMENT", "price_min", nil},
		{"many conditions", "GET", shopCatalog + "/products?" + strings.Repeat("tag=x&", 51), "", 400, "INVALID_ARGUMENT", "tag", nil},
		{"unknown filter", "GET", shopCatalog + "/products?price=1", "", 400, "INVALID_ARGUMENT", "price", nil},
		{"no kind", "GET", shopCatalog + "/documents", "", 400, "INVALID_ARGUMENT", "kind", nil},
		{"unknown kind", "GET", shopCatalog + "/documents?kind=Nothing", "", 400, "INVALID_ARGUMENT", "kind", nil},
		{"kind in small letters", "GET", shopCatalog + "/documents?kind=product", "", 400, "INVALID_ARGUMENT", "kind", nil},
		{"empty kind", "GET", shopCatalog + "/documents?kind=", "", 400, "INVALID_ARGUMENT", "kind", nil},
		{"made-up token", "GET", shopCatalog + "/products?page_token=x", "", 400, "INVALID_PAGE_TOKEN", "page_token", nil},
		{"token of another list", "GET", shopCatalog + "/categories?page_token=" + token, "", 400, "INVALID_PAGE_TOKEN", "page_token", nil},
		{"token of another filter", "GET", shopCatalog + "/products?category=early&page_token=" + token, "", 400, "INVALID_PAGE_TOKEN", "page_token", nil},
		{"negative page", "GET", shopCatalog + "/problems?page_size=-1", "", 400, "INVALID_PAGE_SIZE", "page_size", nil},
		{"forged cursor", "GET", shopCatalog + "/products?min_cursor=7", "", 400, "INVALID_CURSOR", "min_cursor", nil},
		{"write", "PUT", shopCatalog + "/problems", "{}", 405, "METHOD_NOT_FOUND", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.t = t
			a := w.do(tt.method, tt.path, strings.NewReader(tt.body)).problem(tt.status, tt.reason)
			if tt.field != "" {
				a.field(tt.field)
			}
			if a.header.Get("ETag") != "" {
				t.Errorf("a problem has the ETag %s", a.header.Get("ETag"))
			}
		})
	}
}

func TestACatalogThatIsNotLoadedSaysSo(t *testing.T) {
	targets, err := catalogs.ParseTargets([]string{"shop@live"})
	if err != nil {
		t.Fatal(err)
	}
	c := serve(t, newStore(t), httpapi.Options{Catalogs: catalogs.New(newStore(t), targets, catalogs.Options{})})
	for _, path := range []string{"", "/problems", "/products", "/products/a"} {
		if a := c.get(shopCatalog+path).problem(http.StatusServiceUnavailable, "CATALOG_NOT_LOADED"); a.header.Get("Retry-After") == "" {
			t.Errorf("%s has no Retry-After", path)
		}
	}
}

func TestWithoutCatalogsTheirPathsDoNotExist(t *testing.T) {
	c := newShop(t)
	c.get(shopCatalog).problem(http.StatusNotFound, "METHOD_NOT_FOUND")
	if a := c.get("/openapi.json"); strings.Contains(string(a.body), "/catalog") {
		t.Error("the document lists them")
	}
}

// discard is a response of which nothing is kept.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// What a query allocates is the request's own, and its answer's headers: documents that were asked for are kept encoded.
func TestAQueryOfACatalogAllocatesLittle(t *testing.T) {
	w := openShop(t, smallShop())
	for path, most := range map[string]float64{"/products/a": 80, "/products?sku=SKU-a": 120, "/products?page_size=100": 120, "": 120} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, shopCatalog+path, nil)
		if n := testing.AllocsPerRun(100, func() { w.server.Config.Handler.ServeHTTP(discard{http.Header{}}, r) }); n > most {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

func BenchmarkCatalog(b *testing.B) {
	files := smallShop()
	for i := range 2000 {
		files[fmt.Sprintf("products/%04d.md", i)] = productFile(fmt.Sprintf("p-%04d", i), "early", "tags: [x, y]\n"+strings.Repeat("note: some words that go on\n", 1))
	}
	w := openShop(b, files)
	for name, path := range map[string]string{"product": "/products/p-1234", "by sku": "/products?sku=SKU-p-1234", "category": "/categories/root", "page of 100": "/products?page_size=100", "catalog": ""} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://x"+shopCatalog+path, nil)
					if err != nil {
						b.Fatal(err)
					}
					w.server.Config.Handler.ServeHTTP(discard{http.Header{}}, r)
				}
			})
		})
		b.Run(name+" over a connection", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					resp, err := w.http.Get(w.server.URL + shopCatalog + path) //nolint:noctx // a benchmark
					if err != nil {
						b.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			})
		})
	}
}

// unfit returns where a value of JSON is not as its schema says, "" if it is.
func unfit(doc, schema map[string]any, value any, at string) string {
	schema = resolve(doc, schema)
	object, isObject := value.(map[string]any)
	list, isList := value.([]any)
	switch {
	case isList && schema["type"] == "array":
		for i, item := range list {
			if where := unfit(doc, schema["items"].(map[string]any), item, fmt.Sprintf("%s[%d]", at, i)); where != "" {
				return where
			}
		}
	case isObject && schema["type"] == "object":
		return unfitMembers(doc, schema, object, at)
	case isObject || isList || schema["type"] == "object" || schema["type"] == "array":
		return at
	}
	return ""
}

func unfitMembers(doc, schema, object map[string]any, at string) string {
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := object[name.(string)]; !ok {
			return fmt.Sprintf("%s lacks %s", at, name)
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, v := range object {
		property, ok := properties[name].(map[string]any)
		if !ok && schema["additionalProperties"] == false {
			return at + "." + name
		}
		if !ok {
			continue
		}
		if where := unfit(doc, property, v, at+"."+name); where != "" {
			return where
		}
	}
	return ""
}

func TestAnswersOfACatalogAreAsTheDocumentSays(t *testing.T) {
	w := openShop(t, smallShop())
	doc := w.get("/openapi.json").json()
	for path, template := range map[string]string{
		"": "", "/problems": "/problems", "/products": "/products", "/products/a": "/products/{document}",
		"/categories": "/categories", "/categories/root": "/categories/{document}", "/categories/early": "/categories/{document}",
		"/collections": "/collections", "/collections/picks": "/collections/{document}",
		"/documents?kind=Note": "/documents", "/documents/Note/n1": "/documents/{kind}/{document}", "/documents/Product/a": "/documents/{kind}/{document}",
	} {
		op := doc["paths"].(map[string]any)["/v1/repositories/{id}/catalog"+template].(map[string]any)["get"].(map[string]any)
		media := op["responses"].(map[string]any)["200"].(map[string]any)["content"].(map[string]any)["application/json"].(map[string]any)
		a := w.get(shopCatalog + path).wants(http.StatusOK)
		if where := unfit(doc, media["schema"].(map[string]any), any(a.json()), "answer"); where != "" {
			t.Errorf("%s is not as the document says: %s in %s", path, where, a.body)
		}
	}
}
