package graphqlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"unicode"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// Bodies read the bodies of REST. What a mutation is given is turned into such a body, so that both edges take the same and
// refuse the same with the same words.
type Bodies interface {
	// Write reads the body of a commit of several documents.
	Write(body []byte) (catalogs.Write, error)
	// Release reads the body of a release.
	Release(body []byte) (catalogs.Release, error)
	// Rollback reads the body of a rollback to a version.
	Rollback(to string, body []byte) (catalogs.Rollback, error)
}

// mutation has the fields of the type Mutation.
type mutation struct{}

// CreateDocument resolves the field createDocument.
func (mutation) CreateDocument(ctx context.Context, repository string, document, commit map[string]any) (*ChangePayload, error) {
	return changeOne(ctx, repository, catalogs.CreateDocument, ofDocument(document, nil), commit)
}

// ReplaceDocument resolves the field replaceDocument.
func (mutation) ReplaceDocument(ctx context.Context, repository string, document map[string]any, ifMatch *string, commit map[string]any) (*ChangePayload, error) {
	return changeOne(ctx, repository, catalogs.ReplaceDocument, ofDocument(document, ifMatch), commit)
}

// PutDocument resolves the field putDocument.
func (mutation) PutDocument(ctx context.Context, repository string, document map[string]any, ifMatch *string, commit map[string]any) (*ChangePayload, error) {
	return changeOne(ctx, repository, catalogs.PutDocument, ofDocument(document, ifMatch), commit)
}

// PatchDocument resolves the field patchDocument.
func (mutation) PatchDocument(ctx context.Context, repository string, document map[string]any, ifMatch *string, commit map[string]any) (*ChangePayload, error) {
	return changeOne(ctx, repository, catalogs.PatchDocument, ofDocument(document, ifMatch), commit)
}

// DeleteDocument resolves the field deleteDocument.
func (mutation) DeleteDocument(ctx context.Context, repository, kind, documentID string, ifMatch *string, commit map[string]any) (*ChangePayload, error) {
	change := map[string]any{"kind": kind, "documentId": documentID}
	if ifMatch != nil {
		change["ifMatch"] = *ifMatch
	}
	return changeOne(ctx, repository, catalogs.DeleteDocument, change, commit)
}

// ofDocument is a DocumentChangeInput.
func ofDocument(document map[string]any, ifMatch *string) map[string]any {
	change := map[string]any{"document": document}
	if ifMatch != nil {
		change["ifMatch"] = *ifMatch
	}
	return change
}

// ChangeDocuments resolves the field changeDocuments.
func (mutation) ChangeDocuments(ctx context.Context, repository string, changes []map[string]any, commit map[string]any) (*ChangesPayload, error) {
	in, result, err := sessionOf(ctx).write(repository, changes, commit)
	if err != nil {
		return nil, inGraphQL(err)
	}
	out := &ChangesPayload{CommitID: result.Commit.Commit.String(), Replayed: result.Commit.Replayed, NoOp: result.Commit.NoOp, Documents: []*WrittenDocument{}}
	for i, d := range result.Documents {
		out.Documents = append(out.Documents, &WrittenDocument{
			Action: actionOf(d), Kind: string(in.changes[i].Kind), DocumentID: in.changes[i].ID, Path: d.Path.String(), Document: in.catalog.document(d.Document),
		})
	}
	return out, nil
}

// changeOne makes a commit of one document.
func changeOne(ctx context.Context, repository string, action catalogs.Action, change, commit map[string]any) (*ChangePayload, error) {
	change["action"] = strings.ToUpper(string(action))
	in, result, err := sessionOf(ctx).write(repository, []map[string]any{change}, commit)
	if err != nil {
		if field, ok := strings.CutPrefix(errs.From(err).Meta[errs.MetaField], "changes[0]"); ok {
			err = errs.InField(err, strings.TrimPrefix(field, "."))
		}
		return nil, inGraphQL(err)
	}
	written := result.Documents[0]
	return &ChangePayload{
		CommitID: result.Commit.Commit.String(), Replayed: result.Commit.Replayed, NoOp: result.Commit.NoOp,
		Action: actionOf(written), Document: in.catalog.document(written.Document),
	}, nil
}

func actionOf(d catalogs.WrittenDocument) DocumentAction {
	return DocumentAction(strings.ToUpper(string(d.Action)))
}

// written is what a write was made of and led to.
type written struct {
	changes []catalogs.DocumentChange
	catalog *Catalog
}

// write makes a commit of changes.
func (s *session) write(repository string, changes []map[string]any, commit map[string]any) (in written, result *catalogs.WriteResult, err error) {
	body, err := bodyOf("CommitInput", commit, changes)
	if err != nil {
		return in, nil, err
	}
	w, err := s.executor.bodies.Write(body)
	if err != nil {
		return in, nil, err
	}
	err = s.repository(repository, func(ctx context.Context, id git.RepositoryID, _ ports.GitRepository) (err error) {
		if result, err = s.executor.catalogs.Write(ctx, id, w); err != nil {
			return err
		}
		s.made = append(s.made, result.Commit.Commit.String())
		in.changes = w.Changes
		in.catalog = &Catalog{
			Catalog: &catalogs.Catalog{Repository: id, Snapshot: result.Snapshot}, in: s, at: revisionOf(w, result), written: result.Commit.Commit,
		}
		return nil
	})
	return in, result, err
}

// revisionOf is by what revision a write is read again, "" for what the catalog follows: a client that keeps objects by their ids
// has what it wrote in the place of what it read.
func revisionOf(w catalogs.Write, result *catalogs.WriteResult) string {
	switch {
	case w.Commit.DryRun, result.Commit.Replayed: // not how the branch is now
		return result.Commit.Commit.String()
	case result.Followed:
		return ""
	}
	return result.Branch.Short()
}

// PublishRelease resolves the field publishRelease.
func (mutation) PublishRelease(ctx context.Context, repository string, release map[string]any) (*ReleasePayload, error) {
	s := sessionOf(ctx)
	body, err := bodyOf("ReleaseInput", release, nil)
	if err != nil {
		return nil, inGraphQL(err)
	}
	r, err := s.executor.bodies.Release(body)
	if err != nil {
		return nil, inGraphQL(err)
	}
	return s.released(repository, func(ctx context.Context, id git.RepositoryID) (catalogs.ReleaseResult, error) {
		return s.executor.catalogs.Release(ctx, id, r)
	})
}

// RollBack resolves the field rollBack.
func (mutation) RollBack(ctx context.Context, repository string, release map[string]any) (*ReleasePayload, error) {
	s := sessionOf(ctx)
	body, err := bodyOf("RollbackInput", release, nil)
	if err != nil {
		return nil, inGraphQL(err)
	}
	to, _ := release["to"].(string)
	r, err := s.executor.bodies.Rollback(to, body)
	if err != nil {
		return nil, inGraphQL(err)
	}
	return s.released(repository, func(ctx context.Context, id git.RepositoryID) (catalogs.ReleaseResult, error) {
		return s.executor.catalogs.Rollback(ctx, id, r)
	})
}

func (s *session) released(repository string, release func(context.Context, git.RepositoryID) (catalogs.ReleaseResult, error)) (out *ReleasePayload, err error) {
	err = s.repository(repository, func(ctx context.Context, id git.RepositoryID, _ ports.GitRepository) error {
		result, err := release(ctx, id)
		if err != nil {
			return err
		}
		out = &ReleasePayload{Release: &Release{result.Tag, repository, s}, Latest: result.Latest}
		s.made = append(s.made, out.Release.CommitID().String())
		return nil
	})
	if err != nil {
		return nil, inGraphQL(err)
	}
	return out, nil
}

// bodyOf is the body of REST that an input stands for, with changes if it has none of its own.
func bodyOf(input string, given map[string]any, changes []map[string]any) ([]byte, error) {
	b, err := appendInput([]byte{'{'}, input, given, false)
	if err == nil && changes != nil {
		b, err = appendValue(appendName(b, "changes"), ast.NonNullListType(ast.NonNullNamedType("DocumentChangeInput", nil), nil), changes)
	}
	return append(b, '}'), err
}

// inREST are the names that do not follow from those of the schema.
var inREST = map[string]string{
	"documentId": "id", "categoryId": "category", "parentId": "parent", "productSkus": "products", "ifMatch": "expected_blob_id",
}

// restName is what REST calls a field.
func restName(name string) string {
	if known := inREST[name]; known != "" {
		return known
	}
	var b strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(append(b, quote(name)...), ':')
}

// appendInput adds the fields of an input in the order of the schema. Null is a value of a document's fields, else it is none.
func appendInput(b []byte, input string, given map[string]any, nulls bool) (_ []byte, err error) {
	for _, f := range servedSchema.Types[input].Fields {
		value, there := given[f.Name]
		switch {
		case !there, f.Name == "to", isNull(value) && !nulls:
			continue
		case f.Type.Name() == "DocumentInput":
			b, err = appendDocument(b, value)
		default:
			b, err = appendValue(appendName(b, restName(f.Name)), f.Type, value)
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// isNull looks through the pointers and lists that gqlgen reads nulls into.
func isNull(value any) bool {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsNil()
	}
	return false
}

var kinds = map[string]catalog.Kind{"product": catalog.KindProduct, "category": catalog.KindCategory, "collection": catalog.KindCollection}

// appendDocument adds kind, id and document of a change.
func appendDocument(b []byte, value any) ([]byte, error) {
	var (
		fields map[string]any
		name   string
	)
	given, _ := value.(map[string]any)
	for name = range given {
		fields, _ = given[name].(map[string]any)
	}
	if len(given) != 1 || fields == nil {
		return nil, errs.InvalidField(errs.ReasonInvalidArgument, "document", "a document is of one kind: give product, category, collection or other, and only one of them")
	}
	kind := any(string(kinds[name]))
	if name == "other" {
		kind = fields["kind"]
	}
	text := ast.NamedType("String", nil)
	b, _ = appendValue(appendName(b, "kind"), text, kind) // a text can be written
	b, _ = appendValue(appendName(b, "id"), text, fields["documentId"])
	b, err := appendInput(append(appendName(b, "document"), '{'), servedSchema.Types["DocumentInput"].Fields.ForName(name).Type.Name(), fields, true)
	return append(b, '}'), err
}

// appendValue adds a value of a type as gqlgen has read it.
func appendValue(b []byte, of *ast.Type, value any) (_ []byte, err error) {
	def := servedSchema.Types[of.Name()]
	list, isList := value.([]map[string]any)
	switch {
	case isList && list != nil:
		b = append(b, '[')
		for i, item := range list {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendValue(b, of.Elem, item); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case def.Kind == ast.InputObject && !isNull(value):
		b, err = appendInput(append(b, '{'), def.Name, value.(map[string]any), false)
		return append(b, '}'), err
	}
	raw, err := json.Marshal(value)
	if def.Kind == ast.Enum {
		raw = bytes.ToLower(raw)
	}
	return append(b, raw...), err
}

// inGraphQL gives the field of an error of REST the name that it has here.
func inGraphQL(err error) error {
	at := errs.From(err).Meta[errs.MetaField]
	if at == "" {
		return err
	}
	parts := strings.Split(at, ".")
	for i, part := range parts {
		if i > 0 && parts[i-1] == "fields" {
			break // the rest is that of the front matter
		}
		parts[i] = graphqlName(part)
	}
	return errs.InField(err, strings.Join(parts, "."))
}

// graphqlName is what is called so by REST, with an index behind it or without.
func graphqlName(rest string) string {
	switch rest {
	case "id":
		return "documentId"
	case "expected_blob_id":
		return "ifMatch"
	}
	words := strings.Split(rest, "_")
	for i, word := range words[1:] {
		if word != "" {
			words[i+1] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}
