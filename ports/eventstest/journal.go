package eventstest

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// journal is a journal whose calls have to succeed.
type journal struct {
	ports.EventLog
	c *tc
}

// append appends the events in one call and returns them at their places.
func (j journal) append(events ...event.Event) []event.Entry {
	j.c.Helper()
	cursors, err := j.Append(j.c.ctx, events...)
	j.c.ok(err)
	if len(cursors) != len(events) {
		j.c.Fatalf("%d events have %d cursors", len(events), len(cursors))
	}
	return entries(cursors, events)
}

// appendEach appends the events in a call each.
func (j journal) appendEach(events ...event.Event) []event.Entry {
	j.c.Helper()
	var all []event.Entry
	for _, e := range events {
		all = append(all, j.append(e)...)
	}
	return all
}

func entries(cursors []event.Cursor, events []event.Event) []event.Entry {
	all := make([]event.Entry, len(events))
	for i, e := range events {
		all[i] = event.Entry{Cursor: cursors[i], Event: e}
	}
	return all
}

func (j journal) bounds() ports.EventBounds {
	j.c.Helper()
	b, err := j.Bounds(j.c.ctx)
	j.c.ok(err)
	return b
}

func (j journal) read(after event.Cursor, limit int) []event.Entry {
	j.c.Helper()
	page, err := j.ReadEvents(j.c.ctx, after, limit)
	j.c.ok(err)
	if len(page) > limit {
		j.c.Fatalf("a page of %d has %d events", limit, len(page))
	}
	return page
}

// readAll reads in pages to the end.
func (j journal) readAll(after event.Cursor, limit int) []event.Entry {
	j.c.Helper()
	var all []event.Entry
	for page := j.read(after, limit); len(page) > 0; page = j.read(after, limit) {
		all = append(all, page...)
		after = page[len(page)-1].Cursor
	}
	return all
}

// holds reports it if the journal's events are not these.
func (j journal) holds(want []event.Entry) {
	j.c.Helper()
	j.c.equal("the events", j.readAll(event.Cursor{}, 1000), want)
}

// states returns the states as a map. It reports a repository that is told twice.
func (j journal) states(ids ...git.RepositoryID) map[git.RepositoryID]event.RepositoryState {
	j.c.Helper()
	all, err := statesOf(j.States(j.c.ctx, ids...))
	j.c.ok(err)
	return all
}

func statesOf(seq iter.Seq2[event.RepositoryState, error]) (map[git.RepositoryID]event.RepositoryState, error) {
	all := map[git.RepositoryID]event.RepositoryState{}
	for state, err := range seq {
		if err != nil {
			return nil, err
		}
		if _, ok := all[state.ID]; ok {
			return nil, errors.New("the state of " + state.ID.String() + " is told twice")
		}
		all[state.ID] = state
	}
	return all, nil
}

// leaves reports it if the states of all repositories are not these.
func (j journal) leaves(want ...event.RepositoryState) {
	j.c.Helper()
	byID := map[git.RepositoryID]event.RepositoryState{}
	for _, state := range want {
		byID[state.ID] = state
	}
	j.c.equal("the states", j.states(), byID)
	j.c.equal("the states of those named", j.states(slices.Collect(maps.Keys(byID))...), byID)
}

// unchanged reports it if do changes the journal.
func (j journal) unchanged(do func()) {
	j.c.Helper()
	bounds, states := j.bounds(), j.states()
	do()
	j.c.equal("the bounds", j.bounds(), bounds)
	j.c.equal("the states", j.states(), states)
}

// expired reports it if the cursor is not refused with the place to go on from, by all that take one.
func (j journal) expired(after event.Cursor) {
	j.c.Helper()
	newest := j.bounds().Newest.String()
	_, err := j.ReadEvents(j.c.ctx, after, 10)
	j.c.fails(err, errs.ReasonCursorExpired, errs.MetaCursor, newest)
	j.c.fails(j.Wait(j.c.ctx, after), errs.ReasonCursorExpired, errs.MetaCursor, newest)
}

// ok ends the case if err is one.
func (c *tc) ok(err error) {
	c.Helper()
	if err != nil {
		c.Fatalf("unexpected error: %s", describe(err))
	}
}

func describe(err error) string {
	e := errs.From(err)
	text := string(e.Reason) + ": " + e.Error()
	if cause := errors.Unwrap(e); cause != nil {
		text += " (" + cause.Error() + ")"
	}
	return text
}

var compareOptions = cmp.Options{
	cmpopts.EquateComparable(event.Cursor{}, git.ObjectID{}, git.RefName{}, git.RepositoryID{}),
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
}

// equal reports it if got is not want.
func (c *tc) equal(what string, got, want any) {
	c.Helper()
	if diff := cmp.Diff(want, got, compareOptions); diff != "" {
		c.Errorf("%s: not as expected (-want +got):\n%s", what, diff)
	}
}

// fails reports it if err is not an error of the reason with the metadata, given as keys and values in turn.
func (c *tc) fails(err error, reason errs.Reason, meta ...string) {
	c.Helper()
	if err == nil {
		c.Errorf("no error, want %s", reason)
		return
	}
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.Reason != reason || e.Kind != reason.Kind() {
		c.Errorf("error is %s (%T), want %s", describe(err), err, reason)
		return
	}
	if e.Msg == "" {
		c.Errorf("error %s has no message", e.Reason)
	}
	for i := 0; i+1 < len(meta); i += 2 {
		if got := e.Meta[meta[i]]; got != meta[i+1] {
			c.Errorf("error %s has %q for %q, want %q", describe(err), got, meta[i], meta[i+1])
		}
	}
}
