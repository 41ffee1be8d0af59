package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/nats"
	"github.com/gitstore-dev/gitstore/app/eventhub"
	"github.com/gitstore-dev/gitstore/app/journal"
	"github.com/gitstore-dev/gitstore/cmd/internal/eventmetrics"
	"github.com/gitstore-dev/gitstore/cmd/internal/service"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

// storage is the store and its journal from the time on that they are open. Cleaning up after an unclean stop takes its
// time where there are many repositories, and meanwhile the service has to answer those who ask how it is.
type storage struct {
	// RepositoryStore and PackTransport are nil until then: calls have to come through unary and stream, which let none
	// pass before.
	ports.RepositoryStore
	ports.PackTransport
	opened  atomic.Pointer[opened]
	logger  *slog.Logger
	batches *batches
}

// opened is what storage consists of.
type opened struct {
	store   *gitcli.Store
	log     *nats.Log
	journal *journal.Journal
	hub     *eventhub.Hub
	// running are the goroutines of the journal and the hub.
	running sync.WaitGroup
	cancel  context.CancelFunc
}

func newStorage(reg *prometheus.Registry, logger *slog.Logger) (*storage, error) {
	s := &storage{logger: logger, batches: newBatches(reg)}
	return s, reg.Register(s)
}

// observer tells the journal of changes. The store has to be open before the journal, which lies in the directory that it
// takes, and nobody writes to it before the journal is there.
type observer struct{ *journal.Journal }

// open opens the store, then the journal, and brings that in step with the store before anybody can write to it.
func (s *storage) open(ctx context.Context, store gitcli.Options, log nats.Options) (err error) {
	o := &opened{}
	changes := &observer{}
	store.Observer, store.Batched = changes, s.batches.observe
	if o.store, err = gitcli.Open(ctx, store); err != nil {
		return err
	}
	if o.log, err = nats.Open(ctx, log); err != nil {
		if log.URL != "" {
			err = fmt.Errorf("--nats-url: %w", err)
		}
		return errors.Join(fmt.Errorf("journal: %w", err), o.store.Close())
	}
	o.journal = journal.New(o.log, journal.Options{Logger: s.logger})
	changes.Journal = o.journal
	found, err := o.journal.Reconcile(ctx, o.store)
	if err != nil {
		return errors.Join(fmt.Errorf("journal: %w", err), o.store.Close(), o.log.Close())
	}
	if found > 0 {
		s.logger.InfoContext(ctx, "the journal lacked changes, and has them now", "events", found)
	}
	// The refs of all repositories were read, and may never be again: what that took is the larger part of an idle heap.
	debug.FreeOSMemory()
	o.hub = eventhub.New(o.log, o.store, eventhub.Options{OnFeedError: func(err error) {
		s.logger.WarnContext(ctx, "the journal cannot be followed; it is tried again", "error", err)
	}})
	var running context.Context
	running, o.cancel = context.WithCancel(context.WithoutCancel(ctx))
	o.running.Go(func() { o.journal.Run(running) })
	o.running.Go(func() { _ = o.hub.Follow(running, o.log) })
	s.RepositoryStore, s.PackTransport = o.store, o.store
	s.opened.Store(o)
	return nil
}

// close ends the store first: its last writes are told of.
func (s *storage) close(stop *service.Stop) error {
	o := s.opened.Load()
	if o == nil {
		return nil
	}
	err := stop.Part("repositories", o.store.Close)
	o.cancel()
	stop.Wait("followers", o.running.Wait)
	return errors.Join(err, stop.Part("journal", o.log.Close))
}

// Bounds implements [ports.EventReader].
func (s *storage) Bounds(ctx context.Context) (ports.EventBounds, error) {
	if err := s.check(); err != nil {
		return ports.EventBounds{}, err
	}
	return s.opened.Load().log.Bounds(ctx)
}

// ReadEvents implements [ports.EventReader].
func (s *storage) ReadEvents(ctx context.Context, after event.Cursor, limit int) ([]event.Entry, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.opened.Load().log.ReadEvents(ctx, after, limit)
}

// Subscribe implements [ports.EventSource].
func (s *storage) Subscribe(ctx context.Context, sub ports.Subscription) iter.Seq2[event.Notice, error] {
	if err := s.check(); err != nil {
		return func(yield func(event.Notice, error) bool) { yield(nil, err) }
	}
	return s.opened.Load().hub.Subscribe(ctx, sub)
}

var errStarting = errs.New(errs.ReasonUnavailable, "the service is starting: try again in a moment")

func (s *storage) check() error {
	if s.opened.Load() == nil {
		return errStarting
	}
	return nil
}

func (s *storage) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := s.check(); err != nil && needsStore(info.FullMethod) {
		return nil, err
	}
	return handler(ctx, req)
}

func (s *storage) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := s.check(); err != nil && needsStore(info.FullMethod) {
		return err
	}
	return handler(srv, stream)
}

// needsStore tells the services of the contract from gRPC's own.
func needsStore(method string) bool { return strings.HasPrefix(method, "/gitstore.") }

var (
	repositoriesDesc = prometheus.NewDesc("gitstore_repositories", "Repositories that exist.", nil, nil)
	processesDesc    = prometheus.NewDesc("gitstore_git_read_processes", "Git processes that serve reads, busy or idle.", nil, nil)
	startedDesc      = prometheus.NewDesc("gitstore_git_processes_started_total", "Git processes started.", nil, nil)
	cacheReadsDesc   = prometheus.NewDesc("gitstore_object_cache_reads_total", "Objects looked for in memory.", nil, nil)
	unreadableDesc   = prometheus.NewDesc("gitstore_journal_unreadable_repositories", "Repositories whose refs could not be read to compare them with the journal.", nil, nil)
	pushesDesc       = prometheus.NewDesc("gitstore_pushes_total", "Pushes of git clients that were answered.", nil, nil)
	maintainedDesc   = prometheus.NewDesc("gitstore_maintenances_total", "Repositories that were maintained in the background.", nil, nil)
	unmaintainedDesc = prometheus.NewDesc("gitstore_maintenances_failed_total", "Such maintenances that ended early.", nil, nil)
	putOffDesc       = prometheus.NewDesc("gitstore_maintenances_put_off_total", "Maintenances that did not begin or were ended, for lack of room on the disk.", nil, nil)
	maintenanceDesc  = prometheus.NewDesc("gitstore_maintenance_seconds_total", "Time that maintenances took.", nil, nil)
	refusedDesc      = prometheus.NewDesc("gitstore_pushes_refused_total", "Such pushes of which one or more refs were refused, by the reason of the first.", []string{"reason"}, nil)
	validatedDesc    = prometheus.NewDesc("gitstore_push_validations_total", "Pushes that were validated.", nil, nil)
	invalidDesc      = prometheus.NewDesc("gitstore_push_validations_invalid_total", "Such pushes that something was wrong with, refused or not.", nil, nil)
	unjudgedDesc     = prometheus.NewDesc("gitstore_push_validations_failed_total", "Such pushes of which it could not be found out, in time or at all.", nil, nil)
	validationDesc   = prometheus.NewDesc("gitstore_push_validation_seconds_total", "Time that validations took.", nil, nil)
	cacheHitsDesc    = prometheus.NewDesc("gitstore_object_cache_hits_total", "Objects found in memory.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (s *storage) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{repositoriesDesc, processesDesc, startedDesc, cacheReadsDesc, cacheHitsDesc, unreadableDesc, pushesDesc, refusedDesc,
		maintainedDesc, unmaintainedDesc, putOffDesc, maintenanceDesc, validatedDesc, invalidDesc, unjudgedDesc, validationDesc} {
		descs <- d
	}
	eventmetrics.Describe(descs)
}

// Collect implements [prometheus.Collector].
func (s *storage) Collect(metrics chan<- prometheus.Metric) {
	o := s.opened.Load()
	if o == nil {
		return
	}
	eventmetrics.Collect(o.hub.Stats(), metrics)
	stats := o.store.Stats()
	metrics <- prometheus.MustNewConstMetric(repositoriesDesc, prometheus.GaugeValue, float64(stats.Repositories))
	metrics <- prometheus.MustNewConstMetric(processesDesc, prometheus.GaugeValue, float64(stats.Processes))
	metrics <- prometheus.MustNewConstMetric(startedDesc, prometheus.CounterValue, float64(stats.ProcessesStarted))
	metrics <- prometheus.MustNewConstMetric(cacheReadsDesc, prometheus.CounterValue, float64(stats.CacheReads))
	metrics <- prometheus.MustNewConstMetric(cacheHitsDesc, prometheus.CounterValue, float64(stats.CacheHits))
	metrics <- prometheus.MustNewConstMetric(pushesDesc, prometheus.CounterValue, float64(stats.Pushes))
	for _, reason := range errs.Reasons() { // also of those that did not come yet: a counter that begins with 1 has no increase
		metrics <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(stats.PushesRefused[reason]), string(reason))
	}
	metrics <- prometheus.MustNewConstMetric(maintainedDesc, prometheus.CounterValue, float64(stats.Maintenances))
	metrics <- prometheus.MustNewConstMetric(unmaintainedDesc, prometheus.CounterValue, float64(stats.MaintenancesFailed))
	metrics <- prometheus.MustNewConstMetric(putOffDesc, prometheus.CounterValue, float64(stats.MaintenancesPutOff))
	metrics <- prometheus.MustNewConstMetric(maintenanceDesc, prometheus.CounterValue, stats.MaintenanceTime.Seconds())
	metrics <- prometheus.MustNewConstMetric(validatedDesc, prometheus.CounterValue, float64(stats.Validations))
	metrics <- prometheus.MustNewConstMetric(invalidDesc, prometheus.CounterValue, float64(stats.ValidationsInvalid))
	metrics <- prometheus.MustNewConstMetric(unjudgedDesc, prometheus.CounterValue, float64(stats.ValidationsFailed))
	metrics <- prometheus.MustNewConstMetric(validationDesc, prometheus.CounterValue, stats.ValidationTime.Seconds())
	metrics <- prometheus.MustNewConstMetric(unreadableDesc, prometheus.GaugeValue, float64(o.journal.Unreadable()))
}
