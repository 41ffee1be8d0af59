package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
	"github.com/gitstore-dev/gitstore/internal/budget"
	"github.com/gitstore-dev/gitstore/ports"
)

// call is one request on its way through the API.
type call struct {
	w *recorder
	r *http.Request
	// id is the request id.
	id string
	// route is nil if there is none.
	route *route
	// path holds the decoded path parameters.
	path map[string]string
	// query holds parameters that are declared and of their type.
	query url.Values
	body  *body
	// hold is what the JSON of the body takes.
	hold budget.Hold
	// duplex reports that the answer may go out while the body still comes in.
	duplex bool
	// receipt is of the call of the store that the whole answer is at least as new as; nil if there was none.
	receipt *ports.Receipt
	// reads reports that a request that could make a change makes none.
	reads bool
	// refusal is the failure which an answer of 200 tells, for the log and the metrics; nil of any other answer.
	refusal error
	// attrs are what the log says of the request besides.
	attrs []slog.Attr
	// position is as [Options.Position].
	position func() event.Cursor
	// cancel ends what the request does, and timer does so when it is overdue; nil is without a limit.
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// parseQuery reads the query and holds it to the parameters that the route declares.
func (c *call) parseQuery() error {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return errs.New(errs.ReasonInvalidArgument, "the query string is malformed: percent-encode its values")
	}
	for name, values := range query {
		if err := c.route.spec.checkParam(name, values); err != nil {
			return err
		}
	}
	c.query = query
	return nil
}

func (s *spec) checkParam(name string, values []string) error {
	i := slices.IndexFunc(s.query, func(p *huma.Param) bool { return p.Name == name })
	if i < 0 {
		return errs.InvalidField(errs.ReasonInvalidArgument, clip(name, 64), "query parameter %q is unknown: this operation has %s",
			clip(name, 64), s.queryNames())
	}
	schema := s.query[i].Schema
	if schema.Type == huma.TypeArray {
		schema = schema.Items
	} else if len(values) > 1 {
		return errs.InvalidField(errs.ReasonInvalidArgument, name, "query parameter %q is given %d times: give it once", name, len(values))
	}
	for _, v := range values {
		if rule := brokenValue(schema, v); rule != "" {
			return errs.InvalidField(errs.ReasonInvalidArgument, name, "query parameter %q is invalid: it has to be %s", name, rule)
		}
	}
	return nil
}

// brokenValue returns what the value should have been, "" if it is that.
func brokenValue(s *huma.Schema, v string) string {
	switch {
	case s.Type == huma.TypeBoolean && v != "true" && v != "false":
		return "true or false"
	case s.Type == huma.TypeInteger && !isInt(v):
		return "an integer"
	case s.Format == formatTime && !isTime(v):
		return "a time of RFC 3339, such as 2026-01-31T09:00:00Z"
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, any(v)):
		return fmt.Sprintf("one of %v", s.Enum)
	case s.Format != formatBytes && !utf8.ValidString(v):
		return "UTF-8"
	}
	return ""
}

func isInt(v string) bool {
	_, err := strconv.ParseInt(v, 10, 32)
	return err == nil
}

func isTime(v string) bool {
	_, err := time.Parse(time.RFC3339, v)
	return err == nil
}

// isRead reports whether the request makes no change.
func (c *call) isRead() bool { return c.reads || c.route.isRead() }

func (c *call) flag(name string) bool { return c.query.Get(name) == "true" }

// optionalFlag returns nil if the parameter is not given.
func (c *call) optionalFlag(name string) *bool {
	if !c.query.Has(name) {
		return nil
	}
	v := c.flag(name)
	return &v
}

// time returns zero if the parameter is not given.
func (c *call) time(name string) time.Time {
	t, err := time.Parse(time.RFC3339, c.query.Get(name))
	if err != nil {
		return time.Time{}
	}
	return t
}

func (c *call) repositoryID() (git.RepositoryID, error) { return git.ParseRepositoryID(c.path["id"]) }

func (a *api) repository(c *call) (ports.GitRepository, error) {
	id, err := c.repositoryID()
	if err != nil {
		return nil, err
	}
	return a.store.Repository(id), nil
}

// revision reads the query parameter as a revision; the default branch if it is not given.
func (c *call) revision(name string) (git.Revision, error) {
	if !c.query.Has(name) {
		return git.Head(), nil
	}
	return parseRevision(name, c.query.Get(name))
}

func parseRevision(field, s string) (git.Revision, error) {
	rev, err := git.ParseRevision(s)
	return rev, errs.InField(err, field)
}

// treePath reads the query parameter as a path; the root if it is not given or empty.
func (c *call) treePath(name string) (git.TreePath, error) {
	if c.query.Get(name) == "" {
		return git.TreePath{}, nil
	}
	path, err := git.ParseTreePath(c.query.Get(name))
	return path, errs.InField(err, name)
}

// parseExpectation reads an object ID; an empty one, or Git's null ID, expects that there is nothing.
func parseExpectation(field, s string) (git.Expectation, error) {
	if isNullID(s) {
		return git.ExpectAbsent(), nil
	}
	id, err := git.ParseObjectID(s)
	if err != nil {
		return git.Expectation{}, errs.InField(err, field)
	}
	return git.ExpectID(id), nil
}

func isNullID(s string) bool {
	for _, r := range s {
		if r != '0' {
			return false
		}
	}
	return len(s) == 0 || len(s) == 2*git.SHA1.Size() || len(s) == 2*git.SHA256.Size()
}

func (c *call) expectation(name string) (git.Expectation, error) {
	if !c.query.Has(name) {
		return git.Expectation{}, nil
	}
	return parseExpectation(name, c.query.Get(name))
}

// pageQuery is the query's page for a listing whose pages are made by the store.
func (c *call) pageQuery() ports.Page {
	size, _ := strconv.Atoi(c.query.Get("page_size"))
	return ports.Page{Size: size, Token: c.query.Get("page_token")}
}

// cursor is the query's page for a listing whose pages are made here.
type cursor struct {
	page.Token
	size  int
	scope string
}

func (c *call) cursor() (cursor, error) {
	p := c.pageQuery()
	size, err := page.Size(p.Size)
	if err != nil {
		return cursor{}, err
	}
	cur := cursor{size: size, scope: c.scope()}
	if p.Token != "" {
		cur.Token, err = page.Decode(cur.scope, p.Token)
	}
	return cur, err
}

// scope names the question that a page token belongs to: operation, repository and every parameter but those that may differ from
// page to page.
func (c *call) scope() string {
	question := url.Values{}
	for name, values := range c.query {
		if name != "page_size" && name != "page_token" && name != minCursorQuery {
			question[name] = values
		}
	}
	return c.route.spec.id + " " + c.path["id"] + "?" + question.Encode()
}

// blame turns an error about what the token names into one about the token: nobody who was given it named that.
func (cur cursor) blame(err error) error {
	if err == nil || cur.Token == (page.Token{}) || errs.Is(err, errs.ReasonRepositoryNotFound) {
		return err
	}
	if kind := errs.KindOf(err); kind != errs.Invalid && kind != errs.NotFound && !errs.Is(err, errs.ReasonNotACommit, errs.ReasonNotAFile) {
		return err
	}
	return errs.Wrap(err, errs.ReasonInvalidPageToken, "what the page token leads to is not there: begin again without a token", errs.MetaField, "page_token")
}

// next returns the token of the page after this one.
func (cur cursor) next(t page.Token) string { return page.Encode(cur.scope, t) }

// list is the answer of every listing.
type list[T any] struct {
	Items         []T    `json:"items" doc:"What is on this page." nullable:"false"`
	NextPageToken string `json:"next_page_token" doc:"The page_token of the next page; empty on the last page."`
}

// answer writes v as JSON.
func (c *call) answer(status int, v any) error {
	c.writeJSON(status, "application/json", v)
	return nil
}

// writeJSON replaces what is not UTF-8 by U+FFFD; the types that may hold such bytes give them a second time in base64.
func (c *call) writeJSON(status int, mediaType string, v any) {
	b, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true), json.Deterministic(true))
	if err != nil {
		panic(err) // the types of this package can always be written
	}
	h := c.w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(b)+1))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(append(b, '\n'))
}

// noContent answers that something was done.
func (c *call) noContent() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) setCommit(id git.ObjectID) { c.w.Header().Set("GitStore-Commit", id.String()) }

// base64Unless returns s for a base64 member, nil if s is UTF-8 and so whole in its own member.
func base64Unless(s string) []byte {
	if utf8.ValidString(s) {
		return nil
	}
	return []byte(s)
}
