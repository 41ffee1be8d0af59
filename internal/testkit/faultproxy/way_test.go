package faultproxy

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// link is a connection through a proxy in memory, whose time is that of a bubble of testing/synctest.
type link struct {
	proxy          *Proxy
	client, target net.Conn
	ended          chan struct{}
}

func newLink(seed, number uint64, f Fault) *link {
	p := &Proxy{seed: seed, regime: &regime{Fault: f, over: make(chan struct{})}}
	client, clientSide := net.Pipe()
	target, targetSide := net.Pipe()
	l := &link{p, client, target, make(chan struct{})}
	c := newConnection(p, clientSide, targetSide)
	go func() {
		c.forward(seed, number)
		close(l.ended)
	}()
	return l
}

func (l *link) close() {
	_ = l.client.Close()
	_ = l.target.Close()
	<-l.ended
}

// send sends size bytes to the target and returns how many of them have come, and after how long.
func (l *link) send(size int) (n int, took time.Duration) {
	begin := time.Now()
	go func() { _, _ = l.client.Write(make([]byte, size)) }()
	n, _ = io.ReadFull(l.target, make([]byte, size))
	return n, time.Since(begin)
}

func TestLatencyDelaysEveryPieceAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(1, 0, Fault{Latency: 100 * time.Millisecond})
		defer l.close()
		for range 3 {
			n, took := l.send(10 * pieceBytes)
			require.Equal(t, 10*pieceBytes, n)
			require.Equal(t, 100*time.Millisecond, took)
		}
	})
}

func TestJitterComesOnTopAndFromTheSeed(t *testing.T) {
	times := func(seed uint64) (all []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			l := newLink(seed, 0, Fault{Latency: 100 * time.Millisecond, Jitter: 50 * time.Millisecond})
			defer l.close()
			for range 20 {
				_, took := l.send(1)
				require.GreaterOrEqual(t, took, 100*time.Millisecond)
				require.LessOrEqual(t, took, 150*time.Millisecond)
				all = append(all, took)
			}
		})
		return all
	}
	require.Equal(t, times(1), times(1))
	require.NotEqual(t, times(1), times(2))
}

func TestALimitedDirectionTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(1, 0, Fault{BytesPerSecond: 10_000})
		defer l.close()
		n, took := l.send(50_000)
		require.Equal(t, 50_000, n)
		require.LessOrEqual(t, took, 5*time.Second)
		require.GreaterOrEqual(t, took, 5*time.Second-time.Second/limitedWrites, "the last write is waited for by what follows")
	})
}

func TestAStallEndsByItselfOrWithItsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(1, 0, Fault{StallAfter: 1000, StallFor: time.Second})
		defer l.close()
		n, took := l.send(20_000)
		require.Equal(t, 20_000, n)
		stalls := l.proxy.Stats().Stalls
		require.Equal(t, time.Duration(stalls)*time.Second, took)
		require.Greater(t, stalls, 10)

		l.proxy.Set(Fault{StallAfter: 1, StallFor: time.Hour})
		time.AfterFunc(time.Minute, func() { l.proxy.Set(Fault{}) })
		n, took = l.send(1000)
		require.Equal(t, 1000, n)
		require.Equal(t, time.Minute, took)
	})
}

func TestWhereAConnectionIsResetIsDrawnFromSeedAndNumber(t *testing.T) {
	resetAfter := func(seed, number uint64) (n int) {
		synctest.Test(t, func(t *testing.T) {
			l := newLink(seed, number, Fault{ResetAfter: 100_000})
			defer l.close()
			n, _ = l.send(300_000)
			require.Equal(t, 1, l.proxy.Stats().Resets)
		})
		return n
	}
	seen := map[int]bool{}
	for number := range uint64(20) {
		n := resetAfter(1, number)
		require.Positive(t, n)
		require.LessOrEqual(t, n, 200_000)
		require.Equal(t, n, resetAfter(1, number))
		require.NotEqual(t, n, resetAfter(2, number))
		seen[n] = true
	}
	require.Greater(t, len(seen), 15)
}
