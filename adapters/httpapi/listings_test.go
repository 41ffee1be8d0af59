package httpapi_test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/app/markdown"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/page"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogoracle"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogrand"
)

// pagesByREST are all pages of a listing, or the reason and the words of the first problem. A size of 0 is left to the API.
func (c *client) pagesByREST(path string, question url.Values, size int) (pages [][]any, reason, detail string) {
	c.t.Helper()
	if size != 0 {
		question.Set("page_size", strconv.Itoa(size))
	}
	for {
		a := c.get(path + "?" + question.Encode())
		if a.status != http.StatusOK {
			p := a.json()
			return nil, p["reason"].(string), p["detail"].(string)
		}
		pages = append(pages, a.json()["items"].([]any))
		if a.next() == "" {
			return pages, "", ""
		}
		question.Set("page_token", a.next())
	}
}

// pagesByGraphQL are all pages of a field of the catalog, which takes the variables that are declared: all of the documents with their
// edges, or their ids alone.
func (c *client) pagesByGraphQL(declared, field string, variables map[string]any, size int, idsAlone bool) (pages [][]any, reason, detail string) {
	c.t.Helper()
	items := "nodes { ... on Document { " + someDocument + " } } edges { cursor node { documentId } }"
	if idsAlone { // a page costs by what is asked of its items
		items = "nodes { documentId }"
	}
	query := fmt.Sprintf("query ($size: Int, $after: String%s) { catalog(repository: \"shop\") { commitId page: %s { commitId %s pageInfo { hasNextPage endCursor } } } }", declared, field, items)
	asked := maps.Clone(variables)
	if size != 0 {
		asked["size"] = size
	}
	for {
		a := c.gql(query, asked)
		if errors, _ := a.json()["errors"].([]any); errors != nil {
			e := errors[0].(map[string]any)
			return nil, member(e, "extensions")["code"].(string), e["message"].(string)
		}
		of := member(a.data(), "catalog")
		page := member(of, "page")
		if page["commitId"] != of["commitId"] {
			c.t.Errorf("a page is of %v, the catalog of %v", page["commitId"], of["commitId"])
		}
		var items []any
		edges, _ := page["edges"].([]any)
		for i, node := range page["nodes"].([]any) {
			items = append(items, asREST(node.(map[string]any)))
			if idsAlone {
				continue
			}
			edge := edges[i].(map[string]any)
			if member(edge, "node")["documentId"] != node.(map[string]any)["documentId"] || edge["cursor"] == "" {
				c.t.Errorf("edge %d is %v", i, edge)
			}
		}
		pages = append(pages, items)
		info := member(page, "pageInfo")
		if info["hasNextPage"] == false {
			return pages, "", ""
		}
		asked["after"] = info["endCursor"]
	}
}

// filterOf writes a query as the arguments of GraphQL, and questionOf as those of REST.
func filterOf(q catalog.Query) map[string]any {
	operators := map[catalog.Operator]string{
		catalog.Equal: "EQUAL", catalog.NotEqual: "NOT_EQUAL", catalog.Less: "LESS", catalog.LessOrEqual: "LESS_OR_EQUAL", catalog.Greater: "GREATER", catalog.GreaterOrEqual: "GREATER_OR_EQUAL",
	}
	filter := map[string]any{}
	for name, value := range map[string]*string{"documentId": q.ID, "sku": q.SKU, "slug": q.Slug, "category": q.Category, "categoryTree": q.CategoryTree, "collection": q.Collection, "parent": q.Parent} {
		if value != nil {
			filter[name] = *value
		}
	}
	for name, value := range map[string]string{"text": q.Text, "currency": q.Currency, "priceMin": q.PriceMin, "priceMax": q.PriceMax} {
		if value != "" {
			filter[name] = value
		}
	}
	upper := func(words []string) (out []string) {
		for _, w := range words {
			out = append(out, strings.ToUpper(w))
		}
		return out
	}
	for name, values := range map[string][]string{"status": upper(q.Status), "inventoryStatus": upper(q.InventoryStatus), "tags": q.Tags} {
		if values != nil {
			filter[name] = values
		}
	}
	var where []map[string]any
	for _, c := range q.Where {
		where = append(where, map[string]any{"field": c.Field, "operator": operators[c.Operator], "value": c.Value})
	}
	if where != nil {
		filter["where"] = where
	}
	return filter
}

func questionOf(q catalog.Query) url.Values {
	question := url.Values{}
	for name, value := range map[string]*string{"id": q.ID, "sku": q.SKU, "slug": q.Slug, "category": q.Category, "category_tree": q.CategoryTree, "collection": q.Collection, "parent": q.Parent} {
		if value != nil {
			question.Set(name, *value)
		}
	}
	for name, value := range map[string]string{"q": q.Text, "currency": q.Currency, "price_min": q.PriceMin, "price_max": q.PriceMax} {
		if value != "" {
			question.Set(name, value)
		}
	}
	for name, values := range map[string][]string{"status": q.Status, "inventory_status": q.InventoryStatus, "tag": q.Tags} {
		if values != nil {
			question[name] = values
		}
	}
	for _, c := range q.Where {
		value := c.Value
		if value != "" && strings.Contains(" =<>", value[:1]) {
			value = " " + value // what begins like this has a blank in front
		}
		question.Add("filter", c.Field+string(c.Operator)+value)
	}
	var orders []string
	for _, o := range q.Sort {
		orders = append(orders, map[bool]string{true: "-"}[o.Descending]+o.Field)
	}
	if orders != nil {
		question.Set("sort", strings.Join(orders, ","))
	}
	return question
}

// question is a query with what else a listing takes.
type question struct {
	query catalog.Query
	// size is how many documents a page has; 0 leaves it to the API.
	size     int
	fields   []string
	body, at string
	// anyKind asks the listing of documents of any kind.
	anyKind bool
}

// path is where REST lists what the question is about.
func (q *question) path() string {
	switch {
	case q.anyKind:
	case q.query.Kind == catalog.KindProduct:
		return "/products"
	case q.query.Kind == catalog.KindCategory:
		return "/categories"
	case q.query.Kind == catalog.KindCollection:
		return "/collections"
	}
	return "/documents"
}

// listing is the field of GraphQL that lists what the question is about, and the type of its filter.
func (q *question) listing() (field, filter string) {
	const arguments = "filter: $filter, orderBy: $orderBy, first: $size, after: $after)"
	switch q.path() {
	case "/products":
		return "products(" + arguments, "ProductFilter"
	case "/categories":
		return "categories(" + arguments, "CategoryFilter"
	case "/collections":
		return "collections(" + arguments, "DocumentFilter"
	}
	return "documents(kind: \"" + string(q.query.Kind) + "\", " + arguments, "DocumentFilter"
}

// byREST writes the question as the parameters of REST.
func (q *question) byREST() url.Values {
	values := questionOf(q.query)
	for name, value := range map[string]string{"fields": strings.Join(q.fields, ","), "body": q.body, "at": q.at} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if q.path() == "/documents" {
		values.Set("kind", string(q.query.Kind))
	}
	return values
}

// selected are the members of a document that fields and body of a question leave.
func selected(members map[string]any, fields []string, body string) map[string]any {
	out := map[string]any{}
	for name, value := range members {
		named := fields == nil || slices.Contains(fields, name)
		switch {
		case name == "body" && body == "none":
		case name == "body" && body == "html":
			if named || slices.Contains(fields, "body_html") {
				out["body_html"] = markdown.HTML(value.(string))
			}
		case named:
			out[name] = value
		case name == "fields" && slices.ContainsFunc(fields, func(f string) bool { return strings.HasPrefix(f, "fields.") }):
			if out[name] = within(value, below("fields", fields)); out[name] == nil {
				out[name] = map[string]any{}
			}
		}
	}
	return out
}

// below are the names that go on behind a key, without it.
func below(key string, names []string) (rest []string) {
	for _, name := range names {
		if behind, ok := strings.CutPrefix(name, key+"."); ok {
			rest = append(rest, behind)
		}
	}
	return rest
}

// within is what is left of a value of the names, nil for nothing.
func within(value any, names []string) any {
	switch v := value.(type) {
	case map[string]any:
		left := map[string]any{}
		for key, value := range v {
			if slices.Contains(names, key) {
				left[key] = value
			} else if some := within(value, below(key, names)); some != nil {
				left[key] = some
			}
		}
		if len(left) > 0 {
			return left
		}
	case []any:
		var left []any
		for _, item := range v {
			if some := within(item, names); some != nil {
				left = append(left, some)
			}
		}
		if left != nil {
			return left
		}
	}
	return nil
}

// inPages are the members of documents that fields and body leave, on pages of a size.
func inPages(documents []catalogoracle.Document, size int, fields []string, body string) [][]any {
	if len(documents) == 0 {
		return [][]any{nil}
	}
	var pages [][]any
	for documents := range slices.Chunk(documents, cmp.Or(size, page.DefaultSize)) {
		var items []any
		for _, d := range documents {
			items = append(items, selected(d.Members(), fields, body))
		}
		pages = append(pages, items)
	}
	return pages
}

// TestListingsTellWhatLookingAtEveryFileTells asks random questions of random catalogs by REST, with random pages, members and
// revisions, and by GraphQL, and looks into the files of the checkout for the answer.
func TestListingsTellWhatLookingAtEveryFileTells(t *testing.T) {
	for seed, products := range [][2]int{{0, 12}, {4, 12}, {60, 80}} {
		files := rapid.Custom(func(rt *rapid.T) map[string]string { return catalogrand.Files(rt, products[0], products[1]) }).Example(seed)
		w := openShop(t, files)
		o := readCheckout(t, checkOut(t, files))
		w.get(shopCatalog + "?at=main").wants(http.StatusOK)
		for i := range 40 {
			w.compare(o, rapid.Custom(drawQuestion).Example(1000*seed+i))
		}
	}
}

// checkOut writes files into a folder of their own.
func checkOut(t testing.TB, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for path, content := range files {
		name := filepath.Join(root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func readCheckout(t testing.TB, root string) *catalogoracle.Catalog {
	t.Helper()
	o, err := catalogoracle.Read(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func drawQuestion(rt *rapid.T) question {
	q := question{query: catalogrand.Query(rt), size: rapid.IntRange(2, 30).Draw(rt, "size")}
	q.body, q.at = rapid.SampledFrom([]string{"", "", "none"}).Draw(rt, "body"), rapid.SampledFrom([]string{"", "", "main", "HEAD"}).Draw(rt, "at")
	if rapid.IntRange(0, 2).Draw(rt, "some members") == 0 {
		q.fields = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"id", "title", "body", "fields", "fields.supplier", "fields.supplier.name", "fields.attributes.volume", "fields.rating", "fields.none", "blob_id", "path"}), 1, 5, rapid.ID).Draw(rt, "members")
	}
	return q
}

const (
	// manyDocuments is how many documents are too many to ask GraphQL for all of each: that takes its time.
	manyDocuments = 30
	// largestOfAll and largestOfIDs are the largest pages that one query of GraphQL may cost.
	largestOfAll, largestOfIDs = 100, 900
)

// compare asks a question in both ways, and compares the answers with that of the oracle.
func (w *shopWindow) compare(o *catalogoracle.Catalog, q question) {
	w.t.Helper()
	documents, known := o.Find(q.query)
	var want [][]any
	if known {
		want = inPages(documents, q.size, q.fields, q.body)
	}
	rest, reason, detail := w.pagesByREST(shopCatalog+q.path(), q.byREST(), q.size)
	if known && slices.ContainsFunc(below("fields", q.fields), func(name string) bool { return !o.HasOther(q.query.Kind, name) }) {
		if reason != "INVALID_ARGUMENT" {
			w.t.Fatalf("%s?%s names a field that there is not, and REST answers %.4000s", q.path(), q.byREST().Encode(), mustJSON(w.t, rest))
		}
		rest, reason, detail = want, "", "" // GraphQL is not asked for it
	}
	if mustJSON(w.t, asPages(rest)) != mustJSON(w.t, want) || (reason == "INVALID_ARGUMENT") == known {
		w.t.Fatalf("%s?%s\nREST:  %s %s %.4000s\nfiles: %.4000s", q.path(), q.byREST().Encode(), reason, detail, mustJSON(w.t, rest), mustJSON(w.t, want))
	}
	idsAlone, size := len(documents) > manyDocuments, min(q.size, largestOfAll)
	switch {
	case idsAlone:
		size = min(q.size, largestOfIDs)
		want = inPages(documents, size, []string{"id"}, "")
	case known:
		want = inPages(documents, size, nil, "")
	}
	var orderBy []map[string]any
	for _, o := range q.query.Sort {
		orderBy = append(orderBy, map[string]any{"field": o.Field, "direction": map[bool]string{true: "DESC", false: "ASC"}[o.Descending]})
	}
	field, filter := q.listing()
	got, code, message := w.pagesByGraphQL(", $filter: "+filter+", $orderBy: [FieldOrder!]", field, map[string]any{"filter": filterOf(q.query), "orderBy": orderBy}, size, idsAlone)
	if code != reason || message != detail || mustJSON(w.t, got) != mustJSON(w.t, want) {
		w.t.Fatalf("%s?%s\nGraphQL: %s %s %.4000s\nfiles:   %s %s %.4000s", q.path(), q.byREST().Encode(), code, message, mustJSON(w.t, got), reason, detail, mustJSON(w.t, want))
	}
}

// asPages writes pages without items as GraphQL's come here.
func asPages(pages [][]any) [][]any {
	for i, p := range pages {
		if len(p) == 0 {
			pages[i] = nil
		}
	}
	return pages
}
