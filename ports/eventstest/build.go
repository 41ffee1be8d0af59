package eventstest

import (
	"fmt"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// The values of the suite are written as text, and are valid: a mistake is one of the suite.

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func repository(id string) git.RepositoryID { return must(git.ParseRepositoryID(id)) }

func ref(name string) git.RefName { return must(git.ParseRefName(name)) }

func branch(i int) git.RefName { return ref(fmt.Sprintf("refs/heads/b%d", i)) }

// oid is an object ID of SHA-1 that consists of one digit.
func oid(digit string) git.ObjectID { return must(git.ParseObjectID(strings.Repeat(digit, 40))) }

// oid256 is one of SHA-256.
func oid256(digit string) git.ObjectID { return must(git.ParseObjectID(strings.Repeat(digit, 64))) }

// numbered is an object ID that no other number has.
func numbered(n int) git.ObjectID { return must(git.ParseObjectID(fmt.Sprintf("%040x", n+1))) }

// began is when the suite's events happen: with nanoseconds, and in a zone that is not UTC.
var began = time.Date(2026, 1, 31, 9, 0, 0, 123456789, time.FixedZone("", 2*60*60))

func header(id git.RepositoryID) event.Header { return event.Header{ID: id, At: began} }

var (
	shop  = repository("shop")
	other = repository("other-1")
	main  = ref("refs/heads/main")
	v1    = ref("refs/tags/v1.0.0")
)

func created(id git.RepositoryID, at time.Time) event.Event {
	return event.RepositoryCreated{Header: header(id), CreatedAt: at.UTC().Truncate(time.Second)}
}

func deleted(id git.RepositoryID) event.Event { return event.RepositoryDeleted{Header: header(id)} }

// moved is told of a ref that is now at the object; of a deleted ref if that is zero.
func moved(id git.RepositoryID, name git.RefName, from, to git.ObjectID) event.Event {
	return event.RefUpdated{Header: header(id), Ref: name, Old: from, New: to, Commit: to}
}

// tally returns the events of n moves of a branch, told apart by their request ids.
func tally(writer, n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		events[i] = event.RefUpdated{
			Header: header(shop), Ref: branch(writer), Old: numbered(i), New: numbered(i + 1), Commit: numbered(i + 1),
			Transaction: event.Transaction{ID: fmt.Sprintf("%d", writer), Index: i, Count: n},
		}
	}
	return events
}

// state is where a repository's refs are; the refs are given as names and objects in turn.
func state(id git.RepositoryID, createdAt time.Time, refs ...any) event.RepositoryState {
	s := event.RepositoryState{ID: id, CreatedAt: createdAt.UTC().Truncate(time.Second), Refs: map[git.RefName]git.ObjectID{}}
	for i := 0; i < len(refs); i += 2 {
		s.Refs[refs[i].(git.RefName)] = refs[i+1].(git.ObjectID)
	}
	return s
}
