package telemetry

import (
	"context"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// clientMetrics counts calls as a gRPC client sees them.
type clientMetrics struct {
	calls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewClientMetrics returns a handler for a gRPC client that registers the metrics gitstore_grpc_client_requests_total and
// gitstore_grpc_client_request_duration_seconds. Each attempt of a call that is repeated counts as a call.
func NewClientMetrics(reg prometheus.Registerer) stats.Handler {
	f := promauto.With(reg)
	return &clientMetrics{
		calls: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gitstore_grpc_client_requests_total",
			Help: "gRPC calls to the git-service by method and status code, each attempt for itself.",
		}, []string{"method", "code"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gitstore_grpc_client_request_duration_seconds",
			Help:    "Time from the start of a gRPC call to its end, streams included.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"method"}),
	}
}

type methodKey struct{}

// TagRPC implements [stats.Handler].
func (m *clientMetrics) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, methodKey{}, strings.TrimPrefix(info.FullMethodName, "/"))
}

// HandleRPC implements [stats.Handler].
func (m *clientMetrics) HandleRPC(ctx context.Context, s stats.RPCStats) {
	end, ok := s.(*stats.End)
	if !ok {
		return
	}
	method, _ := ctx.Value(methodKey{}).(string)
	m.calls.WithLabelValues(method, status.Code(end.Error).String()).Inc()
	m.duration.WithLabelValues(method).Observe(end.EndTime.Sub(end.BeginTime).Seconds())
}

// TagConn implements [stats.Handler].
func (m *clientMetrics) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return ctx
}

// HandleConn implements [stats.Handler].
func (m *clientMetrics) HandleConn(context.Context, stats.ConnStats) {}
