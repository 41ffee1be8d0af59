package httpapi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/internal/budget"
)

// recorder is a response that remembers what was answered and gives the client a deadline for every part of it.
type recorder struct {
	http.ResponseWriter
	control *http.ResponseController
	// patience is how long the client may take for a part.
	patience time.Duration
	// onHeader is called once, before the header is written.
	onHeader func()
	// status is 0 until the header is written.
	status int
	// sent counts the bytes of the body.
	sent int64
}

func newRecorder(w http.ResponseWriter, idle time.Duration) *recorder {
	// Before it writes, the server may wait an idle timeout for the rest of a body that nobody has read.
	rec := &recorder{ResponseWriter: w, control: http.NewResponseController(w), patience: 2 * idle, onHeader: func() {}}
	// The deadline of the request before is still set on a connection that is used again.
	_ = rec.control.SetWriteDeadline(time.Time{})
	return rec
}

// Unwrap is for [http.ResponseController].
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// extendDeadline gives what was written, and lies in buffers, time to leave.
func (w *recorder) extendDeadline() {
	if w.status != http.StatusSwitchingProtocols { // else the connection is somebody else's
		_ = w.control.SetWriteDeadline(time.Now().Add(w.patience))
	}
}

// flush sends what was written, and takes the deadline away: over HTTP/2 it would end an answer that pauses.
func (w *recorder) flush() error {
	if err := w.control.Flush(); err != nil {
		return clientGone(err)
	}
	_ = w.control.SetWriteDeadline(time.Time{})
	return nil
}

func clientGone(cause error) error {
	return errs.Wrap(cause, errs.ReasonCanceled, "the client stopped taking the answer")
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		w.onHeader()
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// bodyPart is what a client has to send within the idle timeout, or to take within its patience, in bytes: else one that sends a
// byte at a time would hold its place for ever.
const bodyPart = 64 << 10

func (w *recorder) Write(p []byte) (written int, err error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	for {
		w.extendDeadline()
		n, err := w.ResponseWriter.Write(p[written:min(len(p), written+bodyPart)])
		written += n
		w.sent += int64(n)
		if err != nil {
			return written, clientGone(err)
		}
		if written == len(p) {
			return written, nil
		}
	}
}

// body is a request's body, which may be long but may not stall.
type body struct {
	w       http.ResponseWriter
	source  io.ReadCloser
	control *http.ResponseController
	idle    time.Duration
	// left is how long the client may still take until it has sent due bytes. What the server does meanwhile does not count.
	left time.Duration
	due  int64
	// declared is the length that the header states, -1 if it states none.
	declared int64
	limit    int64
	// advice is what to do about a body above the limit.
	advice   string
	received int64
	// hold counts weight bytes for each that is read, if that is not 0.
	hold   *budget.Hold
	weight int64
	// failure is why the body could not be read to its end: what comes back from a store that was fed by it may be
	// only a consequence.
	failure error
	// ended reports that nothing more can be read of it.
	ended bool
}

func newBody(w http.ResponseWriter, r *http.Request, idle time.Duration) *body {
	b := &body{w: w, source: r.Body, control: http.NewResponseController(w), idle: idle, left: idle, due: bodyPart, declared: r.ContentLength}
	if r.ContentLength != 0 {
		// It also ends the wait for a body that no handler reads.
		_ = b.control.SetReadDeadline(time.Now().Add(idle))
	}
	return b
}

// open limits the body; advice says what to do about a larger one. It fails with BODY_TOO_LARGE if the declared length is above the limit, and INVALID_ARGUMENT if
// the content is encoded.
func (b *body) open(header http.Header, limit int64, advice string) error {
	if header.Get("Content-Encoding") != "" && header.Get("Content-Encoding") != "identity" {
		return withStatus(http.StatusUnsupportedMediaType, errs.InvalidField(errs.ReasonInvalidArgument, "Content-Encoding",
			"an encoded body is not accepted: send it as it is"))
	}
	if b.declared > limit {
		return bodyTooLarge(limit, advice)
	}
	b.limit, b.advice = limit, advice
	b.source = http.MaxBytesReader(b.w, b.source, limit)
	return nil
}

func (b *body) Read(p []byte) (int, error) {
	if b.failure != nil {
		return 0, b.failure
	}
	begin := time.Now()
	_ = b.control.SetReadDeadline(begin.Add(b.left))
	n, err := b.source.Read(p)
	b.received += int64(n)
	b.ended = err != nil && !errors.As(err, new(*http.MaxBytesError))
	if b.left -= time.Since(begin); b.received >= b.due {
		b.left, b.due = b.idle, b.received+bodyPart
	}
	if b.weight > 0 {
		if b.failure = b.hold.Take(b.weight * int64(n)); b.failure != nil {
			return 0, b.failure
		}
	}
	switch {
	case err == io.EOF:
		// From here on the server reads ahead to notice that the client leaves; a deadline would look like that.
		_ = b.control.SetReadDeadline(time.Time{})
	case err != nil:
		b.failure = b.explain(err)
		err = b.failure
	}
	return n, err
}

func (b *body) explain(err error) error {
	var timeout net.Error
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return bodyTooLarge(b.limit, b.advice)
	case errors.As(err, &timeout) && timeout.Timeout():
		return withStatus(http.StatusRequestTimeout,
			errs.Wrap(err, errs.ReasonDeadlineExceeded, "the request body stalled or came too slowly: send it without pauses"))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return withStatus(http.StatusBadRequest, errs.Wrap(err, errs.ReasonCanceled, "the request body ended before its declared length"))
	}
	return errs.Wrap(err, errs.ReasonInvalidArgument, "the request body is malformed")
}

// isComing reports that the client is on its way to send more of the body, which it is not if it was to wait until it is asked for.
func (b *body) isComing(header http.Header) bool {
	return b.declared != 0 && !b.ended && (b.received > 0 || header.Get("Expect") == "")
}

// stalled reports whether the body was given up because it came too slowly. The server cancels the context of the request then,
// although the client is still there.
func (b *body) stalled() bool { return errs.Is(b.failure, errs.ReasonDeadlineExceeded) }

// blame returns the body's failure if there is one, else err: of a call that was fed by the body.
func (b *body) blame(err error) error {
	if err != nil && b.failure != nil {
		return b.failure
	}
	return err
}
