package graphqlapi

import (
	"context"
	"encoding/base64"
	"iter"
	"strings"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
	"github.com/gitstore-dev/gitstore/ports"
)

// The kinds of nodes, as their ids begin.
const (
	nodeCatalog  = "catalog"
	nodeDocument = "document"
	nodeRelease  = "release"
	// Those of a catalog that was opened at a revision have it behind the repository.
	nodeCatalogAt  = "catalog at"
	nodeDocumentAt = "document at"
)

// nodeID names an object by its kind, its repository and what it is called there. No id of a repository has a NUL, and no
// revision.
func nodeID(kind string, parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + "\x00" + strings.Join(parts, "\x00")))
}

// query has the fields of the type Query.
type query struct{}

// Catalog resolves the field catalog.
func (query) Catalog(ctx context.Context, repository string, at *string) (*Catalog, error) {
	return sessionOf(ctx).catalog(repository, at)
}

// Node resolves the field node.
func (query) Node(ctx context.Context, id string) (Node, error) {
	b, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return nil, errNoNodeID
	}
	kind, rest, _ := strings.Cut(string(b), "\x00")
	repository, name, named := strings.Cut(rest, "\x00")
	s := sessionOf(ctx)
	switch {
	case kind == nodeRelease && named:
		r, err := s.release(repository, name)
		if r == nil || err != nil {
			return nil, err
		}
		return r, nil
	case kind == nodeCatalog && !named:
		return s.node(repository, nil, nil)
	case kind == nodeDocument && named:
		return s.node(repository, nil, &name)
	case kind == nodeCatalogAt && named:
		return s.node(repository, &name, nil)
	case kind == nodeDocumentAt && named:
		if at, name, ok := strings.Cut(name, "\x00"); ok {
			return s.node(repository, &at, &name)
		}
	}
	return nil, errNoNodeID
}

var errNoNodeID = errs.InvalidField(errs.ReasonInvalidArgument, "id", "the id is none that this service has given: it is the field id of an object")

// node is a catalog, or the document of an id in it; nil if there is none.
func (s *session) node(repository string, at, document *string) (Node, error) {
	c, err := s.catalog(repository, at)
	switch {
	case errs.Is(err, errs.ReasonCatalogNotFound, errs.ReasonRepositoryNotFound, errs.ReasonRefNotFound, errs.ReasonObjectNotFound, errs.ReasonNotACommit):
		return nil, nil //nolint:nilnil // there is no such node
	case errs.Is(err, errs.ReasonInvalidRepositoryID, errs.ReasonInvalidRevision):
		return nil, errNoNodeID
	case err != nil:
		return nil, err
	case document == nil:
		return c, nil
	}
	d := c.document(c.Snapshot.Document(*document))
	if d == nil {
		return nil, nil //nolint:nilnil // there is no such node
	}
	return d, nil
}

// Diff resolves the field diff.
func (query) Diff(ctx context.Context, repository, from string, to, kind *string, first *int, after *string) (*DocumentDiffConnection, error) {
	wanted := catalog.Kind("")
	if kind != nil {
		wanted = catalog.Kind(*kind)
	}
	return sessionOf(ctx).diff(ctx, repository, from, to, wanted, first, after)
}

// Release resolves the field release.
func (query) Release(ctx context.Context, repository, version string) (*Release, error) {
	return sessionOf(ctx).release(repository, version)
}

func (s *session) release(repository, version string) (*Release, error) {
	return s.releaseFound(repository, func(ctx context.Context, repo ports.GitRepository) (ports.TagInfo, error) {
		return catalogs.ReleaseOf(ctx, repo, version)
	})
}

// LatestRelease resolves the field latestRelease.
func (query) LatestRelease(ctx context.Context, repository string, prereleases bool) (*Release, error) {
	return sessionOf(ctx).releaseFound(repository, func(ctx context.Context, repo ports.GitRepository) (ports.TagInfo, error) {
		return repo.LatestTag(ctx, ports.LatestTagQuery{Prereleases: prereleases})
	})
}

// releaseFound is the release that find finds, nil if there is none.
func (s *session) releaseFound(repository string, find func(context.Context, ports.GitRepository) (ports.TagInfo, error)) (r *Release, err error) {
	err = s.repository(repository, func(ctx context.Context, _ git.RepositoryID, repo ports.GitRepository) error {
		tag, err := find(ctx, repo)
		if errs.Is(err, errs.ReasonRefNotFound) {
			return nil
		}
		r = &Release{tag, repository, s}
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Releases resolves the field releases.
func (query) Releases(ctx context.Context, repository string, first *int, after *string) (*ReleaseConnection, error) {
	w, err := newWindow([]any{repository, "releases"}, first, after)
	if err != nil {
		return nil, err
	}
	s := sessionOf(ctx)
	out := &ReleaseConnection{}
	err = s.repository(repository, func(ctx context.Context, _ git.RepositoryID, repo ports.GitRepository) (err error) {
		passed := w.from.After == ""
		edges, info := fill(w, releasesBehind(ctx, repo, w, &passed, &err))
		if err == nil && !passed {
			err = errs.InvalidField(errs.ReasonInvalidPageToken, "after", "the release of the cursor is gone: begin again without one")
		}
		out.PageInfo = info
		out.Edges, out.Nodes = split(edges, func(tag ports.TagInfo) *Release { return &Release{tag, repository, s} },
			func(c string, r *Release) *ReleaseEdge { return &ReleaseEdge{Cursor: c, Node: r} })
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// releasesBehind yields the releases behind the one that the window names, and says whether it was passed.
func releasesBehind(ctx context.Context, repo ports.GitRepository, w window, passed *bool, failure *error) iter.Seq2[page.Token, ports.TagInfo] {
	return func(yield func(page.Token, ports.TagInfo) bool) {
		q := ports.Page{Size: min(w.size+1, page.MaxSize)}
		for {
			found, err := repo.ListTags(ctx, q)
			if *failure = err; err != nil {
				return
			}
			for _, tag := range found.Items {
				name := tag.Ref.Name.String()
				switch {
				case tag.Version == "": // the versions come first
					return
				case !*passed:
					*passed = name == w.from.After
				case !yield(page.Token{After: name}, tag):
					return
				}
			}
			if q.Token = found.NextToken; q.Token == "" {
				return
			}
		}
	}
}
