package telemetry

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// NewAdminServer returns a server of /healthz, /readyz and /metrics for a service whose own protocol is not HTTP. It is
// ready when ready returns nil; the error is shown to the caller. More handlers are served by their patterns, as
// [http.ServeMux] has them. The caller starts the server and shuts it down.
func NewAdminServer(
	reg *prometheus.Registry, ready func(context.Context) error, more map[string]http.Handler, logger *slog.Logger,
) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, ready(r.Context())) })
	mux.Handle("GET /metrics", MetricsHandler(reg))
	for pattern, handler := range more {
		mux.Handle(pattern, handler)
	}
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

func answer(w http.ResponseWriter, err error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if err != nil {
		h.Set("Content-Type", "application/problem+json")
		h.Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(problem{Title: "Not ready", Status: http.StatusServiceUnavailable, Detail: err.Error()})
		return
	}
	h.Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"status":"ok"}`+"\n")
}

// problem is an error in the form of RFC 9457.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}
