// Package event holds what is told of a change after it took effect: a ref moved, a repository came or went. An event is
// a fact about what is on the disk; whoever receives one can read the commit that it names.
package event

import (
	"time"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// Event is one of [RefUpdated], [RepositoryCreated] and [RepositoryDeleted].
type Event interface {
	// Repository is the repository that changed.
	Repository() git.RepositoryID
	// Time is when the change took effect.
	Time() time.Time
}

// Header is what every event says.
type Header struct {
	ID git.RepositoryID
	At time.Time
}

// Repository implements [Event].
func (h Header) Repository() git.RepositoryID { return h.ID }

// Time implements [Event].
func (h Header) Time() time.Time { return h.At }

// RepositoryCreated is told of a new repository.
type RepositoryCreated struct{ Header }

// RepositoryDeleted is told of a repository that is gone.
type RepositoryDeleted struct{ Header }

// Change says how a ref moved. The zero value is no change.
type Change uint8

const (
	// Created is a ref that was not there before.
	Created Change = iota + 1
	// Updated is a ref that points elsewhere than before.
	Updated
	// Deleted is a ref that is there no more.
	Deleted
)

// String returns "created", "updated" or "deleted".
func (c Change) String() string {
	switch c {
	case Created:
		return "created"
	case Updated:
		return "updated"
	case Deleted:
		return "deleted"
	}
	return "unknown"
}

// RefUpdated is told of a branch or tag that moved.
type RefUpdated struct {
	Header
	Ref git.RefName
	// Old is where the ref pointed, zero if it was created.
	Old git.ObjectID
	// New is where the ref points, zero if it was deleted.
	New git.ObjectID
	// Commit is what New leads to when tags are followed to their end; zero if the ref was deleted.
	Commit git.ObjectID
}

// Change tells creation, move and deletion apart.
func (e RefUpdated) Change() Change {
	switch {
	case e.Old.IsZero():
		return Created
	case e.New.IsZero():
		return Deleted
	}
	return Updated
}
