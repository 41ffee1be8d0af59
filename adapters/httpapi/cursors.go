package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

const (
	cursorHeader    = "GitStore-Cursor"
	minCursorHeader = "GitStore-Min-Cursor"
	minCursorQuery  = "min_cursor"
)

// minCursorParams may be given to every read. The document declares them once, by these names.
var minCursorParams = map[string]*param{
	"MinCursorQuery": textParam(minCursorQuery, "Answer from a state in which everything up to this "+cursorHeader+" of another answer, or cursor "+
		"of an event, has happened: whoever gives the cursor of a write reads it from any replica. 503 if that takes too long. Pages "+
		"of one commit are of that of the first page: there it has to be given."),
	"MinCursorHeader": headerParam(minCursorHeader, "The same as "+minCursorQuery+"."),
}

// cursorHeaders are the headers of every answer with a cursor. The document declares them once.
var cursorHeaders = map[string]*huma.Header{cursorHeader: {
	Description: "Where in the journal of changes the answer is: behind the changes that a write made; for a read, a place from which on " +
		"/v1/events tells every change that the answer does not show. It is left out where it is not known in time, and on pages " +
		"after the first.",
	Schema: &huma.Schema{Type: huma.TypeString},
}}

// hasCursor reports whether answers of the route are of a place in the journal.
func (rt *route) hasCursor() bool {
	return strings.HasPrefix(rt.pattern, "/v1/repositories") || rt.spec.graphql
}

func (rt *route) isRead() bool { return rt.method == http.MethodGet || rt.method == http.MethodHead }

func (rt *route) takesMinCursor() bool { return rt.isRead() && rt.hasCursor() }

// acceptMinCursor lets all reads take a cursor to wait for.
func acceptMinCursor(routes []*route) {
	for _, rt := range routes {
		if rt.takesMinCursor() {
			rt.spec.query = append(slices.Clip(rt.spec.query), minCursorParams["MinCursorQuery"])
			rt.spec.headers = append(slices.Clip(rt.spec.headers), minCursorParams["MinCursorHeader"])
		}
	}
}

// takeMinCursor has the calls of a read wait for the cursor that the request names. It fails with INVALID_CURSOR, also for
// an empty one: a condition that came out empty must not become none.
func (c *call) takeMinCursor() error {
	if !c.isRead() || !c.route.hasCursor() {
		return nil
	}
	byQuery, err := parseMinCursor(minCursorQuery, c.query[minCursorQuery])
	if err != nil {
		return err
	}
	byHeader, err := parseMinCursor(minCursorHeader, c.r.Header.Values(minCursorHeader))
	if err != nil {
		return err
	}
	if !byQuery.IsZero() && !byHeader.IsZero() && byQuery != byHeader {
		return errs.InvalidField(errs.ReasonInvalidArgument, minCursorQuery, "%s and %s differ: give the later one", minCursorQuery, minCursorHeader)
	}
	if least := cmp.Or(byQuery, byHeader); !least.IsZero() {
		c.r = c.r.WithContext(ports.WithMinCursor(c.r.Context(), least))
	}
	return nil
}

// parseMinCursor returns the zero cursor if there are no values.
func parseMinCursor(name string, values []string) (event.Cursor, error) {
	if len(values) == 0 {
		return event.Cursor{}, nil
	}
	cursor, err := event.ParseCursor(strings.Join(values, ", "))
	if err == nil && cursor.IsZero() {
		err = errs.InvalidField(errs.ReasonInvalidCursor, name, "%s is empty: give a cursor, or leave it out", name)
	}
	return cursor, errs.InField(err, name)
}

// ctx is the context for one call of the store. What a read answers may lead on from the first of its calls: what happens
// between them is then told behind the cursor. What a write did is behind that of its last.
func (c *call) ctx() context.Context {
	receipt := new(ports.Receipt)
	// A page after the first may be of the commit of the first, which is older than the position.
	if c.receipt == nil && c.isRead() && !c.query.Has("page_token") {
		receipt.Cursor = c.position()
	}
	if c.receipt == nil || !c.isRead() {
		c.receipt = receipt
	}
	return ports.WithReceipt(c.r.Context(), receipt)
}

// nameCursor says in the answer's header where in the journal it is.
func (c *call) nameCursor() {
	if c.receipt != nil && !c.receipt.Cursor.IsZero() {
		c.w.Header().Set(cursorHeader, c.receipt.Cursor.String())
	}
}

const (
	paramRef  = "#/components/parameters/"
	headerRef = "#/components/headers/"
)

// refer returns the parameters with references in place of those that the document declares once.
func refer(params []*param) []*param {
	out := slices.Clone(params)
	for name, declared := range minCursorParams {
		if i := slices.Index(out, declared); i >= 0 {
			out[i] = &param{Ref: paramRef + name}
		}
	}
	return out
}

// deref returns the parameter or header that p is or refers to.
func deref(p *param) *param {
	return cmp.Or(minCursorParams[strings.TrimPrefix(p.Ref, paramRef)], cursorHeaders[strings.TrimPrefix(p.Ref, headerRef)], p)
}

// nameCursors adds the cursor's header to the answers of an operation.
func nameCursors(op *huma.Operation) {
	for _, r := range op.Responses {
		nameCursor(r)
	}
}

func nameCursor(r *huma.Response) {
	if r.Headers == nil {
		r.Headers = map[string]*huma.Header{}
	}
	for name := range cursorHeaders {
		r.Headers[name] = &huma.Header{Ref: headerRef + name}
	}
}
