package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// callTimeout bounds what one exchange with the server may take: one that takes longer is with a server that is gone.
const callTimeout = 4 * time.Second

// link is a connection to the server.
type link struct {
	nc *natsgo.Conn
	js jetstream.JetStream

	mu sync.Mutex
	// up ends when the connection is lost. There is another one when it comes back.
	up     context.Context
	lose   context.CancelFunc
	closed bool
}

// connect makes the connection.
func (l *Log) connect() error {
	k := &link{}
	k.restore()
	// What is published while there is no connection is refused: it must not arrive when its writer has long been told
	// that it failed.
	options := []natsgo.Option{
		natsgo.Name("gitstore journal " + l.opts.Stream), natsgo.ReconnectBufSize(-1), natsgo.Timeout(callTimeout),
		natsgo.DisconnectErrHandler(func(*natsgo.Conn, error) { k.drop() }),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) {
			l.opts.Logger.Warn("the connection to the journal's NATS server has failed", "error", err)
		}),
	}
	if l.server != nil {
		options = append(options, natsgo.InProcessServer(l.server), natsgo.NoReconnect())
	} else {
		options = append(options, l.reconnecting(k)...)
	}
	var err error
	if k.nc, err = natsgo.Connect(l.opts.URL, options...); err != nil {
		return err
	}
	if k.js, err = jetstream.New(k.nc, jetstream.WithDefaultTimeout(callTimeout)); err != nil {
		k.nc.Close()
		return err
	}
	l.link.Store(k)
	return nil
}

// reconnecting are the options for a server that may go and come back, and need not be the same then.
func (l *Log) reconnecting(k *link) []natsgo.Option {
	options := []natsgo.Option{
		natsgo.MaxReconnects(-1), natsgo.ReconnectWait(100 * time.Millisecond), natsgo.ReconnectJitter(400*time.Millisecond, 400*time.Millisecond),
		natsgo.PingInterval(callTimeout), natsgo.MaxPingsOutstanding(2),
		natsgo.ReconnectHandler(func(*natsgo.Conn) {
			k.restore()
			l.unsettle()
			l.wake()
		}),
	}
	if l.opts.Credentials != "" {
		options = append(options, natsgo.UserCredentials(l.opts.Credentials))
	}
	return options
}

func (k *link) close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.drop()
	k.nc.Close()
}

// drop ends the calls at work.
func (k *link) drop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lose()
}

func (k *link) restore() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.up, k.lose = context.WithCancel(context.Background())
	}
}

// connected returns the connection, and what ends when it is lost. It fails if it is lost, so that calls need not find
// out by waiting.
func (l *Log) connected() (*link, context.Context, error) {
	k := l.link.Load()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.up.Err() != nil {
		return nil, nil, natsgo.ErrDisconnected
	}
	return k, k.up, nil
}

// request is for what is not done often. The context that do gets ends with the connection, too.
func (l *Log) request(ctx context.Context, do func(context.Context, jetstream.JetStream) error) error {
	k, up, err := l.connected()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer context.AfterFunc(up, cancel)()
	return do(ctx, k.js)
}

// info returns what the server says of a stream.
func (l *Log) info(ctx context.Context, name string) (info *jetstream.StreamInfo, err error) {
	err = l.request(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, name)
		if err == nil {
			info = stream.CachedInfo()
		}
		return err
	})
	return info, err
}

// failure is err as the port tells it; ctx is the caller's.
func (l *Log) failure(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	if ctx.Err() != nil {
		return errs.From(ctx.Err())
	}
	select {
	case <-l.closing:
		return errs.Wrap(err, errs.ReasonDraining, "the journal of events is closed")
	default:
		return errs.Wrap(err, errs.ReasonUnavailable, "the journal of events cannot be reached: try again later")
	}
}

// record is a message of a stream.
type record struct {
	subject  string
	sequence uint64
	writer   string
	data     []byte
}

// The headers and states of messages (NATS ADR-31).
const (
	subjectHeader  = "Nats-Subject"
	sequenceHeader = "Nats-Sequence"
	pendingHeader  = "Nats-Num-Pending"
	expectedHeader = "Nats-Expected-Last-Sequence"
	statusHeader   = "Status"

	statusEnd          = "204"
	statusNone         = "404"
	statusNoResponders = "503"
)

// A page is what one request gets: what the server holds ready for a client has to be bounded.
const (
	maxPage      = 10_000
	maxPageBytes = 8 << 20
)

// everything is the subject of all messages of a stream.
const everything = ""

// fetch returns up to n messages of the subject, which may have wildcards, from a sequence number on. It reports whether
// there are more. For every page of any subject but everything the server counts what is behind it, which takes long in a
// stream of many.
func (l *Log) fetch(ctx context.Context, stream, subject string, from uint64, n int) (page []record, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	n = min(n, maxPage)
	in, err := l.inbox(n + 1)
	if err != nil {
		return nil, false, err
	}
	defer in.close()
	request, err := json.Marshal(map[string]any{"seq": max(from, 1), "next_by_subj": subject, "batch": n, "max_bytes": maxPageBytes})
	if err != nil {
		return nil, false, err
	}
	if err := in.nc.PublishRequest(jetstream.DefaultAPIPrefix+"DIRECT.GET."+stream, in.subject, request); err != nil {
		return nil, false, err
	}
	for {
		msg, err := in.next(ctx)
		if err != nil {
			return nil, false, err
		}
		switch status := msg.Header.Get(statusHeader); status {
		case "":
			r, err := readRecord(msg)
			if err != nil {
				return nil, false, err
			}
			page = append(page, r)
		case statusNone:
			return page, false, nil
		case statusEnd:
			pending := msg.Header.Get(pendingHeader)
			return page, pending != "0", nil
		default:
			return nil, false, fmt.Errorf("direct get of %s: status %s %s", stream, status, msg.Header.Get("Description"))
		}
	}
}

// inbox receives the answers of one call.
type inbox struct {
	nc       *natsgo.Conn
	up       context.Context
	subject  string
	sub      *natsgo.Subscription
	messages chan *natsgo.Msg
}

// inbox returns an inbox that holds n messages. More than it holds must not be sent.
func (l *Log) inbox(n int) (*inbox, error) {
	k, up, err := l.connected()
	if err != nil {
		return nil, err
	}
	in := &inbox{nc: k.nc, up: up, subject: k.nc.NewInbox(), messages: make(chan *natsgo.Msg, n)}
	in.sub, err = k.nc.ChanSubscribe(in.subject, in.messages)
	return in, err
}

func (in *inbox) next(ctx context.Context) (*natsgo.Msg, error) {
	select {
	case msg := <-in.messages:
		if msg.Header.Get(statusHeader) == statusNoResponders {
			return nil, natsgo.ErrNoResponders
		}
		return msg, nil
	case <-in.up.Done():
		return nil, natsgo.ErrDisconnected
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (in *inbox) close() {
	_ = in.sub.Unsubscribe() // it fails if the connection is closed, and with it the subscription
}

func readRecord(msg *natsgo.Msg) (record, error) {
	sequence, err := strconv.ParseUint(msg.Header.Get(sequenceHeader), 10, 64)
	return record{msg.Header.Get(subjectHeader), sequence, msg.Header.Get(writerHeader), msg.Data}, err
}

// publisher sends messages to streams and then waits for the acknowledgements, which come in the same order.
type publisher struct {
	*inbox
	// sent and acked count messages, stored those that were acknowledged as stored.
	sent, acked, stored int
	// failed is the first of the acknowledgements that says that its message was not stored.
	failed error
}

// maxSent bounds the messages that are not acknowledged: the server takes only so many at a time.
const maxSent = 1000

// publisher returns a publisher for n messages.
func (l *Log) publisher(n int) (*publisher, error) {
	in, err := l.inbox(min(n, maxSent))
	return &publisher{inbox: in}, err
}

// send sends a message that is stored as the one behind the expected sequence number of its stream, or not at all. It
// first waits for acknowledgements if too many have not come.
func (p *publisher) send(ctx context.Context, subject string, expected uint64, header natsgo.Header, data []byte) error {
	if p.sent-p.acked == cap(p.messages) {
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
	header[expectedHeader] = []string{strconv.FormatUint(expected, 10)}
	err := p.nc.PublishMsg(&natsgo.Msg{Subject: subject, Reply: p.subject, Header: header, Data: data})
	if err == nil {
		p.sent++
	}
	return err
}

// wait waits until all messages are acknowledged, and returns the first failure.
func (p *publisher) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for p.acked < p.sent {
		msg, err := p.next(ctx)
		if err != nil && !errors.Is(err, natsgo.ErrNoResponders) {
			return err
		}
		if err == nil {
			err = readAck(msg)
		}
		p.acked++
		if err == nil {
			p.stored++
		} else if p.failed == nil {
			p.failed = err
		}
	}
	return p.failed
}

func readAck(msg *natsgo.Msg) error {
	var ack struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &ack); err != nil {
		return err
	}
	if ack.Error != nil {
		return ack.Error
	}
	return nil
}

// refusedSequence reports that a message was not stored because another one is where it was to be.
func refusedSequence(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
