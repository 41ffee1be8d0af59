package containers

import (
	"bytes"
	"context"
	"crypto/rand"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/adapters/ws"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/gitstoretest"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest"
)

// The idle connections to the Docker Engine are its client's, which has closed them once the last test is over.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func TestTheGitServiceIsAGitRepository(t *testing.T) {
	gitrepotest.Run(t, gitrepotest.Harness{
		New: func(t testing.TB) ports.RepositoryStore { return gitstoretest.Run(t.Context(), t) },
		// What SHA-256 is stored as, and that it crosses gRPC, does not depend on the image.
		Formats:  []git.ObjectFormat{git.SHA1},
		NoImport: "a git-service is the only one that writes to its repositories, and its contract has no import",
		CheckIdle: func(t testing.TB, store ports.RepositoryStore) {
			metrics := store.(*gitstoretest.GitStore).Git.MetricsURL()
			assert.Eventually(t, func() bool { return atWork(t, metrics) == 0 }, 10*time.Second, 10*time.Millisecond,
				"calls that ended are still at work")
		},
		Reopen: func(t testing.TB, store ports.RepositoryStore) ports.RepositoryStore {
			g := store.(*gitstoretest.GitStore)
			g.Git.Shutdown(t.Context())
			g.Git.Restart(t.Context())
			return g
		},
	})
}

// atWork returns how many calls the metrics of a git-service say are at work.
func atWork(t testing.TB, metrics string) (calls float64) {
	t.Helper()
	a, err := call(t.Context(), "GET", metrics, nil)
	require.NoError(t, err)
	classes := 0
	for line := range strings.Lines(string(a.body)) {
		if !strings.HasPrefix(line, "gitstore_grpc_calls_in_flight{") {
			continue
		}
		fields := strings.Fields(line)
		n, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		require.NoError(t, err, line)
		calls += n
		classes++
	}
	require.Positive(t, classes, "there is no metric of the calls at work")
	return calls
}

func TestChangesAreToldByEveryTransport(t *testing.T) {
	g := run(t, gitstoretest.WithReplicas(1))
	overWebSocket := func(url string) func(t testing.TB) (ports.RepositoryStore, ports.EventSource) {
		return func(t testing.TB) (ports.RepositoryStore, ports.EventSource) {
			s, err := ws.NewSubscriber(url, ws.SubscriberOptions{})
			require.NoError(t, err)
			return g, s
		}
	}
	sources := map[string]func(t testing.TB) (ports.RepositoryStore, ports.EventSource){
		"grpc":                func(testing.TB) (ports.RepositoryStore, ports.EventSource) { return g, g.Journal() },
		"websocket":           overWebSocket(g.Git.EventsURL()),
		"websocket of an API": overWebSocket("ws://" + g.API(0).Address() + "/v1/events"),
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { dropRepositories(t, g) })
			eventstest.RunSource(t, eventstest.SourceHarness{New: source})
		})
	}
}

// dropRepositories lets the cases of the next transport begin with the same names.
func dropRepositories(t *testing.T, g *gitstoretest.GitStore) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	page, err := g.ListRepositories(ctx, ports.Page{})
	require.NoError(t, err)
	for _, r := range page.Items {
		require.NoError(t, g.DeleteRepository(ctx, r.ID))
	}
}

// web calls the replicas; no call of a test takes as long as its timeout.
var web = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}

// answer is what an API answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func call(ctx context.Context, method, url string, body []byte, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := web.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b}, err
}

func want(t testing.TB, status int, method, url string, body []byte, header ...string) answer {
	t.Helper()
	a, err := call(t.Context(), method, url, body, header...)
	require.NoError(t, err)
	require.Equal(t, status, a.status, "%s %s: %.2000s", method, url, a.body)
	return a
}

// newShop creates a repository through a replica and returns the path of its resources.
func newShop(t testing.TB, a *gitstoretest.API) string {
	t.Helper()
	want(t, 201, "POST", a.URL()+"/v1/repositories", []byte(`{"id":"shop"}`), "Content-Type", "application/json")
	return "/v1/repositories/shop"
}

func TestReplicasServeOneGitService(t *testing.T) {
	g := run(t, gitstoretest.WithReplicas(3))
	shop := newShop(t, g.API(0))
	one, two, three := g.API(0).URL()+shop, g.API(1).URL()+shop, g.API(2).URL()+shop

	t.Run("what one writes the others read", func(t *testing.T) {
		big := make([]byte, 20<<20)
		_, err := rand.Read(big)
		require.NoError(t, err)
		put := want(t, 201, "PUT", one+"/files/big.bin?message=Big", big)
		cursor := put.header.Get("GitStore-Cursor")
		require.NotEmpty(t, cursor)
		for _, replica := range []string{one, two, three} {
			got := want(t, 200, "GET", replica+"/files/big.bin?min_cursor="+cursor, nil)
			assert.True(t, bytes.Equal(big, got.body), "the content that %s read is not what was written", replica)
			part := want(t, 206, "GET", replica+"/files/big.bin", nil, "Range", "bytes=1000-1999")
			assert.Equal(t, big[1000:2000], part.body)
			want(t, 304, "GET", replica+"/files/big.bin", nil, "If-None-Match", got.header.Get("ETag"))
		}
	})

	t.Run("who lost a race is told so by any of them", func(t *testing.T) {
		first := want(t, 201, "PUT", one+"/files/note.md?message=First", []byte("first"))
		etag := want(t, 200, "GET", two+"/files/note.md", nil).header.Get("ETag")
		want(t, 201, "PUT", two+"/files/note.md?message=Second", []byte("second"), "If-Match", etag)
		lost := want(t, 412, "PUT", three+"/files/note.md?message=Third", []byte("third"), "If-Match", etag)
		assert.Equal(t, "application/problem+json", lost.header.Get("Content-Type"))
		assert.Contains(t, string(lost.body), `"reason"`)
		var made struct {
			Commit string `json:"commit_id"`
		}
		require.NoError(t, json.Unmarshal(first.body, &made))
		want(t, 409, "POST", three+"/commits", fmt.Appendf(nil, `{"branch":"main","message":"Late","expected_head":%q,
			"actions":[{"action":"upsert","path":"note.md","content":"late"}]}`, made.Commit), "Content-Type", "application/json")
	})

	t.Run("bad input is answered clearly", func(t *testing.T) {
		for _, bad := range []struct {
			status       int
			method, path string
			body         string
		}{
			{404, "GET", "/files/none.md", ""},
			{400, "GET", "/files/..%2Fetc%2Fpasswd", ""},
			{400, "PUT", "/files/.git/config?message=No", "x"},
			{404, "GET", "/tree?ref=none", ""},
			{400, "POST", "/commits", `{"branch":"main","message":"No","actions":[],"unknown":1}`},
			{400, "POST", "/tags", `{"name":"a..b","target":"main"}`},
		} {
			a := want(t, bad.status, bad.method, one+bad.path, []byte(bad.body), "Content-Type", "application/json")
			assert.Contains(t, string(a.body), `"reason"`, bad.path)
		}
	})

	t.Run("writers through all of them lose nothing", func(t *testing.T) {
		const writers, each = 12, 10
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					replica := g.API((w+i)%3).URL() + shop
					a, err := call(t.Context(), "PUT", fmt.Sprintf("%s/files/w%d/%d.md?message=Write", replica, w, i), fmt.Appendf(nil, "%d %d", w, i))
					if assert.NoError(t, err) {
						assert.Equal(t, 201, a.status, "%s", a.body)
					}
				}
			})
		}
		wg.Wait()
		for w := range writers {
			for i := range each {
				a := want(t, 200, "GET", fmt.Sprintf("%s/files/w%d/%d.md", g.API(i%3).URL()+shop, w, i), nil)
				assert.Equal(t, fmt.Sprint(w, " ", i), string(a.body))
			}
		}
	})

	t.Run("a request that is given up changes nothing and harms nobody", func(t *testing.T) {
		before := len(historyOf(t, one))
		ctx, cancel := context.WithCancel(t.Context())
		body, w := io.Pipe()
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, two+"/files/half.bin?message=Half", body)
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() {
			resp, err := web.Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			ended <- err
		}()
		_, err = w.Write(make([]byte, 3<<20))
		require.NoError(t, err)
		cancel()
		_ = w.CloseWithError(context.Canceled) // net/http may wait for what reads the body before it tells of the end
		require.ErrorIs(t, <-ended, context.Canceled)
		want(t, 404, "GET", two+"/files/half.bin", nil)
		want(t, 201, "PUT", two+"/files/half.bin?message=Whole", []byte("whole"))
		assert.Len(t, historyOf(t, three), before+1)
		assert.Equal(t, "whole", string(want(t, 200, "GET", one+"/files/half.bin", nil).body))
	})
}

// run starts containers whose APIs are looked at once the test is over.
func run(t *testing.T, opts ...gitstoretest.Option) *gitstoretest.GitStore {
	t.Helper()
	g := gitstoretest.Run(t.Context(), t, opts...)
	t.Cleanup(func() {
		if !t.Failed() {
			checkBoundary(t, g.APIs()...)
		}
	})
	return g
}

// dockerClient returns a client of the Docker Engine, which is closed when the test ends.
func dockerClient(t *testing.T) *testcontainers.DockerClient {
	t.Helper()
	docker, err := testcontainers.NewDockerClientWithOpts(context.WithoutCancel(t.Context()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = docker.Close() })
	return docker
}

// checkBoundary checks that no API has a volume, a program but its own, or wrote anything since it was made.
func checkBoundary(t *testing.T, apis ...*gitstoretest.API) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	docker := dockerClient(t)
	for _, a := range apis {
		inspected, err := docker.ContainerInspect(ctx, a.GetContainerID(), client.ContainerInspectOptions{})
		require.NoError(t, err)
		assert.Empty(t, inspected.Container.Mounts)
		assert.Empty(t, inspected.Container.HostConfig.Binds)
		assert.Empty(t, inspected.Container.HostConfig.Tmpfs)
		assert.True(t, inspected.Container.HostConfig.ReadonlyRootfs)
		assert.Equal(t, "65532:65532", inspected.Container.Config.User)
		diff, err := docker.ContainerDiff(ctx, a.GetContainerID(), client.ContainerDiffOptions{})
		require.NoError(t, err)
		assert.Empty(t, diff.Changes)
		checkFiles(ctx, t, docker, a)
	}
}

// checkFiles looks into an API's whole file system: its binary is the only program, and has no Git library in it.
func checkFiles(ctx context.Context, t *testing.T, docker *testcontainers.DockerClient, a *gitstoretest.API) {
	t.Helper()
	exported, err := docker.ContainerExport(ctx, a.GetContainerID(), client.ContainerExportOptions{})
	require.NoError(t, err)
	defer func() { _ = exported.Close() }()
	files, binary := filesOf(t, exported, "gitstore-api")
	// The Engine makes these in every container, empty.
	engine := []string{".dockerenv", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "dev/console"}
	for _, name := range files {
		if name != "gitstore-api" {
			assert.Contains(t, engine, name)
		}
	}
	info, err := buildinfo.Read(bytes.NewReader(binary))
	require.NoError(t, err)
	require.NotEmpty(t, info.Deps)
	for _, dep := range info.Deps {
		assert.False(t, strings.Contains(dep.Path, "go-git") || strings.Contains(dep.Path, "git2go"), dep.Path)
	}
}
