package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
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
type Catalogs = catalogs.UseCases

const catalogPattern = "/v1/repositories/{id}/catalog"

// documentList is how documents of a kind are listed and read.
type documentList struct {
	// name is the last part of the path, noun is what one of them is called.
	name, noun string
	// kind is "" if the query names it.
	kind    catalog.Kind
	filters []*param
	// page has the type of the JSON of a page, item that of a document in it, whole that of one document on its own.
	page, item, whole any
	// input has the type of the JSON that one is written with.
	input any
	// more writes the members that a document on its own has besides its own, each with a comma before it; nil is none.
	more func(s *catalog.Snapshot, d *catalog.Document) []byte
	// order says in which order documents are listed.
	order string
}

var documentLists = []documentList{
	{
		name: "products", noun: "product", kind: catalog.KindProduct,
		page: commitPage[productJSON]{}, item: productJSON{}, whole: productJSON{}, input: productInputJSON{},
		order: "Ordered by the bytes of their ids, or as sort says; those of a collection in its order.",
		filters: []*param{
			textParam("sku", "The product with this sku."),
			textParam("category", "The products right in the category of this id."),
			textParam("category_tree", "The products in the category of this id and in all below it."),
			textParam("collection", "The products of the collection of this id."),
			textParam("price_min", "The products whose price is at least this decimal number, in whatever currency."),
			textParam("price_max", "The products whose price is at most this decimal number, in whatever currency."),
			textParam("currency", "The products with a price in this currency."),
			repeatedParam(enumParam("status", "The products with one of these.", "active", "draft", "archived")),
			repeatedParam(enumParam("inventory_status", "The products with one of these.", "in_stock", "low_stock", "out_of_stock", "preorder", "made_to_order")),
			repeatedParam(textParam("tag", "The products with all of these tags.")),
		},
	},
	{
		name: "categories", noun: "category", kind: catalog.KindCategory,
		page: commitPage[categoryJSON]{}, item: categoryJSON{}, whole: wholeCategoryJSON{}, input: categoryInputJSON{}, more: categoryPlace,
		order:   "Ordered by the bytes of their ids, or as sort says; those below a parent by their position.",
		filters: []*param{textParam("parent", "The categories right below the one of this id; the roots if it is empty.")},
	},
	{
		name: "collections", noun: "collection", kind: catalog.KindCollection,
		page: commitPage[collectionJSON]{}, item: collectionJSON{}, whole: collectionJSON{}, input: collectionInputJSON{},
		order: "Ordered by the bytes of their ids, or as sort says.",
	},
}

func (a *api) catalogRoutes() []*route {
	if a.opts.Catalogs == nil {
		return nil
	}
	const group = "Catalog"
	headers := []*param{headerParam("If-None-Match", "ETags that the caller has: 304 if the answer would have one of them.")}
	read := slices.Concat(ofCatalog, ofRevision)
	routes := []*route{
		newRoute(http.MethodGet, catalogPattern, spec{
			id: "getCatalog", group: group, summary: "Describe the catalog", query: []*param{atParam()}, headers: headers,
			description: "Which commit is served, how old that knowledge is, how many documents there are, and what is wrong with some.",
			answers:     catalogAnswers("The catalog.", catalogJSON{}), fails: read,
		}, a.getCatalog),
		newRoute(http.MethodGet, catalogPattern+"/problems", spec{
			id: "listCatalogProblems", group: group, summary: "List what is wrong with documents", query: append(pageParams(), atParam()), headers: headers,
			description: "Ordered by path, and within a file by place. A document with a problem in itself is not served.",
			answers:     catalogAnswers("A page of problems.", commitPage[documentProblemJSON]{}), fails: read,
		}, a.listCatalogProblems),
		newRoute(http.MethodGet, catalogPattern+"/documents", spec{
			id: "listDocuments", group: group, summary: "List documents of any kind", headers: headers,
			description: "Ordered by the bytes of their ids, or as sort says. " + samePages,
			query:       append([]*param{textParam("kind", "The kind, such as Product, or one that the repository has a schema for. It has to be given, and any other is refused.")}, listParams(anyDocuments)...),
			answers:     catalogAnswers("A page of documents.", commitPage[documentJSON]{}), fails: read,
		}, a.listAnyDocuments),
		newRoute(http.MethodGet, catalogPattern+"/documents/{kind}/{document}", spec{
			id: "getDocument", group: group, summary: "Read a document of any kind", query: documentParams(), headers: headers,
			answers: catalogAnswers("The document.", documentJSON{}), fails: slices.Concat(read, []errs.Reason{errs.ReasonDocumentNotFound}),
		}, a.getAnyDocument),
	}
	for _, l := range documentLists {
		routes = append(routes, a.documentListRoutes(group, headers, l)...)
	}
	return append(routes, a.documentWriteRoutes(group)...)
}

// samePages is what all listings of a catalog promise.
const samePages = "All that is asked for has to hold. All pages are of one commit, also while the catalog moves on. A page may hold fewer documents " +
	"than were asked for, if they are large: the last one has no next_page_token."

func (a *api) documentListRoutes(group string, headers []*param, l documentList) []*route {
	title := strings.ToUpper(l.name[:1]) + l.name[1:]
	single := strings.ToUpper(l.noun[:1]) + l.noun[1:]
	return []*route{
		newRoute(http.MethodGet, catalogPattern+"/"+l.name, spec{
			id: "list" + title, group: group, summary: "List " + l.name, query: listParams(l), headers: headers,
			description: l.order + " " + samePages,
			answers:     catalogAnswers("A page of "+l.name+".", l.page), fails: slices.Concat(ofCatalog, ofRevision),
		}, func(c *call) error { return a.listDocuments(c, l) }),
		newRoute(http.MethodGet, catalogPattern+"/"+l.name+"/{document}", spec{
			id: "get" + single, group: group, summary: "Read a " + l.noun, query: documentParams(), headers: headers,
			answers: catalogAnswers("The "+l.noun+".", l.whole), fails: slices.Concat(ofCatalog, ofRevision, []errs.Reason{errs.ReasonDocumentNotFound}),
		}, func(c *call) error { return a.getDocument(c, l) }),
	}
}

func catalogAnswers(description string, value any) map[int]content {
	answers := ok(description, value, "ETag", "GitStore-Commit", "Age")
	answers[http.StatusNotModified] = content{description: "The answer is the one that If-None-Match names."}
	return answers
}

// catalog is the catalog that the query asks for: that of a revision, or the present one.
func (a *api) catalog(c *call) (*catalogs.Catalog, error) { return a.catalogAt(c, "at") }

// catalogAt is the catalog at the revision that a parameter names; the present one if it is not given.
func (a *api) catalogAt(c *call, parameter string) (*catalogs.Catalog, error) {
	id, err := c.repositoryID()
	if err != nil {
		return nil, err
	}
	if !c.query.Has(parameter) {
		return a.opts.Catalogs.Catalog(c.ctx(), id)
	}
	rev, err := parseRevision(parameter, c.query.Get(parameter))
	if err != nil {
		return nil, err
	}
	return a.opts.Catalogs.Open(c.ctx(), id, rev)
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
	found, err := a.opts.Catalogs.OpenCommit(c.r.Context(), id, cur.Commit)
	return found, cur, err
}

func (a *api) getCatalog(c *call) error {
	found, err := a.catalog(c)
	if err != nil {
		return err
	}
	status := catalogs.Status{Repository: found.Repository, View: found.View, Catalog: found, CheckedAt: time.Now()}
	if !c.query.Has("at") {
		status, err = a.opts.Catalogs.Status(found.Repository)
	}
	switch {
	case err != nil:
		return err
	case status.Catalog == nil: // it is gone since
		return status.Err
	}
	view := catalogView(status)
	return a.answerVersion(c, status.Catalog, "W/"+view.etag(), func() ([]byte, error) { return encodeLine(view), nil })
}

func (a *api) listCatalogProblems(c *call) error {
	found, cur, err := a.catalogPage(c)
	if err != nil {
		return err
	}
	return a.answerVersion(c, found, a.pageTag(c, found), func() ([]byte, error) {
		items, more := pick(found.Snapshot.Problems(), cur.Skip, cur.size)
		out := commitPage[documentProblemJSON]{CommitID: found.Commit().String(), Items: views(items, problemView)}
		if more {
			out.NextPageToken = cur.next(page.Token{Commit: found.Commit(), Skip: cur.Skip + len(items)})
		}
		return encodeLine(out), nil
	})
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

// pageTag is of the commit and the question, which the page follows from, so that it need not be made to be known.
func (a *api) pageTag(c *call, found *catalogs.Catalog) string {
	return strongTag([]byte(a.opts.Version + " " + found.Commit().String() + " " + c.scope() + " " + c.query.Get("page_size") + " " + c.query.Get("page_token")))
}

// strongTag is the entity tag of content, or of what stands for it.
func strongTag(content []byte) string {
	return `"` + digest(content) + `"`
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// documentTag is the ETag of what is said of a document. Its blob stands in front: a document was read with the same content
// however it was shaped, and whatever else was said of it.
func documentTag(d *catalog.Document, said []byte) string {
	return `"` + d.Blob.String() + "." + digest(said) + `"`
}

// readAs reports whether a document was read as it is, by an ETag without its quotes, or by its blob.
func readAs(tag string, of git.ObjectID) bool {
	blob, _, _ := strings.Cut(tag, ".")
	return blob == of.String()
}

// answerVersion sends JSON of a catalog, unless the caller has it.
func (a *api) answerVersion(c *call, of *catalogs.Catalog, etag string, body func() ([]byte, error)) error {
	h := c.w.Header()
	if status, err := a.opts.Catalogs.Status(of.Repository); err == nil && !c.query.Has("at") {
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
	b, err := body()
	if err != nil {
		return err
	}
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
