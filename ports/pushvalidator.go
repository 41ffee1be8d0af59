package ports

import (
	"context"
	"fmt"
	"iter"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// PushValidator judges what git clients push, before it is accepted: a store asks it where the policy of a repository says
// so (see [Policy]), when the objects of the push are there and no ref has moved.
type PushValidator interface {
	// ValidatePush yields what is wrong with the refs as they are to be, for each ref of p the worst first; a ref of which it
	// yields nothing is valid. It is called without anybody waiting for it but the client, and concurrently; of one push again if
	// its policy changes meanwhile. Contents, the
	// refs and what is yielded are good until the iteration ends.
	//
	// An error ends the iteration and says that it is not known whether the push is valid: a policy that enforces then refuses
	// all of its refs. The context ends when the client leaves, when the store is closed, and when the time for it is
	// over; then the iteration has to end soon.
	ValidatePush(ctx context.Context, p PushedRefs) iter.Seq2[PushProblem, error]
}

// PushedRefs are the refs of a push that are to be judged.
type PushedRefs struct {
	Repository git.RepositoryID
	// Contents is the repository with the objects of the push, which nobody else sees yet. Its refs are where they were.
	Contents RepositoryReader
	// Refs are those that the push creates and moves, in its order; those that it deletes are left out.
	Refs []PushedRef
	// Options are the push options that the client gave, of those that the store takes.
	Options []string
}

// PushedRef is a ref that a push creates or moves.
type PushedRef struct {
	Name git.RefName
	// Old is where the ref is, zero for one that is created; when the push is accepted it is still there.
	Old git.ObjectID
	// New is where it is to go: a commit, or an annotated tag.
	New git.ObjectID
	// Commit is the commit that New leads to.
	Commit git.ObjectID
}

// PushProblem is something wrong with what is pushed.
type PushProblem struct {
	// Ref is the one that would show it.
	Ref git.RefName
	// Path is the file; the root if it is none.
	Path git.TreePath
	// Line and Column are the place in the file, from 1; 0 where it has none.
	Line, Column int
	// Field leads to the value at fault, such as "images[0].url"; "" if it is the whole file.
	Field string
	// Reason identifies what is wrong for programs, such as "INVALID_PRICE".
	Reason string
	// Message says what is wrong and what to do, for people.
	Message string
}

// String returns a line that begins as compilers' messages do, so that editors find the place:
// path:line:column: field: message (REASON).
func (p PushProblem) String() string {
	line := p.Path.String()
	if p.Line > 0 {
		line += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	line += ": "
	if p.Field != "" {
		line += p.Field + ": "
	}
	return fmt.Sprintf("%s%s (%s)", line, p.Message, p.Reason)
}
