package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// checkMembers returns what is not described, and which examples break their schema.
func checkMembers(document []byte) (found []error, err error) {
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi.json", root); err != nil {
		return nil, err
	}
	schemas, _ := at(root, "components", "schemas").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		properties, _ := at(schemas[name], "properties").(map[string]any)
		for _, member := range slices.Sorted(maps.Keys(properties)) {
			where, property := name+"."+member, properties[member]
			if description, _ := at(property, "description").(string); !strings.HasSuffix(description, ".") && at(property, "$ref") == nil {
				found = append(found, fmt.Errorf("%s is not described by a sentence", where))
			}
			schema, err := c.Compile("openapi.json#/components/schemas/" + name + "/properties/" + member)
			if err != nil {
				return found, err
			}
			examples, _ := at(property, "examples").([]any)
			for _, example := range examples {
				if err := schema.Validate(example); err != nil {
					found = append(found, fmt.Errorf("the example of %s is invalid: %w", where, err))
				}
			}
		}
	}
	if len(schemas) == 0 {
		return found, fmt.Errorf("the document has no schemas")
	}
	return found, nil
}

// at returns what the keys lead to, nil if that is nothing.
func at(v any, keys ...string) any {
	for _, key := range keys {
		object, _ := v.(map[string]any)
		v = object[key]
	}
	return v
}
