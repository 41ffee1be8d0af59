package gitserver

import (
	"sync"
	"time"
)

// place is what a call has of its class. Others go on in it while the client takes nothing of the answer, or sends nothing of the request,
// and once the call takes long: so many short calls are not kept waiting by a few long ones. It is used by the
// goroutine of the call; a nil one does nothing.
type place struct {
	limiter    *limiter
	lane       *lane
	idle, long *time.Timer

	mu sync.Mutex
	// waiting reports that the call waits for its client, isLong that it takes long, left that it ended, and shared that others go
	// on in its place.
	waiting, isLong, left, shared bool
}

// newPlace returns the place of a call that may take so long before others go on.
func newPlace(l *limiter, ln *lane, long time.Duration) *place {
	p := &place{limiter: l, lane: ln}
	p.idle = time.AfterFunc(idleAfter, func() { p.share(false) })
	p.idle.Stop()
	p.long = time.AfterFunc(long, func() { p.share(true) })
	return p
}

// begin says that a message is being sent or received, and end that it was.
func (p *place) begin() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.waiting = true
	p.mu.Unlock()
	p.idle.Reset(idleAfter)
}

func (p *place) end() {
	if p == nil {
		return
	}
	p.idle.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = false
	if !p.isLong {
		p.takeBack()
	}
}

// leave ends the call.
func (p *place) leave() {
	p.idle.Stop()
	p.long.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = true
	p.takeBack()
	p.limiter.leave(p.lane)
}

// share lets others go on: from now on as the call takes long, or while it waits for its client, if it still does.
func (p *place) share(long bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isLong = p.isLong || long
	if !p.left && !p.shared && (p.isLong || p.waiting) {
		p.shared = true
		p.limiter.pause(p.lane)
	}
}

func (p *place) takeBack() {
	if p.shared {
		p.shared = false
		p.limiter.resume(p.lane)
	}
}
