package catalog

import (
	"cmp"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"unique"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// fieldValue is one plain value of the fields of a document.
type fieldValue struct {
	// field leads to it: the keys with points between them, and those of lists left out.
	field string
	value
}

// value is a plain value as queries compare it.
type value struct {
	text string
	kind valueKind
}

type valueKind uint8

const (
	// valueNone is null, and that of an empty list or map.
	valueNone valueKind = iota
	valueText
	valueNumber
	valueBool
)

// flatten appends the plain values of fields in the order in which they are written.
func flatten(all []fieldValue, n *yaml.Node, field string) []fieldValue {
	switch {
	case len(n.Content) == 0 && n.Kind != yaml.ScalarNode:
		if field != "" {
			all = append(all, fieldValue{field: unique.Make(field).Value()})
		}
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			all = flatten(all, n.Content[i+1], join(field, n.Content[i].Value))
		}
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			all = flatten(all, item, field)
		}
	default:
		all = append(all, fieldValue{unique.Make(field).Value(), valueOf(n)})
	}
	return all
}

func valueOf(n *yaml.Node) value {
	switch v := plain(n).(type) {
	case nil:
		return value{}
	case bool:
		if v {
			return value{"true", valueBool}
		}
		return value{"false", valueBool}
	case json.Number:
		return value{string(v), valueNumber}
	}
	return value{n.Value, valueText}
}

// number is a number as queries compare it.
type number struct {
	// negative, whole and fraction are the digits of one without an exponent, whole without zeros in front and fraction without
	// zeros behind it.
	negative        bool
	whole, fraction string
	// exact is one with an exponent; nil for all others.
	exact *big.Rat
}

// maxPlainDigits is how many digits a text may have on either side of the point to be compared as a number.
const maxPlainDigits = 40

// number returns the value as a number, false if it is none, nor a text that is a plain decimal number.
func (v value) number() (number, bool) {
	if v.kind != valueNumber && v.kind != valueText {
		return number{}, false
	}
	if n, ok := plainNumber(v.text); ok {
		return n, v.kind == valueNumber || len(n.whole) <= maxPlainDigits && len(n.fraction) <= maxPlainDigits
	}
	if v.kind == valueText {
		return number{}, false
	}
	exact, ok := new(big.Rat).SetString(v.text)
	return number{exact: exact}, ok
}

// plainNumber reads digits with a point between them at most, and a minus in front.
func plainNumber(s string) (n number, ok bool) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || point && fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return n, false
	}
	n = number{negative: negative, whole: strings.TrimLeft(whole, "0"), fraction: strings.TrimRight(fraction, "0")}
	n.negative = negative && n.whole+n.fraction != ""
	return n, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func (n number) compare(m number) int {
	switch {
	case n.exact != nil || m.exact != nil:
		return n.rational().Cmp(m.rational())
	case n.negative != m.negative:
		if n.negative {
			return -1
		}
		return 1
	}
	order := cmp.Or(cmp.Compare(len(n.whole), len(m.whole)), strings.Compare(n.whole, m.whole), strings.Compare(n.fraction, m.fraction))
	if n.negative {
		return -order
	}
	return order
}

func (n number) rational() *big.Rat {
	if n.exact != nil {
		return n.exact
	}
	r, _ := new(big.Rat).SetString("0" + n.whole + "." + n.fraction + "0") // digits can be read
	if n.negative {
		r.Neg(r)
	}
	return r
}

// fold returns a text as searches compare it: without regard to the case of letters and to the several ways in which
// Unicode writes the same character.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
		}
	}
	return strings.ToLower(s)
}

// searched is the folded text of a document that searches look at.
func (d *Document) searched() string {
	if known := d.folded.Load(); known != nil {
		return *known
	}
	parts := []string{d.Title, d.ID, d.Slug}
	if d.Product != nil {
		parts = append(append(parts, d.Product.SKU), d.Product.Tags...)
	}
	text := fold(strings.Join(append(parts, d.Body), "\n"))
	d.folded.Store(&text)
	return text
}

// ownFields are the fields that a kind has by itself.
func ownFields(kind Kind) []string {
	switch kind {
	case KindProduct:
		return []string{"id", "slug", "title", "sku", "category", "price", "currency", "status", "inventory_status", "tags", "images.url", "images.alt", "links.title", "links.url"}
	case KindCategory:
		return []string{"id", "slug", "title", "parent", "position"}
	case KindCollection:
		return []string{"id", "slug", "title", "products"}
	}
	return []string{"id", "slug", "title"}
}

// Fields returns the names of the fields that documents of a kind have, sorted: those that the kind has by itself, those
// that its schema names, and those that some document has. A field in a map has the keys that lead to it with points
// between them, such as "supplier.name"; lists have no part in a name. The caller must not write to it.
func (s *Snapshot) Fields(kind Kind) []string {
	s.fields.Lock()
	defer s.fields.Unlock()
	if known, ok := s.fields.byKind[kind]; ok {
		return known
	}
	names := map[string]bool{}
	for _, name := range ownFields(kind) {
		names[name] = true
	}
	if schema := s.schemas[kind]; schema != nil {
		schema.name(names, "", maxNamed)
	}
	for d := range s.List(kind, "") {
		for _, v := range d.values {
			names[v.field] = true
		}
	}
	all := make([]string, 0, len(names))
	for name := range names {
		all = append(all, name)
	}
	slices.Sort(all)
	s.fields.byKind[kind] = all
	return all
}

// maxNamed is how deep the fields are looked for that a schema names.
const maxNamed = 4

// name adds the fields that a schema names.
func (s *subschema) name(names map[string]bool, field string, depth int) {
	if depth == 0 {
		return
	}
	for property, below := range s.properties {
		name := join(field, property)
		names[name] = true
		below.name(names, name, depth-1)
		if below.otherItems != nil {
			below.otherItems.name(names, name, depth-1)
		}
	}
}

// hasField reports whether documents of a kind have a field of the name, without looking at them if need not be.
func (s *Snapshot) hasField(kind Kind, name string) bool {
	if slices.Contains(ownFields(kind), name) {
		return true
	}
	_, found := slices.BinarySearch(s.Fields(kind), name)
	return found
}

// CheckOthers fails with INVALID_ARGUMENT for a name that is that of no field, nor of a map that fields lie in, which documents of
// a kind may have beside those of the kind itself. Names are those of [Snapshot.Fields].
func (s *Snapshot) CheckOthers(kind Kind, names []string) error {
	own := ownFields(kind)
	for _, name := range names {
		if name == "kind" || slices.Contains(own, name) {
			return errs.InvalidField(errs.ReasonInvalidArgument, "fields", "the field %q is a member of its own: leave out what is in front of it", name)
		}
		if !s.hasBelow(kind, name) {
			return s.unknownField(kind, "fields", name)
		}
	}
	return nil
}

// hasBelow reports whether documents of a kind have a field of the name, or one in a map of the name, that is not the kind's.
func (s *Snapshot) hasBelow(kind Kind, name string) bool {
	known, own := s.Fields(kind), ownFields(kind)
	if _, found := slices.BinarySearch(known, name); found {
		return true
	}
	at, _ := slices.BinarySearch(known, name+".")
	for ; at < len(known) && strings.HasPrefix(known[at], name+"."); at++ {
		if !slices.Contains(own, known[at]) {
			return true
		}
	}
	return false
}
