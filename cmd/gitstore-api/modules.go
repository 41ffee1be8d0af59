package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"google.golang.org/grpc"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/cmd/internal/service"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/internal/buildinfo"
	"github.com/gitstore-dev/gitstore/internal/telemetry"
	"github.com/gitstore-dev/gitstore/ports"
)

// module is the service as its settings want it.
func module(s settings) fx.Option {
	return fx.Options(
		fx.Supply(s),
		fx.Provide(
			telemetry.NewRegistry,
			fx.Annotate(newClient, fx.As(fx.Self()), fx.As(new(ports.RepositoryStore))),
			newReadiness,
			newHTTPServer,
			newServer,
		),
		fx.Invoke(run),
	)
}

func newClient(lc fx.Lifecycle, s settings, reg *prometheus.Registry, build buildinfo.Info) (*gitclient.Store, error) {
	client, err := gitclient.Dial(s.GitAddress, gitclient.Options{
		UserAgent:   "gitstore-api/" + build.Version,
		DialOptions: []grpc.DialOption{grpc.WithStatsHandler(telemetry.NewClientMetrics(reg))},
	})
	if err != nil {
		return nil, err
	}
	lc.Append(fx.StopHook(client.Close))
	return client, nil
}

// readiness says whether requests can be served.
type readiness struct {
	client   *gitclient.Store
	draining atomic.Bool
}

func newReadiness(client *gitclient.Store) *readiness { return &readiness{client: client} }

// readyTimeout bounds the question whether the git-service is ready, to which a prober expects a quick answer.
const readyTimeout = 2 * time.Second

func (r *readiness) check(ctx context.Context) error {
	if r.draining.Load() {
		return errs.New(errs.ReasonDraining, "the service is shutting down: use another one")
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return r.client.Ready(ctx)
}

func newHTTPServer(
	s settings, store ports.RepositoryStore, ready *readiness, reg *prometheus.Registry, build buildinfo.Info, logger *slog.Logger,
) *http.Server {
	opts := s.api()
	opts.Logger, opts.Registerer, opts.Metrics = logger, reg, telemetry.MetricsHandler(reg)
	opts.Ready, opts.Version = ready.check, build.Version
	return httpapi.NewServer(httpapi.New(store, opts), s.HTTPListen, opts)
}

// server is the service while it runs.
type server struct {
	settings settings
	ready    *readiness
	http     *http.Server
	fail     service.Fail
	logger   *slog.Logger

	// address is where it listens once it was started.
	address net.Addr
	running *service.HTTP
}

func newServer(s settings, ready *readiness, httpServer *http.Server, fail service.Fail, logger *slog.Logger) *server {
	return &server{settings: s, ready: ready, http: httpServer, fail: fail, logger: logger}
}

func run(lc fx.Lifecycle, s *server) { lc.Append(fx.StartStopHook(s.start, s.stop)) }

func (s *server) start(ctx context.Context) error {
	l, err := service.Listen(ctx, "--http-listen", s.settings.HTTPListen)
	if err != nil {
		return err
	}
	s.address = l.Addr()
	s.running = service.StartHTTP(s.http, l, s.fail, s.logger)
	return nil
}

// stop says that the service is not ready and lets requests under way end. The client is closed after it.
func (s *server) stop(ctx context.Context) error {
	s.ready.draining.Store(true)
	service.Wait(ctx, s.settings.DrainDelay)
	draining, cancel := context.WithTimeout(ctx, s.settings.DrainTimeout)
	defer cancel()
	return s.running.Stop(draining)
}
