package catalogs

import (
	"context"
	"iter"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
)

// UseCases are what the edges of the API do with the catalogs of repositories. [Follower] does it.
type UseCases interface {
	// Catalog returns the present catalog of a repository: see [Follower.Catalog].
	Catalog(ctx context.Context, id git.RepositoryID) (*Catalog, error)
	// Open returns the catalog at a revision: see [Follower.Open].
	Open(ctx context.Context, id git.RepositoryID, rev git.Revision) (*Catalog, error)
	// OpenCommit returns the catalog that the pages before were of: see [Follower.OpenCommit].
	OpenCommit(ctx context.Context, id git.RepositoryID, commit git.ObjectID) (*Catalog, error)
	// Write changes documents: see [Follower.Write].
	Write(ctx context.Context, id git.RepositoryID, w Write) (*WriteResult, error)
	// Release makes a release: see [Follower.Release].
	Release(ctx context.Context, id git.RepositoryID, r Release) (ReleaseResult, error)
	// Rollback makes an earlier release the highest: see [Follower.Rollback].
	Rollback(ctx context.Context, id git.RepositoryID, r Rollback) (ReleaseResult, error)
	// Status tells how the catalog is kept: see [Follower.Status].
	Status(id git.RepositoryID) (Status, error)
}

// Listed is a document of a listing.
type Listed struct {
	Document *catalog.Document
	// Place is the place in the listing behind the document.
	Place page.Token
}

// maxTokenID is the longest id, in bytes, that a place names; behind longer ones it counts.
const maxTokenID = 1 << 10

// Find yields the documents that a query selects, in its order, from a place in the same listing on; the zero place is its
// beginning. It fails as [catalog.Snapshot.Find] does.
func (c *Catalog) Find(ctx context.Context, q catalog.Query, from page.Token) (iter.Seq2[Listed, error], error) {
	documents, err := c.Snapshot.Find(ctx, q, from.After)
	if err != nil {
		return nil, err
	}
	return func(yield func(Listed, error) bool) {
		place, skip := page.Token{Commit: c.Commit(), After: from.After, Skip: from.Skip}, from.Skip
		for d, err := range documents {
			switch {
			case err != nil:
				yield(Listed{}, err)
				return
			case skip > 0:
				skip--
				continue
			case q.ByID() && len(d.ID) <= maxTokenID:
				place.After, place.Skip = d.ID, 0
			default:
				place.Skip++
			}
			if !yield(Listed{d, place}, nil) {
				return
			}
		}
	}, nil
}

// Diff yields what [catalog.Diff] does, each with the place behind it, from a place of the same comparison on; the zero place is
// its beginning.
func Diff(ctx context.Context, from, to *catalog.Snapshot, kind catalog.Kind, after page.Token) iter.Seq2[page.Token, catalog.DocumentDiff] {
	return func(yield func(page.Token, catalog.DocumentDiff) bool) {
		behind := diffPlace(after)
		place, skip := diffToken(from, to, behind), after.Skip
		place.Skip = skip
		for d := range catalog.Diff(ctx, from, to, kind, behind) {
			if skip > 0 {
				skip--
				continue
			}
			if next := d.Place(); len(next.Kind)+len(next.ID) <= maxTokenID {
				place = diffToken(from, to, next)
			} else {
				place.Skip++
			}
			if !yield(place, d) {
				return
			}
		}
	}
}

// diffToken names both commits, and the document that the place is behind. Neither kind nor id holds a NUL.
func diffToken(from, to *catalog.Snapshot, behind catalog.DiffPlace) page.Token {
	return page.Token{Commit: to.Commit(), After: from.Commit().String() + "\x00" + string(behind.Kind) + "\x00" + behind.ID}
}

func diffPlace(t page.Token) catalog.DiffPlace {
	_, behind, _ := strings.Cut(t.After, "\x00")
	kind, id, _ := strings.Cut(behind, "\x00")
	return catalog.DiffPlace{Kind: catalog.Kind(kind), ID: id}
}

// DiffSides are the commits of the old and the new side that a place of [Diff] is of. It fails with INVALID_PAGE_TOKEN for
// what is no such place.
func DiffSides(t page.Token) (from, to git.ObjectID, err error) {
	commit, _, _ := strings.Cut(t.After, "\x00")
	if from, err = git.ParseObjectID(commit); err != nil {
		err = errs.Wrap(err, errs.ReasonInvalidPageToken, "the place is none of a comparison: begin again without a token", errs.MetaField, "page_token")
	}
	return from, t.Commit, err
}
