package graphqlapi

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/page"
)

// Limits of a query. What it takes in the answer is limited besides, by [maxAnswer].
const (
	// maxQuery is the largest document, in bytes, and maxTokens the most words and signs of it.
	maxQuery  = 15 << 10
	maxTokens = 5000
	// maxSelections is the most fields and fragments in the text: the validation compares each with all others.
	maxSelections = 500
	// maxAliases is the most fields with another name.
	maxAliases = 100
	// maxDepth is how deep fields may lie in each other. What is below __schema and __type has a limit of the validation.
	maxDepth = 10
	// maxCost is the most that an operation may cost.
	maxCost = 1000
)

// What fields cost: an object 1, a plain value nothing, and each what is below it. A page costs as if it were full.
const (
	// costOfCall is that of what asks the store, which all fields of a query do and catalog does anywhere.
	costOfCall = 20
	// costOfChange is that of a mutation.
	costOfChange = 50
	// costOfListing is that of a listing besides its items, costOfScan what it costs more if all documents of a kind are looked at, and
	// costOfPart if those of a category or a collection are.
	costOfListing = 10
	costOfScan    = 60
	costOfPart    = 20
	// itemsOfList is how many items a list of objects without pages is taken to have, if they cost more than themselves.
	itemsOfList = 10
	// typesPerCost is how many objects of an introspection cost 1: what tools ask for to know the schema costs about half of what is allowed.
	typesPerCost = 100
)

// dear are plain values that take as much work as an object.
var dear = map[string]bool{"bodyHtml": true, "fields": true}

// measure walks through a document once, however often fragments lead to the same place.
type measure struct {
	fragments           ast.FragmentDefinitionList
	selections, aliases int
	depths              map[string]int
	// malformed is why a value that is written in the document cannot be read.
	malformed error
	variables map[string]any
	costs     map[costKey]int
}

type costKey struct {
	fragment string
	size     int
}

// checkShape holds a document that was not validated yet to the limits.
func checkShape(doc *ast.QueryDocument) error {
	m := measure{fragments: doc.Fragments, depths: map[string]int{}}
	for _, f := range doc.Fragments {
		m.look(f.SelectionSet)
	}
	deepest := 0
	for _, op := range doc.Operations {
		m.look(op.SelectionSet)
		deepest = max(deepest, m.depth(op.SelectionSet))
	}
	switch {
	case m.selections > maxSelections:
		return tooComplex("the query has %d fields and fragments, at most %d are taken: ask several times", m.selections, maxSelections)
	case m.aliases > maxAliases:
		return tooComplex("the query has %d aliases, at most %d are taken: ask several times", m.aliases, maxAliases)
	case m.malformed != nil:
		return m.malformed
	case deepest > maxDepth:
		return tooComplex("the fields of the query lie %d deep in each other, at most %d levels are taken: ask several times", deepest, maxDepth)
	}
	return nil
}

func tooComplex(format string, args ...any) error {
	return errs.InvalidField(errs.ReasonQueryTooComplex, "query", format, args...)
}

// look counts what is in the text, and reads the values.
func (m *measure) look(set ast.SelectionSet) {
	for _, selection := range set {
		m.selections++
		switch s := selection.(type) {
		case *ast.Field:
			if s.Alias != s.Name {
				m.aliases++
			}
			for _, a := range s.Arguments {
				m.read(a.Value)
			}
			m.look(s.SelectionSet)
		case *ast.InlineFragment:
			m.look(s.SelectionSet)
		}
	}
}

// depth is how many levels of fields there are.
func (m *measure) depth(set ast.SelectionSet) (deepest int) {
	for _, selection := range set {
		below := 0
		switch s := selection.(type) {
		case *ast.Field:
			if below = 1; s.Name != "__schema" && s.Name != "__type" {
				below += m.depth(s.SelectionSet)
			}
		case *ast.InlineFragment:
			below = m.depth(s.SelectionSet)
		case *ast.FragmentSpread:
			below = m.depthOfFragment(s.Name)
		}
		deepest = max(deepest, below)
	}
	return deepest
}

func (m *measure) depthOfFragment(name string) int {
	f := m.fragments.ForName(name)
	if depth, known := m.depths[name]; known || f == nil {
		return depth
	}
	m.depths[name] = 0 // one that leads to itself is refused later
	m.depths[name] = m.depth(f.SelectionSet)
	return m.depths[name]
}

// read finds numbers that cannot be read: later nobody expects them.
func (m *measure) read(v *ast.Value) {
	for _, child := range v.Children {
		m.read(child.Value)
	}
	if v.Kind != ast.IntValue && v.Kind != ast.FloatValue {
		return
	}
	if _, err := v.Value(nil); err != nil {
		m.malformed = errs.InvalidField(errs.ReasonInvalidArgument, "query", "the number %.40s cannot be read: it has to fit 64 bits", v.Raw)
	}
}

// checkCost holds an operation that is valid to the limit.
func checkCost(doc *ast.QueryDocument, op *ast.OperationDefinition, variables map[string]any) error {
	m := measure{fragments: doc.Fragments, variables: variables, costs: map[costKey]int{}}
	if cost := m.cost(op.SelectionSet, 0); cost > maxCost {
		return tooComplex("the query costs %d, at most %d are taken: ask for fewer by first, or for less of each", cost, maxCost)
	}
	return nil
}

// cost is that of fields; size is how many items the page has that they are of.
func (m *measure) cost(set ast.SelectionSet, size int) (sum int) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			sum += m.costOf(s, size)
		case *ast.InlineFragment:
			sum += m.cost(s.SelectionSet, size)
		case *ast.FragmentSpread:
			key := costKey{s.Name, size}
			cost, known := m.costs[key]
			if !known {
				cost = m.cost(m.fragments.ForName(s.Name).SelectionSet, size)
				m.costs[key] = cost
			}
			sum += cost
		}
	}
	return min(sum, 1<<40)
}

func (m *measure) costOf(f *ast.Field, size int) int {
	named := f.Definition.Type.Name()
	isList := f.Definition.Type.Elem != nil
	switch of := f.ObjectDefinition.Name; {
	case f.Name == "__schema" || f.Name == "__type":
		return 1 + m.cost(f.SelectionSet, 0)/typesPerCost
	case strings.HasPrefix(of, "__"):
		return m.costOfTypes(f, isList)
	case strings.HasSuffix(named, "Connection"):
		return costOfRoot(of) + costOfListing + m.costOfScan(f, named) + m.cost(f.SelectionSet, m.pageSize(f))
	case strings.HasSuffix(of, "Connection") && isList:
		return size * (1 + m.cost(f.SelectionSet, 0))
	case strings.HasSuffix(of, "Edge") && len(f.SelectionSet) > 0, named == "PageInfo":
		return m.cost(f.SelectionSet, 0)
	case len(f.SelectionSet) == 0 && !dear[f.Name]:
		return 0
	case isList:
		return 1 + itemsOfList*m.cost(f.SelectionSet, 0)
	default:
		own := costOfRoot(of)
		if own == 0 && named == "Catalog" {
			own = costOfCall
		}
		return max(own, 1) + m.cost(f.SelectionSet, 0)
	}
}

func costOfRoot(object string) int {
	switch object {
	case "Query":
		return costOfCall
	case "Mutation":
		return costOfChange
	}
	return 0
}

// listsOfTypes is how long the lists of an introspection are taken to be.
var listsOfTypes = map[string]int{"types": 70, "fields": 10, "inputFields": 8, "args": 4}

func (m *measure) costOfTypes(f *ast.Field, isList bool) int {
	items := 1
	switch {
	case len(f.SelectionSet) == 0:
		return 0
	case isList:
		if items = listsOfTypes[f.Name]; items == 0 {
			items = 5
		}
	}
	return items * (1 + m.cost(f.SelectionSet, 0))
}

// keys are what of a filter leaves one document at most, and parts what leaves those of an index.
var (
	keys  = map[string]bool{"documentId": true, "sku": true, "slug": true}
	parts = map[string]bool{"category": true, "collection": true, "parent": true}
)

// costOfScan is that of the documents that a listing looks at to find those that it selects, and their order.
func (m *measure) costOfScan(f *ast.Field, connection string) int {
	arguments := f.ArgumentMap(m.variables)
	filter, _ := arguments["filter"].(map[string]any)
	selects, part := says(arguments["orderBy"]), f.ObjectDefinition.Name != "Catalog"
	for name, value := range filter {
		switch {
		case !says(value):
		case keys[name]:
			return 0
		case parts[name]:
			part = true
		default:
			selects = true
		}
	}
	switch {
	case connection == "ProblemConnection", connection == "DocumentDiffConnection", arguments["tree"] == true:
		return costOfScan
	case selects && part:
		return costOfPart
	case selects:
		return costOfScan
	}
	return 0
}

// says reports whether an argument is given, and is no empty list. One item is as good as a list of it.
func says(value any) bool {
	list, isList := value.([]any)
	return value != nil && (!isList || len(list) > 0)
}

// pageSize is how many items the field asks for.
func (m *measure) pageSize(f *ast.Field) int {
	first, given := f.ArgumentMap(m.variables)["first"].(int64)
	if !given || first < 0 {
		return page.DefaultSize
	}
	return int(min(first, page.MaxSize))
}
