package e2e

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/env"
)

// acknowledged is a request that was answered with a commit.
type acknowledged struct {
	repository, commitID string
	request              commit
}

// oracle remembers what was acknowledged, and only that.
type oracle struct {
	mu   sync.Mutex
	acks []acknowledged
}

func (o *oracle) add(a acknowledged) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.acks = append(o.acks, a)
}

func (o *oracle) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.acks)
}

func (o *oracle) all() []acknowledged {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.acks)
}

// writer makes one commit after the other, each of files of its own, and repeats each until it is acknowledged.
type writer struct {
	system     *system
	oracle     *oracle
	repository string
	name       string
	random     *rand.Rand
	// excuses reports whether an answer that is no success may be repeated just now, besides those that always may.
	excuses func(answer) bool
}

func newUUID(r *rand.Rand) string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x",
		r.Uint32(), r.Uint32N(1<<16), r.Uint32N(1<<12), r.Uint32N(1<<12), r.Uint64N(1<<48))
}

// request returns a commit that would make a second commit if it were made twice.
func (w *writer) request(i int) commit {
	body := commit{Branch: "main", RequestID: newUUID(w.random), AllowEmpty: true}
	body.Message = body.RequestID
	for f := range 1 + w.random.IntN(5) {
		content := body.RequestID
		if w.random.IntN(32) == 0 {
			content += w.noise(800 << 10)
		}
		body.Actions = append(body.Actions, upsert(fmt.Sprintf("%s/%d/%d.txt", w.name, i, f), content))
	}
	return body
}

// noise returns text that does not compress well, and so does not go the way of small files.
func (w *writer) noise(size int) string {
	b := make([]byte, size/2)
	for i := range b {
		b[i] = byte(w.random.Uint32())
	}
	return hex.EncodeToString(b)
}

// run writes until stop is closed, or fails.
func (w *writer) run(ctx context.Context, stop <-chan struct{}) error {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		body := w.request(i)
		result, err := w.insist(ctx, body)
		if err != nil {
			return err
		}
		w.oracle.add(acknowledged{w.repository, result.CommitID, body})
		if w.random.IntN(4) > 0 {
			continue
		}
		again, err := w.insist(ctx, body)
		if err != nil {
			return err
		}
		if again.CommitID != result.CommitID || !again.Replayed {
			return fmt.Errorf("the retry of a request answered %s was answered %+v", result.CommitID, again)
		}
	}
}

// insist sends a request until it is answered with a commit. Meanwhile the only answers allowed are those that tell the
// client to come again.
func (w *writer) insist(ctx context.Context, body commit) (result commitResult, err error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		a, err := w.system.tryCommit(ctx, w.repository, body)
		switch {
		case err != nil:
			return result, err
		case a.status == http.StatusCreated || a.status == http.StatusOK:
			return result, json.Unmarshal(a.body, &result)
		case a.status == http.StatusConflict:
			refused := &refusal{}
			if err := json.Unmarshal(a.body, &refused.problem); err != nil {
				return result, err
			}
			return result, refused
		case a.status != http.StatusServiceUnavailable && a.status != http.StatusGatewayTimeout && (w.excuses == nil || !w.excuses(a)):
			return result, fmt.Errorf("a commit was answered %d: %s", a.status, a.body)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return result, ctx.Err()
		}
	}
}

// refusal is the answer to a commit whose condition does not hold.
type refusal struct{ problem problem }

func (r *refusal) Error() string { return "a commit was refused: " + r.problem.Detail }

func (c *client) tryCommit(ctx context.Context, repository string, body commit) (answer, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return answer{}, err
	}
	return c.try(ctx, "POST", inRepository(repository, "/commits"), bytes.NewReader(b))
}

// verify holds the repositories to the oracle: every acknowledged commit is in the history of its branch, once, with
// its files, and every repository is sound.
func (o *oracle) verify(t *testing.T, s *system) {
	t.Helper()
	perRepository := map[string]map[string][]string{} // repository, message, commits
	for _, ack := range o.acks {
		made := perRepository[ack.repository]
		if made == nil {
			history := s.history(t, ack.repository)
			requireLinear(t, history)
			made = map[string][]string{}
			for _, c := range history {
				message := string(bytes.TrimSpace([]byte(c.Message)))
				made[message] = append(made[message], c.CommitID)
			}
			perRepository[ack.repository] = made
		}
		require.Equal(t, []string{ack.commitID}, made[ack.request.Message], "commits of the request %s", ack.request.RequestID)
	}
	for repository, made := range perRepository {
		for message, commits := range made {
			require.Len(t, commits, 1, "commits of the request %s in %s", message, repository)
		}
	}
	require.NoError(t, inParallel(8, len(o.acks), func(i int) error { return o.acks[i].verifyFiles(t.Context(), s) }))
	for _, dir := range repositoryDirs(t, s.data) {
		// Repacking, which may be under way, takes packs away from under fsck.
		eventually(t, "a repository is not sound", func() error { return fsck(dir) })
	}
}

func (ack acknowledged) verifyFiles(ctx context.Context, s *system) error {
	for _, f := range ack.request.Actions {
		a, err := s.try(ctx, "GET", fileTarget(ack.repository, f.Path), nil)
		if err != nil {
			return err
		}
		if a.status != http.StatusOK || string(a.body) != *f.Content {
			return fmt.Errorf("%s in %s: %d: %s", f.Path, ack.repository, a.status, a.body)
		}
	}
	return nil
}

// load is writers at work.
type load struct {
	oracle *oracle
	stop   chan struct{}
	ended  chan error
	n      int
}

// startLoad starts writers on each of the repositories, which it creates.
func startLoad(t *testing.T, s *system, seed uint64, repositories, writersEach int) *load {
	t.Helper()
	l := &load{oracle: &oracle{}, stop: make(chan struct{}), ended: make(chan error, repositories*writersEach)}
	for r := range repositories {
		id := fmt.Sprintf("shop-%d", r)
		s.createRepository(t, id)
		for i := range writersEach {
			w := &writer{
				system: s, oracle: l.oracle, repository: id, name: fmt.Sprintf("writer-%d", i),
				random: rand.New(rand.NewPCG(seed, uint64(l.n))),
			}
			l.n++
			go func() { l.ended <- w.run(t.Context(), l.stop) }()
		}
	}
	return l
}

// finish lets the writers end what they are at, and fails if one of them failed.
func (l *load) finish(t *testing.T) {
	t.Helper()
	close(l.stop)
	for range l.n {
		select {
		case err := <-l.ended:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Fatal("a writer does not end")
		}
	}
}

// failed returns the error of a writer that gave up.
func (l *load) failed() error {
	select {
	case err := <-l.ended:
		return fmt.Errorf("a writer ended: %w", err)
	default:
		return nil
	}
}

func TestKillAndRestart(t *testing.T) {
	rounds := env.Number(t, "ROUNDS", 10)
	seed := env.Number(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d ROUNDS=%d", seed, rounds)
	random := rand.New(rand.NewPCG(seed, seed))

	s := startSystem(t)
	load := startLoad(t, s, seed, 4, 4)
	for round := range rounds {
		moment := time.Duration(50+random.IntN(600)) * time.Millisecond
		withChildren := round%2 == 1
		killAt(t, s, random, moment, withChildren)
		require.NoError(t, load.failed())
		t.Logf("round %d: killed after %v, children too: %t; %d commits acknowledged", round, moment, withChildren, load.oracle.count())
	}
	load.finish(t)
	require.Greater(t, load.oracle.count(), int(rounds))
	require.Empty(t, leftovers(t, s.data))
	load.oracle.verify(t, s)
	s.stop(t)
}

// killAt lets the git-service work for a while, kills it and, if asked, its children in the middle of whatever they are
// doing, starts it again, and checks that everything is as it should be without anybody's help.
func killAt(t *testing.T, s *system, random *rand.Rand, moment time.Duration, withChildren bool) {
	t.Helper()
	select {
	case <-time.After(moment):
	case <-t.Context().Done():
	}
	before := processesBelow(t, s.data)
	s.git.kill()
	if withChildren {
		for pid := range before {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	s.startGit(t)
	s.waitReady(t)
	for _, id := range repositoryIDs(t, s) {
		s.commit(t, id, commit{Branch: "main", Message: "Write at once: " + newUUID(random), AllowEmpty: true})
	}
	eventually(t, "children of the killed process live on", func() error {
		now := processesBelow(t, s.data)
		maps.DeleteFunc(now, func(pid int, _ string) bool { return before[pid] == "" })
		if len(now) > 0 {
			return fmt.Errorf("%v", slices.Collect(maps.Values(now)))
		}
		return nil
	})
}

func repositoryIDs(t *testing.T, s *system) []string {
	t.Helper()
	type repository struct {
		ID string `json:"id"`
	}
	var ids []string
	for _, r := range list[repository](t, s.client, "/v1/repositories", 100) {
		ids = append(ids, r.ID)
	}
	return ids
}
