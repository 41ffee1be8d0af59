package catalog

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// Query selects documents of one kind and orders them. All that is given has to hold.
type Query struct {
	Kind Kind
	// ID, SKU and Slug select the one document that has them; nil is any.
	ID, SKU, Slug *string
	// Category keeps the products right in the category of this id; nil is any.
	Category *string
	// CategoryTree keeps the products in the category of this id or anywhere below it; nil is any.
	CategoryTree *string
	// Collection keeps the products of the collection of this id; nil is any.
	Collection *string
	// Parent keeps the categories right below the one of this id, the roots for ""; nil is any.
	Parent *string
	// Status and InventoryStatus keep products with one of these; none is any.
	Status, InventoryStatus []string
	// Currency keeps products with a price in it; "" is any.
	Currency string
	// PriceMin and PriceMax keep products whose price, in whatever currency, is at least and at most this decimal number;
	// "" is any.
	PriceMin, PriceMax string
	// Tags keep products that have all of these.
	Tags []string
	// Text keeps documents that hold each of its words, anywhere in id, slug, sku, title, tags or body, without regard to
	// the case of letters and to how Unicode composes them; "" is any.
	Text string
	// Where are conditions on fields.
	Where []FieldCondition
	// Sort orders the documents. Without it products of a collection are in its order, categories below a parent by their
	// position, and all others by the bytes of their ids. What is equal is ordered by id.
	Sort []FieldOrder
}

// FieldCondition compares a field of documents with a value. A field that is a list holds for any of its items.
type FieldCondition struct {
	// Field is one of [Snapshot.Fields].
	Field    string
	Operator Operator
	// Value is a number if it is written as one, such as 250, -1.5 or 1e3: it is then compared by its value with numbers and,
	// for what is less or greater, with texts that are plain decimal numbers, and with no other text. [Equal] and [NotEqual] take
	// texts as they are written, but for the price of a product, which is a decimal number whatever zeros it has. Any other value
	// is text, which is compared with texts by its bytes; no price is less or greater than a text, and a query for it is refused.
	Value string
}

// isPriceOf reports whether the field is the price of a product.
func (c *FieldCondition) isPriceOf(kind Kind) bool { return kind == KindProduct && c.Field == "price" }

// Operator says how a field is compared.
type Operator string

// The operators.
const (
	Equal Operator = "="
	// NotEqual also holds for documents without the field.
	NotEqual       Operator = "!="
	Less           Operator = "<"
	LessOrEqual    Operator = "<="
	Greater        Operator = ">"
	GreaterOrEqual Operator = ">="
)

// ParseFieldCondition reads a condition such as "supplier.name=Ada" or "attributes.capacity_ml >= 250". White space around the
// field and one blank in front of the value are left out, so that a value which begins with one of = < > can be told from an
// operator. It fails with INVALID_ARGUMENT.
func ParseFieldCondition(text string) (FieldCondition, error) {
	i := max(strings.IndexAny(text, "=!<>"), 0)
	field := strings.TrimSpace(text[:i])
	if field == "" {
		return FieldCondition{}, invalidCondition(text)
	}
	for _, op := range []Operator{NotEqual, LessOrEqual, GreaterOrEqual, Equal, Less, Greater} {
		value, ok := strings.CutPrefix(text[i:], string(op))
		switch {
		case !ok:
		case strings.HasPrefix(value, "=") || strings.HasPrefix(value, "<") || strings.HasPrefix(value, ">"):
			return FieldCondition{}, errs.InvalidField(errs.ReasonInvalidArgument, "filter",
				"the filter %q has no operator that is known: use one of = != < <= > >=, and a blank in front of a value that begins with one of = < >", clip(text))
		default:
			return FieldCondition{Field: field, Operator: op, Value: strings.TrimPrefix(value, " ")}, nil
		}
	}
	return FieldCondition{}, invalidCondition(text)
}

func invalidCondition(text string) error {
	return errs.InvalidField(errs.ReasonInvalidArgument, "filter",
		"the filter %q is no condition: write a field, one of = != < <= > >=, and a value, such as supplier.name=Ada", clip(text))
}

// FieldOrder orders documents by a field; those without it are last. Numbers, and texts that are plain decimal numbers, are
// by their value and before other texts, which are by their bytes. Of a list the first item counts.
type FieldOrder struct {
	// Field is one of [Snapshot.Fields].
	Field      string
	Descending bool
}

// ParseFieldOrders reads fields with commas between them, each with a "-" in front to turn it round, such as
// "-price,title". It fails with INVALID_ARGUMENT.
func ParseFieldOrders(text string) ([]FieldOrder, error) {
	var all []FieldOrder
	for part := range strings.SplitSeq(text, ",") {
		name, descending := strings.CutPrefix(part, "-")
		if name == "" {
			return nil, errs.InvalidField(errs.ReasonInvalidArgument, "sort", "the order %q has a part without a field: write fields with commas between them, such as -price,title", clip(text))
		}
		all = append(all, FieldOrder{name, descending})
	}
	return all, nil
}

// Limits of a query.
const (
	// MaxConditions is the most conditions on fields, tags, states and words that a query may have, of each.
	MaxConditions = 50
	// MaxOrders is the most fields to order by.
	MaxOrders = 8
)

// ByID reports whether the documents come ordered by their ids, so that a listing can go on behind one.
func (q *Query) ByID() bool { return len(q.Sort) == 0 && q.Collection == nil && q.Parent == nil }

// Find yields the documents that a query selects, in its order. If that is by id, those up to the id after are left out;
// "" begins with the first. It fails with INVALID_ARGUMENT for a value that is none, for a kind that is not known and for fields that no document has. When
// the context ends, the last pair that it yields has CANCELED or DEADLINE_EXCEEDED.
func (s *Snapshot) Find(ctx context.Context, q Query, after string) (iter.Seq2[*Document, error], error) {
	if err := q.check(s); err != nil {
		return nil, err
	}
	found := &search{Query: q, snapshot: s, words: strings.Fields(fold(q.Text))}
	for _, c := range q.Where {
		n, isNumber := literal(c.Value)
		found.conditions = append(found.conditions, condition{FieldCondition: c, number: n, isNumber: isNumber, isPrice: c.isPriceOf(q.Kind)})
	}
	if q.CategoryTree != nil {
		found.categories = map[string]bool{*q.CategoryTree: true}
		for c := range s.Descendants(*q.CategoryTree) {
			found.categories[c.ID] = true
		}
	}
	matches := found.matches(ctx, after)
	if len(q.Sort) == 0 {
		return matches, nil
	}
	return s.sorted(q, matches), nil
}

func (q *Query) check(s *Snapshot) error {
	if !s.Knows(q.Kind) {
		return s.unknownKind(q.Kind)
	}
	for _, list := range []struct {
		name string
		n    int
	}{{"filter", len(q.Where)}, {"tag", len(q.Tags)}, {"status", len(q.Status)}, {"inventory_status", len(q.InventoryStatus)}, {"q", len(strings.Fields(q.Text))}} {
		if list.n > MaxConditions {
			return errs.InvalidField(errs.ReasonInvalidArgument, list.name, "%s has more than %d values or words: give fewer", list.name, MaxConditions)
		}
	}
	if len(q.Sort) > MaxOrders {
		return errs.InvalidField(errs.ReasonInvalidArgument, "sort", "sort has more than %d fields: give fewer", MaxOrders)
	}
	for _, price := range []struct{ name, amount string }{{"price_min", q.PriceMin}, {"price_max", q.PriceMax}} {
		if price.amount != "" && !decimalPattern.MatchString(price.amount) {
			return errs.InvalidField(errs.ReasonInvalidArgument, price.name, "%s %s", price.name, noAmount(price.amount))
		}
	}
	for _, c := range q.Where {
		if !s.hasField(q.Kind, c.Field) {
			return s.unknownField(q.Kind, "filter", c.Field)
		}
		ordered, isNumber := c.Operator != Equal && c.Operator != NotEqual, numberPattern.MatchString(c.Value)
		if ordered && !isNumber && c.isPriceOf(q.Kind) {
			return errs.InvalidField(errs.ReasonInvalidArgument, "filter",
				"%q is no number to compare the price with: give one such as 13.50, without currency, blanks or commas", clip(c.Value))
		}
		if ordered && isNumber && !isBoundedNumber(c.Value) {
			return errs.InvalidField(errs.ReasonInvalidArgument, "filter", "the number in the filter of %q has more than %d characters or an exponent beyond %d", clip(c.Field), maxDigits, maxExponent)
		}
	}
	for _, o := range q.Sort {
		if !s.hasField(q.Kind, o.Field) {
			return s.unknownField(q.Kind, "sort", o.Field)
		}
	}
	return nil
}

// maxListed is how many known fields or kinds are told to whoever names an unknown one.
const maxListed = 100

// unknownField tells the fields that there are, those of the kind itself first, and the one that was probably meant.
func (s *Snapshot) unknownField(kind Kind, parameter, name string) error {
	own := ownFields(kind)
	known := slices.Clone(own)
	for _, n := range s.Fields(kind) {
		if !slices.Contains(own, n) {
			known = append(known, n)
		}
	}
	return errs.InvalidField(errs.ReasonInvalidArgument, parameter, "no %s has a field %q%s", clip(string(kind)), clip(name), thereAre(known, name))
}

// unknownKind tells the kinds that there are, those that every catalog has first, and the one that was probably meant.
func (s *Snapshot) unknownKind(kind Kind) error {
	known := []string{string(KindProduct), string(KindCategory), string(KindCollection)}
	for _, own := range slices.Sorted(maps.Keys(s.schemas)) {
		if !isBuiltIn(own) {
			known = append(known, string(own))
		}
	}
	return errs.InvalidField(errs.ReasonInvalidArgument, "kind", "the kind %q is neither built in nor has it a schema%s", clip(string(kind)), thereAre(known, string(kind)))
}

// thereAre lists the names that are known, and the one that was probably meant.
func thereAre(known []string, name string) string {
	meant, listed, more := "", known, ""
	if i := slices.IndexFunc(known, func(n string) bool { return isSlip(name, n) }); i >= 0 {
		meant = fmt.Sprintf(", is it %q", clip(known[i]))
	}
	if len(known) > maxListed {
		listed, more = known[:maxListed], fmt.Sprintf(" and %d more", len(known)-maxListed)
	}
	names := make([]string, len(listed))
	for i, n := range listed {
		names[i] = clip(n)
	}
	return fmt.Sprintf("%s: there are %s%s", meant, strings.Join(names, ", "), more)
}

// isSlip reports whether one name becomes the other when one byte is put in, left out or changed, or two are swapped, without regard to
// the case of letters.
func isSlip(a, b string) bool {
	if len(a) < 3 || len(a)-len(b) > 1 || len(b)-len(a) > 1 {
		return false
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a) <= 1 && len(b) <= 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}

// search is a query under way.
type search struct {
	Query
	snapshot *Snapshot
	// categories are the ids of the tree that products have to be in, nil if there is none.
	categories map[string]bool
	words      []string
	conditions []condition
}

// checkEvery is after how many documents the context is looked at.
const checkEvery = 64

// matches yields what is selected, in the order of the query but for its Sort.
func (f *search) matches(ctx context.Context, after string) iter.Seq2[*Document, error] {
	return func(yield func(*Document, error) bool) {
		seen := 0
		for d := range f.candidates(after) {
			if seen++; seen%checkEvery == 0 && ctx.Err() != nil {
				yield(nil, errs.From(ctx.Err()))
				return
			}
			if f.holds(d) && !yield(d, nil) {
				return
			}
		}
	}
}

// candidates yields what may be selected: no more of the catalog than the indexes leave.
func (f *search) candidates(after string) iter.Seq[*Document] {
	s := f.snapshot
	switch {
	case f.Collection != nil:
		return s.inCollectionOnce(*f.Collection)
	case f.Parent != nil:
		return s.Children(*f.Parent)
	case f.ID != nil:
		return behind(one(s.Document(*f.ID)), after)
	case f.SKU != nil:
		return behind(one(s.BySKU(*f.SKU)), after)
	case f.Slug != nil:
		return behind(one(s.BySlug(f.Kind, *f.Slug)), after)
	case f.Category != nil:
		return behind(s.InCategory(*f.Category), after)
	}
	return s.List(f.Kind, after)
}

func one(d *Document) iter.Seq[*Document] {
	return func(yield func(*Document) bool) {
		if d != nil {
			yield(d)
		}
	}
}

func behind(seq iter.Seq[*Document], after string) iter.Seq[*Document] {
	return func(yield func(*Document) bool) {
		for d := range seq {
			if d.ID > after && !yield(d) {
				return
			}
		}
	}
}

// inCollectionOnce yields the products of a collection, each where it is first named.
func (s *Snapshot) inCollectionOnce(id string) iter.Seq[*Document] {
	return func(yield func(*Document) bool) {
		c := s.Document(id)
		if c == nil || c.Collection == nil {
			return
		}
		seen := map[*Document]bool{}
		for d := range s.InCollection(c) {
			if !seen[d] && !yield(d) {
				return
			}
			seen[d] = true
		}
	}
}

// holds reports whether a document is selected.
func (f *search) holds(d *Document) bool {
	if d.Kind != f.Kind || f.ID != nil && d.ID != *f.ID || f.Slug != nil && d.Slug != *f.Slug || !f.holdsAsProduct(d.Product) || !f.holdsAsCategory(d.Category) {
		return false
	}
	for i := range f.conditions {
		if !f.conditions[i].holds(d) {
			return false
		}
	}
	for _, word := range f.words {
		if !strings.Contains(d.searched(), word) {
			return false
		}
	}
	return true
}

func (f *search) holdsAsCategory(c *Category) bool {
	return f.Parent == nil || c != nil && c.Parent == *f.Parent
}

func (f *search) holdsAsProduct(p *Product) bool {
	if p == nil {
		return !f.asksForProducts()
	}
	for _, tag := range f.Tags {
		if !slices.Contains(p.Tags, tag) {
			return false
		}
	}
	return (f.SKU == nil || p.SKU == *f.SKU) &&
		(f.Category == nil || p.Category == *f.Category) &&
		(f.categories == nil || f.categories[p.Category]) &&
		(len(f.Status) == 0 || slices.Contains(f.Status, p.Status)) &&
		(len(f.InventoryStatus) == 0 || slices.Contains(f.InventoryStatus, p.InventoryStatus)) &&
		(f.Currency == "" || p.Currency == f.Currency) &&
		(f.PriceMin == "" || compareAmounts(p.Price, f.PriceMin) >= 0) &&
		(f.PriceMax == "" || compareAmounts(p.Price, f.PriceMax) <= 0)
}

// asksForProducts reports whether something is asked for that only products have.
func (f *search) asksForProducts() bool {
	return f.SKU != nil || f.Category != nil || f.categories != nil || f.Currency != "" || f.PriceMin != "" || f.PriceMax != "" ||
		len(f.Tags)+len(f.Status)+len(f.InventoryStatus) > 0
}

// compareAmounts compares decimal numbers as [decimalPattern] has them.
func compareAmounts(a, b string) int {
	m, _ := plainNumber(a)
	n, _ := plainNumber(b)
	return m.compare(n)
}

// condition is a condition with its value as it is compared.
type condition struct {
	FieldCondition
	number   number
	isNumber bool
	// isPrice is one on the prices of products, which are decimal numbers though they are texts.
	isPrice bool
}

func (c *condition) holds(d *Document) bool {
	op, want := c.Operator, true
	if op == NotEqual {
		op, want = Equal, false
	}
	for _, v := range d.values {
		if v.field == c.Field && v.kind != valueNone && c.compares(v.value, op) {
			return want
		}
	}
	return !want
}

// compares reports whether a value of a document is so to that of the condition.
func (c *condition) compares(v value, op Operator) bool {
	byText := !c.isNumber || op == Equal && v.kind != valueNumber && !c.isPrice
	if byText && op == Equal {
		return v.text == c.Value
	}
	var order int
	if byText {
		if v.kind != valueText {
			return false
		}
		order = strings.Compare(v.text, c.Value)
	} else {
		own, isNumber := v.number()
		if !isNumber {
			return false
		}
		order = own.compare(c.number)
	}
	switch op {
	case Equal:
		return order == 0
	case Less:
		return order < 0
	case LessOrEqual:
		return order <= 0
	case Greater:
		return order > 0
	}
	return order >= 0
}

// sortKey is what a document is ordered by.
type sortKey struct {
	rank   int
	number number
	text   string
}

const (
	rankNumber = iota
	rankText
	rankMissing
)

func (o FieldOrder) key(d *Document) sortKey {
	for _, v := range d.values {
		if v.field != o.Field || v.kind == valueNone {
			continue
		}
		if n, ok := v.number(); ok {
			return sortKey{rank: rankNumber, number: n}
		}
		return sortKey{rank: rankText, text: v.text}
	}
	return sortKey{rank: rankMissing}
}

func (o FieldOrder) compare(a, b sortKey) int {
	order := cmp.Compare(a.rank, b.rank)
	switch {
	case a.rank == rankMissing || b.rank == rankMissing:
		return order
	case order == 0 && a.rank == rankNumber:
		order = a.number.compare(b.number)
	case order == 0:
		order = strings.Compare(a.text, b.text)
	}
	if o.Descending {
		return -order
	}
	return order
}

// sorted yields the matches in order, when they are asked for.
func (s *Snapshot) sorted(q Query, matches iter.Seq2[*Document, error]) iter.Seq2[*Document, error] {
	return func(yield func(*Document, error) bool) {
		key := q.key()
		all, known := s.orders.get(key)
		if !known {
			var err error
			if all, err = q.inOrder(matches); err != nil {
				yield(nil, err)
				return
			}
			s.orders.put(key, all)
		}
		for _, d := range all {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// knownOrders are what the last queries with a Sort found: the pages of a listing come one by one, and many ask for the same.
type knownOrders struct {
	mu sync.Mutex
	// entries are in the order of their last use, the latest last.
	entries []knownOrder
}

type knownOrder struct {
	key       string
	documents []*Document
}

// keptOrders is how many are kept, each of up to 8 bytes for each document of the catalog.
const keptOrders = 8

func (o *knownOrders) get(key string) ([]*Document, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.entries, func(e knownOrder) bool { return e.key == key })
	if i < 0 {
		return nil, false
	}
	e := o.entries[i]
	o.entries = append(slices.Delete(o.entries, i, i+1), e)
	return e.documents, true
}

func (o *knownOrders) put(key string, documents []*Document) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries = append(o.entries, knownOrder{key, documents})
	if len(o.entries) > keptOrders {
		o.entries = slices.Delete(o.entries, 0, 1)
	}
}

// key tells queries apart.
func (q *Query) key() string {
	text := func(s *string) []string {
		if s == nil {
			return nil
		}
		return []string{*s}
	}
	parts := [][]string{
		{string(q.Kind), q.Currency, q.PriceMin, q.PriceMax, q.Text},
		text(q.ID), text(q.SKU), text(q.Slug), text(q.Category), text(q.CategoryTree), text(q.Collection), text(q.Parent),
		q.Status, q.InventoryStatus, q.Tags,
	}
	for _, c := range q.Where {
		parts = append(parts, []string{c.Field, string(c.Operator), c.Value})
	}
	for _, o := range q.Sort {
		parts = append(parts, []string{o.Field, strconv.FormatBool(o.Descending)})
	}
	return fmt.Sprintf("%q", parts)
}

// sortedDocument is a document with what it is ordered by.
type sortedDocument struct {
	document *Document
	keys     []sortKey
}

func (q *Query) inOrder(matches iter.Seq2[*Document, error]) ([]*Document, error) {
	var all []sortedDocument
	for d, err := range matches {
		if err != nil {
			return nil, err
		}
		e := sortedDocument{d, make([]sortKey, len(q.Sort))}
		for i, o := range q.Sort {
			e.keys[i] = o.key(d)
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b sortedDocument) int {
		for i, o := range q.Sort {
			if order := o.compare(a.keys[i], b.keys[i]); order != 0 {
				return order
			}
		}
		return strings.Compare(a.document.ID, b.document.ID)
	})
	documents := make([]*Document, len(all))
	for i, e := range all {
		documents[i] = e.document
	}
	return documents, nil
}
