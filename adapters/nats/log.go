// Package nats keeps the journal of events in JetStream: of a NATS server within the process, which opens no port and has
// its files in one directory, or of an external one.
//
// Git is the truth and the journal follows from it. So nothing waits for a disk here, and a journal that is not known to
// be whole is not mended: a new one takes its place, under a new epoch, and whoever follows the old one reads the present
// state anew. See [Open] for when that is.
//
// There are two streams. One holds the events, the oldest of which are dropped; their sequence numbers are those of
// the cursors. The other holds where the events leave the refs, so that it is known for all refs however old their last
// event is.
package nats

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

// Options say where a journal is and how much of it is kept. One of Dir and URL is needed.
type Options struct {
	// Dir is the directory of a NATS server within the process. It is created if it does not exist, and belongs to one
	// process at a time. It is not used if there is a URL.
	Dir string
	// URL is that of an external NATS server with JetStream, or a list of those of a cluster, separated by commas. The schemes
	// are nats, tls, and ws or wss for all of them. It may hold credentials: see nats.Connect of nats.go. A server that acknowledges what is not on its disk yet may lose events
	// in a power cut without anybody noticing: have it sync always.
	URL string
	// Credentials is a file with a user's JWT and seed for the external server. There is none by default. It is read anew for
	// each connection.
	Credentials string
	// Stream begins the names of the streams and subjects, so that several journals may be on one server: letters, digits,
	// "-" and "_". The default is "gitstore".
	Stream string
	// MaxAge, MaxBytes and MaxEvents bound what is kept of the events. The defaults are 7 days, 1 GiB and 1,000,000.
	MaxAge    time.Duration
	MaxBytes  int64
	MaxEvents int64
	// Logger is where failures, lost journals and the messages of the server within the process are told. The default
	// discards.
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	o.Stream = cmp.Or(o.Stream, "gitstore")
	o.MaxAge = cmp.Or(o.MaxAge, 7*24*time.Hour)
	o.MaxBytes = cmp.Or(o.MaxBytes, 1<<30)
	o.MaxEvents = cmp.Or(o.MaxEvents, 1_000_000)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

var streamPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Check fails with INVALID_ARGUMENT for what [Open] does, without opening anything. The field is dir, url, credentials, stream
// or retention. A message does not repeat the URL.
func (o Options) Check() error {
	o.setDefaults()
	switch {
	case o.Dir == "" && o.URL == "":
		return errs.InvalidField(errs.ReasonInvalidArgument, "dir", "the journal needs a directory or the URL of a NATS server")
	case !streamPattern.MatchString(o.Stream):
		return errs.InvalidField(errs.ReasonInvalidArgument, "stream", "stream name %.80q is invalid: use 1 to 64 letters, digits, \"-\" and \"_\"", o.Stream)
	case o.MaxAge < 0 || o.MaxBytes < 0 || o.MaxEvents < 0:
		return errs.InvalidField(errs.ReasonInvalidArgument, "retention", "the bounds of the journal cannot be negative")
	}
	if err := checkURLs(o.URL); err != nil {
		return err
	}
	return o.checkCredentials()
}

// checkURLs is stricter than the client, which takes a word for a host and no server at all for one on this machine.
func checkURLs(list string) error {
	if list == "" {
		return nil
	}
	servers, webSockets := 0, 0
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil {
			return invalidURL("one is malformed")
		}
		servers++
		switch u.Scheme {
		case "ws", "wss":
			webSockets++
		case "nats", "tls":
			if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
				return invalidURL("one has a path or a query")
			}
		default:
			return invalidURL("the scheme of one is none of nats, tls, ws and wss")
		}
		if port, err := strconv.ParseUint(cmp.Or(u.Port(), "4222"), 10, 16); u.Hostname() == "" || err != nil || port == 0 {
			return invalidURL("one has no host, or a port that there is not")
		}
	}
	switch {
	case servers == 0:
		return invalidURL("there is none")
	case webSockets > 0 && webSockets < servers:
		return invalidURL("all of them or none are of WebSockets")
	}
	return nil
}

// invalidURL does not repeat the URL, which may hold a password.
func invalidURL(why string) error {
	return errs.InvalidField(errs.ReasonInvalidArgument, "url",
		"the URLs of the NATS servers cannot be used: %s: write nats://host:4222, and commas between several", why)
}

func (o Options) checkCredentials() error {
	if o.Credentials == "" {
		return nil
	}
	if o.URL == "" {
		return errs.InvalidField(errs.ReasonInvalidArgument, "credentials", "credentials are for external NATS servers: give the URL of those as well, or no credentials")
	}
	info, err := os.Stat(o.Credentials)
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is no file", o.Credentials)
	default:
		_, err = os.ReadFile(o.Credentials)
	}
	if err != nil {
		return errs.InvalidField(errs.ReasonInvalidArgument, "credentials", "credentials cannot be read: %v", err)
	}
	return nil
}

// Log is a [ports.EventLog] in JetStream. It is safe for concurrent use. Nobody else may write to its streams: a second
// writer is noticed, and from then on calls fail with UNAVAILABLE.
//
// While the server cannot be reached calls fail with UNAVAILABLE, after seconds at most, and waits go on; the connection
// comes back by itself. If the server has lost the journal then, or its end, a new epoch begins and its states are empty:
// whoever finds another epoch than before compares the states with Git.
type Log struct {
	opts   Options
	server *embedded // nil if the server is an external one
	link   atomic.Pointer[link]
	// writer marks the events of this Log.
	writer string
	// closing is closed when the Log is.
	closing   chan struct{}
	closeOnce sync.Once

	// turn holds one token, which is with the one call that appends or settles. It has what follows.
	turn chan struct{}
	// unread has the acknowledgements that a call that failed did not wait for.
	unread *publisher
	// lastState is the last sequence number in the stream of states.
	lastState uint64
	// mark is that of the states.
	mark mark
	// broken reports that the server failed to store something.
	broken bool

	// floor is that of the mark, for readers.
	floor atomic.Uint64

	mu sync.Mutex
	at place
}

// place is where the journal ends, as readers see it.
type place struct {
	epoch string
	// last is the sequence number of the last event.
	last uint64
	// settled reports that the streams are known to be as far as last, the states included.
	settled bool
	// moved is closed when another place takes the place of this one.
	moved chan struct{}
}

func (p place) cursor() event.Cursor { return event.NewCursor(p.epoch, p.last) }

var _ ports.EventLog = (*Log)(nil)

// Open opens the journal, and creates it if there is none. It begins a new epoch if the journal
//
//   - is missing, in whole or in part, or of another version,
//   - is damaged: records cannot be read, events are missing in its midst or at its end,
//   - is within the process, was not closed, and the machine was started since: what was acknowledged before a power cut
//     may not have reached the disk, and its cursors must not be given out again,
//   - has dropped events that are not in its states yet, so that these cannot be brought up to date.
//
// The states of a new epoch are empty. What was not closed for another reason, such as a killed process, is whole.
//
// To find damage Open reads all that is on the disk of the server within the process. If that disk is full the journal may
// be there and not get in step: it is opened all the same, and calls fail with UNAVAILABLE until there is room.
//
// It fails with INVALID_ARGUMENT as [Options.Check] does, UNAVAILABLE if a server cannot be reached or does not do what is asked, and INTERNAL
// if the directory cannot be used. The error shows its cause.
func Open(ctx context.Context, opts Options) (*Log, error) {
	opts.setDefaults()
	if err := opts.Check(); err != nil {
		return nil, err
	}
	l := &Log{
		opts: opts, writer: rand.Text(), closing: make(chan struct{}), turn: make(chan struct{}, 1),
		at: place{moved: make(chan struct{})},
	}
	if err := l.start(ctx); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Log) start(ctx context.Context) error {
	if l.opts.URL == "" {
		var err error
		if l.server, err = openEmbedded(ctx, &l.opts); err != nil {
			return fmt.Errorf("journal of events: %w", err)
		}
	}
	if err := l.connect(); err != nil {
		return withCause(errs.Wrap(err, errs.ReasonUnavailable, "the journal's NATS server cannot be reached: check its address and credentials"))
	}
	_, err := l.settled(ctx)
	if l.server != nil && errs.Is(err, errs.ReasonUnavailable) {
		l.opts.Logger.ErrorContext(ctx, "the journal of events cannot be used yet: is the disk full?", "error", withCause(err))
		return nil
	}
	return withCause(err)
}

// withCause returns an error that shows its cause, to whoever starts the process.
func withCause(err error) error {
	cause := errors.Unwrap(err)
	if cause == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// Close ends the journal. It waits for the append at work; other calls fail with DRAINING.
func (l *Log) Close() error {
	var err error
	l.closeOnce.Do(func() {
		close(l.closing)
		l.turn <- struct{}{}
		if k := l.link.Load(); k != nil {
			k.close()
		}
		if l.server != nil {
			err = l.server.close()
		}
	})
	return err
}
