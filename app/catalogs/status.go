package catalogs

import (
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// Catalog is the catalog of a repository at one commit. It is immutable.
type Catalog struct {
	Repository git.RepositoryID
	View       View
	// Snapshot is the content; it names the commit.
	Snapshot *catalog.Snapshot
	// Ref is the branch or tag that led to the commit; zero if it was opened by its id.
	Ref git.RefName
	// Release is the version of the release tag, "" if Ref is none.
	Release string
	// LoadedAt is when the snapshot was made.
	LoadedAt time.Time

	counting sync.Once
	problems int
}

// Commit is the commit that everything in the catalog is of.
func (c *Catalog) Commit() git.ObjectID { return c.Snapshot.Commit() }

// Problems counts the problems of the snapshot: once, when it is first asked for.
func (c *Catalog) Problems() int {
	c.counting.Do(func() {
		for range c.Snapshot.Problems() {
			c.problems++
		}
	})
	return c.problems
}

// snapshot returns nil if there is no catalog.
func (c *Catalog) snapshot() *catalog.Snapshot {
	if c == nil {
		return nil
	}
	return c.Snapshot
}

// State says whether there is a catalog.
type State string

const (
	// Loading is a catalog before its first good load.
	Loading State = "loading"
	// Loaded is a catalog that can be read.
	Loaded State = "loaded"
	// Absent is the catalog of a repository that does not exist, or has no commit or release to show.
	Absent State = "absent"
)

// Status tells how a catalog is kept.
type Status struct {
	Repository git.RepositoryID
	View       View
	State      State
	// Catalog is the catalog that is served, nil unless State is Loaded.
	Catalog *Catalog
	// Err is why the last attempt to bring the catalog up to date failed, nil if it did not; of an absent one, what is
	// missing.
	Err error
	// CheckedAt is when the catalog was last known to be what Git has, zero before the first good load.
	CheckedAt time.Time
	// Stale reports that it may not be any more: the last attempt failed, or there was none for two rechecks.
	Stale bool
	// Moved is the last release tag that was moved or deleted while the view led to it, nil if none was.
	Moved *MovedRelease
	// Work counts what following the repository took.
	Work Work
}

// Age is how long ago the catalog was last known to be what Git has.
func (s Status) Age(now time.Time) time.Duration {
	if s.CheckedAt.IsZero() {
		return 0
	}
	return now.Sub(s.CheckedAt)
}

// MovedRelease is a release tag that did not stay where it was published.
type MovedRelease struct {
	Tag git.RefName
	// Old is the commit that it led to.
	Old git.ObjectID
	// New is the commit that it leads to, zero if it was deleted.
	New git.ObjectID
	// At is when it was noticed.
	At time.Time
}

// Work is the effort of following a repository.
type Work struct {
	// Reloads counts the snapshots that were made; Checks the times that nothing had changed; Failures the attempts that
	// came to nothing.
	Reloads, Checks, Failures uint64
	// Files and Bytes are what the reloads read.
	Files, Bytes uint64
	// Last is the last reload.
	Last Reload
}

// Reload is what one reload took.
type Reload struct {
	Duration time.Duration
	// Files are those that may be documents or schemas, and Bytes the contents that came: of a reload on a base, of what
	// differs. A file above [catalog.MaxDocument] comes without its content.
	Files, Bytes uint64
	// Full reports that there was no base.
	Full bool
}

// state is what is known of a repository. It is immutable.
type state struct {
	// generation is the one that the last attempt with a result covers; 0 before it.
	generation uint64
	// cursor is up to where the journal was followed when that attempt began.
	cursor event.Cursor
	// catalog is nil if there is nothing to show.
	catalog *Catalog
	// absent says why there is nothing to show.
	absent error
	// failure is why the attempts since then failed.
	failure   error
	checkedAt time.Time
	moved     *MovedRelease
	work      Work
}

// answer is what readers get.
func (s *state) answer() (*Catalog, error) {
	switch {
	case s.catalog != nil:
		return s.catalog, nil
	case s.absent != nil:
		return nil, s.absent
	case s.failure != nil:
		return nil, errs.Wrap(s.failure, errs.ReasonCatalogNotLoaded, "the catalog is not loaded yet: "+errs.From(s.failure).Error())
	}
	return nil, errs.New(errs.ReasonCatalogNotLoaded, "the catalog is not loaded yet: repeat the request in a moment")
}

// status is never waited for.
func (f *feed) status() Status {
	s := f.state.Load()
	out := Status{
		Repository: f.target.Repository, View: f.target.View, State: Loading, Catalog: s.catalog,
		Err: s.failure, CheckedAt: s.checkedAt, Moved: s.moved, Work: s.work,
	}
	switch {
	case out.Catalog != nil:
		out.State = Loaded
	case s.absent != nil:
		out.State = Absent
		if out.Err == nil {
			out.Err = s.absent
		}
	}
	out.Stale = out.State != Loading && (s.failure != nil || out.Age(time.Now()) > 2*f.opts.Recheck)
	return out
}
