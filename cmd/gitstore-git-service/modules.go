package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"google.golang.org/grpc"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/ws"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/cmd/internal/service"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/internal/telemetry"
	"github.com/gitstore-dev/gitstore/ports"
)

// module is the service as its settings want it.
func module(s settings) fx.Option {
	return fx.Options(
		fx.Supply(s),
		fx.Provide(
			telemetry.NewRegistry,
			fx.Annotate(newStorage, fx.As(fx.Self()), fx.As(new(ports.RepositoryStore))),
			fx.Annotate(newPushValidator, fx.As(new(ports.PushValidator))),
			newGRPCServer,
			newReadiness,
			newPublisher,
			newAdminServer,
			newServer,
		),
		fx.Invoke(run),
	)
}

func newGRPCServer(
	s settings, store ports.RepositoryStore, gate *storage, reg *prometheus.Registry, logger *slog.Logger,
) *gitserver.Server {
	server := gitserver.New(store, gitserver.Options{
		Logger: logger, Registerer: reg, Journal: gate, Events: gate, Packs: gate, Reflection: s.Reflection,
		MaxConnections: s.MaxConnections, MaxWatches: s.EventsConnections, MaxRequestMemory: s.MaxRequestMemory, Limits: s.limits(),
		ServerOptions: []grpc.ServerOption{grpc.ChainUnaryInterceptor(gate.unary), grpc.ChainStreamInterceptor(gate.stream)},
	})
	server.SetServing(false)
	return server
}

func newPushValidator(s settings) *catalogs.PushValidator {
	return catalogs.NewPushValidator(catalogs.PushOptions{MaxBytes: s.PushValidationMaxSize})
}

// readiness says whether calls can be served.
type readiness struct {
	storage  *storage
	draining atomic.Bool
}

func newReadiness(storage *storage) *readiness { return &readiness{storage: storage} }

func (r *readiness) check(context.Context) error {
	if r.draining.Load() {
		return errs.New(errs.ReasonDraining, "the service is shutting down")
	}
	return r.storage.check()
}

func newPublisher(s settings, storage *storage, logger *slog.Logger) (*ws.Publisher, error) {
	opts := s.publisher()
	opts.Logger = logger
	return ws.NewPublisher(storage, opts)
}

func newAdminServer(reg *prometheus.Registry, ready *readiness, publisher *ws.Publisher, logger *slog.Logger) *http.Server {
	return telemetry.NewAdminServer(reg, ready.check, map[string]http.Handler{"GET /v1/events": publisher}, logger)
}

// server is the service while it runs.
type server struct {
	settings  settings
	storage   *storage
	validator ports.PushValidator
	grpc      *gitserver.Server
	ready     *readiness
	events    *ws.Publisher
	http      *http.Server
	fail      service.Fail
	stopping  *service.Stop
	logger    *slog.Logger

	// grpcAddress and adminAddress are where it listens once it was started.
	grpcAddress, adminAddress net.Addr
	admin                     *service.HTTP
	// opening and serving are its goroutines.
	opening, serving sync.WaitGroup
	cancelOpening    context.CancelFunc
}

func newServer(
	s settings, storage *storage, validator ports.PushValidator, grpcServer *gitserver.Server, ready *readiness, events *ws.Publisher,
	admin *http.Server, fail service.Fail, stop *service.Stop, logger *slog.Logger,
) *server {
	return &server{
		settings: s, storage: storage, validator: validator, grpc: grpcServer, ready: ready, events: events, http: admin, fail: fail,
		stopping: stop, logger: logger,
	}
}

func run(lc fx.Lifecycle, s *server) { lc.Append(fx.StartStopHook(s.start, s.stop)) }

// start listens and has the store opened. Until it is open the service answers that it is not ready.
func (s *server) start(ctx context.Context) error {
	rpc, err := service.Listen(ctx, "--grpc-listen", s.settings.GRPCListen)
	if err != nil {
		return err
	}
	admin, err := service.Listen(ctx, "--events-listen", s.settings.EventsListen)
	if err != nil {
		return errors.Join(err, rpc.Close())
	}
	s.grpcAddress, s.adminAddress = rpc.Addr(), admin.Addr()
	s.admin = service.StartHTTP(s.http, admin, s.fail, s.logger)
	s.serving.Go(func() {
		if err := s.grpc.Serve(rpc); err != nil {
			s.fail(fmt.Errorf("gRPC on %s: %w", rpc.Addr(), err))
		}
	})
	var opening context.Context
	opening, s.cancelOpening = context.WithCancel(context.WithoutCancel(ctx))
	s.opening.Go(func() { s.open(opening) })
	return nil
}

func (s *server) open(ctx context.Context) {
	opts, log := s.settings.store(), s.settings.journal()
	opts.Logger, log.Logger, opts.Validator = s.logger, s.logger, s.validator
	if err := s.storage.open(ctx, opts, log); err != nil {
		s.fail(err)
		return
	}
	s.grpc.SetServing(true)
	store := s.storage.opened.Load().store
	s.logger.InfoContext(ctx, "serving gRPC", "address", s.grpcAddress.String(),
		"git_version", store.GitVersion(), "repositories", store.Stats().Repositories)
}

// stop says that the service is not ready, lets calls under way end, and closes the store. The admin listener goes last,
// so that a stop can be watched, and waits for nobody once the time for draining is over.
func (s *server) stop(ctx context.Context) error {
	s.cancelOpening()
	s.stopping.Wait("opening", s.opening.Wait)
	s.ready.draining.Store(true)
	s.grpc.SetServing(false)
	if s.storage.check() == nil {
		s.stopping.Wait("drain_delay", func() { service.Wait(ctx, s.settings.DrainDelay) })
	}
	draining, cancel := context.WithTimeout(ctx, s.settings.DrainTimeout)
	defer cancel()
	if err := s.stopping.Part("calls", func() error { return s.grpc.Shutdown(draining) }); err != nil {
		s.logger.WarnContext(ctx, "broke off gRPC calls that did not end in time", "error", err)
	}
	if err := s.stopping.Part("subscribers", func() error { return s.events.Shutdown(draining) }); err != nil {
		s.logger.WarnContext(ctx, "broke off subscribers that did not leave in time", "error", err)
	}
	s.stopping.Wait("listener", s.serving.Wait)
	return errors.Join(s.storage.close(s.stopping), s.stopping.Part("admin", func() error { return s.admin.Stop(draining) }))
}
