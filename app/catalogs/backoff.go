package catalogs

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff makes pauses with full jitter: each is a random part of a bound that doubles, so that callers who failed
// together do not come back together.
type backoff struct {
	base time.Duration
	// bound is that of the next pause; 0 is base.
	bound time.Duration
}

// next returns the pause after one more failure, which is at most most.
func (b *backoff) next(most time.Duration) time.Duration {
	bound := min(max(b.bound, b.base), most)
	b.bound = 2 * bound
	return rand.N(bound) + 1 //nolint:gosec // jitter is no secret
}

func (b *backoff) reset() { b.bound = 0 }

// wait pauses after a failure, until the context ends or somebody sends.
func (b *backoff) wait(ctx context.Context, most time.Duration, wake <-chan struct{}) {
	sleep(ctx, b.next(most), wake)
}

// sleep reports whether it was woken before the time was over.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-wake:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}
