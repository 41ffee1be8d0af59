package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// schemas are the JSON Schemas of a catalog by kind.
type schemas map[Kind]*subschema

const (
	schemaFolder = "schemas/"
	schemaSuffix = ".schema.json"
)

func schemaPath(kind Kind) string { return schemaFolder + string(kind) + schemaSuffix }

func isSchema(p git.TreePath) bool { return schemaKind(p) != "" }

// schemaKind is the kind that a file is the schema of, "" if it is none.
func schemaKind(p git.TreePath) Kind {
	name, inFolder := strings.CutPrefix(p.String(), schemaFolder)
	name, hasSuffix := strings.CutSuffix(name, schemaSuffix)
	if !inFolder || !hasSuffix || strings.Contains(name, "/") {
		return ""
	}
	return Kind(name)
}

// nowhere loads nothing: a schema that refers to a file or an address could make the service read it.
type nowhere struct{}

func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("the schema refers to %.80q: it has to be whole in itself", url)
}

// compile compiles the schema in a file, within the limits of its work.
func compile(c Change) (*subschema, *Problem) {
	f := front{source: string(bytes.TrimPrefix(c.Content, byteOrderMark))}
	top := &yaml.Node{Line: 1, Column: 1}
	if c.Size > MaxFrontMatter || len(c.Content) > MaxFrontMatter {
		return nil, f.at(c.Path, top, "", ReasonTooLarge, "the schema is larger than %d bytes", MaxFrontMatter)
	}
	root, problem := f.readJSON(c.Path)
	if problem == nil {
		problem = f.check(c.Path, root, "", 1)
	}
	if problem != nil {
		problem.Reason = ReasonInvalidSchema
		return nil, problem
	}
	if countSubschemas(root) > maxSubschemas {
		return nil, f.at(c.Path, top, "", ReasonInvalidSchema, "the schema has more than %d maps and booleans: write what is there often once, below $defs, and refer to it", maxSubschemas)
	}
	patterns := &patterns{known: map[string]*pattern{}}
	compiled, err := compileWith(patterns, plain(root))
	switch {
	case patterns.why != nil:
		at, field := find(root, patterns.refused, "")
		return nil, f.at(c.Path, at, clip(field), ReasonInvalidSchema, "the pattern %.80q is not taken: %s", patterns.refused, clip(patterns.why.Error()))
	case err != nil:
		return nil, f.at(c.Path, top, "", ReasonInvalidSchema, "the schema is invalid: %s", clip(err.Error()))
	}
	schema, excess := plan(compiled)
	if excess != nil {
		at, field := locate(root, keysOf(excess.Location))
		return nil, f.at(c.Path, at, clip(field), ReasonInvalidSchema, "%s", excess.why)
	}
	return schema, nil
}

func compileWith(patterns *patterns, schema any) (*jsonschema.Schema, error) {
	defer func() { patterns.known = nil }()
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nowhere{})
	compiler.UseRegexpEngine(patterns.compile)
	const address = "gitstore:///schema" // so that any relative reference is to another place
	if err := compiler.AddResource(address, schema); err != nil {
		return nil, err
	}
	return compiler.Compile(address)
}

// countSubschemas counts the values that may be schemas.
func countSubschemas(n *yaml.Node) int {
	count := 0
	if n.Kind == yaml.MappingNode || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" {
		count++
	}
	for _, item := range n.Content {
		count += countSubschemas(item)
	}
	return count
}

// find returns the first text that is the one given, a key or a value, and the field that it is or is in; else the value
// that was searched.
func find(n *yaml.Node, text, field string) (*yaml.Node, string) {
	for i, item := range n.Content {
		name := field
		switch {
		case n.Kind == yaml.SequenceNode:
			name += "[" + strconv.Itoa(i) + "]"
		case i%2 == 0:
			name = join(field, item.Value)
		default:
			name = join(field, n.Content[i-1].Value)
		}
		if item.Kind == yaml.ScalarNode && item.Value == text {
			return item, name
		}
		if at, found := find(item, text, name); at != item {
			return at, found
		}
	}
	return n, field
}

// keysOf are the keys and indexes that the location of a part of a schema is written with.
func keysOf(location string) []string {
	_, fragment, _ := strings.Cut(location, "#")
	pointer, err := url.PathUnescape(fragment)
	if err != nil || pointer == "" {
		return nil
	}
	keys := strings.Split(pointer, "/")[1:]
	for i, key := range keys {
		keys[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
	}
	return keys
}

// schema holds the fields to a schema, if there is one.
func (r *reader) schema(s *subschema, root *yaml.Node) {
	if s == nil {
		return
	}
	value := plain(root)
	if !s.affords(value) {
		r.problem(root, "", ReasonTooLarge, "checking the fields against the schema of the kind takes more than %d steps: make them smaller or less deep, or have the schema choose by if and then instead of trying alternatives", maxSteps)
		return
	}
	var invalid *jsonschema.ValidationError
	if err := s.Validate(value); errors.As(err, &invalid) {
		r.violations(invalid, root)
	}
}

const maxViolations = 20

// violations reports the innermost causes.
func (r *reader) violations(e *jsonschema.ValidationError, root *yaml.Node) {
	for _, cause := range e.Causes {
		r.violations(cause, root)
	}
	if len(e.Causes) > 0 || len(r.problems) >= maxViolations {
		return
	}
	n, field := locate(root, e.InstanceLocation)
	r.problem(n, clip(field), ReasonSchemaViolation, "%s", clip(e.ErrorKind.LocalizedString(message.NewPrinter(language.English))))
}

// locate follows a path of keys and indexes as far as it leads.
func locate(n *yaml.Node, keys []string) (at *yaml.Node, field string) {
	for _, key := range keys {
		var next *yaml.Node
		switch n.Kind {
		case yaml.MappingNode:
			next = lookUp(n, key)
			field = join(field, key)
		case yaml.SequenceNode:
			if i, err := strconv.Atoi(key); err == nil && i < len(n.Content) {
				next = n.Content[i]
			}
			field += "[" + key + "]"
		}
		if next == nil {
			return n, field
		}
		n = next
	}
	return n, field
}

// plain returns a value as JSON has it: numbers as they are written, what JSON has no number for as text.
func plain(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = plain(item)
		}
		return list
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		if number, ok := jsonNumber(n); ok {
			return number
		}
	}
	return n.Value
}

// Fields returns the document's fields as a JSON object, in the order in which they are written, those that no rule
// knows included. It reads the source anew: callers that need it often keep it.
func (d *Document) Fields() json.RawMessage {
	return appendJSON(nil, d.root())
}

// OtherFields is [Document.Fields] without those that a Document of its kind has as members.
func (d *Document) OtherFields() json.RawMessage {
	own := []string{"kind", "id", "slug", "title"}
	switch {
	case d.Product != nil:
		own = append(own, "sku", "category", "price", "currency", "status", "inventory_status", "tags", "images", "links")
	case d.Category != nil:
		own = append(own, "parent", "position")
	case d.Collection != nil:
		own = append(own, "products")
	}
	others := &yaml.Node{Kind: yaml.MappingNode}
	for root, i := d.root(), 0; i+1 < len(root.Content); i += 2 {
		if !slices.Contains(own, root.Content[i].Value) {
			others.Content = append(others.Content, root.Content[i], root.Content[i+1])
		}
	}
	return appendJSON(nil, others)
}

func appendJSON(b []byte, n *yaml.Node) []byte {
	switch n.Kind {
	case yaml.MappingNode:
		b = append(b, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, n.Content[i].Value), ':')
			b = appendJSON(b, n.Content[i+1])
		}
		return append(b, '}')
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, item := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item)
		}
		return append(b, ']')
	}
	switch v := plain(n).(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		return append(b, v...)
	}
	return appendText(b, n.Value)
}

func appendText(b []byte, s string) []byte {
	out := bytes.NewBuffer(b)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false) // files show it
	_ = e.Encode(s)        // no string fails
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
