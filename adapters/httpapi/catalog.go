package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
)

// Catalogs keeps the catalogs of repositories, as [catalogs.Follower] does.
type Catalogs interface {
	// Catalog returns the present catalog of a repository: see [catalogs.Follower.Catalog].
	Catalog(ctx context.Context, id git.RepositoryID) (*catalogs.Catalog, error)
	// At returns the catalog at a commit, nil if it is not at hand any more: see [catalogs.Follower.At].
	At(id git.RepositoryID, commit git.ObjectID) (*catalogs.Catalog, error)
	// Status tells how the catalog is kept: see [catalogs.Follower.Status].
	Status(id git.RepositoryID) (catalogs.Status, error)
}

const catalogPattern = "/v1/repositories/{id}/catalog"

// documentList is how documents of a kind are listed and read.
type documentList struct {
	// name is the last part of the path, noun is what one of them is called.
	name, noun string
	kind       catalog.Kind
	filters    []documentFilter
	// page has the type of the JSON of a page, whole that of one document on its own.
	page, whole any
	// more writes the members that a document on its own has besides its own, each with a comma before it; nil is none.
	more func(s *catalog.Snapshot, d *catalog.Document) []byte
	// order says in which order documents are listed.
	order string
}

// documentFilter is a query parameter that selects documents.
type documentFilter struct {
	param *param
	find  func(s *catalog.Snapshot, value string) iter.Seq[*catalog.Document]
}

var documentLists = []documentList{
	{
		name: "products", noun: "product", kind: catalog.KindProduct,
		page: commitPage[productJSON]{}, whole: productJSON{},
		order: "Ordered by the bytes of their ids; those of a collection in its order.",
		filters: []documentFilter{
			{textParam("sku", "The product with this sku."), func(s *catalog.Snapshot, sku string) iter.Seq[*catalog.Document] {
				return onlyDocument(s.BySKU(sku))
			}},
			slugFilter(catalog.KindProduct),
			{textParam("category", "The products right in the category of this id."), (*catalog.Snapshot).InCategory},
			{textParam("collection", "The products of the collection of this id."), inCollection},
		},
	},
	{
		name: "categories", noun: "category", kind: catalog.KindCategory,
		page: commitPage[categoryJSON]{}, whole: wholeCategoryJSON{}, more: categoryPlace,
		order: "Ordered by the bytes of their ids; those below a parent by their position.",
		filters: []documentFilter{
			slugFilter(catalog.KindCategory),
			{textParam("parent", "The categories right below the one of this id; the roots if it is empty."), (*catalog.Snapshot).Children},
		},
	},
	{
		name: "collections", noun: "collection", kind: catalog.KindCollection,
		page: commitPage[collectionJSON]{}, whole: collectionJSON{},
		order:   "Ordered by the bytes of their ids.",
		filters: []documentFilter{slugFilter(catalog.KindCollection)},
	},
}

func slugFilter(kind catalog.Kind) documentFilter {
	return documentFilter{textParam("slug", "The one with this slug."), func(s *catalog.Snapshot, slug string) iter.Seq[*catalog.Document] {
		return onlyDocument(s.BySlug(kind, slug))
	}}
}

func onlyDocument(d *catalog.Document) iter.Seq[*catalog.Document] {
	return func(yield func(*catalog.Document) bool) {
		if d != nil {
			yield(d)
		}
	}
}

func inCollection(s *catalog.Snapshot, id string) iter.Seq[*catalog.Document] {
	if c := s.Document(id); c != nil && c.Collection != nil {
		return s.InCollection(c)
	}
	return onlyDocument(nil)
}

func (a *api) catalogRoutes() []*route {
	if a.opts.Catalogs == nil {
		return nil
	}
	const group = "Catalog"
	headers := []*param{headerParam("If-None-Match", "ETags that the caller has: 304 if the answer would have one of them.")}
	routes := []*route{
		newRoute(http.MethodGet, catalogPattern, spec{
			id: "getCatalog", group: group, summary: "Describe the catalog", headers: headers,
			description: "Which commit is served, how old that knowledge is, how many documents there are, and what is wrong with some.",
			answers:     catalogAnswers("The catalog.", catalogJSON{}),
		}, a.getCatalog),
		newRoute(http.MethodGet, catalogPattern+"/problems", spec{
			id: "listCatalogProblems", group: group, summary: "List what is wrong with documents", query: pageParams(), headers: headers,
			description: "Ordered by path, and within a file by place. A document with a problem in itself is not served.",
			answers:     catalogAnswers("A page of problems.", commitPage[documentProblemJSON]{}),
		}, a.listCatalogProblems),
		newRoute(http.MethodGet, catalogPattern+"/documents", spec{
			id: "listDocuments", group: group, summary: "List documents of any kind", headers: headers,
			description: "Ordered by the bytes of their ids. " + samePages,
			query:       append([]*param{textParam("kind", "The kind, such as Product, or one that the repository has a schema for. It has to be given.")}, pageParams()...),
			answers:     catalogAnswers("A page of documents.", commitPage[documentJSON]{}),
		}, a.listAnyDocuments),
		newRoute(http.MethodGet, catalogPattern+"/documents/{kind}/{document}", spec{
			id: "getDocument", group: group, summary: "Read a document of any kind", headers: headers,
			answers: catalogAnswers("The document.", documentJSON{}),
		}, a.getAnyDocument),
	}
	for _, l := range documentLists {
		routes = append(routes, a.documentListRoutes(group, headers, l)...)
	}
	return routes
}

// samePages is what all listings of a catalog promise.
const samePages = "All pages are of one commit. If the catalog has moved on by many commits meanwhile, the token is refused: begin again."

func (a *api) documentListRoutes(group string, headers []*param, l documentList) []*route {
	var filters []*param
	for _, f := range l.filters {
		filters = append(filters, f.param)
	}
	title := strings.ToUpper(l.name[:1]) + l.name[1:]
	single := strings.ToUpper(l.noun[:1]) + l.noun[1:]
	return []*route{
		newRoute(http.MethodGet, catalogPattern+"/"+l.name, spec{
			id: "list" + title, group: group, summary: "List " + l.name, query: append(filters, pageParams()...), headers: headers,
			description: l.order + " One filter may be given. " + samePages,
			answers:     catalogAnswers("A page of "+l.name+".", l.page),
		}, func(c *call) error { return a.listDocuments(c, l) }),
		newRoute(http.MethodGet, catalogPattern+"/"+l.name+"/{document}", spec{
			id: "get" + single, group: group, summary: "Read a " + l.noun, headers: headers,
			answers: catalogAnswers("The "+l.noun+".", l.whole),
		}, func(c *call) error { return a.getDocument(c, l.kind, l.more) }),
	}
}

func catalogAnswers(description string, value any) map[int]content {
	answers := ok(description, value, "ETag", "GitStore-Commit", "Age")
	answers[http.StatusNotModified] = content{description: "The answer is the one that If-None-Match names."}
	return answers
}

func (a *api) catalog(c *call) (*catalogs.Catalog, error) {
	id, err := c.repositoryID()
	if err != nil {
		return nil, err
	}
	return a.opts.Catalogs.Catalog(c.ctx(), id)
}

// catalogPage is the catalog that a page is of: that of the pages before, if there were any.
func (a *api) catalogPage(c *call) (*catalogs.Catalog, cursor, error) {
	cur, err := c.cursor()
	if err != nil {
		return nil, cur, err
	}
	if cur.Commit.IsZero() {
		found, err := a.catalog(c)
		return found, cur, err
	}
	id, err := c.repositoryID()
	if err != nil {
		return nil, cur, err
	}
	found, err := a.opts.Catalogs.At(id, cur.Commit)
	if err == nil && found == nil {
		err = errs.InvalidField(errs.ReasonInvalidPageToken, "page_token",
			"the catalog has moved on, and the commit of the pages before is not at hand any more: begin again without a token")
	}
	return found, cur, err
}

func (a *api) getCatalog(c *call) error {
	id, err := c.repositoryID()
	if err != nil {
		return err
	}
	if _, err := a.opts.Catalogs.Catalog(c.ctx(), id); err != nil {
		return err
	}
	status, err := a.opts.Catalogs.Status(id)
	switch {
	case err != nil:
		return err
	case status.Catalog == nil: // it is gone since
		return status.Err
	}
	view := catalogView(status)
	return a.answerVersion(c, status.Catalog, "W/"+view.etag(), func() []byte { return encodeLine(view) })
}

func (a *api) listCatalogProblems(c *call) error {
	found, cur, err := a.catalogPage(c)
	if err != nil {
		return err
	}
	return a.answerVersion(c, found, a.pageTag(c, found), func() []byte {
		items, more := pick(found.Snapshot.Problems(), cur.Skip, cur.size)
		out := commitPage[documentProblemJSON]{CommitID: found.Commit().String(), Items: views(items, problemView)}
		if more {
			out.NextPageToken = cur.next(page.Token{Commit: found.Commit(), Skip: cur.Skip + len(items)})
		}
		return encodeLine(out)
	})
}

func (a *api) listAnyDocuments(c *call) error {
	kind := c.query.Get("kind")
	if kind == "" {
		return errs.InvalidField(errs.ReasonInvalidArgument, "kind", "say which kind of documents, such as %s", catalog.KindProduct)
	}
	return a.listDocuments(c, documentList{kind: catalog.Kind(kind)})
}

func (a *api) listDocuments(c *call, l documentList) error {
	filter, err := c.documentFilter(l.filters)
	if err != nil {
		return err
	}
	found, cur, err := a.catalogPage(c)
	if err != nil {
		return err
	}
	return a.answerVersion(c, found, a.pageTag(c, found), func() []byte {
		documents, next := documentsOf(found, cur, l.kind, filter, c)
		return a.encoded.page(found.Commit(), documents, next)
	})
}

// documentsOf returns the documents of a page, and the token of the next.
func documentsOf(found *catalogs.Catalog, cur cursor, kind catalog.Kind, filter *documentFilter, c *call) ([]*catalog.Document, string) {
	var all iter.Seq[*catalog.Document]
	if filter == nil {
		all = found.Snapshot.List(kind, cur.After)
	} else {
		all = filter.find(found.Snapshot, c.query.Get(filter.param.Name))
	}
	documents, more := pick(all, cur.Skip, cur.size)
	if !more {
		return documents, ""
	}
	token := page.Token{Commit: found.Commit(), After: documents[len(documents)-1].ID}
	if filter != nil { // what it selects need not be in the order of ids
		token = page.Token{Commit: found.Commit(), Skip: cur.Skip + len(documents)}
	}
	return documents, cur.next(token)
}

// documentFilter returns the one filter that the query has, nil if it has none.
func (c *call) documentFilter(filters []documentFilter) (*documentFilter, error) {
	var given *documentFilter
	for i, f := range filters {
		switch {
		case !c.query.Has(f.param.Name):
		case given != nil:
			return nil, errs.InvalidField(errs.ReasonInvalidArgument, f.param.Name, "%s and %s exclude each other: give one", given.param.Name, f.param.Name)
		default:
			given = &filters[i]
		}
	}
	return given, nil
}

// pick returns up to size items behind the first skip, and whether there are more.
func pick[T any](seq iter.Seq[T], skip, size int) (items []T, more bool) {
	for item := range seq {
		switch {
		case skip > 0:
			skip--
		case len(items) == size:
			return items, true
		default:
			items = append(items, item)
		}
	}
	return items, false
}

func (a *api) getAnyDocument(c *call) error {
	return a.getDocument(c, catalog.Kind(c.path["kind"]), nil)
}

func (a *api) getDocument(c *call, kind catalog.Kind, more func(*catalog.Snapshot, *catalog.Document) []byte) error {
	found, err := a.catalog(c)
	if err != nil {
		return err
	}
	d := found.Snapshot.Document(c.path["document"])
	if d == nil || d.Kind != kind {
		id := clip(c.path["document"], 128)
		return errs.New(errs.ReasonDocumentNotFound, fmt.Sprintf("the catalog serves no %.64q of id %q", kind, id), "kind", clip(string(kind), 64), "id", id)
	}
	e := a.encoded.of(d)
	if more == nil {
		return a.answerVersion(c, found, e.etag, func() []byte { return e.line })
	}
	whole := slices.Concat(e.object[:len(e.object)-1], more(found.Snapshot, d), []byte("}\n"))
	return a.answerVersion(c, found, strongTag(whole), func() []byte { return whole })
}

// pageTag is of the commit and the question, which the page follows from, so that it need not be made to be known.
func (a *api) pageTag(c *call, found *catalogs.Catalog) string {
	return strongTag([]byte(a.opts.Version + " " + found.Commit().String() + " " + c.scope() + " " + c.query.Get("page_size") + " " + c.query.Get("page_token")))
}

// strongTag is the entity tag of content, or of what stands for it.
func strongTag(content []byte) string {
	sum := sha256.Sum256(content)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// answerVersion sends JSON of a catalog, unless the caller has it.
func (a *api) answerVersion(c *call, of *catalogs.Catalog, etag string, body func() []byte) error {
	h := c.w.Header()
	if status, err := a.opts.Catalogs.Status(of.Repository); err == nil {
		h.Set("Age", strconv.FormatInt(int64(status.Age(time.Now())/time.Second), 10))
	}
	h.Set("ETag", etag)
	h.Set("Cache-Control", "no-cache")
	c.setCommit(of.Commit())
	known, err := c.hasVersion(etag)
	switch {
	case err != nil:
		return err
	case known:
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	b := body()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	c.w.WriteHeader(http.StatusOK)
	_, err = c.w.Write(b)
	return err
}

// hasVersion compares as RFC 9110, section 13.1.2 wants it: weakly.
func (c *call) hasVersion(etag string) (bool, error) {
	if !given(c.r.Header, "If-None-Match") {
		return false, nil
	}
	tags, err := parseEntityTags(c.r.Header, "If-None-Match")
	if err != nil {
		return false, err
	}
	opaque := strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
	return tags.any || slices.Contains(tags.strong, opaque) || slices.Contains(tags.weak, opaque), nil
}
