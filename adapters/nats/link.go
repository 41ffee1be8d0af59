package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
}

// connect makes the connection, and closes the one before.
func (l *Log) connect() error {
	// What is published while there is no connection is refused: it must not arrive when its writer has long been told
	// that it failed.
	options := []natsgo.Option{natsgo.Name("gitstore journal " + l.opts.Stream), natsgo.ReconnectBufSize(-1), natsgo.Timeout(callTimeout)}
	if l.server != nil {
		options = append(options, natsgo.InProcessServer(l.server), natsgo.NoReconnect())
	} else {
		options = append(options, l.reconnecting()...)
	}
	nc, err := natsgo.Connect(l.opts.URL, options...)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(callTimeout))
	if err != nil {
		nc.Close()
		return err
	}
	if before := l.link.Swap(&link{nc, js}); before != nil {
		before.nc.Close()
	}
	return nil
}

// reconnecting are the options for a server that may go and come back, and need not be the same then.
func (l *Log) reconnecting() []natsgo.Option {
	options := []natsgo.Option{
		natsgo.MaxReconnects(-1), natsgo.ReconnectWait(100 * time.Millisecond), natsgo.ReconnectJitter(400*time.Millisecond, 400*time.Millisecond),
		natsgo.PingInterval(callTimeout), natsgo.MaxPingsOutstanding(2),
		natsgo.ReconnectHandler(func(*natsgo.Conn) { l.unsettle() }),
	}
	if l.opts.Credentials != "" {
		options = append(options, natsgo.UserCredentials(l.opts.Credentials))
	}
	return options
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
	maxPage      = 1000
	maxPageBytes = 2 << 20
)

// fetch returns up to n messages of the subject, which may have wildcards, from a sequence number on. It reports whether
// there are more.
func (k *link) fetch(ctx context.Context, stream, subject string, from uint64, n int) (page []record, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	sub, err := k.subscribe()
	if err != nil {
		return nil, false, err
	}
	defer sub.Unsubscribe() //nolint:errcheck // it fails if the connection is closed, and with it the subscription
	request, err := json.Marshal(map[string]any{
		"seq": max(from, 1), "next_by_subj": subject, "batch": min(n, maxPage), "max_bytes": maxPageBytes,
	})
	if err != nil {
		return nil, false, err
	}
	if err := k.nc.PublishRequest(jetstream.DefaultAPIPrefix+"DIRECT.GET."+stream, sub.Subject, request); err != nil {
		return nil, false, err
	}
	for {
		msg, err := sub.NextMsgWithContext(ctx)
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

// subscribe returns a subscription of one call to its own answers.
func (k *link) subscribe() (*natsgo.Subscription, error) {
	sub, err := k.nc.SubscribeSync(k.nc.NewInbox())
	if err != nil {
		return nil, err
	}
	return sub, sub.SetPendingLimits(-1, -1)
}

func readRecord(msg *natsgo.Msg) (record, error) {
	sequence, err := strconv.ParseUint(msg.Header.Get(sequenceHeader), 10, 64)
	return record{msg.Header.Get(subjectHeader), sequence, msg.Header.Get(writerHeader), msg.Data}, err
}

// publisher sends messages to streams and then waits for the acknowledgements, which come in the same order.
type publisher struct {
	nc  *natsgo.Conn
	sub *natsgo.Subscription
	// sent and acked count messages, stored those that were acknowledged as stored.
	sent, acked, stored int
	// failed is the first of the acknowledgements that says that its message was not stored.
	failed error
}

func (k *link) publisher() (*publisher, error) {
	sub, err := k.subscribe()
	return &publisher{nc: k.nc, sub: sub}, err
}

// send sends a message that is stored as the one behind the expected sequence number of its stream, or not at all.
func (p *publisher) send(subject string, expected uint64, header natsgo.Header, data []byte) error {
	header[expectedHeader] = []string{strconv.FormatUint(expected, 10)}
	err := p.nc.PublishMsg(&natsgo.Msg{Subject: subject, Reply: p.sub.Subject, Header: header, Data: data})
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
		msg, err := p.sub.NextMsgWithContext(ctx)
		if err != nil && !errors.Is(err, natsgo.ErrNoResponders) {
			return err
		}
		p.acked++
		if err == nil {
			err = readAck(msg)
		}
		if err == nil {
			p.stored++
		} else if p.failed == nil {
			p.failed = err
		}
	}
	return p.failed
}

func readAck(msg *natsgo.Msg) error {
	if msg.Header.Get(statusHeader) == statusNoResponders {
		return natsgo.ErrNoResponders
	}
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

// close lets go of the acknowledgements that have not come.
func (p *publisher) close() {
	_ = p.sub.Unsubscribe() // it fails if the connection is closed, and with it the subscription
}

// refusedSequence reports that a message was not stored because another one is where it was to be.
func refusedSequence(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
