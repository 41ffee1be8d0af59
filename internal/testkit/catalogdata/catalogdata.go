// Package catalogdata makes catalogs to test with: as many documents as are wanted, in many scripts, always the same for
// one seed.
package catalogdata

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
)

// Options say how large a catalog is. Zero fields take the defaults, which make 10,200 documents.
type Options struct {
	// Products is 9,900 by default, Categories 200, and Collections 100.
	Products, Categories, Collections int
	// BodyBytes is about how long the text of a document is; 1,000 by default.
	BodyBytes int
	// Bad is how many documents have something wrong with them, besides the others.
	Bad int
}

func (o Options) withDefaults() Options {
	for field, value := range map[*int]int{&o.Products: 9900, &o.Categories: 200, &o.Collections: 100, &o.BodyBytes: 1000} {
		if *field == 0 {
			*field = value
		}
	}
	return o
}

// Catalog is a catalog that is made up.
type Catalog struct {
	opts Options
	seed uint64
}

// New returns the catalog of a seed.
func New(seed uint64, opts Options) Catalog { return Catalog{opts.withDefaults(), seed} }

func (c Catalog) rand(of string, i int) *rand.Rand {
	h := c.seed
	for _, b := range []byte(of) {
		h = h*31 + uint64(b)
	}
	return rand.New(rand.NewPCG(h, uint64(i)))
}

// Files yields the files with their contents, ordered by kind.
func (c Catalog) Files() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range c.opts.Categories {
			if !yield(CategoryPath(i), c.Category(i)) {
				return
			}
		}
		for i := range c.opts.Products {
			if !yield(c.ProductPath(i), c.Product(i, 0)) {
				return
			}
		}
		for i := range c.opts.Collections {
			if !yield(fmt.Sprintf("collections/collection-%03d.md", i), c.Collection(i)) {
				return
			}
		}
		for path, content := range c.bad {
			if !yield(path, content) {
				return
			}
		}
	}
}

var titles = []string{
	"Linen apron", "Šálek na kávu", "Τσαγιέρα", "Чайник медный", "手吹きガラス", "유리 찻잔", "陶瓷杯", "كوب زجاجي", "קנקן", "โถแก้ว",
	"Kannu: \"iso\"", "Café – 'noir'", "Bình thủy tinh", "Crème #2", "50% wool: blanket", "☕ mug",
}

var words = strings.Fields(`linen copper walnut ceramic enamel wool cotton oak brass glass carafe kettle lamp shelf made by hand in
	small batches for the kitchen garden hall porch light heavy sturdy soft warm matte glazed brushed oiled waxed washed`)

func (c Catalog) body(r *rand.Rand) string {
	var b strings.Builder
	for b.Len() < c.opts.BodyBytes {
		for range 8 + r.IntN(8) {
			b.WriteString(words[r.IntN(len(words))] + " ")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// CategoryPath is the file of a category.
func CategoryPath(i int) string { return fmt.Sprintf("categories/category-%03d.md", i) }

// CategoryID is the id of a category.
func CategoryID(i int) string { return fmt.Sprintf("cat-%03d", i) }

// Parent is the category above another, -1 for a root: a tree of which each category has up to six below it.
func Parent(i int) int {
	if i < 6 {
		return -1
	}
	return i/6 - 1
}

// Category returns the document of a category.
func (c Catalog) Category(i int) string {
	r := c.rand("category", i)
	parent := ""
	if p := Parent(i); p >= 0 {
		parent = "parent: " + CategoryID(p) + "\n"
	}
	return fmt.Sprintf("---\nid: %s\nslug: category-%03d\ntitle: %q\n%sposition: %d\nicon: {name: box, size: %d}\n---\n\n%s",
		CategoryID(i), i, titles[r.IntN(len(titles))], parent, i%6+1, r.IntN(40), c.body(r))
}

// ProductPath is the file of a product.
func (c Catalog) ProductPath(i int) string {
	return fmt.Sprintf("products/%s/product-%05d.md", CategoryID(i%c.opts.Categories), i)
}

// ProductID is the id of a product.
func ProductID(i int) string { return fmt.Sprintf("prod-%05d", i) }

// SKU is the sku of a product.
func SKU(i int) string { return fmt.Sprintf("SKU-%05d", i) }

// Slug is the slug of a product.
func Slug(i int) string { return fmt.Sprintf("product-%05d", i) }

var statuses = []string{"in_stock", "low_stock", "out_of_stock", "preorder", "made_to_order"}

// Product returns the document of a product after a number of edits: each has another price and text.
func (c Catalog) Product(i, edits int) string {
	r := c.rand("product", i+edits*1_000_003)
	price, currency := fmt.Sprintf("%d.%02d", 1+r.IntN(500), r.IntN(100)), "EUR"
	if r.IntN(10) == 0 {
		price, currency = fmt.Sprint(100+r.IntN(90000)), "JPY"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "---\n# %s\nid: %s\nsku: %q\nslug: %s\ntitle: %q\ncategory: %s\nprice: %q\ncurrency: %s\nstatus: active\ninventory_status: %s\n",
		words[r.IntN(len(words))], ProductID(i), SKU(i), Slug(i), titles[r.IntN(len(titles))], CategoryID(i%c.opts.Categories), price, currency,
		statuses[r.IntN(len(statuses))])
	fmt.Fprintf(&b, "tags: [%s, %s]\nimages:\n  - url: https://images.example.com/%d.jpg\n    alt: >-\n      A picture of\n      number %d\n",
		words[r.IntN(len(words))], words[r.IntN(len(words))], i, i)
	fmt.Fprintf(&b, "attributes:\n  material: %s\n  sizes: [%d, %d]\n  care: {wash: %t}\nedits: %d\nsupplier_note: |\n  first line\n  second: line\n---\n\n",
		words[r.IntN(len(words))], r.IntN(9), r.IntN(99), r.IntN(2) == 0, edits)
	b.WriteString(c.body(r))
	return b.String()
}

// Collection returns the document of a collection.
func (c Catalog) Collection(i int) string {
	r := c.rand("collection", i)
	var b strings.Builder
	fmt.Fprintf(&b, "---\nid: col-%03d\nslug: collection-%03d\ntitle: %q\nproducts:\n", i, i, titles[r.IntN(len(titles))])
	for range 3 + r.IntN(20) {
		fmt.Fprintf(&b, "  - %s\n", SKU(r.IntN(c.opts.Products)))
	}
	b.WriteString("---\n\n" + c.body(r))
	return b.String()
}

// Wrong is something that can be wrong with a document.
type Wrong struct {
	// Reason is what the problem is to be called.
	Reason string
	// Content is the document, with %[1]d for its number.
	Content string
}

// Wrongs are the ways in which bad documents are bad, in turn.
var Wrongs = []Wrong{
	{"MALFORMED", "no front matter in number %[1]d\n"},
	{"MALFORMED", "---\nid: bad-%[1]d\ntitle: never ends\n"},
	{"MALFORMED", "---\nid: bad-%[1]d\nid: twice\n---\n"},
	{"MISSING_FIELD", "---\nid: bad-%[1]d\nsku: BAD-%[1]d\nslug: bad-%[1]d\ntitle: Bad\ncategory: cat-000\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n---\n"},
	{"INVALID_PRICE", "---\nid: bad-%[1]d\nsku: BAD-%[1]d\nslug: bad-%[1]d\ntitle: Bad\ncategory: cat-000\nprice: cheap\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n---\n"},
	{"WRONG_TYPE", "---\nid: %[1]d\nsku: BAD-%[1]d\nslug: bad-%[1]d\ntitle: Bad\ncategory: cat-000\nprice: \"1\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n---\n"},
	{"DUPLICATE_ID", "---\nid: prod-00000\nsku: BAD-%[1]d\nslug: bad-%[1]d\ntitle: Bad\ncategory: cat-000\nprice: \"1\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n---\n"},
	{"BROKEN_REFERENCE", "---\nid: bad-%[1]d\nsku: BAD-%[1]d\nslug: bad-%[1]d\ntitle: Bad\ncategory: cat-none\nprice: \"1\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n---\n"},
}

// BadPath is the file of a bad document; its problem is that of [Wrongs] at i modulo their number.
func BadPath(i int) string { return fmt.Sprintf("products/wrong/wrong-%04d.md", i) }

func (c Catalog) bad(yield func(string, string) bool) {
	for i := range c.opts.Bad {
		if !yield(BadPath(i), fmt.Sprintf(Wrongs[i%len(Wrongs)].Content, i)) {
			return
		}
	}
}
