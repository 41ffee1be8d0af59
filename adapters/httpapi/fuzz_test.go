package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/budget"
	"github.com/gitstore-dev/gitstore/ports"
)

// FuzzCommitStream holds the decoder to two promises: what it refuses it refuses as the caller's mistake, and what it
// accepts is what any JSON reader finds in the body.
func FuzzCommitStream(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `{"branch":"main","message":"m","actions":[]}`,
		`{"branch":"main","message":"m","actions":[{"action":"create","path":"a","content":"x"},{"action":"delete","path":"b"}]}`,
		`{"actions":[{"action":"upsert","path":"é","content_base64":"AAEC\/w=="}],"message":"\ud83d\ude00","branch":"a/b"}`,
		`{"branch":"main","message":"m","actions":[{"action":"move","path":"a","from":"b"},{"action":"chmod","path":"c","executable":true}],"dry_run":true}`,
		`{"branch":"main","message":"m","author":{"name":"A","email":"a@b","time":"2026-01-31T09:00:00Z"},"expected_head":"","actions":[{}]}`,
		`{"branch":"main","message":"m","actions":[{"content":"é😀\n\"\ud83d\ude00\\\u00e9aé😀","path":"a","action":"create"},{"action":"create","path":"b","cont\u0065nt_base64":"AAECAwQFBgcICQoLDA0ODxAREg=="}]}`,
		`{"branch":"main","message":"m","actions":[{"action":"create","path":"a","content":"a","content":"b"}],"x":[{"content":"c"}]}`,
		`{"branch":"main","message":"m","actions":[{"action":"create","path":"a","content_base64":"AAEC","content":{"content":"c"}}]}`,
		`{"branch":"main","branch":"x"}`, "{\"branch\":\"\xff\"}", `{"branch":"main","message":"m","actions":[{"action":"create","path":"a","content":"\ud800"}]}`,
		`{"branch":"main","message":"m","actions":[` + strings.Repeat(`{"action":"delete","path":"a"},`, 40) + `null]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		opts := Options{MaxActionContent: 64, MaxBufferedActions: 256}.withDefaults()
		hold := budget.Hold{Memory: &budget.Memory{Limit: 1 << 20}}
		s := newCommitStream(iotestReader{bytes.NewReader(body)}, opts, &hold)
		req, err := s.header()
		if err != nil {
			mustBeRefusal(t, err)
			return
		}
		var contents []string
		for change, err := range s.changes {
			if err != nil {
				mustBeRefusal(t, err)
				return
			}
			contents = append(contents, contentOf(t, change))
		}
		var want struct {
			Branch, Message string
			Actions         []struct {
				Content       *string `json:"content"`
				ContentBase64 []byte  `json:"content_base64"`
			}
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("accepted %q, which is not JSON: %v", body, err)
		}
		if req.Branch.Short() != want.Branch || req.Message != want.Message || len(contents) != len(want.Actions) {
			t.Fatalf("read %v with %d actions from %q", req, len(contents), body)
		}
		for i, a := range want.Actions {
			content := string(a.ContentBase64)
			if a.Content != nil {
				content = *a.Content
			}
			if contents[i] != content {
				t.Fatalf("action %d of %q has content %q", i, body, contents[i])
			}
		}
	})
}

func TestContentsComeWholeHoweverTheyAreDivided(t *testing.T) {
	text := strings.Repeat("aé\U0001f600\n\"\\\u2028", 20<<10) // several windows and blocks
	plain, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	escaped := []byte{'"'}
	for _, unit := range utf16.Encode([]rune(text)) {
		escaped = fmt.Appendf(escaped, `\u%04x`, unit)
	}
	escaped = append(escaped, '"')
	encoded := `"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"`
	for member, values := range map[string][]string{"content": {string(plain), string(escaped)}, "content_base64": {encoded, strings.ReplaceAll(encoded, "/", `\/`)}} {
		for _, value := range values {
			body := `{"branch":"main","message":"m","actions":[{"` + member + `":` + value + `,"action":"create","path":"f"}]}`
			for name, r := range map[string]io.Reader{"whole": strings.NewReader(body), "in parts": iotestReader{strings.NewReader(body)}} {
				hold := budget.Hold{Memory: &budget.Memory{Limit: 64 << 20}}
				s := newCommitStream(r, Options{}.withDefaults(), &hold)
				if _, err := s.header(); err != nil {
					t.Fatalf("%s %s: %v", member, name, err)
				}
				for change, err := range s.changes {
					if err != nil {
						t.Fatalf("%s %s: %v", member, name, err)
					}
					if contentOf(t, change) != text {
						t.Errorf("%s %s is not what was sent: %.100s", member, name, value)
					}
				}
			}
		}
	}
}

// iotestReader gives a few bytes at a time, as a network may.
type iotestReader struct{ r io.Reader }

func (r iotestReader) Read(p []byte) (int, error) { return r.r.Read(p[:min(len(p), 7)]) }

func mustBeRefusal(t *testing.T, err error) {
	t.Helper()
	if e := errs.From(err); e.Kind != errs.Invalid && e.Kind != errs.TooLarge || e.Reason.Kind() != e.Kind {
		t.Fatalf("refused as %s %s: %v", e.Kind, e.Reason, err)
	}
}

func contentOf(t *testing.T, change git.Change) string {
	t.Helper()
	if change.Content == nil {
		return ""
	}
	b, err := io.ReadAll(change.Content)
	if err != nil || int64(len(b)) != change.Size {
		t.Fatalf("content of %d bytes, size %d: %v", len(b), change.Size, err)
	}
	return string(b)
}

// pathStore remembers which path was read.
type pathStore struct {
	ports.RepositoryStore
	ports.GitRepository
	read *string
}

func (s pathStore) Repository(git.RepositoryID) ports.GitRepository { return s }

func (s pathStore) GetFile(_ context.Context, _ git.Revision, path git.TreePath) (ports.FileContent, error) {
	*s.read = path.String()
	return ports.FileContent{}, errs.New(errs.ReasonPathNotFound, "no such path")
}

// FuzzFilePath holds that the bytes of a URL reach the store decoded once, or are refused; never cleaned or redirected.
func FuzzFilePath(f *testing.F) {
	for _, seed := range []string{"a/b", "a//b", "../a", "a/%2e%2e/b", "%252e", "a%2Fb", "%00", "%ff", "a+b c", ".", "a/."} {
		f.Add(seed)
	}
	var read string
	handler := New(pathStore{read: &read}, Options{})
	f.Fuzz(func(t *testing.T, raw string) {
		const prefix = "/v1/repositories/shop/files/"
		r, err := http.NewRequest(http.MethodGet, "http://x"+prefix+raw, nil)
		if err != nil || strings.ContainsAny(raw, "?#") {
			return
		}
		read = ""
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		decoded := strings.TrimPrefix(r.URL.Path, prefix)
		switch {
		case w.Code == http.StatusNotFound && read == decoded:
		case w.Code == http.StatusBadRequest && read == "":
			if _, err := git.ParseTreePath(decoded); err == nil {
				t.Fatalf("%q was refused: %s", raw, w.Body)
			}
		default:
			t.Fatalf("%q answered %d and read %q: %s", raw, w.Code, read, w.Body)
		}
	})
}

// subscribed is a source that remembers what it was asked for and tells nothing.
type subscribed struct{ asked *[]ports.Subscription }

func (s subscribed) Subscribe(_ context.Context, sub ports.Subscription) iter.Seq2[event.Notice, error] {
	*s.asked = append(*s.asked, sub)
	return func(func(event.Notice, error) bool) {}
}

// FuzzSubscription holds that a query and a last id are what is subscribed to, or are refused as the caller's mistake.
func FuzzSubscription(f *testing.F) {
	const cursor = "0123456789abcdef-42"
	for _, seed := range [][2]string{
		{"", ""}, {"repository=shop&repository=x&type=dev.gitstore.ref.updated.v1", cursor}, {"after=" + cursor, ""}, {"after=" + cursor, "x"},
		{"ref=refs/heads/*&ref=%ff&resync=true", ""}, {"ref=%5B", ""}, {"after=0123456789abcdef-042", ""}, {"resync=1", "\n"}, {"%", "\x00"},
		{"min_cursor=" + cursor, ""}, {"a=b;c", cursor + ", " + cursor},
	} {
		f.Add(seed[0], seed[1])
	}
	var asked []ports.Subscription
	handler := New(nil, Options{Events: subscribed{&asked}})
	f.Fuzz(func(t *testing.T, query, id string) {
		asked = nil
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/v1/events", RawQuery: query}, Header: http.Header{"Last-Event-Id": {id}}}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code == http.StatusBadRequest && len(asked) == 0 {
			return
		}
		if w.Code != http.StatusOK || len(asked) != 1 {
			t.Fatalf("%q with %q answered %d after %d subscriptions: %s", query, id, w.Code, len(asked), w.Body)
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		after := values.Get("after")
		if id != "" {
			after = id
		}
		got := asked[0]
		if got.After.String() != after || got.Resync != (values.Get("resync") == "true") || len(got.Filter.Repositories) != len(values["repository"]) ||
			!slices.Equal(got.Filter.Refs.Strings(), values["ref"]) || len(got.Filter.Types) != len(values["type"]) {
			t.Fatalf("%q with %q subscribed to %+v", query, id, got)
		}
	})
}
