package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRequestsThatAreNotHTTP sends bytes that no client library would.
func TestRequestsThatAreNotHTTP(t *testing.T) {
	s := newShop(t)
	before := contents(t, s.data)
	chunked := "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
	for name, raw := range map[string]string{
		"length and chunks":           chunked + "Content-Length: 4\r\n\r\n0\r\n\r\n",
		"two lengths":                 "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nxxxxx",
		"negative length":             "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"two hosts":                   "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"no host":                     "GET /healthz HTTP/1.1\r\n\r\n",
		"chunks that are none":        chunked + "\r\nzz\r\n{\"id\":\"new\"}\r\n0\r\n\r\n",
		"chunk longer than announced": chunked + "\r\n2\r\n{\"id\":\"new\"}\r\n0\r\n\r\n",
		"unknown coding":              "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
		"headers without end":         "GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"header with a space":         "GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
		"control character in target": "GET /v1/repositories/sh\x01op HTTP/1.1\r\nHost: x\r\n\r\n",
		"escape that is none":         "GET /v1/repositories/shop/files/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"absolute form":               "GET http://evil.example/v1/repositories/nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
		"connect":                     "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"another protocol":            "SSH-2.0-OpenSSH_9.9\r\n\r\n",
		"body that ends early":        "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"id\":\"new\"}",
		"declared above the limit":    "PUT /v1/repositories/shop/files/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\nExpect: 100-continue\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			status := s.sendRaw(t, raw, name == "body that ends early")
			require.GreaterOrEqual(t, status, 400)
			require.Less(t, status, 600)
			if status >= 500 {
				require.Contains(t, []int{http.StatusNotImplemented, http.StatusHTTPVersionNotSupported}, status)
			}
		})
	}
	require.Empty(t, changed(before, contents(t, s.data)))
}

// sendRaw sends bytes, closes its side if asked to, and returns the status of the first answer.
func (s *shop) sendRaw(t *testing.T, raw string, thenClose bool) int {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, _ = io.Copy(conn, strings.NewReader(raw)) // the server may answer, and close, before it has read all
	if thenClose {
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestAClientThatSendsHeadersWithoutEndIsCutOff(t *testing.T) {
	s := newShop(t)
	conn, err := net.Dial("tcp", s.address)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, conn)
	require.NoError(t, err, "the server keeps the connection")
}
