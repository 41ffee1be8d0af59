package main

import (
	"fmt"
	"strings"
	"testing"
)

const sound = `{
  "openapi": "3.1.0",
  "info": {"title": "Shop", "version": "1.0.0", "description": "Mugs.", "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
  "tags": [{"name": "Mugs", "description": "Mugs."}],
  "paths": {"/mugs": {"get": {
    "operationId": "getMug", "summary": "Read a mug", "tags": ["Mugs"],
    "parameters": [{"name": "size", "in": "query", "description": "Its size.", "schema": {"type": "string"}}],
    "responses": {"200": {"description": "The mug.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Mug"}}}},
      "404": {"description": "There is no mug."}}
  }}},
  "components": {"schemas": {"Mug": {
    "type": "object", "description": "A mug.", "properties": {"price": {"type": "string", "description": "A number.", "examples": ["9.50"]}}
  }}}
}`

func TestADefectOfTheDocumentIsFound(t *testing.T) {
	for name, tt := range map[string]struct{ old, new, want string }{
		"an operation without an id":                {`"operationId": "getMug", `, ``, "operation-id"},
		"an operation without a summary":            {`"summary": "Read a mug", `, ``, "operation-description"},
		"an operation without a tag":                {`"tags": ["Mugs"],`, ``, "operation-tags"},
		"a tag that is not described":               {`"name": "Mugs", "description": "Mugs."`, `"name": "Mugs"`, "tag-description"},
		"a parameter that is not described":         {`"description": "Its size.", `, ``, "parameter-description"},
		"a schema that is not described":            {`"description": "A mug.", `, ``, "component-description"},
		"a schema that nothing uses":                {`"schemas": {`, `"schemas": {"Cup": {"type": "string", "description": "A cup."}, `, "unused-component"},
		"a reference to nothing":                    {`schemas/Mug`, `schemas/Cup`, "schemas/Cup"},
		"a member that is not described":            {`"description": "A number.", `, ``, "Mug.price is not described"},
		"an example that is not of the type":        {`["9.50"]`, `[9.5]`, "the example of Mug.price is invalid"},
		"an operation without an error":             {`"404"`, `"204"`, "operation-error-response"},
		"a path whose parameter is not declared":    {`"/mugs"`, `"/mugs/{id}"`, "path-params"},
		"an answer without what OpenAPI asks of it": {`"description": "The mug.", `, ``, "description"},
	} {
		t.Run(name, func(t *testing.T) {
			document := strings.Replace(sound, tt.old, tt.new, 1)
			if document == sound {
				t.Fatal("the document is unchanged")
			}
			found, err := check(t.Context(), strings.NewReader(document))
			if got := fmt.Sprint(found, err); !strings.Contains(got, tt.want) {
				t.Errorf("found is %s, want %q", got, tt.want)
			}
		})
	}
	if found, err := check(t.Context(), strings.NewReader(sound)); err != nil || len(found) > 0 {
		t.Errorf("of the sound document is found: %v, %v", found, err)
	}
}
