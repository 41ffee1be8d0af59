package eventstest

import (
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

var retentionCases = []testCase{
	{"the last events are kept, and the oldest cursor moves on", lastEventsAreKept},
	{"a cursor before the oldest has expired, and the oldest has not", beforeOldest},
	{"a batch larger than the bound leaves its end", batchLargerThanBound},
	{"the states tell of what was dropped", statesOutliveEvents},
	{"a restart drops nothing more", restartOfBounded},
}

// kept is how many events a bounded journal of the suite keeps.
const kept = 10

func lastEventsAreKept(c *tc) {
	j := c.bounded()
	var all []event.Entry
	for i := range 3 * kept {
		all = append(all, j.append(tally(i, 1)...)...)
		if i < kept {
			continue
		}
		b := j.bounds()
		c.equal("the oldest cursor", b.Oldest, all[i-kept].Cursor)
		c.equal("the newest cursor", b.Newest, all[i].Cursor)
	}
	j.holds(all[2*kept:])
	for limit := 1; limit <= kept+1; limit++ {
		c.equal("the events in pages", j.readAll(event.Cursor{}, limit), all[2*kept:])
	}
	c.ok(j.Wait(c.ctx, event.Cursor{}))
}

func beforeOldest(c *tc) {
	j := c.bounded()
	before := j.bounds().Newest
	all := j.append(tally(0, 3*kept)...)
	j.expired(before)
	for i, e := range all {
		if i < 2*kept-1 {
			j.expired(e.Cursor)
			continue
		}
		c.equal("the events behind "+e.Cursor.String(), j.readAll(e.Cursor, 3), all[i+1:])
	}
}

func batchLargerThanBound(c *tc) {
	j := c.bounded()
	all := j.append(tally(0, 5*kept)...)
	j.holds(all[4*kept:])
}

func statesOutliveEvents(c *tc) {
	j := c.bounded()
	j.append(created(shop, began), moved(shop, v1, git.ObjectID{}, oid("1")), moved(shop, main, git.ObjectID{}, numbered(0)))
	for i := range 5 * kept {
		j.append(moved(shop, main, numbered(i), numbered(i+1)))
	}
	j.leaves(state(shop, began, v1, oid("1"), main, numbered(5*kept)))
}

func restartOfBounded(c *tc) {
	j := c.bounded()
	j.append(created(shop, began), moved(shop, v1, git.ObjectID{}, oid("1")))
	all := j.append(tally(0, 3*kept)...)
	bounds, states := j.bounds(), j.states()
	j = j.reopen()
	c.equal("the bounds", j.bounds(), bounds)
	c.equal("the states", j.states(), states)
	j.holds(all[2*kept:])
}
