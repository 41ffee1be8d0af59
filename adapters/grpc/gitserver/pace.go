package gitserver

import (
	"fmt"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

const (
	// pacePeriod is the time spent waiting for a client over which its pace is judged, and readPeriod that of a read, for which
	// whoever waits does so for a second.
	pacePeriod = 15 * time.Second
	readPeriod = 3 * time.Second
	// paceLook is how often a call that waits for its turn looks for one that has to give way.
	paceLook = time.Second
)

// pace is how fast a client sends and takes the bytes of a call that holds a place. Only the time for which the call waits for
// its client counts: what git or the disk take is not the client's fault. It is safe for concurrent use.
type pace struct {
	lane *lane
	// period is the time spent waiting for the client over which its pace is judged.
	period time.Duration
	// breakOff ends the call.
	breakOff func()

	mu sync.Mutex
	// receiving and sending report that the call waits for its client, since when.
	receiving, sending bool
	since              time.Time
	// waited and moved are of the period under way, rate is that of the last one, in bytes a second.
	waited time.Duration
	moved  int64
	rate   float64
	// judged reports that there was a period, ended that the call has to give way.
	judged, ended bool
}

func newPace(ln *lane, period time.Duration, breakOff func()) *pace {
	return &pace{lane: ln, period: period, breakOff: breakOff}
}

// settle counts the time up to now.
func (p *pace) settle() {
	now := time.Now()
	if p.receiving || p.sending {
		p.waited += now.Sub(p.since)
	}
	p.since = now
	if p.waited >= p.period {
		p.rate, p.judged = float64(p.moved)/p.waited.Seconds(), true
		p.waited, p.moved = 0, 0
	}
}

// wait says in which direction the call begins to wait for its client.
func (p *pace) wait(direction *bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	*direction = true
}

// wentOn says that the call does not wait for its client any more, how many bytes came or went, and whether those were the last
// of the request. What is then done for the client is judged anew: nobody who has sent all of a push loses it for the pace of
// that.
func (p *pace) wentOn(direction *bool, moved int, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moved += int64(moved)
	p.settle()
	*direction = false
	if last {
		p.waited, p.moved, p.judged = 0, 0, false
	}
}

// slower returns the pace of a call that waits for its client, if it is known to be below least bytes a second: in the last period, and
// since then.
func (p *pace) slower(least float64) (rate float64, slow bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	rate = p.rate
	if p.waited >= paceLook {
		rate = max(rate, float64(p.moved)/p.waited.Seconds())
	}
	return rate, p.isWaiting() && p.judged && rate < least
}

func (p *pace) isWaiting() bool { return (p.receiving || p.sending) && !p.ended }

// giveWay ends the call, if it still waits for its client, and reports whether it did.
func (p *pace) giveWay() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isWaiting() {
		return false
	}
	p.ended = true
	p.breakOff()
	return true
}

// hold keeps the pace of a call that holds a place, until it leaves.
func (l *limiter) hold(p *pace) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holders[p] = struct{}{}
}

// release forgets the pace of a call.
func (l *limiter) release(p *pace) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.holders, p)
}

// makeRoom has the slowest of the calls give way that keep those of a lane from going on, if it is slower than is asked for.
func (l *limiter) makeRoom(ln *lane) {
	l.mu.Lock()
	var slowest *pace
	least := float64(l.minPace)
	ofLane := ln.running+ln.idle >= l.openShare
	if ln.waiters.Len() > 0 && (ofLane || l.running+l.idle >= l.open) { // else its turn came, or it waits for work and not for a place
		for p := range l.holders {
			if ofLane && p.lane != ln {
				continue // its place is none for this lane
			}
			if rate, slow := p.slower(least); slow {
				slowest, least = p, rate
			}
		}
	}
	l.mu.Unlock()
	if slowest != nil && slowest.giveWay() {
		l.displaced.Add(1)
	}
}

// gaveWay is why a call ends that has to give way.
func (l *limiter) gaveWay() *errs.Error {
	return errs.New(errs.ReasonDeadlineExceeded, fmt.Sprintf("others waited for the place of this call, whose client sent or took less than %d KiB a second: "+
		"try again over a faster connection, or when fewer %s are under way", l.minPace>>10, callsOf[l.class]), metaClass, l.class)
}
