package catalogs_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/app/eventhub"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
)

// journalled is a world whose writes are told to a journal as well, which followers hear of through a hub.
type journalled struct {
	*world
	log *memlog.Log
	hub *eventhub.Hub
}

func newJournalled(t *testing.T, log *memlog.Log) *journalled {
	t.Helper()
	w := &journalled{world: newWorld(t, catalogs.Options{Recheck: 1000 * time.Hour}, "shop"), log: log}
	w.hub = eventhub.New(log, w.store, eventhub.Options{Buffer: 4})
	w.create(shop)
	return w
}

func (w *journalled) start() {
	ctx, cancel := context.WithCancel(context.Background())
	hub, follower := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(hub)
		_ = w.hub.Follow(ctx, w.log)
	}()
	go func() {
		defer close(follower)
		w.follows.Run(ctx, w.hub)
	}()
	w.t.Cleanup(func() {
		cancel()
		<-hub
		<-follower
	})
}

// edit makes a commit, and an event of it in the journal.
func (w *journalled) edit(text string) (event.RefUpdated, event.Cursor) {
	w.t.Helper()
	commit, _ := w.commit(shop, mainBranch, map[string]string{"products/a.md": product("a", text)})
	e := moved(shop, mainBranch, commit, commit)
	cursors, err := w.log.Append(context.Background(), e)
	w.ok(err)
	return e, cursors[0]
}

func TestCatalogsFollowAHubOverAJournal(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newJournalled(t, memlog.New())
		w.edit("before")
		w.start()
		for i := range 20 {
			e, cursor := w.edit(fmt.Sprint(i))
			c, at, err := w.read(t.Context(), cursor)
			if err != nil || c.Commit() != e.Commit || !at.Reached(cursor) {
				t.Fatalf("edit %d is not read: %v, %s, %v", i, c, at, err)
			}
		}
	})
}

func TestCatalogsSurviveAJournalThatIsRebuiltOrDropsEvents(t *testing.T) {
	settled(t, func(t *testing.T) {
		w := newJournalled(t, memlog.NewBounded(3))
		w.start()
		_, old := w.edit("one")
		pass(time.Second)
		w.log.Rebuild()
		pass(minute)
		e, cursor := w.edit("two")
		if c, _, err := w.read(t.Context(), cursor); err != nil || c.Commit() != e.Commit {
			t.Fatalf("after the journal was rebuilt: %v, %v", c, err)
		}
		if _, _, err := w.read(t.Context(), old); err == nil {
			t.Error("a cursor of the old journal is taken")
		}
		for i := range 50 {
			e, cursor = w.edit(fmt.Sprint(i))
		}
		if c, _, err := w.read(t.Context(), cursor); err != nil || c.Commit() != e.Commit {
			t.Fatalf("after events were dropped: %v, %v", c, err)
		}
	})
}
