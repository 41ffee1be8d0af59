package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/cmd/internal/service"
	"github.com/gitstore-dev/gitstore/internal/buildinfo"
	"github.com/gitstore-dev/gitstore/internal/config"
	"github.com/gitstore-dev/gitstore/internal/config/configtest"
	"github.com/gitstore-dev/gitstore/internal/testkit/program"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

func parse(t *testing.T, args ...string) settings {
	t.Helper()
	var s settings
	if err := config.Parse(config.Program{}, &s, args, io.Discard); err != nil {
		t.Fatal(err)
	}
	return s
}

// startAPI starts the service on a free port, and stops it at the end of the test.
func startAPI(t *testing.T, args ...string) (app *fx.App, url string) {
	t.Helper()
	var running *server
	s := parse(t, append([]string{"--http-listen=127.0.0.1:0"}, args...)...)
	fail := func(err error) { t.Errorf("it fails: %v", err) }
	app = service.New(slog.New(slog.DiscardHandler), buildinfo.Info{Version: "v1.2.3"}, fail, &service.Stop{}, fx.Options(module(s), fx.Populate(&running)))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return app, "http://" + running.address.String()
}

// serveStore serves a store over gRPC.
func serveStore(t *testing.T, store ports.RepositoryStore) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := gitserver.New(store, gitserver.Options{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// step is a request, and the status and a part of the body of its answer.
type step struct {
	method, path, body string
	status             int
	contains           string
}

func walk(t *testing.T, url string, steps ...step) {
	t.Helper()
	for _, s := range steps {
		status, body := program.Do(t, s.method, url+s.path, s.body)
		if status != s.status || !strings.Contains(body, s.contains) {
			t.Errorf("%s %s: %d %.300s", s.method, s.path, status, body)
		}
	}
}

func TestTheGraphIsComplete(t *testing.T) {
	if err := service.Validate(module(parse(t))); err != nil {
		t.Error(err)
	}
}

func TestItServesAStoreBehindGRPC(t *testing.T) {
	_, url := startAPI(t, "--git-address", serveStore(t, memrepo.New()))
	program.Await(t, url+"/readyz", 200)
	walk(t, url,
		step{"POST", "/v1/repositories", `{"id":"shop"}`, 201, `"id":"shop"`},
		step{"PUT", "/v1/repositories/shop/files/a.md", "hello", 201, `"commit_id"`},
		step{"GET", "/v1/repositories/shop/files/a.md", "", 200, "hello"},
		step{"GET", "/openapi.json", "", 200, `"version": "v1.2.3"`},
		step{"GET", "/metrics", "", 200, `gitstore_build_info{`},
		step{"GET", "/metrics", "", 200, `gitstore_http_requests_total{method="PUT"`},
		step{"GET", "/metrics", "", 200, `gitstore_grpc_client_requests_total{code="OK",method="gitstore.git.v1.`},
		step{"GET", "/metrics", "", 200, `gitstore_grpc_client_request_duration_seconds_count{`},
	)
	configtest.CheckMetrics(t, "../../docs/operations.md", program.Await(t, url+"/metrics", 200))
}

func TestItRunsWithoutItsGitService(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	_, url := startAPI(t, "--git-address", nobody.Addr().String())
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/v1/repositories": 503, "/docs": 200} {
		status, body := program.Do(t, http.MethodGet, url+path, "")
		if status != want || status == 503 && !strings.Contains(body, `"reason":"UNAVAILABLE"`) {
			t.Errorf("%s: %d %.300s", path, status, body)
		}
	}
}

// gatedStore lets a listing wait.
type gatedStore struct {
	ports.RepositoryStore
	entered, leave chan struct{}
}

func (s *gatedStore) ListRepositories(ctx context.Context, page ports.Page) (ports.RepositoryPage, error) {
	close(s.entered)
	select {
	case <-s.leave:
	case <-ctx.Done():
	}
	return s.RepositoryStore.ListRepositories(context.WithoutCancel(ctx), page)
}

func TestAStopLetsRequestsUnderWayEnd(t *testing.T) {
	store := &gatedStore{memrepo.New(), make(chan struct{}), make(chan struct{})}
	app, url := startAPI(t, "--git-address", serveStore(t, store), "--drain-delay=300ms")
	program.Await(t, url+"/readyz", 200)
	answered := make(chan int, 1)
	go func() {
		status, _ := program.Do(t, http.MethodGet, url+"/v1/repositories", "")
		answered <- status
	}()
	<-store.entered
	stopped := make(chan error, 1)
	go func() { stopped <- app.Stop(context.Background()) }()
	if body := program.Await(t, url+"/readyz", 503); !strings.Contains(body, `"reason":"DRAINING"`) {
		t.Errorf("it is not ready because of %s", body)
	}
	close(store.leave)
	if status := <-answered; status != 200 {
		t.Errorf("the request under way got %d", status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		t.Error("it still listens")
	}
}

func TestAStopDoesNotWaitForeverForRequests(t *testing.T) {
	store := &gatedStore{memrepo.New(), make(chan struct{}), make(chan struct{})}
	defer close(store.leave)
	app, url := startAPI(t, "--git-address", serveStore(t, store), "--drain-timeout=1s")
	broken := make(chan error, 1)
	go func() {
		resp, err := (&http.Client{}).Get(url + "/v1/repositories")
		if err == nil {
			err = resp.Body.Close()
		}
		broken <- err
	}()
	<-store.entered
	if err := app.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-broken; err == nil {
		t.Error("the request was answered")
	}
}

func TestConnectionsAboveTheLimitWait(t *testing.T) {
	_, url := startAPI(t, "--git-address", serveStore(t, memrepo.New()), "--max-connections=1")
	ask := func() net.Conn {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: api\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	answer := func(conn net.Conn) error {
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	first := ask()
	if err := answer(first); err != nil {
		t.Fatal(err)
	}
	second := ask()
	answered := make(chan error)
	go func() { answered <- answer(second) }()
	if err := first.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, _ = first.Read(make([]byte, 1)) // nothing comes
	select {
	case err := <-answered:
		t.Errorf("a second connection was served beside the first: %v", err)
	default:
	}
	_ = first.Close()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestSubscribersLeaveRoomForOthers(t *testing.T) {
	for want, args := range map[int][]string{14096: nil, 4098: {"--events-connections=1"}, 7: {"--max-connections=7"}} {
		s := parse(t, args...)
		if n := s.connections(); n != want {
			t.Errorf("%v: %d connections, want %d", args, n, want)
		}
	}
}
