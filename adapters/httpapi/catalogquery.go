package httpapi

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gitstore-dev/gitstore/app/markdown"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/page"
)

// anyDocuments are documents whose kind the query names.
var anyDocuments = documentList{name: "documents", noun: "document", page: commitPage[documentJSON]{}, item: documentJSON{}, whole: documentJSON{}, input: documentInputJSON{}}

// listOf is how documents of a kind are listed and read.
func listOf(kind catalog.Kind) documentList {
	for _, l := range documentLists {
		if l.kind == kind {
			return l
		}
	}
	l := anyDocuments
	l.kind = kind
	return l
}

func atParam() *param {
	return nameParam("at", "Answer from the catalog at this revision instead: a branch, a tag, a ref that begins with refs/, or a full commit id.")
}

// documentParams say which part of documents is wanted, and from when.
func documentParams() []*param {
	return []*param{
		textParam("fields", "The members of documents to answer with, with commas between them; those within fields with a point, such as "+
			"id,price,fields.supplier, and those in a map with the keys that lead to it: fields.supplier.name, of a list from every item that has it. "+
			"A field that no document of the kind has, and no schema names, is refused. Without it all. What the schema calls required is then only there if it is named."),
		enumParam("body", "The Markdown body as it is (raw, as without this), as HTML that is safe to show, or not at all. As HTML it comes in body_html in place of "+
			"body; what is larger than 256 KiB, or takes too much work, as preformatted text.", bodyRaw, bodyHTML, bodyNone),
		atParam(),
	}
}

const (
	bodyRaw  = "raw"
	bodyHTML = "html"
	bodyNone = "none"

	bodyHTMLMember = "body_html"
)

// listParams are what a listing of documents takes.
func listParams(l documentList) []*param {
	common := []*param{
		textParam("id", "The one with this id."),
		textParam("slug", "The one with this slug."),
		textParam("q", "Those that hold each of these words, anywhere in id, slug, sku, title, tags or body, without regard to the case of letters."),
		repeatedParam(textParam("filter", "A condition on a field of the front matter, such as supplier.name=Ada or attributes.capacity_ml>=250, with one of "+
			"= != < <= > >= and blanks around it or not. A field in a map has the keys that lead to it with points between them; of a list any item will do. A number is compared with "+
			"numbers, and by < <= > >= with texts that are plain decimal numbers; any other value with texts. = and != take texts as they are written, but for the price, which < <= > >= compare with nothing but a number. A field that no document of the kind has, and no schema names, is refused.")),
		textParam("sort", "Fields of the front matter to order by, with commas between them, each with - in front to turn it round: -price,title. "+
			"Documents without the field are last, what is equal is ordered by id."),
	}
	return slices.Concat(l.filters, common, documentParams(), pageParams())
}

// documentQuery reads the conditions and the order of a listing.
func (c *call) documentQuery(kind catalog.Kind) (q catalog.Query, err error) {
	q = catalog.Query{
		Kind: kind, ID: c.optionalText("id"), SKU: c.optionalText("sku"), Slug: c.optionalText("slug"),
		Category: c.optionalText("category"), CategoryTree: c.optionalText("category_tree"), Collection: c.optionalText("collection"), Parent: c.optionalText("parent"),
		Status: c.query["status"], InventoryStatus: c.query["inventory_status"], Tags: c.query["tag"], Text: c.query.Get("q"),
		Currency: c.query.Get("currency"), PriceMin: c.query.Get("price_min"), PriceMax: c.query.Get("price_max"),
	}
	for _, name := range []string{"currency", "price_min", "price_max"} {
		if c.query.Has(name) && c.query.Get(name) == "" {
			return q, errs.InvalidField(errs.ReasonInvalidArgument, name, "%s is empty: give a value, or leave it out", name)
		}
	}
	for _, text := range c.query["filter"] {
		condition, err := catalog.ParseFieldCondition(text)
		if err != nil {
			return q, err
		}
		q.Where = append(q.Where, condition)
	}
	if c.query.Has("sort") {
		q.Sort, err = catalog.ParseFieldOrders(c.query.Get("sort"))
	}
	return q, err
}

// optionalText returns nil if the parameter is not given.
func (c *call) optionalText(name string) *string {
	if !c.query.Has(name) {
		return nil
	}
	text := c.query.Get(name)
	return &text
}

// shape is the part of documents that is wanted.
type shape struct {
	// members are the names of those to keep, nil is all.
	members map[string]bool
	// fields are the names of those of the member fields, if that is not kept whole, with points behind the keys that lead to them.
	fields map[string]bool
	// above are what leads to one of the fields, with the point behind it.
	above map[string]bool
	// body is how the body is wanted; "" is as it is.
	body string
}

// whole reports whether all is wanted as it is.
func (s shape) whole() bool { return s.members == nil && s.body == "" }

// bodyMember is the name of the body.
func (s shape) bodyMember() string {
	if s.body == bodyHTML {
		return bodyHTMLMember
	}
	return "body"
}

// shape reads which part of documents is wanted, of those with the members of an example.
func (c *call) shape(example any) (s shape, err error) {
	if body := c.query.Get("body"); body != bodyRaw {
		s.body = body
	}
	if !c.query.Has("fields") {
		return s, nil
	}
	known := membersOf(example)
	s.members, s.fields, s.above = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for name := range strings.SplitSeq(c.query.Get("fields"), ",") {
		field, isField := strings.CutPrefix(name, "fields.")
		switch {
		case isField && field != "":
			s.fields[field] = true
			for i, r := range field {
				if r == '.' {
					s.above[field[:i+1]] = true
				}
			}
		case !slices.Contains(known, name):
			return s, errs.InvalidField(errs.ReasonInvalidArgument, "fields", "documents have no member %q: there are %s, and fields. with the name of a field",
				clip(name, 64), strings.Join(known, ", "))
		case name == bodyHTMLMember && s.body != bodyHTML:
			return s, errs.InvalidField(errs.ReasonInvalidArgument, "fields", "the member %s is there only with body=%s: give that as well", bodyHTMLMember, bodyHTML)
		default:
			s.members[name] = true
		}
	}
	return s, nil
}

// membersOf are the names of the members of an object's JSON.
func membersOf(example any) []string {
	var names []string
	for field := range reflect.TypeOf(example).Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// of returns the wanted part of a document's JSON.
func (s shape) of(object []byte, body func() []byte) []byte {
	out := []byte{'{'}
	for name, value := range members(object) {
		switch {
		case name == "fields" && s.members != nil && !s.members["fields"]:
			if len(s.fields) == 0 {
				continue
			}
			value = s.pickMembers(value, "")
		case name == "body":
			name = s.bodyMember()
			if s.body == bodyNone || s.members != nil && !s.members["body"] && !s.members[name] {
				continue
			}
			if s.body == bodyHTML {
				value = body()
			}
		case s.members != nil && !s.members[name]:
			continue
		}
		out = appendMember(out, name, value)
	}
	return append(out, '}')
}

// pickMembers returns the wanted members of an object that lies behind a prefix.
func (s shape) pickMembers(object []byte, prefix string) []byte {
	out := []byte{'{'}
	for name, value := range members(object) {
		field := prefix + name
		if s.fields[field] {
			out = appendMember(out, name, value)
		} else if s.above[field+"."] {
			if picked := s.pickWithin(value, field+"."); picked != nil {
				out = appendMember(out, name, picked)
			}
		}
	}
	return append(out, '}')
}

// pickWithin returns what of a value is wanted, of a list the items that have some of it; nil for nothing.
func (s shape) pickWithin(value []byte, prefix string) []byte {
	var out []byte
	switch jsontext.Value(value).Kind() {
	case '{':
		out = s.pickMembers(value, prefix)
	case '[':
		out = []byte{'['}
		for item := range items(value) {
			if picked := s.pickWithin(item, prefix); picked != nil {
				if len(out) > 1 {
					out = append(out, ',')
				}
				out = append(out, picked...)
			}
		}
		out = append(out, ']')
	}
	if len(out) <= len("{}") {
		return nil
	}
	return out
}

// items yields the items of a list that is valid JSON.
func items(list []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		dec := jsontext.NewDecoder(bytes.NewReader(list))
		_, _ = dec.ReadToken()
		for dec.PeekKind() != ']' {
			value, err := dec.ReadValue()
			if err != nil || !yield(value) {
				return
			}
		}
	}
}

// check refuses fields that no document of the kind has.
func (s shape) check(of *catalog.Snapshot, kind catalog.Kind) error {
	return of.CheckOthers(kind, slices.Sorted(maps.Keys(s.fields)))
}

func appendMember(out []byte, name string, value []byte) []byte {
	if len(out) > 1 {
		out = append(out, ',')
	}
	out, _ = jsontext.AppendQuote(out, name)
	return append(append(out, ':'), value...)
}

// members yields the members of an object that is valid JSON.
func members(object []byte) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		dec := jsontext.NewDecoder(bytes.NewReader(object))
		_, _ = dec.ReadToken()
		for dec.PeekKind() == '"' {
			token, _ := dec.ReadToken()
			name := token.String()
			value, err := dec.ReadValue()
			if err != nil || !yield(name, value) {
				return
			}
		}
	}
}

// object returns the wanted part of a document.
func (a *api) object(d *catalog.Document, s shape) []byte {
	e := a.encoded.of(d)
	if s.whole() {
		return e.object
	}
	return s.of(e.object, func() []byte { return e.bodyHTML(d) })
}

// bodyHTML returns the body of the document as a JSON string.
func (e *encodedDocument) bodyHTML(d *catalog.Document) []byte {
	if known := e.html.Load(); known != nil {
		return *known
	}
	text := encodeJSON(markdown.HTML(d.Body))
	e.html.Store(&text)
	return text
}

func (a *api) listAnyDocuments(c *call) error {
	kind := catalog.Kind(c.query.Get("kind"))
	if kind == "" {
		return errs.InvalidField(errs.ReasonInvalidArgument, "kind", "say which kind of documents, such as %s", catalog.KindProduct)
	}
	return a.listDocuments(c, listOf(kind))
}

// maxPage is how many bytes of documents a page holds at most, if they are not those of one alone.
const maxPage = 8 << 20

func (a *api) listDocuments(c *call, l documentList) error {
	q, err := c.documentQuery(l.kind)
	if err != nil {
		return err
	}
	shape, err := c.shape(l.item)
	if err != nil {
		return err
	}
	found, cur, err := a.catalogPage(c)
	if err != nil {
		return err
	}
	documents, err := found.Find(c.r.Context(), q, cur.Token)
	if err != nil {
		return err
	}
	if err := shape.check(found.Snapshot, l.kind); err != nil {
		return err
	}
	return a.answerVersion(c, found, a.pageTag(c, found), func() ([]byte, error) {
		var (
			objects [][]byte
			bytes   int
			next    string
			last    page.Token
		)
		for d, err := range documents {
			if err != nil {
				return nil, err
			}
			if len(objects) == cur.size {
				next = cur.next(last)
				break
			}
			object := a.object(d.Document, shape)
			if bytes += len(object); bytes > maxPage && len(objects) > 0 {
				next = cur.next(last)
				break
			}
			objects, last = append(objects, object), d.Place
		}
		return writePage(found.Commit(), objects, next), nil
	})
}

func (a *api) getAnyDocument(c *call) error {
	l := listOf(catalog.Kind(c.path["kind"]))
	l.more, l.whole = nil, l.item
	return a.getDocument(c, l)
}

func (a *api) getDocument(c *call, l documentList) error {
	shape, err := c.shape(l.whole)
	if err != nil {
		return err
	}
	found, err := a.catalog(c)
	if err != nil {
		return err
	}
	d := found.Snapshot.Document(c.path["document"])
	if d == nil || d.Kind != l.kind {
		id := clip(c.path["document"], 128)
		return errs.New(errs.ReasonDocumentNotFound, fmt.Sprintf("the catalog serves no %.64q of id %q", l.kind, id), "kind", clip(string(l.kind), 64), "id", id)
	}
	if err := shape.check(found.Snapshot, l.kind); err != nil {
		return err
	}
	e := a.encoded.of(d)
	if l.more == nil && shape.whole() {
		return a.answerVersion(c, found, e.etag, func() ([]byte, error) { return e.line, nil })
	}
	object := a.wholeObject(found.Snapshot, d, l)
	if !shape.whole() {
		object = shape.of(object, func() []byte { return e.bodyHTML(d) })
	}
	line := append(slices.Clip(object), '\n')
	return a.answerVersion(c, found, documentTag(d, line), func() ([]byte, error) { return line, nil })
}

// wholeObject is a document on its own.
func (a *api) wholeObject(s *catalog.Snapshot, d *catalog.Document, l documentList) []byte {
	object := a.encoded.of(d).object
	if l.more != nil {
		object = slices.Concat(object[:len(object)-1], l.more(s, d), []byte{'}'})
	}
	return slices.Clip(object)
}
