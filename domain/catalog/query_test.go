package catalog_test

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogrand"
)

// plainDocument is a document as the oracle reads it: its fields and its body.
type plainDocument struct {
	fields map[string]any
	body   string
}

func (d plainDocument) text(name string) string {
	s, _ := d.fields[name].(string)
	return s
}

// oracle reads the files of a checkout and answers queries by looking at every one.
type oracle struct{ products, categories, collections []plainDocument }

func readCheckout(t require.TestingT, root string) oracle {
	var o oracle
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		parts := strings.SplitN(string(content), "---\n", 3)
		d := plainDocument{fields: map[string]any{}, body: strings.TrimLeft(parts[2], "\n")}
		switch filepath.Base(filepath.Dir(path)) {
		case "products":
			o.products = append(o.products, d)
		case "categories":
			o.categories = append(o.categories, d)
		case "collections":
			o.collections = append(o.collections, d)
		}
		return yaml.Unmarshal([]byte(parts[1]), &d.fields)
	})
	require.NoError(t, err)
	for _, all := range [][]plainDocument{o.products, o.categories, o.collections} {
		slices.SortFunc(all, func(a, b plainDocument) int { return strings.Compare(a.text("id"), b.text("id")) })
	}
	return o
}

// at are the plain values that a field leads to.
func at(v any, keys []string) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		var all []any
		for _, item := range v {
			all = append(all, at(item, keys)...)
		}
		return all
	case map[string]any:
		if len(keys) == 0 {
			return nil
		}
		return at(v[keys[0]], keys[1:])
	}
	if len(keys) > 0 {
		return nil
	}
	return []any{v}
}

func (d plainDocument) values(field string) []any { return at(d.fields, strings.Split(field, ".")) }

func numeric(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil && !strings.ContainsAny(v, "eExXnNiI_+ ") && !strings.HasPrefix(v, ".") && !strings.HasSuffix(v, ".")
	}
	return 0, false
}

func meets(d plainDocument, c catalog.FieldCondition) bool {
	wanted, wantedIsNumber := numeric(c.Value)
	holds := false
	for _, v := range d.values(c.Field) {
		own, isNumber := numeric(v)
		text, isText := v.(string)
		same := fmt.Sprint(v) == c.Value
		if !isText && isNumber && wantedIsNumber {
			same = own == wanted
		}
		order, compares := 0, true
		switch {
		case isNumber && wantedIsNumber:
			order = cmp.Compare(own, wanted)
		case isText:
			order = strings.Compare(text, c.Value)
		default:
			compares = false
		}
		switch c.Operator {
		case catalog.Equal, catalog.NotEqual:
			holds = holds || same
		case catalog.Less:
			holds = holds || compares && order < 0
		case catalog.LessOrEqual:
			holds = holds || compares && order <= 0
		case catalog.Greater:
			holds = holds || compares && order > 0
		case catalog.GreaterOrEqual:
			holds = holds || compares && order >= 0
		}
	}
	return holds != (c.Operator == catalog.NotEqual)
}

func plainFold(s string) string {
	return strings.ReplaceAll(strings.ToLower(norm.NFKC.String(s)), "ß", "ss")
}

func (o oracle) inTree(category, root string) bool {
	for range len(o.categories) + 1 {
		if category == root {
			return true
		}
		i := slices.IndexFunc(o.categories, func(c plainDocument) bool { return c.text("id") == category })
		if i < 0 || o.categories[i].text("parent") == "" {
			return false
		}
		category = o.categories[i].text("parent")
	}
	return false
}

func (o oracle) matches(d plainDocument, q catalog.Query) bool {
	price, _ := numeric(d.text("price"))
	least, _ := numeric(q.PriceMin)
	most, _ := numeric(q.PriceMax)
	switch {
	case q.ID != nil && d.text("id") != *q.ID,
		q.Slug != nil && d.text("slug") != *q.Slug,
		q.SKU != nil && d.text("sku") != *q.SKU,
		q.Category != nil && d.text("category") != *q.Category,
		q.CategoryTree != nil && !o.inTree(d.text("category"), *q.CategoryTree),
		q.Currency != "" && d.text("currency") != q.Currency,
		q.PriceMin != "" && price < least,
		q.PriceMax != "" && price > most,
		len(q.InventoryStatus) > 0 && !slices.Contains(q.InventoryStatus, d.text("inventory_status")),
		len(q.Status) > 0 && !slices.Contains(q.Status, d.text("status")):
		return false
	}
	for _, tag := range q.Tags {
		if !slices.Contains(d.values("tags"), any(tag)) {
			return false
		}
	}
	all := plainFold(fmt.Sprint(d.text("id"), "\n", d.text("slug"), "\n", d.text("sku"), "\n", d.text("title"), "\n", d.values("tags"), "\n", d.body))
	for _, word := range strings.Fields(q.Text) {
		if !strings.Contains(all, plainFold(word)) {
			return false
		}
	}
	return !slices.ContainsFunc(q.Where, func(c catalog.FieldCondition) bool { return !meets(d, c) })
}

func (o oracle) find(q catalog.Query) []string {
	from := o.products
	if q.Collection != nil {
		from = nil
		for _, c := range o.collections {
			if c.text("id") != *q.Collection {
				continue
			}
			for i, sku := range c.values("products") {
				if p := slices.IndexFunc(o.products, func(p plainDocument) bool { return p.text("sku") == sku }); p >= 0 && slices.Index(c.values("products"), sku) == i {
					from = append(from, o.products[p])
				}
			}
		}
	}
	var found []plainDocument
	for _, d := range from {
		if o.matches(d, q) {
			found = append(found, d)
		}
	}
	if len(q.Sort) > 0 {
		slices.SortStableFunc(found, func(a, b plainDocument) int { return strings.Compare(a.text("id"), b.text("id")) })
	}
	for i := range slices.Backward(q.Sort) { // the sorts are stable: the first field comes last
		slices.SortStableFunc(found, func(a, b plainDocument) int { return inOrder(a, b, q.Sort[i]) })
	}
	var ids []string
	for _, d := range found {
		ids = append(ids, d.text("id"))
	}
	return ids
}

func inOrder(a, b plainDocument, o catalog.FieldOrder) int {
	x, y := a.values(o.Field), b.values(o.Field)
	if len(x) == 0 || len(y) == 0 {
		return cmp.Compare(min(1, len(y)), min(1, len(x)))
	}
	var order int
	m, isNumber := numeric(x[0])
	n, isOther := numeric(y[0])
	switch {
	case isNumber && isOther:
		order = cmp.Compare(m, n)
	case isNumber:
		order = -1
	case isOther:
		order = 1
	default:
		order = strings.Compare(fmt.Sprint(x[0]), fmt.Sprint(y[0]))
	}
	if o.Descending {
		return -order
	}
	return order
}

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
		// One more product has all fields, so that none of those asked for is unknown.
		files := catalogrand.Files(t)
		full := "---\nid: full\nsku: FULL\nslug: full\ntitle: Full\ncategory: c0\nprice: \"3\"\ncurrency: EUR\nstatus: draft\ninventory_status: preorder\n" +
			"tags: []\nsupplier: {name: Bob, since: 2}\nattributes: {volume: 10}\ngift: false\n---\n"
		files["products/full.md"] = full
		for path, content := range files {
			name := filepath.Join(root, filepath.FromSlash(path))
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
			require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
		}
		s, o := build(files), readCheckout(t, root)
		for range 10 {
			q := catalogrand.Query(t)
			want := o.find(q)
			assert.Equal(t, want, find(t, s, q, ""), "%+v", q)
			if q.ByID() && len(want) > 1 {
				assert.Equal(t, want[1:], find(t, s, q, want[0]), "behind %s: %+v", want[0], q)
			}
		}
	})
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
		{catalog.Query{Where: []catalog.FieldCondition{{Field: "suplier.name", Operator: "=", Value: "Ada"}}}, "filter", `no Product has a field "suplier.name"`},
		{catalog.Query{Where: []catalog.FieldCondition{{Field: "x", Operator: "=", Value: "Ada"}}}, "filter", "sku, slug, status, supplier.name, tags, title, warranty, warranty.years"},
		{catalog.Query{Sort: []catalog.FieldOrder{{Field: "supplier"}}}, "sort", "there are category, currency"},
		{catalog.Query{PriceMin: "1e3"}, "price_min", "no decimal number"},
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
		"a<=1": {Field: "a", Operator: "<=", Value: "1"}, "a<b=c": {Field: "a", Operator: "<", Value: "b=c"}, "a>>1": {Field: "a", Operator: ">", Value: ">1"},
	} {
		got, err := catalog.ParseFieldCondition(text)
		require.NoError(t, err)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "a", "=a", "a!b", "a.b"} {
		_, err := catalog.ParseFieldCondition(text)
		assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), text)
	}
	got, err := catalog.ParseFieldOrders("-price,title")
	require.NoError(t, err)
	assert.Equal(t, []catalog.FieldOrder{{Field: "price", Descending: true}, {Field: "title"}}, got)
	for _, text := range []string{"", "a,", "-", ",a"} {
		_, err := catalog.ParseFieldOrders(text)
		assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), text)
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
