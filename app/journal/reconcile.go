package journal

import (
	"cmp"
	"context"
	"slices"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/ports"
)

// Reconcile appends what the journal does not know of the store, which nobody writes to yet, and goes with that store
// from now on. It returns how many events it appended. Of a repository that cannot be read the journal keeps what it
// knows, until [Journal.Run] can read it. While the log is UNAVAILABLE, as it may be on a disk that is full, nothing is
// lost by beginning: Run brings the journal in step when it can.
func (j *Journal) Reconcile(ctx context.Context, store Store) (appended int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.store = store
	appended, err = j.reconcile(ctx, store)
	if errs.Is(err, errs.ReasonUnavailable) {
		j.logger.ErrorContext(ctx, "the journal cannot be brought in step yet; it follows when it takes events", "error", err)
		j.broken, j.behind = true, true
		j.heal()
		err = nil
	}
	return appended, err
}

func (j *Journal) reconcile(ctx context.Context, store Store) (appended int, err error) {
	bounds, err := j.log.Bounds(ctx)
	if err != nil {
		return 0, err
	}
	j.epoch = bounds.Newest.Epoch()
	known, err := states(ctx, j.log)
	if err != nil {
		return 0, err
	}
	for state, err := range store.States(ctx) {
		if err != nil {
			return appended, err
		}
		old, isKnown := known[state.ID]
		delete(known, state.ID)
		if state.Unreadable {
			j.keep(state.ID)
			continue
		}
		n, err := j.append(ctx, j.difference(ctx, found{old, isKnown}, found{state, true}))
		if appended += n; err != nil {
			return appended, err
		}
	}
	for id, old := range known {
		now, err := lookUp(ctx, store, id) // by its id: one that does not tell its own is not among all
		if err != nil {
			return appended, err
		}
		if now.Unreadable {
			j.keep(id)
			continue
		}
		n, err := j.append(ctx, j.difference(ctx, found{old, true}, now))
		if appended += n; err != nil {
			return appended, err
		}
	}
	return appended, nil
}

// keep leaves what the journal says of a repository that cannot be read, until it can.
func (j *Journal) keep(id git.RepositoryID) {
	j.doubts(id).missed++
	j.unreadable[id] = struct{}{}
	j.heal()
}

func states(ctx context.Context, from ports.StateReader, ids ...git.RepositoryID) (map[git.RepositoryID]event.RepositoryState, error) {
	all := map[git.RepositoryID]event.RepositoryState{}
	for state, err := range from.States(ctx, ids...) {
		if err != nil {
			return nil, err
		}
		all[state.ID] = state
	}
	return all, nil
}

// maxAppend bounds the events of one append: each may take about a kilobyte on its way.
const maxAppend = 1000

func (j *Journal) append(ctx context.Context, events []event.Event) (appended int, err error) {
	for part := range slices.Chunk(events, maxAppend) {
		if _, err := j.log.Append(ctx, part...); err != nil {
			return appended, err
		}
		appended += len(part)
	}
	return appended, nil
}

// compare heals one repository. Its writers are not held up, and what they tell meanwhile goes behind what is found: a
// repository that is written to without pause heals as well.
func (j *Journal) compare(ctx context.Context, id git.RepositoryID) error {
	inLog, err := lookUp(ctx, j.log, id)
	if err != nil {
		return err
	}
	seen := j.listen(id)
	defer j.stopListening(id)
	inStore, err := lookUp(ctx, j.store, id)
	if err != nil {
		return err
	}
	if j.markUnreadable(id, inStore.Unreadable); inStore.Unreadable {
		return nil
	}
	events := j.difference(ctx, inLog, inStore)
	_, err = j.append(ctx, events)
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.unsure[id]
	j.remember(id, inStore, slices.Concat(events, d.late))
	if err == nil && d.missed == seen {
		err = j.follow(ctx, id, inStore.exists, d.late)
	}
	if err != nil {
		j.broken = true
	}
	return err
}

// follow appends what came of a repository since before it was read, and is sure of it then. The lock is held.
func (j *Journal) follow(ctx context.Context, id git.RepositoryID, exists bool, late []event.Event) error {
	if exists { // else they came before it was deleted
		ctx, cancel := context.WithTimeout(ctx, j.opts.AppendTimeout)
		defer cancel()
		if _, err := j.append(ctx, j.following(id, late)); err != nil {
			return err
		}
	}
	delete(j.unsure, id)
	return nil
}

// listen begins to keep what is told of a repository, and returns how much was missed before.
func (j *Journal) listen(id git.RepositoryID) (missed int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.unsure[id]
	d.listening = true
	return d.missed
}

func (j *Journal) stopListening(id git.RepositoryID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if d := j.unsure[id]; d != nil {
		d.listening, d.late = false, nil
	}
}

func (j *Journal) markUnreadable(id git.RepositoryID, unreadable bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if delete(j.unreadable, id); unreadable {
		j.unreadable[id] = struct{}{}
	}
}

// remember notes where the refs were found that the events are about, and those that it was noted of before.
func (j *Journal) remember(id git.RepositoryID, store found, events []event.Event) {
	told := map[git.RefName]git.ObjectID{}
	if !store.exists {
		j.told[id] = told
		return
	}
	for ref := range j.told[id] {
		told[ref] = store.Refs[ref]
	}
	for _, e := range events {
		if ref, ok := e.(event.RefUpdated); ok {
			told[ref.Ref] = store.Refs[ref.Ref]
		}
	}
	if delete(j.told, id); len(told) > 0 {
		j.told[id] = told
	}
}

// following returns those of the events that lead on from where refs were found. They are all that came since before the
// refs were read: what neither begins nor arrives there came before, and a writer has yet to tell the rest of the way.
func (j *Journal) following(id git.RepositoryID, late []event.Event) []event.Event {
	met := map[git.RefName]bool{}
	for _, e := range late {
		if ref, ok := e.(event.RefUpdated); ok {
			at := j.told[id][ref.Ref]
			met[ref.Ref] = met[ref.Ref] || at == ref.Old || at == ref.New
		}
	}
	return j.untold(id, slices.DeleteFunc(late, func(e event.Event) bool {
		ref, ok := e.(event.RefUpdated)
		return ok && !met[ref.Ref]
	}))
}

// found is the state of a repository that may not exist.
type found struct {
	event.RepositoryState
	exists bool
}

func lookUp(ctx context.Context, from ports.StateReader, id git.RepositoryID) (found, error) {
	all, err := states(ctx, from, id)
	state, ok := all[id]
	return found{state, ok}, err
}

// difference returns the synthetic events that lead from what the journal says to what there is.
func (j *Journal) difference(ctx context.Context, journal, store found) []event.Event {
	var events []event.Event
	at := j.opts.Now().UTC()
	header := func(id git.RepositoryID) event.Header { return event.Header{ID: id, At: at, Synthetic: true} }
	if journal.exists && (!store.exists || !journal.CreatedAt.Equal(store.CreatedAt)) {
		events = append(events, event.RepositoryDeleted{Header: header(journal.ID)})
		journal = found{}
	}
	if !store.exists {
		return events
	}
	if !journal.exists {
		events = append(events, event.RepositoryCreated{Header: header(store.ID), CreatedAt: store.CreatedAt})
	}
	for _, c := range moved(journal.Refs, store.Refs) {
		events = append(events, event.RefUpdated{
			Header: header(store.ID), Ref: c.Name, Old: c.Old, New: c.New,
			Commit: j.commitOf(ctx, store.ID, c), Release: repository.ReleaseOf(c.Name),
		})
	}
	return events
}

// moved returns the refs that differ, ordered by name.
func moved(from, to map[git.RefName]git.ObjectID) []repository.RefChange {
	var changes []repository.RefChange
	for name, id := range to {
		if from[name] != id {
			changes = append(changes, repository.RefChange{Name: name, Old: from[name], New: id})
		}
	}
	for name, id := range from {
		if _, ok := to[name]; !ok {
			changes = append(changes, repository.RefChange{Name: name, Old: id})
		}
	}
	slices.SortFunc(changes, func(a, b repository.RefChange) int { return cmp.Compare(a.Name.String(), b.Name.String()) })
	return changes
}

// commitOf returns the commit that a ref leads to, zero if it was deleted or leads to none. Branches point at commits
// themselves: only tags are looked up, which opens their repository.
func (j *Journal) commitOf(ctx context.Context, id git.RepositoryID, c repository.RefChange) git.ObjectID {
	if c.Name.IsBranch() || c.New.IsZero() {
		return c.New
	}
	at, err := j.store.Repository(id).ResolveRevision(ctx, git.AtCommit(c.New))
	if err != nil {
		j.logger.WarnContext(ctx, "a tag cannot be followed", "repository", id.String(), "ref", c.Name.String(), "error", err)
	}
	return at.Commit
}
