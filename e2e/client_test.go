package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// client calls a service over HTTP.
type client struct {
	address string
	http    *http.Client
}

func newClient(t testing.TB, address string) *client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{address: address, http: &http.Client{Transport: transport}}
}

// answer is a response that was read to its end.
type answer struct {
	what   string
	status int
	header http.Header
	body   []byte
}

// try sends a request to a target, which is put into the request line as it is.
func (c *client) try(ctx context.Context, method, target string, body io.Reader, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.address, body)
	if err != nil {
		return answer{}, err
	}
	req.URL = &url.URL{Scheme: "http", Host: c.address, Opaque: target}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return c.send(req)
}

func (c *client) send(req *http.Request) (answer, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{req.Method + " " + req.URL.Opaque, resp.StatusCode, resp.Header, b}, err
}

// call is try for requests that get an answer.
func (c *client) call(t testing.TB, method, target string, body io.Reader, header ...string) answer {
	t.Helper()
	a, err := c.try(t.Context(), method, target, body, header...)
	require.NoError(t, err)
	return a
}

func (c *client) get(t testing.TB, target string) answer {
	t.Helper()
	return c.call(t, "GET", target, nil)
}

// post sends v as JSON.
func (c *client) post(t testing.TB, target string, v any) answer {
	t.Helper()
	return c.call(t, "POST", target, bytes.NewReader(encode(t, v)))
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

// wants checks the status.
func (a answer) wants(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("%s: %d, want %d: %s", clip(a.what), a.status, status, clip(string(a.body)))
	}
	return a
}

func clip(s string) string {
	if len(s) > 800 {
		return s[:800] + "…"
	}
	return s
}

// into reads the body as JSON.
func into[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%s: %v: %s", clip(a.what), err, clip(string(a.body)))
	}
	return v
}

// problem is an error of the API.
type problem struct {
	Status   int               `json:"status"`
	Title    string            `json:"title"`
	Detail   string            `json:"detail"`
	Reason   string            `json:"reason"`
	Field    string            `json:"field"`
	Metadata map[string]string `json:"metadata"`
}

// problem checks that the answer is a whole problem of the status.
func (a answer) problem(t testing.TB, status int) problem {
	t.Helper()
	a.wants(t, status)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), clip(a.what))
	p := into[problem](t, a)
	require.Equal(t, status, p.Status, clip(a.what))
	require.NotEmpty(t, p.Reason, clip(a.what))
	require.NotEmpty(t, p.Detail, clip(a.what))
	return p
}

// commit is the body of a commit.
type commit struct {
	Branch       string   `json:"branch"`
	Message      string   `json:"message"`
	RequestID    string   `json:"request_id,omitempty"`
	ExpectedHead *string  `json:"expected_head,omitempty"`
	AllowEmpty   bool     `json:"allow_empty,omitempty"`
	Actions      []action `json:"actions,omitempty"`
}

type action struct {
	Action         string  `json:"action"`
	Path           string  `json:"path"`
	From           string  `json:"from,omitempty"`
	Content        *string `json:"content,omitempty"`
	ContentBase64  []byte  `json:"content_base64,omitempty"`
	Executable     *bool   `json:"executable,omitempty"`
	ExpectedBlobID *string `json:"expected_blob_id,omitempty"`
}

// upsert writes a file.
func upsert(path, content string) action {
	return action{Action: "upsert", Path: path, Content: &content}
}

type commitResult struct {
	CommitID string            `json:"commit_id"`
	ParentID string            `json:"parent_id"`
	TreeID   string            `json:"tree_id"`
	Blobs    map[string]string `json:"blobs"`
	Replayed bool              `json:"replayed"`
	NoOp     bool              `json:"no_op"`
}

type historyEntry struct {
	CommitID  string   `json:"commit_id"`
	TreeID    string   `json:"tree_id"`
	ParentIDs []string `json:"parent_ids"`
	Message   string   `json:"message"`
}

type treeEntry struct {
	Path string `json:"path"`
	Type string `json:"type"`
	Mode string `json:"mode"`
	ID   string `json:"id"`
	Size int64  `json:"size"`
}

func inRepository(id, rest string) string { return "/v1/repositories/" + id + rest }

func fileTarget(id, path string) string {
	return inRepository(id, "/files/"+strings.ReplaceAll(url.PathEscape(path), "%2F", "/"))
}

func (c *client) createRepository(t testing.TB, id string) {
	t.Helper()
	c.post(t, "/v1/repositories", map[string]string{"id": id}).wants(t, 201)
}

// commit makes a commit that is expected to be new.
func (c *client) commit(t testing.TB, id string, body commit) commitResult {
	t.Helper()
	return into[commitResult](t, c.post(t, inRepository(id, "/commits"), body).wants(t, 201))
}

// list reads all pages of a listing.
func list[T any](t testing.TB, c *client, target string, pageSize int) []T {
	t.Helper()
	type page struct {
		Items         []T    `json:"items"`
		NextPageToken string `json:"next_page_token"`
	}
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	target += separator + "page_size=" + strconv.Itoa(pageSize)
	var all []T
	for token := ""; ; {
		p := into[page](t, c.get(t, target+token).wants(t, 200))
		require.LessOrEqual(t, len(p.Items), pageSize)
		all = append(all, p.Items...)
		if p.NextPageToken == "" {
			return all
		}
		token = "&page_token=" + url.QueryEscape(p.NextPageToken)
	}
}

func (c *client) history(t testing.TB, id string) []historyEntry {
	t.Helper()
	return list[historyEntry](t, c, inRepository(id, "/commits"), 200)
}

// requireLinear checks that each commit of a history is the only parent of the one before it, down to the root.
func requireLinear(t testing.TB, history []historyEntry) {
	t.Helper()
	for i, c := range history {
		var want []string
		if i+1 < len(history) {
			want = []string{history[i+1].CommitID}
		}
		require.ElementsMatch(t, want, c.ParentIDs, fmt.Sprintf("parents of commit %d", i))
	}
}
