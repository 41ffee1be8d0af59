package ws_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/ws"
	"github.com/gitstore-dev/gitstore/app/eventhub"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

// A program follows the releases of a repository. It keeps the cursor of the last notice that it has dealt with, and
// begins there when it is started again.
func ExampleSubscriber() {
	url, journal, stop := service()
	defer stop()

	subscriber, err := ws.NewSubscriber(url, ws.SubscriberOptions{
		Observe: func(c ws.ConnectionState) {
			if !c.Up {
				fmt.Println("trying again in", c.Retry, "because", c.Err)
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	filter, err := event.ParseFilter([]string{"shop"}, []string{"refs/tags/"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var file keeper // where the program keeps the cursor
	for notice, err := range subscriber.Subscribe(ctx, ports.Subscription{Filter: filter, After: file.cursor, Resync: true}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch n := notice.(type) {
		case event.Resync: // the present refs: forget what is not among them
			for _, repository := range n.Repositories {
				fmt.Println(repository.ID, "has", len(repository.Refs), "tags")
			}
			tag(journal)
		case event.Entry:
			if moved, ok := n.Event.(event.RefUpdated); ok {
				fmt.Println(moved.Repository(), moved.Change(), moved.Release.Version)
				return
			}
		case event.Heartbeat: // nothing happened
		}
		if at := notice.At(); !at.IsZero() {
			file.cursor = at
		}
	}
	// Output:
	// shop has 0 tags
	// shop created 1.4.0
}

// keeper is a file in life.
type keeper struct{ cursor event.Cursor }

// service is a publisher over a journal in memory.
func service() (url string, journal *memlog.Log, stop func()) {
	journal, store := memlog.New(), memrepo.New()
	_, _ = store.CreateRepository(context.Background(), ports.CreateRepository{ID: repoID("shop")})
	hub := eventhub.New(journal, store, eventhub.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	followed := make(chan struct{})
	go func() { defer close(followed); _ = hub.Follow(ctx, journal) }()
	publisher, _ := ws.NewPublisher(hub, ws.PublisherOptions{})
	server := httptest.NewServer(publisher)
	return server.URL, journal, func() {
		_ = publisher.Shutdown(ctx)
		server.Close()
		cancel()
		<-followed
	}
}

func tag(journal *memlog.Log) {
	_, _ = journal.Append(context.Background(), event.RefUpdated{
		Header: event.Header{ID: repoID("shop"), At: time.Now()}, Ref: must(git.TagRef("v1.4.0")),
		New: oid(1), Commit: oid(1), Release: event.Release{Version: "1.4.0"},
	})
}
