package faultproxy

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

const (
	// pieceBytes is the most that is read at once, and queuedPieces how many pieces may be under way in one direction.
	pieceBytes   = 16 << 10
	queuedPieces = 64
	// limitedWrites is how many writes a second a limited direction makes, so that it does not move in large jumps.
	limitedWrites = 20
)

// connection is a client's connection and the one to the target.
type connection struct {
	proxy          *Proxy
	client, target net.Conn
	gone           chan struct{}
	once           sync.Once
}

func newConnection(p *Proxy, client, target net.Conn) *connection {
	return &connection{proxy: p, client: client, target: target, gone: make(chan struct{})}
}

// reset ends the connection at once, for both ends.
func (c *connection) reset(counted *int) {
	c.once.Do(func() {
		c.proxy.count(counted)
		close(c.gone)
		closeHard(c.client)
		closeHard(c.target)
	})
}

// forward returns when both directions have ended.
func (c *connection) forward(seed, number uint64) {
	var directions sync.WaitGroup
	for _, w := range []*way{
		{connection: c, direction: ToTarget, from: c.client, to: c.target},
		{connection: c, direction: ToClient, from: c.target, to: c.client},
	} {
		w.random = rand.New(rand.NewPCG(seed, number<<1|uint64(w.direction>>1)))
		w.pieces = make(chan piece, queuedPieces)
		directions.Go(w.read)
		directions.Go(w.write)
	}
	directions.Wait()
	c.once.Do(func() {
		close(c.gone)
		_ = c.client.Close()
		_ = c.target.Close()
	})
}

// way is one direction of a connection. One goroutine reads and another writes, so that delayed bytes let others follow
// them.
type way struct {
	*connection
	direction Direction
	from, to  net.Conn
	pieces    chan piece
	random    *rand.Rand

	// The rest is the writer's.
	regime       *regime
	reset, stall budget
	// free is when a limited direction may write again.
	free time.Time
	// dead is a direction that has lost something.
	dead bool
}

// piece is what was read at once. The last one of a direction has no data and says how the direction ended.
type piece struct {
	data []byte
	at   time.Time
	end  error
}

// budget counts the bytes down to an incident.
type budget struct {
	mean, left int
}

func (b *budget) draw(random *rand.Rand) {
	b.left = 0
	if b.mean > 0 {
		b.left = 1 + random.IntN(2*b.mean)
	}
}

// within returns how many of n bytes come before the incident.
func (b *budget) within(n int) int {
	if b.mean == 0 {
		return n
	}
	return min(n, b.left)
}

// spend takes n bytes off and reports whether the incident is due.
func (b *budget) spend(n int) bool {
	if b.mean == 0 {
		return false
	}
	b.left -= n
	return b.left == 0
}

func (w *way) read() {
	for {
		data := make([]byte, pieceBytes)
		n, err := w.from.Read(data)
		if n > 0 && !w.send(piece{data: data[:n], at: time.Now()}) {
			return
		}
		if err != nil {
			w.send(piece{at: time.Now(), end: err})
			return
		}
	}
}

func (w *way) send(p piece) bool {
	select {
	case w.pieces <- p:
		return true
	case <-w.gone:
		return false
	}
}

func (w *way) write() {
	for {
		select {
		case p := <-w.pieces:
			if !w.deliver(p) {
				return
			}
		case <-w.gone:
			return
		}
	}
}

// deliver writes a piece when its time has come, and reports whether another one may follow.
func (w *way) deliver(p piece) bool {
	jitter := w.random.Float64()
	for {
		w.follow(w.proxy.now())
		if w.dead || w.regime.Swallow&w.direction != 0 {
			w.dead = true
			return p.end == nil
		}
		if w.regime.Hold&w.direction != 0 {
			if !w.wait(nil) {
				return false
			}
			continue
		}
		if due := w.due(p, jitter); time.Until(due) > 0 {
			if !w.waitUntil(due) {
				return false
			}
			continue
		}
		if p.end != nil {
			w.finish(p.end)
			return false
		}
		n, ok := w.step(p.data)
		if !ok {
			return false
		}
		if p.data = p.data[n:]; len(p.data) == 0 {
			return true
		}
	}
}

// follow begins anew with the incidents of a regime that has just come.
func (w *way) follow(r *regime) {
	if w.regime == r {
		return
	}
	w.regime, w.free = r, time.Time{}
	w.reset, w.stall = budget{mean: r.ResetAfter}, budget{mean: r.StallAfter}
	w.reset.draw(w.random)
	w.stall.draw(w.random)
}

// due is when the next bytes of a piece may be written.
func (w *way) due(p piece, jitter float64) time.Time {
	due := p.at.Add(w.regime.Latency + time.Duration(jitter*float64(w.regime.Jitter)))
	if due.Before(w.free) {
		return w.free
	}
	return due
}

// step writes as much as may be written at once, and lets happen what is due then.
func (w *way) step(data []byte) (n int, ok bool) {
	n = w.stall.within(w.reset.within(len(data)))
	if rate := w.regime.BytesPerSecond; rate > 0 {
		n = min(n, max(1, rate/limitedWrites))
		w.free = time.Now().Add(time.Duration(n) * time.Second / time.Duration(rate))
	}
	if _, err := w.to.Write(data[:n]); err != nil {
		w.finish(err)
		return n, false
	}
	if w.reset.spend(n) {
		w.connection.reset(&w.proxy.stats.Resets)
		return n, false
	}
	if w.stall.spend(n) {
		w.proxy.count(&w.proxy.stats.Stalls)
		w.stall.draw(w.random)
		return n, w.waitUntil(time.Now().Add(w.regime.StallFor))
	}
	return n, true
}

// finish tells the receiver how the direction ended.
func (w *way) finish(err error) {
	half, ok := w.to.(interface{ CloseWrite() error })
	if errors.Is(err, io.EOF) && ok && half.CloseWrite() == nil {
		return
	}
	w.connection.reset(nil)
}

// wait returns when the timer fires or the regime is over; false if the connection is gone.
func (w *way) wait(timer <-chan time.Time) bool {
	select {
	case <-timer:
		return true
	case <-w.regime.over:
		return true
	case <-w.gone:
		return false
	}
}

func (w *way) waitUntil(due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	return w.wait(timer.C)
}
