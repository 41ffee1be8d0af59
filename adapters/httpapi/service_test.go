package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/requestid"
	"github.com/gitstore-dev/gitstore/ports"
)

func TestHealthAndReadinessAreTwoThings(t *testing.T) {
	var ready error
	c := serve(t, nil, httpapi.Options{Ready: func(context.Context) error { return ready }})
	c.get("/healthz").wants(http.StatusOK)
	c.get("/readyz").wants(http.StatusOK)
	ready = errors.New("dial tcp 10.1.2.3:50051: refused")
	c.get("/healthz").wants(http.StatusOK)
	a := c.get("/readyz").problem(http.StatusServiceUnavailable, "UNAVAILABLE")
	if a.header.Get("Retry-After") == "" || bytes.Contains(a.body, []byte("10.1.2.3")) {
		t.Errorf("%v %s", a.header, a.body)
	}
	ready = errs.New(errs.ReasonDraining, "the service is shutting down")
	c.get("/readyz").problem(http.StatusServiceUnavailable, "DRAINING")
}

func TestMetricsCountByRouteAndNotByPath(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := serve(t, newStore(t), httpapi.Options{Registerer: reg, Metrics: promhttp.HandlerFor(reg, promhttp.HandlerOpts{})})
	c.post("/v1/repositories", `{"id":"secret-name"}`).wants(http.StatusCreated)
	c.get("/v1/repositories/secret-name/files/a/b").wants(http.StatusNotFound)
	c.do(http.MethodHead, "/v1/repositories/secret-name/files/a/b", nil).wants(http.StatusNotFound)
	c.get("/secret-path").wants(http.StatusNotFound)
	c.do("BREW", "/v1/repositories", nil).wants(http.StatusMethodNotAllowed)
	metrics := string(c.get("/metrics").wants(http.StatusOK).body)
	for _, want := range []string{
		`gitstore_http_requests_total{method="POST",route="/v1/repositories",status="201"} 1`,
		`gitstore_http_requests_total{method="GET",route="/v1/repositories/{id}/files/{path}",status="404"} 1`,
		`gitstore_http_requests_total{method="HEAD",route="/v1/repositories/{id}/files/{path}",status="404"} 1`,
		`gitstore_http_requests_total{method="",route="",status="404"} 1`,
		`gitstore_http_requests_total{method="",route="",status="405"} 1`,
		`gitstore_http_request_duration_seconds_count{method="POST",route="/v1/repositories"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}
	if strings.Contains(metrics, "secret") || strings.Contains(metrics, "BREW") {
		t.Errorf("a label is of the client's making:\n%s", metrics)
	}
	serve(t, nil, httpapi.Options{}).get("/metrics").problem(http.StatusNotFound, "METHOD_NOT_FOUND")
}

// logged is a log that can be read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines returns the lines of a message.
func (l *logged) lines(t *testing.T, msg string) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	for line := range bytes.Lines(l.b.Bytes()) {
		var v map[string]any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if v["msg"] == msg {
			out = append(out, v)
		}
	}
	return out
}

func TestACallIsMadeForTheAddressOfItsClient(t *testing.T) {
	var seen string
	c := serve(t, stub{list: func(ctx context.Context) error { seen = ports.Caller(ctx); return nil }}, httpapi.Options{})
	if c.get("/v1/repositories").wants(http.StatusOK); seen != "127.0.0.1" {
		t.Errorf("it is made for %q", seen)
	}
}

func TestARequestIDIsTakenOverOrMade(t *testing.T) {
	var seen string
	log := &logged{}
	c := serve(t, stub{list: func(ctx context.Context) error { seen = requestid.From(ctx); return nil }},
		httpapi.Options{Logger: slog.New(slog.NewJSONHandler(log, nil))})
	sent := []string{"abc-123", strings.Repeat("x", 128)}
	for _, id := range sent {
		if got := c.get("/v1/repositories", header("X-Request-Id", id)).header.Get("X-Request-Id"); got != id || seen != id {
			t.Errorf("sent %q, got %q, the store saw %q", id, got, seen)
		}
	}
	made := map[string]bool{}
	for _, id := range []string{"", "with space", strings.Repeat("x", 129), "caf\u00e9"} {
		got := c.get("/v1/repositories", header("X-Request-Id", id)).header.Get("X-Request-Id")
		if got == id || got == "" || got != seen || made[got] {
			t.Errorf("sent %q, got %q, the store saw %q", id, got, seen)
		}
		made[got] = true
	}
	c.server.Close() // waits for the last line
	lines := log.lines(t, "http request")
	if len(lines) != 6 || lines[0]["request_id"] != sent[0] || lines[0]["status"] != 200.0 || lines[0]["method"] != "GET" {
		t.Errorf("logged %v", lines)
	}
}

func TestProbesAreLoggedIfTheyFail(t *testing.T) {
	log := &logged{}
	ready := errors.New("not yet")
	c := serve(t, nil, httpapi.Options{
		Logger: slog.New(slog.NewJSONHandler(log, nil)), Ready: func(context.Context) error { return ready }, Metrics: http.NotFoundHandler(),
	})
	c.get("/readyz").wants(http.StatusServiceUnavailable)
	ready = nil
	for _, path := range []string{"/healthz", "/readyz"} {
		c.get(path).wants(http.StatusOK)
	}
	c.get("/metrics")
	c.server.Close() // waits for the last line
	if lines := log.lines(t, "http request"); len(lines) != 1 || lines[0]["path"] != "/readyz" || lines[0]["status"] != 503.0 {
		t.Errorf("logged %v", lines)
	}
}

func TestAPanicIsAnIncidentAndTheProcessLives(t *testing.T) {
	log := &logged{}
	c := serve(t, stub{list: func(context.Context) error { panic("/secret/path exploded") }},
		httpapi.Options{Logger: slog.New(slog.NewJSONHandler(log, nil))})
	p := c.get("/v1/repositories").problem(http.StatusInternalServerError, "INTERNAL")
	incident := p.json()["metadata"].(map[string]any)["incident"].(string)
	if bytes.Contains(p.body, []byte("secret")) {
		t.Errorf("the answer tells too much: %s", p.body)
	}
	lines := log.lines(t, "panic in an HTTP handler")
	if len(lines) != 1 || lines[0]["incident"] != incident || !strings.Contains(lines[0]["stack"].(string), "ListRepositories") {
		t.Errorf("logged %v", lines)
	}
	c.get("/healthz").wants(http.StatusOK)
}

func TestAnInternalErrorTellsItsIncidentAndNothingElse(t *testing.T) {
	log := &logged{}
	c := serve(t, stub{list: func(context.Context) error { return errors.New("open /secret/path: no such file") }},
		httpapi.Options{Logger: slog.New(slog.NewJSONHandler(log, nil))})
	p := c.get("/v1/repositories").problem(http.StatusInternalServerError, "INTERNAL")
	if bytes.Contains(p.body, []byte("secret")) {
		t.Errorf("the answer tells too much: %s", p.body)
	}
	lines := log.lines(t, "internal error")
	if len(lines) != 1 || lines[0]["incident"] != p.json()["metadata"].(map[string]any)["incident"] || !strings.Contains(fmt.Sprint(lines[0]), "secret") {
		t.Errorf("logged %v", lines)
	}
}

func TestTheStatusFollowsFromTheReason(t *testing.T) {
	var fails error
	c := serve(t, stub{list: func(context.Context) error { return fails }}, httpapi.Options{})
	c.made = true
	for reason, want := range map[errs.Reason]int{
		errs.ReasonInvalidPath: 400, errs.ReasonUnauthenticated: 401, errs.ReasonPermissionDenied: 403, errs.ReasonRefNotFound: 404,
		errs.ReasonRefExists: 409, errs.ReasonRefMoved: 409, errs.ReasonDefaultBranch: 409, errs.ReasonFileTooLarge: 413,
		errs.ReasonMessageTooLarge: 413, errs.ReasonResourceExhausted: 429, errs.ReasonRepositoryCorrupt: 500, errs.ReasonInternal: 500,
		errs.ReasonQueueFull: 503, errs.ReasonStorageFull: 503, errs.ReasonUnavailable: 503, errs.ReasonDraining: 503,
		errs.ReasonCanceled: 503, errs.ReasonDeadlineExceeded: 504,
	} {
		fails = fmt.Errorf("wrapped: %w", errs.New(reason, "no"))
		a := c.get("/v1/repositories").problem(want, string(reason))
		retryAfter := ""
		switch {
		case reason == errs.ReasonStorageFull:
			retryAfter = "30"
		case want == 503 || want == 429:
			retryAfter = "1"
		}
		if got := a.header.Get("Retry-After"); got != retryAfter {
			t.Errorf("%s: Retry-After %q, want %q", reason, got, retryAfter)
		}
	}
	fails = context.DeadlineExceeded
	c.get("/v1/repositories").problem(http.StatusGatewayTimeout, "DEADLINE_EXCEEDED")
}

// An answer that was begun cannot become a problem: breaking it off is how the client learns.
func TestAReadThatFailsInTheMiddleBreaksTheAnswerOff(t *testing.T) {
	file := ports.File{Size: 1 << 20, Blob: git.SHA1.HashObject(git.BlobObject, nil), Commit: git.SHA1.HashObject(git.CommitObject, nil)}
	for name, content := range map[string]io.Reader{
		"an error":  io.MultiReader(strings.NewReader(strings.Repeat("x", 300<<10)), failing{}),
		"too short": strings.NewReader(strings.Repeat("x", 300<<10)),
	} {
		c := serve(t, stub{read: func(ports.ReadFile) (ports.File, io.ReadCloser, error) { return file, io.NopCloser(content), nil }}, httpapi.Options{})
		resp, err := c.http.Get(c.server.URL + shop + "/files/f")
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); err == nil {
			t.Errorf("%s: read %d bytes without an error", name, n)
		}
		_ = resp.Body.Close()
	}
	c := serve(t, stub{read: func(ports.ReadFile) (ports.File, io.ReadCloser, error) { return file, io.NopCloser(failing{}), nil }}, httpapi.Options{})
	c.get(shop+"/files/f").problem(http.StatusServiceUnavailable, "UNAVAILABLE")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errs.New(errs.ReasonUnavailable, "gone") }

func TestABodyThatStallsIsGivenUp(t *testing.T) {
	c := serve(t, newStore(t), httpapi.Options{IdleTimeout: 250 * time.Millisecond})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	for name, request := range map[string]string{
		"put":    "PUT " + shop + "/files/f HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegun",
		"commit": "POST " + shop + "/commits HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"bra\r\n",
		"json":   "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
	} {
		if status, body := raw(t, c.server, request); status != http.StatusRequestTimeout || !strings.Contains(body, "DEADLINE_EXCEEDED") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	// Nobody reads this body; its connection must end all the same.
	if status, _ := raw(t, c.server, "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"); status != http.StatusOK {
		t.Errorf("a GET with a body that never comes: %d", status)
	}
	c.get(shop+"/files/f").problem(http.StatusNotFound, "REF_NOT_FOUND")
}

func TestABodyThatComesAByteAtATimeIsGivenUp(t *testing.T) {
	c := serve(t, newStore(t), httpapi.Options{IdleTimeout: 300 * time.Millisecond})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	body, w := io.Pipe()
	defer func() { _ = body.Close() }()
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range 400 {
			select {
			case <-tick.C:
			case <-gone:
				return
			}
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
		}
		_ = w.Close()
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, c.server.URL+shop+"/files/f", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("answered %s", resp.Status)
	}
	c.get(shop+"/files/f").problem(http.StatusNotFound, "REF_NOT_FOUND")
}

// raw sends bytes and reads until the server closes the connection.
func raw(t *testing.T, server *httptest.Server, request string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	var status int
	if _, err := fmt.Sscanf(string(answer), "HTTP/1.1 %d", &status); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	return status, string(answer)
}

func TestABodyThatEndsTooEarlyWritesNothing(t *testing.T) {
	c := newShop(t)
	conn, err := net.Dial("tcp", c.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "PUT "+shop+"/files/f HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegun")
	_ = conn.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(conn)
	_ = conn.Close()
	if !strings.HasPrefix(string(answer), "HTTP/1.1 400") || !strings.Contains(string(answer), "CANCELED") {
		t.Errorf("answered %s", answer)
	}
	c.get(shop+"/files/f").problem(http.StatusNotFound, "REF_NOT_FOUND")
}

func TestTheServerHasLimits(t *testing.T) {
	s := httpapi.NewServer(http.NotFoundHandler(), "127.0.0.1:0", httpapi.Options{})
	if s.ReadHeaderTimeout != 5*time.Second || s.MaxHeaderBytes != 16<<10 || s.IdleTimeout <= 0 || s.Addr != "127.0.0.1:0" || s.ErrorLog == nil {
		t.Errorf("%+v", s)
	}
	if s.ReadTimeout != 0 || s.WriteTimeout != 0 {
		t.Error("a long transfer has a deadline")
	}
}

func TestPagesWorkWithoutTheInternet(t *testing.T) {
	c := serve(t, nil, httpapi.Options{Version: "1.2.3"})
	loads := regexp.MustCompile(`(?i)<(script|link|img|iframe|object|embed|form)\b|@import|url\(|\bsrc=|https?://|//[a-z0-9.-]+\.[a-z]`)
	for _, path := range []string{"/docs", "/docs/errors"} {
		page := c.get(path).wants(http.StatusOK)
		if found := loads.Find(page.body); found != nil {
			t.Errorf("%s loads something: %s", path, found)
		}
		if got := page.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("%s: content type %q", path, got)
		}
		if got := page.header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "script-src") {
			t.Errorf("%s: policy %q", path, got)
		}
		c.checkLinks(page)
	}
	docs := string(c.get("/docs").body)
	for _, want := range []string{"1.2.3", "/v1/repositories/{id}/compare/{base}...{head}", "If-None-Match", "expected_blob_id", `id="schema-NewCommit"`, `<td><code>416</code></td><td><a href="/docs/errors#INVALID_RANGE">`} {
		if !strings.Contains(docs, want) {
			t.Errorf("/docs does not show %s", want)
		}
	}
	for _, r := range errs.Reasons() {
		if !strings.Contains(string(c.get("/docs/errors").body), `id="`+string(r)+`"`) {
			t.Errorf("/docs/errors has no anchor for %s", r)
		}
	}
}

func TestTheWebPageIsServedWithWhatItUses(t *testing.T) {
	c := serve(t, nil, httpapi.Options{})
	uses := regexp.MustCompile(`(?:from |src=|href=)"(?:\./|/assets/)([^"]+)"`)
	seen := map[string]bool{}
	var follow func(target string)
	follow = func(target string) {
		if seen[target] {
			return
		}
		seen[target] = true
		a := c.get(target).wants(http.StatusOK)
		if policy := a.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'; script-src 'self';") {
			t.Errorf("%s: policy %q", target, policy)
		}
		if got := a.header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s is kept without a question: %q", target, got)
		}
		c.get(target, header("If-None-Match", a.header.Get("Etag"))).wants(http.StatusNotModified)
		for _, name := range uses.FindAllSubmatch(a.body, -1) {
			follow("/assets/" + string(name[1]))
		}
	}
	follow("/")
	for target, want := range map[string]string{"/": "text/html; charset=utf-8", "/assets/main.js": "text/javascript; charset=utf-8", "/assets/style.css": "text/css; charset=utf-8"} {
		if got := c.get(target).header.Get("Content-Type"); got != want || !seen[target] {
			t.Errorf("%s is %q, and used: %v", target, got, seen[target])
		}
	}
	if len(seen) != 11 {
		t.Errorf("these files of the page are used: %v", slices.Sorted(maps.Keys(seen)))
	}
	for _, target := range []string{"/assets/", "/assets/none.js", "/assets/..%2Fwebpage.go", "/assets/web/main.js"} {
		c.get(target).wants(http.StatusNotFound)
	}
}

var link = regexp.MustCompile(`href="([^"]*)"`)

// checkLinks holds every link of a page to lead somewhere.
func (c *client) checkLinks(page answer) {
	c.t.Helper()
	for _, found := range link.FindAllStringSubmatch(string(page.body), -1) {
		target := found[1]
		if anchor, ok := strings.CutPrefix(target, "#"); ok {
			if !strings.Contains(string(page.body), `id="`+anchor+`"`) {
				c.t.Errorf("%s: no %s", page.what, target)
			}
			continue
		}
		c.get(target).wants(http.StatusOK)
	}
}

func TestTheOpenAPIDocumentIsComplete(t *testing.T) {
	c := serve(t, nil, httpapi.Options{
		Metrics: http.NotFoundHandler(), Events: scripted{}, Catalogs: catalogs.New(nil, nil, catalogs.Options{}),
	})
	a := c.get("/openapi.json").wants(http.StatusOK)
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	doc := a.json()
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi %v", doc["openapi"])
	}
	ids := map[string]bool{}
	for path, item := range doc["paths"].(map[string]any) {
		for method, v := range item.(map[string]any) {
			op := v.(map[string]any)
			where := strings.ToUpper(method) + " " + path
			id, _ := op["operationId"].(string)
			if id == "" || ids[id] {
				t.Errorf("%s: operation id %q is empty or used twice", where, id)
			}
			ids[id] = true
			checkOperation(t, doc, where, path, op)
			c.checkServed(method, path)
		}
	}
	checkRefs(t, doc, doc)
	for _, want := range []string{
		"createRepository", "listRepositories", "getRepository", "deleteRepository", "getFile", "statFile", "putFile", "deleteFile", "listTree",
		"createCommit", "listCommits", "getCommit", "compare", "listBranches", "createBranch", "deleteBranch", "listTags", "createTag",
		"deleteTag", "getLatestTag", "watchEvents", "getCatalog", "listCatalogProblems", "listProducts", "getProduct", "listCategories",
		"getCategory", "listCollections", "getCollection", "listDocuments", "getDocument", "changeDocuments", "createProduct", "putProduct", "patchProduct",
		"deleteProduct", "createCategory", "putCategory", "patchCategory", "deleteCategory", "createCollection", "putCollection", "patchCollection",
		"deleteCollection", "createDocument", "putDocument", "patchDocument", "deleteDocument", "listReleases", "createRelease", "getLatestRelease", "getRelease", "rollBack", "diffCatalogs", "getHealth", "getReadiness", "getMetrics", "getOpenAPI", "getDocs", "getErrorDocs",
	} {
		if !ids[want] {
			t.Errorf("no operation %s", want)
		}
	}
}

var parameter = regexp.MustCompile(`\{(\w+)\}`)

func checkOperation(t *testing.T, doc map[string]any, where, path string, op map[string]any) {
	t.Helper()
	if op["summary"] == nil || op["tags"] == nil {
		t.Errorf("%s has no summary or tag", where)
	}
	var inPath []string
	params, _ := op["parameters"].([]any)
	seen := map[string]bool{}
	for _, p := range params {
		p := resolve(doc, p.(map[string]any))
		name, in := p["name"].(string), p["in"].(string)
		if seen[in+name] || p["description"] == nil || p["schema"] == nil {
			t.Errorf("%s: parameter %s is given twice or has no description or schema", where, name)
		}
		seen[in+name] = true
		if in == "path" {
			inPath = append(inPath, name)
			if p["required"] != true {
				t.Errorf("%s: path parameter %s is optional", where, name)
			}
		}
	}
	var inTemplate []string
	for _, m := range parameter.FindAllStringSubmatch(path, -1) {
		inTemplate = append(inTemplate, m[1])
	}
	if !slices.Equal(inPath, inTemplate) {
		t.Errorf("%s: path parameters %v, template %v", where, inPath, inTemplate)
	}
	responses := op["responses"].(map[string]any)
	if responses["default"] == nil || len(responses) < 2 {
		t.Errorf("%s: responses %v", where, responses)
	}
	reasons := op["x-reasons"].(map[string]any)
	for status, answer := range responses {
		if description, _ := resolve(doc, answer.(map[string]any))["description"].(string); description == "" {
			t.Errorf("%s: %s is not described", where, status)
		}
		if listed, _ := reasons[status].([]any); len(listed) == 0 && status >= "4" && status != "default" && op["operationId"] != "gitLFS" {
			t.Errorf("%s: %s has no reasons", where, status)
		}
	}
	for status := range reasons {
		if responses[status] == nil {
			t.Errorf("%s: there is no answer %s", where, status)
		}
	}
}

// checkServed expects that what is documented is routed: no answer about a route that does not exist.
func (c *client) checkServed(method, path string) {
	c.t.Helper()
	// An id that is refused keeps the store, of which there is none, out of it.
	path = parameter.ReplaceAllString(strings.ReplaceAll(path, "{id}", "REFUSED"), "x")
	a := c.do(strings.ToUpper(method), path, nil)
	if a.status == http.StatusMethodNotAllowed || strings.Contains(string(a.body), `"reason":"METHOD_NOT_FOUND"`) {
		c.t.Errorf("%s is documented and not served: %s", a.what, a.body)
	}
}

// checkRefs expects that every $ref below v leads to something in doc.
func checkRefs(t *testing.T, doc map[string]any, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			checkRefs(t, doc, e)
		}
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			if resolve(doc, v) == nil {
				t.Errorf("%s leads nowhere", ref)
			}
		}
		for _, e := range v {
			checkRefs(t, doc, e)
		}
	}
}

// resolve returns v, or what it refers to; nil if that leads nowhere.
func resolve(doc, v map[string]any) map[string]any {
	ref, ok := v["$ref"].(string)
	if !ok {
		return v
	}
	found := doc
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		found, _ = found[name].(map[string]any)
	}
	return found
}

func TestSizeIsInTheDescriptionAndNotInTheListing(t *testing.T) {
	c := newShop(t)
	if size, ok := c.get(shop).wants(http.StatusOK).json()["size_bytes"]; size != 0.0 || !ok {
		t.Errorf("an empty repository has a size of %v", size)
	}
	for _, item := range c.get("/v1/repositories").wants(http.StatusOK).json()["items"].([]any) {
		if size, ok := item.(map[string]any)["size_bytes"]; ok {
			t.Errorf("the listing says a size of %v", size)
		}
	}
}
