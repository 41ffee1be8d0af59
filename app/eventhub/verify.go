package eventhub

import (
	"context"
	"iter"
	"maps"
	"time"

	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// confirmations is how many times sooner than usual a difference is looked at again.
const confirmations = 10

// Verify returns a source that tells what another one does, and that now and then compares what that told with the refs
// of the store: a safety net under everything between Git and the subscriber. A ref that differs and differs still a
// tenth of the interval later, with no event of it between, is one whose event was lost, and the subscriber is told a
// resync. Heartbeats set the pace: a look is taken at the first notice after the interval.
//
// Each subscription keeps the object IDs of the refs that its filter selects. The first look is what later ones are
// compared with. A look that fails is taken again at the next interval; a subscription whose filter names types is not
// verified, as it is not told all changes.
func Verify(source ports.EventSource, store ports.RepositoryStore, interval time.Duration) ports.EventSource {
	return &verifier{source, store, interval}
}

type verifier struct {
	source   ports.EventSource
	store    ports.RepositoryStore
	interval time.Duration
}

// Subscribe implements [ports.EventSource].
func (v *verifier) Subscribe(ctx context.Context, s ports.Subscription) iter.Seq2[event.Notice, error] {
	notices := v.source.Subscribe(ctx, s)
	if len(s.Filter.Types) > 0 {
		return notices
	}
	return func(yield func(event.Notice, error) bool) {
		a := &audit{verifier: v, filter: s.Filter, due: time.Now().Add(v.interval)}
		for n, err := range notices {
			if !yield(n, err) || err != nil {
				return
			}
			a.follow(n)
			if a.isDue() && a.look(ctx, yield) != nil {
				return
			}
		}
	}
}

// refs are where the refs of repositories are.
type refs map[git.RepositoryID]map[git.RefName]git.ObjectID

// audit is what a subscription was told.
type audit struct {
	*verifier
	filter event.Filter
	due    time.Time
	// at is the last cursor, zero within a resync.
	at event.Cursor
	// resyncing reports that the last part of a resync is still to come.
	resyncing bool
	// told is nil before the first look or resync.
	told refs
	// suspects are what differed at the last look and was not told of since.
	suspects map[place]bool
}

// place is a ref, or with a zero name a repository.
type place struct {
	repo git.RepositoryID
	ref  git.RefName
}

func (a *audit) follow(n event.Notice) {
	switch n := n.(type) {
	case event.Entry:
		if a.told != nil && !a.at.Reached(n.Cursor) {
			a.told.apply(n.Event)
			a.clear(n.Event)
		}
	case event.Resync:
		if !a.resyncing {
			a.told, a.suspects = refs{}, nil
		}
		a.told.put(n.Repositories)
		a.resyncing = !n.Last()
	}
	a.at = n.At()
}

// clear drops the suspicion of what the event is about.
func (a *audit) clear(e event.Event) {
	moved, ok := e.(event.RefUpdated)
	maps.DeleteFunc(a.suspects, func(p place, _ bool) bool {
		return p.repo == e.Repository() && (!ok || p.ref == moved.Ref)
	})
}

func (r refs) apply(e event.Event) {
	id := e.Repository()
	switch e := e.(type) {
	case event.RepositoryCreated:
		r[id] = map[git.RefName]git.ObjectID{}
	case event.RepositoryDeleted:
		delete(r, id)
	case event.RefUpdated:
		switch {
		case e.New.IsZero():
			delete(r[id], e.Ref)
		case r[id] == nil:
			r[id] = map[git.RefName]git.ObjectID{e.Ref: e.New}
		default:
			r[id][e.Ref] = e.New
		}
	}
}

func (a *audit) isDue() bool { return !a.at.IsZero() && !time.Now().Before(a.due) }

// look compares. It fails if the consumer broke off while it was told a resync.
func (a *audit) look(ctx context.Context, yield func(event.Notice, error) bool) error {
	a.due = time.Now().Add(a.interval)
	parts, present, err := a.list(ctx)
	if err != nil {
		return nil //nolint:nilerr // the events themselves go on, and whoever serves them tells of an outage
	}
	if a.told == nil {
		a.told = present
		return nil
	}
	before := a.suspects
	a.suspects = differences(a.told, present)
	if len(a.suspects) > 0 {
		a.due = time.Now().Add(a.interval / confirmations)
	}
	if !confirmed(before, a.suspects) {
		return nil
	}
	a.told, a.suspects = present, nil
	return tellState(parts, a.at, func(n event.Notice) error {
		if !yield(n, nil) {
			return errStopped
		}
		return nil
	})
}

func (a *audit) list(ctx context.Context) (iter.Seq2[part, error], refs, error) {
	var parts []part
	present, unreadable := refs{}, []git.RepositoryID(nil)
	for p, err := range state(ctx, a.store, a.filter, 0) {
		if err != nil {
			return nil, nil, err
		}
		parts = append(parts, p)
		present.put(p)
		for _, repo := range p {
			if repo.Unreadable {
				unreadable = append(unreadable, repo.ID)
			}
		}
	}
	for _, id := range unreadable { // nothing says that they differ
		if known := a.told[id]; known != nil {
			present[id] = known
		}
	}
	return func(yield func(part, error) bool) {
		for _, p := range parts {
			if !yield(p, nil) {
				return
			}
		}
	}, present, nil
}

func (r refs) put(p part) {
	for _, repo := range p {
		if repo.Unreadable {
			delete(r, repo.ID)
			continue
		}
		if r[repo.ID] == nil {
			r[repo.ID] = make(map[git.RefName]git.ObjectID, len(repo.Refs))
		}
		for _, ref := range repo.Refs {
			r[repo.ID][ref.Name] = ref.Target
		}
	}
}

// differences returns what is elsewhere in one than in the other.
func differences(told, present refs) map[place]bool {
	found := map[place]bool{}
	addMissing(found, told, present)
	addMissing(found, present, told)
	return found
}

// addMissing adds what is in one and not so in the other.
func addMissing(found map[place]bool, in, other refs) {
	for id, at := range in {
		if other[id] == nil {
			found[place{repo: id}] = true
			continue
		}
		for name, target := range at {
			if other[id][name] != target {
				found[place{id, name}] = true
			}
		}
	}
}

// confirmed reports whether anything differs still.
func confirmed(before, now map[place]bool) bool {
	for p := range before {
		if now[p] {
			return true
		}
	}
	return false
}
