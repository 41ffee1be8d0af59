package catalog_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/catalog"
)

const personSchema = "schemas/Person.schema.json"

// person is a document with a field x.
func person(x string) string { return `{"kind":"Person","id":"p1","x":` + x + `}` }

// nested is a map in maps, or with lists between them.
func nested(depth int, before, after string) string {
	return strings.Repeat(before, depth) + "{}" + strings.Repeat(after, depth)
}

// bomb is a schema whose definitions refer to the next one twice.
func bomb(definitions int, keyword, last string) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
	for i := range definitions {
		next := fmt.Sprintf(`{"$ref":"#/$defs/d%d"}`, i+1)
		fmt.Fprintf(&b, "\n\"d%d\":{%q:[%s,%s]},", i, keyword, next, next)
	}
	fmt.Fprintf(&b, "\n\"d%d\":%s}}", definitions, last)
	return b.String()
}

func TestSchemasThatTakeTooMuchWorkAreRefused(t *testing.T) {
	chain := `{"$ref":"#/$defs/d0","$defs":{`
	for i := range 100 {
		chain += fmt.Sprintf(`"d%d":{"$ref":"#/$defs/d%d"},`, i, i+1)
	}
	chain += `"d100":{}}}`
	var patterns []string
	for i := range 100 {
		patterns = append(patterns, fmt.Sprintf(`{"pattern":"a%dx{999}"}`, i))
	}
	draft7 := func(schema string) string {
		return strings.Replace(schema, "{", `{"$schema":"http://json-schema.org/draft-07/schema#",`, 1)
	}
	for name, test := range map[string]struct{ schema, place, says string }{
		"allOf":            {bomb(40, "allOf", `{"required":["y"]}`), "1:1  ", "apply to one value"},
		"anyOf":            {bomb(40, "anyOf", "false"), "1:1  ", "apply to one value"},
		"oneOf":            {bomb(11, "oneOf", "{}"), "1:1  ", "apply to one value"},
		"a line":           {chain, "1:1  ", "lead from one to the next"},
		"itself":           {`{"$ref":"#"}`, "1:1  ", "leads back to itself"},
		"itself, below":    {"{\"properties\":{\"x\":\n{\"anyOf\":[{},{\"not\":{\"$ref\":\"#/properties/x\"}}]}}}", "2:1 properties.x ", "leads back to itself"},
		"a condition":      {`{"if":{"required":["x"]},"then":{"$ref":"#"}}`, "1:1  ", "leads back to itself"},
		"a dependency":     {`{"dependentSchemas":{"x":{"$ref":"#"}}}`, "1:1  ", "leads back to itself"},
		"many":             {`{"enum":[` + strings.Repeat(`{},`, 2000) + `{}]}`, "1:1  ", "maps and booleans"},
		"many booleans":    {`{"allOf":[` + strings.Repeat(`true,`, 2000) + `true]}`, "1:1  ", "maps and booleans"},
		"deep":             {strings.Repeat(`{"not":`, 70) + "{}" + strings.Repeat("}", 70), "1:449  ", "deep"},
		"a dynamic ref":    {`{"$dynamicAnchor":"n","items":{"$dynamicRef":"#n"}}`, "1:31 items ", "use $ref"},
		"a recursive ref":  {draft2019(`{"$recursiveAnchor":true,"items":{"$recursiveRef":"#"}}`), "1:91 items ", "use $ref"},
		"a long pattern":   {"{\"properties\":{\n\"x\":{\"pattern\":\"" + strings.Repeat("a", 2001) + "\"}}}", "2:16 properties.x.pattern ", "longer than 2000 bytes"},
		"a large pattern":  {`{"pattern":"` + strings.Repeat("x{1000}", 12) + `"}`, "1:12 pattern ", "shorter repeats"},
		"many repeats":     {`{"pattern":"(((x{10}y){10}z){10}){1,20}"}`, "1:12 pattern ", "invalid repeat count"},
		"classes":          {`{"pattern":"` + strings.Repeat(`\\pL`, 400) + `"}`, "1:12 pattern ", "shorter repeats"},
		"large patterns":   {`{"allOf":[` + strings.Join(patterns, ",") + `]}`, "1:252 allOf[10].pattern ", "shorter repeats"},
		"of properties":    {`{"patternProperties":{"x{1000}{20}":true}}`, "1:23 patternProperties.x{1000}{20} ", "invalid"},
		"names":            {`{"patternProperties":{"` + strings.Repeat("x{1000}", 12) + `":true}}`, "1:23 patternProperties.", "shorter repeats"},
		"draft 7":          {draft7(`{"pattern":"` + strings.Repeat("x{1000}", 12) + `"}`), "1:64 pattern ", "shorter repeats"},
		"draft 7 and refs": {draft7(strings.ReplaceAll(bomb(40, "allOf", "{}"), "$defs", "definitions")), "1:1  ", "apply to one value"},
	} {
		s := build(map[string]string{personSchema: test.schema})
		var got []catalog.Problem
		for p := range s.Problems() {
			got = append(got, p)
		}
		if assert.Len(t, got, 1, name) {
			place := fmt.Sprintf("%d:%d %s ", got[0].Line, got[0].Column, got[0].Field)
			assert.True(t, strings.HasPrefix(place, test.place), "%s: %s", name, place)
			assert.Contains(t, got[0].Message, test.says, name)
			assert.Equal(t, catalog.ReasonInvalidSchema, got[0].Reason, name)
		}
	}
}

func TestSchemasThatAreWithinTheLimitsAreTaken(t *testing.T) {
	many := make([]string, 900)
	for i := range many {
		many[i] = fmt.Sprintf(`"f%d":{"type":"string"}`, i)
	}
	for name, test := range map[string]struct {
		schema string
		takes  []string
		not    map[string]string
	}{
		"a tree": {
			`{"properties":{"x":{"$ref":"#/$defs/tree"}},"$defs":{"tree":{"type":"object","additionalProperties":false,
				"properties":{"left":{"$ref":"#/$defs/tree"},"right":{"$ref":"#/$defs/tree"},"all":{"items":{"$ref":"#/$defs/tree"}}}}}}`,
			[]string{"{}", nested(60, `{"left":{},"right":`, "}"), nested(30, `{"all":[{},`, "]}"), `{"all":[` + strings.Repeat("{},", 10_000) + "{}]}"},
			map[string]string{nested(50, `{"left":`, "}")[:50*8] + `{"up":0}` + strings.Repeat("}", 50): "SCHEMA_VIOLATION", nested(30, `{"all":[7,`, "]}"): "SCHEMA_VIOLATION"},
		},
		"itself": {
			`{"properties":{"x":{"$ref":"#"},"n":{"type":"integer"}}}`,
			[]string{nested(60, `{"n":1,"x":`, "}")}, map[string]string{nested(60, `{"n":"1","x":`, "}"): "SCHEMA_VIOLATION"},
		},
		"blocks chosen by a condition": {
			`{"properties":{"x":{"$ref":"#/$defs/block"}},"$defs":{"blocks":{"items":{"$ref":"#/$defs/block"}},"block":{"required":["is"],"allOf":[
				{"if":{"properties":{"is":{"const":"row"}}},"then":{"properties":{"in":{"$ref":"#/$defs/blocks"}}}},
				{"if":{"properties":{"is":{"const":"tab"}}},"then":{"properties":{"in":{"$ref":"#/$defs/blocks"}}}},
				{"if":{"properties":{"is":{"const":"box"}}},"then":{"properties":{"in":{"$ref":"#/$defs/blocks"}}},"else":{"properties":{"of":{"$ref":"#/$defs/blocks"}}}}]}}}`,
			[]string{nested(25, `{"is":"row","in":[`, "]}")[:25*18] + `{"is":"end"}` + strings.Repeat("]}", 25)},
			map[string]string{nested(25, `{"is":"box","in":[`, "]}"): "SCHEMA_VIOLATION", nested(25, `{"is":"row","of":[`, "]}"): "SCHEMA_VIOLATION"},
		},
		"alternatives of blocks": {
			`{"properties":{"x":{"$ref":"#/$defs/block"}},"$defs":{"block":{"oneOf":[
				{"required":["a"],"properties":{"a":{"$ref":"#/$defs/block"},"in":{"$ref":"#/$defs/block"}}},
				{"required":["b"],"properties":{"a":{"$ref":"#/$defs/block"},"in":{"$ref":"#/$defs/block"}}},{"required":["c"]}]}}}`,
			[]string{`{"a":{"a":{"c":0}}}`, `{"c":1}`},
			map[string]string{nested(50, `{"in":`, "}"): "TOO_LARGE"},
		},
		"many fields": {`{"properties":{` + strings.Join(many, ",") + `}}`, []string{`"a"`}, nil},
		"patterns": {
			`{"properties":{"x":{"pattern":"^(?:[\\pL\\pN]+[ -]?){1,40}$"}}}`, []string{`"Grünwald Straße 7"`},
			map[string]string{`"."`: "SCHEMA_VIOLATION", `"` + strings.Repeat("a ", 10_000) + `"`: "TOO_LARGE"},
		},
		"formats": {
			`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"x":{"format":"regex"}}}`, []string{`"a+"`, `"x{1000}"`},
			map[string]string{`"("`: "SCHEMA_VIOLATION", `"` + strings.Repeat("x{1000}", 30) + `"`: "SCHEMA_VIOLATION", `"` + strings.Repeat("x", 3000) + `"`: "SCHEMA_VIOLATION"},
		},
		"unique items": {
			`{"properties":{"x":{"uniqueItems":true}}}`, []string{`[1,2,3]`}, map[string]string{`[1,2,1.0]`: "SCHEMA_VIOLATION"},
		},
		"references that lead one way": {
			`{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"x":{"items":{"$dynamicRef":"#x"}}},"$defs":{"x":{"$anchor":"x","type":"string"}}}`,
			[]string{`["a"]`}, map[string]string{`[7]`: "SCHEMA_VIOLATION"},
		},
		"what is not evaluated": {
			`{"properties":{"x":{"allOf":[{"properties":{"a":{}}}],"properties":{"b":{}},"unevaluatedProperties":false}}}`,
			[]string{`{"a":1,"b":1}`}, map[string]string{`{"c":1}`: "SCHEMA_VIOLATION"},
		},
		"a schema of schemas": {
			`{"properties":{"x":{"$ref":"http://json-schema.org/draft-07/schema#"}}}`,
			[]string{`{"type":"string"}`}, map[string]string{`{"type":7}`: "SCHEMA_VIOLATION"},
		},
	} {
		for _, x := range test.takes {
			assert.Empty(t, problems(build(map[string]string{personSchema: test.schema, "p.json": person(x)})), "%s: %.200s", name, x)
		}
		for x, reason := range test.not {
			s := build(map[string]string{personSchema: test.schema, "p.json": person(x)})
			got := problems(s)
			if assert.NotEmpty(t, got, "%s: %.200s", name, x) {
				assert.True(t, strings.HasPrefix(got[0], "p.json:") && strings.HasSuffix(got[0], " "+reason), "%s: %.200s: %s", name, x, got)
			}
			assert.Nil(t, s.Document("p1"), "%s: %.200s", name, x)
		}
	}
}

func TestOneDocumentThatTakesTooMuchHoldsNoOtherUp(t *testing.T) {
	files := map[string]string{personSchema: `{"properties":{"x":{"$ref":"#/$defs/b"}},"$defs":{"b":{"anyOf":[
		{"properties":{"x":{"$ref":"#/$defs/b"}},"required":["y"]},{"properties":{"x":{"$ref":"#/$defs/b"}},"required":["z"]}]}}}`}
	for i := range 300 {
		content := strings.Replace(person(`{"x":{"y":0},"z":0}`), `"p1"`, fmt.Sprintf(`"p%d"`, i), 1)
		if i%2 == 0 {
			content = strings.Replace(person(nested(60, `{"x":`, "}")), `"p1"`, fmt.Sprintf(`"p%d"`, i), 1)
		}
		files[fmt.Sprintf("people/%d.json", i)] = content
	}
	s := build(files)
	assert.Equal(t, 150, s.Count("Person"))
	all := problems(s)
	require.Len(t, all, 150)
	for _, p := range all {
		assert.True(t, strings.HasSuffix(p, ":1:1  TOO_LARGE"), p)
	}
}

func TestDocumentsOfARefusedSchemaAreWithoutOne(t *testing.T) {
	refused := bomb(40, "allOf", "{}")
	s := build(map[string]string{
		personSchema: refused, "p.json": person("1"),
		"schemas/Product.schema.json": refused, "categories/coffee.md": coffee, "products/mug.md": mug,
	})
	assert.Equal(t, []string{
		"schemas/Person.schema.json:1:1  INVALID_SCHEMA", "schemas/Product.schema.json:1:1  INVALID_SCHEMA",
	}, problems(s))
	assert.NotNil(t, s.BySKU("MUG"))
}

func TestSchemasLoadNothing(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	file := t.TempDir() + "/other.json"
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	for _, at := range []string{other.URL, "file://" + file, file, "other.json", "//example.com/s", "data:application/json,{}", "urn:x"} {
		for _, schema := range []string{
			`{"$ref":%q}`, `{"$schema":%q}`, `{"$dynamicRef":%q}`, `{"properties":{"x":{"allOf":[{"$ref":%q}]}}}`, `{"$id":"http://example.com/","$ref":%q}`,
			`{"$schema":"https://json-schema.org/draft/2019-09/schema","$recursiveRef":%q}`, `{"$schema":"http://json-schema.org/draft-04/schema#","not":{"$ref":%q}}`,
		} {
			s := build(map[string]string{personSchema: fmt.Sprintf(schema, at)})
			assert.Equal(t, []string{personSchema + ":1:1  INVALID_SCHEMA"}, problems(s), schema, at)
		}
	}
	assert.Zero(t, asked)
}

func draft2019(schema string) string {
	return strings.Replace(schema, "{", `{"$schema":"https://json-schema.org/draft/2019-09/schema",`, 1)
}
