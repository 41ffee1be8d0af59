package ws

import (
	"context"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

// SubscriberOptions are the options of a [Subscriber].
type SubscriberOptions struct {
	// Header is sent with every handshake, such as Authorization.
	Header http.Header
	// HTTPClient makes the handshakes, such as over TLS with a certain CA; nil is one with the defaults of net/http.
	HTTPClient *http.Client
	// HandshakeTimeout is how long a handshake may take. 0 is 10 s.
	HandshakeTimeout time.Duration
	// BackoffBase and BackoffCap bound the pause before the next try: it is random between 0 and the base, which doubles
	// with each failure in a row up to the cap. A notice that arrives ends the row. 0 is 100 ms and 5 s.
	BackoffBase, BackoffCap time.Duration
	// PingInterval is how often the publisher is pinged while nothing arrives, and PongTimeout how long the answer may take:
	// a connection that is dead without saying so is found out within both. 0 is 10 s and 5 s.
	PingInterval, PongTimeout time.Duration
	// ReadLimit is the largest message, in bytes. 0 is 1 MiB, which has room for what a publisher of GitStore sends.
	ReadLimit int64
	// Observe is told of every change of a connection; nil is nobody. It is called between notices and should be quick.
	Observe func(ConnectionState)
}

const (
	defaultHandshakeTimeout = 10 * time.Second
	defaultBackoffBase      = 100 * time.Millisecond
	defaultBackoffCap       = 5 * time.Second
	defaultSubscriberPing   = 10 * time.Second
	defaultPongTimeout      = 5 * time.Second
	defaultReadLimit        = 1 << 20
)

func (o SubscriberOptions) withDefaults() SubscriberOptions {
	setDefault(&o.HandshakeTimeout, defaultHandshakeTimeout)
	setDefault(&o.BackoffBase, defaultBackoffBase)
	setDefault(&o.BackoffCap, defaultBackoffCap)
	setDefault(&o.PingInterval, defaultSubscriberPing)
	setDefault(&o.PongTimeout, defaultPongTimeout)
	setDefault(&o.ReadLimit, defaultReadLimit)
	if o.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.DisableKeepAlives = true // a connection serves one handshake
		o.HTTPClient = &http.Client{Transport: transport}
	}
	if o.Observe == nil {
		o.Observe = func(ConnectionState) {}
	}
	return o
}

// ConnectionState is that of a subscription's connection.
type ConnectionState struct {
	// Up reports that it was made, else it ended or could not be made.
	Up bool
	// After is the cursor that the subscription goes on from, zero if it has none yet.
	After event.Cursor
	// Err is why the connection is down; nil if it is up.
	Err error
	// Retry is the pause before the next try; 0 if there is none since Err will not pass.
	Retry time.Duration
}

// Subscriber is a [ports.EventSource] that a [Publisher] serves. Each subscription has a connection of its own. It is safe
// for concurrent use.
type Subscriber struct {
	url  *url.URL
	opts SubscriberOptions
	// sleep and random are the clock and the die.
	sleep  func(context.Context, time.Duration) error
	random func(below time.Duration) time.Duration
}

// NewSubscriber returns a subscriber to the publisher at a URL of the scheme ws, wss, http or https, whose path is [Path]
// if it has none. It does no I/O. It fails with INVALID_ARGUMENT for any other URL, and for one with a query or
// credentials: those are a header's.
func NewSubscriber(rawURL string, opts SubscriberOptions) (*Subscriber, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, invalidURL("it is malformed")
	}
	switch u.Scheme {
	case "ws", "wss", "http", "https":
	default:
		return nil, invalidURL("its scheme is none of ws, wss, http and https")
	}
	switch {
	case u.Host == "":
		return nil, invalidURL("it has no host")
	case u.User != nil:
		return nil, invalidURL("it has credentials: send them as a header")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, invalidURL("it has a query or a fragment: a subscription says what is wanted")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = Path
	}
	return &Subscriber{url: u, opts: opts.withDefaults(), sleep: sleep, random: random}, nil
}

// invalidURL does not repeat the URL, which may hold a secret.
func invalidURL(why string) error {
	return errs.InvalidField(errs.ReasonInvalidArgument, "url", "the URL of the events cannot be used: %s", why)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func random(below time.Duration) time.Duration {
	return rand.N(below) //nolint:gosec // jitter is no secret
}

// Subscribe implements [ports.EventSource]. It connects again whenever the connection ends or cannot be made, and goes on
// behind the last cursor that it yielded; the parts of a resync are yielded when the last of them has arrived, so that a
// consumer never sees half of one.
//
// It fails with the end of the context, CANCELED or DEADLINE_EXCEEDED, and where trying again would not help: if the
// publisher refuses the handshake for a reason that is the caller's (with the reason it gave), speaks another protocol or
// closes with [ClosePolicy] (INVALID_ARGUMENT), or if a message is above [SubscriberOptions.ReadLimit] (MESSAGE_TOO_LARGE)
// or no event (INVALID_ARGUMENT). An outage is no failure: see [SubscriberOptions.Observe].
func (s *Subscriber) Subscribe(ctx context.Context, sub ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(yield func(event.Notice, error) bool) {
		f := &subscription{Subscriber: s, sub: sub, yield: yield}
		if err := f.run(ctx); err != errStopped { //nolint:errorlint // it is never wrapped
			yield(nil, err)
		}
	}
}

// backoff returns the pause after so many failures in a row.
func (s *Subscriber) backoff(failures int) time.Duration {
	most := s.opts.BackoffBase
	for range failures {
		if most >= s.opts.BackoffCap/2 {
			most = s.opts.BackoffCap
			break
		}
		most *= 2
	}
	return s.random(max(min(most, s.opts.BackoffCap), 1))
}
