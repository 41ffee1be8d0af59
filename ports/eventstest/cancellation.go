package eventstest

import (
	"context"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
)

var cancellationCases = []testCase{
	{"a call whose context has ended fails, and changes nothing", endedContextFails},
	{"an append that is cancelled at any moment leaves the first of its events, or all", cancelledAppend},
}

func endedContextFails(c *tc) {
	j := c.open()
	before := j.bounds().Newest
	j.append(tally(0, 3)...)
	cancelled, cancel := context.WithCancel(c.ctx)
	cancel()
	late, cancel := context.WithDeadline(c.ctx, time.Now().Add(-time.Second))
	defer cancel()
	for ctx, reason := range map[context.Context]errs.Reason{cancelled: errs.ReasonCanceled, late: errs.ReasonDeadlineExceeded} {
		for name, call := range map[string]func() error{
			"Append":     func() error { _, err := j.Append(ctx, tally(1, 2)...); return err },
			"ReadEvents": func() error { _, err := j.ReadEvents(ctx, before, 10); return err },
			"Bounds":     func() error { _, err := j.Bounds(ctx); return err },
			"Wait":       func() error { return j.Wait(ctx, before) },
			"States":     func() error { _, err := statesOf(j.States(ctx)); return err },
		} {
			j.unchanged(func() {
				if err := call(); !errs.Is(err, reason) {
					c.Errorf("%s fails with %v, want %s", name, err, reason)
				}
			})
		}
	}
}

func cancelledAppend(c *tc) {
	j := c.open()
	const size, rounds = 100, 30
	for round := range rounds {
		ctx, cancel := context.WithCancel(c.ctx)
		before, events := j.bounds().Newest, tally(round, size)
		cancelled := make(chan struct{})
		go func() {
			defer close(cancelled)
			for range round * 20 {
				_ = j.Wait(ctx, event.Cursor{})
			}
			cancel()
		}()
		cursors, err := j.Append(ctx, events...)
		<-cancelled
		// Whatever is behind it, the next append comes after all of it.
		last := j.append(tally(rounds, 1)...)
		got := j.readAll(before, 1000)
		c.equal("the last event", got[len(got)-1:], last)
		got = got[:len(got)-1]
		if err == nil {
			c.equal("the events", got, entries(cursors, events))
			continue
		}
		c.fails(err, errs.ReasonCanceled)
		for i, e := range got {
			c.equal("an event that stayed", e.Event, events[i])
		}
	}
}
