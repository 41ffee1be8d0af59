package catalog

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// drawSchema draws a schema that refers to the definitions a, b and c below properties and items, and further on elsewhere.
func drawSchema(t *rapid.T, depth int) any {
	draw := func() any { return drawSchema(t, depth-1) }
	if depth == 0 {
		return rapid.SampledFrom([]any{true, false, map[string]any{"type": "object"}, map[string]any{"minimum": 2}, map[string]any{"$ref": "#/$defs/a"}}).Draw(t, "leaf")
	}
	s := map[string]any{}
	for range rapid.IntRange(1, 3).Draw(t, "keywords") {
		keyword := rapid.SampledFrom([]string{
			"$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "properties", "patternProperties", "additionalProperties", "unevaluatedProperties",
			"propertyNames", "dependentSchemas", "dependencies", "items", "prefixItems", "contains", "unevaluatedItems", "additionalItems", "required", "type",
		}).Draw(t, "keyword")
		switch keyword {
		case "$ref":
			s[keyword] = "#/$defs/" + rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "to")
		case "allOf", "anyOf", "oneOf", "prefixItems":
			s[keyword] = []any{draw(), draw()}
		case "properties", "patternProperties", "dependentSchemas", "dependencies":
			s[keyword] = map[string]any{"a": draw(), "b": draw()}
		case "required":
			s[keyword] = []any{"a"}
		case "type":
			s[keyword] = rapid.SampledFrom([]string{"object", "array"}).Draw(t, "type")
		default:
			s[keyword] = draw()
		}
	}
	return s
}

func drawValue(t *rapid.T, depth int) any {
	if depth == 0 {
		return rapid.SampledFrom([]any{json.Number("1"), "a", nil, true}).Draw(t, "scalar")
	}
	n := rapid.IntRange(0, 3).Draw(t, "size")
	if rapid.Bool().Draw(t, "list") {
		list := make([]any, n)
		for i := range list {
			list[i] = drawValue(t, depth-1)
		}
		return list
	}
	m := map[string]any{}
	for _, name := range []string{"a", "b", "ab"}[:n] {
		m[name] = drawValue(t, depth-1)
	}
	return m
}

func TestTheStepsOfACheckAreCounted(t *testing.T) {
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		schema := drawSchema(t, 3)
		if m, ok := schema.(map[string]any); ok {
			m["$schema"] = rapid.SampledFrom([]string{
				"http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema",
			}).Draw(t, "draft")
			m["$defs"] = map[string]any{"a": drawSchema(t, 2), "b": drawSchema(t, 2), "c": drawSchema(t, 1)}
		}
		text, err := json.Marshal(schema)
		if err != nil {
			t.Fatal(err)
		}
		path, err := git.ParseTreePath(schemaPath("Person"))
		if err != nil {
			t.Fatal(err)
		}
		checked, problem := compile(Change{Path: path, Size: int64(len(text)), Content: text})
		if problem != nil {
			t.Skip(problem.Message) // rapid draws another, and fails where too few are left
		}
		value := drawValue(t, 4)
		const most = 1 << 40
		m := meter{left: most}
		m.apply(checked, value, 1, 1)
		// A format is looked at each time that a schema applies, unless a type is wrong before.
		visits := 0
		counted := parts{}
		counted.of(checked.Schema)
		for s := range counted {
			s.Format = &jsonschema.Format{Name: "counted", Validate: func(any) error {
				visits++
				return nil
			}}
		}
		err = checked.Validate(value)
		if 2*visits > m.spent || m.left < 0 {
			t.Fatalf("%s at %s takes %d visits, of two steps at least, and %d steps are counted (%v)", text, fmt.Sprint(value), visits, m.spent, err)
		}
		taken++
	})
	if taken == 0 {
		t.Error("no schema was taken")
	}
}
