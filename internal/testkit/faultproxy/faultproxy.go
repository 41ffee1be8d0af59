// Package faultproxy forwards TCP connections to a target and, when told to, does to them what networks do: it delays
// them, limits, resets and stalls them, lets them fall silent without an end, or takes no new ones.
//
// What is random comes from a seed: connection i of a proxy draws the same numbers each time, so that it is reset after
// the same number of bytes, whatever the others do.
package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// dialTimeout bounds how long the target may take to accept; then the client's connection is reset.
const dialTimeout = 5 * time.Second

// Direction is one of the ways that bytes take through a connection, or both.
type Direction uint8

// The directions.
const (
	ToTarget Direction = 1 << iota
	ToClient

	Both = ToTarget | ToClient
)

// Fault says what happens to connections. Its zero value passes everything on. Faults in one value add up.
type Fault struct {
	// Latency is how much later bytes arrive, and Jitter how much later still at most, at random. Order is kept, and
	// bytes that are under way do not hold up those behind them.
	Latency, Jitter time.Duration
	// BytesPerSecond is how fast each direction of each connection is at most; 0 is no limit.
	BytesPerSecond int
	// ResetAfter lets each connection be reset after so many bytes in one of its directions on average: each direction
	// draws a number between 1 and twice that many, and the first to reach its own decides. 0 is never.
	ResetAfter int
	// StallAfter lets each direction of each connection stand still for StallFor, again and again, after so many bytes
	// on average, drawn as those of ResetAfter. 0 is never.
	StallAfter int
	StallFor   time.Duration
	// Hold lets nothing through, and no end of a connection either. What is held arrives when the fault is over, as after
	// a network that was away for a while.
	Hold Direction
	// Swallow throws away what is sent, and the end of a connection too. A connection that lost something by that is
	// silent in that direction for good, also when the fault is over, as one whose other end is gone without a word.
	// Connections on which nothing was sent meanwhile live on.
	Swallow Direction
	// Refuse resets new connections as soon as they are made. Those that are there go on.
	Refuse bool
}

// Stats count what happened since the proxy was started.
type Stats struct {
	// Accepted are connections that were taken, Refused those that were not, be it by the fault or by the target.
	Accepted, Refused int
	// Open are connections that are there now.
	Open int
	// Resets are connections that ended by [Fault.ResetAfter] or [Proxy.Cut], Stalls how often [Fault.StallAfter] held
	// one up.
	Resets, Stalls int
}

// Proxy forwards connections. Its methods may be called concurrently.
type Proxy struct {
	target   string
	seed     uint64
	listener net.Listener
	// running ends when the proxy is closed, and with it every dial.
	running context.Context
	end     context.CancelFunc
	workers sync.WaitGroup

	mu          sync.Mutex
	regime      *regime
	connections map[*connection]struct{}
	stats       Stats
}

// regime is a fault for as long as it lasts.
type regime struct {
	Fault
	over chan struct{}
}

// Start listens on address, whose port may be 0, and forwards to target, both a host and port. The target need not be
// there. The caller closes the proxy.
func Start(address, target string, seed uint64) (*Proxy, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	p := &Proxy{
		target: target, seed: seed, listener: listener,
		regime: &regime{over: make(chan struct{})}, connections: map[*connection]struct{}{},
	}
	p.running, p.end = context.WithCancel(context.Background())
	p.workers.Go(p.accept)
	return p, nil
}

// Address is the host and port on which the proxy listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Set puts a fault in the place of the last one. It takes effect at once, on the connections that are there and on new
// ones.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.regime.over)
	p.regime = &regime{Fault: f, over: make(chan struct{})}
}

// Cut resets every connection that is there. New ones are taken, unless the fault refuses them.
func (p *Proxy) Cut() {
	for _, c := range p.all() {
		c.reset(&p.stats.Resets)
	}
}

// Stats returns the counts so far.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Open = len(p.connections)
	return s
}

// Close ends the listener and all connections, and returns when no goroutine of the proxy is left.
func (p *Proxy) Close() error {
	p.end()
	err := p.listener.Close()
	for _, c := range p.all() {
		c.reset(nil)
	}
	p.workers.Wait()
	if errors.Is(err, net.ErrClosed) { // it was closed before
		return nil
	}
	return err
}

func (p *Proxy) all() []*connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*connection, 0, len(p.connections))
	for c := range p.connections {
		all = append(all, c)
	}
	return all
}

func (p *Proxy) now() *regime {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.regime
}

// count adds one to a field of the stats; a nil one is not counted.
func (p *Proxy) count(field *int) {
	if field == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	*field++
}

func (p *Proxy) accept() {
	for i := uint64(0); ; i++ {
		client, err := p.listener.Accept()
		if err != nil {
			return // the listener is closed: nothing else ends it
		}
		if p.now().Refuse {
			p.count(&p.stats.Refused)
			closeHard(client)
			continue
		}
		p.workers.Go(func() { p.serve(client, i) })
	}
}

// serve forwards connection number i to its end.
func (p *Proxy) serve(client net.Conn, i uint64) {
	dialer := net.Dialer{Timeout: dialTimeout}
	target, err := dialer.DialContext(p.running, "tcp", p.target)
	if err != nil {
		p.count(&p.stats.Refused)
		closeHard(client)
		return
	}
	c := newConnection(p, client, target)
	p.mu.Lock()
	p.stats.Accepted++
	p.connections[c] = struct{}{}
	p.mu.Unlock()
	if p.running.Err() != nil { // Close may not have seen it
		c.reset(nil)
	}
	c.forward(p.seed, i)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.connections, c)
}

// closeHard closes a connection so that its other end is told of a reset.
func closeHard(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the end is an ordinary one
	}
	_ = c.Close()
}
