package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// slowCommit is a commit whose body is held back after its first part, which the git-service has got.
type slowCommit struct {
	rest   *io.PipeWriter
	answer chan answer
	err    chan error
}

const slowPath = "big/1.bin"

// beginSlowCommit sends the first part of a commit and waits until the git-service stages it.
func beginSlowCommit(t *testing.T, s *system, repository string) *slowCommit {
	t.Helper()
	r, w := io.Pipe()
	c := &slowCommit{rest: w, answer: make(chan answer, 1), err: make(chan error, 1)}
	go func() {
		a, err := s.try(t.Context(), "POST", inRepository(repository, "/commits"), r)
		_ = r.CloseWithError(err) // whoever still writes is not to wait
		c.answer <- a
		c.err <- err
	}()
	random := make([]byte, 3<<20) // more than is held in memory, and not to be compressed
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	_, err := fmt.Fprintf(w, `{"branch":"main","message":"A large commit","actions":[%s,%s`,
		encode(t, action{Action: "create", Path: "big/0.bin", ContentBase64: random}),
		encode(t, action{Action: "create", Path: slowPath, ContentBase64: random[:1<<20]}))
	require.NoError(t, err)
	eventually(t, "nothing is staged", func() error {
		if len(leftovers(t, s.data)) == 0 {
			return errors.New("there are no temporary files")
		}
		return nil
	})
	return c
}

// end sends what was held back.
func (c *slowCommit) end(t *testing.T) (answer, error) {
	t.Helper()
	_, err := io.WriteString(c.rest, "]}")
	require.NoError(t, err)
	require.NoError(t, c.rest.Close())
	return <-c.answer, <-c.err
}

// waitStopping waits until the process has noticed that it is to stop.
func waitStopping(t *testing.T, p *process) {
	t.Helper()
	eventually(t, p.name+" does not stop", func() error {
		if !strings.Contains(p.logged(), `"msg":"stopping"`) {
			return errors.New("it does not say so")
		}
		return nil
	})
}

func TestGracefulStopEndsWhatIsUnderWay(t *testing.T) {
	for name, of := range map[string]func(*system) *process{
		"git-service": func(s *system) *process { return s.git },
		"API":         func(s *system) *process { return s.api },
	} {
		t.Run(name, func(t *testing.T) {
			s := startSystem(t)
			s.createRepository(t, "shop")
			c := beginSlowCommit(t, s, "shop")
			of(s).signal(syscall.SIGTERM)
			waitStopping(t, of(s))
			a, err := c.end(t)
			require.NoError(t, err)
			made := into[commitResult](t, a.wants(t, http.StatusCreated))
			require.Zero(t, of(s).exitCode(t))
			s.git.signal(syscall.SIGTERM)
			require.Zero(t, s.git.exitCode(t))
			require.Empty(t, leftovers(t, s.data))
			require.Equal(t, made.CommitID, git(t, repositoryDirs(t, s.data)[0], "rev-parse", "main"))
		})
	}
}

func TestABrokenOffCommitLeavesNothing(t *testing.T) {
	gone := errors.New("the client gives up")
	for name, breakOff := range map[string]func(*system, *slowCommit){
		"by the client": func(_ *system, c *slowCommit) { _ = c.rest.CloseWithError(gone) },
		"with its API": func(s *system, c *slowCommit) {
			s.api.kill()
			_ = c.rest.CloseWithError(gone)
		},
		"by its content": func(_ *system, c *slowCommit) {
			_, _ = io.WriteString(c.rest, `,{"action":"create","path":".git/x","content":""}]}`)
			_ = c.rest.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSystem(t)
			s.createRepository(t, "shop")
			before := s.commit(t, "shop", commit{Branch: "main", Message: "Begin", Actions: []action{upsert("a.md", "a")}})
			c := beginSlowCommit(t, s, "shop")
			breakOff(s, c)
			if a, err := <-c.answer, <-c.err; err == nil {
				a.problem(t, http.StatusBadRequest)
			}
			eventually(t, "temporary files are left", func() error {
				if left := leftovers(t, s.data); len(left) > 0 {
					return fmt.Errorf("%v", left)
				}
				return nil
			})
			if s.api.running() != nil {
				s.startAPI(t)
				s.waitReady(t)
			}
			s.get(t, fileTarget("shop", slowPath)).problem(t, http.StatusNotFound)
			after := s.commit(t, "shop", commit{Branch: "main", Message: "Go on", Actions: []action{upsert("a.md", "b")}})
			require.Equal(t, before.CommitID, after.ParentID)
			s.stop(t)
			require.Empty(t, git(t, repositoryDirs(t, s.data)[0], "fsck", "--strict", "--full", "--no-progress"))
		})
	}
}

func TestAReadThatIsCutOffIsNotTakenForAWholeOne(t *testing.T) {
	s := startSystem(t)
	s.createRepository(t, "shop")
	file := fileTarget("shop", "large.bin")
	s.call(t, "PUT", file, io.LimitReader(&noise{}, 64<<20)).wants(t, http.StatusCreated)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address+file, nil)
	require.NoError(t, err)
	resp, err := s.http.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.CopyN(io.Discard, resp.Body, 1<<20)
	require.NoError(t, err)
	s.git.kill()
	_, err = io.Copy(io.Discard, resp.Body)
	require.Error(t, err)
	s.startGit(t)
	s.waitReady(t)
	require.Len(t, s.get(t, file).wants(t, http.StatusOK).body, 64<<20)
	s.stop(t)
}

func second[A, B any](_ A, b B) B { return b }

func TestHealthSaysNoBeforeTheServiceDoes(t *testing.T) {
	s := startSystem(t, "GITSTORE_DRAIN_DELAY=3s")
	s.createRepository(t, "shop")
	for _, step := range []struct {
		process *process
		health  *client
	}{{s.api, s.client}, {s.git, s.gitAdmin}} {
		if step.process == s.git {
			s.startAPI(t)
			s.waitReady(t)
		}
		step.process.signal(syscall.SIGTERM)
		eventually(t, "health says yes", func() error {
			if a := step.health.get(t, "/readyz"); a.status != http.StatusServiceUnavailable {
				return fmt.Errorf("it answered %d", a.status)
			}
			return nil
		})
		step.health.get(t, "/healthz").wants(t, http.StatusOK)
		s.commit(t, "shop", commit{Branch: "main", Message: "Still served", AllowEmpty: true})
		require.Zero(t, step.process.exitCode(t))
	}
}

// TestGracefulStop stops one service after the other while many write: what was acknowledged is there, and what was not
// was refused in so many words.
func TestGracefulStop(t *testing.T) {
	s := startSystem(t)
	o := &oracle{}
	s.createRepository(t, "shop")

	s.underLoad(t, o, func(refused *atomic.Int64) {
		s.git.signal(syscall.SIGTERM)
		require.Zero(t, s.git.exitCode(t))
		require.Empty(t, processesBelow(t, s.data))
		require.Empty(t, leftovers(t, s.data))
		eventually(t, "nobody is told that the git-service is away", func() error { return atLeast(refused, 16) })
	}, false)
	s.startGit(t)
	s.waitReady(t)

	s.underLoad(t, o, func(*atomic.Int64) {
		s.api.signal(syscall.SIGTERM)
		require.Zero(t, s.api.exitCode(t))
	}, true)
	s.startAPI(t)
	s.waitReady(t)

	require.Empty(t, leftovers(t, s.data))
	o.verify(t, s)
	s.stop(t)
	require.NotContains(t, s.git.logged(), `"level":"ERROR"`)
}

func atLeast(n *atomic.Int64, least int64) error {
	if n.Load() < least {
		return fmt.Errorf("%d, want %d", n.Load(), least)
	}
	return nil
}

// underLoad runs act while 16 clients write, once the first of them are acknowledged. A client is either acknowledged or
// told to come again; only where the API itself goes may a connection be cut before the first byte of an answer.
func (s *system) underLoad(t *testing.T, o *oracle, act func(refused *atomic.Int64), apiGoes bool) {
	t.Helper()
	var (
		wg      sync.WaitGroup
		refused atomic.Int64
		failure = make(chan error, 16)
		ctx, c  = context.WithCancel(t.Context())
	)
	defer c()
	begun := o.count()
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := s.writeOnce(t.Context(), o, &refused, apiGoes); err != nil {
					failure <- err
					return
				}
			}
		})
	}
	eventually(t, "nothing is acknowledged", func() error {
		if o.count() < begun+32 {
			return fmt.Errorf("%d commits", o.count())
		}
		return nil
	})
	act(&refused)
	c()
	wg.Wait()
	select {
	case err := <-failure:
		t.Fatal(err)
	default:
	}
}

func (s *system) writeOnce(ctx context.Context, o *oracle, refused *atomic.Int64, apiGoes bool) error {
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	w := &writer{name: "once", random: random}
	body := w.request(int(random.Uint32()))
	a, err := s.tryCommit(ctx, "shop", body)
	switch {
	case err != nil && apiGoes && len(a.body) == 0 && a.status == 0:
		return nil // whether it took effect is for the client to find out by its request id
	case err != nil:
		return err
	case a.status == http.StatusServiceUnavailable:
		refused.Add(1)
		return checkRefusal(a)
	case a.status != http.StatusCreated:
		return fmt.Errorf("a commit was answered %d: %s", a.status, a.body)
	}
	var result commitResult
	if err := json.Unmarshal(a.body, &result); err != nil {
		return err
	}
	o.add(acknowledged{"shop", result.CommitID, body})
	return nil
}

// checkRefusal holds a 503 to what a client needs of it.
func checkRefusal(a answer) error {
	var p problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		return fmt.Errorf("%w: %s", err, a.body)
	}
	if p.Reason == "" || a.header.Get("Retry-After") == "" || bytes.Contains(a.body, []byte("127.0.0.1")) {
		return fmt.Errorf("a refusal is not clean: %v: %s", a.header, a.body)
	}
	return nil
}
