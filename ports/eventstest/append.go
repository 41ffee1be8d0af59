package eventstest

import (
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

var appendCases = []testCase{
	{"events stay in the order in which they were appended, at the cursors that were returned", eventsStayInOrder},
	{"cursors grow from the first event on, are of one epoch and survive their text", cursorsGrow},
	{"an append of nothing adds nothing", appendOfNothing},
	{"every event comes back exactly", eventsComeBackExactly},
	{"a batch larger than any page comes back whole", largeBatch},
	{"what an append returned can be read, waited for and seen in the states at once", appendedIsSeen},
}

func eventsStayInOrder(c *tc) {
	j := c.open()
	want := j.append(tally(0, 3)...)
	want = append(want, j.appendEach(tally(1, 5)...)...)
	want = append(want, j.append(tally(2, 7)...)...)
	j.holds(want)
}

func cursorsGrow(c *tc) {
	j := c.open()
	epoch := j.bounds().Newest.Epoch()
	all := append(j.append(tally(0, 9)...), j.appendEach(tally(1, 3)...)...)
	var last event.Cursor
	for i, e := range all {
		c.equal("the epoch", e.Cursor.Epoch(), epoch)
		c.equal("the cursor's text, read again", must(event.ParseCursor(e.Cursor.String())), e.Cursor)
		if i > 0 && (!e.Cursor.Reached(last) || last.Reached(e.Cursor)) {
			c.Errorf("event %d is at %s, which is not behind %s", i, e.Cursor, last)
		}
		last = e.Cursor
	}
	c.equal("the newest cursor", j.bounds().Newest, last)
}

func appendOfNothing(c *tc) {
	j := c.open()
	j.append(tally(0, 2)...)
	j.unchanged(func() {
		cursors, err := j.Append(c.ctx)
		c.ok(err)
		c.equal("the cursors", cursors, []event.Cursor(nil))
	})
}

// specimens are events of all types with all that they may have.
func specimens() []event.Event {
	synthetic := event.Header{ID: shop, At: began, Synthetic: true}
	long := ref("refs/heads/" + strings.Repeat("long/", 200) + "name")
	return []event.Event{
		created(shop, began),
		event.RepositoryCreated{Header: synthetic, CreatedAt: time.Unix(1, 0).UTC()},
		event.RefUpdated{Header: header(shop), Ref: main, New: oid("1"), Commit: oid("1")},
		event.RefUpdated{Header: header(shop), Ref: main, Old: oid("1"), New: oid("2"), Commit: oid("2"), Forced: true},
		event.RefUpdated{Header: synthetic, Ref: main, Old: oid("2"), New: oid("3"), Commit: oid("3")},
		event.RefUpdated{Header: header(shop), Ref: main, Old: oid("3")},
		event.RefUpdated{
			Header: header(shop), Ref: v1, New: oid("4"), Commit: oid("5"), Release: event.Release{Version: "1.0.0"},
			Transaction: event.Transaction{ID: "t", Index: 0, Count: 2}, RequestID: "123e4567-e89b-12d3-a456-426614174000",
		},
		event.RefUpdated{
			Header: header(shop), Ref: ref("refs/tags/v2.0.0-rc.1"), New: oid256("6"), Commit: oid256("7"),
			Release: event.Release{Version: "2.0.0-rc.1", Prerelease: true}, Transaction: event.Transaction{ID: "t", Index: 1, Count: 2},
		},
		event.RefUpdated{Header: header(shop), Ref: ref("refs/heads/caf\xe9"), New: oid("8"), Commit: oid("8")},
		event.RefUpdated{Header: header(shop), Ref: ref("refs/heads/caf\xe8"), New: oid("9"), Commit: oid("9")},
		event.RefUpdated{Header: header(shop), Ref: ref("refs/heads/a.b>c$\U0001f600"), New: oid("a"), Commit: oid("a")},
		event.RefUpdated{Header: header(shop), Ref: long, New: oid256("b"), Commit: oid256("b"), RequestID: "a \"quoted\" one\n"},
		event.RepositoryDeleted{Header: synthetic},
		deleted(repository(strings.Repeat("x", 63))),
	}
}

func eventsComeBackExactly(c *tc) {
	j := c.open()
	want := append(j.append(specimens()...), j.appendEach(specimens()...)...)
	j.holds(want)
}

func largeBatch(c *tc) {
	j := c.open()
	j.holds(j.append(tally(0, 3000)...))
}

func appendedIsSeen(c *tc) {
	j := c.open()
	j.append(created(shop, began))
	after := j.bounds().Newest
	var at git.ObjectID
	for i := range 100 {
		want := j.append(moved(shop, main, at, numbered(i)))
		at = numbered(i)
		c.ok(j.Wait(c.ctx, after))
		c.equal("the event", j.read(after, 2), want)
		c.equal("main", j.states(shop)[shop].Refs[main], at)
		after = want[0].Cursor
	}
}
