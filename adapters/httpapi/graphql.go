package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	stdjson "encoding/json"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gitstore-dev/gitstore/adapters/httpapi/graphqlapi"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

// graphqlRequestJSON is a request as the specification of GraphQL over HTTP has it.
type graphqlRequestJSON struct {
	Query         string     `json:"query" doc:"The document." example:"{ catalog(repository: \"shop\") { commitId } }"`
	OperationName string     `json:"operationName,omitempty" doc:"Which operation of the document, if it has several."`
	Variables     fieldsJSON `json:"variables,omitempty" doc:"Values for the variables of the operation."`
	Extensions    fieldsJSON `json:"extensions,omitempty" doc:"Taken, and not looked at."`
}

// graphqlAnswerJSON describes an answer.
type graphqlAnswerJSON struct {
	Data   fieldsJSON         `json:"data,omitempty" doc:"What was asked for; left out if nothing was executed."`
	Errors []graphqlErrorJSON `json:"errors,omitempty" doc:"What is wrong; left out if nothing is."`
}

type graphqlErrorJSON struct {
	Message    string     `json:"message" doc:"For people: the wording may change."`
	Path       []any      `json:"path,omitempty" doc:"The field that it is about."`
	Locations  []any      `json:"locations,omitempty" doc:"Where in the document that is."`
	Extensions fieldsJSON `json:"extensions" doc:"The reason as code, as the problems of REST have it; field, metadata and problems likewise."`
}

const (
	graphqlPattern = "/graphql"
	// graphqlType is the media type whose answers have the status of what went wrong.
	graphqlType = "application/graphql-response+json"
	// maxGraphQL is the largest body, in bytes: the document has a limit of its own, variables may hold documents.
	maxGraphQL = 4 << 20
)

func (a *api) graphqlRoutes() []*route {
	if a.opts.Catalogs == nil {
		return nil
	}
	const group = "GraphQL"
	answer := map[int]content{http.StatusOK: {
		description: "The answer, which may have errors. A client that accepts " + graphqlType + " gets a status of its own if nothing was executed.",
		value:       graphqlAnswerJSON{},
	}}
	return []*route{
		newRoute(http.MethodGet, graphqlPattern, spec{
			id: "queryGraphQL", group: group, summary: "Ask by GraphQL, or open the page to do so",
			description: "Queries alone. A browser that asks for a page without a query gets one to write queries in.", graphql: true, answers: answer,
			query: []*param{
				textParam("query", "The document."), textParam("operationName", "Which operation of the document, if it has several."),
				textParam("variables", "Values for the variables of the operation, as JSON."), textParam("extensions", "Taken, and not looked at."),
			},
			fails: []errs.Reason{errs.ReasonQueryTooComplex, errs.ReasonInvalidCursor}, failsAs: map[int][]errs.Reason{http.StatusMethodNotAllowed: {errs.ReasonInvalidArgument}},
		}, a.getGraphQL),
		newRoute(http.MethodPost, graphqlPattern, spec{
			id: "executeGraphQL", group: group, summary: "Ask or change by GraphQL", graphql: true, answers: answer,
			description: "One operation of the schema that the service tells by introspection. Several in one request are refused.",
			headers:     []*param{minCursorParams["MinCursorHeader"]},
			instead:     "use the arguments ifMatch and expectedHead", body: &content{value: graphqlRequestJSON{}},
			fails: []errs.Reason{errs.ReasonQueryTooComplex, errs.ReasonInvalidCursor},
		}, a.postGraphQL),
	}
}

func (a *api) getGraphQL(c *call) error {
	c.w.Header().Set("Vary", "Accept")
	if !c.query.Has("query") && strings.Contains(c.r.Header.Get("Accept"), "text/html") {
		return c.sendPlayground()
	}
	r := graphqlapi.Request{Query: c.query.Get("query"), OperationName: c.query.Get("operationName")}
	if text := c.query.Get("variables"); text != "" {
		if err := readVariables(&r, []byte(text)); err != nil {
			return err
		}
	}
	return a.executeGraphQL(c, r)
}

func (a *api) postGraphQL(c *call) error {
	c.w.Header().Set("Vary", "Accept")
	// A browser sends other types for any page, without asking whether it may.
	if mediaType, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return withStatus(http.StatusUnsupportedMediaType, errs.InvalidField(errs.ReasonInvalidArgument, "Content-Type", "a GraphQL request is of the type application/json"))
	}
	if err := c.body.open(c.r.Header, maxGraphQL, "make several requests"); err != nil {
		return err
	}
	c.body.weight = wholeJSON
	raw, err := io.ReadAll(c.body)
	if err != nil {
		return c.body.blame(errs.From(err))
	}
	if jsontext.Value(raw).Kind() == '[' {
		return errs.New(errs.ReasonInvalidArgument, "several operations in one request are not taken: send one after the other, or put several fields into one operation")
	}
	var in struct {
		Query         *string        `json:"query"`
		OperationName *string        `json:"operationName"`
		Variables     jsontext.Value `json:"variables"`
		Extensions    jsontext.Value `json:"extensions"`
	}
	if err := jsonError("", json.Unmarshal(raw, &in, strict)); err != nil {
		return err
	}
	var r graphqlapi.Request
	if in.Query != nil {
		r.Query = *in.Query
	}
	if in.OperationName != nil {
		r.OperationName = *in.OperationName
	}
	if err := readVariables(&r, in.Variables); err != nil {
		return err
	}
	return a.executeGraphQL(c, r)
}

// readVariables reads an object; null is none.
func readVariables(r *graphqlapi.Request, value jsontext.Value) error {
	if len(value) == 0 {
		return nil
	}
	if err := jsonError("variables", json.Unmarshal(value, new(jsontext.Value))); err != nil {
		return err
	}
	d := stdjson.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&r.Variables); err != nil {
		return errs.Wrap(err, errs.ReasonInvalidArgument, `"variables" has to be an object`, errs.MetaField, "variables")
	}
	return nil
}

func (a *api) executeGraphQL(c *call, r graphqlapi.Request) error {
	if r.Query == "" {
		return errs.InvalidField(errs.ReasonInvalidArgument, "query", "the query is missing")
	}
	start, operation := time.Now(), ""
	var refused error
	r.Begin = func(kind string) error {
		operation = kind
		if refused = c.beginGraphQL(kind); refused == nil {
			a.limit(c)
		}
		return refused
	}
	r.Call = func() context.Context { return c.ctx() }
	r.Incident = func(err error) error { return a.incident(c, err, errs.From(err)) }
	answer := a.graphql.Execute(c.r.Context(), r)
	a.metrics.observeGraphQL(operation, answer, time.Since(start))
	c.attrs = append(c.attrs, slog.String("operation", operation))
	if refused != nil {
		return refused
	}
	if answer.Older {
		c.receipt = nil // it is not of the place that the receipt tells
	}
	status, h := http.StatusOK, c.w.Header()
	h.Set("Content-Type", "application/json")
	if strings.Contains(c.r.Header.Get("Accept"), graphqlType) {
		h.Set("Content-Type", graphqlType)
		if !answer.Executed {
			status = statusOf(answer.Failure)
		}
	}
	if answer.Failure != nil {
		c.attrs = append(c.attrs, slog.String("reason", string(errs.ReasonOf(answer.Failure))), slog.String("error", clip(answer.Failure.Error(), maxLogged)))
	}
	h.Set("Cache-Control", "no-store")
	c.w.WriteHeader(status)
	_, err := c.w.Write(answer.Body)
	return err
}

// beginGraphQL prepares the call for an operation of a kind.
func (c *call) beginGraphQL(kind string) error {
	if kind == "query" {
		c.reads = true
		return c.takeMinCursor()
	}
	if c.route.isRead() {
		return &statusError{
			status: http.StatusMethodNotAllowed, header: http.Header{"Allow": {http.MethodPost}},
			err: errs.New(errs.ReasonInvalidArgument, "a "+kind+" is sent by POST: GET is for queries"),
		}
	}
	return nil
}

// bodies implements [graphqlapi.Bodies].
type bodies struct{}

func (bodies) Write(body []byte) (catalogs.Write, error) {
	var in changesJSON
	if err := jsonError("", json.Unmarshal(body, &in, withoutNull)); err != nil {
		return catalogs.Write{}, err
	}
	return in.write()
}

func (bodies) Release(body []byte) (catalogs.Release, error) {
	var in newReleaseJSON
	if err := jsonError("", json.Unmarshal(body, &in, withoutNull)); err != nil {
		return catalogs.Release{}, err
	}
	return in.release()
}

func (bodies) Rollback(to string, body []byte) (catalogs.Rollback, error) {
	var in rollbackJSON
	if err := jsonError("", json.Unmarshal(body, &in, withoutNull)); err != nil {
		return catalogs.Rollback{}, err
	}
	return in.rollback(to)
}

// writeGraphQLError sends what kept a request from being executed.
func (c *call) writeGraphQLError(status int, err error) {
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	if strings.Contains(c.r.Header.Get("Accept"), graphqlType) {
		h.Set("Content-Type", graphqlType)
	}
	body := graphqlapi.ErrorBody(err)
	h.Set("Content-Length", strconv.Itoa(len(body))) // whoever still sends sees where the answer ends
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
}

//go:embed playground.html
var playgroundHTML []byte

// playgroundPolicy lets the page run its own script and talk to this service alone.
var playgroundPolicy = func() string {
	_, script, _ := bytes.Cut(playgroundHTML, []byte("<script>"))
	script, _, _ = bytes.Cut(script, []byte("</script>"))
	sum := sha256.Sum256(script)
	return pagePolicy + "; connect-src 'self'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

func (c *call) sendPlayground() error {
	h := c.w.Header()
	h.Set("Content-Security-Policy", playgroundPolicy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, err := c.w.Write(playgroundHTML)
	return err
}
