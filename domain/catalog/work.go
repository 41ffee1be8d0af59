package catalog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Limits of the work that a schema makes. Whoever may write to a repository may write its schemas, and a few lines of JSON
// can ask for more steps than there are seconds in a year.
const (
	// maxSubschemas is how many maps and booleans, each of which may be a schema, a schema's file may hold: compiling it
	// compares each with all others. It is also how many of them may apply to one value.
	maxSubschemas = 2000
	// maxApplied is how many subschemas may lead from one to the next at one value.
	maxApplied = MaxDepth
	// maxPattern is how long a regular expression may be, in bytes.
	maxPattern = 2000
	// maxPatternSize is how large all regular expressions of a schema may be together: the instructions that they take when
	// their repeats are written out, some 50 bytes of memory each.
	maxPatternSize = 20_000
	// maxSteps is the work of checking a document, a tenth of a second at most: a step is to apply a subschema to a value, or
	// what takes as long. Documents of 1 KiB take some hundreds.
	maxSteps = 250_000
)

// pattern is a regular expression of a schema.
type pattern struct {
	*regexp.Regexp
	size int
}

// steps is the work of matching a text of a length.
func (p *pattern) steps(length int) int { return 1 + length*p.size/10 }

// patterns compiles the regular expressions of a schema, each once, within the limits.
type patterns struct {
	// known is nil once the schema is compiled: from then on, several readers check at once whether texts of documents are
	// regular expressions.
	known map[string]*pattern
	size  int
	// refused is the first that is beyond a limit, and why it is.
	refused string
	why     error
}

func (p *patterns) compile(text string) (jsonschema.Regexp, error) {
	if known := p.known[text]; known != nil {
		return known, nil
	}
	if p.known == nil {
		return compilePattern(text, maxPatternSize)
	}
	compiled, err := compilePattern(text, maxPatternSize-p.size)
	if err != nil {
		if p.why == nil {
			p.refused, p.why = text, err
		}
		return nil, err
	}
	p.size += compiled.size
	p.known[text] = compiled
	return compiled, nil
}

func compilePattern(text string, most int) (*pattern, error) {
	size, err := patternSize(text)
	if err != nil {
		return nil, err
	}
	if size > most {
		return nil, fmt.Errorf("with their repeats written out, the patterns of a schema may take %d instructions: use shorter repeats, or minLength and maxLength", maxPatternSize)
	}
	compiled, err := regexp.Compile(text)
	return &pattern{compiled, size}, err
}

// patternSize is about how many instructions a regular expression takes.
func patternSize(text string) (int, error) {
	if len(text) > maxPattern {
		return 0, fmt.Errorf("the pattern is longer than %d bytes: split it, such as by allOf", maxPattern)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0, err
	}
	return sizeOf(parsed), nil
}

func sizeOf(re *syntax.Regexp) int {
	size := 0
	for _, sub := range re.Sub {
		size += sizeOf(sub)
	}
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass:
		return 1 + len(re.Rune)/16 // one instruction that has the ranges
	case syntax.OpRepeat:
		times := re.Max
		if times < 0 {
			times = re.Min + 1
		}
		return (size + 1) * max(times, 1)
	case syntax.OpConcat:
		return size
	case syntax.OpAlternate:
		return size + len(re.Sub)
	}
	return size + 2
}

// subschema is a part of a compiled schema, and what it applies to a value.
type subschema struct {
	*jsonschema.Schema
	// cost is the steps of applying it, besides those that depend on the value.
	cost int
	// same apply to the same value. So does condition, and then the first of consequences or else the second; each may be nil.
	same         []*subschema
	condition    *subschema
	consequences [2]*subschema

	properties        map[string]*subschema
	patternProperties map[*pattern]*subschema
	// otherProperties is for those that neither of the two is for, names for the names.
	otherProperties, names *subschema

	// prefix are for the first items, otherItems for the rest, contains for all.
	prefix               []*subschema
	otherItems, contains *subschema

	// applied is how many apply to one value at most, itself included; 0 is not known yet. depth is how many of them lead
	// from one to the next.
	applied, depth int
	// applying reports that it is being found what applies to one value.
	applying bool
}

// parts gathers the parts of a compiled schema.
type parts map[*jsonschema.Schema]*subschema

func (p parts) of(s *jsonschema.Schema) *subschema {
	if s == nil || p[s] != nil {
		return p[s]
	}
	sub := &subschema{Schema: s, cost: literals(s)}
	p[s] = sub
	if s.DynamicRef != nil {
		sub.same = p.all(s.DynamicRef.Ref)
	}
	sub.same = append(sub.same, p.all(s.Ref, s.RecursiveRef, s.Not)...)
	sub.same = append(sub.same, p.all(slices.Concat(s.AllOf, s.AnyOf, s.OneOf)...)...)
	for _, name := range slices.Sorted(maps.Keys(s.Dependencies)) {
		if dependent, ok := s.Dependencies[name].(*jsonschema.Schema); ok {
			sub.same = append(sub.same, p.of(dependent))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.DependentSchemas)) {
		sub.same = append(sub.same, p.of(s.DependentSchemas[name]))
	}
	sub.condition, sub.consequences = p.of(s.If), [2]*subschema{p.of(s.Then), p.of(s.Else)}
	p.ofMap(sub)
	p.ofList(sub)
	return sub
}

func (p parts) all(all ...*jsonschema.Schema) []*subschema {
	var subs []*subschema
	for _, s := range all {
		if s != nil {
			subs = append(subs, p.of(s))
		}
	}
	return subs
}

func (p parts) ofMap(sub *subschema) {
	s := sub.Schema
	if len(s.Properties) > 0 {
		sub.properties = make(map[string]*subschema, len(s.Properties))
	}
	for name, property := range s.Properties {
		sub.properties[name] = p.of(property)
	}
	if len(s.PatternProperties) > 0 {
		sub.patternProperties = make(map[*pattern]*subschema, len(s.PatternProperties))
	}
	for name, property := range s.PatternProperties {
		sub.patternProperties[name.(*pattern)] = p.of(property)
	}
	switch other := s.AdditionalProperties.(type) {
	case *jsonschema.Schema:
		sub.otherProperties = p.of(other)
	case nil:
		sub.otherProperties = p.of(s.UnevaluatedProperties)
	}
	sub.names = p.of(s.PropertyNames)
}

func (p parts) ofList(sub *subschema) {
	s := sub.Schema
	sub.prefix, sub.otherItems, sub.contains = p.all(s.PrefixItems...), p.of(s.Items2020), p.of(s.Contains)
	switch items := s.Items.(type) { // up to draft 2019-09
	case *jsonschema.Schema:
		sub.otherItems = p.of(items)
	case []*jsonschema.Schema:
		sub.prefix = p.all(items...)
	}
	if other, ok := s.AdditionalItems.(*jsonschema.Schema); ok && sub.otherItems == nil {
		sub.otherItems = p.of(other)
	}
	if s.AdditionalItems == nil && sub.otherItems == nil {
		sub.otherItems = p.of(s.UnevaluatedItems)
	}
}

// literals is the steps of comparing a value with what the schema itself holds.
func literals(s *jsonschema.Schema) int {
	cost := len(s.Required)
	for _, names := range s.DependentRequired {
		cost += len(names)
	}
	for _, names := range s.Dependencies {
		if names, ok := names.([]string); ok {
			cost += len(names)
		}
	}
	if s.Enum != nil {
		cost += weight(s.Enum.Values)
	}
	if s.Const != nil {
		cost += weight(*s.Const)
	}
	for _, n := range []*big.Rat{s.Maximum, s.Minimum, s.ExclusiveMaximum, s.ExclusiveMinimum, s.MultipleOf} {
		if n != nil {
			cost += 1 + (n.Num().BitLen()+n.Denom().BitLen())/64
		}
	}
	return cost
}

// weight is the steps of going through a value once.
func weight(v any) int {
	steps := 1
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			steps += len(name)/64 + weight(value)
		}
	case []any:
		for _, item := range v {
			steps += weight(item)
		}
	case string:
		steps += len(v) / 64
	case json.Number:
		steps += digits(v) / 8
	}
	return steps
}

// digits is about how many a number has when it is written out.
func digits(n json.Number) int {
	mantissa, exponent := string(n), 0
	if i := strings.IndexAny(mantissa, "eE"); i >= 0 {
		exponent, _ = strconv.Atoi(mantissa[i+1:])
		mantissa = mantissa[:i]
	}
	return len(mantissa) + max(exponent, -exponent)
}

// excess is a part of a schema that is beyond a limit, and what to do about it.
type excess struct {
	*subschema
	why string
}

// plan finds what each part of a compiled schema applies to a value, and the first part by its place that is too much.
func plan(compiled *jsonschema.Schema) (*subschema, *excess) {
	p := parts{}
	root := p.of(compiled)
	all := slices.SortedFunc(maps.Values(p), func(a, b *subschema) int { return cmp.Compare(a.Location, b.Location) })
	for _, sub := range all {
		switch {
		case sub.RecursiveRef != nil && sub.RecursiveRef.RecursiveAnchor,
			sub.DynamicRef != nil && sub.DynamicRef.Anchor != "" && sub.DynamicRef.Ref.DynamicAnchor == sub.DynamicRef.Anchor:
			return nil, &excess{sub, "references that lead elsewhere depending on the way to them are not taken: use $ref, and $anchor"}
		case !sub.resolve():
			return nil, &excess{sub, "the subschema leads back to itself at the same value: refer to it below properties or items alone"}
		case sub.applied > maxSubschemas:
			return nil, &excess{sub, fmt.Sprintf("more than %d subschemas apply to one value: refer to each less often", maxSubschemas)}
		case sub.depth > maxApplied:
			return nil, &excess{sub, fmt.Sprintf("more than %d subschemas lead from one to the next at one value: refer to the last of them", maxApplied)}
		}
	}
	return root, nil
}

// resolve finds out how many subschemas apply to one value. It fails if one leads back to itself.
func (s *subschema) resolve() bool {
	if s.applied > 0 || s.applying {
		return !s.applying
	}
	s.applying = true
	applied, depth := 1, 0
	for _, next := range slices.Concat(s.same, []*subschema{s.condition}, s.consequences[:]) {
		if next == nil {
			continue
		}
		if !next.resolve() {
			return false // for good: the schema is refused
		}
		applied, depth = min(applied+next.applied, maxSubschemas+1), max(depth, next.depth)
	}
	s.applied, s.depth, s.applying = applied, depth+1, false
	return true
}

// affords reports whether a value can be checked within the limit. It goes through the same subschemas and values as the
// check does, or more, and does nothing but count; only of conditions it has to know whether they hold.
func (s *subschema) affords(value any) bool {
	m := meter{left: maxSteps}
	m.apply(s, value, 1, 1)
	return m.left >= 0
}

// meter counts the steps of checking a document.
type meter struct {
	// left is what may still be spent, less than 0 when it is over; spent is what the check takes.
	left, spent int
}

// spend counts steps of the check. It reports whether there is anything left.
func (m *meter) spend(steps int) bool {
	m.left -= steps
	m.spent += steps
	return m.left >= 0
}

// apply counts a subschema at a value that depth values lead to, the applied-th of those that lead from one to the next.
func (m *meter) apply(s *subschema, value any, applied, depth int) {
	// The check looks back at those applied, and tells the way to the value of each failure.
	if !m.spend(1+s.cost+applied+depth/4) || s.Bool != nil {
		return
	}
	switch v := value.(type) {
	case map[string]any:
		m.applyMap(s, v, depth+1)
	case []any:
		m.applyList(s, v, depth+1)
	case string:
		m.applyText(s, v)
	case json.Number:
		m.spend(digits(v) / 8)
	}
	for _, next := range s.same {
		m.apply(next, value, applied+1, depth)
	}
	if s.condition != nil {
		m.applyCondition(s, value, applied+1, depth)
	}
}

func (m *meter) applyCondition(s *subschema, value any, applied, depth int) {
	before := m.spent
	m.apply(s.condition, value, applied, depth)
	if m.left -= m.spent - before; m.left < 0 { // it is checked here as well
		return
	}
	consequence := s.consequences[0]
	if s.condition.Validate(value) != nil {
		consequence = s.consequences[1]
	}
	if consequence != nil {
		m.apply(consequence, value, applied, depth)
	}
}

func (m *meter) applyMap(s *subschema, v map[string]any, depth int) {
	m.spend(len(v))
	for name, value := range v {
		property, found := s.properties[name]
		if found {
			m.apply(property, value, 1, depth)
		}
		for p, property := range s.patternProperties {
			if !m.spend(p.steps(len(name))) {
				return
			}
			if p.MatchString(name) {
				found = true
				m.apply(property, value, 1, depth)
			}
		}
		if !found && s.otherProperties != nil {
			m.apply(s.otherProperties, value, 1, depth)
		}
		if s.names != nil {
			m.apply(s.names, name, 1, depth)
		}
		if m.left < 0 {
			return
		}
	}
}

func (m *meter) applyList(s *subschema, v []any, depth int) {
	m.spend(len(v))
	if s.UniqueItems {
		times := 1
		if len(v) <= 20 {
			times = len(v) // each is compared with all others
		}
		m.spend(times * weight(v))
	}
	for i, item := range v {
		switch {
		case m.left < 0:
			return
		case i < len(s.prefix):
			m.apply(s.prefix[i], item, 1, depth)
		case s.otherItems != nil:
			m.apply(s.otherItems, item, 1, depth)
		}
		if s.contains != nil {
			m.apply(s.contains, item, 1, depth)
		}
	}
}

func (m *meter) applyText(s *subschema, v string) {
	m.spend(len(v) / 64)
	if p, ok := s.Pattern.(*pattern); ok {
		m.spend(p.steps(len(v)))
	}
	if s.Format == nil {
		return
	}
	m.spend(len(v) / 8)
	if s.Format.Name == "regex" {
		size, _ := patternSize(v) // the format refuses what is too long
		m.spend(min(size, maxPatternSize))
	}
}
