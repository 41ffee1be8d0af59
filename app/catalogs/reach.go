package catalogs

import (
	"context"
	"errors"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
)

// reach waits until everything up to the cursor is in the feed's state.
func (f *Follower) reach(ctx context.Context, feed *feed, least event.Cursor) error {
	limited, cancel := context.WithTimeout(ctx, f.opts.Wait)
	defer cancel()
	err := await(limited, &f.journal.moved, func() bool {
		return f.journal.at().Reached(least) || f.journal.hasLeft(least)
	})
	if err == nil && !f.journal.hasLeft(least) {
		wanted := feed.wanted.Load()
		err = await(limited, &feed.changed, func() bool { return feed.state.Load().generation >= wanted })
	}
	at := f.journal.at()
	switch {
	case f.journal.hasLeft(least), err != nil && !at.IsZero() && at.Epoch() != least.Epoch():
		return errs.New(errs.ReasonCursorExpired, "the cursor is of another journal than the present one: read without it, and go on from the cursor of that answer",
			errs.MetaCursor, at.String())
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errs.From(ctx.Err())
	case err != nil:
		return errs.Wrap(feed.state.Load().failure, errs.ReasonCursorNotReached,
			"the catalog does not have everything up to the cursor yet: repeat the request", errs.MetaCursor, at.String())
	}
	return nil
}

// await returns when the condition, which only changes at the signal, holds. It fails as the context does.
func await(ctx context.Context, s *signal, holds func() bool) error {
	for {
		changed := s.next()
		if holds() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
