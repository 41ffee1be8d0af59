package main

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/ports"
)

// storage is the store from the time on that it is open. Cleaning up after an unclean stop takes its time where there are
// many repositories, and meanwhile the service has to answer those who ask how it is.
type storage struct {
	// RepositoryStore is nil until then: calls have to come through unary and stream, which let none pass before.
	ports.RepositoryStore
	store atomic.Pointer[gitcli.Store]
}

func newStorage(reg *prometheus.Registry) (*storage, error) {
	s := &storage{}
	return s, reg.Register(s)
}

func (s *storage) open(ctx context.Context, opts gitcli.Options) error {
	store, err := gitcli.Open(ctx, opts)
	if err != nil {
		return err
	}
	s.RepositoryStore = store
	s.store.Store(store)
	return nil
}

func (s *storage) close() error {
	if store := s.store.Load(); store != nil {
		return store.Close()
	}
	return nil
}

var errStarting = errs.New(errs.ReasonUnavailable, "the service is starting: try again in a moment")

func (s *storage) check() error {
	if s.store.Load() == nil {
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
	cacheHitsDesc    = prometheus.NewDesc("gitstore_object_cache_hits_total", "Objects found in memory.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (s *storage) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{repositoriesDesc, processesDesc, startedDesc, cacheReadsDesc, cacheHitsDesc} {
		descs <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *storage) Collect(metrics chan<- prometheus.Metric) {
	store := s.store.Load()
	if store == nil {
		return
	}
	stats := store.Stats()
	metrics <- prometheus.MustNewConstMetric(repositoriesDesc, prometheus.GaugeValue, float64(stats.Repositories))
	metrics <- prometheus.MustNewConstMetric(processesDesc, prometheus.GaugeValue, float64(stats.Processes))
	metrics <- prometheus.MustNewConstMetric(startedDesc, prometheus.CounterValue, float64(stats.ProcessesStarted))
	metrics <- prometheus.MustNewConstMetric(cacheReadsDesc, prometheus.CounterValue, float64(stats.CacheReads))
	metrics <- prometheus.MustNewConstMetric(cacheHitsDesc, prometheus.CounterValue, float64(stats.CacheHits))
}
