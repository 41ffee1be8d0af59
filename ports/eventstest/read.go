package eventstest

import (
	"slices"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
)

var readCases = []testCase{
	{"a new journal has an epoch, bounds and no events", newJournal},
	{"two new journals have different epochs", newEpochs},
	{"pages of every size make the whole", pagesOfEverySize},
	{"any cursor can be gone on from", anyCursor},
	{"the zero cursor is where the journal begins, and so is the oldest", zeroCursor},
	{"a limit below 1 is refused", limitsBelowOne},
	{"10,000 events are read in pages", manyPages},
}

func newJournal(c *tc) {
	j := c.open()
	b := j.bounds()
	if b.Newest.IsZero() || b.Newest.Epoch() == "" {
		c.Errorf("the newest cursor of a new journal is %q", b.Newest)
	}
	c.equal("the newest cursor's text, read again", must(event.ParseCursor(b.Newest.String())), b.Newest)
	c.equal("the oldest cursor", b.Oldest, b.Newest)
	c.equal("the events", j.read(event.Cursor{}, 10), []event.Entry(nil))
	c.equal("the events behind the newest", j.read(b.Newest, 10), []event.Entry(nil))
	j.leaves()
}

func newEpochs(c *tc) {
	if one, two := c.open().bounds().Newest, c.open().bounds().Newest; one.Epoch() == two.Epoch() {
		c.Errorf("both are of the epoch %s", one.Epoch())
	}
}

func pagesOfEverySize(c *tc) {
	j := c.open()
	want := j.append(tally(0, 20)...)
	for limit := 1; limit <= 22; limit++ {
		c.equal("the events", j.readAll(event.Cursor{}, limit), want)
		c.equal("the length of the first page", len(j.read(event.Cursor{}, limit)), min(limit, 20))
	}
}

func anyCursor(c *tc) {
	j := c.open()
	before := j.bounds().Newest
	want := j.append(tally(0, 20)...)
	c.equal("the events behind the cursor of the new journal", j.readAll(before, 3), want)
	for i, e := range want {
		c.equal("the events behind "+e.Cursor.String(), j.readAll(e.Cursor, 3), want[i+1:])
	}
}

func zeroCursor(c *tc) {
	j := c.open()
	before := j.bounds()
	want := j.append(tally(0, 5)...)
	c.equal("the oldest cursor", j.bounds().Oldest, before.Oldest)
	c.equal("the events behind the zero cursor", j.read(event.Cursor{}, 10), want)
	c.equal("the events behind the oldest", j.read(before.Oldest, 10), want)
}

func limitsBelowOne(c *tc) {
	j := c.open()
	j.append(tally(0, 2)...)
	for _, limit := range []int{0, -1, -1 << 62} {
		_, err := j.ReadEvents(c.ctx, event.Cursor{}, limit)
		c.fails(err, errs.ReasonInvalidArgument)
	}
	c.equal("the length of a page without end", len(j.read(event.Cursor{}, 1<<31)), 2)
}

func manyPages(c *tc) {
	j := c.open()
	var want []event.Entry
	for batch := range slices.Chunk(tally(0, 10_000), 500) {
		want = append(want, j.append(batch...)...)
	}
	got := j.readAll(event.Cursor{}, 500)
	if !slices.EqualFunc(got, want, func(a, b event.Entry) bool { return a.Cursor == b.Cursor }) {
		c.Fatalf("%d events are not read as the %d that were appended", len(got), len(want))
	}
	c.equal("the last events", got[9900:], want[9900:])
}

var expiredCases = []testCase{
	{"a cursor of another epoch has expired", otherEpoch},
	{"a cursor behind the newest has expired", behindNewest},
	{"an expired cursor names the place to go on from", expiredSaysWhere},
}

func otherEpoch(c *tc) {
	j := c.open()
	foreign := c.open().bounds().Newest
	j.expired(foreign)
	all := j.append(tally(0, 3)...)
	j.expired(foreign)
	for _, e := range all {
		j.expired(event.NewCursor(foreign.Epoch(), e.Cursor.Sequence()))
	}
}

func behindNewest(c *tc) {
	j := c.open()
	for range 2 {
		newest := j.bounds().Newest
		for _, further := range []uint64{1, 2, 1000, 1 << 62} {
			j.expired(event.NewCursor(newest.Epoch(), newest.Sequence()+further))
		}
		j.append(tally(0, 3)...)
	}
}

func expiredSaysWhere(c *tc) {
	j := c.open()
	j.append(tally(0, 3)...)
	_, err := j.ReadEvents(c.ctx, event.NewCursor("0000000000000000", 1), 1)
	c.fails(err, errs.ReasonCursorExpired)
	from := must(event.ParseCursor(errs.From(err).Meta[errs.MetaCursor]))
	want := j.append(tally(1, 2)...)
	c.equal("the events from there on", j.read(from, 10), want)
}
