package httpapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

const eventStreamType = "text/event-stream"

const eventsDescription = "Each message is a CloudEvent: a ref that moved, a repository that came or went; while nothing happens, a " +
	"heartbeat; and where events cannot be told, the present refs as a resync, in one part or several. Every event is told at " +
	"least once, those of a repository in the order in which they happened.\n\n" +
	"With Upgrade: websocket it is a WebSocket of the subprotocol cloudevents.json, else Server-Sent Events: id is the cursor, event " +
	"the type, data the CloudEvent. EventSource of a browser comes back by itself and misses nothing. It gives up for good if it is " +
	"answered with a problem, such as for a cursor that is none, so make a new one then.\n\n" +
	"A client that does not read for some seconds is disconnected, and resumes from the last id that it got."

// eventRoutes returns none if nothing serves them.
func (a *api) eventRoutes() []*route {
	if a.opts.Events == nil && a.opts.EventSocket == nil {
		return nil
	}
	types := make([]any, len(event.Types()))
	for i, t := range event.Types() {
		types[i] = string(t)
	}
	return []*route{newRoute(http.MethodGet, "/v1/events", spec{
		id: "watchEvents", group: "Events", summary: "Watch changes", description: eventsDescription, lasting: true,
		query: []*param{
			repeatedParam(textParam("repository", "Only changes of this repository; may be given several times.")),
			repeatedParam(nameParam("ref", "Of the events of refs, only those of this ref, of the refs below this directory, or of those that match "+
				"this glob, in which * does not cross a slash; may be given several times.")),
			repeatedParam(enumParam("type", "Only events of this type; may be given several times.", types...)),
			textParam("after", "Begin behind this cursor: of an event, or a GitStore-Cursor. Without it, with what happens from now on."),
			boolParam("resync", "Without a cursor: tell the present refs first."),
		},
		headers: []*param{
			headerParam(lastEventID, "The last id that an EventSource got; it wins over after."),
			headerParam("Upgrade", "websocket asks for a WebSocket."),
		},
		answers: map[int]content{
			http.StatusOK:                 {description: "The events, until one side ends it.", mediaType: eventStreamType},
			http.StatusSwitchingProtocols: {description: "The events follow over WebSocket."},
		},
		fails: []errs.Reason{
			errs.ReasonInvalidRepositoryID, errs.ReasonInvalidPattern, errs.ReasonInvalidCursor, errs.ReasonMethodNotFound, errs.ReasonResourceExhausted,
			errs.ReasonDraining, errs.ReasonUnavailable, errs.ReasonCanceled, errs.ReasonDeadlineExceeded,
		},
		failsAs: map[int][]errs.Reason{http.StatusServiceUnavailable: {errs.ReasonResourceExhausted}},
	}, a.watchEvents)}
}

func (a *api) watchEvents(c *call) error {
	if wantsWebSocket(c.r) {
		return a.openEventSocket(c)
	}
	sub, err := c.subscription()
	switch {
	case err != nil:
		return err
	case a.opts.Events == nil:
		return errs.New(errs.ReasonMethodNotFound, "events are served over WebSocket alone here: ask with Upgrade: websocket")
	case c.r.Method == http.MethodHead:
		c.beginEventStream()
		return nil
	}
	defer a.streams.Add(-1)
	if most := a.opts.MaxEventStreams; a.streams.Add(1) > most {
		return withStatus(http.StatusServiceUnavailable, errs.New(errs.ReasonResourceExhausted,
			fmt.Sprintf("all %d event streams are taken: try again later, or at another replica", most)))
	}
	return a.streamEvents(c, sub)
}

func wantsWebSocket(r *http.Request) bool {
	for protocol := range strings.SplitSeq(strings.Join(r.Header.Values("Upgrade"), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
			return true
		}
	}
	return false
}

func (a *api) openEventSocket(c *call) error {
	if a.opts.EventSocket == nil {
		return errs.New(errs.ReasonMethodNotFound, "events are not served over WebSocket here: ask without Upgrade, for Server-Sent Events")
	}
	a.opts.EventSocket.ServeHTTP(c.w, c.r)
	return nil
}

// lasting reports whether the answer went on until the client left, which is then its ordinary end.
func (c *call) lasting() bool {
	return c.route != nil && c.route.spec.lasting && c.w.status < http.StatusBadRequest
}

const lastEventID = "Last-Event-ID"

// subscriptionFields are the fields of a filter as the query names them.
var subscriptionFields = map[string]string{"repositories": "repository", "refs": "ref", "patterns": "ref", "types": "type"}

// subscription reads what is asked for. It fails as [event.ParseFilter] does, and with INVALID_CURSOR.
func (c *call) subscription() (s ports.Subscription, err error) {
	s.Filter, err = event.ParseFilter(c.query["repository"], c.query["ref"], c.query["type"])
	if err != nil {
		if name, ok := subscriptionFields[errs.From(err).Meta[errs.MetaField]]; ok {
			err = errs.InField(err, name)
		}
		return s, err
	}
	s.Resync = c.flag("resync")
	name, text := "after", c.query.Get("after")
	if ids := c.r.Header.Values(lastEventID); strings.Join(ids, "") != "" {
		name, text = lastEventID, strings.Join(ids, ", ")
	}
	s.After, err = event.ParseCursor(text)
	return s, errs.InField(err, name)
}

// eventPatience is how long a client may take for one event.
const eventPatience = 5 * time.Second

// streamEvents sends events until the client leaves, which is no failure, or is too slow, or the server shuts down: then
// the stream ends as a whole one.
func (a *api) streamEvents(c *call, sub ports.Subscription) error {
	ctx, end := context.WithCancel(c.r.Context())
	defer end()
	defer context.AfterFunc(shutdownOf(ctx), end)()
	a.metrics.streams.Inc()
	defer a.metrics.streams.Dec()
	c.w.patience = min(c.w.patience, eventPatience)
	c.beginEventStream()
	// Clients of a server that went away come back at different times.
	err := c.sendEvent(fmt.Appendf(nil, "retry: %d\n\n", 1000+rand.IntN(2000))) //nolint:gosec // no secret
	if err == nil {
		err = c.sendEvents(a.opts.Events.Subscribe(ctx, sub))
	}
	if ctx.Err() != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

func (c *call) sendEvents(notices iter.Seq2[event.Notice, error]) error {
	for notice, err := range notices {
		if err != nil {
			return err
		}
		message, err := encodeEvent(notice)
		if err != nil {
			return err
		}
		if err := c.sendEvent(message); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) beginEventStream() {
	h := c.w.Header()
	h.Set("Content-Type", eventStreamType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	c.w.WriteHeader(http.StatusOK)
}

func (c *call) sendEvent(message []byte) error {
	if _, err := c.w.Write(message); err != nil {
		return err
	}
	return c.w.flush()
}

// encodeEvent writes a notice as an event of the stream (HTML, section 9.2.6). A part of a resync that is not the last has
// no id, so that who is cut off in it begins it anew.
func encodeEvent(n event.Notice) ([]byte, error) {
	data, err := event.MarshalNotice(n) // in one line
	if err != nil {
		return nil, err
	}
	var b []byte
	if at := n.At(); !at.IsZero() {
		b = fmt.Appendf(b, "id: %s\n", at)
	}
	return fmt.Appendf(b, "event: %s\ndata: %s\n\n", noticeType(n), data), nil
}

func noticeType(n event.Notice) event.Type {
	switch n := n.(type) {
	case event.Entry:
		return n.Event.Type()
	case event.Resync:
		return event.TypeResyncRequired
	}
	return event.TypeHeartbeat
}

type shutdownKey struct{}

// endStreamsOnShutdown lets the requests of the server know that it shuts down, which otherwise waits for them.
func endStreamsOnShutdown(server *http.Server) {
	ctx, begin := context.WithCancel(context.Background())
	server.RegisterOnShutdown(begin)
	server.BaseContext = func(net.Listener) context.Context { return context.WithValue(context.Background(), shutdownKey{}, ctx) }
}

// shutdownOf returns the context that ends when the server of a request begins to shut down.
func shutdownOf(ctx context.Context) context.Context {
	if shutdown, ok := ctx.Value(shutdownKey{}).(context.Context); ok {
		return shutdown
	}
	return context.Background()
}
