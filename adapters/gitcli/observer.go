package gitcli

import (
	"context"

	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
	"github.com/gitstore-dev/gitstore/ports"
)

// Observer is told of what changes in a store. Its methods are called in order for one repository, concurrently for
// several, and hold the repository's writer up while they run.
type Observer interface {
	// Changed is told of changes of one repository once they are on the disk and readers can see them, before the
	// callers of the writes are answered. It returns for each event its place in the journal, or nothing if there is none;
	// that goes into the receipts ([ports.WithReceipt]) of the writes.
	Changed(ctx context.Context, events ...event.Event) []event.Cursor
	// Told returns a place behind all that happened to the repository, for the receipts of writes that changed nothing or
	// were made before: zero if there is none yet.
	Told(ctx context.Context, id git.RepositoryID) event.Cursor
	// Unsure is told of a repository whose refs may have moved in a way that nobody can tell, or that seemed to be deleted for a
	// moment: it is to be read, by [Store.States].
	Unsure(id git.RepositoryID)
}

type nobody struct{}

func (nobody) Changed(context.Context, ...event.Event) []event.Cursor { return nil }

func (nobody) Told(context.Context, git.RepositoryID) event.Cursor { return event.Cursor{} }

func (nobody) Unsure(git.RepositoryID) {}

// tell tells of a change of a repository as a whole.
func (s *Store) tell(ctx context.Context, e event.Event) {
	receive(ctx, s.opts.Observer.Changed(context.WithoutCancel(ctx), e))
	failpoint.Reach(failpoint.EventAppended)
}

// receive puts the last of the cursors of a write into its receipt.
func receive(ctx context.Context, cursors []event.Cursor) {
	if r := ports.ReceiptOf(ctx); r != nil && len(cursors) > 0 {
		r.Cursor = cursors[len(cursors)-1]
	}
}
