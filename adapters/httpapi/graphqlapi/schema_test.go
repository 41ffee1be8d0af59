package graphqlapi

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
)

// ours yields the types that contracts/graphql defines.
func ours(yield func(*ast.Definition) bool) {
	for _, d := range servedSchema.Types {
		if !d.BuiltIn && !yield(d) {
			return
		}
	}
}

func TestEverythingInTheSchemaIsDescribed(t *testing.T) {
	described := func(what, description string) {
		if !strings.HasSuffix(strings.TrimSpace(description), ".") {
			t.Errorf("%s is not described by a sentence: %q", what, description)
		}
	}
	n := 0
	for d := range ours {
		described(d.Name, d.Description)
		for _, f := range d.Fields {
			n++
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			described(d.Name+"."+f.Name, f.Description)
			for _, a := range f.Arguments {
				described(d.Name+"."+f.Name+"("+a.Name+")", a.Description)
			}
		}
		for _, v := range d.EnumValues {
			described(d.Name+"."+v.Name, v.Description)
		}
	}
	if n < 100 {
		t.Errorf("the schema has only %d fields", n)
	}
}

func TestNamesInTheSchemaAreSpelledAsIsUsual(t *testing.T) {
	for d := range ours {
		if d.Name[0] < 'A' || d.Name[0] > 'Z' || strings.Contains(d.Name, "_") {
			t.Errorf("the type %s is not in PascalCase", d.Name)
		}
		if (d.Kind == ast.InputObject) != (strings.HasSuffix(d.Name, "Input") || strings.HasSuffix(d.Name, "Filter") || d.Name == "FieldCondition" || d.Name == "FieldOrder") {
			t.Errorf("the name of %s does not say whether it is an input", d.Name)
		}
		for _, f := range d.Fields {
			if name := strings.TrimPrefix(f.Name, "__"); name[0] < 'a' || name[0] > 'z' || strings.Contains(name, "_") {
				t.Errorf("%s.%s is not in camelCase", d.Name, f.Name)
			}
		}
		for _, v := range d.EnumValues {
			if v.Name != strings.ToUpper(v.Name) {
				t.Errorf("%s.%s is not in capitals", d.Name, v.Name)
			}
		}
	}
}

// TestListingsFollowRelay holds the schema to https://relay.dev/graphql/connections.htm and
// https://relay.dev/graphql/objectidentification.htm.
func TestListingsFollowRelay(t *testing.T) {
	is := func(d *ast.Definition, field, want string) {
		f := d.Fields.ForName(field)
		if f == nil || f.Type.String() != want {
			t.Errorf("%s.%s is not %s", d.Name, field, want)
		}
	}
	connections := 0
	for d := range ours {
		if name, ok := strings.CutSuffix(d.Name, "Connection"); ok {
			connections++
			is(d, "edges", "["+name+"Edge!]!")
			is(d, "nodes", "["+name+"!]!")
			is(d, "pageInfo", "PageInfo!")
			edge := servedSchema.Types[name+"Edge"]
			is(edge, "cursor", "String!")
			is(edge, "node", name+"!")
		}
		for _, f := range d.Fields {
			if !strings.HasSuffix(f.Type.Name(), "Connection") {
				continue
			}
			for name, want := range map[string]string{"first": "Int", "after": "String"} {
				if a := f.Arguments.ForName(name); a == nil || a.Type.String() != want {
					t.Errorf("%s.%s has no argument %s of the type %s", d.Name, f.Name, name, want)
				}
			}
		}
		hasID := d.Kind != ast.InputObject && d.Fields.ForName("id") != nil
		isNode := d.Name == "Node"
		for _, i := range d.Interfaces {
			isNode = isNode || i == "Node"
		}
		if hasID != isNode {
			t.Errorf("%s has an id, %v, and is a Node, %v", d.Name, hasID, isNode)
		}
		if isNode {
			is(d, "id", "ID!")
		}
	}
	is(servedSchema.Query, "node", "Node")
	if id := servedSchema.Query.Fields.ForName("node").Arguments.ForName("id"); id == nil || id.Type.String() != "ID!" {
		t.Error("node takes no id")
	}
	is(servedSchema.Types["PageInfo"], "hasNextPage", "Boolean!")
	is(servedSchema.Types["PageInfo"], "hasPreviousPage", "Boolean!")
	is(servedSchema.Types["PageInfo"], "startCursor", "String")
	is(servedSchema.Types["PageInfo"], "endCursor", "String")
	if connections < 7 {
		t.Errorf("there are %d connections", connections)
	}
}

func TestAnswersComeWhole(t *testing.T) {
	if servedSchema.Directives["defer"] != nil || servedSchema.Directives["stream"] != nil || servedSchema.Subscription != nil {
		t.Error("the schema promises answers in parts")
	}
}
