package graphqlapi

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
)

// window is the part of a listing that the arguments first and after ask for.
type window struct {
	scope string
	// from is the place to begin at, zero for the beginning.
	from page.Token
	size int
}

// newWindow reads first and after of a listing; the question is all else that it depends on.
func newWindow(question []any, first *int, after *string) (w window, err error) {
	scope, err := json.Marshal(question)
	if err != nil {
		return w, err
	}
	w.scope = "graphql " + string(scope)
	w.size = page.DefaultSize
	if first != nil && *first != 0 {
		if w.size, err = page.Size(*first); err != nil {
			return w, errs.InField(err, "first")
		}
	} else if first != nil {
		w.size = 0
	}
	if after != nil {
		if w.from, err = page.Decode(w.scope, *after); err != nil {
			return w, errs.InField(err, "after")
		}
	}
	return w, nil
}

// edge is an item with its cursor.
type edge[T any] struct {
	cursor string
	node   T
}

// fill takes the items of a window from those behind its place, each with the place behind it.
func fill[T any](w window, items iter.Seq2[page.Token, T]) (edges []edge[T], info *PageInfo) {
	info = &PageInfo{HasPreviousPage: w.from != page.Token{}}
	for place, item := range items {
		if len(edges) == w.size {
			info.HasNextPage = true
			break
		}
		edges = append(edges, edge[T]{page.Encode(w.scope, place), item})
	}
	if n := len(edges); n > 0 {
		info.StartCursor, info.EndCursor = &edges[0].cursor, &edges[n-1].cursor
	}
	return edges, info
}

// counted gives items places that count them, and passes over those before the window.
func counted[T any](w window, place page.Token, items iter.Seq[T]) iter.Seq2[page.Token, T] {
	return func(yield func(page.Token, T) bool) {
		place.Skip = 0
		for item := range items {
			if place.Skip++; place.Skip > w.from.Skip && !yield(place, item) {
				return
			}
		}
	}
}

// split divides edges into those of the schema and their nodes.
func split[T, E, N any](edges []edge[T], node func(T) N, build func(cursor string, node N) E) (es []E, ns []N) {
	es, ns = []E{}, []N{}
	for _, e := range edges {
		n := node(e.node)
		es, ns = append(es, build(e.cursor, n)), append(ns, n)
	}
	return es, ns
}

// found is a page of documents of one catalog.
type found struct {
	in    *Catalog
	edges []edge[*catalog.Document]
	info  *PageInfo
}

// find is a page of a listing of documents.
func (c *Catalog) find(ctx context.Context, q catalog.Query, orderBy []*FieldOrder, first *int, after *string) (f found, err error) {
	for _, o := range orderBy {
		q.Sort = append(q.Sort, catalog.FieldOrder{Field: o.Field, Descending: o.Direction == OrderDirectionDesc})
	}
	w, err := newWindow([]any{c.Repository(), c.at, q}, first, after)
	if err != nil {
		return f, err
	}
	f.in = c
	if after != nil {
		if f.in, err = c.pageBefore(ctx, w.from.Commit); err != nil {
			return f, err
		}
	}
	listing, err := f.in.Find(ctx, q, w.from)
	if err != nil {
		return f, asArgument(err)
	}
	f.edges, f.info = fill(w, f.in.withoutErrors(listing, &err))
	return f, err
}

// argumentNames are the names that REST has for what is called differently here.
var argumentNames = map[string]string{
	"filter": "where", "sort": "orderBy", "q": "text", "price_min": "priceMin", "price_max": "priceMax", "inventory_status": "inventoryStatus", "tag": "tags",
}

// asArgument names the argument that an error of a query is about.
func asArgument(err error) error {
	e := errs.From(err)
	if name, known := argumentNames[e.Meta[errs.MetaField]]; known {
		return e.WithMeta(errs.MetaField, name)
	}
	return e
}

// withoutErrors ends with the first error, which it keeps. The places are of the commit that the catalog tells.
func (c *Catalog) withoutErrors(listing iter.Seq2[catalogs.Listed, error], failure *error) iter.Seq2[page.Token, *catalog.Document] {
	return func(yield func(page.Token, *catalog.Document) bool) {
		for d, err := range listing {
			d.Place.Commit = c.CommitID()
			if *failure = err; err != nil || !yield(d.Place, d.Document) {
				return
			}
		}
	}
}

func (f found) products() *ProductConnection {
	out := &ProductConnection{CommitID: f.in.CommitID().String(), PageInfo: f.info}
	out.Edges, out.Nodes = split(f.edges, f.in.product, func(c string, n *Product) *ProductEdge { return &ProductEdge{Cursor: c, Node: n} })
	return out
}

func (f found) categories() *CategoryConnection {
	out := &CategoryConnection{CommitID: f.in.CommitID().String(), PageInfo: f.info}
	out.Edges, out.Nodes = split(f.edges, f.in.category, func(c string, n *Category) *CategoryEdge { return &CategoryEdge{Cursor: c, Node: n} })
	return out
}

func (f found) collections() *CollectionConnection {
	out := &CollectionConnection{CommitID: f.in.CommitID().String(), PageInfo: f.info}
	out.Edges, out.Nodes = split(f.edges, f.in.collection, func(c string, n *Collection) *CollectionEdge { return &CollectionEdge{Cursor: c, Node: n} })
	return out
}

func (f found) documents() *DocumentConnection {
	out := &DocumentConnection{CommitID: f.in.CommitID().String(), PageInfo: f.info}
	out.Edges, out.Nodes = split(f.edges, f.in.document, func(c string, n Document) *DocumentEdge { return &DocumentEdge{Cursor: c, Node: n} })
	return out
}

// Products is the field products.
func (c *Catalog) Products(ctx context.Context, filter *ProductFilter, orderBy []*FieldOrder, first *int, after *string) (*ProductConnection, error) {
	q := catalog.Query{Kind: catalog.KindProduct}
	if err := filter.apply(&q); err != nil {
		return nil, err
	}
	return c.products(ctx, q, orderBy, first, after)
}

func (c *Catalog) products(ctx context.Context, q catalog.Query, orderBy []*FieldOrder, first *int, after *string) (*ProductConnection, error) {
	f, err := c.find(ctx, q, orderBy, first, after)
	if err != nil {
		return nil, err
	}
	return f.products(), nil
}

// apply adds what has to hold of products to a query.
func (f *ProductFilter) apply(q *catalog.Query) error {
	if f == nil {
		return nil
	}
	q.ID, q.SKU, q.Slug, q.Category, q.CategoryTree, q.Collection = f.DocumentID, f.Sku, f.Slug, f.Category, f.CategoryTree, f.Collection
	q.Status, q.InventoryStatus, q.Tags = f.Status, f.InventoryStatus, f.Tags
	for _, price := range []struct {
		name  string
		value *string
		to    *string
	}{{"currency", f.Currency, &q.Currency}, {"priceMin", f.PriceMin, &q.PriceMin}, {"priceMax", f.PriceMax, &q.PriceMax}} {
		switch {
		case price.value == nil:
		case *price.value == "":
			return errs.InvalidField(errs.ReasonInvalidArgument, price.name, "%s is empty: give a value, or leave it out", price.name)
		default:
			*price.to = *price.value
		}
	}
	applyCommon(q, f.Text, f.Where)
	return nil
}

// applyCommon adds what may have to hold of documents of any kind.
func applyCommon(q *catalog.Query, text *string, where []*catalog.FieldCondition) {
	if text != nil {
		q.Text = *text
	}
	for _, c := range where {
		q.Where = append(q.Where, *c)
	}
}

// Categories is the field categories.
func (c *Catalog) Categories(ctx context.Context, filter *CategoryFilter, orderBy []*FieldOrder, first *int, after *string) (*CategoryConnection, error) {
	q := catalog.Query{Kind: catalog.KindCategory}
	if filter != nil {
		q.ID, q.Slug, q.Parent = filter.DocumentID, filter.Slug, filter.Parent
		applyCommon(&q, filter.Text, filter.Where)
	}
	return c.categories(ctx, q, orderBy, first, after)
}

func (c *Catalog) categories(ctx context.Context, q catalog.Query, orderBy []*FieldOrder, first *int, after *string) (*CategoryConnection, error) {
	f, err := c.find(ctx, q, orderBy, first, after)
	if err != nil {
		return nil, err
	}
	return f.categories(), nil
}

// Collections is the field collections.
func (c *Catalog) Collections(ctx context.Context, filter *DocumentFilter, orderBy []*FieldOrder, first *int, after *string) (*CollectionConnection, error) {
	f, err := c.find(ctx, filter.query(catalog.KindCollection), orderBy, first, after)
	if err != nil {
		return nil, err
	}
	return f.collections(), nil
}

// Documents is the field documents.
func (c *Catalog) Documents(ctx context.Context, kind string, filter *DocumentFilter, orderBy []*FieldOrder, first *int, after *string) (*DocumentConnection, error) {
	if kind == "" {
		return nil, errs.InvalidField(errs.ReasonInvalidArgument, "kind", "say which kind of documents, such as %s", catalog.KindProduct)
	}
	f, err := c.find(ctx, filter.query(catalog.Kind(kind)), orderBy, first, after)
	if err != nil {
		return nil, err
	}
	return f.documents(), nil
}

func (f *DocumentFilter) query(kind catalog.Kind) catalog.Query {
	q := catalog.Query{Kind: kind}
	if f != nil {
		q.ID, q.Slug = f.DocumentID, f.Slug
		applyCommon(&q, f.Text, f.Where)
	}
	return q
}

// Children is the field children.
func (c *Category) Children(ctx context.Context, first *int, after *string) (*CategoryConnection, error) {
	return c.of.categories(ctx, catalog.Query{Kind: catalog.KindCategory, Parent: &c.Document.ID}, nil, first, after)
}

// Products is the field products.
func (c *Category) Products(ctx context.Context, tree bool, orderBy []*FieldOrder, first *int, after *string) (*ProductConnection, error) {
	q := catalog.Query{Kind: catalog.KindProduct}
	if tree {
		q.CategoryTree = &c.Document.ID
	} else {
		q.Category = &c.Document.ID
	}
	return c.of.products(ctx, q, orderBy, first, after)
}

// Products is the field products.
func (c *Collection) Products(ctx context.Context, orderBy []*FieldOrder, first *int, after *string) (*ProductConnection, error) {
	return c.of.products(ctx, catalog.Query{Kind: catalog.KindProduct, Collection: &c.Document.ID}, orderBy, first, after)
}

// one finds the document that has the only key that is given.
func (c *Catalog) one(q catalog.Query) (*catalog.Document, error) {
	var found *catalog.Document
	given := 0
	for _, key := range []struct {
		value *string
		find  func(string) *catalog.Document
	}{
		{q.ID, c.Snapshot.Document}, {q.SKU, c.Snapshot.BySKU}, {q.Slug, func(slug string) *catalog.Document { return c.Snapshot.BySlug(q.Kind, slug) }},
	} {
		if key.value != nil {
			given++
			found = key.find(*key.value)
		}
	}
	if given != 1 {
		return nil, errs.New(errs.ReasonInvalidArgument, "one key names a document: give its documentId, its slug, or of a product its sku, and only one of them")
	}
	if found != nil && found.Kind != q.Kind {
		found = nil
	}
	return found, nil
}

// Product is the field product.
func (c *Catalog) Product(_ context.Context, documentID, sku, slug *string) (*Product, error) {
	d, err := c.one(catalog.Query{Kind: catalog.KindProduct, ID: documentID, SKU: sku, Slug: slug})
	if d == nil || err != nil {
		return nil, err
	}
	return c.product(d), nil
}

// Category is the field category.
func (c *Catalog) Category(_ context.Context, documentID, slug *string) (*Category, error) {
	d, err := c.one(catalog.Query{Kind: catalog.KindCategory, ID: documentID, Slug: slug})
	if d == nil || err != nil {
		return nil, err
	}
	return c.category(d), nil
}

// Collection is the field collection.
func (c *Catalog) Collection(_ context.Context, documentID, slug *string) (*Collection, error) {
	d, err := c.one(catalog.Query{Kind: catalog.KindCollection, ID: documentID, Slug: slug})
	if d == nil || err != nil {
		return nil, err
	}
	return c.collection(d), nil
}

// Document is the field document.
func (c *Catalog) Document(_ context.Context, kind string, documentID, slug *string) (Document, error) {
	d, err := c.one(catalog.Query{Kind: catalog.Kind(kind), ID: documentID, Slug: slug})
	return c.document(d), err
}

// Problems is the field problems.
func (c *Catalog) Problems(ctx context.Context, first *int, after *string) (*ProblemConnection, error) {
	w, err := newWindow([]any{c.Repository(), c.at, "problems"}, first, after)
	if err != nil {
		return nil, err
	}
	if after != nil {
		if c, err = c.pageBefore(ctx, w.from.Commit); err != nil {
			return nil, err
		}
	}
	edges, info := fill(w, counted(w, page.Token{Commit: c.Commit()}, c.Snapshot.Problems()))
	out := &ProblemConnection{CommitID: c.Commit().String(), PageInfo: info}
	out.Edges, out.Nodes = split(edges, func(p catalog.Problem) *Problem { return &Problem{p} },
		func(c string, p *Problem) *ProblemEdge { return &ProblemEdge{Cursor: c, Node: p} })
	return out, nil
}

// diff is a page of the documents that differ between two revisions.
func (s *session) diff(ctx context.Context, repository, from string, to *string, kind catalog.Kind, first *int, after *string) (*DocumentDiffConnection, error) {
	w, err := newWindow([]any{repository, "diff", from, to, kind}, first, after)
	if err != nil {
		return nil, err
	}
	older, newer, err := s.sidesOfDiff(ctx, w, repository, from, to)
	if err != nil {
		return nil, err
	}
	if err := catalog.CheckKind(kind, older.Snapshot, newer.Snapshot); err != nil {
		return nil, err
	}
	edges, info := fill(w, catalogs.Diff(ctx, older.Snapshot, newer.Snapshot, kind, w.from))
	if err := ctx.Err(); err != nil {
		return nil, errs.From(err)
	}
	out := &DocumentDiffConnection{FromCommitID: older.Commit().String(), ToCommitID: newer.Commit().String(), PageInfo: info}
	out.Edges, out.Nodes = split(edges, func(d catalog.DocumentDiff) *DocumentDiff { return &DocumentDiff{d, older, newer} },
		func(c string, d *DocumentDiff) *DocumentDiffEdge { return &DocumentDiffEdge{Cursor: c, Node: d} })
	return out, nil
}

// sidesOfDiff are the catalogs to compare: those of the pages before, if there were any. What differs holds for two commits, and
// so what is found in them has the ids of those.
func (s *session) sidesOfDiff(ctx context.Context, w window, repository, from string, to *string) (older, newer *Catalog, err error) {
	if w.from.Commit.IsZero() {
		if older, err = s.catalog(repository, &from); err != nil {
			return nil, nil, withName(err, "at", "from")
		}
		if newer, err = s.catalog(repository, to); err != nil {
			return nil, nil, withName(err, "at", "to")
		}
		return older.atCommit(), newer.atCommit(), nil
	}
	id, err := git.ParseRepositoryID(repository)
	if err != nil {
		return nil, nil, errs.InField(err, "repository")
	}
	old, present, err := catalogs.DiffSides(w.from)
	if err != nil {
		return nil, nil, errs.InField(err, "after")
	}
	if older, err = s.before(ctx, id, old); err == nil {
		newer, err = s.before(ctx, id, present)
	}
	return older, newer, err
}

// atCommit is the catalog as if it had been asked for by its commit.
func (c *Catalog) atCommit() *Catalog {
	return &Catalog{Catalog: c.Catalog, in: c.in, at: c.Commit().String()}
}

// withName gives the field of an error another name.
func withName(err error, was, is string) error {
	if e := errs.From(err); e != nil && e.Meta[errs.MetaField] == was {
		return e.WithMeta(errs.MetaField, is)
	}
	return err
}
