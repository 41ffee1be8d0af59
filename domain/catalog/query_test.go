package catalog_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogoracle"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogrand"
)

func find(t require.TestingT, s *catalog.Snapshot, q catalog.Query, after string) []string {
	found, err := s.Find(context.Background(), q, after)
	require.NoError(t, err)
	var ids []string
	for d, err := range found {
		require.NoError(t, err)
		ids = append(ids, d.ID)
	}
	return ids
}

func TestQueriesFindWhatLookingAtEveryFileFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root, err := os.MkdirTemp("", "checkout") //nolint:usetesting // a folder for each catalog, gone with it
		require.NoError(t, err)
		defer func() { require.NoError(t, os.RemoveAll(root)) }()
		least, most := 0, 12
		if rapid.IntRange(0, 24).Draw(t, "large") == 24 {
			least, most = 60, 90
		}
		files := catalogrand.Files(t, least, most)
		for path, content := range files {
			name := filepath.Join(root, filepath.FromSlash(path))
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
			require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
		}
		o, err := catalogoracle.Read(os.DirFS(root))
		require.NoError(t, err)
		s := build(files)
		for range 15 {
			q := catalogrand.Query(t)
			documents, known := o.Find(q)
			if !known {
				_, err := s.Find(context.Background(), q, "")
				require.True(t, errs.Is(err, errs.ReasonInvalidArgument), "%+v: %v", q, err)
				continue
			}
			var want []string
			for _, d := range documents {
				want = append(want, d.ID())
			}
			require.Equal(t, want, find(t, s, q, ""), "%+v", q)
			if q.ByID() && len(want) > 1 {
				require.Equal(t, want[1:], find(t, s, q, want[0]), "behind %s: %+v", want[0], q)
			}
		}
	})
}

func TestAKindThatIsNotKnownIsRefused(t *testing.T) {
	files := map[string]string{"schemas/Note.schema.json": "{}", "schemas/Product.schema.json": "{}", "notes/a.yaml": "kind: Other\nid: a\n"}
	s := build(files)
	assert.Empty(t, find(t, s, catalog.Query{Kind: "Note"}, ""))
	assert.Equal(t, map[catalog.Kind]int{"Note": 0, catalog.KindProduct: 0}, s.Counts())
	for kind, says := range map[catalog.Kind]string{
		"product": `the kind "product" is neither built in nor has it a schema, is it "Product": there are Product, Category, Collection, Note`,
		"Other":   `the kind "Other" is neither built in nor has it a schema: there are Product, Category, Collection, Note`,
	} {
		_, err := s.Find(t.Context(), catalog.Query{Kind: kind}, "")
		assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), "%v", err)
		assert.Equal(t, "kind", errs.From(err).Meta[errs.MetaField])
		assert.EqualError(t, err, says)
	}
	for i := range 200 {
		files[fmt.Sprintf("schemas/Kind%d.schema.json", i)] = "{}"
	}
	_, err := build(files).Find(t.Context(), catalog.Query{Kind: "Other"}, "")
	assert.ErrorContains(t, err, " and 104 more")

	gone := after(s, []catalog.Change{deletion("schemas/Note.schema.json")})
	assert.Equal(t, map[catalog.Kind]int{catalog.KindProduct: 0}, gone.Counts())
}

func TestAQueryOfWhatIsNotThereIsRefused(t *testing.T) {
	s := build(map[string]string{
		"products/mug.md":             strings.Replace(mug, "status:", "supplier: {name: Ada}\nstatus:", 1),
		"schemas/Product.schema.json": `{"properties":{"warranty":{"properties":{"years":{"type":"integer"}}}}}`,
	})
	for _, tt := range []struct {
		query catalog.Query
		field string
		says  string
	}{
		{catalog.Query{Where: []catalog.FieldCondition{{Field: "suplier.name", Operator: "=", Value: "Ada"}}}, "filter", `no Product has a field "suplier.name", is it "supplier.name": there are id, slug, title, sku, category, price`},
		{catalog.Query{Where: []catalog.FieldCondition{{Field: "x", Operator: "=", Value: "Ada"}}}, "filter", `no Product has a field "x": there are id, slug, title, sku, category, price, currency, status, inventory_status, tags, images.url, images.alt, links.title, links.url, `},
		{catalog.Query{Where: []catalog.FieldCondition{{Field: "x", Operator: "=", Value: "Ada"}}}, "filter", ", supplier.name, warranty, warranty.years"},
		{catalog.Query{Where: []catalog.FieldCondition{{Field: "Price", Operator: "=", Value: "Ada"}}}, "filter", `is it "price"`},
		{catalog.Query{Where: []catalog.FieldCondition{{Field: "slgu", Operator: "=", Value: "Ada"}}}, "filter", `is it "slug"`},
		{catalog.Query{Where: []catalog.FieldCondition{{Field: "tag", Operator: "=", Value: "Ada"}}}, "filter", `is it "tags"`},
		{catalog.Query{Sort: []catalog.FieldOrder{{Field: "supplier"}}}, "sort", `no Product has a field "supplier": there are id, slug, title`},
		{catalog.Query{PriceMin: "1e3"}, "price_min", "no decimal number"},
		{catalog.Query{PriceMax: strings.Repeat("9", 26)}, "price_max", "more than 15 digits"},
		{catalog.Query{PriceMax: "-1"}, "price_max", "no decimal number"},
		{catalog.Query{Text: strings.Repeat("x ", 51)}, "q", "more than 50"},
		{catalog.Query{Tags: make([]string, 51)}, "tag", "more than 50"},
		{catalog.Query{Sort: make([]catalog.FieldOrder, 9)}, "sort", "more than 8"},
	} {
		tt.query.Kind = catalog.KindProduct
		_, err := s.Find(context.Background(), tt.query, "")
		require.Error(t, err)
		assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), "%v", err)
		assert.Equal(t, tt.field, errs.From(err).Meta[errs.MetaField])
		assert.ErrorContains(t, err, tt.says)
	}
	for _, field := range []string{"supplier.name", "warranty.years", "images.url", "tags"} {
		assert.Empty(t, find(t, s, catalog.Query{Kind: catalog.KindProduct, Where: []catalog.FieldCondition{{Field: field, Operator: "=", Value: "none"}}}, ""))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	many := map[string]string{}
	for i := range 200 {
		many[fmt.Sprintf("products/%d.md", i)] = strings.NewReplacer("prod-1", fmt.Sprintf("prod-%03d", i), "MUG", fmt.Sprintf("MUG-%d", i), "slug: mug", fmt.Sprintf("slug: mug-%d", i)).Replace(mug)
	}
	for _, orders := range [][]catalog.FieldOrder{nil, {{Field: "title"}}} {
		found, err := build(many).Find(ctx, catalog.Query{Kind: catalog.KindProduct, Sort: orders}, "")
		require.NoError(t, err)
		var last error
		for _, err := range found {
			last = err
		}
		assert.True(t, errs.Is(last, errs.ReasonCanceled), "%v", last)
	}
}

func TestConditionsAndOrdersAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]catalog.FieldCondition{
		"a=b": {Field: "a", Operator: "=", Value: "b"}, "a!=": {Field: "a", Operator: "!="}, "a.b>=1": {Field: "a.b", Operator: ">=", Value: "1"},
		"a<=1": {Field: "a", Operator: "<=", Value: "1"}, "a<b=c": {Field: "a", Operator: "<", Value: "b=c"},
		"a >= 1": {Field: "a", Operator: ">=", Value: "1"}, " a=  b c\n": {Field: "a", Operator: "=", Value: " b c\n"}, "a= ": {Field: "a", Operator: "="},
		"a= =b": {Field: "a", Operator: "=", Value: "=b"}, "a> >1": {Field: "a", Operator: ">", Value: ">1"}, "a=!b": {Field: "a", Operator: "=", Value: "!b"},
	} {
		got, err := catalog.ParseFieldCondition(text)
		require.NoError(t, err)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "a", "=a", " =a", "a!b", "a.b"} {
		_, err := catalog.ParseFieldCondition(text)
		assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), text)
	}
	for _, text := range []string{"a==5", "a=>5", "a<>5", "a>>1", "a!==5", "a<=>5", "a=<5"} {
		_, err := catalog.ParseFieldCondition(text)
		assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), text)
		assert.ErrorContains(t, err, "use one of = != < <= > >=", text)
	}
	got, err := catalog.ParseFieldOrders("-price,title")
	require.NoError(t, err)
	assert.Equal(t, []catalog.FieldOrder{{Field: "price", Descending: true}, {Field: "title"}}, got)
	for _, text := range []string{"", "a,", "-", ",a"} {
		_, err := catalog.ParseFieldOrders(text)
		assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), text)
	}
}

func TestConditionsCompareNumbersWithNumbersAndTextsWithTexts(t *testing.T) {
	files := map[string]string{}
	for id, size := range map[string]string{"n38": "38", "n40": "40.0", "n1000": "1e3", "d38": `"38"`, "d1000": `"1000.00"`, "xl": "XL", "code": `"1e3"`, "yes": "true", "date": `"2026-01-02"`, "none": "null"} {
		files["products/"+id+".md"] = strings.NewReplacer("id: prod-1", "id: "+id+"\nsize: "+size, "sku: MUG", "sku: "+id, "slug: mug", "slug: "+id, `"9.80"`, `"13.50"`).Replace(mug)
	}
	s := build(files)
	for filter, want := range map[string]string{
		"size>=40": "d1000 n1000 n40", "size<40": "d38 n38", "size>=1e3": "d1000 n1000", "size>+.5e2": "d1000 n1000", "size<=38.": "d38 n38",
		"size=40": "n40", "size=38": "d38 n38", "size=38.0": "n38", "size=1000": "n1000", "size=1e3": "code n1000", "size=XL": "xl", "size=true": "yes",
		"size!=38": "code d1000 date n1000 n40 none xl yes", "size>=2026-01-01": "d38 date xl", "size>=XL": "xl", "size>true": "", "size>": "code d1000 d38 date xl",
		"size>=" + strings.Repeat("9", 60): "", "size=1e99999": "",
		"price=13.5": "code d1000 d38 date n1000 n38 n40 none xl yes", "price!=13.500": "", "price=1350e-2": "code d1000 d38 date n1000 n38 n40 none xl yes", "price>13.4999999999999999999": "code d1000 d38 date n1000 n38 n40 none xl yes", "price>13.5": "",
	} {
		c, err := catalog.ParseFieldCondition(filter)
		require.NoError(t, err)
		assert.Equal(t, want, strings.Join(find(t, s, catalog.Query{Kind: catalog.KindProduct, Where: []catalog.FieldCondition{c}}, ""), " "), filter)
	}
	for _, value := range []string{"abc", "1,000", "5EUR", " 1000", "", "0x10", "Inf"} {
		for _, op := range []catalog.Operator{"<", "<=", ">", ">="} {
			_, err := s.Find(t.Context(), catalog.Query{Kind: catalog.KindProduct, Where: []catalog.FieldCondition{{Field: "price", Operator: op, Value: value}}}, "")
			assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), "%s %q: %v", op, value, err)
			assert.ErrorContains(t, err, "give one such as 13.50")
		}
		assert.Empty(t, find(t, s, catalog.Query{Kind: catalog.KindProduct, Where: []catalog.FieldCondition{{Field: "price", Operator: "=", Value: value}}}, ""), value)
	}
	for _, value := range []string{"1e99999", "-1E-99999", strings.Repeat("9", 1001)} {
		_, err := s.Find(t.Context(), catalog.Query{Kind: catalog.KindProduct, Where: []catalog.FieldCondition{{Field: "size", Operator: ">", Value: value}}}, "")
		assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), "%v", err)
	}
}

func TestWhatQueriesFoundInOrderIsKeptApart(t *testing.T) {
	files := maps.Collect(catalogdata.New(1, catalogdata.Options{Products: 300}).Files())
	s := build(files)
	value := func(v string) *string { return &v }
	queries := []catalog.Query{
		{}, {Sort: []catalog.FieldOrder{{Field: "price", Descending: true}}}, {Sort: []catalog.FieldOrder{{Field: "price"}, {Field: "title"}}},
		{ID: value("")}, {SKU: value("")}, {Slug: value("")}, {Category: value(catalogdata.CategoryID(1))}, {CategoryTree: value(catalogdata.CategoryID(0))},
		{Collection: value("")}, {Parent: value("")}, {Status: []string{"active"}}, {InventoryStatus: []string{"in_stock"}}, {Tags: []string{"x"}},
		{Currency: "EUR"}, {PriceMin: "100"}, {PriceMax: "100"}, {Text: "steel"},
		{Where: []catalog.FieldCondition{{Field: "price", Operator: "<", Value: "50"}}}, {Where: []catalog.FieldCondition{{Field: "price", Operator: ">", Value: "50"}}},
	}
	for _, q := range queries {
		q.Kind = catalog.KindProduct
		if q.Sort == nil {
			q.Sort = []catalog.FieldOrder{{Field: "price"}}
		}
		find(t, s, catalog.Query{Kind: catalog.KindProduct, Sort: []catalog.FieldOrder{{Field: "price"}}}, "")
		// Another snapshot of the same files has found nothing before.
		want := find(t, build(files), q, "")
		for range 2 {
			assert.Equal(t, want, find(t, s, q, ""), "%+v", q)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	for _, products := range []int{9900, 99_000} {
		files := maps.Collect(catalogdata.New(1, catalogdata.Options{Products: products}).Files())
		s := build(files)
		tree := catalogdata.CategoryID(0)
		for name, q := range map[string]catalog.Query{
			"category tree": {CategoryTree: &tree}, "price": {PriceMin: "100", PriceMax: "120", Currency: "EUR"}, "text": {Text: "steel mug"},
			"field": {Where: []catalog.FieldCondition{{Field: "attributes.sizes", Operator: ">", Value: "90"}}}, "sort by price": {Sort: []catalog.FieldOrder{{Field: "price"}}},
		} {
			q.Kind = catalog.KindProduct
			b.Run(fmt.Sprintf("%s of %d", name, products), func(b *testing.B) {
				find(b, s, q, "") // makes of the documents what the query needs, once
				for b.Loop() {
					find(b, s, q, "")
				}
			})
		}
	}
}
