// Package repository holds the rules of a repository: where a revision leads, when a ref may move, what a commit, tag
// or release comes to. They are written over a [View] and a [Draft], which an implementation of the ports provides; the
// implementation adds storage, durability and the order of writers. The package does no I/O.
package repository

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/version"
)

// View is a repository at one moment.
type View interface {
	git.ObjectReader
	// DefaultBranch returns the branch that HEAD names; it may be unborn.
	DefaultBranch() git.RefName
	// Ref returns where the ref points, zero if there is no such ref.
	Ref(name git.RefName) git.ObjectID
}

// Draft is a repository as its one writer sees it, with what the writer has prepared so far.
type Draft interface {
	View
	// Policy returns what the repository holds writers to.
	Policy() Policy
	// Refs yields the branches and tags whose names begin with the prefix, in the order of their bytes.
	Refs(prefix string) iter.Seq[git.RefName]
	// Put prepares an object and returns its ID.
	Put(t git.ObjectType, content []byte) (git.ObjectID, error)
	// CommitOfRequest returns the commit of the branch that was made for the request id, nil if none of the last
	// [RequestWindow] was.
	CommitOfRequest(ctx context.Context, branch git.RefName, requestID string) (*git.Commit, error)
}

// A retry may come after all that others commit while its client waits for an answer that was lost, which is up to 15 s until
// a dead connection is noticed, and then repeats for the minute that docs/operations.md names. So of a branch those commits
// are searched for a request id, by first parents from its head, that are among the last RequestWindow, or younger than
// RequestAge and among the last MaxRequestWindow, which are more than a minute of the 2,000 in a second that were measured
// (docs/performance.md).
const (
	RequestWindow    = 5000
	RequestAge       = 2 * time.Minute
	MaxRequestWindow = 160_000
)

// RequestsReach reports whether a commit behind n others of its branch is searched for a request id at the time now.
func RequestsReach(n int, c *git.Commit, now time.Time) bool {
	return n < RequestWindow || n < MaxRequestWindow && now.Sub(c.Committer.When) < RequestAge
}

// RefChange is a ref that a write moves. Old is zero for one that is created, New for one that is deleted.
type RefChange struct {
	Name     git.RefName
	Old, New git.ObjectID
	// Forced reports that a branch moves to a commit that does not descend from Old.
	Forced bool
}

// Resolved is where a revision leads.
type Resolved struct {
	Commit git.ObjectID
	// Tree is the commit's.
	Tree git.ObjectID
	// Ref is the ref that was followed; zero if the revision was an object ID.
	Ref git.RefName
}

// Resolve finds the commit that rev leads to. It fails with INVALID_REVISION for the zero revision, REF_NOT_FOUND,
// OBJECT_NOT_FOUND and NOT_A_COMMIT.
func Resolve(ctx context.Context, v View, rev git.Revision) (Resolved, error) {
	target, ref, err := target(v, rev)
	if err != nil {
		return Resolved{}, err
	}
	if target.Format() != v.Format() {
		return Resolved{}, objectNotFound(target)
	}
	id, t, err := v.Peel(ctx, target)
	if err != nil {
		return Resolved{}, err
	}
	if t != git.CommitObject {
		return Resolved{}, notACommit(rev.String(), target)
	}
	c, err := v.Commit(ctx, id)
	if err != nil {
		return Resolved{}, err
	}
	return Resolved{Commit: id, Tree: c.Tree, Ref: ref}, nil
}

func target(v View, rev git.Revision) (git.ObjectID, git.RefName, error) {
	if rev.IsZero() {
		return git.ObjectID{}, git.RefName{}, errs.InvalidField(errs.ReasonInvalidRevision, "revision",
			"the revision is missing: give a full object id, refs/…, a branch or a tag")
	}
	if id, ok := rev.CommitID(); ok {
		return id, git.RefName{}, nil
	}
	candidates := rev.Candidates()
	if rev.IsHead() {
		candidates = []git.RefName{v.DefaultBranch()}
	}
	for _, name := range candidates {
		if id := v.Ref(name); !id.IsZero() {
			return id, name, nil
		}
	}
	return git.ObjectID{}, git.RefName{}, refNotFound(rev.String(), candidates[0])
}

func refNotFound(what string, name git.RefName) *errs.Error {
	hint := ""
	if v, ok := version.Parse(what); ok && what == v.String() {
		hint = fmt.Sprintf(": the tag of a release has a v in front, as %q", "v"+what)
	}
	return errs.New(errs.ReasonRefNotFound, fmt.Sprintf("ref %q does not exist or has no commit yet%s", what, hint), errs.MetaRef, name.String())
}

func objectNotFound(id git.ObjectID) *errs.Error {
	return errs.New(errs.ReasonObjectNotFound, "object "+id.String()+" does not exist in this repository", errs.MetaObject, id.String())
}

func notACommit(what string, id git.ObjectID) *errs.Error {
	return errs.New(errs.ReasonNotACommit, fmt.Sprintf("%q does not lead to a commit", what), errs.MetaObject, id.String())
}
