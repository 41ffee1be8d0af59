// Package telemetry sets up what a service says about itself: its log, its metrics and its health.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/internal/requestid"
)

// RequestIDKey is the attribute under which a log line has the id of its request.
const RequestIDKey = "request_id"

// NewLogger returns a logger of one line for each record, in the format "json" or "text", from the level on ("debug",
// "info", "warn" or "error"). Lines about a request have its id if their context has. Attributes are cut to what a line
// can bear, and a byte that could end a line or move a cursor is escaped, so that what callers send can neither flood nor
// forge the log. Durations are in seconds.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	opts := &slog.HandlerOptions{Level: least, ReplaceAttr: bound}
	switch format {
	case "json":
		return slog.New(&handler{slog.NewJSONHandler(w, opts)}), nil
	case "text":
		return slog.New(&handler{slog.NewTextHandler(w, opts)}), nil
	}
	return nil, fmt.Errorf("log format %q: use json or text", format)
}

// handler adds the request id.
type handler struct{ slog.Handler }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if id := requestid.From(ctx); id != "" && !hasRequestID(r) {
		r = r.Clone()
		r.AddAttrs(slog.String(RequestIDKey, id))
	}
	return h.Handler.Handle(ctx, r)
}

func hasRequestID(r slog.Record) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == RequestIDKey
		return !found
	})
	return found
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(attrs)}
}

func (h *handler) WithGroup(name string) slog.Handler { return &handler{h.Handler.WithGroup(name)} }

// The most bytes of an attribute. Callers can fill most of them; the ones with a limit of their own are written by us or
// by git, and are no use in part.
const maxAttr = 256

var maxOfAttr = map[string]int{
	"error": 2 << 10, "panic": 2 << 10,
	"cause": 16 << 10, "stack": 16 << 10, "stderr": 16 << 10, "goroutines": 256 << 10,
}

// bound cuts an attribute's text, and gives durations the unit that metrics have.
func bound(_ []string, a slog.Attr) slog.Attr {
	most, ok := maxOfAttr[a.Key]
	if !ok {
		most = maxAttr
	}
	switch v := a.Value.Any().(type) {
	case string:
		if len(v) > most {
			a.Value = slog.StringValue(clip(v, most))
		}
	case error:
		a.Value = slog.StringValue(clip(v.Error(), most))
	case time.Duration:
		a.Value = slog.Float64Value(v.Seconds())
	case []byte:
		a.Value = slog.StringValue(clip(string(v[:min(len(v), most+1)]), most))
	}
	return a
}

// clip cuts s to most bytes, between two characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
