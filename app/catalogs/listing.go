package catalogs

import (
	"context"
	"iter"

	"github.com/gitstore-dev/gitstore/domain/catalog"
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
