package nats

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// The metadata of both streams.
const (
	epochKey  = "gitstore-epoch"
	formatKey = "gitstore-format"
	// format is that of the messages in both streams.
	format = "2"
)

func (l *Log) eventStream() string { return l.opts.Stream + "-events" }

func (l *Log) stateStream() string { return l.opts.Stream + "-states" }

// configs are those of both streams. Of a cluster one server keeps them: others answer direct gets as well, with what they have by then,
// and states that are behind would be told as if refs had moved back. What is lost with that server is made anew from the repositories.
func (l *Log) configs(epoch string) [2]jetstream.StreamConfig {
	metadata := map[string]string{epochKey: epoch, formatKey: format}
	return [2]jetstream.StreamConfig{
		{
			Name: l.eventStream(), Description: "GitStore: what happened to refs and repositories", Subjects: []string{l.opts.Stream + ".event.*"},
			MaxAge: l.opts.MaxAge, MaxBytes: l.opts.MaxBytes, MaxMsgs: l.opts.MaxEvents, Discard: jetstream.DiscardOld,
			Storage: jetstream.FileStorage, Replicas: 1, AllowDirect: true, Metadata: metadata,
		},
		{
			Name: l.stateStream(), Description: "GitStore: where the events leave refs and repositories", Subjects: []string{l.stateSubject("*", "*"), l.markSubject()},
			MaxBytes: -1, MaxMsgs: -1, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardOld,
			Storage: jetstream.FileStorage, Replicas: 1, AllowDirect: true, Metadata: metadata,
		},
	}
}

// settled returns where the journal ends. Unless it is known it finds out, for which it waits for the turn.
func (l *Log) settled(ctx context.Context) (place, error) {
	if err := l.refusal(ctx); err != nil {
		return place{}, err
	}
	if p := l.place(); p.settled {
		return p, nil
	}
	if err := l.takeTurn(ctx); err != nil {
		return place{}, err
	}
	defer l.leaveTurn()
	return l.settle(ctx)
}

// refusal is why a call does not even begin.
func (l *Log) refusal(ctx context.Context) error {
	select {
	case <-l.closing:
		return errs.New(errs.ReasonDraining, "the journal of events is closed")
	default:
	}
	if err := ctx.Err(); err != nil {
		return errs.From(err)
	}
	return nil
}

func (l *Log) takeTurn(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-l.closing:
	case <-ctx.Done():
	}
	return l.refusal(ctx)
}

func (l *Log) leaveTurn() { <-l.turn }

func (l *Log) place() place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

// moveTo makes a place that of the journal, and wakes what waits.
func (l *Log) moveTo(epoch string, last uint64, settled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.at.moved)
	l.at = place{epoch, last, settled, make(chan struct{})}
}

// unsettle has the next call find out where the journal ends.
func (l *Log) unsettle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at.settled = false
}

// wake has what waits look at the place again.
func (l *Log) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.at.moved)
	l.at.moved = make(chan struct{})
}

// settle finds out where the journal ends, brings the states to there, and begins a new epoch if the journal is not
// whole. The turn is held.
func (l *Log) settle(ctx context.Context) (place, error) {
	if p := l.place(); p.settled {
		return p, nil
	}
	if err := l.reconcile(ctx); err != nil {
		l.note(ctx, err)
		return place{}, l.failure(ctx, err)
	}
	return l.place(), nil
}

func (l *Log) reconcile(ctx context.Context) error {
	if err := l.repair(ctx); err != nil {
		return err
	}
	_, up, err := l.connected()
	if err != nil {
		return err
	}
	if err := l.readAcks(ctx); err != nil {
		return err
	}
	s, lost, err := l.inspect(ctx)
	if err == nil && lost == "" {
		lost, err = l.compare(ctx, s)
	}
	if err == nil && lost != "" {
		s, err = l.begin(ctx, lost)
	}
	if err != nil {
		return err
	}
	l.lastState, l.mark = s.lastState, s.mark
	l.floor.Store(s.mark.floor)
	if err := l.catchUp(ctx, s.last); err != nil {
		return err
	}
	// What was found before the connection was lost need not hold when it is back.
	l.moveTo(s.epoch, s.last, up.Err() == nil)
	return nil
}

// repair starts the server within the process again if it has given up, as it does on a disk that is full.
func (l *Log) repair(ctx context.Context) error {
	if l.server == nil || !l.broken && l.server.works() {
		return nil
	}
	if err := l.restart(ctx, false); err != nil {
		return err
	}
	l.broken = false
	return nil
}

func (l *Log) restart(ctx context.Context, wipe bool) error {
	l.link.Load().close()
	if err := l.server.restart(ctx, wipe); err != nil {
		return err
	}
	return l.connect()
}

// readAcks waits for what a call that failed has sent: what comes after it must come after it in the stream as well.
func (l *Log) readAcks(ctx context.Context) error {
	if l.unread == nil {
		return nil
	}
	_ = l.unread.wait(ctx) // whether it was stored is seen in the stream
	if err := ctx.Err(); err != nil {
		return err
	}
	l.unread.close()
	l.unread = nil
	return nil
}

// streams is what the streams hold.
type streams struct {
	epoch string
	// first and last are the sequence numbers of the events; first is behind last if there are none.
	first, last uint64
	// lastState and mark are as in [Log].
	lastState uint64
	mark      mark
}

// inspect looks into the streams. It returns why they are no journal that can be gone on with, "" if they are.
func (l *Log) inspect(ctx context.Context) (s streams, lost string, err error) {
	var infos [2]*jetstream.StreamInfo
	missing := 0
	for i, cfg := range l.configs("") {
		infos[i], err = l.stream(ctx, cfg)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			missing, err = missing+1, nil
		}
		if err != nil {
			return s, "", err
		}
	}
	switch missing {
	case 0:
		s, lost, err = l.judge(ctx, infos[0], infos[1])
	case len(infos):
		lost = thereIsNone
	default:
		lost = "a part of it is missing"
	}
	return s, lost, err
}

// thereIsNone is the one reason for a new journal that nobody needs to be told of.
const thereIsNone = "there is none"

// stream returns what the server says of a stream, whose bounds it makes those of the configuration.
func (l *Log) stream(ctx context.Context, want jetstream.StreamConfig) (info *jetstream.StreamInfo, err error) {
	err = l.request(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, want.Name)
		if err != nil {
			return err
		}
		have := stream.CachedInfo().Config
		if have.MaxAge != want.MaxAge || have.MaxBytes != want.MaxBytes || have.MaxMsgs != want.MaxMsgs {
			have.MaxAge, have.MaxBytes, have.MaxMsgs = want.MaxAge, want.MaxBytes, want.MaxMsgs
			if stream, err = js.UpdateStream(ctx, have); err != nil {
				return err
			}
		}
		if info = stream.CachedInfo(); info.State.NumDeleted <= maxDetails {
			info, err = stream.Info(ctx, jetstream.WithDeletedDetails(true))
		}
		return err
	})
	return info, err
}

// maxDetails bounds how many numbers the server is asked for to learn whether records are damaged, which it tells along
// with the numbers of those that are deleted. There are more only among the states, after as many updates of refs.
const maxDetails = 1_000_000

func (l *Log) judge(ctx context.Context, events, states *jetstream.StreamInfo) (s streams, lost string, err error) {
	s = streams{
		epoch: events.Config.Metadata[epochKey], first: max(events.State.FirstSeq, 1), last: events.State.LastSeq, lastState: states.State.LastSeq,
	}
	if s.mark, err = l.readMark(ctx); err != nil {
		return s, "", err
	}
	switch {
	case events.Config.Metadata[formatKey] != format || states.Config.Metadata[formatKey] != format:
		lost = "it is of another version"
	case s.epoch != states.Config.Metadata[epochKey]:
		lost = "its parts do not belong together"
	case events.State.Msgs != s.last+1-s.first:
		lost = "events are missing in its midst"
	case s.mark.applied > s.last:
		lost = "events are missing at its end"
	case s.mark.applied+1 < s.first:
		lost = "events were dropped that are not in the states"
	case events.State.Lost != nil || states.State.Lost != nil:
		lost = "records are damaged"
	}
	return s, lost, nil
}

// compare holds what the streams hold against what this Log knows of them. It returns why the journal is lost, and fails
// if somebody else has written to it.
func (l *Log) compare(ctx context.Context, s streams) (lost string, err error) {
	switch p := l.place(); {
	case p.epoch == "":
		return "", nil
	case p.epoch != s.epoch:
		return "", l.foreign()
	case s.last < p.last:
		return "events are missing at its end", nil
	default:
		return "", l.checkWriter(ctx, p.last+1, s.last)
	}
}

func (l *Log) foreign() error {
	return errs.New(errs.ReasonUnavailable, fmt.Sprintf("another process writes to the journal %q: give each git-service a name of its own and start it again", l.opts.Stream))
}

// checkWriter fails if an event was written by somebody else.
func (l *Log) checkWriter(ctx context.Context, from, to uint64) error {
	for from <= to {
		page, _, err := l.fetchEvents(ctx, from, to, maxPage)
		if err != nil {
			return err
		}
		for _, r := range page {
			if r.writer != l.writer {
				return l.foreign()
			}
		}
		if len(page) == 0 {
			return nil
		}
		from = page[len(page)-1].sequence + 1
	}
	return nil
}

// begin makes an empty journal of a new epoch.
func (l *Log) begin(ctx context.Context, lost string) (streams, error) {
	if lost == thereIsNone && l.place().epoch == "" {
		l.opts.Logger.InfoContext(ctx, "a new journal of events begins")
	} else {
		l.opts.Logger.ErrorContext(ctx, "the journal of events is lost: a new epoch begins, and whoever follows it reads the present state anew", "cause", lost)
	}
	if err := l.clear(ctx); err != nil {
		return streams{}, err
	}
	s := streams{epoch: newEpoch(), first: 1}
	for _, cfg := range l.configs(s.epoch) {
		if err := l.request(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.CreateStream(ctx, cfg)
			return err
		}); err != nil {
			return streams{}, err
		}
	}
	return s, nil
}

// clear removes the streams. From the server within the process it takes all files, for it may not know of some.
func (l *Log) clear(ctx context.Context) error {
	if l.server != nil {
		if l.server.takeEmpty() {
			return nil
		}
		return l.restart(ctx, true)
	}
	for _, cfg := range l.configs("") {
		if err := l.request(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			return js.DeleteStream(ctx, cfg.Name)
		}); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
	}
	return nil
}

func newEpoch() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}
