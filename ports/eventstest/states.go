package eventstest

import (
	"fmt"
	"time"

	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

var stateCases = []testCase{
	{"a created repository has no refs", createdHasNoRefs},
	{"refs are where the last event left them", refsAreWhereTheyWereLeft},
	{"a deleted ref is gone, and can come back", deletedRefIsGone},
	{"a deleted repository is gone with its refs", deletedRepositoryIsGone},
	{"a repository that comes back has nothing of the one before", recreatedRepositoryIsNew},
	{"a repository that is created while it is there begins anew", createdTwice},
	{"refs are told apart by their bytes", refsAreToldApart},
	{"of those named, those that exist are told, once", namedStates},
	{"one repository's events leave the others alone", repositoriesAreApart},
	{"one batch may create and delete", oneBatch},
	{"a consumer may break off", statesBrokenOff},
	{"many refs and repositories are told", manyStates},
}

func createdHasNoRefs(c *tc) {
	j := c.open()
	j.append(created(shop, began))
	j.leaves(state(shop, began))
}

func refsAreWhereTheyWereLeft(c *tc) {
	j := c.open()
	j.append(created(shop, began))
	j.append(moved(shop, main, git.ObjectID{}, oid("1")), moved(shop, v1, git.ObjectID{}, oid256("2")))
	j.leaves(state(shop, began, main, oid("1"), v1, oid256("2")))
	j.append(moved(shop, main, oid("1"), oid("3")), moved(shop, main, oid("3"), oid("4")))
	j.leaves(state(shop, began, main, oid("4"), v1, oid256("2")))
	// What an annotated tag leads to is not what the ref points at.
	j.append(event.RefUpdated{Header: header(shop), Ref: v1, Old: oid256("2"), New: oid256("5"), Commit: oid256("6")})
	j.leaves(state(shop, began, main, oid("4"), v1, oid256("5")))
}

func deletedRefIsGone(c *tc) {
	j := c.open()
	j.append(created(shop, began), moved(shop, main, git.ObjectID{}, oid("1")), moved(shop, v1, git.ObjectID{}, oid("2")))
	j.append(moved(shop, main, oid("1"), git.ObjectID{}))
	j.leaves(state(shop, began, v1, oid("2")))
	j.append(moved(shop, main, git.ObjectID{}, oid("3")))
	j.leaves(state(shop, began, v1, oid("2"), main, oid("3")))
}

func deletedRepositoryIsGone(c *tc) {
	j := c.open()
	j.append(created(shop, began), moved(shop, main, git.ObjectID{}, oid("1")))
	j.append(deleted(shop))
	j.leaves()
	c.equal("the state of the deleted repository", len(j.states(shop)), 0)
}

func recreatedRepositoryIsNew(c *tc) {
	j := c.open()
	later := began.Add(time.Hour)
	j.append(created(shop, began), moved(shop, main, git.ObjectID{}, oid("1")), moved(shop, v1, git.ObjectID{}, oid("2")))
	j.append(deleted(shop))
	j.append(created(shop, later), moved(shop, main, git.ObjectID{}, oid("3")))
	j.leaves(state(shop, later, main, oid("3")))
}

func createdTwice(c *tc) {
	j := c.open()
	later := began.Add(time.Hour)
	j.append(created(shop, began), moved(shop, main, git.ObjectID{}, oid("1")))
	j.append(created(shop, later))
	j.leaves(state(shop, later))
}

func refsAreToldApart(c *tc) {
	j := c.open()
	j.append(created(shop, began))
	want := state(shop, began)
	for i, name := range []string{
		"refs/heads/caf\xe9", "refs/heads/caf\xe8", "refs/heads/caf\u00e9", "refs/heads/cafe\u0301", "refs/heads/a.b", "refs/heads/a>b",
		"refs/heads/A.b", "refs/tags/a.b", "refs/heads/$a", "refs/heads/\U0001f600",
	} {
		j.append(moved(shop, ref(name), git.ObjectID{}, numbered(i)))
		want.Refs[ref(name)] = numbered(i)
	}
	j.leaves(want)
	j.append(moved(shop, ref("refs/heads/caf\xe9"), numbered(0), git.ObjectID{}))
	delete(want.Refs, ref("refs/heads/caf\xe9"))
	j.leaves(want)
}

func namedStates(c *tc) {
	j := c.open()
	j.append(created(shop, began), moved(shop, main, git.ObjectID{}, oid("1")))
	j.append(created(other, began), moved(other, main, git.ObjectID{}, oid("2")))
	of := state(other, began, main, oid("2"))
	c.equal("the states", j.states(other), map[git.RepositoryID]event.RepositoryState{other: of})
	c.equal("the states with one named twice", j.states(other, repository("none"), other), map[git.RepositoryID]event.RepositoryState{other: of})
	c.equal("the states of none that exists", len(j.states(repository("none"))), 0)
}

func repositoriesAreApart(c *tc) {
	j := c.open()
	// One id is the beginning of the other.
	longer := repository("shop-2")
	j.append(created(shop, began), created(longer, began))
	j.append(moved(shop, main, git.ObjectID{}, oid("1")), moved(longer, main, git.ObjectID{}, oid("2")))
	j.append(moved(shop, main, oid("1"), git.ObjectID{}))
	j.leaves(state(shop, began), state(longer, began, main, oid("2")))
	j.append(deleted(shop))
	j.leaves(state(longer, began, main, oid("2")))
}

func oneBatch(c *tc) {
	j := c.open()
	j.append(
		created(shop, began), moved(shop, main, git.ObjectID{}, oid("1")), deleted(shop),
		created(shop, began.Add(time.Hour)), moved(shop, v1, git.ObjectID{}, oid("2")), moved(shop, v1, oid("2"), git.ObjectID{}),
		moved(shop, v1, git.ObjectID{}, oid("3")), created(other, began), deleted(other),
	)
	j.leaves(state(shop, began.Add(time.Hour), v1, oid("3")))
}

func statesBrokenOff(c *tc) {
	j := c.open()
	j.append(created(shop, began), created(other, began))
	for _, err := range j.States(c.ctx) {
		c.ok(err)
		break
	}
	j.leaves(state(shop, began), state(other, began))
}

func manyStates(c *tc) {
	j := c.open()
	var want []event.RepositoryState
	for i := range 20 {
		id := repository(fmt.Sprintf("r%d", i))
		events := []event.Event{created(id, began)}
		s := state(id, began)
		for n := range 300 {
			events = append(events, moved(id, branch(n), git.ObjectID{}, numbered(n)))
			s.Refs[branch(n)] = numbered(n)
		}
		j.append(events...)
		want = append(want, s)
	}
	j.leaves(want...)
}
