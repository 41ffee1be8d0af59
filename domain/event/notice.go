package event

import "github.com/gitstore-dev/gitstore/domain/git"

// The types of what a subscriber is sent besides events.
const (
	TypeHeartbeat      Type = "dev.gitstore.stream.heartbeat.v1"
	TypeResyncRequired Type = "dev.gitstore.stream.resync_required.v1"
)

// Notice is what a subscriber is sent: one of [Entry], [Heartbeat] and [Resync].
type Notice interface {
	// At is the place in the journal behind the notice: who has seen the notice may go on from there. It is zero where the
	// subscriber has to wait for more: in all parts of a [Resync] but the last.
	At() Cursor
	notice()
}

// Entry is an event at its place in the journal.
type Entry struct {
	// Cursor is the place behind the event.
	Cursor Cursor
	Event  Event
}

// At implements [Notice].
func (e Entry) At() Cursor { return e.Cursor }

func (Entry) notice() {}

// Heartbeat says that nothing else that the subscriber asked for happened up to its cursor.
type Heartbeat struct{ Cursor Cursor }

// At implements [Notice].
func (h Heartbeat) At() Cursor { return h.Cursor }

func (Heartbeat) notice() {}

// Resync says that the subscriber's cursor leads nowhere, and tells the present state in one or several parts that follow
// each other. Whatever no part names does not exist, as far as the subscriber's filter goes. Events from Cursor on follow
// behind the last part: there is no gap, but they may tell changes that the parts show already.
type Resync struct {
	// Cursor is where events go on; zero in all parts but the last.
	Cursor Cursor
	// Repositories are ordered by id. The refs of one may go on in the next part, under the same id.
	Repositories []RepositoryRefs
}

// RepositoryRefs are refs of a repository.
type RepositoryRefs struct {
	ID git.RepositoryID
	// Refs are ordered by name.
	Refs []git.Ref
	// Unreadable reports that the repository exists and that its refs cannot be told now: whoever knows any keeps them.
	Unreadable bool
}

// Last reports whether the part is the last.
func (r Resync) Last() bool { return !r.Cursor.IsZero() }

// At implements [Notice].
func (r Resync) At() Cursor { return r.Cursor }

func (Resync) notice() {}
