package catalog

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// DocumentDiff is how a document differs between two catalogs.
type DocumentDiff struct {
	// Old and New are the document on both sides; nil where it is not served.
	Old, New *Document
	// Fields are the fields that differ, in the order of the new document, those that are gone last. Of a document that is only
	// on one side there are none.
	Fields []FieldDiff
	// Body reports that the Markdown differs.
	Body bool
}

// Shown is the document as it is in the new catalog, or was if it is gone.
func (d *DocumentDiff) Shown() *Document {
	if d.New == nil {
		return d.Old
	}
	return d.New
}

// Moved reports whether the document is in another file than before.
func (d *DocumentDiff) Moved() bool { return d.Old != nil && d.New != nil && d.Old.Path != d.New.Path }

// FieldDiff is how a field differs.
type FieldDiff struct {
	// Field leads to the value, such as "supplier.name". A list is compared as a whole.
	Field string
	// Old and New are the value as JSON; nil where it is not there.
	Old, New json.RawMessage
}

// DiffPlace is a place in a comparison: behind the document of that kind and id. The zero value is the beginning.
type DiffPlace struct {
	Kind Kind
	ID   string
}

// Place is the one behind the document.
func (d *DocumentDiff) Place() DiffPlace { return DiffPlace{d.Shown().Kind, d.Shown().ID} }

// Diff yields the documents of a kind, of every kind for "", that differ between two catalogs, ordered by kind and by the bytes
// of their ids, from a place on; what is before that costs nothing. One whose file differs in nothing but how it is written, or
// where it is, is among them. It ends early when the context ends.
func Diff(ctx context.Context, from, to *Snapshot, kind Kind, after DiffPlace) iter.Seq[DocumentDiff] {
	return func(yield func(DocumentDiff) bool) {
		kinds := maps.Clone(from.counts)
		maps.Copy(kinds, to.counts)
		for _, each := range slices.Sorted(maps.Keys(kinds)) {
			behind := ""
			switch {
			case kind != "" && each != kind, each < after.Kind:
				continue
			case each == after.Kind:
				behind = after.ID
			}
			for d := range pairs(from.List(each, behind), to.List(each, behind)) {
				if ctx.Err() != nil || d.compare() && !yield(d) {
					return
				}
			}
		}
	}
}

// CheckKind fails with INVALID_ARGUMENT for a kind, but for "", that neither of two catalogs knows.
func CheckKind(kind Kind, from, to *Snapshot) error {
	if kind == "" || from.Knows(kind) || to.Knows(kind) {
		return nil
	}
	return to.unknownKind(kind)
}

// compare finds out how the two sides differ, and reports whether they do.
func (d *DocumentDiff) compare() bool {
	switch {
	case d.Old == nil || d.New == nil:
		return true
	case d.Old == d.New || d.Old.Blob == d.New.Blob && d.Old.Path == d.New.Path:
		return false
	}
	d.Fields, d.Body = diffFields(nil, d.Old.root(), d.New.root(), ""), d.Old.Body != d.New.Body
	return true
}

// pairs puts the documents of one id together, of two sequences that are ordered by id.
func pairs(from, to iter.Seq[*Document]) iter.Seq[DocumentDiff] {
	return func(yield func(DocumentDiff) bool) {
		next, stop := iter.Pull(to)
		defer stop()
		after, more := next()
		for before := range from {
			for ; more && after.ID < before.ID; after, more = next() {
				if !yield(DocumentDiff{New: after}) {
					return
				}
			}
			d := DocumentDiff{Old: before}
			if more && after.ID == before.ID {
				d.New = after
				after, more = next()
			}
			if !yield(d) {
				return
			}
		}
		for ; more; after, more = next() {
			if !yield(DocumentDiff{New: after}) {
				return
			}
		}
	}
}

// diffFields adds the fields that differ between two maps.
func diffFields(all []FieldDiff, from, to *yaml.Node, field string) []FieldDiff {
	for i := 0; i+1 < len(to.Content); i += 2 {
		name, value := join(field, to.Content[i].Value), to.Content[i+1]
		switch before := lookUp(from, to.Content[i].Value); {
		case before == nil:
			all = append(all, FieldDiff{Field: name, New: appendJSON(nil, value)})
		case equal(before, value):
		case before.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode:
			all = diffFields(all, before, value, name)
		default:
			all = append(all, FieldDiff{Field: name, Old: appendJSON(nil, before), New: appendJSON(nil, value)})
		}
	}
	for i := 0; i+1 < len(from.Content); i += 2 {
		if lookUp(to, from.Content[i].Value) == nil {
			all = append(all, FieldDiff{Field: join(field, from.Content[i].Value), Old: appendJSON(nil, from.Content[i+1])})
		}
	}
	return all
}
