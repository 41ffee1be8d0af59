package ws

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/ports"
)

// PublisherOptions are the options of a [Publisher].
type PublisherOptions struct {
	// OriginPatterns are the hosts of web pages that may subscribe besides those of the publisher's own host, with the port if
	// they have one: globs of [path.Match] such as "*.example.com", against scheme://host if they have a scheme. Whoever is no
	// browser sends no origin and may. "*" is refused: name the hosts.
	OriginPatterns []string
	// MaxConnections is how many connections are open at a time. 0 is 5000, less is no limit.
	MaxConnections int
	// MaxConnectionsPerPeer is how many of one IP address, of IPv6 one network of 64 bits; clients behind a proxy share
	// its address. 0 is 64, less is no limit.
	MaxConnectionsPerPeer int
	// WriteTimeout is how long a client may take for one message. One that takes longer is closed with [CloseSlow] if it
	// takes the message within as long again, else cut. 0 is 5 s.
	WriteTimeout time.Duration
	// PingInterval is how often a client is pinged; one that has not answered when the next ping is due is closed with
	// [CloseSlow]. 0 is 30 s.
	PingInterval time.Duration
	// Logger gets the details of failures that clients are not told; nil discards them.
	Logger *slog.Logger
}

const (
	defaultMaxConnections        = 5000
	defaultMaxConnectionsPerPeer = 64
	defaultWriteTimeout          = 5 * time.Second
	defaultPublisherPing         = 30 * time.Second
	// maxClientMessage is the most that is read of a message that should not have been sent, in bytes.
	maxClientMessage = 4 << 10
	// sendBuffer is what the kernel may hold for a client that does not read, in bytes; Linux takes twice as much.
	sendBuffer = 128 << 10
)

func (o PublisherOptions) withDefaults() PublisherOptions {
	setDefault(&o.MaxConnections, defaultMaxConnections)
	setDefault(&o.MaxConnectionsPerPeer, defaultMaxConnectionsPerPeer)
	setDefault(&o.WriteTimeout, defaultWriteTimeout)
	setDefault(&o.PingInterval, defaultPublisherPing)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// originPattern has what an origin has, which is neither a path nor a user, and what makes a glob of it.
var originPattern = regexp.MustCompile(`^([A-Za-z*?][A-Za-z0-9+.*?-]*://)?([A-Za-z0-9._:*?^\\\[\]-]+)$`)

func checkOriginPatterns(patterns []string) error {
	for _, p := range patterns {
		parts := originPattern.FindStringSubmatch(p)
		if _, err := path.Match(p, ""); err != nil || parts == nil || strings.Trim(parts[2], "*?.:") == "" {
			return errs.InvalidField(errs.ReasonInvalidArgument, "origin_patterns",
				"origin pattern %.80q is no host or allows all: name hosts, such as shop.example.com, *.example.com or https://shop.example.com:8443", p)
		}
	}
	return nil
}

// Publisher is an [http.Handler] that serves a source over WebSocket. It has three goroutines for each connection, and no
// queue: what a client has not read yet is not asked of the source.
type Publisher struct {
	source  ports.EventSource
	opts    PublisherOptions
	encoder encoder
	gate    *gate

	// since is the clock.
	since func(time.Time) time.Duration

	messages, slow, refused atomic.Uint64
}

// NewPublisher returns a publisher. It fails with INVALID_ARGUMENT for an origin pattern that is no host or allows all.
// End it with [Publisher.Shutdown].
func NewPublisher(source ports.EventSource, opts PublisherOptions) (*Publisher, error) {
	if err := checkOriginPatterns(opts.OriginPatterns); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	return &Publisher{
		source: source, opts: opts, gate: newGate(opts.MaxConnections, opts.MaxConnectionsPerPeer), since: time.Since,
	}, nil
}

// ServeHTTP answers a handshake and then serves the connection until it ends.
func (p *Publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := p.serve(w, r); err != nil {
		p.refused.Add(1)
		writeProblem(w, r, err)
	}
}

// serve fails if the handshake is refused.
func (p *Publisher) serve(w http.ResponseWriter, r *http.Request) error {
	sub, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	c := &connection{publisher: p, end: end}
	if err := p.gate.enter(c, peerOf(r.RemoteAddr)); err != nil {
		return err
	}
	defer p.gate.leave(c)
	if err := c.accept(w, r); err != nil {
		return err
	}
	c.run(ctx, sub)
	return nil
}

// Shutdown closes all connections with [CloseGoingAway], refuses new ones, and returns when all are gone. When the context
// ends before, those that are left are cut, and it fails with the context's error. [http.Server.Shutdown] does not know of
// these connections.
func (p *Publisher) Shutdown(ctx context.Context) error {
	p.gate.close()
	stop := context.AfterFunc(ctx, p.gate.cut)
	p.gate.wait()
	if !stop() {
		return errs.From(ctx.Err())
	}
	return nil
}

// PublisherStats are figures of a publisher.
type PublisherStats struct {
	// Connections is how many are open.
	Connections int
	// Messages counts messages sent; Slow, connections that were ended because the client did not read or answer; Refused,
	// handshakes.
	Messages, Slow, Refused uint64
}

// Stats returns the publisher's figures.
func (p *Publisher) Stats() PublisherStats {
	return PublisherStats{p.gate.size(), p.messages.Load(), p.slow.Load(), p.refused.Load()}
}
