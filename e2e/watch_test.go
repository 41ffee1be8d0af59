package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/sse"
)

const (
	typeRefUpdated        = "dev.gitstore.ref.updated.v1"
	typeRepositoryCreated = "dev.gitstore.repository.created.v1"
	typeRepositoryDeleted = "dev.gitstore.repository.deleted.v1"
	typeHeartbeat         = "dev.gitstore.stream.heartbeat.v1"
	typeResync            = "dev.gitstore.stream.resync_required.v1"
)

// told is a message of the event stream, as a client that knows nothing of GitStore but its documentation reads it.
type told struct {
	ID      string `json:"id"`
	Source  string `json:"source"`
	Type    string `json:"type"`
	Subject string `json:"subject"`
	Cursor  string `json:"cursor"`
	Data    struct {
		Old          string `json:"old_oid"`
		New          string `json:"new_oid"`
		Synthetic    bool   `json:"synthetic"`
		Last         bool   `json:"last"`
		Repositories []struct {
			Repository string `json:"repository"`
			Refs       []struct {
				Ref string `json:"ref"`
				ID  string `json:"oid"`
			} `json:"refs"`
		} `json:"repositories"`
	} `json:"data"`
}

// watcher reads the event stream of a replica over Server-Sent Events, and comes back with the last id whenever the stream
// ends, as EventSource of a browser does.
type watcher struct {
	client *client
	target string

	mu       sync.Mutex
	messages []told
	lastID   string
	opened   int
	err      error
	drop     context.CancelFunc
}

// watch watches until the test ends. It returns when the first heartbeat has come: everything from then on is told.
func watch(t testing.TB, c *client, query string) *watcher {
	t.Helper()
	w := &watcher{client: newClient(t, c.address), target: "/v1/events" + query, drop: func() {}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	eventually(t, "no heartbeat comes", func() error {
		return w.has("a heartbeat", func(m told) bool { return m.Type == typeHeartbeat })
	})
	return w
}

func (w *watcher) run(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := w.follow(ctx); err != nil {
			w.mu.Lock()
			w.err = err
			w.mu.Unlock()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// follow reads one stream to its end, which is no failure however it comes.
func (w *watcher) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.client.address+w.target, nil)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.drop = cancel
	if w.lastID != "" {
		req.Header.Set("Last-Event-ID", w.lastID)
	}
	w.mu.Unlock()
	resp, err := w.client.http.Do(req)
	if err != nil {
		return nil // the replica cannot be reached just now
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		return fmt.Errorf("the stream is answered with %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	w.mu.Lock()
	w.opened++
	w.mu.Unlock()
	return sse.Read(resp.Body, w.take)
}

func (w *watcher) take(fields map[string]string) error {
	if fields["data"] == "" {
		return nil
	}
	var m told
	if err := json.Unmarshal([]byte(fields["data"]), &m); err != nil {
		return fmt.Errorf("%q: %w", fields["data"], err)
	}
	if m.Type != fields["event"] || m.Cursor != fields["id"] {
		return fmt.Errorf("the stream says %v", fields)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.messages = append(w.messages, m)
	if m.Cursor != "" {
		w.lastID = m.Cursor
	}
	return nil
}

// reconnect breaks the connection off.
func (w *watcher) reconnect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop()
}

// connections is how many streams were opened.
func (w *watcher) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened
}

// all returns the messages so far, each once, as whoever drops what it has seen by id gets them.
func (w *watcher) all(t testing.TB) []told {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NoError(t, w.err)
	seen := map[string]bool{}
	var messages []told
	for _, m := range w.messages {
		if !seen[m.ID] || m.Type == typeResync {
			messages = append(messages, m)
		}
		seen[m.ID] = true
	}
	return messages
}

func (w *watcher) has(what string, is func(told) bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if !slices.ContainsFunc(w.messages, is) {
		return fmt.Errorf("%s is not among %d messages", what, len(w.messages))
	}
	return nil
}

// waitFor waits until a ref is told to have moved to a commit.
func (w *watcher) waitFor(t testing.TB, ref, id string) {
	t.Helper()
	eventually(t, "a change is not told", func() error {
		return w.has(ref+" at "+id, func(m told) bool { return m.Type == typeRefUpdated && m.Subject == ref && m.Data.New == id })
	})
}

// moves returns what a ref of a repository pointed at, one after the other, and checks that nothing is missing between
// them.
func (w *watcher) moves(t testing.TB, id, ref string) []string {
	t.Helper()
	var moves []string
	at := ""
	for _, m := range w.all(t) {
		require.NotEqual(t, typeResync, m.Type, "events were missed: %+v", m)
		if m.Type != typeRefUpdated || m.Source != "/repositories/"+id || m.Subject != ref {
			continue
		}
		require.Equal(t, at, m.Data.Old, "%s of %s is told to have moved from elsewhere than it was, in %s", ref, id, m.ID)
		at = m.Data.New
		moves = append(moves, at)
	}
	return moves
}
