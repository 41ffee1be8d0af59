package git

import (
	"io"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// Action says what a [Change] does to a path. The zero value is no action.
type Action uint8

const (
	// ActionCreate writes a file where there is none.
	ActionCreate Action = iota + 1
	// ActionUpdate writes a file where there is one.
	ActionUpdate
	// ActionUpsert writes a file whether there is one or not.
	ActionUpsert
	// ActionDelete removes a file.
	ActionDelete
	// ActionMove moves a file from From to where there is none; with Content it is changed on the way.
	ActionMove
	// ActionChmod sets whether a file is executable.
	ActionChmod
)

var actionNames = [...]string{
	ActionCreate: "create", ActionUpdate: "update", ActionUpsert: "upsert",
	ActionDelete: "delete", ActionMove: "move", ActionChmod: "chmod",
}

// ParseAction reads "create", "update", "upsert", "delete", "move" or "chmod". It fails with INVALID_ACTION.
func ParseAction(s string) (Action, error) {
	for a := ActionCreate; a <= ActionChmod; a++ {
		if actionNames[a] == s {
			return a, nil
		}
	}
	return 0, errs.InvalidField(errs.ReasonInvalidAction, "action",
		"action %s is unknown: use create, update, upsert, delete, move or chmod", quote(s))
}

// String returns the name that [ParseAction] reads.
func (a Action) String() string {
	if a >= ActionCreate && a <= ActionChmod {
		return actionNames[a]
	}
	return "unknown"
}

// Change is one action of a commit.
type Change struct {
	Action Action
	Path   TreePath
	// From is where ActionMove takes the file from; the root for every other action.
	From TreePath
	// Content is what create, update and upsert write and what move may write; nil for delete and chmod, and for a
	// move that keeps the content. It is read to its end before the next Change is asked for, and not closed.
	Content io.Reader
	// Size is the number of bytes of Content if it is known, else -1. A Content of another length is refused.
	Size int64
	// Executable is the new mode. Nil keeps the mode of a file that exists and makes a new one regular; ActionChmod
	// needs it.
	Executable *bool
	// ExpectedBlob is what Path (From for a move) must hold before the commit.
	ExpectedBlob Expectation
}

// Validate reports whether the fields fit the action. It fails with INVALID_ACTION. The rules that depend on what the
// repository holds are checked by the commit.
func (c Change) Validate() error {
	rule := ""
	writes := c.Action == ActionCreate || c.Action == ActionUpdate || c.Action == ActionUpsert
	switch {
	case c.Action < ActionCreate || c.Action > ActionChmod:
		rule = "it names no action"
	case c.Path.IsRoot():
		rule = "it has no path"
	case writes && c.Content == nil:
		rule = "it has no content"
	case !writes && c.Action != ActionMove && c.Content != nil:
		rule = "it must not have content"
	case c.Action == ActionMove && c.From.IsRoot():
		rule = `it has no "from"`
	case c.Action != ActionMove && !c.From.IsRoot():
		rule = `only a move has "from"`
	case c.Action == ActionMove && c.From == c.Path:
		rule = "it moves the file onto itself"
	case c.Action == ActionChmod && c.Executable == nil:
		rule = `it does not say whether the file is to be executable`
	case c.Action == ActionDelete && c.Executable != nil:
		rule = `it must not have "executable"`
	case c.Action == ActionCreate && !c.ExpectedBlob.ID().IsZero():
		rule = "it expects a blob where it creates a file"
	}
	if rule == "" {
		return nil
	}
	return errs.New(errs.ReasonInvalidAction, c.Action.String()+" of "+quote(c.Path.String())+" is invalid: "+rule,
		errs.MetaField, "actions", errs.MetaPath, c.Path.String())
}

// ChangeStatus says how a path differs between two trees. The zero value is no difference.
type ChangeStatus uint8

// The statuses of git-diff(1), --diff-filter; renames are told as a deletion and an addition.
const (
	StatusAdded ChangeStatus = iota + 1
	StatusModified
	StatusDeleted
	// StatusTypeChanged is a file that became a symbolic link or submodule, or the other way round.
	StatusTypeChanged
)

var statusNames = [...]string{
	StatusAdded: "added", StatusModified: "modified", StatusDeleted: "deleted", StatusTypeChanged: "type_changed",
}

// String returns the status in lower case, words joined by "_".
func (s ChangeStatus) String() string {
	if s >= StatusAdded && s <= StatusTypeChanged {
		return statusNames[s]
	}
	return "unknown"
}

// PathChange is one path that differs between two trees.
type PathChange struct {
	Path   TreePath
	Status ChangeStatus
	// OldMode and OldID are zero for an added path, NewMode and NewID for a deleted one.
	OldMode, NewMode FileMode
	OldID, NewID     ObjectID
}

// PathBlob is a path and the blob that a commit left there.
type PathBlob struct {
	Path TreePath
	Blob ObjectID
}
