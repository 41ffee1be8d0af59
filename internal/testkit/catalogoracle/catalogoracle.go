// Package catalogoracle answers queries of catalogs by looking at every file of a checkout, each time anew and without any
// index: it is what package catalog is compared with. It knows as much of what may be wrong with a document as the catalogs
// of package catalogrand have.
package catalogoracle

import (
	"cmp"
	"crypto/sha1"
	"fmt"
	"io/fs"
	"math/big"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/unicode/norm"

	"github.com/gitstore-dev/gitstore/domain/catalog"
)

// Document is a document that is served.
type Document struct {
	Kind catalog.Kind
	// Fields are all of the front matter, and kind only if it is there.
	Fields map[string]any
	Body   string
	Path   string
	// Blob is the id of the file in a repository of SHA-1.
	Blob string
}

// ID is the document's id.
func (d Document) ID() string { return d.text("id") }

func (d Document) text(name string) string {
	s, _ := d.Fields[name].(string)
	return s
}

// Catalog is what a checkout holds.
type Catalog struct {
	// documents are those that are served, by kind and by the bytes of their ids.
	documents map[catalog.Kind][]Document
	schemas   map[catalog.Kind]map[string]any
}

// Read reads the files of a checkout.
func Read(checkout fs.FS) (*Catalog, error) {
	c := &Catalog{documents: map[catalog.Kind][]Document{}, schemas: map[catalog.Kind]map[string]any{}}
	var all []Document
	err := fs.WalkDir(checkout, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := fs.ReadFile(checkout, name)
		if err != nil {
			return err
		}
		if kind, ok := strings.CutSuffix(path.Base(name), ".schema.json"); ok {
			schema := map[string]any{}
			c.schemas[catalog.Kind(kind)] = schema
			return yaml.Unmarshal(content, &schema)
		}
		d, err := read(name, string(content))
		if d.Kind != "" {
			all = append(all, d)
		}
		return err
	})
	all = slices.DeleteFunc(all, func(d Document) bool { return !c.valid(d) })
	slices.SortFunc(all, func(a, b Document) int { return strings.Compare(a.ID(), b.ID()) })
	owners := map[string]string{} // whose path is the first
	for _, d := range all {
		for _, key := range keysOf(d) {
			if owners[key] == "" || d.Path < owners[key] {
				owners[key] = d.Path
			}
		}
	}
	for _, d := range all {
		if !slices.ContainsFunc(keysOf(d), func(key string) bool { return owners[key] != d.Path }) {
			c.documents[d.Kind] = append(c.documents[d.Kind], d)
		}
	}
	return c, err
}

func read(name, content string) (d Document, err error) {
	fields, extension := content, strings.ToLower(path.Ext(name))
	if strings.EqualFold(strings.TrimSuffix(path.Base(name), path.Ext(name)), "readme") {
		return d, nil
	}
	if extension == ".md" || extension == ".markdown" {
		parts := strings.SplitN(content, "---\n", 3)
		fields, d.Body = parts[1], strings.TrimLeft(parts[2], "\n")
	}
	folder, _, _ := strings.Cut(name, "/")
	d.Kind = map[string]catalog.Kind{"products": catalog.KindProduct, "categories": catalog.KindCategory, "collections": catalog.KindCollection}[folder]
	d.Path, d.Fields = name, map[string]any{}
	d.Blob = fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content)))
	err = yaml.Unmarshal([]byte(fields), &d.Fields)
	if said := d.text("kind"); said != "" {
		d.Kind = catalog.Kind(said)
	}
	return d, err
}

// keysOf are what no other document may have.
func keysOf(d Document) []string {
	keys := []string{"id " + d.ID()}
	if slug := d.text("slug"); slug != "" {
		keys = append(keys, string(d.Kind)+" "+slug)
	}
	if d.Kind == catalog.KindProduct {
		keys = append(keys, "sku "+d.text("sku"))
	}
	return keys
}

var priceOf = regexp.MustCompile(`^[0-9]+(\.[0-9]{1,2})?$`)

// valid reports whether nothing is wrong with a document in itself.
func (c *Catalog) valid(d Document) bool {
	needed := map[catalog.Kind][]string{
		catalog.KindProduct: {"slug", "title", "sku", "category", "price", "currency", "status", "inventory_status"}, catalog.KindCategory: {"slug", "title"}, catalog.KindCollection: {"slug", "title"},
	}[d.Kind]
	schema, known := c.schemas[d.Kind]
	if needed == nil && !known {
		return false
	}
	for _, name := range append(needed, "id") {
		if d.text(name) == "" {
			return false
		}
	}
	switch d.Kind {
	case catalog.KindProduct:
		if !priceOf.MatchString(d.text("price")) || !slices.Contains([]string{"active", "draft", "archived"}, d.text("status")) {
			return false
		}
	case catalog.KindCategory:
		if position, isInt := d.Fields["position"].(int); !isInt || position < 0 {
			return false
		}
	}
	return accepts(schema, d.Fields)
}

// accepts reports whether a schema accepts a value: type, maximum, required and properties are what it looks at.
func accepts(schema map[string]any, v any) bool {
	types, _ := schema["type"].([]any)
	if one, ok := schema["type"].(string); ok {
		types = []any{one}
	}
	if types != nil && !slices.Contains(types, any(typeOf(v))) {
		return false
	}
	n, isNumber := v.(int)
	if most, limited := schema["maximum"].(int); limited && isNumber && n > most {
		return false
	}
	object, _ := v.(map[string]any)
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, there := object[name.(string)]; !there {
			return false
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, below := range properties {
		if member, there := object[name]; there && !accepts(below.(map[string]any), member) {
			return false
		}
	}
	return true
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case int:
		return "integer"
	case string:
		return "string"
	}
	return "another"
}

// Of are the documents of a kind, by the bytes of their ids.
func (c *Catalog) Of(kind catalog.Kind) []Document { return c.documents[kind] }

// HasField reports whether documents of a kind have a field of the name, or could have.
func (c *Catalog) HasField(kind catalog.Kind, name string) bool {
	own := map[catalog.Kind]string{
		catalog.KindProduct:  "sku category price currency status inventory_status tags images.url images.alt links.title links.url",
		catalog.KindCategory: "parent position", catalog.KindCollection: "products",
	}[kind]
	if slices.Contains(strings.Fields("id slug title "+own), name) || names(c.schemas[kind], strings.Split(name, ".")) {
		return true
	}
	return slices.ContainsFunc(c.Of(kind), func(d Document) bool { return has(d.Fields, strings.Split(name, ".")) })
}

// HasOther reports whether documents of a kind have something at a name that is none of the kind's own, a map included, or could have.
func (c *Catalog) HasOther(kind catalog.Kind, name string) bool {
	keys := strings.Split(name, ".")
	return names(c.schemas[kind], keys) || slices.ContainsFunc(c.Of(kind), func(d Document) bool { return leads(d.Fields, keys) })
}

// leads reports whether the keys lead to anything.
func leads(v any, keys []string) bool {
	if len(keys) == 0 {
		return true
	}
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return leads(item, keys) })
	case map[string]any:
		below, there := v[keys[0]]
		return there && leads(below, keys[1:])
	}
	return false
}

// names reports whether a schema names a field.
func names(schema map[string]any, keys []string) bool {
	properties, _ := schema["properties"].(map[string]any)
	below, there := properties[keys[0]].(map[string]any)
	return there && (len(keys) == 1 || names(below, keys[1:]))
}

// has reports whether the keys lead to a plain value, or to nothing.
func has(v any, keys []string) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0 && len(keys) == 0 || slices.ContainsFunc(v, func(item any) bool { return has(item, keys) })
	case map[string]any:
		if len(keys) == 0 {
			return len(v) == 0
		}
		below, there := v[keys[0]]
		return there && has(below, keys[1:])
	}
	return len(keys) == 0
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

func (d Document) values(field string) []any { return at(d.Fields, strings.Split(field, ".")) }

var (
	plainDecimal = regexp.MustCompile(`^-?[0-9]{1,40}(\.[0-9]{1,40})?$`)
	numberOf     = regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`)
)

// numeric is the exact value of a number, or of a text that is a plain decimal number; nil is none.
func numeric(v any) *big.Rat {
	text, isText := v.(string)
	_, isBool := v.(bool)
	if isBool || isText && !plainDecimal.MatchString(text) {
		return nil
	}
	n, _ := new(big.Rat).SetString(fmt.Sprint(v))
	return n
}

// written is the exact value of a number that a condition names, nil if it is no number.
func written(text string) *big.Rat {
	if !numberOf.MatchString(text) {
		return nil
	}
	n, _ := new(big.Rat).SetString(strings.TrimPrefix(text, "+"))
	return n
}

// number is that of a decimal text.
func number(text string) *big.Rat { return numeric(text) }

// meets compares numbers with numbers and texts with texts: the price of a product is both.
func meets(d Document, c catalog.FieldCondition) bool {
	compared := func(v any) (order int, can bool) {
		own, wanted := numeric(v), written(c.Value)
		text, isText := v.(string)
		equality := c.Operator == catalog.Equal || c.Operator == catalog.NotEqual
		switch isPrice := d.Kind == catalog.KindProduct && c.Field == "price"; {
		case equality && isText && !isPrice, equality && own == nil, wanted == nil && equality:
			return strings.Compare(fmt.Sprint(v), c.Value), true
		case wanted != nil && own != nil:
			return own.Cmp(wanted), true
		}
		return strings.Compare(text, c.Value), wanted == nil && isText
	}
	is := map[catalog.Operator][3]bool{ // less, the same, greater
		catalog.Equal: {false, true, false}, catalog.NotEqual: {false, true, false}, catalog.Less: {true, false, false}, catalog.LessOrEqual: {true, true, false},
		catalog.Greater: {false, false, true}, catalog.GreaterOrEqual: {false, true, true},
	}[c.Operator]
	holds := slices.ContainsFunc(d.values(c.Field), func(v any) bool {
		order, can := compared(v)
		return can && is[order+1]
	})
	return holds != (c.Operator == catalog.NotEqual)
}

func plainFold(s string) string {
	return strings.ReplaceAll(strings.ToLower(norm.NFKC.String(s)), "ß", "ss")
}

// lineage are the ids of a category and of those above it, the root last.
func (c *Catalog) lineage(category string) (ids []string) {
	all := c.Of(catalog.KindCategory)
	for category != "" && !slices.Contains(ids, category) {
		ids = append(ids, category)
		i := slices.IndexFunc(all, func(d Document) bool { return d.ID() == category })
		if i < 0 {
			break
		}
		category = all[i].text("parent")
	}
	return ids
}

// tree are the ids of a category and of those anywhere below it.
func (c *Catalog) tree(root string) []string {
	ids := []string{root}
	for _, d := range c.Of(catalog.KindCategory) {
		if slices.Contains(c.lineage(d.ID()), root) {
			ids = append(ids, d.ID())
		}
	}
	return ids
}

// Ancestors are the ids of the categories above one that are served, the root first.
func (c *Catalog) Ancestors(category string) (ids []string) {
	for _, id := range slices.Backward(c.lineage(category)[1:]) {
		if slices.ContainsFunc(c.Of(catalog.KindCategory), func(d Document) bool { return d.ID() == id }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// matches reports whether a document is selected; tree are the categories that one has to be in, if the query names a tree.
func (c *Catalog) matches(d Document, q catalog.Query, tree []string) bool {
	switch {
	case q.ID != nil && d.ID() != *q.ID,
		q.Slug != nil && d.text("slug") != *q.Slug,
		q.SKU != nil && d.text("sku") != *q.SKU,
		q.Parent != nil && d.text("parent") != *q.Parent,
		q.Category != nil && d.text("category") != *q.Category,
		q.CategoryTree != nil && !slices.Contains(tree, d.text("category")),
		q.Currency != "" && d.text("currency") != q.Currency,
		q.PriceMin != "" && number(d.text("price")).Cmp(number(q.PriceMin)) < 0,
		q.PriceMax != "" && number(d.text("price")).Cmp(number(q.PriceMax)) > 0,
		len(q.InventoryStatus) > 0 && !slices.Contains(q.InventoryStatus, d.text("inventory_status")),
		len(q.Status) > 0 && !slices.Contains(q.Status, d.text("status")):
		return false
	}
	for _, tag := range q.Tags {
		if !slices.Contains(d.values("tags"), any(tag)) {
			return false
		}
	}
	if slices.ContainsFunc(q.Where, func(c catalog.FieldCondition) bool { return !meets(d, c) }) {
		return false
	}
	return q.Text == "" || holds(d, strings.Fields(q.Text))
}

// holds reports whether the words are somewhere in the document.
func holds(d Document, words []string) bool {
	all := fmt.Sprint(d.ID(), "\n", d.text("slug"), "\n", d.text("title"), "\n", d.Body)
	if d.Kind == catalog.KindProduct {
		all += fmt.Sprint("\n", d.text("sku"), "\n", d.values("tags"))
	}
	all = plainFold(all)
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(all, plainFold(word)) })
}

// Find are the documents that a query selects, in its order; valid is false if its kind is none of the three and has no schema, if it
// names a field that no document has, or asks whether a price is less or greater than what is no number.
func (c *Catalog) Find(q catalog.Query) (found []Document, valid bool) {
	builtIn := []catalog.Kind{catalog.KindProduct, catalog.KindCategory, catalog.KindCollection}
	if c.schemas[q.Kind] == nil && !slices.Contains(builtIn, q.Kind) {
		return nil, false
	}
	for _, condition := range q.Where {
		ofPrice := q.Kind == catalog.KindProduct && condition.Field == "price" && strings.ContainsAny(string(condition.Operator), "<>")
		if !c.HasField(q.Kind, condition.Field) || ofPrice && written(condition.Value) == nil {
			return nil, false
		}
	}
	for _, o := range q.Sort {
		if !c.HasField(q.Kind, o.Field) {
			return nil, false
		}
	}
	from := c.Of(q.Kind)
	if q.Collection != nil {
		from = c.inCollection(*q.Collection)
	}
	var tree []string
	if q.CategoryTree != nil {
		tree = c.tree(*q.CategoryTree)
	}
	for _, d := range from {
		if c.matches(d, q, tree) {
			found = append(found, d)
		}
	}
	switch {
	case len(q.Sort) > 0:
		slices.SortStableFunc(found, func(a, b Document) int { return strings.Compare(a.ID(), b.ID()) })
	case q.Parent != nil:
		slices.SortStableFunc(found, func(a, b Document) int { return cmp.Compare(a.Fields["position"].(int), b.Fields["position"].(int)) })
	}
	for i := range slices.Backward(q.Sort) { // the sorts are stable: the first field comes last
		slices.SortStableFunc(found, func(a, b Document) int { return inOrder(a, b, q.Sort[i]) })
	}
	return found, true
}

// inCollection are the products of a collection, each where it is first named.
func (c *Catalog) inCollection(id string) (found []Document) {
	for _, collection := range c.Of(catalog.KindCollection) {
		if collection.ID() != id {
			continue
		}
		for i, sku := range collection.values("products") {
			for _, p := range c.Of(catalog.KindProduct) {
				if p.text("sku") == sku && slices.Index(collection.values("products"), sku) == i {
					found = append(found, p)
				}
			}
		}
	}
	return found
}

func inOrder(a, b Document, o catalog.FieldOrder) int {
	x, y := a.values(o.Field), b.values(o.Field)
	if len(x) == 0 || len(y) == 0 {
		return cmp.Compare(min(1, len(y)), min(1, len(x)))
	}
	var order int
	m, n := numeric(x[0]), numeric(y[0])
	switch {
	case m != nil && n != nil:
		order = m.Cmp(n)
	case m != nil:
		order = -1
	case n != nil:
		order = 1
	default:
		order = strings.Compare(fmt.Sprint(x[0]), fmt.Sprint(y[0]))
	}
	if o.Descending {
		return -order
	}
	return order
}

// Members are the members that the API tells of a document.
func (d Document) Members() map[string]any {
	out := map[string]any{"kind": string(d.Kind), "id": d.ID(), "slug": d.text("slug"), "title": d.text("title"), "path": d.Path, "blob_id": d.Blob, "body": d.Body}
	switch d.Kind {
	case catalog.KindProduct:
		for _, name := range []string{"sku", "category", "price", "currency", "status", "inventory_status"} {
			out[name] = d.text(name)
		}
		for _, name := range []string{"tags", "images", "links"} {
			out[name] = []any{}
			if list, ok := d.Fields[name].([]any); ok {
				out[name] = list
			}
		}
	case catalog.KindCategory:
		out["parent"], out["position"] = d.text("parent"), d.Fields["position"]
	case catalog.KindCollection:
		out["products"] = d.Fields["products"]
	}
	others := map[string]any{}
	for name, value := range d.Fields {
		if _, own := out[name]; !own {
			others[name] = value
		}
	}
	out["fields"] = others
	return out
}
