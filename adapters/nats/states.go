package nats

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// The stream of states has one message for each repository and ref that exists, and the mark: the sequence number of the
// last event that is in the states, with all before it. Events behind the mark can be applied any number of times,
// as long as it is done in order and to the end.

// repositoryToken ends the subject of a repository's own state. No hash is as short.
const repositoryToken = "repository"

func (l *Log) stateSubject(repository, token string) string {
	return l.opts.Stream + ".state." + repository + "." + token
}

func (l *Log) markSubject() string { return l.opts.Stream + ".mark" }

// refToken ends the subject of a ref's state. Names may hold what subjects may not.
func refToken(name git.RefName) string {
	sum := sha256.Sum256([]byte(name.String()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (l *Log) readMark(ctx context.Context) (uint64, error) {
	page, _, err := l.fetch(ctx, l.stateStream(), l.markSubject(), 1, 1)
	if err != nil || len(page) == 0 {
		return 0, err
	}
	applied, n := binary.Uvarint(page[0].data)
	if n <= 0 {
		return 0, errors.New("the mark of the states cannot be read")
	}
	return applied, nil
}

// catchUp brings the states behind the last event. The turn is held.
func (l *Log) catchUp(ctx context.Context, last uint64) error {
	for l.applied < last {
		page, _, err := l.fetchEvents(ctx, l.applied+1, last, maxSent)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return fmt.Errorf("event %d is not there to be applied to the states", l.applied+1)
		}
		entries := make([]event.Entry, len(page))
		for i, r := range page {
			if entries[i], err = decode("", r); err != nil {
				return err
			}
		}
		if err := l.apply(ctx, entries); err != nil {
			return err
		}
	}
	return nil
}

// apply brings the states behind the events, which are the next ones. The turn is held.
func (l *Log) apply(ctx context.Context, entries []event.Entry) error {
	p, err := l.publisher(len(entries) + 1)
	if err != nil {
		return err
	}
	last := entries[len(entries)-1].Cursor.Sequence()
	if err := l.finish(p, l.applyWith(ctx, p, entries, last)); err != nil {
		return err
	}
	l.applied = last
	return nil
}

func (l *Log) applyWith(ctx context.Context, p *publisher, entries []event.Entry, last uint64) error {
	b := &stateBatch{log: l, publisher: p}
	for _, e := range entries {
		if err := b.add(ctx, e); err != nil {
			return err
		}
	}
	if err := b.put(ctx, l.markSubject(), binary.AppendUvarint(nil, last)); err != nil {
		return err
	}
	return p.wait(ctx)
}

// stateBatch brings the states behind some events.
type stateBatch struct {
	log       *Log
	publisher *publisher
	stream    jetstream.Stream // nil until it is needed
}

func (b *stateBatch) add(ctx context.Context, entry event.Entry) error {
	sequence, id := entry.Cursor.Sequence(), entry.Event.Repository().String()
	switch e := entry.Event.(type) {
	case event.RepositoryCreated:
		if err := b.remove(ctx, b.log.stateSubject(id, "*")); err != nil {
			return err
		}
		return b.put(ctx, b.log.stateSubject(id, repositoryToken), repositoryRecord(sequence, e.CreatedAt))
	case event.RepositoryDeleted:
		return b.remove(ctx, b.log.stateSubject(id, "*"))
	case event.RefUpdated:
		subject := b.log.stateSubject(id, refToken(e.Ref))
		if e.New.IsZero() {
			return b.remove(ctx, subject)
		}
		return b.put(ctx, subject, refRecord(sequence, e.Ref, e.New))
	}
	return nil
}

func (b *stateBatch) put(ctx context.Context, subject string, data []byte) error {
	if err := b.publisher.send(ctx, subject, b.log.lastState, natsgo.Header{}, data); err != nil {
		return err
	}
	b.log.lastState++
	return nil
}

// remove takes the states of a subject away, behind those that were put before.
func (b *stateBatch) remove(ctx context.Context, subject string) error {
	if err := b.publisher.wait(ctx); err != nil {
		return err
	}
	return b.log.request(ctx, func(ctx context.Context, js jetstream.JetStream) (err error) {
		if b.stream == nil {
			b.stream, err = js.Stream(ctx, b.log.stateStream())
		}
		if err == nil {
			err = b.stream.Purge(ctx, jetstream.WithPurgeSubject(subject))
		}
		return err
	})
}

// repositoryRecord is the state of a repository: the sequence number of the event, and when it was created in seconds.
func repositoryRecord(sequence uint64, createdAt time.Time) []byte {
	return binary.AppendVarint(binary.AppendUvarint(nil, sequence), createdAt.Unix())
}

// refRecord is the state of a ref: the sequence number of the event, the object ID with its length before it, the name.
func refRecord(sequence uint64, name git.RefName, target git.ObjectID) []byte {
	b := binary.AppendUvarint(nil, sequence)
	b = append(b, byte(target.Format().Size())) //nolint:gosec // 20 or 32
	return append(target.AppendTo(b), name.String()...)
}

// States implements [ports.StateReader]. Appends go on meanwhile: each ref is where it was at some time since the call.
func (l *Log) States(ctx context.Context, ids ...git.RepositoryID) iter.Seq2[event.RepositoryState, error] {
	return func(yield func(event.RepositoryState, error) bool) {
		states, err := l.collect(ctx, ids)
		if err != nil {
			yield(event.RepositoryState{}, err)
			return
		}
		for id, s := range states {
			if s.exists && !yield(s.state(id), nil) {
				return
			}
		}
	}
}

// collect reads the states of one epoch.
func (l *Log) collect(ctx context.Context, ids []git.RepositoryID) (map[git.RepositoryID]*repositoryStates, error) {
	subjects := []string{everything}
	if len(ids) > 0 {
		subjects = nil
	}
	for _, id := range ids {
		subjects = append(subjects, l.stateSubject(id.String(), "*"))
	}
	for {
		p, err := l.settled(ctx)
		if err != nil {
			return nil, err
		}
		states := map[git.RepositoryID]*repositoryStates{}
		for _, subject := range subjects {
			if err := l.collectOf(ctx, subject, states); err != nil {
				return nil, l.lookAgain(ctx, err)
			}
		}
		if l.place().epoch == p.epoch {
			return states, nil
		}
	}
}

func (l *Log) collectOf(ctx context.Context, subject string, states map[git.RepositoryID]*repositoryStates) error {
	for from, more := uint64(1), true; more; {
		var page []record
		var err error
		if page, more, err = l.fetch(ctx, l.stateStream(), subject, from, maxPage); err != nil {
			return err
		}
		for _, r := range page {
			from = r.sequence + 1
			if r.subject == l.markSubject() {
				continue
			}
			if err := see(r, states); err != nil {
				return errs.Wrap(err, errs.ReasonInternal, fmt.Sprintf("state %d of the journal cannot be read", r.sequence))
			}
		}
	}
	return nil
}

// repositoryStates are the states of a repository as they are found. While they are read, refs move, and the repository
// may be deleted and come back.
type repositoryStates struct {
	exists    bool
	created   uint64 // the sequence number of the event
	createdAt time.Time
	refs      map[git.RefName]refState
}

type refState struct {
	sequence uint64
	target   git.ObjectID
}

// see adds a record.
func see(r record, states map[git.RepositoryID]*repositoryStates) error {
	parts := strings.Split(r.subject, ".")
	id, err := git.ParseRepositoryID(parts[len(parts)-2])
	if err != nil {
		return err
	}
	s := states[id]
	if s == nil {
		s = &repositoryStates{refs: map[git.RefName]refState{}}
		states[id] = s
	}
	sequence, n := binary.Uvarint(r.data)
	if n <= 0 {
		return errors.New("the sequence number is missing")
	}
	if parts[len(parts)-1] != repositoryToken {
		return s.seeRef(sequence, r.data[n:])
	}
	seconds, n := binary.Varint(r.data[n:])
	if n <= 0 {
		return errors.New("the time of creation is missing")
	}
	s.exists, s.created, s.createdAt = true, sequence, time.Unix(seconds, 0).UTC()
	return nil
}

func (s *repositoryStates) seeRef(sequence uint64, data []byte) error {
	if len(data) == 0 || len(data) < 1+int(data[0]) {
		return errors.New("the object ID is missing")
	}
	target, err := git.ObjectIDFromBytes(data[1 : 1+data[0]])
	if err != nil {
		return err
	}
	name, err := git.ParseRefName(string(data[1+data[0]:]))
	if err != nil {
		return err
	}
	s.refs[name] = refState{sequence, target}
	return nil
}

// state leaves out the refs of a repository that had the id before.
func (s *repositoryStates) state(id git.RepositoryID) event.RepositoryState {
	refs := make(map[git.RefName]git.ObjectID, len(s.refs))
	for name, ref := range s.refs {
		if ref.sequence > s.created {
			refs[name] = ref.target
		}
	}
	return event.RepositoryState{ID: id, CreatedAt: s.createdAt, Refs: refs}
}
