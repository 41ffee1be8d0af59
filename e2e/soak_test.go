package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/env"
)

// soak is a system under a mixed load whose state stays as large as it is, but for its history: files are written over, and
// branches, tags and repositories are deleted again.
type soak struct {
	*shop
	// acks are what was acknowledged.
	acks *everything
	seed uint64
	ends chan struct{}
	work sync.WaitGroup

	mu sync.Mutex
	// files are the contents last acknowledged, by repository and path.
	files map[fileKey]string
	// recent are commits lately made, to be read.
	recent []made
	// done counts what was done, by its name.
	done map[string]int
	err  error
}

type fileKey struct{ repository, path string }

// made is a commit and a file that it wrote.
type made struct {
	fileKey
	commitID, content string
}

const (
	soakRepositories = 3
	soakWriters      = 3
	// soakFiles is how many files each writer writes over and over.
	soakFiles = 100
	// soakRecent is how many commits are remembered to be read.
	soakRecent = 500
)

// TestSoak runs both services for DURATION under a mixed load. Nothing that was acknowledged may be lost, no bad input be
// taken, and if it takes ten minutes or more what the services use has to stay as it is.
func TestSoak(t *testing.T) {
	duration := env.Duration(t, "DURATION", 3*time.Second)
	seed := env.Number(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d DURATION=%v", seed, duration)
	// What is bounded by a setting is to reach its bound during the warm-up.
	s := newSoak(newShop(t, "GITSTORE_CATALOGS=catalog", "GITSTORE_CACHE_SIZE=16MiB", "GITSTORE_EVENTS_MAX_COUNT=2000",
		"GITSTORE_LOG_LEVEL=warn"), seed)
	watcher := watch(t, s.client, "?repository=soak-0")
	s.begin(t)
	usage := s.sample(t, duration)
	s.end(t)

	eventually(t, "not all changes are told", func() error { return watcher.knows(t, s.data, "soak-0") })
	s.requireFiles(t)
	s.shop.system.stop(t)
	require.Empty(t, s.acks.losses(t))
	require.NotContains(t, s.git.logged(), `"level":"ERROR"`)
	require.NotContains(t, s.api.logged(), `"incident"`)
	usage.report(t, s.done)
	if duration >= judged {
		usage.requireFlat(t)
	}
}

func newSoak(shop *shop, seed uint64) *soak {
	return &soak{
		shop: shop, acks: &everything{system: shop.system, oracle: &oracle{}, claims: newClaims()}, seed: seed,
		ends: make(chan struct{}), files: map[fileKey]string{}, done: map[string]int{},
	}
}

// begin starts the load, which ends with the test at the latest.
func (s *soak) begin(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() {
		cancel()
		s.work.Wait()
	})
	n := uint64(0)
	does := func(name string, every time.Duration, step func(context.Context, *rand.Rand, int) error) {
		n++
		random := rand.New(rand.NewPCG(s.seed, n))
		s.work.Go(func() {
			for i := 0; s.goesOn(); i++ {
				if err := step(ctx, random, i); err != nil {
					s.fail(fmt.Errorf("%s: %w", name, err))
					return
				}
				s.count(name)
				pause(ctx, every/2+time.Duration(random.Int64N(int64(every))))
			}
		})
	}
	for r := range soakRepositories {
		id := fmt.Sprintf("soak-%d", r)
		s.createRepository(t, id)
		root := s.commit(t, id, commit{Branch: "main", Message: "Begin", AllowEmpty: true}).CommitID
		for i := range soakWriters {
			w := &writer{system: s.system, repository: id, name: fmt.Sprintf("writer-%d", i), random: rand.New(rand.NewPCG(s.seed, uint64(1000+10*r+i)))}
			does("commits", 60*time.Millisecond, func(ctx context.Context, _ *rand.Rand, i int) error { return s.write(ctx, w, i) })
		}
		w := newRefWriter(t, writer{system: s.system, repository: id, name: "refs", random: rand.New(rand.NewPCG(s.seed, uint64(2000+r)))}, s.acks.claims, root)
		does("refs and repositories made and deleted", 50*time.Millisecond, func(ctx context.Context, _ *rand.Rand, i int) error { return s.refs(ctx, w, i) })
		does("pushes of git clients", 500*time.Millisecond, func(ctx context.Context, _ *rand.Rand, i int) error { return w.push(ctx, i) })
	}
	s.createRepository(t, "catalog")
	imported, _ := s.importCatalog(t, "catalog", smallCatalog(1))
	eventually(t, "the catalog is not loaded", func() error { return s.servesCommit(t.Context(), "catalog", imported) })
	e := &editors{&cluster{s.system, []*client{s.client}, []*process{s.api}}, smallCatalog(1), "catalog", make([]int, 60)}
	does("catalog reloads", 100*time.Millisecond, func(ctx context.Context, random *rand.Rand, i int) error { return s.edit(ctx, e, random, i) })
	for range 4 {
		does("reads", 10*time.Millisecond, s.read)
	}
	for range 4 {
		w := &watcher{client: s.client, target: "/v1/events", drop: func() {}}
		does("subscriptions", 50*time.Millisecond, func(ctx context.Context, random *rand.Rand, i int) error { return subscribe(ctx, w, random, i) })
	}
	for range 2 {
		does("cancelled calls", 40*time.Millisecond, s.cancel)
	}
	bad := slices.Concat(badRevisions(), badRefNames(), badPaths(), badWrittenPaths(), badRepositoryIDs(), badActions(), badJSON(), badParameters(), badRequests())
	bad = slices.DeleteFunc(bad, func(in badInput) bool { return len(in.target) > 5000 }) // what fits no header gets no problem
	does("bad input", 50*time.Millisecond, func(_ context.Context, random *rand.Rand, _ int) error {
		s.refuses(t, bad[random.IntN(len(bad))])
		return nil
	})
}

func (s *soak) goesOn() bool {
	select {
	case <-s.ends:
		return false
	default:
		return s.failed() == nil
	}
}

func (s *soak) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = errors.Join(s.err, err)
}

// failed returns what went wrong.
func (s *soak) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *soak) count(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[name]++
}

// end lets everybody end what they are at, and fails if something went wrong.
func (s *soak) end(t *testing.T) {
	t.Helper()
	close(s.ends)
	s.work.Wait()
	require.NoError(t, s.failed())
}

// write commits one to four of the writer's files, and some commits twice.
func (s *soak) write(ctx context.Context, w *writer, i int) error {
	body := commit{Branch: "main", RequestID: newUUID(w.random), AllowEmpty: true}
	body.Message = body.RequestID
	for f := range 1 + w.random.IntN(4) {
		content := body.RequestID
		if w.random.IntN(400) == 0 {
			content += w.noise(300 << 10)
		}
		body.Actions = append(body.Actions, upsert(fmt.Sprintf("%s/%d.txt", w.name, (i+f)%soakFiles), content))
	}
	for range 1 + w.random.IntN(8)/7 {
		result, err := w.insist(ctx, body)
		if err != nil {
			return err
		}
		s.acknowledge(w.repository, result.CommitID, body.Actions)
	}
	return nil
}

func (s *soak) acknowledge(repository, commitID string, actions []action) {
	s.acks.oracle.add(acknowledged{repository: repository, commitID: commitID})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range actions {
		s.files[fileKey{repository, a.Path}] = *a.Content
	}
	m := made{fileKey{repository, actions[0].Path}, commitID, *actions[0].Content}
	if len(s.recent) < soakRecent {
		s.recent = append(s.recent, m)
	} else {
		s.recent[rand.IntN(soakRecent)] = m
	}
}

// refs makes a tag and a branch and deletes those of the turn before, and makes a repository and deletes it at the turn
// after.
func (s *soak) refs(ctx context.Context, w *refWriter, i int) error {
	name, before := fmt.Sprintf("refs-%d", i), fmt.Sprintf("refs-%d", i-1)
	for kind, namespace := range map[string]string{"tags": "refs/tags/", "branches": "refs/heads/"} {
		body := map[string]string{"name": name, "target": w.root}
		if kind == "tags" && i%2 == 1 {
			body["message"] = "Tag " + name
		}
		key := refKey{w.repository, namespace + name}
		a, err := w.change(ctx, key, "POST", inRepository(w.repository, "/"+kind), body)
		if err != nil {
			return err
		}
		w.claims.acknowledged(key, a.ObjectID)
		if i > 0 {
			if err := w.remove(ctx, refKey{w.repository, namespace + before}, inRepository(w.repository, "/"+kind+"/"+before)); err != nil {
				return err
			}
		}
	}
	if i%10 > 1 {
		return nil
	}
	id := w.repository + "-own" // the same id comes again and again
	if i%10 == 1 {
		return w.remove(ctx, refKey{id, ""}, inRepository(id, ""))
	}
	if _, err := w.change(ctx, refKey{id, ""}, "POST", "/v1/repositories", map[string]string{"id": id}); err != nil {
		return err
	}
	w.claims.acknowledged(refKey{id, ""}, id)
	owner := w.writer
	owner.repository = id
	_, err := owner.insist(ctx, w.request(i))
	return err
}

// edit changes one product, or now and then all of them, and reads what it wrote from the catalog.
func (s *soak) edit(ctx context.Context, e *editors, random *rand.Rand, i int) error {
	n := random.IntN(len(e.edits))
	var cursor string
	if i%50 > 0 {
		a, err := e.edit(ctx, s.client, n)
		if err != nil {
			return err
		}
		cursor = a.header.Get("GitStore-Cursor")
	} else {
		body := commit{Branch: "main", Message: "Edit everything"}
		for p := range e.edits {
			e.edits[p]++
			body.Actions = append(body.Actions, upsert(e.data.ProductPath(p), e.data.Product(p, e.edits[p])))
		}
		a, err := s.tryCommit(ctx, e.id, body)
		if err != nil || a.status != http.StatusCreated {
			return errors.Join(err, fmt.Errorf("%d: %s", a.status, clip(string(a.body))))
		}
		cursor = a.header.Get("GitStore-Cursor")
	}
	a, err := s.try(ctx, "GET", productTarget(e.id, n)+"?min_cursor="+cursor, nil)
	if err != nil {
		return err
	}
	p, err := s.checkAgainstGit(ctx, e.id, a)
	if err == nil && p.Fields.Edits != e.edits[n] {
		err = fmt.Errorf("edit %d of product %d is shown, not %d", p.Fields.Edits, n, e.edits[n])
	}
	return err
}

// read reads one of the things that can be read.
func (s *soak) read(ctx context.Context, random *rand.Rand, _ int) error {
	m, ok := s.anyCommit(random)
	if !ok {
		return nil
	}
	var target, want string
	switch random.IntN(8) {
	case 0:
		target = inRepository(m.repository, "/tree?recursive=true&page_size=1000")
	case 1:
		target = inRepository(m.repository, "/commits?page_size=100")
	case 2:
		target = inRepository(m.repository, "/commits?page_size=10&path="+m.path)
	case 3:
		target = inRepository(m.repository, "/compare/"+m.commitID+"...main")
	case 4:
		target = inRepository(m.repository, []string{"/tags", "/branches", ""}[random.IntN(3)])
	case 5:
		target = catalogTarget("catalog", []string{"", "/products?page_size=20", "/categories", "/problems"}[random.IntN(4)])
	default:
		target, want = fileTarget(m.repository, m.path)+"?ref="+m.commitID, m.content
	}
	a, err := s.try(ctx, "GET", target, nil)
	switch {
	case err != nil:
		return err
	case a.status != http.StatusOK || want != "" && string(a.body) != want:
		return fmt.Errorf("%s: %d: %s", target, a.status, clip(string(a.body)))
	}
	return nil
}

func (s *soak) anyCommit(random *rand.Rand) (made, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.recent) == 0 {
		return made{}, false
	}
	return s.recent[random.IntN(len(s.recent))], true
}

// subscribe watches events for a while, from where it was before or from the present.
func subscribe(ctx context.Context, w *watcher, random *rand.Rand, i int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(20+random.IntN(1000))*time.Millisecond)
	defer cancel()
	w.messages = nil
	if i%4 == 0 {
		w.lastID = ""
	}
	return w.follow(ctx)
}

// cancel breaks off a call, or the body of one, at some moment.
func (s *soak) cancel(ctx context.Context, random *rand.Rand, i int) error {
	m, ok := s.anyCommit(random)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(random.Int64N(int64(20*time.Millisecond))))
	defer cancel()
	var a answer
	var err error
	switch path := fmt.Sprintf("cancelled/%d.txt", i%soakFiles); random.IntN(5) {
	case 0:
		a, err = s.try(ctx, "GET", inRepository(m.repository, "/tree?recursive=true&page_size=1000"), nil)
	case 1:
		a, err = s.try(ctx, "GET", inRepository(m.repository, "/commits?page_size=100"), nil)
	case 2:
		a, err = s.tryCommit(ctx, m.repository, commit{Branch: "main", Message: "Cancelled", Actions: []action{upsert(path, newUUID(random))}})
	case 3:
		a, err = s.try(context.WithoutCancel(ctx), "PUT", fileTarget(m.repository, path), io.MultiReader(io.LimitReader(&noise{}, 100<<10), brokenOff{}))
	default:
		a, err = s.try(ctx, "GET", fileTarget(m.repository, m.path)+"?ref="+m.commitID, nil)
	}
	if err == nil && a.status >= http.StatusInternalServerError && a.status != http.StatusServiceUnavailable && a.status != http.StatusGatewayTimeout {
		return fmt.Errorf("%s: %d: %s", a.what, a.status, clip(string(a.body)))
	}
	return nil
}

// brokenOff is a body whose sender goes away.
type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, errors.New("the client goes away") }

// requireFiles checks that every file is as it was last acknowledged.
func (s *soak) requireFiles(t *testing.T) {
	t.Helper()
	keys := slices.Collect(maps.Keys(s.files))
	require.NotEmpty(t, keys)
	require.NoError(t, inParallel(8, len(keys), func(i int) error {
		a, err := s.try(t.Context(), "GET", fileTarget(keys[i].repository, keys[i].path), nil)
		if err == nil && (a.status != http.StatusOK || string(a.body) != s.files[keys[i]]) {
			err = fmt.Errorf("%v: %d: %s", keys[i], a.status, clip(string(a.body)))
		}
		return err
	}))
}
