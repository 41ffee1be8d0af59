package catalog

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// Withheld is the file of a document that is not served for what is wrong with it. The document keeps its place: mended, by
// whomever, it is served under its id from there.
type Withheld struct {
	// Kind is "" if it cannot be told from the file.
	Kind Kind
	ID   string
	Path git.TreePath
	Blob git.ObjectID

	// document is nil if something is wrong with it in itself.
	document *Document
}

// MayBe reports whether the document is of a kind, as far as is known.
func (w *Withheld) MayBe(kind Kind) bool { return w.Kind == kind || w.Kind == "" }

// Withheld returns the file that the document of an id is in which is not served; nil if it is served, or no file that can be
// read has the id. Of several the first by path is told, and one that is right in itself before the others.
func (s *Snapshot) Withheld(id string) *Withheld {
	prefix := key(byID, id)
	if d := s.first(prefix); d != nil {
		if s.isServed(d) {
			return nil
		}
		return &Withheld{Kind: d.Kind, ID: d.ID, Path: d.Path, Blob: d.Blob, document: d}
	}
	var found *Withheld
	s.withheld.Ascend(prefix, func(k string, _ struct{}) bool {
		if path, ok := strings.CutPrefix(k, prefix); ok {
			f, _ := s.files.Get(path)
			from, _ := s.raw.Get(path)
			found = &Withheld{Kind: f.kind, ID: id, Path: from.Path, Blob: from.Blob}
		}
		return false
	})
	return found
}

// Replace returns the file with other fields: all of those that the edit has. What it does not change stays as for
// [Document.Apply]; of fields that cannot be read nothing does, and the body stays if it can be told from them. The content has
// to be that of the file. It fails as Apply does.
func (w *Withheld) Replace(content []byte, e Edit) ([]byte, error) {
	e.Replace = true
	if w.document != nil {
		return w.document.Apply(content, e)
	}
	front, _, problem := split(w.Path, content)
	if problem == nil {
		if e.Body == nil {
			e.Body = &front.body
		}
		if _, problem = front.mapping(w.Path); problem == nil {
			return (&Document{Path: w.Path, Source: front.source}).Apply(content, e)
		}
	}
	return Format(w.Path, e)
}

// loose finds a text in fields that cannot be read as a whole: among what was read of them, else in the line that says it.
func (f front) loose(root *yaml.Node, name string) string {
	if root != nil && root.Kind == yaml.MappingNode {
		return textOf(lookUp(root, name))
	}
	inJSON := strconv.Quote(name)
	for line := range strings.Lines(f.source) {
		if rest := strings.TrimLeft(line, " \t{"); strings.HasPrefix(rest, inJSON) {
			line = "{" + firstMember(rest) + "}"
		} else if !strings.HasPrefix(line, name+":") {
			continue
		}
		var said map[string]yaml.Node
		if len(line) > maxLooseLine || yaml.Unmarshal([]byte(line), &said) != nil {
			return ""
		}
		value := said[name]
		return textOf(&value)
	}
	return ""
}

// jsonMember is a name and a text.
var jsonMember = regexp.MustCompile(`^"[a-z]+"\s*:\s*"([^"\\]|\\.)*"`)

// firstMember is the member of an object that a text begins with, "" if that is no text.
func firstMember(text string) string {
	return jsonMember.FindString(text[:min(len(text), maxLooseLine)])
}

// maxLooseLine is the longest line that an id or a kind is looked for in.
const maxLooseLine = 1 << 10

func textOf(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		return ""
	}
	return strings.Clone(n.Value)
}
