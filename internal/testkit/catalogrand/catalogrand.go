// Package catalogrand draws random catalogs, with mistakes in them, and queries that find something there.
package catalogrand

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/domain/catalog"
)

// KindNote is the kind that a catalog may have a schema for.
const KindNote catalog.Kind = "Note"

var (
	someTitles = []string{"Mug", "mug of café", "Mug of cafe\u0301", "Straße", "STRASSE", "9", "10", "１０", "Ümlaut"}
	someBodies = []string{"", "About a Mug.\n", "Café\n", "\n---\n\nBelow a line.\n"}
	moreFields = []string{"supplier.name", "supplier.since", "attributes.volume", "gift", "rating", "mood", "supplier", "tags", "none"}
	someValues = []string{"Ada", "1843", "1.5", "1.50", "2", "10", "true", "x", "Mug", "", "2026-01-02", "-3", "é", "c1", "S3", "15e-1", "1e1", "+2", ".5", "9.80", "1843.0", "9.8000000000000000001", "XL"}
	someMore   = []string{
		"tags: [x, Mug, \"10\"]\n", "tags: []\n", "supplier: {name: Ada, since: 1843}\n", "supplier:\n  name: Bob # of old\n  since: \"2026-01-02\"\n",
		"attributes:\n  volume: 1.5\n", "attributes: {}\n", "gift: true\n", "gift: null\n", "rating: 2\n", "rating: 7\n", "rating: \"-3\"\n", "rating: 1e1\n", "rating: XL\n", "rating: \"2.0\"\n", "rating: \"9.8000000000000000002\"\n",
		"images:\n  - {url: \"https://example.com/1\", alt: x}\n  - {url: \"https://example.com/2\", alt: Ada}\n",
	}
)

// drawer writes the files of a catalog.
type drawer struct {
	*rapid.T
	files map[string]string
}

// one draws one of the texts.
func (t *drawer) one(label string, texts ...string) string {
	return rapid.SampledFrom(texts).Draw(t.T, label)
}

// seldom is true once in n times.
func (t *drawer) seldom(label string, n int) bool { return rapid.IntRange(1, n).Draw(t.T, label) == n }

// write adds a document in a file of some format. Some fields are added to its own, and seldom something is wrong with it.
func (t *drawer) write(folder, name, fields, body string) {
	for _, more := range someMore {
		field, _, _ := strings.Cut(more, ":")
		if !strings.Contains("\n"+fields, "\n"+field+":") && t.seldom("more", 4) {
			fields += more
		}
	}
	if t.seldom("wrong", 16) {
		wrong := rapid.SampledFrom([][2]string{
			{"title: ", "titel: "}, {"price: \"", "price: \"cheap "}, {"position: ", "position: -"}, {"status: ", "status: \"no\" #"}, {"kind: Note", "kind: Gone"},
			{"slug: p-", "slug: p-1 #"}, {"sku: S", "sku: S1 #"}, {"id: ", "id: p0 #"},
		}).Draw(t.T, "what is wrong")
		fields = strings.Replace(fields, wrong[0], wrong[1], 1)
	}
	if t.seldom("folder", 4) {
		folder += "/" + t.one("below", "a", "more", "é")
	}
	switch {
	case body != "" || !t.seldom("format", 4):
		t.files[folder+"/"+name+t.one("ending", ".md", ".md", ".markdown", ".MD")] = "---\n" + fields + "---\n\n" + body
	case t.seldom("json", 2):
		t.files[folder+"/"+name+".json"] = asJSON(fields)
	default:
		t.files[folder+"/"+name+t.one("yaml", ".yaml", ".yml")] = fields
	}
}

func asJSON(fields string) string {
	var v map[string]any
	if err := yaml.Unmarshal([]byte(fields), &v); err != nil {
		panic(err) // it was written above
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Files draws the files of a catalog: as many products as least to most, and half as many other documents. Some are invalid,
// some are no documents, and some have the key of another.
func Files(rt *rapid.T, least, most int) map[string]string {
	t := &drawer{rt, map[string]string{"products/README.md": "# Products\n"}}
	t.schemas()
	n := rapid.IntRange(least, most).Draw(rt, "products")
	categories := t.categories(5 + n/8)
	var skus []string
	for i := range n {
		skus = append(skus, t.product(i, categories))
	}
	t.collections(1+n/8, skus)
	for i := range n/4 + 1 {
		var b strings.Builder
		fmt.Fprintf(&b, "kind: Note\nid: %q\n", "n"+strconv.Itoa(i))
		if !t.seldom("slug", 3) {
			fmt.Fprintf(&b, "slug: p-%d\n", i)
		}
		if !t.seldom("title", 3) {
			fmt.Fprintf(&b, "title: %q\n", t.one("title", someTitles...))
		}
		t.write(t.one("notes", "notes", "products"), fmt.Sprintf("n%d", i), b.String(), t.one("body", someBodies...))
	}
	return t.files
}

func (t *drawer) schemas() {
	schema := func(kind catalog.Kind) {
		properties := map[string]any{}
		for name, rule := range map[string]any{
			"rating": map[string]any{"type": "integer", "maximum": 5}, "mood": map[string]any{"type": "string"}, "gift": map[string]any{"type": []string{"boolean", "null"}},
			"supplier": map[string]any{"properties": map[string]any{"name": map[string]any{"type": "string"}, "since": map[string]any{}}},
		} {
			if rapid.Bool().Draw(t.T, "property") {
				properties[name] = rule
			}
		}
		v := map[string]any{"properties": properties}
		if t.seldom("required", 4) {
			v["required"] = []string{"rating"}
		}
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		t.files["schemas/"+string(kind)+".schema.json"] = string(b)
	}
	if !t.seldom("no schema of notes", 6) {
		schema(KindNote)
	}
	for _, kind := range []catalog.Kind{catalog.KindProduct, catalog.KindCategory, catalog.KindCollection} {
		if t.seldom("schema", 6) {
			schema(kind)
		}
	}
}

func (t *drawer) categories(n int) []string {
	var ids []string
	for i := range n {
		ids = append(ids, "c"+strconv.Itoa(i))
	}
	for i, id := range ids {
		parent := ""
		switch {
		case t.seldom("any parent", 12):
			parent = t.one("parent", append(ids, "gone")...) // which may be below it
		case i > 0 && !t.seldom("root", 3):
			parent = t.one("parent", ids[:i]...)
		}
		t.write("categories", id, fmt.Sprintf("id: %s\nslug: %s\ntitle: %q\nparent: %q\nposition: %d\n", id, id, t.one("title", someTitles...), parent, rapid.IntRange(0, 3).Draw(t.T, "position")),
			t.one("body", someBodies...))
	}
	return ids
}

func (t *drawer) product(i int, categories []string) (sku string) {
	sku = fmt.Sprintf("S%d", i)
	t.write("products", strconv.Itoa(i), fmt.Sprintf("id: %q\nsku: %s\nslug: p-%d\ntitle: %q\ncategory: %s\nprice: %q\ncurrency: %s\nstatus: %s\ninventory_status: %s\n",
		t.one("id", "p", "p/", "é", "e\u0301")+strconv.Itoa(i), sku, i, t.one("title", someTitles...), t.one("category", append(categories, "gone")...),
		t.one("price", "0", "1.50", "1.5", "9.8", "10", "100"), t.one("currency", "EUR", "USD"), t.one("status", "active", "draft"), t.one("inventory", "in_stock", "preorder")),
		t.one("body", someBodies...))
	return sku
}

func (t *drawer) collections(n int, skus []string) {
	for i := range n {
		id := "picks"
		if i > 0 {
			id += strconv.Itoa(i)
		}
		chosen := rapid.SliceOfN(rapid.SampledFrom(append(skus, "GONE")), 0, 6+len(skus)/4).Draw(t.T, "chosen")
		t.write("collections", id, fmt.Sprintf("id: %s\nslug: %s\ntitle: %q\nproducts: [%s]\n", id, id, t.one("title", someTitles...), strings.Join(chosen, ", ")), t.one("body", someBodies...))
	}
}

// Query draws a query of any kind, which may name fields that the catalog does not have.
func Query(t *rapid.T) catalog.Query {
	some := func(label string, values ...string) string {
		if rapid.IntRange(0, 7).Draw(t, label+" given") > 0 { // with all of them hardly anything is found
			return ""
		}
		return rapid.SampledFrom(values).Draw(t, label)
	}
	pointer := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	list := func(s string) []string {
		if s == "" {
			return nil
		}
		return strings.Split(s, " ")
	}
	q := catalog.Query{
		Kind: rapid.SampledFrom([]catalog.Kind{catalog.KindProduct, catalog.KindProduct, catalog.KindCategory, catalog.KindCollection, KindNote, KindNote, "None"}).Draw(t, "kind"),
		ID:   pointer(some("id", "p0", "p/0", "c1", "picks", "n0", "none")), Slug: pointer(some("slug", "p-0", "p-2", "c2", "picks", "none")),
		Text: some("text", "mug", "CAFÉ", "cafe\u0301 mug", "strasse", "straße", "10", "s1", "below line", "p-1"),
	}
	switch q.Kind {
	case catalog.KindProduct:
		q.SKU = pointer(some("sku", "S0", "S1", "none"))
		q.Category, q.CategoryTree = pointer(some("category", "c0", "c3", "gone")), pointer(some("tree", "c0", "c1", "gone", "none"))
		q.Collection, q.Currency = pointer(some("collection", "picks", "picks1", "none", "c0")), some("currency", "EUR")
		q.PriceMin, q.PriceMax = some("least", "1.5", "9.80", "10"), some("most", "1.50", "9.8", "10")
		q.InventoryStatus, q.Status = list(some("inventory", "in_stock", "preorder", "in_stock preorder")), list(some("status", "active", "draft archived"))
		q.Tags = list(some("tag", "x", "Mug", "x 10", "none"))
	case catalog.KindCategory:
		if q.Parent = pointer(some("parent", "c0", "c1", "gone", "-")); q.Parent != nil && *q.Parent == "-" {
			*q.Parent = ""
		}
	}
	field := func(label string) string {
		own := []string{"id", "slug", "title"}
		switch q.Kind {
		case catalog.KindProduct:
			own = append(own, "price", "category", "tags", "images.alt", "status")
		case catalog.KindCategory:
			own = append(own, "position", "parent")
		case catalog.KindCollection:
			own = append(own, "products")
		}
		if rapid.IntRange(0, 3).Draw(t, label+" of some document") == 0 {
			own = moreFields
		}
		return rapid.SampledFrom(own).Draw(t, label)
	}
	for range rapid.IntRange(0, 2).Draw(t, "conditions") {
		q.Where = append(q.Where, catalog.FieldCondition{
			Field: field("field"), Value: rapid.SampledFrom(someValues).Draw(t, "value"),
			Operator: rapid.SampledFrom([]catalog.Operator{"=", "!=", "<", "<=", ">", ">="}).Draw(t, "operator"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "orders") {
		q.Sort = append(q.Sort, catalog.FieldOrder{Field: field("order"), Descending: rapid.Bool().Draw(t, "descending")})
	}
	return q
}
