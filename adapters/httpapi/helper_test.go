package httpapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newStore(testing.TB) ports.RepositoryStore { return memrepo.New() }

// client talks to an API over a real connection.
type client struct {
	t      testing.TB
	server *httptest.Server
	http   *http.Client
	// made is whether its store fails as none does.
	made bool
}

func serve(t testing.TB, store ports.RepositoryStore, opts httpapi.Options) *client {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config = httpapi.NewServer(httpapi.New(store, opts), "", opts)
	server.Start()
	t.Cleanup(server.Close)
	return &client{t: t, server: server, http: server.Client()}
}

// newShop serves a new store that holds the empty repository "shop".
func newShop(t testing.TB) *client {
	t.Helper()
	c := serve(t, newStore(t), httpapi.Options{})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	return c
}

type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// option changes a request before it is sent.
type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func (c *client) do(method, path string, body io.Reader, opts ...option) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, opt := range opts {
		opt(req)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	a := answer{c.t, method + " " + path, resp.StatusCode, resp.Header, content}
	c.checkDocumented(req, a)
	return a
}

// checkDocumented fails the test if the document does not say that the operation can be answered so.
func (c *client) checkDocumented(req *http.Request, a answer) {
	c.t.Helper()
	if c.made || req.URL.Path == "/metrics" { // the metrics are not the API's own
		return
	}
	var problem struct {
		Reason string
		Errors []struct{ Extensions struct{ Code string } }
	}
	if strings.Contains(a.header.Get("Content-Type"), "json") && (a.status >= http.StatusBadRequest || strings.HasSuffix(req.URL.Path, "/graphql")) {
		_ = json.Unmarshal(a.body, &problem)
	}
	if a.status >= http.StatusBadRequest {
		reason := problem.Reason
		for _, e := range problem.Errors {
			reason = e.Extensions.Code
		}
		if err := httpapi.CheckDocumented(c.server.Config.Handler, req, a.status, reason); err != nil {
			c.t.Errorf("%s: %v: %.300s", a.what, err, a.body)
		}
		return
	}
	for _, e := range problem.Errors {
		if !slices.Contains(httpapi.GraphQLCodes(), e.Extensions.Code) {
			c.t.Errorf("docs/graphql.md does not list %q: %.300s", e.Extensions.Code, a.body)
		}
	}
}

func (c *client) get(path string, opts ...option) answer {
	c.t.Helper()
	return c.do(http.MethodGet, path, nil, opts...)
}

func (c *client) post(path, body string, opts ...option) answer {
	c.t.Helper()
	return c.do(http.MethodPost, path, strings.NewReader(body), opts...)
}

func (c *client) put(path, body string, opts ...option) answer {
	c.t.Helper()
	return c.do(http.MethodPut, path, strings.NewReader(body), opts...)
}

func (c *client) delete(path string, opts ...option) answer {
	c.t.Helper()
	return c.do(http.MethodDelete, path, nil, opts...)
}

// head is the commit of main.
func (c *client) head() string {
	c.t.Helper()
	a := c.get("/v1/repositories/shop/commits/main").wants(http.StatusOK)
	return a.json()["commit_id"].(string)
}

func (a answer) wants(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s answered %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

// problem checks that the answer is one, of a status and reason.
func (a answer) problem(status int, reason string) answer {
	a.t.Helper()
	a.wants(status)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("%s: content type %q", a.what, got)
	}
	p := a.json()
	for member, want := range map[string]any{
		"status": float64(status), "reason": reason, "type": "/docs/errors#" + reason, "instance": a.header.Get("X-Request-Id"),
	} {
		if p[member] != want {
			a.t.Errorf("%s: %s is %v, want %v: %s", a.what, member, p[member], want, a.body)
		}
	}
	for _, member := range []string{"title", "detail"} {
		if text, _ := p[member].(string); text == "" {
			a.t.Errorf("%s: no %s", a.what, member)
		}
	}
	return a
}

func (a answer) field(want string) answer {
	a.t.Helper()
	if got, _ := a.json()["field"].(string); got != want {
		a.t.Errorf("%s: field %q, want %q: %s", a.what, got, want, a.body)
	}
	return a
}

func (a answer) json() map[string]any {
	a.t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	return v
}

// items returns one member of each item of a list.
func (a answer) items(member string) []string {
	a.t.Helper()
	items, ok := a.json()["items"].([]any)
	if !ok {
		a.t.Fatalf("%s: no items: %s", a.what, a.body)
	}
	out := make([]string, len(items))
	for i, item := range items {
		out[i], _ = item.(map[string]any)[member].(string)
	}
	return out
}

func (a answer) next() string {
	a.t.Helper()
	token, ok := a.json()["next_page_token"].(string)
	if !ok {
		a.t.Fatalf("%s: no next_page_token: %s", a.what, a.body)
	}
	return token
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
