package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/adapters/ws"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/app/eventhub"
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
			fx.Annotate(newClient, fx.As(fx.Self()), fx.As(new(ports.RepositoryStore)), fx.As(new(ports.PackTransport))),
			newFollowing,
			newPublisher,
			newReadiness,
			newHTTPServer,
			newServer,
		),
		fx.Invoke(run),
	)
}

func newClient(lc fx.Lifecycle, s settings, reg *prometheus.Registry, build buildinfo.Info, stop *service.Stop) (*gitclient.Store, error) {
	client, err := gitclient.Dial(s.GitAddress, gitclient.Options{
		UserAgent:   "gitstore-api/" + build.Version,
		DialOptions: []grpc.DialOption{grpc.WithStatsHandler(telemetry.NewClientMetrics(reg))},
	})
	if err != nil {
		return nil, err
	}
	lc.Append(fx.StopHook(func() error { return stop.Part("client", client.Close) }))
	return client, nil
}

// following is what the service knows of changes: the events of the git-service, kept for its own clients, and the
// catalogs that follow them.
type following struct {
	events   ports.EventSource
	hub      *eventhub.Hub
	catalogs *catalogs.Follower

	running sync.WaitGroup
	cancel  context.CancelFunc
}

// maxEventsBackoff bounds how long after its git-service is back an API learns of changes.
const maxEventsBackoff = time.Second

func newFollowing(s settings, client *gitclient.Store, reg *prometheus.Registry, logger *slog.Logger) (*following, error) {
	follower := catalogs.New(client, s.targets, catalogs.Options{Logger: logger, PastWeight: s.CatalogsPastSize})
	subscriber, err := ws.NewSubscriber(s.EventsURL, ws.SubscriberOptions{BackoffCap: maxEventsBackoff, Observe: func(state ws.ConnectionState) {
		follower.SetConnected(state.Up)
		if state.Up {
			logger.Info("connected to the events of the git-service", "cursor", state.After.String())
			return
		}
		logger.Warn("not connected to the events of the git-service", "cursor", state.After.String(), "error", state.Err, "retry", state.Retry)
	}})
	if err != nil {
		return nil, err
	}
	f := &following{
		events:   eventhub.Verify(subscriber, client, s.EventsVerify),
		hub:      eventhub.New(client.Journal(), client, eventhub.Options{}),
		catalogs: follower,
	}
	return f, reg.Register(f)
}

func (f *following) start(ctx context.Context) {
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	f.running.Go(func() { _ = f.hub.Run(ctx, f.events) })
	f.running.Go(func() { f.catalogs.Run(ctx, f.hub) })
}

func (f *following) stop() {
	f.cancel()
	f.running.Wait()
}

func newPublisher(s settings, f *following, logger *slog.Logger) (*ws.Publisher, error) {
	opts := s.publisher()
	opts.Logger = logger
	return ws.NewPublisher(f.hub, opts)
}

// readiness says whether requests can be served.
type readiness struct {
	client *gitclient.Store
	// catalogs is nil if none are kept.
	catalogs *catalogs.Follower
	draining atomic.Bool
}

func newReadiness(s settings, client *gitclient.Store, f *following) *readiness {
	r := &readiness{client: client}
	if len(s.targets) > 0 {
		r.catalogs = f.catalogs
	}
	return r
}

// readyTimeout bounds the question whether the git-service is ready, to which a prober expects a quick answer.
const readyTimeout = 2 * time.Second

func (r *readiness) check(ctx context.Context) error {
	if r.draining.Load() {
		return errs.New(errs.ReasonDraining, "the service is shutting down: use another one")
	}
	if r.catalogs != nil {
		// Once they are loaded they are served whether the git-service is there or not.
		return r.catalogs.Ready()
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return r.client.Ready(ctx)
}

func newHTTPServer(
	s settings, store ports.RepositoryStore, packs ports.PackTransport, f *following, publisher *ws.Publisher, ready *readiness, reg *prometheus.Registry,
	build buildinfo.Info, logger *slog.Logger,
) *http.Server {
	opts := s.api()
	opts.Logger, opts.Registerer, opts.Metrics = logger, reg, telemetry.MetricsHandler(reg)
	opts.Ready, opts.Version, opts.Packs = ready.check, build.Version, packs
	opts.Events, opts.EventSocket, opts.Position, opts.Catalogs = f.hub, publisher, f.hub.Position, f.catalogs
	return httpapi.NewServer(httpapi.New(store, opts), s.HTTPListen, opts)
}

// server is the service while it runs.
type server struct {
	settings  settings
	following *following
	events    *ws.Publisher
	ready     *readiness
	http      *http.Server
	fail      service.Fail
	stopping  *service.Stop
	logger    *slog.Logger

	// address is where it listens once it was started.
	address net.Addr
	running *service.HTTP
}

func newServer(
	s settings, f *following, events *ws.Publisher, ready *readiness, httpServer *http.Server, fail service.Fail, stop *service.Stop, logger *slog.Logger,
) *server {
	return &server{settings: s, following: f, events: events, ready: ready, http: httpServer, fail: fail, stopping: stop, logger: logger}
}

func run(lc fx.Lifecycle, s *server) { lc.Append(fx.StartStopHook(s.start, s.stop)) }

func (s *server) start(ctx context.Context) error {
	l, err := service.Listen(ctx, "--http-listen", s.settings.HTTPListen)
	if err != nil {
		return err
	}
	s.address = l.Addr()
	s.following.start(ctx)
	s.running = service.StartHTTP(s.http, netutil.LimitListener(l, s.settings.connections()), s.fail, s.logger)
	return nil
}

// stop says that the service is not ready and lets requests under way end. The client is closed after it.
func (s *server) stop(ctx context.Context) error {
	s.ready.draining.Store(true)
	s.stopping.Wait("drain_delay", func() { service.Wait(ctx, s.settings.DrainDelay) })
	draining, cancel := context.WithTimeout(ctx, s.settings.DrainTimeout)
	defer cancel()
	if err := s.stopping.Part("subscribers", func() error { return s.events.Shutdown(draining) }); err != nil {
		s.logger.WarnContext(ctx, "broke off subscribers that did not leave in time", "error", err)
	}
	err := s.stopping.Part("requests", func() error { return s.running.Stop(draining) })
	s.stopping.Wait("catalogs", s.following.stop)
	return err
}
