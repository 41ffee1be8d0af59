package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// jsonReader reads JSON into the nodes that YAML is read into, each with its place.
type jsonReader struct {
	source string
	*json.Decoder
	// at is the offset that line and column are of, both from 1.
	at, line, column int
}

// readJSON reads one value. What JSON allows and a document does not, such as a key that is there twice, is left in.
func (f front) readJSON(p git.TreePath) (*yaml.Node, *Problem) {
	r := &jsonReader{source: f.source, Decoder: json.NewDecoder(strings.NewReader(f.source)), line: 1, column: 1}
	r.UseNumber()
	root, err := r.value(1)
	if err == nil {
		r.skip()
		if _, err = r.Token(); errors.Is(err, io.EOF) {
			return root, nil
		}
		if err == nil {
			err = errors.New("a file holds one document alone")
		}
	}
	switch {
	case errors.Is(err, io.EOF) && root == nil && strings.TrimSpace(f.source) == "":
		err = errors.New("there are no fields")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the file ends within a value")
	}
	at := &yaml.Node{Line: r.line, Column: r.column}
	return nil, f.at(p, at, "", ReasonMalformed, "the fields cannot be read: %s", clip(err.Error()))
}

// skip goes to the next token: the decoder tells only where the last one ended.
func (r *jsonReader) skip() {
	to := int(r.InputOffset())
	for to < len(r.source) && strings.IndexByte(" \t\r\n:,", r.source[to]) >= 0 {
		to++
	}
	passed := r.source[r.at:to]
	r.at = to
	if i := strings.LastIndexByte(passed, '\n'); i >= 0 {
		r.line += strings.Count(passed, "\n")
		r.column, passed = 1, passed[i+1:]
	}
	r.column += utf8.RuneCountInString(passed)
}

func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	r.skip()
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.line, Column: r.column}
	token, err := r.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		if v == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		return n, r.items(n, depth)
	case string:
		n.Tag, n.Value = "!!str", v
	case json.Number:
		n.Tag, n.Value = "!!int", v.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case bool:
		n.Tag, n.Value = "!!bool", fmt.Sprint(v)
	default:
		n.Tag, n.Value = "!!null", "null"
	}
	return n, nil
}

// items reads what is in a list or map, keys and values alike, and its end.
func (r *jsonReader) items(n *yaml.Node, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("the fields lie more than %d deep in each other", MaxDepth)
	}
	for r.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, item)
	}
	r.skip()
	_, err := r.Token()
	return err
}
