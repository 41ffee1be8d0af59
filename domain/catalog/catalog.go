// Package catalog holds what a catalog in Git is: documents of several kinds, what is wrong with them, and snapshots of
// all that a commit holds. It does no I/O.
//
// # Documents
//
// A document is a Markdown file with YAML front matter between two lines "---", or a file of YAML or JSON alone. Its kind
// is what its field "kind" says, else what its first folder does: products, categories or collections. Any other file is no
// document, and so is a README. In these folders, and in documents, whose files all say their kind, every other file of these formats is a
// document, with a problem if its fields cannot be read or it has no kind; elsewhere one that cannot be read is a document if a line of
// it says a kind. Kinds besides Product, Category and Collection are a repository's own: each is a JSON
// Schema at schemas/<kind>.schema.json. A schema for one of the three adds to its rules. Fields that no rule knows are kept.
//
// # What is served
//
// A document is served if nothing is wrong with it in itself and every key that has to be unique (its id; the slug within
// its kind; a product's sku) is its own: of several documents with a key, the first by path has it. References to what is
// not served, and categories above themselves, are problems of documents that are served all the same. Those of a document that
// something is wrong with in itself are told as well, as far as it can be read, but it has no key that another could have.
// Whatever is wrong is a [Problem] with its place in the file, so that no document goes missing in silence.
package catalog

import (
	"github.com/gitstore-dev/gitstore/domain/git"
	"sync/atomic"
)

// Kind says what a document is.
type Kind string

// The kinds that every catalog has.
const (
	KindProduct    Kind = "Product"
	KindCategory   Kind = "Category"
	KindCollection Kind = "Collection"
)

// Limits of a document.
const (
	// MaxDocument is the largest file, in bytes, that is read as a document.
	MaxDocument = 1 << 20
	// MaxFrontMatter is the most YAML of a document, in bytes, and the largest schema.
	MaxFrontMatter = 64 << 10
	// MaxDepth is how deep maps and lists may lie in each other.
	MaxDepth = 64
)

// MaxAncestors is how many of the categories above another are told: a tree that people find their way in has a few levels.
const MaxAncestors = 100

// Change is a file that differs between two commits.
type Change struct {
	Path git.TreePath
	// Deleted reports that the file is gone; the rest is then not used.
	Deleted bool
	Blob    git.ObjectID
	// Size is the file's, in bytes. Above [MaxDocument] the Content is not looked at.
	Size    int64
	Content []byte
}

// Document is a document that could be read. It is immutable.
type Document struct {
	Kind Kind
	ID   string
	Slug string
	// Title is what people read.
	Title string
	Path  git.TreePath
	Blob  git.ObjectID
	// Source is the YAML or JSON of the document's fields as it was written.
	Source string
	// Body is the Markdown behind the front matter; "" for a file without.
	Body string

	// Product, Category and Collection hold the fields of such a document; nil for other kinds.
	Product    *Product
	Category   *Category
	Collection *Collection

	// values are the plain values of the fields, in their order. They are made while the file is parsed: what is found by
	// them would otherwise take as long as loading the catalog once more.
	values []fieldValue
	// folded is the text that searches look at, from the first search on.
	folded *atomic.Pointer[string]
}

// Product holds the fields of a product.
type Product struct {
	SKU string
	// Category is the id of a category.
	Category string
	// Price is a decimal number as it was written, such as "13.50".
	Price string
	// Currency is a code of ISO 4217.
	Currency        string
	Status          string
	InventoryStatus string
	Tags            []string
	Images          []Image
	Links           []Link
}

// Image is a picture of a product.
type Image struct{ URL, Alt string }

// Link leads from a product to somewhere else.
type Link struct{ Title, URL string }

// Category holds the fields of a category.
type Category struct {
	// Parent is the id of the category above, "" for a root.
	Parent string
	// Position orders the categories with the same parent.
	Position int
}

// Collection holds the fields of a collection.
type Collection struct {
	// Products are skus in the order of display.
	Products []string
}

// Problem is something wrong with a file.
type Problem struct {
	Path git.TreePath
	// Line and Column are the place in the file, from 1; 0 where it has none.
	Line, Column int
	// Field leads to the value at fault, such as "images[0].url"; "" if it is the whole file.
	Field  string
	Reason Reason
	// Message says what is wrong and what to do, for people.
	Message string
	// about is the value that is at fault, where the message says more than that.
	about string
}

// Reason identifies a problem for programs. Its text is part of the contract.
type Reason string

// The reasons of problems.
const (
	// ReasonTooLarge is a file, or its front matter, above the limit, or fields that take too much work to check against the
	// schema of their kind.
	ReasonTooLarge Reason = "TOO_LARGE"
	// ReasonMalformed is a file that is no YAML or JSON that a document may hold: aliases, tags of its own, duplicate
	// keys, several documents, a missing end of the front matter.
	ReasonMalformed Reason = "MALFORMED"
	// ReasonUnknownKind is a kind that is not built in and has no schema, of a file in a folder for documents.
	ReasonUnknownKind Reason = "UNKNOWN_KIND"
	// ReasonMissingField is a field that has to be there.
	ReasonMissingField Reason = "MISSING_FIELD"
	// ReasonWrongType is a value of another type than the field's.
	ReasonWrongType Reason = "WRONG_TYPE"
	// ReasonInvalidValue is a value outside of what the field takes.
	ReasonInvalidValue Reason = "INVALID_VALUE"
	// ReasonInvalidPrice is a price that is no decimal number, or has more decimals than its currency.
	ReasonInvalidPrice Reason = "INVALID_PRICE"
	// ReasonInvalidCurrency is no code of ISO 4217.
	ReasonInvalidCurrency Reason = "INVALID_CURRENCY"
	// ReasonSchemaViolation is a document that its kind's schema does not accept.
	ReasonSchemaViolation Reason = "SCHEMA_VIOLATION"
	// ReasonInvalidSchema is a file under schemas/ that is no JSON Schema, refers to another place, or makes too much work.
	ReasonInvalidSchema Reason = "INVALID_SCHEMA"
	// ReasonDuplicateID is an id that another document has.
	ReasonDuplicateID Reason = "DUPLICATE_ID"
	// ReasonDuplicateSKU is a sku that another product has.
	ReasonDuplicateSKU Reason = "DUPLICATE_SKU"
	// ReasonDuplicateSlug is a slug that another document of the kind has.
	ReasonDuplicateSlug Reason = "DUPLICATE_SLUG"
	// ReasonBrokenReference is an id or sku of nothing that is served.
	ReasonBrokenReference Reason = "BROKEN_REFERENCE"
	// ReasonCategoryCycle is a category that is above itself.
	ReasonCategoryCycle Reason = "CATEGORY_CYCLE"
)
