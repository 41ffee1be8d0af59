package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gitstore-dev/gitstore/internal/buildinfo"
	"github.com/gitstore-dev/gitstore/internal/requestid"
	"github.com/gitstore-dev/gitstore/internal/telemetry"
)

func newLogger(t *testing.T, level, format string) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	logger, err := telemetry.NewLogger(&out, level, format)
	if err != nil {
		t.Fatal(err)
	}
	return logger, &out
}

func line(t *testing.T, out *bytes.Buffer) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(out.Bytes(), &fields); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return fields
}

func TestALineHasTheIDOfItsRequest(t *testing.T) {
	ctx := requestid.With(context.Background(), "abc")
	tests := map[string]func(*slog.Logger){
		"from the context":           func(l *slog.Logger) { l.InfoContext(ctx, "hello") },
		"with attributes before":     func(l *slog.Logger) { l.With("a", 1).InfoContext(ctx, "hello") },
		"as an attribute of its own": func(l *slog.Logger) { l.InfoContext(ctx, "hello", "request_id", "abc") },
	}
	for name, log := range tests {
		t.Run(name, func(t *testing.T) {
			logger, out := newLogger(t, "info", "json")
			log(logger)
			if n := strings.Count(out.String(), `"request_id":"abc"`); n != 1 {
				t.Errorf("it is there %d times: %s", n, out)
			}
		})
	}
	logger, out := newLogger(t, "info", "json")
	logger.Info("hello")
	if _, ok := line(t, out)["request_id"]; ok {
		t.Errorf("a line without a request has an id: %s", out)
	}
}

func TestAttributesAreBounded(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	for key, most := range map[string]int{"path": 256, "error": 2 << 10, "stack": 16 << 10} {
		for kind, value := range map[string]any{"string": long, "error": errors.New(long), "bytes": []byte(long)} {
			logger, out := newLogger(t, "info", "json")
			logger.Info("hello", key, value)
			got, _ := line(t, out)[key].(string)
			if len(got) < most-utf8.UTFMax || len(got) > most+len("…") || !utf8.ValidString(got) || strings.ContainsRune(got, utf8.RuneError) {
				t.Errorf("%s of kind %s has %d bytes, %.20q", key, kind, len(got), got)
			}
		}
	}
}

func TestOneRecordIsOneLine(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		logger, out := newLogger(t, "info", format)
		logger.Info("hello", "path", "a\nlevel=ERROR msg=forged\r\x1b[31m\x00", "error", errors.New("a\nb"))
		if strings.Count(out.String(), "\n") != 1 || strings.ContainsAny(out.String(), "\r\x1b\x00") {
			t.Errorf("%s: %q", format, out)
		}
	}
}

func TestDurationsAreInSeconds(t *testing.T) {
	for format, want := range map[string]string{"json": `"duration":1.5}`, "text": "duration=1.5\n"} {
		logger, out := newLogger(t, "info", format)
		logger.Info("hello", "duration", 1500*time.Millisecond)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s", format, out)
		}
	}
}

func TestTheLevelIsTheLeastThatIsLogged(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "info": 3, "warn": 2, "error": 1} {
		logger, out := newLogger(t, level, "text")
		for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			logger.Log(context.Background(), l, "hello")
		}
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("at %s there are %d lines, want %d", level, got, want)
		}
	}
}

func TestAnUnknownLevelOrFormatIsRefused(t *testing.T) {
	for _, tt := range [][2]string{{"loud", "json"}, {"info", "xml"}} {
		if _, err := telemetry.NewLogger(io.Discard, tt[0], tt[1]); err == nil {
			t.Errorf("%v is accepted", tt)
		}
	}
}

func TestTheAdminServer(t *testing.T) {
	var notReady error
	reg := telemetry.NewRegistry(buildinfo.Info{Version: "v1.2.3", Commit: "abc", GoVersion: "go1.26"})
	admin := telemetry.NewAdminServer(reg, func(context.Context) error { return notReady }, nil, slog.New(slog.DiscardHandler))
	tests := []struct {
		name, method, path string
		notReady           error
		status             int
		contains           string
	}{
		{"alive", "GET", "/healthz", nil, 200, `{"status":"ok"}`},
		{"alive while not ready", "GET", "/healthz", errors.New("starting"), 200, `{"status":"ok"}`},
		{"ready", "GET", "/readyz", nil, 200, `{"status":"ok"}`},
		{"ready without a body", "HEAD", "/readyz", nil, 200, ""},
		{"not ready", "GET", "/readyz", errors.New("starting"), 503, `"detail":"starting"`},
		{"build", "GET", "/metrics", nil, 200, `gitstore_build_info{commit="abc",go_version="go1.26",version="v1.2.3"} 1`},
		{"runtime", "GET", "/metrics", nil, 200, "go_goroutines "},
		{"process", "GET", "/metrics", nil, 200, "process_start_time_seconds "},
		{"nothing else", "GET", "/debug/pprof/", nil, 404, ""},
		{"read only", "POST", "/healthz", nil, 405, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			notReady = tt.notReady
			w := httptest.NewRecorder()
			admin.Handler.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, http.NoBody))
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.contains) {
				t.Errorf("got %d %.200q", w.Code, w.Body)
			}
		})
	}
}
