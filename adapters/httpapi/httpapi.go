// Package httpapi is GitStore's HTTP edge: it serves any [ports.RepositoryStore] as JSON and raw files, with errors as
// problem details (RFC 9457), and describes itself in OpenAPI 3.1.
//
// A route and its description are one value, so the document at /openapi.json cannot differ from what is served: the
// query parameters it declares are the ones that are accepted. The package routes by itself, because net/http's ServeMux
// redirects paths that are not clean, and a tree path must reach its file or be refused, never be changed. A path is
// percent-decoded exactly once, after it was split at its slashes.
//
// JSON is read strictly (no unknown, duplicate or differently spelled members, valid UTF-8 only), since what is silently
// dropped from a request would silently be missing from a commit.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitstore-dev/gitstore/adapters/httpapi/graphqlapi"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/internal/budget"
	"github.com/gitstore-dev/gitstore/ports"
)

// Options are the settings of [New] and [NewServer]. The zero value is usable: zero fields take the defaults.
type Options struct {
	// Logger gets one line for each request and the details of failures; nil discards them.
	Logger *slog.Logger
	// Registerer gets the metrics gitstore_http_requests_total and gitstore_http_request_duration_seconds; nil keeps
	// them to itself.
	Registerer prometheus.Registerer
	// Metrics serves /metrics; without it the path does not exist.
	Metrics http.Handler
	// Ready reports for /readyz whether requests can be served; nil is always ready. What it returns is shown to the
	// caller if it is an *errs.Error, else logged alone.
	Ready func(context.Context) error
	// Version is the version that the OpenAPI document states; "" is "0.0.0".
	Version string
	// MaxBody is the largest body of a commit or a file, in bytes; 0 is 1 GiB.
	MaxBody int64
	// MaxActionContent is the largest content of one action of a JSON commit, in bytes and decoded; 0 is 64 MiB.
	MaxActionContent int64
	// MaxBufferedActions is how many bytes of actions a JSON commit may send before its branch and message; 0 is 64 MiB.
	MaxBufferedActions int64
	// MaxJSONMemory is how many bytes the JSON bodies of all requests may hold in memory together, decoded, but for small ones, which may
	// take twice as much; 0 is one and a half of MaxActionContent, and 96 MiB at least.
	MaxJSONMemory int64
	// Events serves /v1/events as Server-Sent Events; nil does not.
	Events ports.EventSource
	// EventSocket serves the requests to /v1/events that ask for a WebSocket. Their query parameters are known and of
	// their types, nothing else was checked. It ends the connections it took over, also when the server shuts down. Nil
	// serves none; without Events as well the path does not exist.
	EventSocket http.Handler
	// Position returns a cursor behind nothing that the store does not show: reads whose own place in the journal the store
	// does not tell name it. It is asked before the store, and may return the zero cursor. Nil always does.
	Position func() event.Cursor
	// MaxEventStreams is how many streams of Server-Sent Events there may be at a time; 0 is 5,000.
	MaxEventStreams int64
	// Catalogs serves the catalogs of repositories; nil leaves their paths out.
	Catalogs Catalogs
	// Packs serves git clients under /git/; nil leaves those paths out.
	Packs ports.PackTransport
	// IdleTimeout is how long a client may take to send 64 KiB of a body that is wanted, or what is left of it, and half of
	// how long it may take to take as much of the answer; 0 is one minute.
	IdleTimeout time.Duration
	// RequestTimeout is how long a read of repositories and catalogs may take until its answer begins, and a query of GraphQL; 0 is
	// one minute. Git clients and streams of events have their time.
	RequestTimeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Ready == nil {
		o.Ready = func(context.Context) error { return nil }
	}
	if o.Position == nil {
		o.Position = func() event.Cursor { return event.Cursor{} }
	}
	if o.Version == "" {
		o.Version = "0.0.0"
	}
	setDefault(&o.MaxBody, 1<<30)
	setDefault(&o.MaxActionContent, 64<<20)
	setDefault(&o.MaxBufferedActions, 64<<20)
	setDefault(&o.MaxJSONMemory, max(o.MaxActionContent/2*3, 96<<20))
	setDefault(&o.MaxEventStreams, 5000)
	setDefault(&o.IdleTimeout, time.Minute)
	setDefault(&o.RequestTimeout, time.Minute)
	return o
}

func setDefault[T ~int64](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}

// New returns the handler of all routes over the store. It takes paths from the root on and must not be wrapped in
// anything that cleans or redirects them. It panics if the options' Registerer holds the metrics already.
func New(store ports.RepositoryStore, opts Options) http.Handler {
	a := &api{store: store, opts: opts.withDefaults(), encoded: &encodedDocuments{}}
	a.json.Limit, a.json.Small, a.json.Refusal = a.opts.MaxJSONMemory, smallJSON, jsonRefusal
	a.metrics = newMetrics(a.opts.Registerer, &a.json)
	if a.opts.Catalogs != nil {
		a.graphql = graphqlapi.New(store, a.opts.Catalogs, bodies{})
	}
	a.routes = a.allRoutes()
	a.document = newDocument(a.routes, a.opts.Version)
	return a
}

// NewServer returns a server of the handler with limits against clients that send headers without end or not at all.
// Bodies have no deadline as a whole; the handler of [New] limits how long they may stall. The caller starts it and shuts
// it down. Streams of Server-Sent Events end as soon as it shuts down; another server would wait for them.
func NewServer(handler http.Handler, addr string, opts Options) *http.Server {
	opts = opts.withDefaults()
	server := &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(opts.Logger.Handler(), slog.LevelWarn),
	}
	endStreamsOnShutdown(server)
	return server
}

type api struct {
	store   ports.RepositoryStore
	opts    Options
	metrics *metrics
	streams atomic.Int64
	json    budget.Memory
	// drains are the bodies that are read although their answers have gone.
	drains   atomic.Int64
	encoded  *encodedDocuments
	routes   []*route
	document *document
	origin   http.CrossOriginProtection
	// graphql is nil if there are no catalogs.
	graphql *graphqlapi.Executor
}

func (a *api) allRoutes() []*route {
	var all []*route
	for _, routes := range [][]*route{
		a.repositoryRoutes(), a.fileRoutes(), a.treeRoutes(), a.commitRoutes(), a.historyRoutes(), a.compareRoutes(),
		a.branchRoutes(), a.tagRoutes(), a.catalogRoutes(), a.releaseRoutes(), a.graphqlRoutes(), a.eventRoutes(), a.gitRoutes(), a.serviceRoutes(), a.webRoutes(),
	} {
		all = append(all, routes...)
	}
	acceptMinCursor(all)
	return all
}
