package eventstest

import (
	"context"
	"errors"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
)

var waitCases = []testCase{
	{"a wait for what has happened is over at once", waitForThePast},
	{"an append ends all the waits for it", appendEndsWaits},
	{"a waiter that goes on misses nothing", waiterMissesNothing},
	{"a wait is given up when its context ends, alone", waitIsGivenUp},
	{"a deadline that passes while waiting is told as one", waitMeetsDeadline},
}

func waitForThePast(c *tc) {
	j := c.open()
	before := j.bounds().Newest
	all := j.append(tally(0, 3)...)
	for _, after := range []event.Cursor{{}, before, all[0].Cursor, all[1].Cursor} {
		c.ok(j.Wait(c.ctx, after))
	}
}

// waiters starts n waits, half of them behind the zero cursor, which is the newest as long as nothing happened. It
// returns their ends.
func (j journal) waiters(ctx context.Context, n int) <-chan error {
	ends := make(chan error, n)
	newest := j.bounds().Newest
	var begun sync.WaitGroup
	for i := range n {
		after := newest
		if i%2 == 0 {
			after = event.Cursor{}
		}
		begun.Add(1)
		go func() {
			begun.Done()
			ends <- j.Wait(ctx, after)
		}()
	}
	begun.Wait()
	return ends
}

func appendEndsWaits(c *tc) {
	j := c.open()
	const n = 200
	ends := j.waiters(c.ctx, n)
	j.append(tally(0, 1)...)
	for range n {
		c.ok(<-ends)
	}
}

func waiterMissesNothing(c *tc) {
	j := c.open()
	const n = 300
	after, got := j.bounds().Newest, make(chan error, 1)
	go func() {
		seen := 0
		for seen < n {
			if err := j.Wait(c.ctx, after); err != nil {
				got <- err
				return
			}
			page, err := j.ReadEvents(c.ctx, after, 7)
			if err != nil || len(page) == 0 {
				got <- errors.Join(err, errors.New("a wait ended and there is nothing to read"))
				return
			}
			seen, after = seen+len(page), page[len(page)-1].Cursor
		}
		got <- nil
	}()
	j.appendEach(tally(0, n)...)
	c.ok(<-got)
}

func waitIsGivenUp(c *tc) {
	j := c.open()
	ctx, cancel := context.WithCancel(c.ctx)
	const n = 20
	ends, stay := j.waiters(ctx, n), j.waiters(c.ctx, n)
	cancel()
	for range n {
		c.fails(<-ends, errs.ReasonCanceled)
	}
	j.append(tally(0, 1)...)
	for range n {
		c.ok(<-stay)
	}
}

func waitMeetsDeadline(c *tc) {
	j := c.open()
	ctx, cancel := context.WithTimeout(c.ctx, 1)
	defer cancel()
	c.fails(j.Wait(ctx, j.bounds().Newest), errs.ReasonDeadlineExceeded)
}
