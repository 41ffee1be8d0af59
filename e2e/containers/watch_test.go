package containers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/sse"
)

const (
	typeRefUpdated = "dev.gitstore.ref.updated.v1"
	typeResync     = "dev.gitstore.stream.resync_required.v1"
)

// silence is how long a stream may tell nothing, heartbeats included, before a client takes it for dead.
const silence = 40 * time.Second

// told is an event as a client that knows the documentation reads it.
type told struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Subject string `json:"subject"`
	Data    struct {
		Old       string `json:"old_oid"`
		New       string `json:"new_oid"`
		Synthetic bool   `json:"synthetic"`
	} `json:"data"`
}

// watcher reads the events of the shop over Server-Sent Events. When a stream ends it goes on from its last id at the next
// of its replicas.
type watcher struct {
	name     string
	replicas []*replica

	mu      sync.Mutex
	events  []told
	seen    map[string]bool
	last    string
	streams int
	err     error
}

// watch watches until the test ends. It returns when the first heartbeat has come: everything from then on is told.
func watch(t *testing.T, name string, replicas ...*replica) *watcher {
	t.Helper()
	w := &watcher{name: name, replicas: replicas, seen: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := w.follow(ctx, w.replicas[i%len(w.replicas)]); err != nil {
				w.mu.Lock()
				w.err = err
				w.mu.Unlock()
				return
			}
			wait(ctx, 50*time.Millisecond)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	require.NoError(t, until(t.Context(), func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.last == "" {
			return errors.New("no heartbeat has come")
		}
		return w.err
	}))
	return w
}

// follow reads one stream to its end, which is no failure however it comes.
func (w *watcher) follow(ctx context.Context, r *replica) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/v1/events?repository=shop", nil)
	if err != nil {
		return err
	}
	w.mu.Lock()
	if w.last != "" {
		req.Header.Set("Last-Event-ID", w.last)
	}
	w.mu.Unlock()
	resp, err := streaming.Do(req)
	if err != nil {
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return nil
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("a stream of events is answered %s", resp.Status)
	}
	w.mu.Lock()
	w.streams++
	w.mu.Unlock()
	return sse.Read(resp.Body, func(fields map[string]string) error {
		watchdog.Reset(silence)
		return w.take(fields)
	})
}

// streaming has no time limit: streams of events do not end by themselves.
var streaming = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: attemptTime}}

// take takes an event once: it may be told again after a resume.
func (w *watcher) take(fields map[string]string) error {
	if fields["data"] == "" {
		return nil
	}
	var e told
	if err := json.Unmarshal([]byte(fields["data"]), &e); err != nil {
		return fmt.Errorf("%q: %w", fields["data"], err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := fields["id"]; id != "" {
		w.last = id
	}
	if e.Type != typeRefUpdated && e.Type != typeResync || w.seen[e.ID] {
		return nil
	}
	w.seen[e.ID] = e.ID != ""
	w.events = append(w.events, e)
	return nil
}

// follows waits until the watcher was told what the refs are, and checks how it came to that: each ref moved from where
// it was told to be, on main by one commit at a time unless the event is synthetic, and nothing had to be told anew.
func (w *watcher) follows(t *testing.T, refs map[string]string, parents map[string]string) (synthetic int) {
	t.Helper()
	var events []told
	require.NoError(t, until(t.Context(), func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.err != nil {
			return w.err
		}
		events = w.events
		at := map[string]string{}
		for _, e := range events {
			at[e.Subject] = e.Data.New
		}
		for ref, id := range refs {
			if at[ref] != id {
				return fmt.Errorf("%s was told that %s is at %q, not %s", w.name, ref, at[ref], id)
			}
		}
		return nil
	}))
	at := map[string]string{}
	for _, e := range events {
		require.NotEqual(t, typeResync, e.Type, "%s missed events", w.name)
		require.Equal(t, at[e.Subject], e.Data.Old, "%s was told that %s moved from elsewhere than it was, in %s", w.name, e.Subject, e.ID)
		at[e.Subject] = e.Data.New
		if e.Data.Synthetic {
			synthetic++
		} else if e.Subject == "refs/heads/main" {
			require.Equal(t, parents[e.Data.New], e.Data.Old, "%s was told more than one commit by %s", w.name, e.ID)
		}
	}
	require.Equal(t, refs, at, "refs that %s was told of", w.name)
	return synthetic
}
