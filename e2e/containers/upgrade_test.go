package containers

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/gitstoretest"
)

// retrier repeats requests as docs/operations.md tells clients to, at one replica after the other.
type retrier struct {
	replicas []*gitstoretest.API
	next     atomic.Int64
	// requests and repeats count what was asked for and what was repeated for it.
	requests, repeats atomic.Int64
}

// retryTime is longer than a service takes to come back on a busy machine.
const retryTime = time.Minute

func (r *retrier) do(ctx context.Context, method, path string, body []byte) (answer, error) {
	r.requests.Add(1)
	ctx, cancel := context.WithTimeout(ctx, retryTime)
	defer cancel()
	for {
		replica := r.replicas[r.next.Add(1)%int64(len(r.replicas))]
		a, err := call(ctx, method, replica.URL()+path, body)
		pause := 50 * time.Millisecond
		switch {
		case ctx.Err() != nil:
			return a, errors.Join(ctx.Err(), err)
		case err == nil && a.status != http.StatusServiceUnavailable:
			return a, nil
		case err == nil:
			seconds, notNumber := strconv.Atoi(a.header.Get("Retry-After"))
			if notNumber != nil {
				return a, fmt.Errorf("503 without Retry-After: %s", a.body)
			}
			// Another replica may answer at once.
			pause = min(pause, time.Duration(seconds)*time.Second)
		}
		r.repeats.Add(1)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// TestAnUpgradeFailsNoRequest upgrades from the images whose tag is in GITSTORE_UPGRADE_FROM, and goes back to them.
// Without it these are the images under test, and each service is replaced all the same.
func TestAnUpgradeFailsNoRequest(t *testing.T) {
	tag := cmp.Or(os.Getenv("GITSTORE_IMAGE_TAG"), "dev")
	from := cmp.Or(os.Getenv("GITSTORE_UPGRADE_FROM"), tag)
	g := run(t, gitstoretest.WithReplicas(3), gitstoretest.WithImages("gitstore-git-service:"+from, "gitstore-api:"+from),
		gitstoretest.WithAPIEnv(map[string]string{"GITSTORE_CATALOGS": "shop"}))
	var replicas []*replica
	for _, a := range g.APIs() {
		replicas = append(replicas, &replica{url: a.URL()})
	}
	watcher := watch(t, "the watcher of all replicas", replicas...)
	shop := newShop(t, g.API(0))
	r := &retrier{replicas: g.APIs()}
	const product = "---\nid: p\nsku: P\nslug: p\ntitle: P\ncategory: c\nprice: \"1.00\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n---\n"
	first := want(t, 201, "PUT", g.API(0).URL()+shop+"/files/products/p.md?message=First", []byte(product))
	cursor := first.header.Get("GitStore-Cursor")
	for _, a := range g.APIs() {
		want(t, 200, "GET", a.URL()+shop+"/catalog/products/p?min_cursor="+cursor, nil)
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var (
		working sync.WaitGroup
		mu      sync.Mutex
		written = []string{into[commitResult](t, first).Commit}
		failed  []error
	)
	work := func(once func(i int) error) {
		working.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := once(i); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	for w := range 4 {
		work(func(i int) error {
			a, err := r.do(t.Context(), "PUT", fmt.Sprintf("%s/files/w%d.md?message=Write&request_id=%s", shop, w, uuid.NewString()), fmt.Append(nil, i))
			if err != nil || (a.status != http.StatusCreated && a.status != http.StatusOK) {
				return fmt.Errorf("a write ended with %d, %w: %s", a.status, err, a.body)
			}
			var done commitResult
			if err := json.Unmarshal(a.body, &done); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			written = append(written, done.Commit)
			return nil
		})
	}
	for _, path := range []string{"/files/products/p.md", "/catalog/products/p", "/commits?page_size=5"} {
		work(func(int) error {
			a, err := r.do(t.Context(), "GET", shop+path, nil)
			if err != nil || a.status != http.StatusOK {
				return fmt.Errorf("a read of %s ended with %d, %w: %s", path, a.status, err, a.body)
			}
			return nil
		})
	}
	goesOn := func() {
		mu.Lock()
		n := len(written)
		mu.Unlock()
		require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(written) >= n+20 || len(failed) > 0 }, time.Minute, 10*time.Millisecond)
	}
	replace := func(to string) {
		goesOn()
		noErrors(t, g.Git)
		g.Git.Replace(t.Context(), "gitstore-git-service:"+to)
	}
	replaceAPIs := func(to string) {
		for _, a := range g.APIs() {
			goesOn()
			checkBoundary(t, a)
			a.Replace(t.Context(), "gitstore-api:"+to)
		}
	}
	replace(tag)
	replaceAPIs(tag)
	if from != tag {
		replaceAPIs(from)
		replace(from)
	}
	goesOn()
	stop()
	working.Wait()
	require.Empty(t, failed)
	t.Logf("%d requests, %d of them writes, were all answered, with %d repeats", r.requests.Load(), len(written), r.repeats.Load())

	// Each write is one commit, however often it was repeated.
	history := historyOf(t, g.API(0).URL()+shop)
	assert.ElementsMatch(t, written, history)
	noErrors(t, g.Git)
	parents := map[string]string{}
	for i, commit := range history[1:] {
		parents[history[i]] = commit
	}
	watcher.follows(t, map[string]string{"refs/heads/main": history[0]}, parents)
}

// noErrors checks that a git-service had nothing to complain of so far.
func noErrors(t *testing.T, g *gitstoretest.GitService) {
	t.Helper()
	logs, err := g.Logs(t.Context())
	require.NoError(t, err)
	defer func() { _ = logs.Close() }()
	logged, err := io.ReadAll(logs)
	require.NoError(t, err)
	assert.NotContains(t, string(logged), `"level":"ERROR"`)
}

// historyOf returns the ids of all commits, the last first.
func historyOf(t *testing.T, shop string) (ids []string) {
	t.Helper()
	for token := ""; ; {
		var page struct {
			Items []struct {
				CommitID string `json:"commit_id"`
			} `json:"items"`
			Next string `json:"next_page_token"`
		}
		a := want(t, 200, "GET", shop+"/commits?page_size=1000"+token, nil)
		require.NoError(t, json.NewDecoder(bytes.NewReader(a.body)).Decode(&page))
		for _, c := range page.Items {
			ids = append(ids, c.CommitID)
		}
		if page.Next == "" {
			return ids
		}
		token = "&page_token=" + page.Next
	}
}
