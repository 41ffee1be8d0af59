package gitserver

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
)

// lastCode is the highest code of a status.
const lastCode = codes.Unauthenticated

// method is what the server knows of one RPC. Its metrics are looked up once, not for each call.
type method struct {
	// name is the service and method, such as "gitstore.git.v1.RefService/ListRefs".
	name string
	// op is zero for the methods of gRPC's own services.
	op wire.Operation
	// limiter admits the calls, which wait for as long as wait; nil admits all.
	limiter *limiter
	wait    time.Duration
	// refusal is what a call gets that is refused before it is received, and refused how many did since lastRefusal, the
	// nanoseconds in which that was logged last.
	refusal              error
	refused, lastRefusal atomic.Int64
	requests             [lastCode + 1]prometheus.Counter
	duration             prometheus.Observer
	// underWay is how many calls have begun and not ended.
	underWay atomic.Int64
}

// newMethods returns the methods of the services by their full names.
func newMethods(services map[string]grpc.ServiceInfo, limits Limits, reg prometheus.Registerer) map[string]*method {
	f := promauto.With(reg)
	limiters := newLimiters(limits, reg)
	requests := f.NewCounterVec(prometheus.CounterOpts{
		Name: "gitstore_grpc_requests_total",
		Help: "gRPC calls by method and status code.",
	}, []string{"method", "code"})
	duration := f.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "gitstore_grpc_request_duration_seconds",
		Help:    "Time from the start of a gRPC call to its status, streams included.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
	}, []string{"method"})
	methods := map[string]*method{}
	for service, info := range services {
		for _, m := range info.Methods {
			m := newMethod(service+"/"+m.Name, requests, duration)
			if m.limiter = limiters[m.op.Cost]; m.limiter != nil {
				m.wait = m.limiter.wait
				m.refusal = wire.EncodeError(m.limiter.refusal(tooMany))
			}
			if service == gitv1.TransportService_ServiceDesc.ServiceName {
				m.wait = max(m.wait, packWait)
			}
			methods["/"+m.name] = m
		}
	}
	return methods
}

func newMethod(name string, requests *prometheus.CounterVec, duration *prometheus.HistogramVec) *method {
	op, _ := wire.OperationOf("/" + name)
	m := &method{name: name, op: op, duration: duration.WithLabelValues(name)}
	for code := range m.requests {
		m.requests[code] = requests.WithLabelValues(name, codes.Code(code).String())
	}
	return m
}

// observe counts a call. Its code is one that gRPC defines: the server makes all statuses itself.
func (m *method) observe(code codes.Code, took time.Duration) {
	m.requests[code].Inc()
	m.duration.Observe(took.Seconds())
}
