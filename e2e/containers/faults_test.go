package containers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/gitstoretest"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
	"github.com/gitstore-dev/gitstore/internal/testkit/env"
	"github.com/gitstore-dev/gitstore/internal/testkit/faultproxy"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// Replicas 0 and 1 reach the git-service through a fault proxy each, replica 2 over the network of the containers.
const (
	allReplicas    = 3
	linkedReplicas = 2
	dataSize       = 512 << 20
)

// storm is a GitStore under load, to which faults are done one after the other.
type storm struct {
	*gitstoretest.GitStore
	t        *testing.T
	random   *rand.Rand
	links    [linkedReplicas]link
	load     *load
	replicas []*replica
	watchers []*watcher
	// probes counts the edits of the products that only probes edit.
	probes int

	struck map[string]int
	// slowest is the longest time from the end of a fault to recovery.
	slowest gap
}

// link is the way of one replica to the git-service.
type link struct {
	grpc, events *faultproxy.Proxy
}

func (l link) set(f faultproxy.Fault) {
	l.grpc.Set(f)
	l.events.Set(f)
}

func (l link) cut() {
	l.grpc.Cut()
	l.events.Cut()
}

func startStorm(t *testing.T, seed uint64) *storm {
	t.Helper()
	s := &storm{t: t, random: rand.New(rand.NewPCG(seed, seed)), struck: map[string]int{}}
	proxy := func(host netip.Addr, target string) *faultproxy.Proxy {
		p, err := faultproxy.Start(netip.AddrPortFrom(host, 0).String(), target, seed)
		require.NoError(t, err, "containers reach this host at the gateway of their network, if the Docker Engine is on it")
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		return p
	}
	s.GitStore = run(t,
		gitstoretest.WithReplicas(allReplicas),
		gitstoretest.WithDataSize(dataSize),
		gitstoretest.WithGitServiceEnv(map[string]string{"GITSTORE_MIN_FREE_SPACE": "0"}), // the disk is to be full
		gitstoretest.WithAPIEnv(map[string]string{"GITSTORE_CATALOGS": "shop"}),
		gitstoretest.WithLinks(func(i int, git *gitstoretest.GitService, host netip.Addr) gitstoretest.Link {
			if i >= linkedReplicas {
				return gitstoretest.Link{}
			}
			s.links[i] = link{proxy(host, git.GRPCAddress()), proxy(host, git.EventsAddress())}
			return gitstoretest.Link{GRPC: s.links[i].grpc.Address(), Events: s.links[i].events.Address()}
		}))
	for _, a := range s.APIs() {
		s.replicas = append(s.replicas, &replica{url: a.URL()})
	}
	for i, r := range s.replicas {
		s.watchers = append(s.watchers, watch(t, fmt.Sprintf("the watcher of replica %d", i), r))
	}
	s.watchers = append(s.watchers, watch(t, "the watcher of all replicas", s.replicas...))
	s.load = startLoad(t, s.replicas, seed)
	return s
}

// fault is something that fails for a while and is well again when do returns.
type fault struct {
	name string
	do   func(*storm)
}

// linkFaults are what happens to the way between a replica and the git-service.
var linkFaults = map[string]faultproxy.Fault{
	"slow link":                {Latency: 50 * time.Millisecond, Jitter: 200 * time.Millisecond},
	"narrow link":              {BytesPerSecond: 32 << 10},
	"lossy link":               {ResetAfter: 20 << 10, StallAfter: 5 << 10, StallFor: 300 * time.Millisecond},
	"half-open link":           {Swallow: faultproxy.Both},
	"link without answers":     {Swallow: faultproxy.ToClient},
	"link away for a while":    {Hold: faultproxy.Both},
	"cut link, and none again": {Refuse: true},
}

func allFaults() []fault {
	faults := []fault{
		{"git-service killed", (*storm).killGit},
		{"git-service restarted", (*storm).restartGit},
		{"git-service frozen", func(s *storm) { s.freeze(s.last, s.Git.Container) }},
		{"git-service frozen for long", func(s *storm) { s.freeze(s.lastLong, s.Git.Container) }},
		{"git-service off the network", func(s *storm) { s.isolate(s.Git.Container) }},
		{"replica killed", func(s *storm) { s.withoutReplica((*gitstoretest.Container).Kill, s.last) }},
		{"replica restarted", func(s *storm) { s.withoutReplica((*gitstoretest.Container).Shutdown, s.last) }},
		{"replica frozen", func(s *storm) { s.freeze(s.last, s.anyAPI().Container) }},
		{"replica off the network", func(s *storm) { s.isolate(s.anyAPI().Container) }},
		{"both killed", func(s *storm) { s.withoutReplica((*gitstoretest.Container).Kill, s.killGit) }},
		{"both restarted", func(s *storm) { s.withoutReplica((*gitstoretest.Container).Shutdown, s.restartGit) }},
		{"both frozen", func(s *storm) { s.freeze(s.last, s.Git.Container, s.anyAPI().Container) }},
		{"both off the network", func(s *storm) { s.isolate(s.Git.Container, s.anyAPI().Container) }},
		{"git-service killed behind a bad link", func(s *storm) {
			names := slices.Sorted(maps.Keys(linkFaults))
			s.withLink(linkFaults[names[s.random.IntN(len(names))]], s.killGit)
		}},
		{"disk full", (*storm).fillDisk},
		{"link away for long", func(s *storm) { s.withLink(linkFaults["link away for a while"], s.lastLong) }},
	}
	for _, name := range slices.Sorted(maps.Keys(linkFaults)) {
		faults = append(faults, fault{name, func(s *storm) { s.withLink(linkFaults[name], s.last) }})
	}
	return faults
}

// last lets a fault last for a while.
func (s *storm) last() { wait(s.t.Context(), time.Duration(300+s.random.IntN(1200))*time.Millisecond) }

// lastLong lets a fault last for longer than any attempt of a client.
func (s *storm) lastLong() { wait(s.t.Context(), attemptTime+2*time.Second) }

func (s *storm) restartGit() {
	s.Git.Shutdown(s.t.Context())
	s.Git.Restart(s.t.Context())
}

func (s *storm) killGit() {
	s.Git.Kill(s.t.Context())
	s.Git.Restart(s.t.Context())
}

func (s *storm) freeze(meanwhile func(), all ...*gitstoretest.Container) {
	for _, c := range all {
		c.Pause(s.t.Context())
	}
	meanwhile()
	for _, c := range all {
		c.Unpause(s.t.Context())
	}
}

func (s *storm) isolate(all ...*gitstoretest.Container) {
	for _, c := range all {
		c.Disconnect(s.t.Context())
	}
	s.last()
	for _, c := range all {
		c.Connect(s.t.Context())
	}
}

func (s *storm) anyAPI() *gitstoretest.API { return s.API(s.random.IntN(len(s.replicas))) }

// withoutReplica ends a replica and starts it again when meanwhile returns.
func (s *storm) withoutReplica(end func(*gitstoretest.Container, context.Context), meanwhile func()) {
	i := s.random.IntN(len(s.replicas))
	s.replicas[i].restarting.Store(true)
	end(s.API(i).Container, s.t.Context())
	meanwhile()
	s.API(i).Restart(s.t.Context())
	s.replicas[i].restarting.Store(false)
}

// withLink does a fault to one of the links, or to all of them, until meanwhile returns.
func (s *storm) withLink(f faultproxy.Fault, meanwhile func()) {
	links := s.links[:]
	if i := s.random.IntN(len(links) + 1); i < len(links) {
		links = links[i : i+1]
	}
	for _, l := range links {
		l.set(f)
		if f.Refuse {
			l.cut()
		}
	}
	meanwhile()
	for _, l := range links {
		l.set(faultproxy.Fault{})
	}
}

// fillDisk fills the disk of the git-service and checks that writes are refused for that reason, which verify shows to have
// changed nothing, that reads go on, also after a restart, and that nothing but space is needed for writes to go on.
func (s *storm) fillDisk() {
	pushAgain := s.refusesPush()
	s.run("cat /dev/zero >>/data/fill 2>/dev/null; true")
	s.refusesWrites()
	policies := s.refusesPolicies()
	s.readsGoOn()
	s.killGit()
	s.refusesWrites()
	s.readsGoOn()
	require.Contains(s.t, policies, s.validatedBranches())
	s.run("rm -f /data/fill")
	pushAgain()
}

// refusesPush pushes more than there is room for, which fills the disk in the middle of the pack, and checks what is told to the
// person in front of git, that nothing is left of the push, and that git clones meanwhile. The push works when there is room again.
func (s *storm) refusesPush() (again func()) {
	s.t.Helper()
	const room = 8 << 20
	api, repository := s.anyAPI().URL(), "/v1/repositories/pushed"
	want(s.t, 201, "POST", api+"/v1/repositories", []byte(`{"id":"pushed"}`), "Content-Type", "application/json")
	content := make([]byte, 4*room)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content) // it never fails
	pusher, url := gitcmd.Init(s.t), api+"/git/pushed.git"
	pusher.FastImport(fmt.Appendf(nil, "commit refs/heads/main\ncommitter A <a@example.com> 1 +0000\ndata 1\nx\nM 100644 inline large\ndata %d\n%s\n", len(content), content))

	s.run(fmt.Sprintf("head -c %d /dev/zero >/data/room && cat /dev/zero >/data/fill 2>/dev/null; rm /data/room", room))
	require.NoError(s.t, until(s.t.Context(), func() error {
		_, err := pusher.Try(nil, "push", url, "main")
		require.Error(s.t, err, "there is no room for it")
		if strings.Contains(err.Error(), "remote unpack failed") {
			require.ErrorContains(s.t, err, "error: remote unpack failed: the disk is full: free some space and try again")
			return nil
		}
		return err
	}))
	require.Empty(s.t, pusher.Lines("ls-remote", url))
	require.Empty(s.t, s.run("find /data/tmp -mindepth 1 -name 'push-*'"))
	gitcmd.Run(s.t, nil, "clone", "--quiet", "--bare", api+"/git/shop.git", s.t.TempDir())
	return func() {
		s.t.Helper()
		require.NoError(s.t, until(s.t.Context(), func() error {
			_, err := pusher.Try(nil, "push", "--quiet", url, "main")
			return err
		}))
		require.Equal(s.t, pusher.Lines("rev-parse", "main")[0]+"\trefs/heads/main", pusher.Lines("ls-remote", "--heads", url)[0])
		want(s.t, 204, "DELETE", api+repository, nil)
	}
}

// refusesPolicies gives the repository policies until one is refused, and returns which it may have then. A policy is a file of
// its own, and so small that there may be room for some.
func (s *storm) refusesPolicies() (branches []string) {
	s.t.Helper()
	branches = []string{s.validatedBranches()}
	n := 0
	require.NoError(s.t, until(s.t.Context(), func() error {
		n++
		next := fmt.Sprintf("%d-%d", s.random.Int64(), n)
		a, err := attemptCall(s.t.Context(), "PUT", s.replicas[0].url+shop+"/policy", fmt.Appendf(nil, `{"validated_branches":[%q]}`, next))
		switch {
		case err != nil:
			branches = append(branches, next) // it may have been set
			return err
		case a.status == http.StatusOK:
			branches = []string{next}
			s.run("cat /dev/zero >>/data/fill 2>/dev/null; true")
			return errors.New("there is still room")
		case a.status != http.StatusServiceUnavailable:
			s.t.Fatalf("a policy for a full disk is answered %d: %s", a.status, a.body)
		}
		if reason := into[commitResult](s.t, a).Reason; reason != "STORAGE_FULL" {
			return fmt.Errorf("a policy is refused as %s", reason)
		}
		return nil
	}))
	require.Contains(s.t, branches, s.validatedBranches())
	return branches
}

// validatedBranches returns what tells the policies of refusesPolicies apart.
func (s *storm) validatedBranches() string {
	s.t.Helper()
	var policy struct {
		ValidatedBranches []string `json:"validated_branches"`
	}
	require.NoError(s.t, until(s.t.Context(), func() error { return s.replicas[0].reads(s.t.Context(), "/policy", &policy) }))
	return strings.Join(policy.ValidatedBranches, " ")
}

// refusesWrites waits until the disk takes nothing more, and checks what writers are told.
func (s *storm) refusesWrites() {
	s.t.Helper()
	refused := 0
	next := func() change { return newCommit(map[string]string{"refused.md": "no room"}) }
	c := next()
	// A change without an answer is sent again as it is: it may have been made.
	require.NoError(s.t, until(s.t.Context(), func() error {
		r := s.replicas[s.random.IntN(len(s.replicas))]
		a, err := attemptCall(s.t.Context(), "POST", r.url+shop+c.path, c.body)
		switch {
		case err != nil:
			return err
		case a.status == http.StatusCreated || a.status == http.StatusOK:
			s.load.oracle.acknowledge(c, into[commitResult](s.t, a).Commit)
			c = next()
			s.run("cat /dev/zero >>/data/fill 2>/dev/null; true")
			return errors.New("there is still room")
		case a.status == http.StatusGatewayTimeout:
			return errors.New("a write is answered too late")
		case a.status != http.StatusServiceUnavailable:
			s.t.Fatalf("a write to a full disk is answered %d: %s", a.status, a.body)
		}
		if reason := into[commitResult](s.t, a).Reason; reason != "STORAGE_FULL" {
			return fmt.Errorf("a write is refused as %s", reason)
		}
		if refused++; refused < 10 {
			return errors.New("it may be by accident")
		}
		return nil
	}))
}

// readsGoOn checks that every replica answers reads of what is there.
func (s *storm) readsGoOn() {
	s.t.Helper()
	for _, r := range s.replicas {
		require.NoError(s.t, until(s.t.Context(), func() error { return r.reads(s.t.Context(), "", nil) })) // it is connected again
		for range 20 {
			require.NoError(s.t, r.reads(s.t.Context(), "/catalog/products/"+catalogdata.ProductID(s.random.IntN(products)), nil))
			require.NoError(s.t, r.reads(s.t.Context(), "/commits?page_size=10", nil))
			require.NoError(s.t, r.reads(s.t.Context(), "/tree?prefix=w0", nil))
			a, err := attemptCall(s.t.Context(), "GET", r.url+shop+"/files/"+shopCatalog.ProductPath(10), nil)
			require.NoError(s.t, err)
			require.Equal(s.t, shopCatalog.Product(10, 0), string(a.body))
		}
	}
}

// strike does a fault and waits until everything is well again: every replica takes a write, and all of them show it.
func (s *storm) strike(f fault) {
	s.t.Helper()
	acknowledged := s.load.oracle.count()
	s.load.oracle.during(f.name)
	f.do(s)
	s.load.check(s.t)
	begin := time.Now()
	s.recover()
	took := time.Since(begin)
	s.struck[f.name]++
	if took > s.slowest.took {
		s.slowest = gap{took, f.name}
	}
	s.t.Logf("%-40s well again after %8v; %5d changes acknowledged meanwhile", f.name, took.Round(time.Millisecond), s.load.oracle.count()-acknowledged)
}

func (s *storm) recover() {
	s.t.Helper()
	s.probes++
	var probing sync.WaitGroup
	failed := make([]error, len(s.replicas))
	for i, r := range s.replicas {
		sender := &sender{load: s.load, random: rand.New(rand.NewPCG(uint64(s.probes), uint64(i))), at: r, pinned: true}
		probing.Go(func() {
			ctx, cancel := context.WithTimeout(s.t.Context(), patience)
			defer cancel()
			probe := newCommit(map[string]string{shopCatalog.ProductPath(writers + i): shopCatalog.Product(writers+i, s.probes)})
			if failed[i] = sender.insist(ctx, probe); failed[i] != nil {
				failed[i] = fmt.Errorf("replica %d takes no write: %w", i, failed[i])
				return
			}
			for n, other := range s.replicas {
				failed[i] = errors.Join(failed[i], until(ctx, func() error { return other.shows(ctx, writers+i, s.probes) }))
				if failed[i] != nil {
					failed[i] = fmt.Errorf("replica %d does not show what replica %d took: %w", n, i, failed[i])
					return
				}
			}
		})
	}
	probing.Wait()
	require.NoError(s.t, errors.Join(failed...))
	s.load.check(s.t)
}

// shows returns nil if the replica's catalog has an edit of a product.
func (r *replica) shows(ctx context.Context, i, edits int) error {
	var p product
	if err := r.reads(ctx, "/catalog/products/"+catalogdata.ProductID(i), &p); err != nil {
		return err
	}
	if p.Fields.Edits != edits {
		return fmt.Errorf("edit %d of product %d is shown, not %d", p.Fields.Edits, i, edits)
	}
	return nil
}

// plan returns each fault once in a random order, then any until there are rounds of them. No rounds are each one once.
func (s *storm) plan(rounds int) []fault {
	kinds := allFaults()
	plan := slices.Clone(kinds)
	s.random.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	if rounds == 0 {
		return plan
	}
	for len(plan) < rounds {
		plan = append(plan, kinds[s.random.IntN(len(kinds))])
	}
	return plan[:rounds]
}

func TestNothingIsLostWhateverFails(t *testing.T) {
	rounds, seed := env.Number(t, "ROUNDS", 0), env.Number(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d ROUNDS=%d", seed, rounds)
	s := startStorm(t, seed)
	plan := s.plan(int(rounds))
	for _, f := range plan {
		s.strike(f)
	}
	s.load.finish(t)
	if len(plan) >= len(allFaults()) {
		s.wereFelt()
	}
	s.verify()
	s.report()
}

// wereFelt checks that the faults were in the way of something: else nothing was tried.
func (s *storm) wereFelt() {
	s.t.Helper()
	stats := s.proxyStats()
	require.Positive(s.t, stats.Accepted, "connections through the proxies")
	require.Positive(s.t, stats.Refused, "connections that were refused")
	require.Positive(s.t, stats.Resets, "connections that were reset")
	require.Positive(s.t, stats.Stalls, "connections that stalled")
	require.Positive(s.t, s.load.oracle.figures.retries, "attempts that were repeated")
	require.Greater(s.t, s.load.oracle.figures.longestGap.took, 100*time.Millisecond, "the longest time without an acknowledged change")
}

func (s *storm) proxyStats() (sum faultproxy.Stats) {
	for _, l := range s.links {
		for _, p := range []*faultproxy.Proxy{l.grpc, l.events} {
			one := p.Stats()
			sum.Accepted += one.Accepted
			sum.Refused += one.Refused
			sum.Resets += one.Resets
			sum.Stalls += one.Stalls
		}
	}
	return sum
}

func (s *storm) report() {
	f := s.load.oracle.figures
	var b strings.Builder
	line := func(name string, v any) { fmt.Fprintf(&b, "\n%-48s %v", name, v) }
	rounds := 0
	for _, name := range slices.Sorted(maps.Keys(s.struck)) {
		rounds += s.struck[name]
		line("  "+name, s.struck[name])
	}
	line("rounds", rounds)
	line("changes acknowledged", f.acknowledged)
	line("attempts repeated", f.retries)
	for _, why := range slices.Sorted(maps.Keys(f.refused)) {
		line("  "+why, f.refused[why])
	}
	line("catalog reads", f.catalogReads)
	line("file reads", f.fileReads)
	line("longest time without an acknowledged change", f.longestGap)
	line("longest time from the end of a fault to recovery", s.slowest)
	stats := s.proxyStats()
	line("connections through the proxies", stats.Accepted)
	line("  refused", stats.Refused)
	line("  reset", stats.Resets)
	line("  stalls of them", stats.Stalls)
	s.t.Log(b.String())
}
