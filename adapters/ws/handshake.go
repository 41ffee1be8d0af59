package ws

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/internal/requestid"
)

// refusal is an error with a status that is not that of its Kind.
type refusal struct {
	status int
	error
}

func (r refusal) Unwrap() error { return r.error }

// accept answers the handshake.
func (c *connection) accept(w http.ResponseWriter, r *http.Request) error {
	if offered := r.Header.Values(protocolHeader); len(offered) > 0 && !offers(offered, Subprotocol) {
		return errs.InvalidField(errs.ReasonInvalidArgument, protocolHeader, "only the subprotocol %s is served: offer it, or none", Subprotocol)
	}
	u := &upgrade{ResponseWriter: w}
	socket, err := websocket.Accept(u, r, &websocket.AcceptOptions{
		Subprotocols:   []string{Subprotocol},
		OriginPatterns: c.publisher.opts.OriginPatterns,
		OnPingReceived: c.onPing,
		OnPongReceived: c.onPong,
	})
	if err != nil {
		return u.refusal(err)
	}
	socket.SetReadLimit(maxClientMessage)
	c.socket = socket
	c.own(u.conn)
	return nil
}

const protocolHeader = "Sec-WebSocket-Protocol"

func offers(offered []string, protocol string) bool {
	for p := range strings.SplitSeq(strings.Join(offered, ","), ",") {
		if strings.EqualFold(strings.TrimSpace(p), protocol) {
			return true
		}
	}
	return false
}

// upgrade is the response that a WebSocket is made of. It keeps back the library's refusals, which are no problems, and
// takes hold of the network connection.
type upgrade struct {
	http.ResponseWriter
	status int
	conn   net.Conn
}

// WriteHeader implements [http.ResponseWriter].
func (u *upgrade) WriteHeader(status int) {
	u.status = status
	if status == http.StatusSwitchingProtocols {
		u.ResponseWriter.WriteHeader(status)
	}
}

// Write implements [http.ResponseWriter].
func (u *upgrade) Write(b []byte) (int, error) { return len(b), nil }

// Hijack implements [http.Hijacker].
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err == nil {
		u.conn = conn
		if secure, ok := conn.(*tls.Conn); ok {
			u.conn = secure.NetConn() // to close the other one may take seconds
		}
		limitSendBuffer(u.conn)
	}
	return conn, buffers, err
}

// limitSendBuffer keeps the kernel from taking megabytes for a client that does not read, as it otherwise would.
func limitSendBuffer(conn net.Conn) {
	if c, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = c.SetWriteBuffer(sendBuffer) // it is a hint
	}
}

func (u *upgrade) refusal(err error) error {
	if cause := errors.Unwrap(err); cause != nil {
		err = cause // what is above says nothing more
	}
	switch u.status {
	case http.StatusForbidden:
		return errs.Wrap(err, errs.ReasonPermissionDenied, "web pages of this origin may not subscribe: have it allowed by the service", errs.MetaField, "Origin")
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUpgradeRequired:
		return refusal{u.status, errs.Wrap(err, errs.ReasonInvalidArgument, fmt.Sprint("this is no handshake of a WebSocket: ", err))}
	}
	return errs.Wrap(err, errs.ReasonInternal, "the connection cannot become a WebSocket")
}

// problem is an error as callers see it (RFC 9457), in the form of the HTTP API.
type problem struct {
	Type     string            `json:"type"`
	Title    string            `json:"title"`
	Status   int               `json:"status"`
	Detail   string            `json:"detail"`
	Instance string            `json:"instance,omitempty"`
	Reason   string            `json:"reason"`
	Field    string            `json:"field,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	e, status := errs.From(err), statusOf(err)
	meta := maps.Clone(e.Meta)
	delete(meta, errs.MetaField)
	body, _ := json.Marshal(problem{ // strings alone
		Type: "/docs/errors#" + string(e.Reason), Title: title(e.Reason), Status: status, Detail: e.Error(),
		Instance: requestid.From(r.Context()), Reason: string(e.Reason), Field: e.Meta[errs.MetaField], Metadata: meta,
	})
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		h.Set("Retry-After", "1")
	}
	if status == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodGet)
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func statusOf(err error) int {
	if r, ok := errors.AsType[refusal](err); ok {
		return r.status
	}
	switch errs.KindOf(err) {
	case errs.Invalid:
		return http.StatusBadRequest
	case errs.Denied:
		return http.StatusForbidden
	case errs.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// title turns INVALID_CURSOR into "Invalid cursor".
func title(r errs.Reason) string {
	words := strings.ToLower(strings.ReplaceAll(string(r), "_", " "))
	return strings.ToUpper(words[:1]) + words[1:]
}
