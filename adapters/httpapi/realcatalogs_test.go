package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogoracle"
)

// TestRealCatalogsAreTheirFiles asks everything that a listing can be asked of the example's catalog and of one of 10,200 documents, by
// REST and by GraphQL, with values that the documents have and some that none has, and looks into the files of the checkout
// for the answer.
func TestRealCatalogsAreTheirFiles(t *testing.T) {
	for _, tt := range []struct {
		name   string
		root   string
		counts map[catalog.Kind]int
	}{
		{"example", "../../examples/catalog", map[catalog.Kind]int{catalog.KindProduct: 43, catalog.KindCategory: 14, catalog.KindCollection: 5}},
		{"generated", checkOut(t, maps.Collect(catalogdata.New(1, catalogdata.Options{}).Files())),
			map[catalog.Kind]int{catalog.KindProduct: 9900, catalog.KindCategory: 200, catalog.KindCollection: 100}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := readCheckout(t, tt.root)
			w := openShop(t, filesBelow(t, tt.root))
			counts := w.get(shopCatalog).wants(http.StatusOK).json()["counts"].(map[string]any)
			covered := map[string]bool{}
			for kind, n := range tt.counts {
				if len(o.Of(kind)) != n || counts[string(kind)] != float64(n) {
					t.Fatalf("of kind %s there are %d files, and %v documents are served", kind, len(o.Of(kind)), counts[string(kind)])
				}
				for _, q := range newAsker(o, kind).questions() {
					w.compare(o, q)
					for name := range q.byREST() {
						covered[q.path()+"?"+name] = true
					}
					_, filter := q.listing()
					for name := range filterOf(q.query) {
						covered[filter+"."+name] = true
					}
				}
				for _, d := range spread(o.Of(kind), 15) {
					w.compareDocument(o, d)
				}
			}
			w.requireCovered(covered)
		})
	}
}

// filesBelow are the files of a checkout with their contents.
func filesBelow(t testing.TB, root string) map[string]string {
	t.Helper()
	files, checkout := map[string]string{}, os.DirFS(root)
	err := fs.WalkDir(checkout, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := fs.ReadFile(checkout, path)
		files[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// requireCovered fails if the API documents a parameter of a listing, or a filter of GraphQL, that was not used.
func (w *shopWindow) requireCovered(covered map[string]bool) {
	w.t.Helper()
	var document struct {
		Paths map[string]struct {
			Get struct{ Parameters []struct{ Name, In string } }
		}
	}
	if err := json.Unmarshal(w.get("/openapi.json").wants(http.StatusOK).body, &document); err != nil {
		w.t.Fatal(err)
	}
	for _, path := range []string{"/products", "/categories", "/collections", "/documents"} {
		for _, p := range document.Paths["/v1/repositories/{id}/catalog"+path].Get.Parameters {
			// The pages are walked through by compare itself.
			if p.In == "query" && p.Name != "page_size" && p.Name != "page_token" && !covered[path+"?"+p.Name] {
				w.t.Errorf("nothing was asked with the parameter %s of %s", p.Name, path)
			}
		}
	}
	for _, filter := range []string{"ProductFilter", "CategoryFilter", "DocumentFilter"} {
		fields := member(w.gql(`query ($name: String!) { __type(name: $name) { inputFields { name } } }`, map[string]any{"name": filter}).data(), "__type")["inputFields"].([]any)
		for _, f := range fields {
			if name := f.(map[string]any)["name"].(string); !covered[filter+"."+name] {
				w.t.Errorf("nothing was asked with %s of %s", name, filter)
			}
		}
	}
}

// asker makes questions about documents of a kind.
type asker struct {
	kind      catalog.Kind
	documents []catalogoracle.Document
	// values are those that the fields have, in order.
	values map[string][]string
	// few are trees of categories that hold few enough of the documents of a large catalog to be asked for one after another.
	few   []*string
	asked []question
}

func newAsker(o *catalogoracle.Catalog, kind catalog.Kind) *asker {
	a := &asker{kind: kind, documents: o.Of(kind), values: map[string][]string{}, few: []*string{nil}}
	for _, d := range a.documents {
		a.note("", d.Fields)
	}
	for field, values := range a.values {
		slices.Sort(values)
		a.values[field] = slices.Compact(values)
	}
	if len(a.documents) > 1000 {
		a.few = nil
		for _, d := range spread(o.Of(catalog.KindCategory)[20:], 7) {
			id := d.ID()
			a.few = append(a.few, &id)
		}
	}
	return a
}

// note takes down the plain values that are below a field.
func (a *asker) note(field string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, below := range v {
			a.note(strings.TrimPrefix(field+"."+key, "."), below)
		}
	case []any:
		for _, item := range v {
			a.note(field, item)
		}
	case nil:
	default:
		a.values[field] = append(a.values[field], fmt.Sprint(v))
	}
}

// spread are up to n items from all over a list.
func spread[T any](all []T, n int) []T {
	var some []T
	for i := range min(n, len(all)) {
		some = append(some, all[i*len(all)/min(n, len(all))])
	}
	return some
}

// ask adds a query, about all documents.
func (a *asker) ask(q catalog.Query) {
	q.Kind = a.kind
	a.asked = append(a.asked, question{query: q, size: 900, fields: []string{"id"}})
}

// askFew adds a query about some documents, in a shape of its own.
func (a *asker) askFew(q question) {
	few := a.few[len(a.asked)%len(a.few)]
	q.query.Kind = a.kind
	if q.anyKind { // which is not asked by category
		q.query.Where = append(q.query.Where, catalog.FieldCondition{Field: "id", Operator: catalog.Less, Value: a.values["id"][min(200, len(a.documents)-1)]})
	} else {
		q.query.CategoryTree = few
	}
	a.asked = append(a.asked, q)
}

func (a *asker) questions() []question {
	a.askByKeys()
	switch a.kind {
	case catalog.KindProduct:
		a.askAsProducts()
	case catalog.KindCategory:
		for _, parent := range append(spread(a.values["parent"], 5), "", "none") {
			a.ask(catalog.Query{Parent: &parent})
			a.ask(catalog.Query{Parent: &parent, Sort: []catalog.FieldOrder{{Field: "title", Descending: true}}})
		}
	}
	a.askByText()
	a.askByFields()
	a.askInShapes()
	return a.asked
}

func (a *asker) askByKeys() {
	a.ask(catalog.Query{})
	for _, id := range append(spread(a.values["id"], 5), "none", "prod-00001/", "") {
		a.ask(catalog.Query{ID: &id})
	}
	for _, slug := range append(spread(a.values["slug"], 5), "none", "") {
		a.ask(catalog.Query{Slug: &slug})
	}
	for _, d := range spread(a.documents, 3) {
		id, slug := d.ID(), d.Fields["slug"].(string)
		a.ask(catalog.Query{ID: &id, Slug: &slug, Text: d.Fields["title"].(string)})
	}
}

func (a *asker) askAsProducts() {
	for _, sku := range append(spread(a.values["sku"], 5), "none") {
		a.ask(catalog.Query{SKU: &sku})
	}
	for _, category := range append(spread(a.values["category"], 8), "cat-000", "cat-coffee", "none") {
		a.ask(catalog.Query{Category: &category})
		a.ask(catalog.Query{CategoryTree: &category})
	}
	for _, collection := range []string{"col-000", "col-050", "col-099", "col-gifts-under-30", "col-espresso-bar", "prod-00001", "none"} {
		a.ask(catalog.Query{Collection: &collection})
		a.ask(catalog.Query{Collection: &collection, Sort: []catalog.FieldOrder{{Field: "price"}}, PriceMin: "20"})
	}
	for _, status := range append(a.values["status"], "draft", "archived") {
		a.ask(catalog.Query{Status: []string{status}, PriceMax: "15"})
	}
	for _, status := range append(a.values["inventory_status"], "preorder") {
		a.ask(catalog.Query{InventoryStatus: []string{status}, PriceMin: "400"})
		a.ask(catalog.Query{InventoryStatus: []string{status, "low_stock"}, Currency: "EUR", PriceMax: "20"})
	}
	for _, currency := range append(a.values["currency"], "ZZZ") {
		a.ask(catalog.Query{Currency: currency, PriceMax: "24.99"})
	}
	prices := a.values["price"]
	for _, price := range append(spread(prices, 3), "0", "1.5", "1000000") {
		a.ask(catalog.Query{PriceMin: price, PriceMax: "20.05"})
		a.askFew(question{size: 250, fields: []string{"id"}, query: catalog.Query{PriceMin: "12.30", PriceMax: price, Sort: []catalog.FieldOrder{{Field: "price"}}}})
	}
	tags := spread(a.values["tags"], 6)
	for i, tag := range append(tags, "none") {
		a.ask(catalog.Query{Tags: []string{tag}})
		a.ask(catalog.Query{Tags: []string{tag, tags[(i+1)%len(tags)]}})
	}
	for _, d := range spread(a.documents, 5) { // with everything that can be asked of products at once
		text := func(field string) *string {
			s := d.Fields[field].(string)
			return &s
		}
		a.ask(catalog.Query{
			ID: text("id"), SKU: text("sku"), Slug: text("slug"), Category: text("category"), CategoryTree: text("category"), Currency: *text("currency"),
			PriceMin: *text("price"), PriceMax: *text("price"), Status: []string{*text("status")}, InventoryStatus: []string{*text("inventory_status")},
			Tags: []string{d.Fields["tags"].([]any)[0].(string)}, Text: strings.ToUpper(*text("sku")), Where: []catalog.FieldCondition{{Field: "title", Operator: catalog.Equal, Value: *text("title")}},
		})
	}
}

func (a *asker) askByText() {
	title := a.documents[len(a.documents)/2].Fields["title"].(string)
	words := strings.Fields(a.documents[len(a.documents)/3].Body)
	for _, text := range []string{
		title, strings.ToUpper(title), title[:len(title)/2], words[0] + " " + words[len(words)-1], a.values["slug"][0], strings.ToLower(a.values["id"][0]),
		"kavu", "KÁVU", "φλιτζάνι", "чайник медный", "café cafe\u0301", "nowhere", words[0] + " nowhere",
	} {
		a.askFew(question{size: 250, fields: []string{"id"}, query: catalog.Query{Text: strings.ToValidUTF8(text, "")}})
	}
}

// askByFields asks with every field in each way, and orders by each.
func (a *asker) askByFields() {
	operators := []catalog.Operator{catalog.Equal, catalog.NotEqual, catalog.Less, catalog.LessOrEqual, catalog.Greater, catalog.GreaterOrEqual}
	foreign := []string{"nowhere", "-1", "50.0", "", "\U0010ffff", "20", "true"}
	for n, field := range slices.Sorted(maps.Keys(a.values)) {
		some := spread(a.values[field], len(operators))
		for i, operator := range operators {
			value := some[i%len(some)]
			if (n+i)%3 == 2 { // with the fields each operator has its turn
				value = foreign[(n+i)%len(foreign)]
			}
			a.askFew(question{size: 250, fields: []string{"id"}, query: catalog.Query{Where: []catalog.FieldCondition{{Field: field, Operator: operator, Value: value}}}})
		}
		a.askFew(question{size: 250, fields: []string{"id"}, query: catalog.Query{Sort: []catalog.FieldOrder{{Field: field}}}})
		a.askFew(question{size: 250, fields: []string{"id"}, query: catalog.Query{Sort: []catalog.FieldOrder{{Field: field, Descending: true}, {Field: "slug", Descending: true}}}})
	}
	for _, field := range []string{"nowhere", "attributes", "title.x"} {
		a.askFew(question{query: catalog.Query{Where: []catalog.FieldCondition{{Field: field, Operator: catalog.NotEqual, Value: "x"}}}})
		a.askFew(question{query: catalog.Query{Sort: []catalog.FieldOrder{{Field: field}}}})
	}
}

// askInShapes asks for pages, parts and revisions of all kinds.
func (a *asker) askInShapes() {
	for _, size := range []int{0, 1, 7, 100, 1000} {
		a.askFew(question{size: size, query: catalog.Query{Where: []catalog.FieldCondition{{Field: "slug", Operator: catalog.Greater, Value: a.values["slug"][len(a.values["slug"])*3/4]}}}})
		a.askFew(question{size: size, query: catalog.Query{Sort: []catalog.FieldOrder{{Field: "title"}}}, anyKind: true})
	}
	members := slices.Sorted(maps.Keys(a.documents[0].Members()))
	for field := range a.documents[0].Members()["fields"].(map[string]any) {
		members = append(members, "fields."+field)
	}
	for i, name := range members {
		a.askFew(question{fields: []string{name}})
		if i%4 == 0 {
			a.askFew(question{fields: []string{"id", members[(i+1)%len(members)], name}})
		}
	}
	a.askFew(question{fields: []string{"id", "fields.none"}})
	a.askFew(question{fields: []string{"id", "fields.attributes.origin", "fields.attributes.capacity_ml", "fields.supplier.contact"}})
	for _, body := range []string{"raw", "html", "none"} {
		a.askFew(question{body: body})
		a.askFew(question{body: body, fields: []string{"body", "id"}, anyKind: true})
	}
	for _, at := range []string{"main", "HEAD", "refs/heads/main"} {
		a.askFew(question{at: at, query: catalog.Query{Text: "a"}, size: 50})
		id, slug := a.values["id"][0], a.values["slug"][0]
		a.asked = append(a.asked, question{at: at, query: catalog.Query{Kind: a.kind, ID: &id, Slug: &slug}, anyKind: true})
	}
	a.asked = append(a.asked, question{size: 1000, query: catalog.Query{Kind: a.kind}}) // all of all
	a.asked = append(a.asked, question{anyKind: true, fields: []string{"id"}, query: catalog.Query{Kind: a.kind, Text: "the", Where: []catalog.FieldCondition{{Field: "id", Operator: catalog.Less, Value: a.values["id"][len(a.values["id"])/4]}}}})
}

// compareDocument reads a document by each of its keys, with what is around it.
func (w *shopWindow) compareDocument(o *catalogoracle.Catalog, d catalogoracle.Document) {
	w.t.Helper()
	id, want := d.ID(), d.Members()
	listing := (&question{query: catalog.Query{Kind: d.Kind}}).path()
	if got := w.get(shopCatalog + "/documents/" + string(d.Kind) + "/" + url.PathEscape(id)).wants(http.StatusOK).json(); mustJSON(w.t, got) != mustJSON(w.t, want) {
		w.t.Errorf("the document is %v, want %v", got, want)
	}
	children, _ := o.Find(catalog.Query{Kind: catalog.KindCategory, Parent: &id})
	whole := w.get(shopCatalog + listing + "/" + url.PathEscape(id)).wants(http.StatusOK).json()
	if d.Kind == catalog.KindCategory {
		for name, want := range map[string][]string{"ancestors": o.Ancestors(id), "children": idsOf(children)} {
			if got := idsIn(whole[name], "id"); !slices.Equal(got, want) {
				w.t.Errorf("the %s of %s are %q, want %q", name, id, got, want)
			}
			delete(whole, name)
		}
	}
	if mustJSON(w.t, whole) != mustJSON(w.t, want) {
		w.t.Errorf("the document is %v, want %v", whole, want)
	}
	keys := map[string]string{"documentId": id, "slug": d.Fields["slug"].(string)}
	if d.Kind == catalog.KindProduct {
		keys["sku"] = d.Fields["sku"].(string)
	}
	for key, value := range keys {
		got := member(w.gql(fmt.Sprintf(`query ($key: String!) { catalog(repository: "shop") { %s(%s: $key) { ... on Document { %s } } } }`, strings.ToLower(string(d.Kind)), key, someDocument),
			map[string]any{"key": value}).data(), "catalog", strings.ToLower(string(d.Kind)))
		if mustJSON(w.t, asREST(got)) != mustJSON(w.t, want) {
			w.t.Errorf("by %s the document is %v, want %v", key, asREST(got), want)
		}
	}
	w.compareNeighbours(o, d, children)
}

// compareNeighbours asks GraphQL for what a document leads to.
func (w *shopWindow) compareNeighbours(o *catalogoracle.Catalog, d catalogoracle.Document, children []catalogoracle.Document) {
	w.t.Helper()
	id := d.ID()
	of := map[catalog.Kind]map[string]catalog.Query{
		catalog.KindCategory: {
			"products": {Category: &id}, "products(tree: true, first: 900)": {CategoryTree: &id},
			`products(tree: true, orderBy: {field: "price", direction: DESC})`: {CategoryTree: &id, Sort: []catalog.FieldOrder{{Field: "price", Descending: true}}},
		},
		catalog.KindCollection: {"products": {Collection: &id}, `products(orderBy: {field: "sku"})`: {Collection: &id, Sort: []catalog.FieldOrder{{Field: "sku"}}}},
	}[d.Kind]
	field := strings.ToLower(string(d.Kind))
	ask := func(below string) map[string]any {
		w.t.Helper()
		return member(w.gql(fmt.Sprintf(`query ($id: String!) { catalog(repository: "shop") { %s(documentId: $id) { %s } } }`, field, below), map[string]any{"id": id}).data(), "catalog", field)
	}
	for products, q := range of {
		q.Kind = catalog.KindProduct
		documents, _ := o.Find(q)
		want := idsOf(documents)
		most := 100
		if strings.Contains(products, "first") {
			most = 900
		}
		want = want[:min(most, len(want))]
		if got := idsIn(member(ask(products+" { nodes { documentId } }"), "products")["nodes"], "documentId"); !slices.Equal(got, want) {
			w.t.Errorf("of %s the %s are %q, want %q", id, products, got, want)
		}
	}
	switch d.Kind {
	case catalog.KindProduct:
		if got := member(ask("category { documentId }"), "category")["documentId"]; got != d.Fields["category"] {
			w.t.Errorf("%s is in the category %v", id, got)
		}
	case catalog.KindCategory:
		around := ask("parent { documentId } ancestors { documentId } children { nodes { documentId } }")
		above := o.Ancestors(id)
		if got := idsIn(around["ancestors"], "documentId"); !slices.Equal(got, above) {
			w.t.Errorf("the ancestors of %s are %q, want %q", id, got, above)
		}
		if got := idsIn(member(around, "children")["nodes"], "documentId"); !slices.Equal(got, idsOf(children)) {
			w.t.Errorf("the children of %s are %q, want %q", id, got, idsOf(children))
		}
		if parent, _ := member(around, "parent")["documentId"].(string); len(above) > 0 && parent != above[len(above)-1] || len(above) == 0 && around["parent"] != nil {
			w.t.Errorf("the parent of %s is %v", id, around["parent"])
		}
	}
}

func idsOf(documents []catalogoracle.Document) (ids []string) {
	for _, d := range documents {
		ids = append(ids, d.ID())
	}
	return ids
}

// idsIn are a member of each object of a list.
func idsIn(list any, name string) (ids []string) {
	for _, item := range list.([]any) {
		ids = append(ids, item.(map[string]any)[name].(string))
	}
	return ids
}
