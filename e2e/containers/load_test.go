package containers

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
)

const (
	// attemptTime is how long a client waits for an answer before it asks another replica.
	attemptTime = 8 * time.Second
	// patience bounds how long everything may take to be well again, and so the longest that a test hangs.
	patience = time.Minute
	writers  = 6
	products = 60
)

// shop is the repository under load, whose catalog every replica keeps.
const shop = "/v1/repositories/shop"

var shopCatalog = catalogdata.New(1, catalogdata.Options{Products: products, Categories: 12, Collections: 3})

// change is a request that is repeated until it is acknowledged.
type change struct {
	path string
	body []byte
	// message is that of the commit, and unlike that of any other.
	message string
	files   map[string]string
	tag     string
	target  string
}

// commitResult is the answer to a commit: what was made, or why not.
type commitResult struct {
	Commit string `json:"commit_id"`
	Reason string `json:"reason"`
}

// product is what is looked at of a product of the catalog.
type product struct {
	Fields struct {
		Edits int `json:"edits"`
	} `json:"fields"`
}

// into reads an answer as JSON.
func into[T any](t testing.TB, a answer) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.body, &v), "%.300s", a.body)
	return v
}

type action struct {
	Action  string `json:"action"`
	Path    string `json:"path"`
	Content string `json:"content"`
}

func newCommit(files map[string]string) change {
	c := change{path: "/commits", files: files, message: uuid.NewString()}
	var actions []action
	for _, path := range slices.Sorted(maps.Keys(files)) {
		actions = append(actions, action{"upsert", path, files[path]})
	}
	c.body = encode(map[string]any{"branch": "main", "message": c.message, "request_id": c.message, "allow_empty": true, "actions": actions})
	return c
}

func newTag(name, target string) change {
	return change{path: "/tags", tag: name, target: target, body: encode(map[string]string{"name": name, "target": target, "message": name})}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is made of maps and strings
	}
	return b
}

// oracle remembers what was acknowledged, and only that.
type oracle struct {
	mu      sync.Mutex
	commits map[string]string // message to commit
	blobs   map[string]string // path to blob, the last that was acknowledged
	tags    map[string]string // tag to commit
	paths   []string
	last    time.Time
	fault   string
	figures figures
}

// figures are what a run prints at its end.
type figures struct {
	acknowledged, retries, catalogReads, fileReads int
	refused                                        map[string]int
	longestGap                                     gap
}

// gap is a time without an acknowledged change, and the fault that was done then.
type gap struct {
	took  time.Duration
	fault string
}

func (g gap) String() string { return fmt.Sprintf("%v, %s", g.took.Round(time.Millisecond), g.fault) }

// blobID is what Git calls a content, worked out without GitStore.
func blobID(content string) string {
	sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(content)), content...))
	return hex.EncodeToString(sum[:])
}

// acknowledge takes down a change that was answered.
func (o *oracle) acknowledge(c change, commitID string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.tag != "" {
		o.tags[c.tag] = c.target
	} else {
		o.commits[c.message] = commitID
		for path, content := range c.files {
			if _, known := o.blobs[path]; !known {
				o.paths = append(o.paths, path)
			}
			o.blobs[path] = blobID(content)
		}
	}
	o.figures.acknowledged++
	now := time.Now()
	if took := now.Sub(o.last); !o.last.IsZero() && took > o.figures.longestGap.took {
		o.figures.longestGap = gap{took, o.fault}
	}
	o.last = now
}

func (o *oracle) refused(why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.figures.refused[why]++
}

func (o *oracle) during(fault string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fault = fault
}

func (o *oracle) add(field *int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	*field++
}

func (o *oracle) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.figures.acknowledged
}

// anyFile returns a file that was acknowledged, "" if none was yet.
func (o *oracle) anyFile(random *rand.Rand) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.paths) == 0 {
		return ""
	}
	return o.paths[random.IntN(len(o.paths))]
}

// load is writers and readers at work on all replicas.
type load struct {
	oracle   *oracle
	replicas []*replica
	stop     chan struct{}
	workers  sync.WaitGroup
	failed   chan error
}

// replica is one API as its clients see it.
type replica struct {
	url string
	// restarting is set while the API may not have loaded its catalog.
	restarting atomic.Bool
}

// startLoad creates the repository, imports the catalog and starts the writers and readers. They end with finish, or with
// the test.
func startLoad(t *testing.T, replicas []*replica, seed uint64) *load {
	t.Helper()
	l := &load{
		oracle:   &oracle{commits: map[string]string{}, blobs: map[string]string{}, tags: map[string]string{}, figures: figures{refused: map[string]int{}}},
		replicas: replicas, stop: make(chan struct{}), failed: make(chan error, writers+len(replicas)),
	}
	want(t, 201, "POST", replicas[0].url+"/v1/repositories", []byte(`{"id":"shop"}`), "Content-Type", "application/json")
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() {
		cancel()
		l.workers.Wait()
	})
	require.NoError(t, l.sender(rand.New(rand.NewPCG(seed, 0))).insist(ctx, newCommit(maps.Collect(shopCatalog.Files()))))
	for _, r := range l.replicas {
		require.NoError(t, until(ctx, func() error { return r.reads(ctx, "/catalog/products/"+catalogdata.ProductID(0), nil) }))
	}
	for w := range writers {
		l.work(func() error { return l.write(ctx, w, rand.New(rand.NewPCG(seed, uint64(1+w)))) })
	}
	for i, r := range l.replicas {
		l.work(func() error { return l.read(ctx, r, rand.New(rand.NewPCG(seed, uint64(100+i)))) })
	}
	return l
}

func (l *load) work(do func() error) {
	l.workers.Go(func() {
		if err := do(); err != nil {
			l.failed <- err
		}
	})
}

// finish lets the writers end what they are at, so that the outcome of every request is known.
func (l *load) finish(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.workers.Wait()
	l.check(t)
}

// check fails if a worker has.
func (l *load) check(t *testing.T) {
	t.Helper()
	select {
	case err := <-l.failed:
		require.NoError(t, err)
	default:
	}
}

// pause waits and reports whether the load goes on.
func (l *load) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.stop:
		return false
	case <-ctx.Done():
		return false
	}
}

// write makes one change after the other. Each writer has files and a product of its own, whose last content it knows.
func (l *load) write(ctx context.Context, w int, random *rand.Rand) error {
	sender, edits := l.sender(random), 0
	for i := 0; l.pause(ctx, time.Duration(random.IntN(20))*time.Millisecond); i++ {
		var c change
		switch n := random.IntN(128); {
		case n == 0: // more than goes the way of small files
			c = newCommit(map[string]string{fmt.Sprintf("w%d/large.txt", w): noise(random, 1200<<10)})
		case n < 12:
			c = newTag(fmt.Sprintf("w%d-%d", w, i), l.anyCommit())
		case n < 32:
			edits++
			c = newCommit(map[string]string{shopCatalog.ProductPath(w): shopCatalog.Product(w, edits)})
		default:
			files := map[string]string{}
			for f := range 1 + random.IntN(3) {
				files[fmt.Sprintf("w%d/%d/%d.md", w, i, f)] = fmt.Sprint(w, i, f, random.Uint64())
			}
			c = newCommit(files)
		}
		if err := sender.insist(ctx, c); err != nil {
			return fmt.Errorf("writer %d: %w", w, err)
		}
	}
	return nil
}

func (l *load) anyCommit() string {
	l.oracle.mu.Lock()
	defer l.oracle.mu.Unlock()
	for _, id := range l.oracle.commits {
		return id
	}
	panic("the catalog was imported by a commit")
}

// noise returns text that does not compress well.
func noise(random *rand.Rand, size int) string {
	b := make([]byte, size/2)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return hex.EncodeToString(b)
}

// sender sends changes to one replica for as long as that answers, and goes to any other when it does not, unless it is
// pinned.
type sender struct {
	load   *load
	random *rand.Rand
	at     *replica
	pinned bool
}

func (l *load) sender(random *rand.Rand) *sender {
	return &sender{load: l, random: random, at: l.replicas[random.IntN(len(l.replicas))]}
}

// insist sends a change until it is acknowledged. The only other answers allowed are those that tell to come again.
func (c *sender) insist(ctx context.Context, ch change) error {
	o := c.load.oracle
	for attempt := 0; ; attempt++ {
		a, err := attemptCall(ctx, "POST", c.at.url+shop+ch.path, ch.body)
		var made commitResult
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			o.refused("no answer")
		case json.Unmarshal(a.body, &made) != nil:
			return fmt.Errorf("%s was answered %d: %.300s", ch.path, a.status, a.body)
		case a.status == http.StatusCreated || a.status == http.StatusOK || ch.tag != "" && attempt > 0 && made.Reason == "REF_EXISTS":
			o.acknowledge(ch, made.Commit)
			return nil
		case a.status == http.StatusServiceUnavailable || a.status == http.StatusGatewayTimeout:
			o.refused(made.Reason)
		default:
			return fmt.Errorf("%s was answered %d: %.300s", ch.path, a.status, a.body)
		}
		o.add(&o.figures.retries)
		if !c.pinned {
			c.at = c.load.replicas[c.random.IntN(len(c.load.replicas))]
		}
		wait(ctx, time.Duration(20+c.random.IntN(80))*time.Millisecond)
	}
}

func attemptCall(ctx context.Context, method, url string, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	return call(ctx, method, url, body, "Content-Type", "application/json")
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// until repeats what may fail for a while.
func until(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("still after %v: %w", patience, err)
		}
		wait(ctx, 10*time.Millisecond)
	}
}

// reads gets what has to be there, and takes it apart.
func (r *replica) reads(ctx context.Context, path string, v any) error {
	a, err := attemptCall(ctx, "GET", r.url+shop+path, nil)
	switch {
	case err != nil:
		return err
	case a.status != http.StatusOK:
		return fmt.Errorf("%s is answered %d: %.300s", path, a.status, a.body)
	case v == nil:
		return nil
	}
	return json.Unmarshal(a.body, v)
}

// read reads products and files of a replica. The catalog is in its memory: whatever the git-service is at it is served,
// and never an older state than before.
func (l *load) read(ctx context.Context, r *replica, random *rand.Rand) error {
	var seen [writers]int
	for l.pause(ctx, 5*time.Millisecond) {
		if err := l.readProduct(ctx, r, random.IntN(products), &seen); err != nil {
			return err
		}
		if path := l.oracle.anyFile(random); path != "" && random.IntN(4) == 0 {
			if err := l.readFile(ctx, r, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *load) readProduct(ctx context.Context, r *replica, i int, seen *[writers]int) error {
	restarted := r.restarting.Load()
	a, err := attemptCall(ctx, "GET", r.url+shop+"/catalog/products/"+catalogdata.ProductID(i), nil)
	if err != nil {
		return nil //nolint:nilerr // the replica itself cannot be reached
	}
	if a.status == http.StatusServiceUnavailable && (restarted || r.restarting.Load()) {
		return nil
	}
	var p product
	if a.status != http.StatusOK {
		return fmt.Errorf("a product is answered %d by %s: %.300s", a.status, r.url, a.body)
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		return err
	}
	if i < writers {
		if p.Fields.Edits < seen[i] {
			return fmt.Errorf("%s serves edit %d of product %d after edit %d", r.url, p.Fields.Edits, i, seen[i])
		}
		seen[i] = p.Fields.Edits
	}
	l.oracle.add(&l.oracle.figures.catalogReads)
	return nil
}

func (l *load) readFile(ctx context.Context, r *replica, path string) error {
	a, err := attemptCall(ctx, "GET", r.url+shop+"/files/"+path, nil)
	switch {
	case err != nil:
		return nil //nolint:nilerr // it was cut off, and the client knows
	case a.status == http.StatusServiceUnavailable || a.status == http.StatusGatewayTimeout:
		return nil
	case a.status != http.StatusOK:
		return fmt.Errorf("%s is answered %d by %s: %.300s", path, a.status, r.url, a.body)
	}
	l.oracle.add(&l.oracle.figures.fileReads)
	return nil
}
