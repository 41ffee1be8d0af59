package service

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAHealthCheckIsAskedForByWords(t *testing.T) {
	for args, want := range map[string][2]string{
		"":                                {"", ""},
		"--log-level=warn":                {"", "--log-level=warn"},
		"--name healthcheck":              {"", "--name healthcheck"},
		"healthcheck":                     {"/healthz", ""},
		"healthcheck ready":               {"/readyz", ""},
		"healthcheck --http-listen=:1":    {"/healthz", "--http-listen=:1"},
		"healthcheck ready --http-listen": {"/readyz", "--http-listen"},
	} {
		path, rest := healthPath(strings.Fields(args))
		if path != want[0] || strings.Join(rest, " ") != want[1] {
			t.Errorf("%q: asks %q with %q left", args, path, rest)
		}
	}
}

func TestAHealthCheckSaysWhatTheServiceSays(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	address := server.Listener.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	tests := map[string]struct {
		listen, path string
		code         int
		says         string
	}{
		"it answers":             {address, "/healthz", ExitOK, ""},
		"on every interface":     {":" + port, "/healthz", ExitOK, ""},
		"on every IPv4 address":  {"0.0.0.0:" + port, "/healthz", ExitOK, ""},
		"it is not ready":        {address, "/readyz", ExitFailure, "not now"},
		"nobody is there":        {closed.Listener.Addr().String(), "/healthz", ExitFailure, "refused"},
		"the port is not known":  {"127.0.0.1:0", "/healthz", ExitFailure, "port 0"},
		"there is no such place": {"nowhere", "/healthz", ExitFailure, "missing port"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			code := checkHealth(t.Context(), "tool", tt.listen, tt.path, &stderr)
			if code != tt.code || !strings.Contains(stderr.String(), tt.says) || code == ExitOK && stderr.Len() > 0 {
				t.Errorf("exit code %d, it says %q", code, &stderr)
			}
		})
	}
}
