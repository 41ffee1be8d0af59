package catalog

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/currency"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// folders are the first folders that make their files documents.
var folders = map[string]Kind{"products": KindProduct, "categories": KindCategory, "collections": KindCollection}

// OtherDocuments is the folder for documents of all other kinds.
const OtherDocuments = "documents"

// file is what a path of the catalog came to.
type file struct {
	// document is nil if the file is none, at least as long as its kind is not known, or cannot be read.
	document *Document
	// kind is what the file says that it is; it may be one that is not known.
	kind Kind
	// broken is nil if nothing is wrong with the file in itself.
	broken *broken
	// weight is about the memory that it takes, in bytes.
	weight int64
}

// broken is what is known of a file that something is wrong with.
type broken struct {
	problems []Problem
	// id is that of the document, "" if it cannot be read.
	id string
	// document is what could be read of it: what is wrong in itself is missing, or unreadable. Nil if the fields cannot be read.
	document *Document
}

// unreadable stands for the items of a list that cannot be read: no text that can be read holds a NUL.
const unreadable = "\x00"

// read is the document, as far as it could be read; nil if it could not be at all.
func (f *file) read() *Document {
	if f.document == nil && f.broken != nil {
		return f.broken.document
	}
	return f.document
}

// unique returns the keys that have to be the document's own, as far as they could be read.
func (f *file) unique() []uniqueKey {
	var keys []uniqueKey
	switch d := f.read(); {
	case f.document != nil:
		return d.unique()
	case d != nil:
		keys = d.unique()
	case f.broken != nil:
		keys = []uniqueKey{{key: key(byID, f.broken.id), value: f.broken.id}}
	}
	return slices.DeleteFunc(keys, func(k uniqueKey) bool { return !isKey(k.value) })
}

// references returns what the document refers to, as far as that could be read.
func (f *file) references() []reference {
	d := f.read()
	if d == nil {
		return nil
	}
	all := d.references()
	if f.document != nil {
		return all
	}
	return slices.DeleteFunc(all, func(r reference) bool {
		return strings.Contains(r.value, unreadable) || d.Product != nil && !isKey(r.value)
	})
}

// isKey reports whether a text may be a key of a document.
func isKey(s string) bool { return strings.TrimSpace(s) != "" && !strings.ContainsRune(s, 0) }

// problems are what is wrong with the file in itself.
func (f *file) problems() []Problem {
	if f.broken == nil {
		return nil
	}
	return f.broken.problems
}

// Reads reports whether the content of a file at the path may matter to a catalog: [Build] needs no other files.
func Reads(p git.TreePath) bool { return isCandidate(p) || isSchema(p) }

// isCandidate reports whether a file may be a document.
func isCandidate(p git.TreePath) bool {
	name := path.Base(p.String())
	return formatOf(p) != formatNone && !strings.EqualFold(strings.TrimSuffix(name, path.Ext(name)), "readme") && !isSchema(p)
}

// folderKind is the kind that a file has by its first folder, "" if by none.
func folderKind(p git.TreePath) Kind {
	first, _, _ := strings.Cut(p.String(), "/")
	return folders[first]
}

// isForDocuments reports whether a file is in a folder for documents alone, where one that is none is a mistake.
func isForDocuments(p git.TreePath) bool {
	first, _, _ := strings.Cut(p.String(), "/")
	return folders[first] != "" || first == OtherDocuments
}

// read reads a file. Nil is a file that is no document.
func read(c Change, schemas schemas) *file {
	if !isCandidate(c.Path) {
		return nil
	}
	inFolder := folderKind(c.Path)
	if problem := oversize(c); problem != nil {
		if !isForDocuments(c.Path) {
			return nil
		}
		return failed(inFolder, "", problem)
	}
	front, hasFields, problem := split(c.Path, c.Content)
	if !hasFields {
		if !isForDocuments(c.Path) {
			return nil
		}
		return failed(inFolder, "", &Problem{
			Path: c.Path, Line: 1, Column: 1, Reason: ReasonMalformed, Message: `the file has no fields: begin it with front matter between two lines "---"`,
		})
	}
	var root *yaml.Node
	if problem == nil {
		root, problem = front.mapping(c.Path)
	}
	if problem != nil {
		kind := inFolder
		if said := front.loose(root, "kind"); said != "" {
			kind = plainKind(said)
		}
		switch {
		case kind == "" && !isForDocuments(c.Path):
			return nil // it is not said to be a document
		case isForeign(c.Path, kind, schemas):
			return &file{kind: kind}
		}
		return failed(kind, front.loose(root, byID), problem)
	}
	return readFields(c, front, root, inFolder, schemas)
}

// isForeign reports whether a file that says its kind is none of the catalog: tools of all sorts have files with a kind. Where
// documents alone are, a kind that is not known is a mistake. Once there is a schema of the kind the file is a document.
func isForeign(p git.TreePath, kind Kind, schemas schemas) bool {
	return !isBuiltIn(kind) && schemas[kind] == nil && !isForDocuments(p)
}

// oversize is the problem of a file that is too large to be looked at, nil if it is not.
func oversize(c Change) *Problem {
	if c.Size <= MaxDocument && len(c.Content) <= MaxDocument {
		return nil
	}
	return &Problem{Path: c.Path, Reason: ReasonTooLarge, Message: fmt.Sprintf("the file is larger than %d bytes", MaxDocument)}
}

// Oversize returns the problem of a file that is too large to be a document, nil if it is not. It needs no kind: [Build] takes what
// is outside of the folders for documents for a file of somebody else if it cannot find one there.
func Oversize(c Change) *Problem {
	if problem := oversize(c); problem != nil {
		return problem
	}
	front, _, _ := split(c.Path, c.Content)
	return front.oversize(c.Path)
}

// plainKind is a kind that may be a part of keys.
func plainKind(said string) Kind { return Kind(strings.ReplaceAll(said, "\x00", "\uFFFD")) }

func failed(kind Kind, id string, problem *Problem) *file {
	return &file{kind: kind, broken: &broken{problems: []Problem{*problem}, id: id}}
}

func readFields(c Change, front front, root *yaml.Node, inFolder Kind, schemas schemas) *file {
	r := &reader{front: front, path: c.Path}
	kind, said := inFolder, lookUp(root, "kind")
	if said != nil && said.ShortTag() == "!!str" && said.Value != "" {
		kind = plainKind(said.Value)
		if string(kind) != said.Value {
			r.problem(said, "kind", ReasonInvalidValue, "the kind holds a NUL")
		}
	}
	switch {
	case kind == "" && !isForDocuments(c.Path):
		return nil
	case kind != "" && isForeign(c.Path, kind, schemas):
		return &file{kind: kind}
	}
	d := &Document{Kind: kind, Path: c.Path, Blob: c.Blob, Source: front.source, Body: front.body, folded: &atomic.Pointer[string]{}}
	switch kind {
	case "":
		r.noKind(root, said)
		d.ID = r.id(root)
		return &file{broken: &broken{problems: r.problems, id: d.ID, document: d}}
	case KindProduct:
		d.Product = r.product(root)
	case KindCategory:
		d.Category = r.category(root)
	case KindCollection:
		d.Collection = r.collection(root)
	default:
		if schemas[kind] == nil {
			r.problem(lookUp(root, "kind"), "kind", ReasonUnknownKind, "the kind %.80q is neither built in nor has it a schema %s", kind, clip(schemaPath(kind)))
		}
	}
	d.ID, d.Title = r.id(root), r.text(root, "title", isBuiltIn(kind))
	d.Slug = r.slug(root, isBuiltIn(kind))
	r.schema(schemas[kind], root)
	if len(r.problems) > 0 {
		return &file{kind: kind, broken: &broken{problems: r.problems, id: d.ID, document: d}}
	}
	d.values = slices.Clip(flatten(nil, root, ""))
	return &file{kind: kind, document: d}
}

// noKind is the problem of a document whose kind neither its folder says nor it itself.
func (r *reader) noKind(root, said *yaml.Node) {
	if said != nil && said.ShortTag() != "!!str" && said.ShortTag() != "!!null" {
		r.wrongType(said, "kind", "text")
		return
	}
	if said == nil {
		said = root
	}
	r.problem(said, "kind", ReasonMissingField, `the field "kind" is missing: say what the document is, such as %s, or a kind that has a schema`, KindProduct)
}

func isBuiltIn(kind Kind) bool {
	return kind == KindProduct || kind == KindCategory || kind == KindCollection
}

// reader reads fields and gathers what is wrong with them.
type reader struct {
	front    front
	path     git.TreePath
	problems []Problem
	// more reports that there are more problems than are kept.
	more bool
}

// maxProblems is how many problems of a document are kept, and of its links to others: a file of a few KiB may have
// thousands.
const maxProblems = 50

func (r *reader) problem(n *yaml.Node, field string, reason Reason, format string, args ...any) {
	if len(r.problems) == maxProblems {
		if !r.more {
			r.problems[maxProblems-1].Message += "; the file has more problems than are listed"
		}
		r.more = true
		return
	}
	r.problems = append(r.problems, *r.front.at(r.path, n, field, reason, format, args...))
}

// lookUp returns the value of a key, nil if there is none.
func lookUp(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// field returns the value of a key, nil if there is none or null; where it is needed, that is a problem.
func (r *reader) field(m *yaml.Node, field string, needed bool) *yaml.Node {
	n := lookUp(m, field[strings.LastIndexByte(field, '.')+1:])
	if n == nil || n.ShortTag() == "!!null" {
		if needed {
			at := m
			if n != nil {
				at = n
			}
			r.problem(at, field, ReasonMissingField, "the field %q is missing", field)
		}
		return nil
	}
	return n
}

// text returns a string; one without quotes that YAML takes for something else is a problem.
func (r *reader) text(m *yaml.Node, field string, needed bool) string {
	n := r.field(m, field, needed)
	if n == nil {
		return ""
	}
	if n.ShortTag() != "!!str" {
		r.wrongType(n, field, "text")
		return ""
	}
	switch {
	case strings.ContainsRune(n.Value, 0):
		r.problem(n, field, ReasonInvalidValue, "the field %q holds a NUL", field)
	case needed && strings.TrimSpace(n.Value) == "":
		r.problem(n, field, ReasonMissingField, "the field %q is empty", field)
	}
	return strings.Clone(n.Value)
}

// id returns the id, which is a part of URLs: clients take "." and ".." out of these before they ask.
func (r *reader) id(m *yaml.Node) string {
	s := r.text(m, byID, true)
	for part := range strings.SplitSeq(s, "/") {
		if part == "." || part == ".." {
			r.problem(lookUp(m, byID), byID, ReasonInvalidValue, `the id %.80q is out of reach in a URL: use no part that is "." or ".." alone`, s)
			break
		}
	}
	return s
}

func (r *reader) wrongType(n *yaml.Node, field, want string) {
	hint := ""
	if want == "text" && n.Kind == yaml.ScalarNode {
		hint = ": put it in quotes"
	}
	r.problem(n, field, ReasonWrongType, "the field %q has to be %s%s", field, want, hint)
}

// oneOf returns a text that has to be one of a few.
func (r *reader) oneOf(m *yaml.Node, field string, allowed ...string) string {
	before := len(r.problems)
	s := r.text(m, field, true)
	if len(r.problems) == before && !slices.Contains(allowed, s) {
		r.problem(lookUp(m, field), field, ReasonInvalidValue, "the field %q is %.80q: use one of %q", field, s, allowed)
	}
	return s
}

var slugPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func (r *reader) slug(m *yaml.Node, needed bool) string {
	s := r.text(m, "slug", needed)
	if s != "" && (!slugPattern.MatchString(s) || len(s) > 200) {
		r.problem(lookUp(m, "slug"), "slug", ReasonInvalidValue, `the slug %.80q is invalid: use a-z, 0-9 and single "-" between them`, s)
	}
	return s
}

// list returns the items of a list.
func (r *reader) list(m *yaml.Node, field string) []*yaml.Node {
	n := r.field(m, field, false)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.wrongType(n, field, "a list")
		return nil
	}
	return n.Content
}

func (r *reader) texts(m *yaml.Node, field string) []string {
	var all []string
	for i, n := range r.list(m, field) {
		if n.ShortTag() != "!!str" {
			r.wrongType(n, field+"["+strconv.Itoa(i)+"]", "text")
			all = append(all, unreadable)
			continue
		}
		if strings.ContainsRune(n.Value, 0) {
			r.problem(n, field+"["+strconv.Itoa(i)+"]", ReasonInvalidValue, "the text holds a NUL")
			all = append(all, unreadable)
			continue
		}
		all = append(all, strings.Clone(n.Value))
	}
	return all
}

// maps calls fn with every item of a list of maps.
func (r *reader) maps(m *yaml.Node, field string, fn func(item *yaml.Node, field string)) {
	for i, n := range r.list(m, field) {
		name := field + "[" + strconv.Itoa(i) + "]"
		if n.Kind != yaml.MappingNode {
			r.wrongType(n, name, "a map")
			continue
		}
		fn(n, name)
	}
}

func (r *reader) product(m *yaml.Node) *Product {
	p := &Product{
		SKU: r.text(m, "sku", true), Category: r.text(m, "category", true),
		Status:          r.oneOf(m, "status", "active", "draft", "archived"),
		InventoryStatus: r.oneOf(m, "inventory_status", "in_stock", "low_stock", "out_of_stock", "preorder", "made_to_order"),
		Tags:            r.texts(m, "tags"),
	}
	p.Price, p.Currency = r.price(m)
	r.maps(m, "images", func(n *yaml.Node, field string) {
		p.Images = append(p.Images, Image{URL: r.url(n, field+".url"), Alt: r.text(n, field+".alt", false)})
	})
	r.maps(m, "links", func(n *yaml.Node, field string) {
		p.Links = append(p.Links, Link{Title: r.text(n, field+".title", false), URL: r.url(n, field+".url")})
	})
	if n := r.field(m, "attributes", false); n != nil && n.Kind != yaml.MappingNode {
		r.wrongType(n, "attributes", "a map")
	}
	return p
}

// url takes what a page may show without running anything.
func (r *reader) url(m *yaml.Node, field string) string {
	s := r.text(m, field, true)
	if s != "" && !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		r.problem(lookUp(m, field[strings.LastIndexByte(field, '.')+1:]), field, ReasonInvalidValue, "the URL %.80q has to begin with https:// or http://", s)
	}
	return s
}

var decimalPattern = regexp.MustCompile(`^(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?$`)

// noAmount says why a text is none that [decimalPattern] takes.
func noAmount(s string) string {
	if n, ok := plainNumber(s); ok && !n.negative && (len(n.whole) > 15 || len(n.fraction) > 6) {
		return `has more than 15 digits in front of the point, or more than 6 behind it`
	}
	return `is no decimal number, such as "13.50"`
}

// price reads an amount, which is a decimal number and never a float, and its currency.
func (r *reader) price(m *yaml.Node) (amount, code string) {
	code = r.text(m, "currency", true)
	unit, err := currency.ParseISO(code)
	if code != "" && (err != nil || code != unit.String()) {
		r.problem(lookUp(m, "currency"), "currency", ReasonInvalidCurrency, "the currency %.40q is no code of ISO 4217, such as EUR", code)
		code = ""
	}
	n := r.field(m, "price", true)
	if n == nil {
		return "", code
	}
	if tag := n.ShortTag(); n.Kind != yaml.ScalarNode || tag != "!!str" && tag != "!!int" && tag != "!!float" || !decimalPattern.MatchString(n.Value) {
		r.problem(n, "price", ReasonInvalidPrice, "the price %.40q %s", n.Value, noAmount(n.Value))
		return "", code
	}
	_, decimals, _ := strings.Cut(n.Value, ".")
	if scale, _ := currency.Standard.Rounding(unit); code != "" && len(decimals) > scale {
		r.problem(n, "price", ReasonInvalidPrice, "the price %q has %d decimals, and %s has %d", n.Value, len(decimals), code, scale)
	}
	return strings.Clone(n.Value), code
}

func (r *reader) category(m *yaml.Node) *Category {
	c := &Category{Parent: r.text(m, "parent", false)}
	n := r.field(m, "position", false)
	if n == nil {
		return c
	}
	position, err := strconv.Atoi(n.Value)
	if n.ShortTag() != "!!int" || err != nil || position < 0 || position > 1_000_000 {
		r.wrongType(n, "position", "a whole number from 0 to 1000000")
		return c
	}
	c.Position = position
	return c
}

func (r *reader) collection(m *yaml.Node) *Collection {
	return &Collection{Products: r.texts(m, "products")}
}

// FolderKind is the kind that a document in a file of that path has if it does not say one, "" if it has to.
func FolderKind(p git.TreePath) Kind { return folderKind(p) }

// Folder is the folder whose documents are of a kind if they do not say one, "" if there is none.
func Folder(kind Kind) string {
	for folder, of := range folders {
		if of == kind {
			return folder
		}
	}
	return ""
}

// SaysKind reports whether the document's kind is one of its fields, and not only that of its folder.
func (d *Document) SaysKind() bool { return lookUp(d.root(), "kind") != nil }
