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

// The stream of states has one message for each repository and ref that exists, one for those that were deleted not long
// ago, and the mark. Events behind the mark can be applied any number of times, as long as it is done in order and to the
// end.
//
// What is deleted has a message that says so, since taking a message away brings back those before it: a server that
// makes its index anew from the files finds them there, of each subject the newest. A sweep puts the oldest states behind
// the newest once more, but for those that say that something is deleted, and raises the floor above them: what is below
// it does not count, wherever it comes back.

// mark is the message that says how far the states are.
type mark struct {
	// applied is the sequence number of the last event that is in the states, with all before it.
	applied uint64
	// floor is the sequence number of the first state that counts.
	floor uint64
	// owed is how many states were put that say that something is deleted, less what was swept for them.
	owed uint64
}

const (
	// sweepAfter is how many deletions there is a sweep for. At most one comes with an append, which it takes some 20 ms.
	sweepAfter = 1000
	// sweepPage is how many states a sweep goes through: twice as many as there were deletions, and so there are never
	// many more states of what is deleted than of what exists.
	sweepPage = 2 * sweepAfter
)

func (m mark) record() []byte {
	return binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(nil, m.applied), m.floor), m.owed)
}

func parseMark(b []byte) (m mark, err error) {
	for _, field := range []*uint64{&m.applied, &m.floor, &m.owed} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return m, errors.New("the mark of the states cannot be read")
		}
		*field, b = v, b[n:]
	}
	return m, nil
}

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

func (l *Log) readMark(ctx context.Context) (mark, error) {
	page, _, err := l.fetch(ctx, l.stateStream(), l.markSubject(), 1, 1)
	if err != nil || len(page) == 0 {
		return mark{}, err
	}
	return parseMark(page[0].data)
}

// catchUp brings the states behind the last event. The turn is held.
func (l *Log) catchUp(ctx context.Context, last uint64) error {
	for l.mark.applied < last {
		page, _, err := l.fetchEvents(ctx, l.mark.applied+1, last, maxSent)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return fmt.Errorf("event %d is not there to be applied to the states", l.mark.applied+1)
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
	b := &stateBatch{log: l, publisher: p, mark: l.mark}
	if err := l.finish(p, b.apply(ctx, entries)); err != nil {
		return err
	}
	l.mark = b.mark
	if l.mark.owed < sweepAfter {
		return nil
	}
	return l.sweep(ctx)
}

// sweep puts the oldest states that say what exists behind the newest, and has those take no room that are below the floor
// then. The turn is held.
func (l *Log) sweep(ctx context.Context) error {
	page, _, err := l.fetch(ctx, l.stateStream(), everything, l.mark.floor, sweepPage)
	if err != nil || len(page) == 0 {
		return err
	}
	p, err := l.publisher(len(page) + 1)
	if err != nil {
		return err
	}
	b := &stateBatch{log: l, publisher: p, mark: l.mark}
	if err := l.finish(p, b.move(ctx, page)); err != nil {
		return err
	}
	l.mark = b.mark
	l.floor.Store(l.mark.floor)
	if err := l.request(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, l.stateStream())
		if err != nil {
			return err
		}
		return stream.Purge(ctx, jetstream.WithPurgeSequence(l.mark.floor))
	}); err != nil {
		l.opts.Logger.WarnContext(ctx, "states of refs that do not count any more take room for now", "error", err)
	}
	return nil
}

// stateBatch changes states.
type stateBatch struct {
	log       *Log
	publisher *publisher
	// mark is that of the states as they are after it.
	mark mark
}

// apply brings the states behind the events.
func (b *stateBatch) apply(ctx context.Context, entries []event.Entry) error {
	for _, e := range entries {
		if err := b.add(ctx, e); err != nil {
			return err
		}
	}
	b.mark.applied = entries[len(entries)-1].Cursor.Sequence()
	return b.end(ctx)
}

func (b *stateBatch) add(ctx context.Context, entry event.Entry) error {
	sequence, id := entry.Cursor.Sequence(), entry.Event.Repository().String()
	switch e := entry.Event.(type) {
	case event.RepositoryCreated:
		if err := b.deleteRefs(ctx, sequence, id); err != nil {
			return err
		}
		return b.put(ctx, b.log.stateSubject(id, repositoryToken), repositoryRecord(sequence, e.CreatedAt))
	case event.RepositoryDeleted:
		if err := b.deleteRefs(ctx, sequence, id); err != nil {
			return err
		}
		return b.delete(ctx, b.log.stateSubject(id, repositoryToken), deletedRepositoryRecord(sequence))
	case event.RefUpdated:
		subject, data := b.log.stateSubject(id, refToken(e.Ref)), refRecord(sequence, e.Ref, e.New)
		if e.New.IsZero() {
			return b.delete(ctx, subject, data)
		}
		return b.put(ctx, subject, data)
	}
	return nil
}

// deleteRefs has all refs of a repository deleted, also those that were put before.
func (b *stateBatch) deleteRefs(ctx context.Context, sequence uint64, repository string) error {
	if err := b.publisher.wait(ctx); err != nil {
		return err
	}
	from := b.mark.floor
	for last := b.log.lastState; from <= last; {
		page, more, err := b.log.fetch(ctx, b.log.stateStream(), b.log.stateSubject(repository, "*"), from, maxPage)
		if err != nil {
			return err
		}
		for _, r := range page {
			from = r.sequence + 1
			state, err := parseState(r)
			if err != nil {
				return err
			}
			if state.name.IsZero() || state.deleted() {
				continue
			}
			if err := b.delete(ctx, r.subject, refRecord(sequence, state.name, git.ObjectID{})); err != nil {
				return err
			}
		}
		if !more {
			break
		}
	}
	return nil
}

// move puts states behind the newest.
func (b *stateBatch) move(ctx context.Context, page []record) error {
	for _, r := range page {
		if r.subject == b.log.markSubject() {
			continue
		}
		state, err := parseState(r)
		if err != nil {
			return err
		}
		if state.deleted() {
			continue
		}
		if err := b.put(ctx, r.subject, r.data); err != nil {
			return err
		}
	}
	b.mark.floor = page[len(page)-1].sequence + 1
	b.mark.owed -= min(b.mark.owed, sweepAfter)
	return b.end(ctx)
}

func (b *stateBatch) delete(ctx context.Context, subject string, data []byte) error {
	b.mark.owed++
	return b.put(ctx, subject, data)
}

func (b *stateBatch) put(ctx context.Context, subject string, data []byte) error {
	if err := b.publisher.send(ctx, subject, b.log.lastState, natsgo.Header{}, data); err != nil {
		return err
	}
	b.log.lastState++
	return nil
}

// end puts the mark.
func (b *stateBatch) end(ctx context.Context) error {
	if err := b.put(ctx, b.log.markSubject(), b.mark.record()); err != nil {
		return err
	}
	return b.publisher.wait(ctx)
}

// repositoryRecord is the state of a repository: the sequence number of the event, and when it was created in seconds.
func repositoryRecord(sequence uint64, createdAt time.Time) []byte {
	return binary.AppendVarint(binary.AppendUvarint(nil, sequence), createdAt.Unix())
}

// deletedRepositoryRecord is the state of a repository that was deleted: the sequence number of the event.
func deletedRepositoryRecord(sequence uint64) []byte { return binary.AppendUvarint(nil, sequence) }

// refRecord is the state of a ref: the sequence number of the event, the object ID with its length before it, which is 0
// if the ref was deleted, the name.
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
		from = max(from, l.floor.Load())
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
	state, err := parseState(r)
	if err != nil {
		return err
	}
	s := states[id]
	if s == nil {
		s = &repositoryStates{refs: map[git.RefName]refState{}}
		states[id] = s
	}
	switch {
	case state.name.IsZero():
		s.exists, s.created, s.createdAt = !state.deleted(), state.sequence, state.createdAt
	case state.deleted():
		delete(s.refs, state.name)
	default:
		s.refs[state.name] = refState{state.sequence, state.target}
	}
	return nil
}

// state is what a message of the stream of states says.
type state struct {
	// sequence is that of the event.
	sequence uint64
	// name is that of a ref, zero for a repository.
	name git.RefName
	// target is where the ref is, zero if it was deleted.
	target git.ObjectID
	// createdAt is when the repository was created, zero if it was deleted.
	createdAt time.Time
}

func (s state) deleted() bool { return s.target.IsZero() && s.createdAt.IsZero() }

func parseState(r record) (s state, err error) {
	var n int
	if s.sequence, n = binary.Uvarint(r.data); n <= 0 {
		return s, errors.New("the sequence number is missing")
	}
	data := r.data[n:]
	if !strings.HasSuffix(r.subject, "."+repositoryToken) {
		return s, s.parseRef(data)
	}
	if len(data) == 0 {
		return s, nil
	}
	seconds, n := binary.Varint(data)
	if n <= 0 {
		return s, errors.New("the time of creation is missing")
	}
	s.createdAt = time.Unix(seconds, 0).UTC()
	return s, nil
}

func (s *state) parseRef(data []byte) (err error) {
	if len(data) == 0 || len(data) < 1+int(data[0]) {
		return errors.New("the object ID is missing")
	}
	if data[0] > 0 {
		if s.target, err = git.ObjectIDFromBytes(data[1 : 1+data[0]]); err != nil {
			return err
		}
	}
	s.name, err = git.ParseRefName(string(data[1+data[0]:]))
	return err
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
