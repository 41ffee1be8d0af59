package gitserver

import (
	"sync"
	"time"
)

// place is what a call has of its class. Others go on in it while the client takes nothing of the answer. It is used by the
// goroutine that sends; a nil one does nothing.
type place struct {
	limiter *limiter
	lane    *lane
	timer   *time.Timer

	mu            sync.Mutex
	sending, idle bool
}

func newPlace(l *limiter, ln *lane) *place {
	p := &place{limiter: l, lane: ln}
	p.timer = time.AfterFunc(idleAfter, p.giveUp)
	p.timer.Stop()
	return p
}

// begin says that a message is being sent, and end that it was.
func (p *place) begin() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.sending = true
	p.mu.Unlock()
	p.timer.Reset(idleAfter)
}

func (p *place) end() {
	if p == nil {
		return
	}
	p.timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sending = false
	if p.idle {
		p.idle = false
		p.limiter.resume(p.lane)
	}
}

func (p *place) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sending && !p.idle {
		p.idle = true
		p.limiter.pause(p.lane)
	}
}
