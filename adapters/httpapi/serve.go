package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/gitstore-dev/gitstore/adapters/httpapi/graphqlapi"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/internal/budget"
	"github.com/gitstore-dev/gitstore/internal/requestid"
	"github.com/gitstore-dev/gitstore/ports"
)

const requestIDHeader = "X-Request-Id"

// userContentPolicy makes a browser run and load nothing of what repositories hold.
const userContentPolicy = "default-src 'none'; sandbox"

// statusClientGone is what the log and the metrics say of a request whose client left; nobody is there to read it.
const statusClientGone = 499

// ServeHTTP serves one request: it gives it an id, finds its route, and accounts for it once.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	c := a.begin(w, r)
	err := a.dispatch(c)
	c.hold.Release()
	c.beInTime()
	if err != nil && c.isOverdue() {
		err = context.Cause(c.r.Context())
	}
	if err != nil && c.w.status == 0 && c.body.isComing(r.Header) {
		_ = c.w.control.EnableFullDuplex() // else the connection is closed on a client that still sends, and does not see why
		c.duplex = true
	}
	aborted := err != nil && !a.fail(c, err)
	c.w.extendDeadline()
	a.account(c, err, time.Since(start))
	c.cancel(nil)
	if aborted {
		panic(http.ErrAbortHandler)
	}
	if c.duplex && !a.letGoOfBody(c) {
		panic(http.ErrAbortHandler)
	}
}

// letGoOfBody ends the reading of a body of which something may be left, when the answer is on its way, and reports whether the
// connection is of use still. The server would do so after the handler as well, but go on to read ahead meanwhile, and fail the next
// request of the connection (golang/go#68560).
func (a *api) letGoOfBody(c *call) bool {
	_ = c.w.control.Flush() // else the answer waits for the rest of the body
	ok := c.body.ended || a.drain(c)
	_ = c.r.Body.Close()
	return ok
}

const (
	// maxDrains is how many bodies are drained at a time: while more clients than that are refused, the others have to do without.
	maxDrains = 16
	// maxDrained, in bytes, and maxDrainTime bound each of them.
	maxDrained   = 64 << 20
	maxDrainTime = 10 * time.Second
)

// drain reads what a client goes on to send that has its answer. If the connection were closed before, git would complain of that
// below the reason why a push is refused, many a client would know of that alone, and whoever does not read while it sends would never see the reason. It reports whether the
// server can end the reading: nothing in the middle of a body may be taken for the next request.
func (a *api) drain(c *call) bool {
	defer a.drains.Add(-1)
	if a.drains.Add(1) > maxDrains {
		return true
	}
	_ = c.w.control.SetReadDeadline(time.Now().Add(min(maxDrainTime, a.opts.IdleTimeout)))
	stop := context.AfterFunc(shutdownOf(c.r.Context()), func() { _ = c.w.control.SetReadDeadline(time.Now()) })
	defer stop()
	_, err := io.Copy(io.Discard, io.LimitReader(c.r.Body, maxDrained))
	return err == nil
}

func (a *api) begin(w http.ResponseWriter, r *http.Request) *call {
	id := requestID(r)
	h := w.Header()
	h.Set(requestIDHeader, id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", userContentPolicy)
	host, _, _ := net.SplitHostPort(r.RemoteAddr) // "" is nobody in particular
	ctx, cancel := context.WithCancelCause(ports.WithCaller(requestid.With(r.Context(), id), host))
	r = r.WithContext(ctx)
	c := &call{w: newRecorder(w, a.opts.IdleTimeout), r: r, id: id, position: a.opts.Position, cancel: cancel, hold: budget.Hold{Memory: &a.json}}
	c.w.onHeader = func() {
		c.beInTime()
		c.nameCursor()
	}
	c.body = newBody(w, r, a.opts.IdleTimeout)
	c.body.hold = &c.hold
	return c
}

// requestID is the one that the client sent, if it is fit for a log and a header, else a new one.
func requestID(r *http.Request) string {
	ids := r.Header.Values(requestIDHeader)
	if len(ids) != 1 || !requestid.Valid(ids[0]) {
		return requestid.New()
	}
	return ids[0]
}

func (a *api) dispatch(c *call) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = a.panicked(c, v)
		}
	}()
	rt, params, err := a.find(c.r)
	if err != nil {
		return err
	}
	c.route, c.path = rt, params
	if err := a.origin.Check(c.r); err != nil {
		return errs.Wrap(err, errs.ReasonPermissionDenied, "a browser sent this request for a page of another origin")
	}
	if err := c.parseQuery(); err != nil {
		return err
	}
	if err := c.takeMinCursor(); err != nil {
		return err
	}
	if err := rt.refuseConditions(c.r.Header); err != nil {
		return err
	}
	a.limit(c)
	return rt.serve(c)
}

// limit gives a read its time, from now to the beginning of its answer. It cancels, where a deadline would take the place of those
// that calls of the store have. A write has no limit but theirs: broken off, it may take effect all the same.
func (a *api) limit(c *call) {
	if c.isRead() && c.route.hasCursor() && c.timer == nil {
		c.timer = time.AfterFunc(a.opts.RequestTimeout, func() { c.cancel(overdue(a.opts.RequestTimeout)) })
	}
}

// beInTime takes the limit away.
func (c *call) beInTime() {
	if c.timer != nil {
		c.timer.Stop()
	}
}

func overdue(limit time.Duration) error {
	return errs.New(errs.ReasonDeadlineExceeded,
		fmt.Sprintf("the request took longer than the %s that one may take: ask for less, such as a smaller page or fewer conditions, or repeat it later", limit))
}

// isOverdue reports whether the request took longer than it may.
func (c *call) isOverdue() bool {
	return errs.Is(context.Cause(c.r.Context()), errs.ReasonDeadlineExceeded)
}

func (a *api) panicked(c *call, v any) error {
	incident := requestid.New()
	a.opts.Logger.ErrorContext(c.r.Context(), "panic in an HTTP handler",
		"incident", incident, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	return errs.New(errs.ReasonInternal, "internal error: the log has it under incident "+incident, errs.MetaIncident, incident)
}

// fail answers with the problem and reports whether it could: if the answer was begun, only breaking it off tells the
// client that it is not whole.
func (a *api) fail(c *call, err error) bool {
	if c.w.status != 0 {
		return false
	}
	c.writeProblem(a.withCurrent(a.withIncident(c, err)))
	return true
}

// withIncident is err, or the incident for it if it is a defect that has none yet.
func (a *api) withIncident(c *call, err error) error {
	if e := errs.From(err); e.Kind == errs.Internal && e.Meta[errs.MetaIncident] == "" {
		return a.incident(c, err, e)
	}
	return err
}

// incident logs an error that has no id yet, under one that the caller is told.
func (a *api) incident(c *call, err error, e *errs.Error) error {
	incident := requestid.New()
	a.opts.Logger.ErrorContext(c.r.Context(), "internal error", "incident", incident, "error", err, "cause", causes(e))
	return e.WithMeta(errs.MetaIncident, incident)
}

func causes(e *errs.Error) string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// maxLogged is the most of what a client sent that one attribute of a log line holds, in bytes.
const maxLogged = 256

func (a *api) account(c *call, err error, took time.Duration) {
	status := c.w.status
	if c.refusal != nil {
		err, status = c.refusal, statusOf(c.refusal)
	}
	if c.r.Context().Err() != nil && !c.isOverdue() && !c.body.stalled() && !(err == nil && c.lasting()) {
		status = statusClientGone
	}
	a.metrics.observe(c.route, status, took)
	attrs := []slog.Attr{
		slog.String("request_id", c.id), slog.String("method", clip(c.r.Method, 32)),
		slog.String("path", clip(c.r.URL.EscapedPath(), maxLogged)), slog.Int("status", status),
		slog.Int64("sent", c.w.sent), slog.Int64("received", c.body.received), slog.Duration("duration", took),
	}
	attrs = append(attrs, c.attrs...)
	level := slog.LevelInfo
	if err == nil && c.route.spec.routine { // what has no route is an error
		level = slog.LevelDebug
	}
	if err != nil {
		e := errs.From(err)
		attrs = append(attrs, slog.String("reason", string(e.Reason)), slog.String("error", clip(err.Error(), maxLogged)))
		if cause := causes(e); cause != "" {
			attrs = append(attrs, slog.String("cause", clip(cause, maxLogged)))
		}
	}
	// A failure behind a good status is an answer that was broken off.
	if status >= http.StatusInternalServerError || err != nil && status < http.StatusBadRequest {
		level = levelOf(err)
	}
	a.opts.Logger.LogAttrs(context.WithoutCancel(c.r.Context()), level, "http request", attrs...)
}

// levelOf is the level of a request that failed here: what only asks for more than there is, or was too slow while others waited for
// its place among the calls of a class, calls for nobody to look.
func levelOf(err error) slog.Level {
	if err == nil {
		return slog.LevelError
	}
	switch e := errs.From(err); {
	case e.Kind == errs.Invalid, e.Kind == errs.TooLarge, e.Kind == errs.Exhausted, e.Kind == errs.Deadline && e.Meta["class"] != "":
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

type metrics struct {
	operations *prometheus.CounterVec
	operating  *prometheus.HistogramVec
	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	streams    prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, memory *budget.Memory) *metrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gitstore_http_json_bytes",
		Help: "Bytes of memory that the JSON bodies of requests take.",
	}, func() float64 { return float64(memory.Used()) })
	m := &metrics{
		operations: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gitstore_graphql_operations_total",
			Help: "GraphQL operations by what they are (query, mutation, or none where the request was refused before) and outcome (ok, errors, or refused: nothing was executed).",
		}, []string{"operation", "outcome"}),
		operating: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gitstore_graphql_operation_duration_seconds",
			Help:    "Time to parse, check and execute a GraphQL operation.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"operation"}),
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gitstore_http_requests_total",
			Help: "HTTP requests by method, route pattern and status; 499 is a client that left, but for streams of events, which end so.",
		}, []string{"method", "route", "status"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gitstore_http_request_duration_seconds",
			Help:    "Time from the request's header to the end of its answer, bodies included. Streams of events are left out.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"method", "route"}),
		streams: f.NewGauge(prometheus.GaugeOpts{
			Name: "gitstore_http_event_streams",
			Help: "Streams of Server-Sent Events that are open.",
		}),
	}
	// Also of operations that did not come yet: a counter that begins with 1 has no increase.
	for operation, outcomes := range map[string][]string{noOperation: {"refused"}, "query": {"ok", "errors", "refused"}, "mutation": {"ok", "errors", "refused"}} {
		m.operating.WithLabelValues(operation)
		for _, outcome := range outcomes {
			m.operations.WithLabelValues(operation, outcome)
		}
	}
	return m
}

// noOperation labels what was refused before it was known what it is.
const noOperation = "none"

func (m *metrics) observeGraphQL(operation string, answer graphqlapi.Answer, took time.Duration) {
	outcome := "refused"
	switch {
	case answer.Executed && answer.Failure == nil:
		outcome = "ok"
	case answer.Executed:
		outcome = "errors"
	}
	operation = cmp.Or(operation, noOperation)
	m.operations.WithLabelValues(operation, outcome).Inc()
	m.operating.WithLabelValues(operation).Observe(took.Seconds())
}

// observe labels by route and never by what a client can make up.
func (m *metrics) observe(rt *route, status int, took time.Duration) {
	method, pattern := "", ""
	if rt != nil {
		method, pattern = rt.method, rt.template()
	}
	m.requests.WithLabelValues(method, pattern, strconv.Itoa(status)).Inc()
	if rt == nil || !rt.spec.lasting {
		m.duration.WithLabelValues(method, pattern).Observe(took.Seconds())
	}
}
