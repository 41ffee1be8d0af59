// Package event holds what is told of a change after it took effect: a ref moved, a repository came or went. An event is
// a fact about what is on the disk; whoever receives one can read the commit that it names.
package event

import (
	"time"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// Type names a kind of event, or of what else a subscriber is sent. A breaking change of a type's form is a type with a
// higher version; receivers ignore types they do not know.
type Type string

// The types of events.
const (
	TypeRefUpdated        Type = "dev.gitstore.ref.updated.v1"
	TypeRepositoryCreated Type = "dev.gitstore.repository.created.v1"
	TypeRepositoryDeleted Type = "dev.gitstore.repository.deleted.v1"
)

// Types returns the types of events.
func Types() []Type { return []Type{TypeRefUpdated, TypeRepositoryCreated, TypeRepositoryDeleted} }

// Event is one of [RefUpdated], [RepositoryCreated] and [RepositoryDeleted].
type Event interface {
	// Repository is the repository that changed.
	Repository() git.RepositoryID
	// Time is when the change took effect; of a synthetic event, when it was found out.
	Time() time.Time
	// Type names the event's type.
	Type() Type
}

// Header is what every event says.
type Header struct {
	ID git.RepositoryID
	At time.Time
	// Synthetic reports that nobody saw the change happen: it was found by comparing the refs with the journal. Several
	// changes of a ref may then be told as one.
	Synthetic bool
}

// Repository implements [Event].
func (h Header) Repository() git.RepositoryID { return h.ID }

// Time implements [Event].
func (h Header) Time() time.Time { return h.At }

// RepositoryCreated is told of a new repository.
type RepositoryCreated struct {
	Header
	// CreatedAt tells the repository from others that had its id before, to the second, in UTC.
	CreatedAt time.Time
}

// Type implements [Event].
func (RepositoryCreated) Type() Type { return TypeRepositoryCreated }

// RepositoryDeleted is told of a repository that is gone, with all its refs.
type RepositoryDeleted struct{ Header }

// Type implements [Event].
func (RepositoryDeleted) Type() Type { return TypeRepositoryDeleted }

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
	// Forced reports that a branch moved to a commit that does not descend from Old.
	Forced bool
	// Release is the version that a tag names; zero for branches and for tags that name none.
	Release Release
	// Transaction is what moved together with the ref.
	Transaction Transaction
	// RequestID is the request id that the write was made with, "" if it had none.
	RequestID string
}

// Release is a Semantic Version that a tag names.
type Release struct {
	// Version is the version without a leading "v", "" if there is none.
	Version    string
	Prerelease bool
}

// Transaction says which of the refs that one write moved an event is about: all took effect at once, and their events
// follow each other in the journal.
type Transaction struct {
	// ID is the same in all events of a write.
	ID string
	// Index counts from 0 to below Count.
	Index, Count int
}

// Type implements [Event].
func (RefUpdated) Type() Type { return TypeRefUpdated }

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

// RepositoryState is where the refs of a repository are.
type RepositoryState struct {
	ID git.RepositoryID
	// CreatedAt is when the repository was created, to the second, in UTC.
	CreatedAt time.Time
	// Refs are its branches and tags and what they point at, tags not followed.
	Refs map[git.RefName]git.ObjectID
	// Unreadable reports that the repository exists, and that nothing else is known of it now: ID is all that is set.
	Unreadable bool
}
