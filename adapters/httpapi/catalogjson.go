package httpapi

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// catalogJSON describes a catalog.
type catalogJSON struct {
	Repository string                `json:"repository" doc:"The repository's id."`
	View       string                `json:"view" doc:"What is followed: head of a branch, or live, the highest release." example:"live"`
	CommitID   string                `json:"commit_id" doc:"The commit that is served."`
	Ref        string                `json:"ref" doc:"The branch or tag that leads there." example:"refs/tags/v1.4.0"`
	Release    string                `json:"release" doc:"The version of the release tag; empty if a branch is followed." example:"1.4.0"`
	Counts     map[string]int        `json:"counts" doc:"How many documents are served, by kind; of a kind with a schema also if there are none."`
	LoadedAt   time.Time             `json:"loaded_at" doc:"When this commit was loaded."`
	CheckedAt  time.Time             `json:"checked_at" doc:"When the commit was last known to be the newest one."`
	AgeSeconds float64               `json:"age_seconds" doc:"How long ago that was."`
	Stale      bool                  `json:"stale" doc:"Whether there may be a newer commit: bringing the catalog up to date fails, or was not tried for long."`
	LastError  *failureJSON          `json:"last_error,omitempty" doc:"Why the catalog could not be brought up to date."`
	Moved      *movedJSON            `json:"moved_release,omitempty" doc:"The last release tag that was moved or deleted while it was the highest."`
	Problems   int                   `json:"problems" doc:"How many problems the documents have."`
	Examples   []documentProblemJSON `json:"first_problems" nullable:"false" doc:"The first few of them; problems has all."`
	Reloads    uint64                `json:"reloads" doc:"How many commits were loaded since the API started."`
	Failures   uint64                `json:"failures" doc:"How many attempts failed since then."`
	LastReload reloadJSON            `json:"last_reload" doc:"What the last load took."`
}

// failureJSON is an error as the status of something has it.
type failureJSON struct {
	Reason string `json:"reason" doc:"The failure, for programs." example:"UNAVAILABLE"`
	Detail string `json:"detail" doc:"What is wrong. For people: the wording may change."`
}

type movedJSON struct {
	Tag         string    `json:"tag" doc:"The short name of the tag." example:"v1.4.0"`
	OldCommitID string    `json:"old_commit_id" doc:"The commit that the tag was at."`
	NewCommitID string    `json:"new_commit_id" doc:"Empty if the tag was deleted."`
	NoticedAt   time.Time `json:"noticed_at" doc:"When the API saw it."`
}

type reloadJSON struct {
	Milliseconds float64 `json:"milliseconds" doc:"How long it took."`
	Files        uint64  `json:"files" doc:"How many files were read that may be documents or schemas."`
	Bytes        uint64  `json:"bytes" doc:"How many bytes of content were read. A file of more than 1 MiB comes without its content."`
	Full         bool    `json:"full" doc:"Whether all files were read, and not only those that had changed."`
}

// documentProblemJSON is something wrong with a document.
type documentProblemJSON struct {
	Path       string `json:"path" doc:"The file's path."`
	PathBase64 []byte `json:"path_base64,omitempty" doc:"The path's bytes, if they are not UTF-8."`
	Line       int    `json:"line" doc:"From 1; 0 if it is the whole file."`
	Column     int    `json:"column" doc:"From 1; 0 if it is the whole file."`
	Field      string `json:"field" doc:"The field at fault; empty if it is the whole file." example:"images[0].url"`
	Reason     string `json:"reason" doc:"The problem, for programs." example:"INVALID_PRICE"`
	Message    string `json:"message" doc:"What is wrong and what to do. For people: the wording may change."`
}

// commitPage is a page of a listing of one commit.
type commitPage[T any] struct {
	CommitID      string `json:"commit_id" doc:"The commit that all pages are of."`
	Items         []T    `json:"items" doc:"What is on this page." nullable:"false"`
	NextPageToken string `json:"next_page_token" doc:"The page_token of the next page; empty on the last page."`
}

// fieldsJSON is a JSON object.
type fieldsJSON []byte

// MarshalJSON implements [json.Marshaler].
func (f fieldsJSON) MarshalJSON() ([]byte, error) { return f, nil }

// Schema implements [huma.SchemaProvider].
func (fieldsJSON) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// documentJSON is a document of any kind: what all have in common.
type documentJSON struct {
	Kind       string     `json:"kind" doc:"One of the three that every catalog has comes with their members as well." example:"Note"`
	ID         string     `json:"id" doc:"The document's id, unique in the catalog."`
	Slug       string     `json:"slug" doc:"Empty if it has none."`
	Title      string     `json:"title" doc:"Empty if it has none."`
	Path       string     `json:"path" doc:"The document's file."`
	PathBase64 []byte     `json:"path_base64,omitempty" doc:"The path's bytes, if they are not UTF-8."`
	BlobID     string     `json:"blob_id" doc:"The blob of the file, which a change of it may name as expected."`
	Fields     fieldsJSON `json:"fields" doc:"All other fields of the front matter, as they are written."`
	Body       string     `json:"body" doc:"The Markdown behind the front matter."`
	BodyHTML   string     `json:"body_html,omitempty" doc:"The body as HTML that is safe to show, in its place, if body=html was asked for."`
	_          struct{}   `additionalProperties:"true"`
}

// productJSON, categoryJSON and collectionJSON begin and end as documentJSON does.
type productJSON struct {
	Kind            string      `json:"kind" doc:"The document's kind." enum:"Product"`
	ID              string      `json:"id" doc:"The document's id, unique in the catalog."`
	Slug            string      `json:"slug" doc:"The name in addresses, unique among the documents of the kind."`
	Title           string      `json:"title" doc:"The title."`
	Path            string      `json:"path" doc:"The document's file."`
	PathBase64      []byte      `json:"path_base64,omitempty" doc:"The path's bytes, if they are not UTF-8."`
	BlobID          string      `json:"blob_id" doc:"The blob of the file, which a change of it may name as expected."`
	SKU             string      `json:"sku" doc:"The stock keeping unit, unique in the catalog."`
	Category        string      `json:"category" doc:"The id of the category."`
	Price           string      `json:"price" doc:"A decimal number." example:"13.50"`
	Currency        string      `json:"currency" doc:"A code of ISO 4217." example:"EUR"`
	Status          string      `json:"status" doc:"Whether the product is for sale (active), not yet (draft) or no more (archived)." enum:"active,draft,archived"`
	InventoryStatus string      `json:"inventory_status" doc:"Whether the product can be had." enum:"in_stock,low_stock,out_of_stock,preorder,made_to_order"`
	Tags            []string    `json:"tags" doc:"Words to find the product by." nullable:"false"`
	Images          []imageJSON `json:"images" doc:"The images, in their order." nullable:"false"`
	Links           []linkJSON  `json:"links" doc:"Links to more about the product." nullable:"false"`
	Fields          fieldsJSON  `json:"fields" doc:"All other fields of the front matter, as they are written."`
	Body            string      `json:"body" doc:"The Markdown behind the front matter."`
	BodyHTML        string      `json:"body_html,omitempty" doc:"The body as HTML that is safe to show, in its place, if body=html was asked for."`
}

type imageJSON struct {
	URL string `json:"url" doc:"Where the image is."`
	Alt string `json:"alt" doc:"What it shows, for those who do not see it."`
}

type linkJSON struct {
	Title string `json:"title" doc:"What the link leads to."`
	URL   string `json:"url" doc:"Where the link leads."`
}

type categoryJSON struct {
	Kind       string     `json:"kind" doc:"The document's kind." enum:"Category"`
	ID         string     `json:"id" doc:"The document's id, unique in the catalog."`
	Slug       string     `json:"slug" doc:"The name in addresses, unique among the documents of the kind."`
	Title      string     `json:"title" doc:"The title."`
	Path       string     `json:"path" doc:"The document's file."`
	PathBase64 []byte     `json:"path_base64,omitempty" doc:"The path's bytes, if they are not UTF-8."`
	BlobID     string     `json:"blob_id" doc:"The blob of the file, which a change of it may name as expected."`
	Parent     string     `json:"parent" doc:"The id of the category above; empty for a root."`
	Position   int        `json:"position" doc:"Its place among the categories of the same parent."`
	Fields     fieldsJSON `json:"fields" doc:"All other fields of the front matter, as they are written."`
	Body       string     `json:"body" doc:"The Markdown behind the front matter."`
	BodyHTML   string     `json:"body_html,omitempty" doc:"The body as HTML that is safe to show, in its place, if body=html was asked for."`
}

// wholeCategoryJSON describes a category on its own: a categoryJSON with the members of a placeJSON behind its own.
type wholeCategoryJSON struct {
	Kind       string            `json:"kind" doc:"The document's kind." enum:"Category"`
	ID         string            `json:"id" doc:"The document's id, unique in the catalog."`
	Slug       string            `json:"slug" doc:"The name in addresses, unique among the documents of the kind."`
	Title      string            `json:"title" doc:"The title."`
	Path       string            `json:"path" doc:"The document's file."`
	PathBase64 []byte            `json:"path_base64,omitempty" doc:"The path's bytes, if they are not UTF-8."`
	BlobID     string            `json:"blob_id" doc:"The blob of the file, which a change of it may name as expected."`
	Parent     string            `json:"parent" doc:"The id of the category above; empty for a root."`
	Position   int               `json:"position" doc:"Its place among the categories of the same parent."`
	Fields     fieldsJSON        `json:"fields" doc:"All other fields of the front matter, as they are written."`
	Body       string            `json:"body" doc:"The Markdown behind the front matter."`
	BodyHTML   string            `json:"body_html,omitempty" doc:"The body as HTML that is safe to show, in its place, if body=html was asked for."`
	Ancestors  []categoryRefJSON `json:"ancestors" nullable:"false" doc:"The categories above, the root first; of more than 100 the nearest."`
	Children   []categoryRefJSON `json:"children" nullable:"false" doc:"The categories right below, in their order; of more than 1000 the first. The listing with parent has them all."`
}

// placeJSON is where in the tree a category is.
type placeJSON struct {
	Ancestors []categoryRefJSON `json:"ancestors" nullable:"false" doc:"The categories above, the root first; of more than 100 the nearest."`
	Children  []categoryRefJSON `json:"children" nullable:"false" doc:"The categories right below, in their order; of more than 1000 the first. The listing with parent has them all."`
}

type categoryRefJSON struct {
	ID    string `json:"id" doc:"The category's id."`
	Slug  string `json:"slug" doc:"The name in addresses; empty if it has none."`
	Title string `json:"title" doc:"The title; empty if it has none."`
}

type collectionJSON struct {
	Kind       string     `json:"kind" doc:"The document's kind." enum:"Collection"`
	ID         string     `json:"id" doc:"The document's id, unique in the catalog."`
	Slug       string     `json:"slug" doc:"The name in addresses, unique among the documents of the kind."`
	Title      string     `json:"title" doc:"The title."`
	Path       string     `json:"path" doc:"The document's file."`
	PathBase64 []byte     `json:"path_base64,omitempty" doc:"The path's bytes, if they are not UTF-8."`
	BlobID     string     `json:"blob_id" doc:"The blob of the file, which a change of it may name as expected."`
	Products   []string   `json:"products" nullable:"false" doc:"The skus of the products in their order, as they are written: some may not be served."`
	Fields     fieldsJSON `json:"fields" doc:"All other fields of the front matter, as they are written."`
	Body       string     `json:"body" doc:"The Markdown behind the front matter."`
	BodyHTML   string     `json:"body_html,omitempty" doc:"The body as HTML that is safe to show, in its place, if body=html was asked for."`
}

// shownProblems is how many problems the description of a catalog shows.
const shownProblems = 10

func catalogView(s catalogs.Status) catalogJSON {
	served := s.Catalog
	examples, _ := pick(served.Snapshot.Problems(), 0, shownProblems)
	out := catalogJSON{
		Repository: s.Repository.String(), View: s.View.String(),
		CommitID: served.Commit().String(), Ref: served.Ref.String(), Release: served.Release,
		Counts: map[string]int{}, LoadedAt: served.LoadedAt.UTC(), CheckedAt: s.CheckedAt.UTC(), AgeSeconds: s.Age(time.Now()).Seconds(), Stale: s.Stale,
		Problems: served.Problems(), Examples: views(examples, problemView),
		Reloads: s.Work.Reloads, Failures: s.Work.Failures, LastReload: reloadJSON{
			Milliseconds: s.Work.Last.Duration.Seconds() * 1000, Files: s.Work.Last.Files, Bytes: s.Work.Last.Bytes, Full: s.Work.Last.Full,
		},
	}
	for kind, n := range served.Snapshot.Counts() {
		out.Counts[string(kind)] = n
	}
	if s.Err != nil {
		e := errs.From(s.Err)
		out.LastError = &failureJSON{string(e.Reason), e.Error()}
	}
	if m := s.Moved; m != nil {
		out.Moved = &movedJSON{m.Tag.Short(), m.Old.String(), m.New.String(), m.At.UTC()}
	}
	return out
}

// etag leaves out what changes by the passing of time.
func (v catalogJSON) etag() string {
	v.CheckedAt, v.AgeSeconds = time.Time{}, 0
	return strongTag(encodeJSON(v))
}

func problemView(p catalog.Problem) documentProblemJSON {
	path := p.Path.String()
	return documentProblemJSON{path, base64Unless(path), p.Line, p.Column, p.Field, string(p.Reason), p.Message}
}

func categoryRefView(d *catalog.Document) categoryRefJSON {
	return categoryRefJSON{d.ID, d.Slug, d.Title}
}

// maxChildren is how many of the categories right below another are told with it.
const maxChildren = 1000

// categoryPlace writes the members that tell a category's place in the tree.
func categoryPlace(s *catalog.Snapshot, d *catalog.Document) []byte {
	var children []*catalog.Document
	for child := range s.Children(d.ID) {
		if len(children) == maxChildren {
			break
		}
		children = append(children, child)
	}
	place := encodeJSON(placeJSON{
		Ancestors: views(s.Ancestors(d.ID), categoryRefView), Children: views(children, categoryRefView),
	})
	place[0] = ','
	return place[:len(place)-1]
}

// encodeJSON writes a value of this package, which can always be written.
func encodeJSON(v any) []byte {
	b, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true), json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return b
}

func encodeLine(v any) []byte { return append(encodeJSON(v), '\n') }

func documentView(d *catalog.Document) any {
	path := d.Path.String()
	kind, pathBase64, blob := string(d.Kind), base64Unless(path), d.Blob.String()
	switch {
	case d.Product != nil:
		p := d.Product
		return productJSON{
			Kind: kind, ID: d.ID, Slug: d.Slug, Title: d.Title, Path: path, PathBase64: pathBase64, BlobID: blob,
			SKU: p.SKU, Category: p.Category, Price: p.Price, Currency: p.Currency, Status: p.Status, InventoryStatus: p.InventoryStatus,
			Tags:   p.Tags,
			Images: views(p.Images, func(i catalog.Image) imageJSON { return imageJSON{i.URL, i.Alt} }),
			Links:  views(p.Links, func(l catalog.Link) linkJSON { return linkJSON{l.Title, l.URL} }),
			Fields: fieldsJSON(d.OtherFields()), Body: d.Body,
		}
	case d.Category != nil:
		return categoryJSON{
			Kind: kind, ID: d.ID, Slug: d.Slug, Title: d.Title, Path: path, PathBase64: pathBase64, BlobID: blob,
			Parent: d.Category.Parent, Position: d.Category.Position, Fields: fieldsJSON(d.OtherFields()), Body: d.Body,
		}
	case d.Collection != nil:
		return collectionJSON{
			Kind: kind, ID: d.ID, Slug: d.Slug, Title: d.Title, Path: path, PathBase64: pathBase64, BlobID: blob,
			Products: d.Collection.Products, Fields: fieldsJSON(d.OtherFields()), Body: d.Body,
		}
	}
	return documentJSON{
		Kind: kind, ID: d.ID, Slug: d.Slug, Title: d.Title, Path: path, PathBase64: pathBase64, BlobID: blob,
		Fields: fieldsJSON(d.OtherFields()), Body: d.Body,
	}
}

// encodedDocument is a document as it is sent.
type encodedDocument struct {
	// line is the object and a line break; object is the same bytes without.
	line, object []byte
	// etag is of these bytes: it stays the same from commit to commit while the document does.
	etag string
	// html is the body as a JSON string of HTML, nil until it is asked for.
	html atomic.Pointer[[]byte]
}

// encodedDocuments keeps what documents were encoded to, as making it costs more than all else of an answer. An entry lives
// as long as its document, which the snapshots share. It is an object of its own: what ends an entry refers to it, and must not
// lead to the documents by way of the API.
type encodedDocuments struct{ byDocument sync.Map }

func (e *encodedDocuments) of(d *catalog.Document) *encodedDocument {
	key := weak.Make(d)
	if known, ok := e.byDocument.Load(key); ok {
		return known.(*encodedDocument)
	}
	line := encodeLine(documentView(d))
	kept, known := e.byDocument.LoadOrStore(key, &encodedDocument{line: line, object: line[:len(line)-1], etag: documentTag(d, line)})
	if !known {
		runtime.AddCleanup(d, func(key weak.Pointer[catalog.Document]) { e.byDocument.Delete(key) }, key)
	}
	return kept.(*encodedDocument)
}

// writePage writes a page of documents, as a [commitPage].
func writePage(commit git.ObjectID, objects [][]byte, next string) []byte {
	size := 256 + len(next)
	for _, o := range objects {
		size += len(o) + 1
	}
	b := make([]byte, 0, size)
	b = append(b, `{"commit_id":"`...)
	b = append(b, commit.String()...)
	b = append(b, `","items":[`...)
	b = append(b, bytes.Join(objects, []byte{','})...)
	b = append(b, `],"next_page_token":"`...)
	b = append(b, next...)
	return append(b, "\"}\n"...)
}
