package graphqlapi

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

var (
	camelCase  = regexp.MustCompile(`^[a-z][A-Za-z0-9]*$`)
	pascalCase = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
	capitals   = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$`)
	sentence   = regexp.MustCompile(`(?s)^[A-Z].*\.$`)
)

// linter holds a schema to what its readers expect: the rules of graphql-schema-linter but those about the order of what is there, which
// follows the meaning here, and some of our own. What makes a schema none at all gqlparser refuses.
type linter struct {
	*ast.Schema
	found []string
}

// lint returns what is wrong with a schema.
func lint(s *ast.Schema) []string {
	l := linter{Schema: s}
	for d := range l.ours {
		l.definition(d)
		l.relay(d)
	}
	for name, d := range s.Directives {
		if d.Position != nil && !d.Position.Src.BuiltIn {
			l.check(camelCase.MatchString(name), "the directive %s is not in camelCase", name)
			l.described("@"+name, d.Description)
		}
	}
	l.used()
	slices.Sort(l.found)
	return l.found
}

// ours yields the types that the schema itself defines.
func (l *linter) ours(yield func(*ast.Definition) bool) {
	for _, d := range l.Types {
		if !d.BuiltIn && !yield(d) {
			return
		}
	}
}

func (l *linter) check(holds bool, format string, args ...any) {
	if !holds {
		l.found = append(l.found, fmt.Sprintf(format, args...))
	}
}

func (l *linter) described(what, description string) {
	l.check(sentence.MatchString(strings.TrimSpace(description)), "%s is not described by a sentence", what)
}

// deprecated holds a deprecation to say what to use instead.
func (l *linter) deprecated(what string, directives ast.DirectiveList) {
	d := directives.ForName("deprecated")
	if d == nil {
		return
	}
	reason := d.Arguments.ForName("reason")
	l.check(reason != nil && sentence.MatchString(reason.Value.Raw), "the deprecation of %s has no reason", what)
}

func (l *linter) definition(d *ast.Definition) {
	l.described(d.Name, d.Description)
	l.check(pascalCase.MatchString(d.Name), "the type %s is not in PascalCase", d.Name)
	isInput := strings.HasSuffix(d.Name, "Input") || strings.HasSuffix(d.Name, "Filter") || d.Name == "FieldCondition" || d.Name == "FieldOrder"
	l.check((d.Kind == ast.InputObject) == isInput, "the name of %s does not say whether it is an input", d.Name)
	for _, f := range d.Fields {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		name := d.Name + "." + f.Name
		l.described(name, f.Description)
		l.deprecated(name, f.Directives)
		l.check(camelCase.MatchString(f.Name), "%s is not in camelCase", name)
		for _, a := range f.Arguments {
			argument := name + "(" + a.Name + ")"
			l.described(argument, a.Description)
			l.deprecated(argument, a.Directives)
			l.check(camelCase.MatchString(a.Name), "%s is not in camelCase", argument)
		}
	}
	for _, v := range d.EnumValues {
		name := d.Name + "." + v.Name
		l.described(name, v.Description)
		l.deprecated(name, v.Directives)
		l.check(capitals.MatchString(v.Name), "%s is not in capitals", name)
	}
}

// relay holds listings to https://relay.dev/graphql/connections.htm and objects to
// https://relay.dev/graphql/objectidentification.htm.
func (l *linter) relay(d *ast.Definition) {
	if name, ok := strings.CutSuffix(d.Name, "Connection"); ok {
		l.is(d, "edges", "["+name+"Edge!]!")
		l.is(d, "nodes", "["+name+"!]!")
		l.is(d, "pageInfo", "PageInfo!")
		l.is(l.Types[name+"Edge"], "cursor", "String!")
		l.is(l.Types[name+"Edge"], "node", name+"!")
	}
	for _, f := range d.Fields {
		if !strings.HasSuffix(f.Type.Name(), "Connection") {
			continue
		}
		for name, want := range map[string]string{"first": "Int", "after": "String"} {
			a := f.Arguments.ForName(name)
			l.check(a != nil && a.Type.String() == want, "%s.%s has no argument %s of the type %s", d.Name, f.Name, name, want)
		}
	}
	if d.Name == "PageInfo" {
		l.is(d, "hasNextPage", "Boolean!")
		l.is(d, "hasPreviousPage", "Boolean!")
		l.is(d, "startCursor", "String")
		l.is(d, "endCursor", "String")
	}
	isNode := d.Name == "Node" || slices.Contains(d.Interfaces, "Node")
	hasID := d.Kind != ast.InputObject && d.Fields.ForName("id") != nil
	l.check(hasID == isNode, "%s has an id, %v, and is a Node, %v", d.Name, hasID, isNode)
	if isNode {
		l.is(d, "id", "ID!")
		l.is(l.Query, "node", "Node")
	}
}

func (l *linter) is(d *ast.Definition, field, want string) {
	if d == nil {
		l.check(false, "there is no type with a field %s", field)
		return
	}
	f := d.Fields.ForName(field)
	l.check(f != nil && f.Type.String() == want, "%s.%s is not %s", d.Name, field, want)
}

// used finds types that nothing leads to.
func (l *linter) used() {
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		d := l.Types[name]
		if d == nil || seen[name] {
			return
		}
		seen[name] = true
		for _, f := range d.Fields {
			visit(f.Type.Name())
			for _, a := range f.Arguments {
				visit(a.Type.Name())
			}
		}
		for _, i := range d.Interfaces {
			visit(i)
		}
		for _, possible := range l.GetPossibleTypes(d) {
			visit(possible.Name)
		}
	}
	for _, root := range []*ast.Definition{l.Query, l.Mutation, l.Subscription} {
		if root != nil {
			visit(root.Name)
		}
	}
	for d := range l.ours {
		l.check(seen[d.Name], "nothing leads to the type %s", d.Name)
	}
}

func TestTheSchemaIsAsItsReadersExpect(t *testing.T) {
	for _, found := range lint(servedSchema) {
		t.Error(found)
	}
	fields, connections := 0, 0
	for d := range (&linter{Schema: servedSchema}).ours {
		fields += len(d.Fields)
		if strings.HasSuffix(d.Name, "Connection") {
			connections++
		}
	}
	if fields < 100 || connections < 7 {
		t.Errorf("the schema has only %d fields and %d connections", fields, connections)
	}
}

func TestMistakesInASchemaAreFound(t *testing.T) {
	const right = `
"All that can be asked."
type Query {
  "Any object."
  node("Its id." id: ID!): Node
  "The shops."
  shops("How many." first: Int, "The cursor before." after: String, "What has to hold." filter: ShopFilter): ShopConnection!
}
"An object."
interface Node { "Its id." id: ID! }
"A page."
type PageInfo { "More." hasNextPage: Boolean! "Some before." hasPreviousPage: Boolean! "The first." startCursor: String "The last." endCursor: String }
"A shop."
type Shop implements Node { "Its id." id: ID! "Whether it is open." state: State! "Its old name." was: String @deprecated(reason: "Use id.") }
"Whether one is open."
enum State { "It is." OPEN "It is not." CLOSED_FOR_GOOD }
"Shops."
type ShopConnection { "With cursors." edges: [ShopEdge!]! "Without." nodes: [Shop!]! "Where it is." pageInfo: PageInfo! }
"A shop with its cursor."
type ShopEdge { "The cursor." cursor: String! "The shop." node: Shop! }
"What has to hold."
input ShopFilter { "The state." state: State }
`
	load := func(text string) *ast.Schema {
		s, err := gqlparser.LoadSchema(&ast.Source{Input: text})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if found := lint(load(right)); len(found) > 0 {
		t.Fatalf("nothing is wrong, and found was %q", found)
	}
	for found, change := range map[string][2]string{
		"Shop is not described by a sentence":                        {`"A shop."` + "\n", ""},
		"ShopEdge.node is not described by a sentence":               {`"The shop."`, `"the shop."`},
		"Query.node(id) is not described by a sentence":              {`"Its id." id: ID!)`, `id: ID!)`},
		"ShopFilter.state is not described by a sentence":            {`"The state."`, `"The state"`},
		"State.OPEN is not described by a sentence":                  {`"It is." OPEN`, `OPEN`},
		"the type shopEdge is not in PascalCase":                     {"ShopEdge", "shopEdge"},
		"Shop.is_open is not in camelCase":                           {"state: State!", "is_open: State!"},
		"Query.shops(All) is not in camelCase":                       {`"What has to hold." filter`, `"What has to hold." All`},
		"State.closed is not in capitals":                            {"CLOSED_FOR_GOOD", "closed"},
		"the name of ShopWanted does not say whether it is an input": {"ShopFilter", "ShopWanted"},
		"the deprecation of Shop.was has no reason":                  {`(reason: "Use id.")`, ""},
		"nothing leads to the type ShopFilter":                       {`, "What has to hold." filter: ShopFilter`, ""},
		"ShopConnection.edges is not [ShopEdge!]!":                   {"[ShopEdge!]!", "[ShopEdge]!"},
		"PageInfo.endCursor is not String":                           {"endCursor: String", "endCursor: Int"},
		"Query.shops has no argument after of the type String":       {`"The cursor before." after: String, `, ""},
		"Shop has an id, true, and is a Node, false":                 {"type Shop implements Node", "type Shop"},
		"@cached is not described by a sentence":                     {`"All that can`, "directive @cached on FIELD\n" + `"All that can`},
		"the directive Cached is not in camelCase":                   {`"All that can`, `"Is kept." directive @Cached on FIELD` + "\n" + `"All that can`},
		"Query.node is not Node":                                     {"  \"Any object.\"\n  node(\"Its id.\" id: ID!): Node\n", ""},
	} {
		wrong := strings.ReplaceAll(right, change[0], change[1])
		if wrong == right {
			t.Fatalf("%q is not there", change[0])
		}
		if got := lint(load(wrong)); !slices.Contains(got, found) {
			t.Errorf("found was %q, and not that %s", got, found)
		}
	}
}

func TestAnswersComeWhole(t *testing.T) {
	if servedSchema.Directives["defer"] != nil || servedSchema.Directives["stream"] != nil || servedSchema.Subscription != nil {
		t.Error("the schema promises answers in parts")
	}
}
