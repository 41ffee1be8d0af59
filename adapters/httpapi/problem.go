package httpapi

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

// problem is an error as callers see it (RFC 9457).
type problem struct {
	Type     string            `json:"type" doc:"Where the reason is explained, relative to this service." example:"/docs/errors#REF_MOVED"`
	Title    string            `json:"title" doc:"The reason in words; the same for every problem of the type." example:"Ref moved"`
	Status   int               `json:"status" doc:"The HTTP status." example:"409"`
	Detail   string            `json:"detail" doc:"What is wrong with this request and what to do about it. For people: the wording may change."`
	Instance string            `json:"instance" doc:"The request id, as in the header X-Request-Id and in the log."`
	Reason   string            `json:"reason" doc:"The failure, for programs." example:"REF_MOVED"`
	Field    string            `json:"field,omitempty" doc:"The member, parameter or header at fault." example:"actions[3].path"`
	Metadata map[string]string `json:"metadata,omitempty" doc:"Details for programs, such as expected and actual."`

	Problems []documentProblemJSON `json:"problems,omitempty" doc:"Of INVALID_DOCUMENT: what would be wrong with the catalog, the first 100 of those that metadata.problem_count counts: with the documents that change, then with others."`
	Current  fieldsJSON            `json:"current,omitzero" doc:"Of a document that is not as If-Match, blob_id or expected_blob_id expects it: the document as it is, whose ETag the header has."`
}

const problemType = "application/problem+json"

// statusError gives an error a status other than that of its Reason, and headers.
type statusError struct {
	status int
	err    error
	header http.Header
	// current is the document that an expectation failed on, nil if there is none.
	current fieldsJSON
}

func (e *statusError) Error() string { return e.err.Error() }

func (e *statusError) Unwrap() error { return e.err }

func withStatus(status int, err error) error { return &statusError{status: status, err: err} }

// kindStatus maps every Kind. Canceled has no status of its own: the caller who gave up reads none, and one who did not
// is told to try again.
var kindStatus = map[errs.Kind]int{
	errs.Internal:        http.StatusInternalServerError,
	errs.Invalid:         http.StatusBadRequest,
	errs.NotFound:        http.StatusNotFound,
	errs.Exists:          http.StatusConflict,
	errs.Conflict:        http.StatusConflict,
	errs.Precondition:    http.StatusConflict,
	errs.Denied:          http.StatusForbidden,
	errs.Unauthenticated: http.StatusUnauthorized,
	errs.Exhausted:       http.StatusServiceUnavailable,
	errs.Unavailable:     http.StatusServiceUnavailable,
	errs.TooLarge:        http.StatusRequestEntityTooLarge,
	errs.Corrupt:         http.StatusInternalServerError,
	errs.Canceled:        http.StatusServiceUnavailable,
	errs.Deadline:        http.StatusGatewayTimeout,
}

// reasonStatus holds the reasons whose status is not that of their Kind.
var reasonStatus = map[errs.Reason]int{
	errs.ReasonInvalidDocument:   http.StatusUnprocessableEntity,
	errs.ReasonMessageTooLarge:   http.StatusRequestEntityTooLarge,
	errs.ReasonResourceExhausted: http.StatusTooManyRequests,
}

func reasonHTTPStatus(r errs.Reason) int {
	if status, ok := reasonStatus[r]; ok {
		return status
	}
	return kindStatus[r.Kind()]
}

func statusOf(err error) int {
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.status
	}
	e := errs.From(err)
	if _, ok := reasonStatus[e.Reason]; ok {
		return reasonHTTPStatus(e.Reason)
	}
	return kindStatus[e.Kind]
}

// retryAfter is after how many seconds a request that met a limit or an outage is worth repeating.
func retryAfter(err error) string {
	return strconv.Itoa(int(max(errs.ReasonOf(err).RetryAfter(), time.Second).Seconds()))
}

func (c *call) writeProblem(err error) {
	status := statusOf(err)
	h := c.w.Header()
	for _, name := range []string{"ETag", "Content-Length", "Accept-Ranges", "GitStore-Commit"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		h.Set("Retry-After", retryAfter(err))
	}
	if s, ok := errors.AsType[*statusError](err); ok {
		maps.Copy(h, s.header)
	}
	switch {
	case c.route != nil && c.route.spec.text:
		c.writeText(status, err)
		return
	case c.route != nil && c.route.spec.graphql:
		c.writeGraphQLError(status, err)
		return
	}
	c.writeJSON(status, problemType, c.problem(status, err))
}

func (c *call) problem(status int, err error) problem {
	e := errs.From(err)
	meta := maps.Clone(e.Meta)
	delete(meta, errs.MetaField)
	var problems []documentProblemJSON
	if invalid, ok := errors.AsType[*catalogs.InvalidDocumentsError](err); ok {
		problems = views(invalid.Problems, problemView)
	}
	var current fieldsJSON
	if s, ok := errors.AsType[*statusError](err); ok {
		current = s.current
	}
	return problem{
		Type:     "/docs/errors#" + string(e.Reason),
		Title:    title(e.Reason),
		Status:   status,
		Detail:   e.Error(),
		Instance: url.PathEscape(c.id),
		Reason:   string(e.Reason),
		Field:    e.Meta[errs.MetaField],
		Metadata: meta,
		Problems: problems,
		Current:  current,
	}
}

// title turns REF_MOVED into "Ref moved".
func title(r errs.Reason) string {
	words := strings.ToLower(strings.ReplaceAll(string(r), "_", " "))
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

func bodyTooLarge(limit int64, advice string) error {
	return errs.New(errs.ReasonBodyTooLarge, "the request body is larger than "+strconv.FormatInt(limit, 10)+
		" bytes: "+advice, "limit", strconv.FormatInt(limit, 10))
}
