package e2e

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
)

// convergence bounds how long replicas may take to show what Git has once they can.
const convergence = 10 * time.Second

// converges waits for what has to happen within [convergence].
func converges(t testing.TB, what string, done func() error) {
	t.Helper()
	begin := time.Now()
	for {
		err := done()
		if err == nil {
			return
		}
		if time.Since(begin) > convergence {
			t.Fatalf("%s: %v", what, err)
		}
		pause(t.Context(), 5*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// cluster is a system with several replicas of the API.
type cluster struct {
	*system
	replicas []*client
	apis     []*process
}

func startCluster(t testing.TB, replicas int, settings ...string) *cluster {
	t.Helper()
	c := &cluster{system: startSystem(t, settings...)}
	c.replicas, c.apis = []*client{c.client}, []*process{c.api}
	for range replicas - 1 {
		c.startReplica(t)
	}
	return c
}

// startReplica starts one more API.
func (c *cluster) startReplica(t testing.TB) {
	t.Helper()
	replica := newClient(t, freeAddress(t))
	p := start(t, "gitstore-api", t.TempDir(), append(slices.Clip(c.apiEnv), "GITSTORE_HTTP_LISTEN="+replica.address))
	eventually(t, "a replica is not ready", func() error { return replica.ready(t, p) })
	c.replicas, c.apis = append(c.replicas, replica), append(c.apis, p)
}

// requireRunning checks that no replica has ended.
func (c *cluster) requireRunning(t testing.TB) {
	t.Helper()
	for _, p := range c.apis {
		require.NoError(t, p.running())
	}
}

func catalogTarget(id, rest string) string { return inRepository(id, "/catalog"+rest) }

func productTarget(id string, i int) string {
	return catalogTarget(id, "/products/"+catalogdata.ProductID(i))
}

type catalogStatus struct {
	CommitID string         `json:"commit_id"`
	Release  string         `json:"release"`
	Counts   map[string]int `json:"counts"`
	Problems int            `json:"problems"`
	Moved    *struct {
		Tag string `json:"tag"`
	} `json:"moved_release"`
}

type product struct {
	Path   string `json:"path"`
	BlobID string `json:"blob_id"`
	Price  string `json:"price"`
	Body   string `json:"body"`
	Fields struct {
		Edits int `json:"edits"`
	} `json:"fields"`
}

// importCatalog commits all files of a catalog at once and returns the commit and the cursor behind it.
func (c *client) importCatalog(t testing.TB, id string, data catalogdata.Catalog) (commitID, cursor string) {
	t.Helper()
	body := commit{Branch: "main", Message: "Import the catalog"}
	for path, content := range data.Files() {
		body.Actions = append(body.Actions, upsert(path, content))
	}
	a := c.post(t, inRepository(id, "/commits"), body).wants(t, http.StatusCreated)
	return into[commitResult](t, a).CommitID, a.cursor(t)
}

// cursor returns where in the journal the answer is.
func (a answer) cursor(t testing.TB) string {
	t.Helper()
	cursor := a.header.Get("GitStore-Cursor")
	require.NotEmpty(t, cursor, clip(a.what))
	return cursor
}

// head returns the commit that a branch points at.
func (c *client) head(t testing.TB, id, branch string) string {
	t.Helper()
	type named struct {
		Name     string `json:"name"`
		CommitID string `json:"commit_id"`
	}
	for _, b := range list[named](t, c, inRepository(id, "/branches"), 100) {
		if b.Name == branch {
			return b.CommitID
		}
	}
	t.Fatalf("%s has no branch %s", id, branch)
	return ""
}

// servesCommit returns nil if the catalog is that of the commit.
func (c *client) servesCommit(ctx context.Context, id, commitID string) error {
	a, err := c.try(ctx, "GET", catalogTarget(id, ""), nil)
	if err == nil && (a.status != http.StatusOK || a.header.Get("GitStore-Commit") != commitID) {
		err = fmt.Errorf("%s answers %d with commit %q, want %s", c.address, a.status, a.header.Get("GitStore-Commit"), commitID)
	}
	return err
}

// convergesTo waits until all replicas serve a commit.
func (c *cluster) convergesTo(t testing.TB, id, commitID string) {
	t.Helper()
	begin := time.Now()
	for _, replica := range c.replicas {
		converges(t, "the catalog stays behind", func() error { return replica.servesCommit(t.Context(), id, commitID) })
	}
	t.Logf("converged within %v", time.Since(begin))
}

var (
	priceLine = regexp.MustCompile(`(?m)^price: "(.*)"$`)
	editsLine = regexp.MustCompile(`(?m)^edits: (.*)$`)
)

// checkAgainstGit reads the file of a product at the commit that the catalog named, and compares the two.
func (c *client) checkAgainstGit(ctx context.Context, id string, a answer) (product, error) {
	var p product
	if a.status != http.StatusOK {
		return p, fmt.Errorf("%s: %d: %s", a.what, a.status, a.body)
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		return p, err
	}
	commitID := a.header.Get("GitStore-Commit")
	f, err := c.try(ctx, "GET", fileTarget(id, p.Path)+"?ref="+commitID, nil)
	if err != nil {
		return p, err
	}
	return p, p.compare(commitID, f)
}

func (p product) compare(commitID string, file answer) error {
	price, edits := priceLine.FindSubmatch(file.body), editsLine.FindSubmatch(file.body)
	if file.status != http.StatusOK || price == nil || edits == nil {
		return fmt.Errorf("%s at %s: %d: %s", p.Path, commitID, file.status, file.body)
	}
	if p.Price != string(price[1]) || fmt.Sprint(p.Fields.Edits) != string(edits[1]) ||
		!strings.HasSuffix(string(file.body), p.Body) || p.BlobID != blobOf(file.body) {
		return fmt.Errorf("at commit %s the catalog serves %+v of the file %s", commitID, p, file.body)
	}
	return nil
}

func blobOf(content []byte) string {
	return fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(content)), content...)))
}

// readers read products of a catalog on all replicas until they are told to end.
type readers struct {
	stop  chan struct{}
	group sync.WaitGroup
	mu    sync.Mutex
	reads int
	err   error
}

// startReaders starts a reader on each of the replicas. read makes one request and checks its answer.
func startReaders(t testing.TB, c *cluster, read func(ctx context.Context, replica *client, random *rand.Rand) error) *readers {
	t.Helper()
	r := &readers{stop: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	for i, replica := range c.replicas {
		r.group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for r.goesOn(read(ctx, replica, random)) {
				pause(ctx, 2*time.Millisecond)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		r.group.Wait()
	})
	return r
}

func (r *readers) goesOn(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	if r.err == nil {
		r.err = err
	}
	select {
	case <-r.stop:
		return false
	default:
		return r.err == nil
	}
}

// finish ends the readers and fails if an answer was wrong.
func (r *readers) finish(t testing.TB) {
	t.Helper()
	close(r.stop)
	r.group.Wait()
	require.NoError(t, r.err)
	require.Greater(t, r.reads, 10)
	t.Logf("%d answers were read and checked", r.reads)
}

// served is a read of any of the first products, which is answered with 200 whatever the git-service is at.
func served(id string, products int) func(context.Context, *client, *rand.Rand) error {
	return func(ctx context.Context, replica *client, random *rand.Rand) error {
		a, err := replica.try(ctx, "GET", productTarget(id, random.IntN(products)), nil)
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("%s: %d: %s", a.what, a.status, a.body)
		}
		return err
	}
}

// editors are writers of products: each of products of its own, through all replicas in turn.
type editors struct {
	cluster *cluster
	data    catalogdata.Catalog
	id      string
	// edits counts the edits of each product.
	edits []int
}

// edit makes the next edit of a product through a replica.
func (e *editors) edit(ctx context.Context, replica *client, i int) (answer, error) {
	e.edits[i]++
	a, err := replica.try(ctx, "PUT", fileTarget(e.id, e.data.ProductPath(i)), strings.NewReader(e.data.Product(i, e.edits[i])))
	if err == nil && a.status != http.StatusCreated {
		err = fmt.Errorf("%s: %d: %s", a.what, a.status, a.body)
	}
	return a, err
}

// run makes edits of all products in turn, by as many writers at once. It is called with products that the number of
// writers divides, so that no two writers have the same one.
func (e *editors) run(ctx context.Context, writers, each int) error {
	return inParallel(writers, writers, func(w int) error {
		for n := range each {
			i := (n*writers + w) % len(e.edits)
			if _, err := e.edit(ctx, e.cluster.replicas[(n+w)%len(e.cluster.replicas)], i); err != nil {
				return err
			}
		}
		return nil
	})
}

// requireProblems checks that each bad document has its problem, and nothing else has one.
func (c *client) requireProblems(t testing.TB, id string, bad int) {
	t.Helper()
	type documentProblem struct{ Path, Reason string }
	found := map[string][]string{}
	for _, p := range list[documentProblem](t, c, catalogTarget(id, "/problems"), 100) {
		found[p.Path] = append(found[p.Path], p.Reason)
	}
	want := map[string][]string{}
	for i := range bad {
		want[catalogdata.BadPath(i)] = []string{catalogdata.Wrongs[i%len(catalogdata.Wrongs)].Reason}
	}
	require.Equal(t, want, found)
}

func TestCatalogsOfReplicasAreThatOfGitWhileItIsEdited(t *testing.T) {
	const writers, edits, edited = 10, 1000, 100
	bad := 2 * len(catalogdata.Wrongs)
	data := catalogdata.New(1, catalogdata.Options{Bad: bad})
	c := startCluster(t, 3, "GITSTORE_CATALOGS=shop")
	watcher := watch(t, c.replicas[1], "?repository=shop&ref=refs/heads/main")
	c.createRepository(t, "shop")
	imported, _ := c.importCatalog(t, "shop", data)
	for _, replica := range c.replicas {
		eventually(t, "the catalog is not loaded", func() error { return replica.servesCommit(t.Context(), "shop", imported) })
		status := into[catalogStatus](t, replica.get(t, catalogTarget("shop", "")).wants(t, http.StatusOK))
		// A product in a category that does not exist is served.
		require.Equal(t, map[string]int{"Product": 9900 + bad/len(catalogdata.Wrongs), "Category": 200, "Collection": 100}, status.Counts)
		require.Equal(t, bad, status.Problems)
		replica.requireProblems(t, "shop", bad)
	}

	e := &editors{c, data, "shop", make([]int, edited)}
	latest := newProgress()
	r := startReaders(t, c, func(ctx context.Context, replica *client, random *rand.Rand) error {
		i := random.IntN(edited)
		a, err := replica.try(ctx, "GET", productTarget("shop", i), nil)
		if err != nil {
			return err
		}
		p, err := replica.checkAgainstGit(ctx, "shop", a)
		return errors.Join(err, latest.goesForward(replica.address, i, p.Fields.Edits, a))
	})
	for range 4 {
		require.NoError(t, e.run(t.Context(), writers, edits/writers/4))
		watcher.reconnect()
	}
	r.finish(t)
	readYourWrites(t, e)
	requireSameEverywhere(t, e)

	head := c.head(t, "shop", "main")
	watcher.waitFor(t, "refs/heads/main", head)
	moves := watcher.moves(t, "shop", "refs/heads/main")
	require.Equal(t, head, moves[len(moves)-1])
	latest.requireCursorsMissNothing(t, watcher.all(t))
	require.Greater(t, watcher.connections(), 1)
	t.Logf("%d moves of main were told over %d connections", len(moves), watcher.connections())
	c.requireRunning(t)
}

// progress remembers which edit of a product each replica served last, and which commit it served with which cursor.
type progress struct {
	mu      sync.Mutex
	edits   map[string]int
	answers map[[2]string]bool
}

func newProgress() *progress {
	return &progress{edits: map[string]int{}, answers: map[[2]string]bool{}}
}

// goesForward fails if a replica serves an older state than before.
func (p *progress) goesForward(replica string, i, edits int, a answer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[[2]string{a.header.Get("GitStore-Commit"), a.header.Get("GitStore-Cursor")}] = true
	key := fmt.Sprint(replica, "/", i)
	if edits < p.edits[key] {
		return fmt.Errorf("%s serves edit %d of product %d after edit %d", replica, edits, i, p.edits[key])
	}
	p.edits[key] = edits
	return nil
}

// requireCursorsMissNothing checks that the events behind the cursor of an answer told everything that it did not show.
func (p *progress) requireCursorsMissNothing(t testing.TB, messages []told) {
	t.Helper()
	byCursor, byCommit := map[string]int{}, map[string]int{}
	for i, m := range messages {
		if m.Type != typeHeartbeat {
			byCursor[m.Cursor], byCommit[m.Data.New] = i, i
		}
	}
	for a := range p.answers {
		require.Contains(t, byCommit, a[0])
		require.Contains(t, byCursor, a[1])
		require.GreaterOrEqual(t, byCommit[a[0]], byCursor[a[1]], "commit %s was served with the cursor %s, which is past what it shows", a[0], a[1])
	}
	t.Logf("%d pairs of commit and cursor were served", len(p.answers))
}

// readYourWrites checks that whoever gives the cursor of a write reads it at once, wherever they read.
func readYourWrites(t testing.TB, e *editors) {
	t.Helper()
	for n := range 30 {
		through, at := e.cluster.replicas[n%3], e.cluster.replicas[(n+1)%3]
		a, err := e.edit(t.Context(), through, n)
		require.NoError(t, err)
		got := into[product](t, at.get(t, productTarget(e.id, n)+"?min_cursor="+a.cursor(t)).wants(t, http.StatusOK))
		require.Equal(t, e.edits[n], got.Fields.Edits, "edits of product %d on another replica", n)
	}
}

// requireSameEverywhere checks that all replicas name the head and answer alike, with the last edit of each product.
func requireSameEverywhere(t testing.TB, e *editors) {
	t.Helper()
	e.cluster.convergesTo(t, e.id, e.cluster.head(t, e.id, "main"))
	require.NoError(t, inParallel(4, 200, func(n int) error {
		i := n
		if n >= len(e.edits) {
			i = n * 49 // one of the others
		}
		var first answer
		for _, replica := range e.cluster.replicas {
			a, err := replica.try(t.Context(), "GET", productTarget(e.id, i), nil)
			if err != nil {
				return err
			}
			p, err := replica.checkAgainstGit(t.Context(), e.id, a)
			if err != nil {
				return err
			}
			if first.body == nil {
				first = a
			}
			if i < len(e.edits) && p.Fields.Edits != e.edits[i] || string(a.body) != string(first.body) {
				return fmt.Errorf("%s serves %s, another %s", replica.address, a.body, first.body)
			}
		}
		return nil
	}))
}

func TestTheAPIServesItsCatalogOnceTheGitServiceIsThere(t *testing.T) {
	data := t.TempDir()
	before := newSystem(t, data)
	before.startGit(t)
	before.startAPI(t)
	before.waitReady(t)
	before.createRepository(t, "shop")
	imported, _ := before.importCatalog(t, "shop", smallCatalog(1))
	before.stop(t)

	s := newSystem(t, data, "GITSTORE_CATALOGS=shop")
	s.startAPI(t)
	eventually(t, "the API does not answer", func() error { return second(s.try(t.Context(), "GET", "/healthz", nil)) })
	for _, target := range []string{"/readyz", catalogTarget("shop", ""), productTarget("shop", 1)} {
		require.Equal(t, "CATALOG_NOT_LOADED", s.get(t, target).problem(t, http.StatusServiceUnavailable).Reason, target)
	}
	s.startGit(t)
	eventually(t, "the git-service is not ready", func() error { return s.gitAdmin.ready(t, s.git) })
	c := &cluster{s, []*client{s.client}, []*process{s.api}}
	c.convergesTo(t, "shop", imported)
	require.NoError(t, s.ready(t, s.api))
	watcher := watch(t, s.client, "?repository=shop")
	edited := s.commit(t, "shop", commit{Branch: "main", Message: "Edit", Actions: []action{upsert(smallCatalog(1).ProductPath(1), smallCatalog(1).Product(1, 1))}})
	watcher.waitFor(t, "refs/heads/main", edited.CommitID)
	c.convergesTo(t, "shop", edited.CommitID)
	s.stop(t)
}

func TestACatalogConvergesAfterABurstOfCommits(t *testing.T) {
	const writers, commits = 20, 300
	data := catalogdata.New(1, catalogdata.Options{Products: 500, Categories: 20, Collections: 5})
	c := startCluster(t, 2, "GITSTORE_CATALOGS=shop")
	watcher := watch(t, c.replicas[1], "?repository=shop")
	c.createRepository(t, "shop")
	imported, _ := c.importCatalog(t, "shop", data)
	c.convergesTo(t, "shop", imported)
	r := startReaders(t, c, served("shop", 500))
	e := &editors{c, data, "shop", make([]int, 100)}
	require.NoError(t, e.run(t.Context(), writers, commits/writers))
	head := c.head(t, "shop", "main")
	c.convergesTo(t, "shop", head)
	r.finish(t)
	for i, edits := range e.edits {
		p, err := c.checkAgainstGit(t.Context(), "shop", c.replicas[i%2].get(t, productTarget("shop", i)))
		require.NoError(t, err)
		require.Equal(t, edits, p.Fields.Edits)
	}
	watcher.waitFor(t, "refs/heads/main", head)
	require.Len(t, watcher.moves(t, "shop", "refs/heads/main"), commits+1)
	c.requireRunning(t)
}

func TestACatalogIsThatOfARepositoryThatCameAnew(t *testing.T) {
	c := startCluster(t, 2, "GITSTORE_CATALOGS=shop")
	watcher := watch(t, c.replicas[1], "?repository=shop")
	c.createRepository(t, "shop")
	imported, _ := c.importCatalog(t, "shop", smallCatalog(1))
	c.convergesTo(t, "shop", imported)

	for range 3 {
		c.call(t, "DELETE", inRepository("shop", ""), nil).wants(t, http.StatusNoContent)
		for _, replica := range c.replicas {
			converges(t, "the catalog is served after its repository", func() error {
				if a := replica.get(t, productTarget("shop", 1)); a.status != http.StatusNotFound {
					return fmt.Errorf("%d: %s", a.status, a.body)
				}
				return nil
			})
		}
		c.createRepository(t, "shop")
		again, _ := c.importCatalog(t, "shop", smallCatalog(2))
		c.convergesTo(t, "shop", again)
		// Without a pause nobody may be told of the state between.
		c.call(t, "DELETE", inRepository("shop", ""), nil).wants(t, http.StatusNoContent)
		c.createRepository(t, "shop")
		again, _ = c.importCatalog(t, "shop", smallCatalog(1))
		c.convergesTo(t, "shop", again)
	}
	require.Equal(t, slices.Concat([]string{"created", "moved"}, slices.Repeat([]string{"deleted", "created", "moved"}, 6)), watcher.lives(t, 7))
	c.requireRunning(t)
}

// lives waits for the beginnings of a number of repositories of one id, and returns what happened to them in order.
func (w *watcher) lives(t *testing.T, n int) (lives []string) {
	t.Helper()
	names := map[string]string{typeRepositoryCreated: "created", typeRepositoryDeleted: "deleted", typeRefUpdated: "moved"}
	eventually(t, "changes are not told", func() error {
		lives = nil
		for _, m := range w.all(t) {
			if name, ok := names[m.Type]; ok {
				lives = append(lives, name)
			}
		}
		if len(lives) < 3*n-1 {
			return fmt.Errorf("%d of them are", len(lives))
		}
		return nil
	})
	return lives
}

func TestALiveCatalogFollowsTheHighestRelease(t *testing.T) {
	data := smallCatalog(1)
	c := startCluster(t, 2, "GITSTORE_CATALOGS=shop@live")
	c.createRepository(t, "shop")
	first, _ := c.importCatalog(t, "shop", data)
	c.get(t, catalogTarget("shop", "")).wants(t, http.StatusNotFound)
	c.tag(t, "shop", "v1.0.0", first)
	c.convergesTo(t, "shop", first)
	r := startReaders(t, c, served("shop", 60))

	edit := func(edits int) string {
		return c.commit(t, "shop", commit{Branch: "main", Message: "Edit", Actions: []action{upsert(data.ProductPath(1), data.Product(1, edits))}}).CommitID
	}
	second, third := edit(1), edit(2)
	c.tag(t, "shop", "v0.9.0", third)
	c.tag(t, "shop", "v2.0.0-rc.1", third)
	cursor := c.tag(t, "shop", "v0.9.1", third)
	c.requireRelease(t, cursor, first, "1.0.0", 0)

	cursor = c.tag(t, "shop", "v1.1.0", second)
	c.requireRelease(t, cursor, second, "1.1.0", 1)
	cursor = c.call(t, "DELETE", inRepository("shop", "/tags/v1.1.0"), nil).wants(t, http.StatusNoContent).cursor(t)
	c.requireRelease(t, cursor, first, "1.0.0", 0)
	for _, replica := range c.replicas {
		moved := into[catalogStatus](t, replica.get(t, catalogTarget("shop", "")).wants(t, http.StatusOK)).Moved
		require.NotNil(t, moved)
		require.Equal(t, "v1.1.0", moved.Tag)
	}
	r.finish(t)
	c.requireRunning(t)
}

// tag creates a tag and returns the cursor behind it.
func (c *client) tag(t testing.TB, id, name, target string) string {
	t.Helper()
	body := map[string]string{"name": name, "target": target, "message": "Release " + name}
	return c.post(t, inRepository(id, "/tags"), body).wants(t, http.StatusCreated).cursor(t)
}

// requireRelease checks that who has seen the cursor is served a release, with its edits of product 1, by all replicas.
func (c *cluster) requireRelease(t testing.TB, cursor, commitID, version string, edits int) {
	t.Helper()
	for _, replica := range c.replicas {
		a := replica.get(t, catalogTarget("shop", "?min_cursor="+cursor)).wants(t, http.StatusOK)
		require.Equal(t, commitID, a.header.Get("GitStore-Commit"))
		require.Equal(t, version, into[catalogStatus](t, a).Release)
		p, err := replica.checkAgainstGit(t.Context(), "shop", replica.get(t, productTarget("shop", 1)))
		require.NoError(t, err)
		require.Equal(t, edits, p.Fields.Edits)
	}
}
