package ws

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// gate counts connections, and ends them together.
type gate struct {
	max, maxPerPeer int

	mu          sync.Mutex
	closed      bool
	connections map[*connection]netip.Prefix
	peers       map[netip.Prefix]int
	all         sync.WaitGroup
}

// newGate returns a gate with limits, of which a negative one is none.
func newGate(most, mostPerPeer int) *gate {
	return &gate{max: most, maxPerPeer: mostPerPeer, connections: map[*connection]netip.Prefix{}, peers: map[netip.Prefix]int{}}
}

// peerOf returns whose limit a connection counts towards: an IPv4 address, or an IPv6 network, which is what one host
// usually has. It is invalid for what is no IP address.
func peerOf(remote string) netip.Prefix {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := address.Addr().Unmap().WithZone(""), 32
	if ip.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(ip, bits).Masked()
}

func (g *gate) enter(c *connection, peer netip.Prefix) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return errs.New(errs.ReasonDraining, "the service is shutting down: try again, at another replica if there is one")
	case g.max >= 0 && len(g.connections) >= g.max:
		return refusal{http.StatusServiceUnavailable, errs.New(errs.ReasonResourceExhausted,
			fmt.Sprintf("all %d connections are taken: try again later, or at another replica", g.max))}
	case g.maxPerPeer >= 0 && peer.IsValid() && g.peers[peer] >= g.maxPerPeer:
		return refusal{http.StatusTooManyRequests, errs.New(errs.ReasonResourceExhausted,
			fmt.Sprintf("your address has %d connections, which is the most: close some", g.maxPerPeer))}
	}
	g.connections[c] = peer
	g.peers[peer]++
	g.all.Add(1)
	return nil
}

func (g *gate) leave(c *connection) {
	g.mu.Lock()
	defer g.mu.Unlock()
	peer := g.connections[c]
	delete(g.connections, c)
	if g.peers[peer]--; g.peers[peer] == 0 {
		delete(g.peers, peer)
	}
	g.all.Done()
}

// close lets nobody in any more and tells all to go.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for c := range g.connections {
		c.end(errGoingAway)
	}
}

// cut ends the connections that are left without a word.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.connections {
		c.cut()
	}
}

// wait returns when all are gone. The gate is closed.
func (g *gate) wait() { g.all.Wait() }

func (g *gate) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.connections)
}
