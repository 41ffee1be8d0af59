package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/env"
)

// claims are what refs and repositories were last acknowledged to be.
type claims struct {
	mu    sync.Mutex
	refs  map[refKey]string // the object id, "" for a ref that was deleted
	repos map[string]bool   // whether it is there
	n     int
}

type refKey struct{ repository, ref string }

func newClaims() *claims { return &claims{refs: map[refKey]string{}, repos: map[string]bool{}} }

// begin forgets what is about to change: until that is acknowledged, it may be as before or as after.
func (c *claims) begin(key refKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if key.ref == "" {
		delete(c.repos, key.repository)
	} else {
		delete(c.refs, key)
	}
}

// acknowledged says what a ref is now, or whether a repository whose ref is "" is there.
func (c *claims) acknowledged(key refKey, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	if key.ref == "" {
		c.repos[key.repository] = id != ""
	} else {
		c.refs[key] = id
	}
}

func (c *claims) copyTo(refs map[refKey]string, repos map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(refs, c.refs)
	maps.Copy(repos, c.repos)
}

func (c *claims) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// refWriter makes, moves and deletes branches, tags, releases, policies and repositories of its own, one after the other, and repeats
// each call until it is acknowledged.
type refWriter struct {
	writer
	claims *claims
	// root is a commit of the repository.
	root string
	// clone is a repository of the writer's own, for what it pushes.
	clone string
}

func newRefWriter(t testing.TB, w writer, c *claims, root string) *refWriter {
	t.Helper()
	clone := t.TempDir()
	git(t, clone, "init", "--quiet", "--bare")
	return &refWriter{w, c, root, clone}
}

// run writes until stop is closed, or fails.
func (w *refWriter) run(ctx context.Context, stop <-chan struct{}) error {
	for i := 0; ; i++ {
		for _, step := range []func(context.Context, int) error{w.tag, w.branch, w.release, w.policy, w.push, w.ownRepository} {
			select {
			case <-stop:
				return nil
			default:
			}
			if err := step(ctx, i); err != nil {
				return err
			}
		}
	}
}

// tag creates a tag, an annotated one every other time, and deletes every third.
func (w *refWriter) tag(ctx context.Context, i int) error {
	name := fmt.Sprintf("%s-%d", w.name, i)
	body := map[string]string{"name": name, "target": w.root}
	if i%2 == 1 {
		body["message"] = "Tag " + name
	}
	key := refKey{w.repository, "refs/tags/" + name}
	a, err := w.change(ctx, key, "POST", inRepository(w.repository, "/tags"), body)
	if err != nil {
		return err
	}
	w.claims.acknowledged(key, a.ObjectID)
	if i%3 > 0 {
		return nil
	}
	return w.remove(ctx, key, inRepository(w.repository, "/tags/"+name))
}

// branch creates a branch, commits to it, and deletes every other one.
func (w *refWriter) branch(ctx context.Context, i int) error {
	name := fmt.Sprintf("%s/%d", w.name, i)
	key := refKey{w.repository, "refs/heads/" + name}
	a, err := w.change(ctx, key, "POST", inRepository(w.repository, "/branches"), map[string]string{"name": name, "target": w.root})
	if err != nil {
		return err
	}
	w.claims.acknowledged(key, a.ObjectID)

	w.claims.begin(key)
	body := w.request(i)
	body.Branch = name
	made, err := w.insist(ctx, body)
	if err != nil {
		return err
	}
	w.claims.acknowledged(key, made.CommitID)
	if i%2 > 0 {
		return nil
	}
	return w.remove(ctx, key, inRepository(w.repository, "/branches/"+name))
}

// release commits a document to a branch of its own and releases that commit at once.
func (w *refWriter) release(ctx context.Context, i int) error {
	name := w.name + "-released"
	branch := refKey{w.repository, "refs/heads/" + name}
	if i == 0 {
		a, err := w.change(ctx, branch, "POST", inRepository(w.repository, "/branches"), map[string]string{"name": name, "target": w.root})
		if err != nil {
			return err
		}
		w.claims.acknowledged(branch, a.ObjectID)
	}
	version := fmt.Sprintf("1.%d.0", i)
	tag := refKey{w.repository, "refs/tags/v" + version}
	w.claims.begin(branch)
	a, err := w.change(ctx, tag, "POST", inRepository(w.repository, "/releases"), map[string]any{
		"version": version, "branch": name, "request_id": newUUID(w.random), "changes": []any{map[string]any{
			"action": "put", "kind": "Category", "id": "released", "document": map[string]string{"slug": "released", "title": "Release " + version},
		}},
	})
	if err != nil {
		return err
	}
	if a.CommitID == "" {
		return fmt.Errorf("the answer to the release %s names no commit", version)
	}
	w.claims.acknowledged(tag, a.ObjectID)
	w.claims.acknowledged(branch, a.CommitID)
	return nil
}

// policyRef stands among refs for the policy of a repository, which is known by the branch that it validates.
const policyRef = "policy"

// policy gives the repository a policy, and takes every third away.
func (w *refWriter) policy(ctx context.Context, i int) error {
	key := refKey{w.repository, policyRef}
	target := inRepository(w.repository, "/policy")
	branch := fmt.Sprintf("%s/%d", w.name, i)
	body := map[string]any{"validation": "warn", "validated_branches": []string{branch}}
	if _, err := w.change(ctx, key, "PUT", target, body); err != nil {
		return err
	}
	w.claims.acknowledged(key, branch)
	if i%3 > 0 {
		return nil
	}
	return w.remove(ctx, key, target)
}

// policyOf returns what stands for the policy of a repository, "" if it has none.
func policyOf(dir string) (string, error) {
	var metadata struct {
		Policy struct {
			ValidatedBranches []string `json:"validated_branches"`
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "gitstore.json"))
	if err == nil {
		err = json.Unmarshal(b, &metadata)
	}
	return strings.Join(metadata.Policy.ValidatedBranches, ","), err
}

// push pushes a commit to a branch and a tag of its own at once, every other time.
func (w *refWriter) push(ctx context.Context, i int) error {
	if i%2 > 0 {
		return nil
	}
	commit, err := w.commitInClone(i)
	if err != nil {
		return err
	}
	branch := refKey{w.repository, "refs/heads/" + w.name + "-pushed"}
	tag := refKey{w.repository, fmt.Sprintf("refs/tags/%s-pushed-%d", w.name, i)}
	w.claims.begin(branch)
	w.claims.begin(tag)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := tryGit(w.clone, "push", "--quiet", "--atomic", "http://"+w.system.address+"/git/"+w.repository+".git", "+"+commit+":"+branch.ref, commit+":"+tag.ref)
		if err == nil {
			break
		}
		// git tells a service that it cannot reach, or that says 503, from one that refuses.
		if said := err.Error(); strings.Contains(said, "[rejected]") || strings.Contains(said, "[remote rejected]") && !w.excuses(answer{status: http.StatusInternalServerError}) {
			return fmt.Errorf("a push was refused: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.claims.acknowledged(branch, commit)
	w.claims.acknowledged(tag, commit)
	return nil
}

// commitInClone makes a commit without a parent, of a file of its own.
func (w *refWriter) commitInClone(i int) (string, error) {
	file := filepath.Join(w.clone, "content")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%s %d", w.name, i), 0o600); err != nil {
		return "", err
	}
	blob, err := tryGit(w.clone, "hash-object", "-w", file)
	if err != nil {
		return "", err
	}
	index := filepath.Join(w.clone, "index")
	if err := os.RemoveAll(index); err != nil {
		return "", err
	}
	if _, err := tryGit(w.clone, "update-index", "--add", "--cacheinfo", "100644,"+blob+",pushed/"+w.name); err != nil {
		return "", err
	}
	tree, err := tryGit(w.clone, "write-tree")
	if err != nil {
		return "", err
	}
	return tryGit(w.clone, "commit-tree", "-m", fmt.Sprintf("Push %d", i), tree)
}

// ownRepository creates a repository now and then, commits to it, and deletes every other one.
func (w *refWriter) ownRepository(ctx context.Context, i int) error {
	if i%4 > 0 {
		return nil
	}
	id := fmt.Sprintf("%s-%s-%d", w.repository, w.name, i)
	if _, err := w.change(ctx, refKey{id, ""}, "POST", "/v1/repositories", map[string]string{"id": id}); err != nil {
		return err
	}
	w.claims.acknowledged(refKey{id, ""}, id)
	owner := w.writer
	owner.repository = id
	key := refKey{id, "refs/heads/main"}
	made, err := owner.insist(ctx, w.request(i))
	if err != nil {
		return err
	}
	w.claims.acknowledged(key, made.CommitID)
	if i%8 > 0 {
		return nil
	}
	w.claims.begin(key)
	return w.remove(ctx, refKey{id, ""}, inRepository(id, ""))
}

func (w *refWriter) remove(ctx context.Context, key refKey, target string) error {
	if _, err := w.change(ctx, key, "DELETE", target, nil); err != nil {
		return err
	}
	w.claims.acknowledged(key, "")
	return nil
}

// outcome is what the answer to a change says of it.
type outcome struct {
	// ObjectID is where the ref is; it is not told of what is no ref.
	ObjectID string
	// CommitID is the commit that it leads to, as far as the answer has one.
	CommitID string
}

// change sends a request until it is answered that what it asks for was done. The first answer may have been lost: of a
// repeated call it is an answer as well that there is nothing left to do.
func (w *refWriter) change(ctx context.Context, key refKey, method, target string, body any) (outcome, error) {
	w.claims.begin(key)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return outcome{}, err
		}
	}
	for repeated := false; ; repeated = true {
		a, err := w.system.try(ctx, method, target, bytes.NewReader(sent))
		if err != nil {
			return outcome{}, err
		}
		if out, done := changeOf(a, repeated); done {
			return out, nil
		}
		if a.status != http.StatusServiceUnavailable && a.status != http.StatusGatewayTimeout && !w.excuses(a) {
			return outcome{}, fmt.Errorf("%s %s was answered %d: %s", method, target, a.status, a.body)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return outcome{}, ctx.Err()
		}
	}
}

func changeOf(a answer, repeated bool) (outcome, bool) {
	var body struct {
		CommitID string            `json:"commit_id"`
		TargetID string            `json:"target_id"`
		Reason   string            `json:"reason"`
		Metadata map[string]string `json:"metadata"`
	}
	_ = json.Unmarshal(a.body, &body) // a deletion is answered with nothing
	switch {
	case a.status == http.StatusOK, a.status == http.StatusNoContent, repeated && a.status == http.StatusNotFound:
		return outcome{}, true
	case a.status == http.StatusCreated && body.TargetID != "":
		return outcome{body.TargetID, body.CommitID}, true
	case a.status == http.StatusCreated:
		return outcome{body.CommitID, body.CommitID}, true
	case repeated && (body.Reason == "REF_EXISTS" || body.Reason == "REPOSITORY_EXISTS"):
		return outcome{ObjectID: body.Metadata["actual"]}, true
	}
	return outcome{}, false
}

// everything is a system on a machine whose power can be cut, and writers that use all that it offers.
type everything struct {
	*system
	machine *machine
	oracle  *oracle
	claims  *claims
	// dark is set while the power is cut.
	dark  atomic.Bool
	ended chan error
	stop  chan struct{}
	n     int
}

// startEverything starts writers on each of some repositories. They end with ctx, or when they are told to.
func startEverything(ctx context.Context, t *testing.T, seed uint64, repositories int, settings ...string) *everything {
	t.Helper()
	m := newMachine(t)
	ids := make([]string, repositories)
	for r := range ids {
		ids[r] = fmt.Sprintf("shop-%d", r)
	}
	e := &everything{
		system: newSystem(t, m.dir+"/data", "GITSTORE_CATALOGS="+strings.Join(ids, ",")), machine: m, oracle: &oracle{}, claims: newClaims(),
		ended: make(chan error, 100), stop: make(chan struct{}),
	}
	m.runs(t, e.system, settings...)
	e.startGit(t)
	e.startAPI(t)
	e.waitReady(t)
	for _, id := range ids {
		e.createRepository(t, id)
		root := e.commit(t, id, commit{Branch: "main", Message: "Begin", AllowEmpty: true}).CommitID
		for i := range 8 {
			w := writer{
				system: e.system, oracle: e.oracle, repository: id, name: fmt.Sprintf("writer-%d", i),
				random: rand.New(rand.NewPCG(seed, uint64(e.n))), excuses: e.excuses,
			}
			e.n++
			run := w.run
			if i == 0 {
				run = newRefWriter(t, w, e.claims, root).run
			}
			go func() { e.ended <- run(ctx, e.stop) }()
		}
	}
	return e
}

// excuses allows failures of the storage while it is gone.
func (e *everything) excuses(a answer) bool {
	return e.dark.Load() && a.status == http.StatusInternalServerError
}

func (e *everything) count() int { return e.oracle.count() + e.claims.count() }

// writeUntil waits until n writes were acknowledged in all.
func (e *everything) writeUntil(t *testing.T, n int) {
	t.Helper()
	eventually(t, "too few writes are acknowledged", func() error {
		select {
		case err := <-e.ended:
			t.Fatalf("a writer ended: %v", err)
		default:
		}
		if e.count() < n {
			return fmt.Errorf("%d, want %d", e.count(), n)
		}
		return nil
	})
}

// cutPower cuts the power of the machine and starts it again, with nothing running on it yet.
func (e *everything) cutPower(t *testing.T) {
	t.Helper()
	e.dark.Store(true)
	e.machine.cut(t)
	e.git.kill()
	e.machine.unmount(t)
	e.machine.boot(t)
}

// losses holds what is on the volume, on which nothing runs, to what was acknowledged.
func (e *everything) losses(t *testing.T) []string {
	t.Helper()
	acks, refs, repos := e.oracle.all(), map[refKey]string{}, map[string]bool{}
	e.claims.copyTo(refs, repos)
	var losses lossList
	for id, there := range repos {
		if _, err := os.Stat(repositoryDir(e.data, id)); there != (err == nil) {
			losses.add("repository %s is there: %t, acknowledged: %t", id, err == nil, there)
		}
	}
	commits := map[string][]string{}
	for _, ack := range acks {
		commits[ack.repository] = append(commits[ack.repository], ack.commitID)
	}
	for key := range refs {
		commits[key.repository] = append(commits[key.repository], nil...)
	}
	ids := slices.Sorted(maps.Keys(commits))
	require.NoError(t, inParallel(4, len(ids), func(i int) error {
		e.lossesOf(ids[i], commits[ids[i]], refs, &losses)
		return nil
	}))
	return losses.all
}

type lossList struct {
	mu  sync.Mutex
	all []string
}

func (l *lossList) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf(format, args...))
}

func (e *everything) lossesOf(id string, commits []string, claimed map[refKey]string, losses *lossList) {
	dir := repositoryDir(e.data, id)
	refs, err := refsOf(dir)
	if err != nil {
		losses.add("%s: the refs cannot be read: %v", id, err)
		return
	}
	if refs[policyRef], err = policyOf(dir); err != nil {
		losses.add("%s: the policy cannot be read: %v", id, err)
	}
	for key, want := range claimed {
		if key.repository == id && refs[key.ref] != want {
			losses.add("%s: %s is at %q, acknowledged: %q", id, key.ref, refs[key.ref], want)
		}
	}
	if len(commits) > 0 {
		history, err := tryGit(dir, "rev-list", "refs/heads/main")
		if err != nil {
			losses.add("%s: the history cannot be read: %v", id, err)
		}
		there := map[string]bool{}
		for commit := range strings.Lines(history) {
			there[strings.TrimSpace(commit)] = true
		}
		for _, commit := range commits {
			if !there[commit] {
				losses.add("%s: commit %s is not on main", id, commit)
			}
		}
	}
	if err := fsck(dir); err != nil {
		losses.add("%s: %v", id, err)
	}
}

// refsOf returns the branches and tags of a repository with what they point at.
func refsOf(dir string) (map[string]string, error) {
	said, err := tryGit(dir, "for-each-ref", "--format=%(refname) %(objectname)")
	refs := map[string]string{}
	for line := range strings.Lines(said) {
		name, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		refs[name] = id
	}
	return refs, err
}

// fsck returns nil if a repository is sound.
func fsck(dir string) error {
	said, err := tryGit(dir, "fsck", "--strict", "--full", "--no-dangling", "--no-progress")
	if err == nil && said != "" {
		err = errors.New(said)
	}
	if err != nil {
		return fmt.Errorf("git fsck: %w", err)
	}
	return nil
}

// tryGit is git for repositories that may be damaged.
func tryGit(dir string, args ...string) (string, error) {
	var said, complaints bytes.Buffer
	cmd := exec.Command("git", append([]string{"--git-dir=" + dir}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = gitClientEnv, &said, &complaints
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s%s", err, said.Bytes(), complaints.Bytes())
	}
	return strings.TrimSpace(said.String()), nil
}

// TestPowerCut cuts the power ROUNDS times while everything is written to, after 200 writes each. Whatever was acknowledged
// has to be there, whole, and told.
func TestPowerCut(t *testing.T) {
	rounds := int(env.Number(t, "ROUNDS", 5))
	seed := env.Number(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d ROUNDS=%d", seed, rounds)
	random := rand.New(rand.NewPCG(seed, seed))
	e := startEverything(t.Context(), t, seed, 3)
	watcher := watch(t, e.client, "")
	for round := range rounds {
		e.writeUntil(t, 200*(round+1)+random.IntN(50))
		pause(t.Context(), time.Duration(random.IntN(100))*time.Millisecond)
		e.cutPower(t)
		n := e.count()
		require.Empty(t, e.losses(t), "what a power cut lost")
		e.startGit(t)
		e.waitReady(t)
		e.dark.Store(false)
		t.Logf("round %d: %d writes acknowledged, none lost", round, n)
	}
	close(e.stop)
	for range e.n {
		require.NoError(t, <-e.ended)
	}
	e.oracle.verify(t, e.system)
	eventually(t, "not all changes are told", func() error { return watcher.knows(t, e.data) })
	e.system.stop(t)
	require.Empty(t, e.losses(t))
	require.GreaterOrEqual(t, e.count(), 200*rounds)
}

// TestPowerCutWithoutSyncsLoses tests the method of TestPowerCut: it has to find out that nothing is put on the disk.
func TestPowerCutWithoutSyncsLoses(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := startEverything(ctx, t, 1, 2, machineWithoutSyncs+"=1")
	e.machine.sync(t)
	e.writeUntil(t, 100)
	e.cutPower(t)
	cancel()
	for range e.n {
		require.Error(t, <-e.ended, "a writer ends although it is not told to")
	}
	losses := e.losses(t)
	require.NotEmpty(t, losses, "nothing is lost without syncs: cutting the power tests nothing")
	t.Logf("%d losses of %d writes, the first: %s", len(losses), e.count(), losses[0])
}

// knows returns nil if the messages so far lead to the refs that are on the disk, of all repositories or only of those that
// are named.
func (w *watcher) knows(t *testing.T, data string, repositories ...string) error {
	t.Helper()
	told, resync := map[refKey]string{}, map[refKey]string{}
	for _, m := range w.all(t) {
		id := strings.TrimPrefix(m.Source, "/repositories/")
		switch m.Type {
		case typeResync:
			for _, repo := range m.Data.Repositories {
				for _, ref := range repo.Refs {
					resync[refKey{repo.Repository, ref.Ref}] = ref.ID
				}
			}
			if m.Data.Last {
				told, resync = resync, map[refKey]string{}
			}
		case typeRepositoryDeleted:
			maps.DeleteFunc(told, func(k refKey, _ string) bool { return k.repository == id })
		case typeRefUpdated:
			told[refKey{id, m.Subject}] = m.Data.New
		}
	}
	maps.DeleteFunc(told, func(_ refKey, id string) bool { return strings.Trim(id, "0") == "" })
	actual, err := allRefs(t, data)
	if len(repositories) > 0 {
		maps.DeleteFunc(actual, func(k refKey, _ string) bool { return !slices.Contains(repositories, k.repository) })
	}
	if err != nil || maps.Equal(told, actual) {
		return err
	}
	return fmt.Errorf("told of %d refs, there are %d", len(told), len(actual))
}

// allRefs returns the branches and tags of all repositories below a data directory.
func allRefs(t *testing.T, data string) (map[refKey]string, error) {
	t.Helper()
	all := map[refKey]string{}
	for _, dir := range repositoryDirs(t, data) {
		var repository struct{ ID string }
		b, err := os.ReadFile(dir + "/gitstore.json")
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(b, &repository); err != nil {
			return nil, err
		}
		refs, err := refsOf(dir)
		if err != nil {
			return nil, err
		}
		for ref, id := range refs {
			all[refKey{repository.ID, ref}] = id
		}
	}
	return all, nil
}
