// Package ws carries changes over WebSocket: a [Publisher] serves any [ports.EventSource] at GET /v1/events, and a
// [Subscriber] is the [ports.EventSource] at the other end, which comes back by itself and misses nothing. Either can be
// used without the rest of GitStore.
//
// # Messages
//
// The subprotocol is [Subprotocol] (CloudEvents, WebSocket protocol binding 1.0): the publisher sends text messages, each
// of them one CloudEvent in JSON as [event.MarshalNotice] writes it: events, heartbeats with a cursor, and resyncs. A
// client that offers no subprotocol gets the same messages; one that offers others alone is refused. Clients send no
// messages. Nothing is compressed.
//
// # Asking
//
// The query of the handshake says what is wanted: repository, ref (a full name, a directory, or a glob) and type may be
// repeated, after is a cursor, and resync=true asks for the present refs where there is no cursor. Any other parameter is
// refused, a token in particular: it would end up in logs; send it as a header. A handshake that is refused is answered
// with a problem (RFC 9457) whose member reason says why:
//
//   - 400: the query, or the handshake itself, is malformed
//   - 403: the origin is not allowed
//   - 405, 426: this is no handshake of a WebSocket
//   - 429: the peer has too many connections; 503: there are too many in all, or the publisher shuts down; both say when
//     to try again
//
// # Closing
//
// The codes with which a publisher closes a connection are [CloseGoingAway], [ClosePolicy], [CloseInternal] and
// [CloseSlow], and for malformed frames the protocol's own: 1002, 1007 (text that is not UTF-8) and 1009 (a message above
// 4 KiB). The reason of a close that the client may come back after is "resume after <cursor>", with the last cursor that
// was sent, or "resume" if none was. A client that does not read at all cannot be told: its connection is cut.
package ws

import "github.com/coder/websocket"

// Subprotocol is the subprotocol of CloudEvents in JSON.
const Subprotocol = "cloudevents.json"

// Path is where a publisher is usually served.
const Path = "/v1/events"

// The codes with which a publisher closes a connection.
const (
	// CloseGoingAway is a publisher that shuts down: resume, here or at another replica.
	CloseGoingAway = websocket.StatusGoingAway // 1001
	// ClosePolicy is a client that does what it must not: it sent a message, or pings without end. Coming back will not
	// help.
	ClosePolicy = websocket.StatusPolicyViolation // 1008
	// CloseInternal is a defect of the publisher. Resume, after a pause.
	CloseInternal = websocket.StatusInternalError // 1011
	// CloseSlow is a client that reads more slowly than it is sent to, or a journal that cannot be read now: resume.
	CloseSlow = websocket.StatusTryAgainLater // 1013
)
