package graphqlapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// The types of this file are those of the schema; what they embed, and their methods, are the fields. Those are described there.

// Catalog is the catalog of a repository at one commit.
type Catalog struct {
	*catalogs.Catalog
	in *session
	// at is the revision that was asked for, "" for what is followed: ids and listings of one are not those of another.
	at string
	// status has no catalog if a revision was asked for.
	status catalogs.Status
	// written is the commit of a catalog that does not know it.
	written git.ObjectID
}

// IsNode implements [Node].
func (*Catalog) IsNode() {}

// ID is the field id.
func (c *Catalog) ID() string {
	if c.at == "" {
		return nodeID(nodeCatalog, c.Repository())
	}
	return nodeID(nodeCatalogAt, c.Repository(), c.at)
}

// Repository is the field repository.
func (c *Catalog) Repository() string { return c.Catalog.Repository.String() }

// View is the field view.
func (c *Catalog) View() string { return c.Catalog.View.String() }

// CommitID is the field commitId.
func (c *Catalog) CommitID() git.ObjectID {
	if !c.written.IsZero() {
		return c.written
	}
	return c.Commit()
}

// Ref is the field ref.
func (c *Catalog) Ref() string { return c.Catalog.Ref.String() }

// Counts is the field counts.
func (c *Catalog) Counts() []*KindCount {
	var all []*KindCount
	for kind, n := range c.Snapshot.Counts() {
		all = append(all, &KindCount{Kind: string(kind), Count: n})
	}
	slices.SortFunc(all, func(a, b *KindCount) int { return strings.Compare(a.Kind, b.Kind) })
	return all
}

// kept is how the catalog is kept; what was asked for by a revision is as it is.
func (c *Catalog) kept() catalogs.Status {
	if c.status.Catalog == nil {
		return catalogs.Status{CheckedAt: time.Now()}
	}
	return c.status
}

// CheckedAt is the field checkedAt.
func (c *Catalog) CheckedAt() time.Time { return c.kept().CheckedAt }

// AgeSeconds is the field ageSeconds.
func (c *Catalog) AgeSeconds() float64 { return c.kept().Age(time.Now()).Seconds() }

// Stale is the field stale.
func (c *Catalog) Stale() bool { return c.kept().Stale }

// LastError is the field lastError.
func (c *Catalog) LastError() *Failure {
	failure := c.kept().Err
	if failure == nil {
		return nil
	}
	e := errs.From(failure)
	return &Failure{Reason: string(e.Reason), Message: e.Error()}
}

// MovedRelease is the field movedRelease.
func (c *Catalog) MovedRelease() *MovedRelease {
	m := c.kept().Moved
	if m == nil {
		return nil
	}
	return &MovedRelease{Tag: m.Tag.Short(), OldCommitID: m.Old.String(), NewCommitID: m.New.String(), NoticedAt: m.At}
}

// ProblemCount is the field problemCount.
func (c *Catalog) ProblemCount() int { return c.Catalog.Problems() }

// Problem is something wrong with a document.
type Problem struct{ catalog.Problem }

// Reason is the field reason.
func (p *Problem) Reason() string { return string(p.Problem.Reason) }

// PathBase64 is the field pathBase64.
func (p *Problem) PathBase64() *string { return base64Unless(p.Path.String()) }

// base64Unless returns nil for UTF-8.
func base64Unless(s string) *string {
	if utf8.ValidString(s) {
		return nil
	}
	text := base64.StdEncoding.EncodeToString([]byte(s))
	return &text
}

// Document is a document of any kind.
type Document interface {
	IsDocument()
	IsNode()
}

// document is what documents have in common.
type document struct {
	*catalog.Document
	of *Catalog
}

// Product is a product.
type Product struct {
	document
	*catalog.Product
}

// Category is a category.
type Category struct{ document }

// Collection is a collection.
type Collection struct{ document }

// OtherDocument is a document of another kind.
type OtherDocument struct{ document }

// document is one of the catalog as a type of the schema, nil for nil.
func (c *Catalog) document(d *catalog.Document) Document {
	switch {
	case d == nil:
		return nil
	case d.Product != nil:
		return c.product(d)
	case d.Category != nil:
		return c.category(d)
	case d.Collection != nil:
		return c.collection(d)
	}
	return &OtherDocument{document{d, c}}
}

func (c *Catalog) product(d *catalog.Document) *Product { return &Product{document{d, c}, d.Product} }

func (c *Catalog) category(d *catalog.Document) *Category { return &Category{document{d, c}} }

func (c *Catalog) collection(d *catalog.Document) *Collection { return &Collection{document{d, c}} }

// IsNode implements [Node].
func (document) IsNode() {}

// IsDocument implements [Document].
func (document) IsDocument() {}

// ID is the field id.
func (d document) ID() string {
	if d.of.at == "" {
		return nodeID(nodeDocument, d.of.Repository(), d.Document.ID)
	}
	return nodeID(nodeDocumentAt, d.of.Repository(), d.of.at, d.Document.ID)
}

// DocumentID is the field documentId.
func (d document) DocumentID() string { return d.Document.ID }

// Kind is the field kind.
func (d document) Kind() string { return string(d.Document.Kind) }

// PathBase64 is the field pathBase64.
func (d document) PathBase64() *string { return base64Unless(d.Path.String()) }

// BlobID is the field blobId.
func (d document) BlobID() git.ObjectID { return d.Blob }

// Fields is the field fields.
func (d document) Fields() json.RawMessage { return d.OtherFields() }

// BodyHTML is the field bodyHtml.
func (d document) BodyHTML(ctx context.Context) (string, error) {
	return sessionOf(ctx).bodyHTML(d.Document)
}

// CategoryID is the field categoryId.
func (p *Product) CategoryID() string { return p.Product.Category }

// Category is the field category.
func (p *Product) Category() *Category { return p.of.categoryOf(p.Product.Category) }

// Tags is the field tags.
func (p *Product) Tags(ctx context.Context) ([]string, error) { return listed(ctx, p.Product.Tags) }

// Images is the field images.
func (p *Product) Images(ctx context.Context) ([]catalog.Image, error) {
	return listed(ctx, p.Product.Images)
}

// Links is the field links.
func (p *Product) Links(ctx context.Context) ([]catalog.Link, error) {
	return listed(ctx, p.Product.Links)
}

// categoryOf is the category of an id, nil if none is served.
func (c *Catalog) categoryOf(id string) *Category {
	d := c.Snapshot.Document(id)
	if d == nil || d.Category == nil {
		return nil
	}
	return c.category(d)
}

// ParentID is the field parentId.
func (c *Category) ParentID() string { return c.Document.Category.Parent }

// Parent is the field parent.
func (c *Category) Parent() *Category { return c.of.categoryOf(c.Document.Category.Parent) }

// Position is the field position.
func (c *Category) Position() int { return c.Document.Category.Position }

// Ancestors is the field ancestors.
func (c *Category) Ancestors(ctx context.Context) ([]*Category, error) {
	above := c.of.Snapshot.Ancestors(c.Document.ID)
	out := make([]*Category, len(above))
	for i, d := range above {
		out[i] = c.of.category(d)
	}
	return listed(ctx, out)
}

// ProductSkus is the field productSkus.
func (c *Collection) ProductSkus(ctx context.Context) ([]string, error) {
	return listed(ctx, c.Document.Collection.Products)
}

// Release is a tag that is a Semantic Version.
type Release struct {
	ports.TagInfo
	of string
	in *session
}

// IsNode implements [Node].
func (*Release) IsNode() {}

// ID is the field id.
func (r *Release) ID() string { return nodeID(nodeRelease, r.of, r.Version) }

// Tag is the field tag.
func (r *Release) Tag() string { return r.Ref.Name.Short() }

// TargetID is the field targetId.
func (r *Release) TargetID() git.ObjectID { return r.Ref.Target }

// CommitID is the field commitId.
func (r *Release) CommitID() git.ObjectID {
	if r.Ref.PeeledType != git.CommitObject {
		return git.ObjectID{}
	}
	return r.Ref.Peeled
}

// Message is the field message.
func (r *Release) Message() string {
	if r.Annotated == nil {
		return ""
	}
	return r.Annotated.Message
}

// Tagger is the field tagger.
func (r *Release) Tagger() *git.Signature {
	if r.Annotated == nil {
		return nil
	}
	return &r.Annotated.Tagger
}

// Catalog is the field catalog.
func (r *Release) Catalog(context.Context) (*Catalog, error) {
	if r.CommitID().IsZero() {
		return nil, nil //nolint:nilnil // there is none
	}
	commit := r.CommitID().String()
	return r.in.catalog(r.of, &commit)
}

// DocumentDiff is how a document differs between two catalogs.
type DocumentDiff struct {
	catalog.DocumentDiff
	from, to *Catalog
}

// Change is the field change.
func (d *DocumentDiff) Change() DocumentDiffChange {
	switch {
	case d.DocumentDiff.Old == nil:
		return DocumentDiffChangeAdded
	case d.DocumentDiff.New == nil:
		return DocumentDiffChangeRemoved
	}
	return DocumentDiffChangeChanged
}

// Kind is the field kind.
func (d *DocumentDiff) Kind() string { return string(d.Shown().Kind) }

// DocumentID is the field documentId.
func (d *DocumentDiff) DocumentID() string { return d.Shown().ID }

// Title is the field title.
func (d *DocumentDiff) Title() string { return d.Shown().Title }

// Path is the field path.
func (d *DocumentDiff) Path() git.TreePath { return d.Shown().Path }

// OldPath is the field oldPath.
func (d *DocumentDiff) OldPath() *git.TreePath {
	if !d.Moved() {
		return nil
	}
	return &d.DocumentDiff.Old.Path
}

// Fields is the field fields.
func (d *DocumentDiff) Fields(ctx context.Context) ([]catalog.FieldDiff, error) {
	return listed(ctx, d.DocumentDiff.Fields)
}

// BodyChanged is the field bodyChanged.
func (d *DocumentDiff) BodyChanged() bool { return d.Body }

// Old is the field old.
func (d *DocumentDiff) Old() Document { return d.from.document(d.DocumentDiff.Old) }

// New is the field new.
func (d *DocumentDiff) New() Document { return d.to.document(d.DocumentDiff.New) }
