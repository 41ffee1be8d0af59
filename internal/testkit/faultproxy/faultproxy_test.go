package faultproxy

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// target is a server behind a proxy. Each of its connections is answered with what it sends.
type target struct {
	listener net.Listener
	serving  sync.WaitGroup
}

func startTarget(t *testing.T) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &target{listener: l}
	s.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.serving.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.serving.Wait()
	})
	return s
}

// start starts a proxy before a target; the test closes it before the target ends.
func start(t *testing.T, seed uint64) *Proxy {
	t.Helper()
	p, err := Start("127.0.0.1:0", startTarget(t).listener.Addr().String(), seed)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func dial(t *testing.T, p *Proxy) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", p.Address())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

// says sends a text and checks that it comes back.
func says(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
	echo := make([]byte, len(text))
	_, err = io.ReadFull(c, echo)
	require.NoError(t, err)
	require.Equal(t, text, string(echo))
}

// isSilent checks that nothing comes, and no end either, for a moment.
func isSilent(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Millisecond)))
	n, err := c.Read(make([]byte, 1))
	require.Zero(t, n)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetReadDeadline(time.Time{}))
}

func isReset(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// isRefused checks that a new connection is reset, which may come before the dial has returned.
func isRefused(t *testing.T, p *Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		require.ErrorIs(t, err, syscall.ECONNRESET)
		return
	}
	isReset(t, c)
	require.NoError(t, c.Close())
}

// ends waits until the proxy has no connection.
func ends(t *testing.T, p *Proxy) {
	t.Helper()
	require.Eventually(t, func() bool { return p.Stats().Open == 0 }, 10*time.Second, time.Millisecond)
}

func TestBytesArriveWholeAndInOrder(t *testing.T) {
	for name, fault := range map[string]Fault{
		"pass":    {},
		"latency": {Latency: time.Millisecond, Jitter: 5 * time.Millisecond},
		"limited": {BytesPerSecond: 8 << 20},
		"stalls":  {StallAfter: 100 << 10, StallFor: time.Millisecond},
		"all":     {Latency: time.Millisecond, Jitter: time.Millisecond, BytesPerSecond: 16 << 20, StallAfter: 200 << 10, StallFor: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, 1)
			p.Set(fault)
			var clients sync.WaitGroup
			for i := range 4 {
				c := dial(t, p)
				sent := noise(uint64(i), 1<<20)
				clients.Go(func() {
					var sending sync.WaitGroup
					sending.Go(func() {
						_, err := c.Write(sent)
						assert.NoError(t, err)
						assert.NoError(t, c.CloseWrite())
					})
					echo, err := io.ReadAll(c)
					assert.NoError(t, err)
					assert.True(t, bytes.Equal(sent, echo), "%d bytes came back, not those that were sent", len(echo))
					sending.Wait()
				})
			}
			clients.Wait()
			ends(t, p)
			assert.Equal(t, 4, p.Stats().Accepted)
			assert.Equal(t, fault.StallAfter > 0, p.Stats().Stalls > 0)
			assert.Zero(t, p.Stats().Resets)
		})
	}
}

func TestWhatIsHeldArrivesLater(t *testing.T) {
	for _, direction := range []Direction{ToTarget, ToClient, Both} {
		p := start(t, 1)
		c := dial(t, p)
		says(t, c, "before")
		p.Set(Fault{Hold: direction})
		_, err := io.WriteString(c, "during")
		require.NoError(t, err)
		require.NoError(t, c.CloseWrite())
		isSilent(t, c)
		p.Set(Fault{})
		echo, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, "during", string(echo))
	}
}

func TestAConnectionThatLostSomethingIsSilentForGood(t *testing.T) {
	for _, direction := range []Direction{ToTarget, ToClient, Both} {
		p := start(t, 1)
		lost, idle := dial(t, p), dial(t, p)
		says(t, lost, "before")
		says(t, idle, "before")
		p.Set(Fault{Swallow: direction})
		_, err := io.WriteString(lost, "during")
		require.NoError(t, err)
		isSilent(t, lost)
		if direction != ToClient { // with it, new ones are as good as the others
			unanswered := dial(t, p)
			_, err = io.WriteString(unanswered, "during")
			require.NoError(t, err)
			isSilent(t, unanswered)
		}
		p.Set(Fault{})
		_, err = io.WriteString(lost, "after")
		require.NoError(t, err)
		isSilent(t, lost)
		says(t, idle, "after")
		says(t, dial(t, p), "after")
	}
}

func TestTheEndOfASilentConnectionIsNotTold(t *testing.T) {
	p := start(t, 1)
	c := dial(t, p)
	says(t, c, "before")
	p.Set(Fault{Swallow: ToTarget})
	require.NoError(t, c.CloseWrite())
	isSilent(t, c)
	p.Set(Fault{})
	isSilent(t, c)
	require.Equal(t, 1, p.Stats().Open)
}

func TestCutResetsWhatIsThere(t *testing.T) {
	p := start(t, 1)
	one, two := dial(t, p), dial(t, p)
	says(t, one, "before")
	says(t, two, "before")
	p.Cut()
	isReset(t, one)
	isReset(t, two)
	ends(t, p)
	require.Equal(t, Stats{Accepted: 2, Resets: 2}, p.Stats())
	says(t, dial(t, p), "after")
}

func TestRefuseConcernsNewConnectionsAlone(t *testing.T) {
	p := start(t, 1)
	before := dial(t, p)
	says(t, before, "before")
	p.Set(Fault{Refuse: true})
	isRefused(t, p)
	says(t, before, "during")
	p.Set(Fault{})
	says(t, dial(t, p), "after")
	require.Equal(t, 1, p.Stats().Refused)
}

func TestAMissingTargetIsAReset(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	p, err := Start("127.0.0.1:0", gone.Addr().String(), 1)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	isRefused(t, p)
}

func TestStartFailsWhereNobodyCanListen(t *testing.T) {
	taken := start(t, 1)
	_, err := Start(taken.Address(), "127.0.0.1:1", 1)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

func TestCloseEndsEverythingWhateverTheFault(t *testing.T) {
	for name, fault := range map[string]Fault{
		"hold":    {Hold: Both},
		"swallow": {Swallow: Both},
		"latency": {Latency: time.Hour},
		"limited": {BytesPerSecond: 1},
		"stall":   {StallAfter: 1, StallFor: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, 1)
			c := dial(t, p)
			says(t, c, "before")
			p.Set(fault)
			_, err := c.Write(noise(1, 1000))
			require.NoError(t, err)
			isSilentOrSlow(t, c)
			require.NoError(t, p.Close())
			require.NoError(t, p.Close())
			_, err = io.Copy(io.Discard, c)
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.Zero(t, p.Stats().Open)
		})
	}
}

// isSilentOrSlow checks that not everything comes back.
func isSilentOrSlow(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Millisecond)))
	_, err := io.ReadFull(c, make([]byte, 1000))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetReadDeadline(time.Time{}))
}

func TestFaultsChangeUnderLoad(t *testing.T) {
	p := start(t, 7)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				talk(p.Address())
			}
		})
	}
	for i := range 60 {
		p.Set([]Fault{
			{ResetAfter: 2000}, {Swallow: ToClient}, {Latency: time.Millisecond}, {Refuse: true}, {Hold: Both}, {StallAfter: 500, StallFor: time.Millisecond},
		}[i%6])
		p.Stats()
		before := p.Stats().Accepted
		if i%6 == 2 {
			p.Cut()
			assert.Eventually(t, func() bool { return p.Stats().Accepted > before }, 10*time.Second, time.Millisecond)
		}
	}
	p.Set(Fault{})
	close(stop)
	clients.Wait()
	says(t, dial(t, p), "after")
}

// talk uses a connection for a moment, whatever comes of it.
func talk(address string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Millisecond))
	_, _ = c.Write(noise(1, 1000))
	_, _ = io.ReadFull(c, make([]byte, 1000))
}
