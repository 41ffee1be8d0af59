// Package catalogrand draws small random catalogs, and queries that find something in them.
package catalogrand

import (
	"fmt"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/domain/catalog"
)

var (
	someTitles = []string{"Mug", "mug of café", "Mug of cafe\u0301", "Straße", "STRASSE", "9", "10", "１０", "Ümlaut"}
	someFields = []string{"title", "price", "tags", "supplier.name", "supplier.since", "attributes.volume", "images.alt", "gift", "id", "category"}
	someValues = []string{"Ada", "1843", "1.5", "1.50", "2", "10", "true", "x", "Mug", "", "2026-01-02", "-3", "é"}
)

// Files draws the files of a catalog.
func Files(t *rapid.T) map[string]string {
	files := map[string]string{}
	categories := []string{"c0", "c1", "c2", "c3", "c4"}
	for i, id := range categories {
		parent := ""
		if i > 0 {
			parent = rapid.SampledFrom(categories[:i]).Draw(t, "parent")
		}
		if rapid.Bool().Draw(t, "root") {
			parent = ""
		}
		files["categories/"+id+".md"] = fmt.Sprintf("---\nid: %s\nslug: %s\ntitle: C\nparent: %q\nposition: 1\n---\n", id, id, parent)
	}
	var skus []string
	for i := range rapid.IntRange(0, 12).Draw(t, "products") {
		sku := fmt.Sprintf("S%d", i)
		skus = append(skus, sku)
		var b strings.Builder
		fmt.Fprintf(&b, "---\nid: %q\nsku: %s\nslug: p-%d\ntitle: %q\ncategory: %s\nprice: %q\ncurrency: %s\nstatus: %s\ninventory_status: %s\n",
			rapid.SampledFrom([]string{"p", "p/", "é", "e\u0301"}).Draw(t, "id")+strconv.Itoa(i), sku, i,
			rapid.SampledFrom(someTitles).Draw(t, "title"), rapid.SampledFrom(append(categories, "gone")).Draw(t, "category"),
			rapid.SampledFrom([]string{"0", "1.50", "1.5", "9.8", "10", "100"}).Draw(t, "price"), rapid.SampledFrom([]string{"EUR", "USD"}).Draw(t, "currency"),
			rapid.SampledFrom([]string{"active", "draft"}).Draw(t, "status"), rapid.SampledFrom([]string{"in_stock", "preorder"}).Draw(t, "inventory"))
		for _, more := range []string{
			"tags: [x, Mug, \"10\"]\n", "supplier: {name: Ada, since: 1843}\n", "attributes:\n  volume: 1.5\n", "gift: true\n",
			"images:\n  - {url: \"https://example.com/1\", alt: x}\n  - {url: \"https://example.com/2\", alt: Ada}\n",
		} {
			if rapid.Bool().Draw(t, "more") {
				b.WriteString(more)
			}
		}
		b.WriteString("---\n\n" + rapid.SampledFrom([]string{"", "About a Mug.\n", "Café\n"}).Draw(t, "body"))
		files[fmt.Sprintf("products/%d.md", i)] = b.String()
	}
	chosen := rapid.SliceOfN(rapid.SampledFrom(append(skus, "GONE")), 0, 6).Draw(t, "chosen")
	files["collections/picks.md"] = fmt.Sprintf("---\nid: picks\nslug: picks\ntitle: Picks\nproducts: [%s]\n---\n", strings.Join(chosen, ", "))
	return files
}

// Query draws a query of products, which may name fields that the catalog does not have.
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
		return []string{s}
	}
	q := catalog.Query{
		Kind: catalog.KindProduct, ID: pointer(some("id", "p0", "p/0", "none")), SKU: pointer(some("sku", "S0", "S1", "none")), Slug: pointer(some("slug", "p-0", "p-2", "none")),
		Category: pointer(some("category", "c0", "c3", "gone")), CategoryTree: pointer(some("tree", "c0", "c1", "gone", "none")),
		Collection: pointer(some("collection", "picks", "none")), Currency: some("currency", "EUR"),
		PriceMin: some("least", "1.5", "9.80", "10"), PriceMax: some("most", "1.50", "9.8", "10"),
		InventoryStatus: list(some("inventory", "in_stock", "preorder")), Status: list(some("status", "active")),
		Tags: list(some("tag", "x", "Mug", "none")), Text: some("text", "mug", "CAFÉ", "cafe\u0301 mug", "strasse", "straße", "10", "s1"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "conditions") {
		q.Where = append(q.Where, catalog.FieldCondition{
			Field: rapid.SampledFrom(someFields).Draw(t, "field"), Value: rapid.SampledFrom(someValues).Draw(t, "value"),
			Operator: rapid.SampledFrom([]catalog.Operator{"=", "!=", "<", "<=", ">", ">="}).Draw(t, "operator"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "orders") {
		q.Sort = append(q.Sort, catalog.FieldOrder{Field: rapid.SampledFrom(someFields).Draw(t, "order"), Descending: rapid.Bool().Draw(t, "descending")})
	}
	return q
}
