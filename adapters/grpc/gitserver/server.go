// Package gitserver serves a [ports.RepositoryStore] over gRPC. Every limit of the server is set here, since gRPC's own
// defaults allow streams, headers and answers without end.
package gitserver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/tap"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/internal/budget"
	"github.com/gitstore-dev/gitstore/ports"
)

// The limits of a connection and its streams.
const (
	defaultMaxConnections = 1024
	defaultMaxWatches     = 5000
	defaultMaxStall       = 2 * time.Minute
	// What is above the streams of a connection waits in its client, in the order it came and for as long as it takes: nobody refuses
	// it. So a full class has fewer calls. At the defaults of [Limits], those at work and those that wait are 256 + 512 = 768 of CHEAP,
	// READ and WRITE each, 128 + 256 = 384 of HEAVY and 8 + 64 = 72 of PACK. They are 2,760 together, so an API has a connection for
	// each class.
	maxConcurrentStreams = 1024
	// workersPerCore goroutines for each core are kept for handlers, while others begin for those that find none free: the stack of a new
	// one has to grow first, which is a fifteenth of what a hot read takes (BenchmarkGetFile in gitclient).
	workersPerCore    = 4
	maxHeaderBytes    = 16 << 10
	connectionTimeout = 10 * time.Second
	// A connection is replaced now and then, so that clients spread over servers that were added. The grace is as long as
	// the longest operation.
	maxConnectionAge      = 30 * time.Minute
	maxConnectionAgeGrace = 10 * time.Minute
	// Clients of ours ping after 10 s of silence. The least time is below that, as pings arrive with some jitter and three
	// that come early close the connection.
	minPingInterval = 8 * time.Second
	serverPingTime  = time.Minute
	serverPingWait  = 10 * time.Second
	streamWindow    = 1 << 20
	connWindow      = 4 << 20
)

// Options of a [Server].
type Options struct {
	// Logger gets one line for each call and the details of internal errors; nil discards them.
	Logger *slog.Logger
	// Registerer gets the metrics gitstore_grpc_requests_total, gitstore_grpc_request_duration_seconds and, by cost class,
	// gitstore_grpc_calls_in_flight, gitstore_grpc_calls_queued, gitstore_grpc_calls_rejected_total and gitstore_grpc_calls_displaced_total; nil is none.
	Registerer prometheus.Registerer
	// Reflection serves grpc.reflection, with which anybody who can reach the server lists its methods.
	Reflection bool
	// MaxConnections is how many connections are open at a time; more wait to be accepted. 0 is 1024.
	MaxConnections int
	// Limits bound the calls at work.
	Limits Limits
	// MaxRequestMemory is how many bytes requests may take together, from when they are decoded to the end of their calls, with what commits
	// collect of theirs; what would take more is refused at once with QUEUE_FULL. Requests of up to 64 KiB may take twice as much. 0 is
	// 1 GiB.
	MaxRequestMemory int64
	// MaxStall is how long a client may take nothing of a stream's next message, or send nothing of a commit or push, before the
	// call is broken off with DEADLINE_EXCEEDED, for the sake of those that wait for its place, or for its memory. The default is two
	// minutes.
	MaxStall time.Duration
	// Journal is where the changes of the store are kept, and Events tells of them. Without a Journal there are no cursors
	// and EventService answers METHOD_NOT_FOUND.
	Journal ports.EventReader
	Events  ports.EventSource
	// MaxWatches is how many calls watch events at a time; more are refused with RESOURCE_EXHAUSTED. 0 is 5,000.
	MaxWatches int
	// Packs serves git's own clients. Without it TransportService answers METHOD_NOT_FOUND.
	Packs ports.PackTransport
	// ServerOptions are applied after the server's own, such as credentials.
	ServerOptions []grpc.ServerOption
}

// Server serves the services of the contract and grpc.health.v1.
type Server struct {
	grpc           *grpc.Server
	health         *health.Server
	logger         *slog.Logger
	methods        map[string]*method
	maxConnections int
	maxStall       time.Duration
	// memory is what requests take.
	memory  budget.Memory
	journal ports.EventReader
	// stopping ends when the server is shut down, and with it what would never end by itself.
	stopping context.Context
	stop     context.CancelFunc
}

// New returns a server of the store that reports to be healthy. It listens to nothing until [Server.Serve].
func New(store ports.RepositoryStore, opts Options) *Server {
	s := &Server{health: health.NewServer(), logger: opts.Logger, maxConnections: opts.MaxConnections, maxStall: opts.MaxStall, journal: opts.Journal}
	s.stopping, s.stop = context.WithCancel(context.Background())
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&s.maxConnections, defaultMaxConnections)
	setDefault(&s.maxStall, defaultMaxStall)
	setDefault(&opts.MaxWatches, defaultMaxWatches)
	s.grpc = grpc.NewServer(append(s.options(), opts.ServerOptions...)...)
	s.boundRequests(opts.MaxRequestMemory, opts.Registerer)
	s.register(store)
	s.grpc.RegisterService(receiveRequests(&gitv1.EventService_ServiceDesc, &s.memory), eventService{
		journal: opts.Journal, source: opts.Events, stopping: s.stopping, most: opts.MaxWatches, watches: &atomic.Int64{},
	})
	s.grpc.RegisterService(receiveRequests(&gitv1.TransportService_ServiceDesc, &s.memory), transportService{packs: opts.Packs})
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	if opts.Reflection {
		reflection.Register(s.grpc)
	}
	s.methods = newMethods(s.grpc.GetServiceInfo(), opts.Limits, opts.Registerer)
	return s
}

func (s *Server) options() []grpc.ServerOption {
	recovered := recovery.WithRecoveryHandlerContext(s.panicked)
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(wire.MaxRequest),
		grpc.MaxSendMsgSize(wire.MaxResult),
		grpc.MaxConcurrentStreams(maxConcurrentStreams),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.ConnectionTimeout(connectionTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPingInterval, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: maxConnectionAge, MaxConnectionAgeGrace: maxConnectionAgeGrace,
			Time: serverPingTime, Timeout: serverPingWait,
		}),
		grpc.InitialWindowSize(streamWindow),
		grpc.NumStreamWorkers(uint32(workersPerCore * runtime.GOMAXPROCS(0))), //nolint:gosec // not negative
		grpc.InitialConnWindowSize(connWindow),
		grpc.InTapHandle(s.tap),
		grpc.ForceServerCodecV2(codec{wire.Codec()}),
		grpc.ChainUnaryInterceptor(s.unary, recovery.UnaryServerInterceptor(recovered)),
		grpc.ChainStreamInterceptor(s.stream, recovery.StreamServerInterceptor(recovered)),
	}
}

// tap refuses a call before it is received, if that is certain already, and limits its time otherwise. Of a call that is refused here
// gRPC decodes the headers and nothing else, and begins no goroutine: the queues of a service that is asked for far more than it
// can do cost it little. A client says in [wire.RepositoryMetadata] which queue that would be; who does not is refused
// later, and who says another than the request gains nothing. gRPC holds the connection's lock meanwhile.
func (s *Server) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	if m := s.methods[info.FullMethodName]; m != nil && m.limiter != nil && m.limiter.full(ctx, info.Header, m.wait) {
		s.refusedEarly(ctx, m)
		return ctx, m.refusal
	}
	return limitTime(ctx, info)
}

// limitTime gives a call the time that its operation has, if its client asked for more or for no limit, and a stream what
// breaks it off when its client stalls. It is done here and not in an interceptor because only this context ends a Send
// or Recv that waits for the client.
func limitTime(ctx context.Context, info *tap.Info) (context.Context, error) {
	op, ok := wire.OperationOf(info.FullMethodName)
	if !ok {
		return ctx, nil
	}
	if deadline, ok := ctx.Deadline(); op.Timeout() > 0 && (!ok || time.Until(deadline) > op.Timeout()) {
		limited, cancel := context.WithTimeout(ctx, op.Timeout())
		context.AfterFunc(ctx, cancel) // ctx ends with the call
		ctx = limited
	}
	if op.Streaming {
		return breakable(ctx), nil
	}
	return ctx, nil
}

// register registers the services of the contract.
func (s *Server) register(store ports.RepositoryStore) {
	for service, handler := range map[*grpc.ServiceDesc]any{
		&gitv1.RepositoryService_ServiceDesc: repositoryService{store: store},
		&gitv1.RefService_ServiceDesc:        refService{store: store},
		&gitv1.ContentService_ServiceDesc:    contentService{store: store},
		&gitv1.CommitService_ServiceDesc:     commitService{store: store},
		&gitv1.HistoryService_ServiceDesc:    historyService{store: store},
	} {
		s.grpc.RegisterService(receiveRequests(service, &s.memory), handler)
	}
}

// Serve accepts connections until the listener fails or the server is shut down, and closes the listener. It returns
// nil after [Server.Shutdown].
func (s *Server) Serve(lis net.Listener) error {
	return s.grpc.Serve(netutil.LimitListener(lis, s.maxConnections))
}

// SetServing says through grpc.health.v1 whether the server should be used.
func (s *Server) SetServing(serving bool) {
	status := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if serving {
		status = grpc_health_v1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", status)
}

// maxLate is how long calls may take to end once they are broken off.
const maxLate = 2 * time.Second

// Shutdown reports NOT_SERVING, takes no new calls and waits for those under way to end. When ctx ends first it breaks
// them off and returns the context's error. It does not wait long for a call that goes on nevertheless: the error names
// its method.
func (s *Server) Shutdown(ctx context.Context) error {
	s.health.Shutdown()
	s.stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	go s.grpc.Stop() // it may wait for what it breaks off
	late := time.NewTimer(maxLate)
	defer late.Stop()
	select {
	case <-done:
		return ctx.Err()
	case <-late.C:
		return fmt.Errorf("%w; calls that go on although they were broken off: %s", ctx.Err(), strings.Join(s.underWay(), ", "))
	}
}

// underWay returns the methods that are being called.
func (s *Server) underWay() []string {
	var names []string
	for _, m := range s.methods {
		if m.underWay.Load() > 0 {
			names = append(names, m.name)
		}
	}
	slices.Sort(names)
	return names
}
