// Package journal keeps the journal of changes in step with the repositories. Git is the truth: the journal is written
// behind each change, and what it missed (a crash between a ref and its event, a journal that could not be written, refs
// that somebody moved while the service was down) is found by comparing refs and told as synthetic events.
package journal

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// Store is what the journal is about.
type Store interface {
	ports.RepositoryStore
	ports.StateReader
}

// Options of a [Journal]. The zero value is usable.
type Options struct {
	// Logger is told of failures; nil discards them.
	Logger *slog.Logger
	// AppendTimeout is how long a write waits for its events to be taken; 0 is 5 seconds. After that the write is
	// answered without a cursor, and its events follow as synthetic ones.
	AppendTimeout time.Duration
	// Now tells the time of synthetic events; nil is time.Now.
	Now func() time.Time
}

// Journal records the changes of a store. It is the store's observer, so that it has to exist before the store does:
// [Journal.Reconcile] is given the store, before anybody writes to it, and then [Journal.Run] heals what goes wrong.
type Journal struct {
	log    ports.EventLog
	opts   Options
	logger *slog.Logger
	wake   chan struct{}

	mu    sync.Mutex
	store Store
	// unsure holds the repositories whose events are left to be found by comparing. Nothing else is appended of them.
	unsure map[git.RepositoryID]*doubt
	// unreadable holds those of them that exist and could not be read when they were last compared.
	unreadable map[git.RepositoryID]struct{}
	// broken is set while the log takes nothing, so that no write waits to find that out again.
	broken bool
	// epoch is that of the log; when it changes, the log knows nothing of any repository.
	epoch string
	// behind is set until every repository was put among the unsure, as what the log knows of it may be anything.
	behind bool
	// told is where refs were said to be by synthetic events, or were found to be, until the next event of the ref: a writer
	// may come late with one that was found already. It is empty for a repository that was found to be gone.
	told map[git.RepositoryID]map[git.RefName]git.ObjectID
}

// doubt is what happens to a repository that the journal is unsure of.
type doubt struct {
	// missed counts what is left to be found by comparing.
	missed int
	// listening is set while the refs are read, and late has the events of refs that came since that began.
	listening bool
	late      []event.Event
}

// maxLate bounds the events that are kept of a repository while it is compared.
const maxLate = maxAppend

// hear takes events in.
func (d *doubt) hear(events []event.Event) {
	whole := slices.ContainsFunc(events, func(e event.Event) bool { _, ok := e.(event.RefUpdated); return !ok })
	if !d.listening || whole || len(d.late)+len(events) > maxLate {
		d.missed += len(events)
		return
	}
	d.late = append(d.late, events...)
}

// doubts returns the doubt about a repository, a new one if there is none. The lock is held.
func (j *Journal) doubts(id git.RepositoryID) *doubt {
	d := j.unsure[id]
	if d == nil {
		d = &doubt{}
		j.unsure[id] = d
	}
	return d
}

// New returns a journal that writes to the log.
func New(log ports.EventLog, opts Options) *Journal {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.AppendTimeout == 0 {
		opts.AppendTimeout = 5 * time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Journal{
		log: log, opts: opts, logger: opts.Logger, wake: make(chan struct{}, 1),
		unsure: map[git.RepositoryID]*doubt{}, unreadable: map[git.RepositoryID]struct{}{}, told: map[git.RepositoryID]map[git.RefName]git.ObjectID{},
	}
}

// Changed appends events of one repository and returns their cursors, nil if they could not be written now. They are
// not lost then: [Journal.Run] finds out what they said.
func (j *Journal) Changed(ctx context.Context, events ...event.Event) []event.Cursor {
	if len(events) == 0 {
		return nil
	}
	id := events[0].Repository()
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.unsure[id]; ok || j.broken {
		j.doubts(id).hear(events)
		return nil
	}
	news := j.untold(id, events)
	if len(news) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, j.opts.AppendTimeout)
	defer cancel()
	cursors, err := j.log.Append(ctx, news...)
	if err != nil {
		j.logger.ErrorContext(ctx, "events cannot be written; they follow when the journal takes them", "repository", id.String(), "error", err)
		j.broken = true
		j.doubts(id).hear(events)
		j.heal()
		return nil
	}
	j.notice(cursors[0])
	return j.align(events, news, cursors)
}

// notice looks at a cursor that the log gave, for a log that was made anew under the journal.
func (j *Journal) notice(c event.Cursor) {
	if j.epoch != "" && j.epoch != c.Epoch() {
		j.logger.Warn("the log of events was made anew: every repository is compared with it", "epoch", c.Epoch())
		j.behind = true
		j.heal()
	}
	j.epoch = c.Epoch()
}

// untold leaves out events that a synthetic one told already.
func (j *Journal) untold(id git.RepositoryID, events []event.Event) []event.Event {
	told, ok := j.told[id]
	if !ok {
		return events
	}
	gone := len(told) == 0
	passed := passes(events, told)
	var news []event.Event
	for _, e := range events {
		ref, ok := e.(event.RefUpdated)
		if !ok {
			clear(told) // with the repository all its refs came or went
			if _, late := e.(event.RepositoryDeleted); !late || !gone {
				news = append(news, e)
			}
			continue
		}
		at, known := told[ref.Ref]
		late := known && passed[ref.Ref] && at != ref.Old
		if !late || at == ref.New {
			delete(told, ref.Ref)
		}
		if !late {
			news = append(news, e)
		}
	}
	if len(told) == 0 {
		delete(j.told, id)
	}
	return news
}

// passes returns the refs that the events lead to where they were told to be.
func passes(events []event.Event, told map[git.RefName]git.ObjectID) map[git.RefName]bool {
	passed := map[git.RefName]bool{}
	for _, e := range events {
		ref, ok := e.(event.RefUpdated)
		if at, known := told[ref.Ref]; ok && known && at == ref.New {
			passed[ref.Ref] = true
		}
	}
	return passed
}

// align returns a cursor for each of events, of which news were written. One that was told before is behind none of them.
func (j *Journal) align(events, news []event.Event, cursors []event.Cursor) []event.Cursor {
	if len(events) == len(news) {
		return cursors
	}
	all := make([]event.Cursor, len(events))
	for i := range all {
		all[i] = cursors[len(cursors)-1]
	}
	return all
}

// Told returns a cursor behind all that happened to the repository before the call, zero if there is none yet or it cannot
// be found out now. Nobody writes to the repository meanwhile.
func (j *Journal) Told(ctx context.Context, id git.RepositoryID) event.Cursor {
	j.mu.Lock()
	_, unsure := j.unsure[id]
	broken := j.broken
	j.mu.Unlock()
	if unsure || broken {
		return event.Cursor{}
	}
	bounds, err := j.bounds(ctx)
	if err != nil {
		j.logger.WarnContext(ctx, "a write is answered without its place in the journal", "repository", id.String(), "error", err)
		return event.Cursor{}
	}
	return bounds.Newest
}

// bounds asks the log for no longer than an append may take.
func (j *Journal) bounds(ctx context.Context) (ports.EventBounds, error) {
	ctx, cancel := context.WithTimeout(ctx, j.opts.AppendTimeout)
	defer cancel()
	return j.log.Bounds(ctx)
}

// Unsure has the repository compared with the journal soon.
func (j *Journal) Unsure(id git.RepositoryID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.doubts(id).missed++
	j.heal()
}

// heal wakes Run.
func (j *Journal) heal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Unreadable returns how many repositories could not be read when they were last compared with the journal. Their
// changes are told of when they can be read again.
func (j *Journal) Unreadable() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.unreadable)
}

// Backoff of attempts to heal, with full jitter. A repository that cannot be read is waited for longer: that does not
// pass by itself.
const (
	minBackoff        = 50 * time.Millisecond
	maxBackoff        = 2 * time.Second
	unreadableBackoff = 15 * time.Second
)

// Run heals repositories that the journal is unsure of until the context ends. One call goes on at a time.
func (j *Journal) Run(ctx context.Context) {
	backoff := minBackoff
	for {
		select {
		case <-j.wake:
		case <-ctx.Done():
			return
		}
		for !j.settled() {
			most := maxBackoff
			switch err := j.settle(ctx); {
			case err == nil && j.settled():
				backoff = minBackoff
				continue
			case err == nil && j.readable(): // it was written to in a way that only another look tells
				backoff = minBackoff
			case err == nil:
				most = unreadableBackoff
			case ctx.Err() == nil:
				j.logger.WarnContext(ctx, "the journal cannot be brought in step yet", "error", err)
			}
			if !j.pause(ctx, rand.N(min(backoff, most))) { //nolint:gosec // jitter
				return
			}
			backoff = min(2*backoff, most)
		}
	}
}

// pause returns after the duration, or when there is something new to heal. It reports whether the context lasts.
func (j *Journal) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-j.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// settled reports whether there is nothing to heal.
func (j *Journal) settled() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.store == nil || len(j.unsure) == 0 && !j.broken && !j.behind
}

// readable reports whether anything is left to heal but repositories that cannot be read.
func (j *Journal) readable() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.broken || j.behind || len(j.unsure) > len(j.unreadable)
}

// healTimeout bounds the reading of what is compared. Nobody waits for that, and it may be a million refs.
const healTimeout = 10 * time.Minute

// settle heals what there is to heal now.
func (j *Journal) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	// Nobody waits for this question; appending holds writers up.
	bounds, err := j.bounds(ctx)
	if err != nil {
		return err
	}
	if err := j.doubtAll(ctx, bounds.Newest); err != nil {
		return err
	}
	for _, id := range j.doubted() {
		if err := j.compare(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// doubtAll has every repository compared if the log may know anything or nothing.
func (j *Journal) doubtAll(ctx context.Context, newest event.Cursor) error {
	j.mu.Lock()
	j.notice(newest)
	behind := j.behind
	j.mu.Unlock()
	if !behind {
		return nil
	}
	stored, err := states(ctx, j.store)
	if err != nil {
		return err
	}
	known, err := states(ctx, j.log)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for id := range stored {
		j.doubts(id).missed++
	}
	for id := range known { // it may have been deleted
		j.doubts(id).missed++
	}
	j.behind = false
	return nil
}

// doubted returns the repositories to heal. From here on events are appended again: those of a repository that is not
// healed yet wait for that.
func (j *Journal) doubted() []git.RepositoryID {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.broken = false
	ids := make([]git.RepositoryID, 0, len(j.unsure))
	for id := range j.unsure {
		ids = append(ids, id)
	}
	return ids
}
