package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/cmd/internal/service"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/buildinfo"
	"github.com/gitstore-dev/gitstore/internal/config"
	"github.com/gitstore-dev/gitstore/internal/config/configtest"
	"github.com/gitstore-dev/gitstore/internal/testkit/program"
	"github.com/gitstore-dev/gitstore/ports"
)

func parse(t *testing.T, args ...string) settings {
	t.Helper()
	var s settings
	args = append([]string{"--data-dir", t.TempDir(), "--grpc-listen=127.0.0.1:0", "--events-listen=127.0.0.1:0"}, args...)
	if err := config.Parse(config.Program{}, &s, args, io.Discard); err != nil {
		t.Fatal(err)
	}
	return s
}

// newApp returns the service, not started; more options may look into it.
func newApp(t *testing.T, s settings, fail service.Fail, more ...fx.Option) *fx.App {
	t.Helper()
	app := service.New(slog.New(slog.DiscardHandler), buildinfo.Info{Version: "v1.2.3"}, fail, &service.Stop{}, fx.Options(append(more, module(s))...))
	if err := app.Err(); err != nil {
		t.Fatal(err)
	}
	return app
}

// running is the service while it runs, with a client.
type running struct {
	app    *fx.App
	admin  string
	client *gitclient.Store
}

// startService starts the service, waits until it is ready, and stops it at the end of the test.
func startService(t *testing.T, args ...string) running {
	t.Helper()
	var s *server
	app := newApp(t, parse(t, args...), func(err error) { t.Errorf("it fails: %v", err) }, fx.Populate(&s))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	r := running{app: app, admin: "http://" + s.adminAddress.String(), client: dial(t, s.grpcAddress)}
	program.Await(t, r.admin+"/readyz", 200)
	return r
}

func dial(t *testing.T, address net.Addr) *gitclient.Store {
	t.Helper()
	client, err := gitclient.Dial(address.String(), gitclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newShop(t *testing.T, store ports.RepositoryStore) ports.GitRepository {
	t.Helper()
	id := must[git.RepositoryID](t)(git.ParseRepositoryID("shop"))
	must[ports.RepositoryInfo](t)(store.CreateRepository(t.Context(), ports.CreateRepository{ID: id}))
	return store.Repository(id)
}

func TestTheGraphIsComplete(t *testing.T) {
	if err := service.Validate(module(parse(t))); err != nil {
		t.Error(err)
	}
}

func TestItServesADirectoryOverGRPC(t *testing.T) {
	r := startService(t, "--identity-name=Shop", "--identity-email=shop@example.com")
	if err := r.client.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	repo := newShop(t, r.client)
	must[ports.CommitResult](t)(repo.CommitFiles(t.Context(), commitRequest(t), oneChange(t)))
	commit := must[*git.Commit](t)(repo.GetCommit(t.Context(), git.Head()))
	if commit.Author.Name != "Shop" || commit.Committer.Email != "shop@example.com" {
		t.Errorf("the commit is by %v and %v", commit.Author, commit.Committer)
	}
	metrics := program.Await(t, r.admin+"/metrics", 200)
	for _, want := range []string{
		`gitstore_build_info{`, `version="v1.2.3"`, "go_goroutines ", "gitstore_repositories 1\n", "gitstore_git_read_processes ",
		"gitstore_git_processes_started_total ", "gitstore_object_cache_reads_total ", "gitstore_object_cache_hits_total ",
		"gitstore_write_batch_writes_sum 1\n", `gitstore_write_batch_seconds_count{step="refs"} 1`, `gitstore_grpc_queue_seconds_count{class="write"} 0`,
		`gitstore_grpc_requests_total{code="OK",method="gitstore.git.v1.CommitService/`, "gitstore_grpc_request_duration_seconds_count{",
		`gitstore_pushes_refused_total{reason="INTERNAL"} 0`, // an alarm watches how it increases, also from nothing
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics do not have %q", want)
		}
	}
	configtest.CheckMetrics(t, "../../docs/operations.md", metrics)
}

func commitRequest(t *testing.T) ports.CommitFiles {
	t.Helper()
	return ports.CommitFiles{Branch: must[git.RefName](t)(git.BranchRef("main")), Message: "A file"}
}

func oneChange(t *testing.T) iter.Seq2[git.Change, error] {
	t.Helper()
	path := must[git.TreePath](t)(git.ParseTreePath("a.md"))
	return func(yield func(git.Change, error) bool) {
		yield(git.Change{Action: git.ActionUpsert, Path: path, Content: strings.NewReader("a"), Size: 1}, nil)
	}
}

// beginCommit begins a commit that the service has taken when it returns. It goes on when finish is called, and its
// outcome comes through the channel.
func beginCommit(t *testing.T, repo ports.GitRepository) (finish func(), outcome <-chan error) {
	t.Helper()
	begun, pause, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := repo.CommitFiles(context.Background(), commitRequest(t), func(yield func(git.Change, error) bool) {
			for change, err := range oneChange(t) {
				if !yield(change, err) {
					return
				}
			}
			close(begun)
			<-pause
		})
		done <- err
	}()
	<-begun
	// Calls of one connection are taken in turn.
	must[ports.RepositoryInfo](t)(repo.Info(t.Context()))
	return func() { close(pause) }, done
}

func TestUntilTheStoreIsOpenItSaysThatItIsStarting(t *testing.T) {
	var (
		rpc   *gitserver.Server
		ready *readiness
	)
	newApp(t, parse(t), func(error) {}, fx.Populate(&rpc, &ready))
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	served := make(chan error, 1)
	go func() { served <- rpc.Serve(l) }()

	client := dial(t, l.Addr())
	if err := client.Ready(t.Context()); errs.ReasonOf(err) != errs.ReasonUnavailable {
		t.Errorf("Ready is %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := client.ListRepositories(ctx, ports.Page{}); errs.ReasonOf(err) != errs.ReasonUnavailable || !strings.Contains(err.Error(), "starting") {
		t.Errorf("a call gets %v", err)
	}
	id := must[git.RepositoryID](t)(git.ParseRepositoryID("shop"))
	if _, err := client.Repository(id).CommitFiles(ctx, commitRequest(t), oneChange(t)); errs.ReasonOf(err) != errs.ReasonUnavailable {
		t.Errorf("a stream gets %v", err)
	}
	if err := ready.check(ctx); errs.ReasonOf(err) != errs.ReasonUnavailable {
		t.Errorf("/readyz says %v", err)
	}
	if err := errors.Join(rpc.Shutdown(ctx), <-served); err != nil {
		t.Error(err)
	}
}

func TestAStoreThatCannotBeOpenedFailsTheService(t *testing.T) {
	failed := make(chan error, 1)
	app := newApp(t, parse(t, "--git-path=/nonexistent/git", "--drain-delay=5m"), func(err error) { failed <- err })
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !strings.Contains(err.Error(), "/nonexistent/git") {
		t.Errorf("it fails with %v", err)
	}
	if err := app.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAStopLetsCallsUnderWayEnd(t *testing.T) {
	r := startService(t, "--drain-delay=300ms")
	finish, outcome := beginCommit(t, newShop(t, r.client))
	stopped := make(chan error, 1)
	go func() { stopped <- r.app.Stop(context.Background()) }()
	if body := program.Await(t, r.admin+"/readyz", 503); !strings.Contains(body, "shutting down") {
		t.Errorf("it is not ready because of %s", body)
	}
	if err := r.client.Ready(t.Context()); errs.ReasonOf(err) != errs.ReasonUnavailable {
		t.Errorf("Ready is %v", err)
	}
	finish()
	if err := <-outcome; err != nil {
		t.Errorf("the commit under way failed: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestAStopDoesNotWaitForARequestOfTheAdminListenerThatDoesNotEnd(t *testing.T) {
	r := startService(t, "--drain-timeout=1s")
	conn := must[net.Conn](t)(net.Dial("tcp", strings.TrimPrefix(r.admin, "http://")))
	defer func() { _ = conn.Close() }()
	must[int](t)(io.WriteString(conn, "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"))
	// net/http would give up on it after 5 s at the earliest.
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := r.app.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func TestAStopDoesNotWaitForeverForCalls(t *testing.T) {
	r := startService(t, "--drain-timeout=1s")
	finish, outcome := beginCommit(t, newShop(t, r.client))
	if err := r.app.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	finish()
	if err := <-outcome; err == nil {
		t.Error("a commit that was broken off succeeded")
	}
}
