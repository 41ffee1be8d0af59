package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

const schema = `
directive @cached(seconds: Int) repeatable on FIELD_DEFINITION | OBJECT
interface Node { id: ID! }
type Product implements Node { id: ID! title(length: Int, from: Int! = 0): String tags: [String!] price: Price }
type Category implements Node { id: ID! }
union Found = Product | Category
enum Price { LOW HIGH }
input Filter { sku: String slugs: [String!] limit: Int! }
type Query { products(filter: Filter): [Product!]! found: Found }
`

func TestWhatBreaksClientsIsTold(t *testing.T) {
	for _, tt := range []struct{ was, is, told string }{
		{"price: Price }\ntype Category implements Node { id: ID! }\nunion Found = Product | Category", "price: Price }\nunion Found = Product", "the type Category is gone\nthe union Found no longer has Category"},
		{"enum Price { LOW HIGH }", "scalar Price", "the type Price was of kind ENUM and is of kind SCALAR"},
		{"tags: [String!]", "", "the field Product.tags is gone"},
		{"tags: [String!]", "labels: [String!]", "the field Product.tags is gone"},
		{"tags: [String!]", "tags: [String]", "the field Product.tags was [String!] and is [String]"},
		{"tags: [String!]", "tags: String", "the field Product.tags was [String!] and is String"},
		{"[Product!]!", "[Product!]", "the field Query.products was [Product!]! and is [Product!]"},
		{"length: Int, ", "", "the input length of Product.title is gone"},
		{"length: Int", "length: Int!", "the input length of Product.title was Int and is Int!"},
		{"from: Int! = 0", "from: Int!", "the input from of Product.title was Int! and is Int!"},
		{"length: Int", "length: Int, end: Int!", "the input end of Product.title is new and has to be given"},
		{"sku: String", "sku: [String!]", "the input sku of Filter was String and is [String!]"},
		{"sku: String", "sku: ID", "the input sku of Filter was String and is ID"},
		{"slugs: [String!]", "slugs: String", "the input slugs of Filter was [String!] and is String"},
		{"limit: Int!", "limit: Int! after: ID!", "the input after of Filter is new and has to be given"},
		{"LOW HIGH", "LOW", "the value Price.HIGH is gone"},
		{"Product | Category", "Product", "the union Found no longer has Category"},
		{"type Category implements Node", "type Category", "the type Category no longer implements Node"},
		{"directive @cached(seconds: Int) repeatable on FIELD_DEFINITION | OBJECT", "", "the directive @cached is gone"},
		{"repeatable on FIELD_DEFINITION | OBJECT", "on FIELD_DEFINITION", "the directive @cached may no longer be at OBJECT\nthe directive @cached may no longer be repeated"},
		{"seconds: Int", "minutes: Int", "the input seconds of @cached is gone"},
	} {
		assert.Equal(t, tt.told, compared(t, tt.was, tt.is), "%s -> %s", tt.was, tt.is)
	}
}

func TestWhatBreaksNoClientIsNotTold(t *testing.T) {
	for _, tt := range []struct{ was, is string }{
		{"", ""},
		{"price: Price", "price: Price! weight: Int"},
		{"tags: [String!]", "tags: [String!]!"},
		{"slugs: [String!]", "slugs: [String]"},
		{"limit: Int!", "limit: Int"},
		{"limit: Int!", "limit: Int! after: ID first: Int! = 10"},
		{"length: Int", "end: Int, length: Int"},
		{"LOW HIGH", "HIGH LOW NONE"},
		{"Product | Category", "Category | Product | Shop type Shop { name: String }"},
		{"type Category implements Node {", "interface Named { name: String } type Category implements Node & Named { name: String"},
		{"seconds: Int", "seconds: Int, scope: String"},
	} {
		assert.Empty(t, compared(t, tt.was, tt.is), "%s -> %s", tt.was, tt.is)
	}
}

// compared returns what is told of the schema with was replaced by is.
func compared(t *testing.T, was, is string) string {
	t.Helper()
	require.Contains(t, schema, was)
	var schemas [2]*ast.Schema
	for i, text := range []string{schema, strings.Replace(schema, was, is, 1)} {
		var err error
		schemas[i], err = gqlparser.LoadSchema(&ast.Source{Input: text})
		require.NoError(t, err, text)
	}
	return strings.Join(breaking(schemas[0], schemas[1]), "\n")
}

func TestTheSchemaOfTheProjectIsRead(t *testing.T) {
	schema, err := load("../../contracts/graphql")
	require.NoError(t, err)
	assert.Contains(t, schema.Types, "Product")
	_, err = load(t.TempDir())
	assert.ErrorContains(t, err, "has no .graphqls files")
}
