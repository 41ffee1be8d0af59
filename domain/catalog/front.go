package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// front is the fields of a file before anything is made of them.
type front struct {
	source, body string
	// line is how many lines of the file come before source.
	line int
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// split finds the fields of a file. It returns false for a file that has none and need not.
func split(p git.TreePath, content []byte) (front, bool, *Problem) {
	text := string(bytes.TrimPrefix(content, byteOrderMark))
	if formatOf(p) != formatMarkdown {
		return front{source: text}, true, nil
	}
	first, rest, _ := strings.Cut(text, "\n")
	if strings.TrimRight(first, " \t\r") != "---" {
		return front{}, false, nil
	}
	for at := 0; at < len(rest); {
		line, _, _ := strings.Cut(rest[at:], "\n")
		if strings.TrimRight(line, " \t\r") == "---" {
			body := rest[at+len(line):]
			return front{source: rest[:at], body: strings.TrimLeft(body, "\r\n"), line: 1}, true, nil
		}
		at += len(line) + 1
	}
	return front{source: rest, line: 1}, true, &Problem{Path: p, Line: 1, Column: 1, Reason: ReasonMalformed, Message: `the front matter has no end: put a line "---" behind it`}
}

// mapping reads the fields and holds them to what a document may use of YAML.
func (f front) mapping(p git.TreePath) (*yaml.Node, *Problem) {
	if problem := f.oversize(p); problem != nil {
		return nil, problem
	}
	if !utf8.ValidString(f.source) || !utf8.ValidString(f.body) {
		return nil, &Problem{Path: p, Line: 1, Column: 1, Reason: ReasonMalformed, Message: "the file is not UTF-8"}
	}
	root, problem := f.parse(p)
	if problem != nil {
		return nil, problem
	}
	if root.Kind != yaml.MappingNode {
		return nil, f.at(p, root, "", ReasonMalformed, "the fields of a document are a map")
	}
	return root, f.check(p, root, "", 1)
}

// oversize is the problem of fields that are too large to be read, nil if they are not.
func (f front) oversize(p git.TreePath) *Problem {
	if len(f.source) <= MaxFrontMatter {
		return nil
	}
	return &Problem{Path: p, Line: 1, Column: 1, Reason: ReasonTooLarge, Message: fmt.Sprintf("the fields take more than %d bytes", MaxFrontMatter)}
}

// parse reads the fields in the format of the file.
func (f front) parse(p git.TreePath) (*yaml.Node, *Problem) {
	if formatOf(p) == formatJSON {
		return f.readJSON(p)
	}
	var doc yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(f.source))
	if err := decoder.Decode(&doc); err != nil {
		return nil, f.malformed(p, err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &Problem{Path: p, Line: 1 + f.line, Column: 1, Reason: ReasonMalformed, Message: "a file holds one document alone"}
	}
	if len(doc.Content) == 0 {
		return nil, f.malformed(p, io.EOF)
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)`)

// malformed says where the parser gave up.
func (f front) malformed(p git.TreePath, err error) *Problem {
	problem := &Problem{Path: p, Line: 1 + f.line, Column: 1, Reason: ReasonMalformed}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if errors.Is(err, io.EOF) {
		message = "there are no fields"
	}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		problem.Line, message = line+f.line, m[2]
	}
	problem.Message = "the fields cannot be read: " + clip(message)
	return problem
}

// at returns a problem at a value.
func (f front) at(p git.TreePath, n *yaml.Node, field string, reason Reason, format string, args ...any) *Problem {
	return &Problem{Path: p, Line: n.Line + f.line, Column: n.Column, Field: field, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// plainTags are the types of YAML that JSON has as well, and the dates that YAML sees where there are no quotes.
var plainTags = map[string]bool{
	"!!str": true, "!!int": true, "!!float": true, "!!bool": true, "!!null": true, "!!map": true, "!!seq": true, "!!timestamp": true,
}

// check refuses what can make a small file large or mean two things: aliases, merges, tags of its own, duplicate keys.
func (f front) check(p git.TreePath, n *yaml.Node, field string, depth int) *Problem {
	switch {
	case depth > MaxDepth:
		return f.at(p, n, clip(field), ReasonMalformed, "the fields lie more than %d deep in each other", MaxDepth)
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return f.at(p, n, clip(field), ReasonMalformed, "anchors and aliases are not taken: write the value out")
	case !plainTags[n.ShortTag()]:
		return f.at(p, n, clip(field), ReasonMalformed, "the tag %.40q is not taken", n.ShortTag())
	case isNumber(n) && !isBoundedNumber(n.Value):
		return f.at(p, n, clip(field), ReasonMalformed,
			"the number has more than %d characters or an exponent beyond %d: put it in quotes", maxDigits, maxExponent)
	case n.Kind == yaml.MappingNode:
		return f.checkMap(p, n, field, depth)
	}
	for i, item := range n.Content {
		if problem := f.check(p, item, field+"["+strconv.Itoa(i)+"]", depth+1); problem != nil {
			return problem
		}
	}
	return nil
}

func (f front) checkMap(p git.TreePath, n *yaml.Node, field string, depth int) *Problem {
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := join(field, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "":
			return f.at(p, key, clip(field), ReasonMalformed, "a key is not plain text")
		case key.ShortTag() == "!!merge":
			return f.at(p, key, clip(field), ReasonMalformed, `the merge key "<<" is not taken: write the fields out`)
		case !plainTags[key.ShortTag()]:
			return f.at(p, key, clip(name), ReasonMalformed, "the tag %.40q is not taken", key.ShortTag())
		case seen[key.Value]:
			return f.at(p, key, clip(name), ReasonMalformed, "the key %.80q is there twice", key.Value)
		}
		seen[key.Value] = true
		if problem := f.check(p, value, name, depth+1); problem != nil {
			return problem
		}
	}
	return nil
}

func join(field, key string) string {
	if field == "" {
		return key
	}
	return field + "." + key
}

// clip bounds what a problem shows of a file.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
