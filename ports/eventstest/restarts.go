package eventstest

import (
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

var restartCases = []testCase{
	{"an empty journal keeps its epoch", restartOfEmpty},
	{"events, cursors and states outlive a restart, and it goes on from there", restartKeepsAll},
	{"deleted refs and repositories do not come back", restartKeepsDeletions},
	{"a journal that was restarted often is as if it never was", manyRestarts},
}

func restartOfEmpty(c *tc) {
	j := c.open()
	before := j.bounds()
	c.equal("the bounds", j.reopen().bounds(), before)
}

func restartKeepsAll(c *tc) {
	j := c.open()
	before := j.bounds().Newest
	want := j.append(specimens()...)
	want = append(want, j.append(created(shop, began), moved(shop, main, git.ObjectID{}, oid("1")))...)
	bounds := j.bounds()
	j = j.reopen()
	c.equal("the bounds", j.bounds(), bounds)
	c.equal("the events", j.readAll(before, 5), want)
	j.leaves(state(shop, began, main, oid("1")))
	want = append(want, j.append(moved(shop, main, oid("1"), oid("2")))...)
	j.holds(want)
	j.leaves(state(shop, began, main, oid("2")))
}

func restartKeepsDeletions(c *tc) {
	j := c.open()
	j.append(created(shop, began), moved(shop, main, git.ObjectID{}, oid("1")), moved(shop, v1, git.ObjectID{}, oid("2")), created(other, began))
	j.append(moved(shop, v1, oid("2"), git.ObjectID{}), deleted(other))
	j.reopen().leaves(state(shop, began, main, oid("1")))
}

func manyRestarts(c *tc) {
	j := c.open()
	want := j.append(created(shop, began))
	var at git.ObjectID
	for i := range 5 {
		want = append(want, j.append(moved(shop, main, at, numbered(i)))...)
		at = numbered(i)
		j = j.reopen()
	}
	j.holds(want)
	j.leaves(state(shop, began, main, at))
	j.expired(event.NewCursor(want[0].Cursor.Epoch(), want[5].Cursor.Sequence()+1))
}
