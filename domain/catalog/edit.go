package catalog

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// Edit says how a document is to be.
type Edit struct {
	// Fields is a JSON object: a merge patch (RFC 7396) of the fields that the document has, or all of its fields.
	Fields json.RawMessage
	// Replace takes Fields for all fields; those that it does not name go.
	Replace bool
	// Body is the Markdown, nil to leave it as it is. Line breaks in front of it do not count. Where all lines of the file end with
	// CRLF and all of the body with LF, as those of a form do, the body is written with CRLF.
	Body *string
}

// Apply returns the file of the document as the edit wants it. What the edit does not change stays byte for byte: fields
// that no rule knows, the order, comments, the way that values are written, line ends, a byte order mark. A list that
// changes keeps the items that it begins and ends with. Fields of a built-in kind that come to the value that they have, such
// as a price that is written without quotes, and those that are left out and have the value of one that is, do not change.
// An image or a link that keeps its URL keeps the keys that no rule knows, unless they are null.
//
// The content has to be the file that the document was read from. Apply fails with INVALID_ARGUMENT if Fields is no JSON
// object, or there is a Body where the file has none. What is wrong with the outcome is for [Build] to find.
func (d *Document) Apply(content []byte, e Edit) ([]byte, error) {
	wanted, err := readObject(d.Path, e.Fields)
	if err != nil {
		return nil, err
	}
	front, _, problem := split(d.Path, content)
	if problem != nil || front.source != d.Source {
		return nil, errs.New(errs.ReasonInternal, "the content is not that of the document")
	}
	root := d.root()
	var target *yaml.Node
	if e.Replace {
		dropNulls(wanted, root)
		target = inOrderOf(d.settled(root, wanted), root)
	} else {
		target = mergePatch(root, d.settled(root, wanted))
	}
	source, err := rewrite(d.Path, front.source, root, target)
	if err != nil {
		return nil, err
	}
	at := len(content) - len(front.source)
	if formatOf(d.Path) == formatMarkdown {
		at = bytes.IndexByte(content, '\n') + 1
	}
	out := slices.Concat(content[:at], []byte(source), content[at+len(front.source):])
	body := front.body
	if e.Body != nil {
		body = endedAs(content, strings.TrimLeft(*e.Body, "\r\n"))
		if out, err = setBody(d.Path, out, len(front.body), lineEnd(front.source), body); err != nil {
			return nil, err
		}
	}
	if again, _, problem := split(d.Path, out); problem != nil || again.source != source || again.body != body {
		return nil, errs.InvalidField(errs.ReasonInvalidArgument, "fields", "a key of the fields, or the body, would be taken for the end of the front matter")
	}
	return out, nil
}

// readObject reads a JSON object into the nodes of YAML, to be written to a file.
func readObject(path git.TreePath, object json.RawMessage) (*yaml.Node, error) {
	f := front{source: string(object)}
	root, problem := f.readJSON(git.TreePath{})
	switch {
	case problem != nil:
		return nil, errs.InvalidField(errs.ReasonInvalidArgument, "fields", "%s", problem.Message)
	case root.Kind != yaml.MappingNode:
		return nil, errs.InvalidField(errs.ReasonInvalidArgument, "fields", "the fields are no JSON object")
	}
	if formatOf(path) != formatJSON {
		pointNumbers(root)
	}
	return root, nil
}

// pointNumbers writes the numbers of a value that have an exponent with a point and a sign: without them, readers of YAML 1.1
// take them for texts.
func pointNumbers(n *yaml.Node) {
	for _, item := range n.Content {
		pointNumbers(item)
	}
	i := strings.IndexAny(n.Value, "eE")
	if !isNumber(n) || i < 0 {
		return
	}
	mantissa, sign, exponent := n.Value[:i], n.Value[i:i+1], n.Value[i+1:]
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	if !strings.ContainsAny(exponent[:1], "+-") {
		sign += "+"
	}
	n.Value = mantissa + sign + exponent
}

// Format returns the file of a new document with the fields, in their order, and the body. It fails as [Document.Apply] does.
func Format(path git.TreePath, e Edit) ([]byte, error) {
	fields, err := readObject(path, e.Fields)
	if err != nil {
		return nil, err
	}
	dropNulls(fields, nil)
	if formatOf(path) == formatJSON {
		var out bytes.Buffer
		if err := json.Indent(&out, appendJSON(nil, fields), "", "  "); err != nil {
			return nil, errs.Wrap(err, errs.ReasonInternal, "the fields cannot be written")
		}
		out.WriteByte('\n')
		return out.Bytes(), checkBody(path, e.Body)
	}
	source, err := encode(fields, 0, "\n")
	if err != nil {
		return nil, err
	}
	if formatOf(path) != formatMarkdown {
		return []byte(source), checkBody(path, e.Body)
	}
	out := []byte("---\n" + source + "---\n")
	if e.Body == nil {
		return out, nil
	}
	return setBody(path, out, 0, "\n", *e.Body)
}

func checkBody(path git.TreePath, body *string) error {
	if body == nil || *body == "" || formatOf(path) == formatMarkdown {
		return nil
	}
	return errs.InvalidField(errs.ReasonInvalidArgument, "body", "the file %.80q has no body: only Markdown has one", path)
}

// endedAs returns a body with the line ends of a file that it is to be a part of, where both have but one kind of them.
func endedAs(file []byte, body string) string {
	if n := bytes.Count(file, []byte("\n")); n == 0 || n != bytes.Count(file, []byte("\r\n")) || strings.Contains(body, "\r\n") {
		return body
	}
	return strings.ReplaceAll(body, "\n", "\r\n")
}

// setBody puts a body in the place of the last n bytes of a file.
func setBody(path git.TreePath, content []byte, n int, end, body string) ([]byte, error) {
	if err := checkBody(path, &body); err != nil || formatOf(path) != formatMarkdown {
		return content, err
	}
	body = strings.TrimLeft(body, "\r\n")
	head := content[:len(content)-n]
	if n == 0 && body != "" {
		switch trimmed := bytes.TrimRight(head, "\r\n"); bytes.Count(head[len(trimmed):], []byte{'\n'}) {
		case 0:
			head = slices.Concat(head, []byte(end+end))
		case 1:
			head = slices.Concat(head, []byte(end))
		}
	}
	return slices.Concat(head, []byte(body)), nil
}

// settled takes out of the fields wanted what comes to the values that the document has: the way that it is written stays.
func (d *Document) settled(root, wanted *yaml.Node) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := 0; i+1 < len(wanted.Content); i += 2 {
		key, value := wanted.Content[i], wanted.Content[i+1]
		own, ok := d.own(key.Value)
		switch {
		case ok && equal(own, value):
			if value = lookUp(root, key.Value); value == nil {
				continue
			}
		case ok && own.Kind == yaml.SequenceNode && value.Kind == yaml.SequenceNode && len(own.Content) > 0:
			value = settledItems(lookUp(root, key.Value), own, value)
		}
		out.Content = append(out.Content, key, value)
	}
	return out
}

// settledItems returns the items wanted of a list whose items are told without what no rule knows of them: each as the one is
// written that it comes from, which is one of the same address, and of the same texts if there is one.
func settledItems(written, told, wanted *yaml.Node) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: slices.Clone(wanted.Content)}
	from := make([]*yaml.Node, len(wanted.Content))
	taken := make([]bool, len(told.Content))
	for _, keys := range [][]string{{"url", "alt", "title"}, {"url"}} {
		free := map[string][]int{}
		for i, item := range told.Content {
			if name := textsOf(item, keys); !taken[i] {
				free[name] = append(free[name], i)
			}
		}
		for i, item := range wanted.Content {
			name := textsOf(item, keys)
			if of := free[name]; from[i] == nil && len(of) > 0 {
				free[name], taken[of[0]] = of[1:], true
				from[i] = written.Content[of[0]]
				out.Content[i] = settledItem(from[i], told.Content[of[0]], item)
			}
		}
	}
	return out
}

// textsOf are the texts of an item at some keys, in one.
func textsOf(item *yaml.Node, keys []string) string {
	var all []string
	for _, key := range keys {
		text := ""
		if item.Kind == yaml.MappingNode {
			text = textOf(lookUp(item, key))
		}
		all = append(all, text)
	}
	return strings.Join(all, "\x00")
}

// settledItem returns an item of a list as it is wanted, with the keys of the one written that are not told, but for those
// that are null now, and what comes to the same as it is written.
func settledItem(written, told, wanted *yaml.Node) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: written.Style}
	for i := 0; i+1 < len(written.Content); i += 2 {
		key, value := written.Content[i], written.Content[i+1]
		own, changed := lookUp(told, key.Value), lookUp(wanted, key.Value)
		switch {
		case changed == nil && own != nil && own.Value != "", changed != nil && isNull(changed) && !isNull(value):
			continue
		case changed != nil && !equal(value, changed) && (own == nil || !equal(own, changed)):
			value = styled(changed, value)
		}
		out.Content = append(out.Content, key, value)
	}
	for i := 0; i+1 < len(wanted.Content); i += 2 {
		key, value := wanted.Content[i], wanted.Content[i+1]
		if own := lookUp(told, key.Value); lookUp(written, key.Value) == nil && (own == nil || !equal(own, value)) {
			out.Content = append(out.Content, key, value)
		}
	}
	return out
}

// own returns the value of a field of the document's kind as it is told, false if it is no such field, or its value is told
// as it is written.
func (d *Document) own(field string) (*yaml.Node, bool) {
	switch {
	case field == "slug" && d.Slug == "", field == "title" && d.Title == "",
		field == "parent" && d.Category != nil && d.Category.Parent == "":
		return textNode(""), true
	case field == "price" && d.Product != nil:
		return textNode(d.Product.Price), true
	case field == "position" && d.Category != nil && d.Category.Position == 0:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: "0"}, true
	case field == "tags" && d.Product != nil && len(d.Product.Tags) == 0,
		field == "images" && d.Product != nil && len(d.Product.Images) == 0,
		field == "links" && d.Product != nil && len(d.Product.Links) == 0,
		field == "products" && d.Collection != nil && len(d.Collection.Products) == 0:
		return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}, true
	case field == "images" && d.Product != nil:
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, i := range d.Product.Images {
			list.Content = append(list.Content, textMap("url", i.URL, "alt", i.Alt))
		}
		return list, true
	case field == "links" && d.Product != nil:
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, l := range d.Product.Links {
			list.Content = append(list.Content, textMap("title", l.Title, "url", l.URL))
		}
		return list, true
	}
	return nil, false
}

func textNode(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

func textMap(keysAndValues ...string) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, s := range keysAndValues {
		m.Content = append(m.Content, textNode(s))
	}
	return m
}

// mergePatch returns a value with a patch (RFC 7396) applied.
func mergePatch(current, patch *yaml.Node) *yaml.Node {
	if patch.Kind != yaml.MappingNode {
		return patch
	}
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if current != nil && current.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(current.Content); i += 2 {
			key, value := current.Content[i], current.Content[i+1]
			if changed := lookUp(patch, key.Value); changed != nil {
				if isNull(changed) {
					continue
				}
				value = mergePatch(value, changed)
			}
			out.Content = append(out.Content, key, value)
		}
	}
	for i := 0; i+1 < len(patch.Content); i += 2 {
		key, value := patch.Content[i], patch.Content[i+1]
		if isNull(value) || current != nil && current.Kind == yaml.MappingNode && lookUp(current, key.Value) != nil {
			continue
		}
		out.Content = append(out.Content, key, mergePatch(nil, value))
	}
	return out
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func isNullMember(m *yaml.Node, key string) bool {
	n := lookUp(m, key)
	return n != nil && isNull(n)
}

// dropNulls takes the members out of an object that are null, but for those that are in a document already.
func dropNulls(n, root *yaml.Node) {
	kept := n.Content[:0]
	for i := 0; i+1 < len(n.Content); i += 2 {
		if root != nil && isNullMember(root, n.Content[i].Value) || !isNull(n.Content[i+1]) {
			kept = append(kept, n.Content[i], n.Content[i+1])
		}
	}
	n.Content = kept
}

// inOrderOf returns a map with the keys of another first, in its order.
func inOrderOf(wanted, order *yaml.Node) *yaml.Node {
	if wanted.Kind != yaml.MappingNode || order == nil || order.Kind != yaml.MappingNode {
		return wanted
	}
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := 0; i+1 < len(order.Content); i += 2 {
		if value := lookUp(wanted, order.Content[i].Value); value != nil {
			out.Content = append(out.Content, order.Content[i], inOrderOf(value, order.Content[i+1]))
		}
	}
	for i := 0; i+1 < len(wanted.Content); i += 2 {
		if lookUp(order, wanted.Content[i].Value) == nil {
			out.Content = append(out.Content, wanted.Content[i], wanted.Content[i+1])
		}
	}
	return out
}

// equal reports whether two values are the same to whoever reads them, whatever the order of keys.
func equal(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || len(a.Content) != len(b.Content) {
		return false
	}
	switch a.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(a.Content); i += 2 {
			if other := lookUp(b, a.Content[i].Value); other == nil || !equal(a.Content[i+1], other) {
				return false
			}
		}
		return true
	case yaml.SequenceNode:
		return slices.EqualFunc(a.Content, b.Content, equal)
	}
	x, y := valueOf(a), valueOf(b)
	if x.kind == valueNumber && y.kind == valueNumber {
		m, isNumber := x.number()
		n, isOther := y.number()
		return isNumber && isOther && m.compare(n) == 0
	}
	return x == y
}
