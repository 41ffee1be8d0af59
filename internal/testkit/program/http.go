package program

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Do sends a request with headers, names and values in turn, on a connection of its own, and returns status and body.
func Do(t testing.TB, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{Timeout: patience}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// Await gets the URL until the answer has the status, and returns its body.
func Await(t testing.TB, url string, status int) string {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for {
		got, body := Do(t, http.MethodGet, url, "")
		if got == status {
			return body
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%s stays at %d: %s", url, got, body)
		}
	}
}
