package eventstest

import (
	"context"
	"fmt"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

var concurrencyCases = []testCase{
	{"batches that are appended at once do not mix", batchesDoNotMix},
	{"all readers see one order while it grows, without a gap", readersSeeOneOrder},
	{"states that are read while events are appended are states that were", statesWhileAppending},
}

// together runs n functions at once and ends the case if one fails.
func (c *tc) together(n int, do func(i int) error) {
	c.Helper()
	outcomes := make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() { outcomes[i] = do(i) })
	}
	running.Wait()
	for _, err := range outcomes {
		c.ok(err)
	}
}

func batchesDoNotMix(c *tc) {
	j := c.open()
	const appenders, times, size = 8, 10, 7
	returned := make([]map[event.Cursor]event.Event, appenders)
	c.together(appenders, func(i int) error {
		returned[i] = map[event.Cursor]event.Event{}
		for range times {
			events := tally(i, size)
			cursors, err := j.Append(c.ctx, events...)
			if err != nil {
				return err
			}
			for n, cursor := range cursors {
				returned[i][cursor] = events[n]
			}
		}
		return nil
	})
	all := j.readAll(event.Cursor{}, 50)
	c.equal("the number of events", len(all), appenders*times*size)
	for i, e := range all {
		got := e.Event.(event.RefUpdated)
		if got.Transaction.Index != i%size || got.Ref != all[i-i%size].Event.(event.RefUpdated).Ref {
			c.Fatalf("event %d is number %d of a batch of %s: batches are mixed", i, got.Transaction.Index, got.Ref)
		}
	}
	for _, mine := range returned {
		for _, e := range all {
			if want, ok := mine[e.Cursor]; ok {
				c.equal("the event at "+e.Cursor.String(), e.Event, want)
				delete(mine, e.Cursor)
			}
		}
		c.equal("the cursors that were returned and are nowhere", len(mine), 0)
	}
}

// follow reads n events as they come.
func (j journal) follow(n, limit int) ([]event.Entry, error) {
	var all []event.Entry
	var after event.Cursor
	for len(all) < n {
		if err := j.Wait(j.c.ctx, after); err != nil {
			return nil, err
		}
		page, err := j.ReadEvents(j.c.ctx, after, limit)
		if err != nil {
			return nil, err
		}
		all, after = append(all, page...), page[len(page)-1].Cursor
	}
	return all, nil
}

func readersSeeOneOrder(c *tc) {
	j := c.open()
	const appenders, readers, times, size = 4, 6, 20, 3
	seen := make([][]event.Entry, readers)
	c.together(appenders+readers, func(i int) (err error) {
		if i < readers {
			seen[i], err = j.follow(appenders*times*size, 1+i*i)
			return err
		}
		for range times {
			if _, err := j.Append(c.ctx, tally(i, size)...); err != nil {
				return err
			}
		}
		return nil
	})
	all := j.readAll(event.Cursor{}, 1000)
	for i := range readers {
		c.equal(fmt.Sprintf("what reader %d saw", i), seen[i], all)
	}
}

func statesWhileAppending(c *tc) {
	j := c.open()
	const refs, rounds = 50, 5
	j.append(created(shop, began))
	for i := range refs {
		j.append(moved(shop, branch(i), git.ObjectID{}, numbered(0)))
	}
	done, stop := context.WithCancel(c.ctx)
	c.together(2, func(i int) error {
		if i == 0 {
			defer stop()
			return j.moveAll(refs, rounds)
		}
		for done.Err() == nil {
			all, err := statesOf(j.States(c.ctx))
			if err != nil {
				return err
			}
			if got := len(all[shop].Refs); got != refs {
				return errs.New(errs.ReasonInternal, fmt.Sprintf("%d refs are told, of %d that are there all the time", got, refs))
			}
		}
		return nil
	})
	c.equal("the last move", j.states()[shop].Refs[branch(refs-1)], numbered(rounds))
}

func (j journal) moveAll(refs, rounds int) error {
	for round := range rounds {
		for i := range refs {
			if _, err := j.Append(j.c.ctx, moved(shop, branch(i), numbered(round), numbered(round+1))); err != nil {
				return err
			}
		}
	}
	return nil
}
