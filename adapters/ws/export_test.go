package ws

import (
	"context"
	"time"
)

// WithoutWaiting takes note of the pauses before a subscriber's tries, each as long as it may be, instead of keeping them.
func (s *Subscriber) WithoutWaiting(note func(time.Duration)) {
	s.random = func(below time.Duration) time.Duration { return below }
	s.sleep = func(ctx context.Context, d time.Duration) error {
		note(d)
		return ctx.Err()
	}
}

// Took has every message take that long, as far as the publisher can tell.
func (p *Publisher) Took(d time.Duration) { p.since = func(time.Time) time.Duration { return d } }

var (
	ParseQuery  = parseQuery
	FormatQuery = formatQuery
	PeerOf      = peerOf
)
