package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

const shop = "/v1/repositories/shop"

func TestAFileIsWrittenReadAndDeleted(t *testing.T) {
	c := newShop(t)
	put := c.put(shop+"/files/a%20b/caf%C3%A9.md?message=Add&author_name=Ada&author_email=ada@example.com", "# café\n").wants(http.StatusCreated)
	commit := put.json()["commit_id"].(string)
	if got := put.header.Get("Location"); got != shop+"/commits/"+commit {
		t.Errorf("Location %q", got)
	}
	if put.json()["parent_id"] != "" || put.json()["no_op"] != false || put.json()["replayed"] != false {
		t.Errorf("result %s", put.body)
	}
	blob := put.json()["blobs"].(map[string]any)["a b/café.md"].(string)

	got := c.get(shop + "/files/a%20b/caf%C3%A9.md").wants(http.StatusOK)
	if string(got.body) != "# café\n" {
		t.Errorf("content %q", got.body)
	}
	for name, want := range map[string]string{
		"ETag": `"` + blob + `"`, "GitStore-Commit": commit, "Content-Type": "text/markdown; charset=utf-8", "Content-Length": "8",
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-cache", "Accept-Ranges": "bytes",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
		}
		if name == "ETag" && put.header.Get(name) != want {
			t.Errorf("PUT answered ETag %q, want %q", put.header.Get(name), want)
		}
	}
	author := c.get(shop + "/commits/main").wants(http.StatusOK).json()["author"].(map[string]any)
	if author["name"] != "Ada" || author["email"] != "ada@example.com" {
		t.Errorf("author %v", author)
	}

	c.delete(shop + "/files/a%20b/caf%C3%A9.md").wants(http.StatusOK)
	c.get(shop+"/files/a%20b/caf%C3%A9.md").problem(http.StatusNotFound, "PATH_NOT_FOUND")
	old := c.get(shop + "/files/a%20b/caf%C3%A9.md?ref=" + commit).wants(http.StatusOK)
	if got := old.header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("Cache-Control of a commit's file %q", got)
	}
}

// busy has no place for streams.
type busy struct{ ports.RepositoryStore }

func (s busy) Repository(id git.RepositoryID) ports.GitRepository {
	return busyRepository{s.RepositoryStore.Repository(id)}
}

type busyRepository struct{ ports.GitRepository }

func (busyRepository) ReadFile(context.Context, ports.ReadFile) (ports.File, io.ReadCloser, error) {
	return ports.File{}, nil, errs.New(errs.ReasonQueueFull, "too many large reads are under way")
}

func TestASmallFileIsReadWhileThereIsNoPlaceForLargeReads(t *testing.T) {
	c := serve(t, busy{newStore(t)}, httpapi.Options{})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	large := strings.Repeat("x", ports.MaxGetFile+1)
	c.put(shop+"/files/small", large[1:]).wants(http.StatusCreated)
	c.put(shop+"/files/large", large).wants(http.StatusCreated)
	if got := c.get(shop + "/files/small").wants(http.StatusOK); string(got.body) != large[1:] {
		t.Errorf("read %d bytes", len(got.body))
	}
	c.get(shop+"/files/large").problem(http.StatusServiceUnavailable, "QUEUE_FULL")
}

func TestNamesReachFilesAsTheyAre(t *testing.T) {
	c := newShop(t)
	for escaped, name := range map[string]string{
		"a.md":                  "a.md",
		"dir/b%2Fc.md":          "dir/b/c.md",
		"100%25.md":             "100%.md",
		"%2525.md":              "%25.md",
		"plus+and%20space.md":   "plus+and space.md",
		"%3Fquery=%23fragment":  "?query=#fragment",
		"semi;colon,comma@at.x": "semi;colon,comma@at.x",
		"...md":                 "...md",
		"products/sài-gòn.md":   "products/sài-gòn.md",
	} {
		result := c.put(shop+"/files/"+escaped, "content of "+name).wants(http.StatusCreated).json()
		if _, ok := result["blobs"].(map[string]any)[name]; !ok {
			t.Errorf("PUT %s wrote %v, want %q", escaped, result["blobs"], name)
		}
		if got := c.get(shop + "/files/" + escaped).wants(http.StatusOK); string(got.body) != "content of "+name {
			t.Errorf("GET %s: %q", escaped, got.body)
		}
	}
}

func TestAPathIsNeverCleanedOrRedirected(t *testing.T) {
	c := newShop(t)
	c.put(shop+"/files/a/b.md", "x").wants(http.StatusCreated)
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, path := range []string{
		"a//b.md", "./a/b.md", "a/./b.md", "a/../a/b.md", "%2e/a/b.md", "a/%2e%2e/a/b.md", "a/%2E./b.md", "/a/b.md", "%2Fa/b.md",
		"a/b.md/", "a/b.md%2F", "a%2F%2Fb.md", "", "..", "%2e%2e", "../../../healthz", "a/b.md%00", "%00",
	} {
		c.get(shop+"/files/"+path).problem(http.StatusBadRequest, "INVALID_PATH").field("path")
		c.put(shop+"/files/"+path, "y").problem(http.StatusBadRequest, "INVALID_PATH").field("path")
		c.delete(shop+"/files/"+path).problem(http.StatusBadRequest, "INVALID_PATH").field("path")
	}
	c.put(shop+"/files/latin1-%E9.md", "y").problem(http.StatusBadRequest, "INVALID_PATH").field("path")
	c.get(shop+"/files/latin1-%E9.md").problem(http.StatusNotFound, "PATH_NOT_FOUND")
}

func TestHeadDescribesWhatGetSends(t *testing.T) {
	c := newShop(t)
	c.put(shop+"/files/no-extension", "<html>"+strings.Repeat("x", 2000)).wants(http.StatusCreated)
	c.put(shop+"/files/empty.txt", "").wants(http.StatusCreated)
	for _, path := range []string{"/files/no-extension", "/files/empty.txt"} {
		get, head := c.get(shop+path).wants(http.StatusOK), c.do(http.MethodHead, shop+path, nil).wants(http.StatusOK)
		for _, name := range []string{"Content-Length", "Content-Type", "ETag", "GitStore-Commit", "Cache-Control", "Accept-Ranges"} {
			if get.header.Get(name) == "" || get.header.Get(name) != head.header.Get(name) {
				t.Errorf("%s %s: GET %q, HEAD %q", path, name, get.header.Get(name), head.header.Get(name))
			}
		}
		if len(head.body) != 0 {
			t.Errorf("HEAD %s has a body", path)
		}
	}
	c.do(http.MethodHead, shop+"/files/absent", nil).wants(http.StatusNotFound)
	c.do(http.MethodHead, shop, nil).wants(http.StatusOK)
}

func TestTheContentTypeIsGuessedByNameThenByContent(t *testing.T) {
	c := newShop(t)
	for name, want := range map[string]string{
		"a.YAML": "application/yaml", "a.svg": "image/svg+xml", "a.html": "text/html; charset=utf-8", "LICENSE": "text/plain; charset=utf-8",
		"data.unknown": "application/octet-stream",
	} {
		content := "text"
		if name == "data.unknown" {
			content = "\x00\x01\x02"
		}
		c.put(shop+"/files/"+name, content).wants(http.StatusCreated)
		if got := c.get(shop + "/files/" + name).header.Get("Content-Type"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestRanges(t *testing.T) {
	c := newShop(t)
	content := strings.Repeat("0123456789", 100)
	etag := c.put(shop+"/files/f", content).wants(http.StatusCreated).header.Get("ETag")
	c.put(shop+"/files/empty", "").wants(http.StatusCreated)
	tests := []struct {
		name, file, rng, ifRange string
		status                   int
		body, contentRange       string
	}{
		{"first bytes", "f", "bytes=0-4", "", 206, "01234", "bytes 0-4/1000"},
		{"middle", "f", "bytes=995-997", "", 206, "567", "bytes 995-997/1000"},
		{"beyond what is sniffed", "f", "bytes=600-603", "", 206, "0123", "bytes 600-603/1000"},
		{"open end", "f", "bytes=998-", "", 206, "89", "bytes 998-999/1000"},
		{"end beyond the file", "f", "bytes=998-5000", "", 206, "89", "bytes 998-999/1000"},
		{"suffix", "f", "bytes=-3", "", 206, "789", "bytes 997-999/1000"},
		{"suffix longer than the file", "f", "bytes=-5000", "", 206, content, "bytes 0-999/1000"},
		{"whole", "f", "bytes=0-", "", 206, content, "bytes 0-999/1000"},
		{"begins at the end", "f", "bytes=1000-", "", 416, "", "bytes */1000"},
		{"begins beyond the end", "f", "bytes=9223372036854775807-", "", 416, "", "bytes */1000"},
		{"empty suffix", "f", "bytes=-0", "", 416, "", "bytes */1000"},
		{"several ranges", "f", "bytes=0-1,4-5", "", 200, content, ""},
		{"other unit", "f", "lines=0-1", "", 200, content, ""},
		{"reversed", "f", "bytes=5-2", "", 200, content, ""},
		{"malformed", "f", "bytes=a-b", "", 200, content, ""},
		{"negative", "f", "bytes=--5", "", 200, content, ""},
		{"number too large", "f", "bytes=99999999999999999999-", "", 200, content, ""},
		{"of this version", "f", "bytes=0-1", etag, 206, "01", "bytes 0-1/1000"},
		{"of another version", "f", "bytes=0-1", `"0123456789012345678901234567890123456789"`, 200, content, ""},
		{"since a date", "f", "bytes=0-1", "Wed, 21 Oct 2026 07:28:00 GMT", 200, content, ""},
		{"weak validator", "f", "bytes=0-1", "W/" + etag, 200, content, ""},
		{"of an empty file", "empty", "bytes=0-", "", 200, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := []option{header("Range", tt.rng)}
			if tt.ifRange != "" {
				opts = append(opts, header("If-Range", tt.ifRange))
			}
			got := c.get(shop+"/files/"+tt.file, opts...).wants(tt.status)
			if got.header.Get("Content-Range") != tt.contentRange {
				t.Errorf("Content-Range %q, want %q", got.header.Get("Content-Range"), tt.contentRange)
			}
			if tt.status == http.StatusRequestedRangeNotSatisfiable {
				got.problem(tt.status, "INVALID_RANGE").field("Range")
			} else if string(got.body) != tt.body {
				t.Errorf("body %q, want %q", got.body, tt.body)
			}
		})
	}
}

func TestReadsAreConditional(t *testing.T) {
	c := newShop(t)
	etag := c.put(shop+"/files/f", "one").wants(http.StatusCreated).header.Get("ETag")
	const other = `"0123456789012345678901234567890123456789"`
	for value, status := range map[string]int{
		etag: 304, "W/" + etag: 304, other + ", " + etag: 304, "*": 304, other: 200, `"some, thing"`: 200, `W/"x"`: 200,
	} {
		got := c.get(shop+"/files/f", header("If-None-Match", value)).wants(status)
		if got.header.Get("ETag") != etag || status == http.StatusNotModified && len(got.body) > 0 {
			t.Errorf("If-None-Match %s: ETag %q, body %q", value, got.header.Get("ETag"), got.body)
		}
		c.do(http.MethodHead, shop+"/files/f", nil, header("If-None-Match", value)).wants(status)
	}
	c.get(shop+"/files/f", header("If-Match", etag)).wants(http.StatusOK)
	c.get(shop+"/files/f", header("If-Match", "W/"+etag)).problem(http.StatusPreconditionFailed, "BLOB_MOVED")
	c.get(shop+"/files/f", header("If-Match", other)).problem(http.StatusPreconditionFailed, "BLOB_MOVED")
	c.get(shop+"/files/f", header("If-None-Match", "unquoted")).problem(http.StatusBadRequest, "INVALID_ARGUMENT").field("If-None-Match")
}

func TestWritesAreConditional(t *testing.T) {
	c := newShop(t)
	const other = `"0123456789012345678901234567890123456789"`
	file := shop + "/files/f"
	c.put(file, "x", header("If-Match", "*")).problem(http.StatusPreconditionFailed, "PATH_NOT_FOUND")
	first := c.put(file, "one", header("If-None-Match", "*")).wants(http.StatusCreated).header.Get("ETag")
	c.put(file, "two", header("If-None-Match", "*")).problem(http.StatusPreconditionFailed, "PATH_EXISTS")

	stale := c.put(file, "two", header("If-Match", other)).problem(http.StatusPreconditionFailed, "BLOB_MOVED").json()
	if got := stale["metadata"].(map[string]any); `"`+got["actual"].(string)+`"` != first || `"`+got["expected"].(string)+`"` != other {
		t.Errorf("metadata %v, want actual %s", got, first)
	}
	c.put(file, "two", header("If-Match", `"made up"`)).problem(http.StatusPreconditionFailed, "BLOB_MOVED")
	c.put(file, "two", header("If-Match", "W/"+first)).problem(http.StatusPreconditionFailed, "BLOB_MOVED")
	c.put(shop+"/files/absent", "two", header("If-Match", first)).wants(http.StatusPreconditionFailed)
	for _, malformed := range []string{strings.Trim(first, `"`), "", first + "," + other} {
		req := func(r *http.Request) { r.Header["If-Match"] = []string{malformed} }
		c.put(file, "two", req).problem(http.StatusBadRequest, "INVALID_ARGUMENT").field("If-Match")
	}
	c.put(file, "two", header("If-None-Match", first)).problem(http.StatusBadRequest, "INVALID_ARGUMENT").field("If-None-Match")
	c.put(file, "two", header("If-None-Match", "*"), header("If-Match", "*")).problem(http.StatusBadRequest, "INVALID_ARGUMENT")
	c.delete(file, header("If-None-Match", "*")).problem(http.StatusBadRequest, "INVALID_ARGUMENT")
	c.delete(file, header("If-Match", other)).problem(http.StatusPreconditionFailed, "BLOB_MOVED")
	if got := c.get(file); string(got.body) != "one" {
		t.Fatalf("a refused write changed the file to %q", got.body)
	}

	second := c.put(file, "two", header("If-Match", first)).wants(http.StatusCreated).header.Get("ETag")
	c.put(file, "three", header("If-Match", "*")).wants(http.StatusCreated)
	c.delete(file, header("If-Match", second)).problem(http.StatusPreconditionFailed, "BLOB_MOVED")
	c.delete(file, header("If-Match", "*")).wants(http.StatusOK)
}

func TestAWriteThatChangesNothingMakesNoCommit(t *testing.T) {
	c := newShop(t)
	made := c.put(shop+"/files/f", "one").wants(http.StatusCreated).json()["commit_id"]
	again := c.put(shop+"/files/f", "one").wants(http.StatusOK).json()
	if again["no_op"] != true || again["commit_id"] != made {
		t.Errorf("result %v, want no_op at %v", again, made)
	}
}

func TestARetryWithTheSameRequestIDReturnsTheFirstCommit(t *testing.T) {
	c := newShop(t)
	path := shop + "/files/f?request_id=5f0c7f0e-1d3f-4f5e-9c5b-0a5a3c9b7e11"
	made := c.put(path, "one").wants(http.StatusCreated).json()
	again := c.put(path, "one").wants(http.StatusCreated).json()
	if again["replayed"] != true || again["commit_id"] != made["commit_id"] {
		t.Errorf("retry %v, want a replay of %v", again, made)
	}
	c.put(path, "two").problem(http.StatusConflict, "REQUEST_ID_REUSED").field("request_id")
}

func TestExpectedHeadGuardsTheBranch(t *testing.T) {
	c := newShop(t)
	first := c.put(shop+"/files/f?expected_head=", "one").wants(http.StatusCreated).json()["commit_id"].(string)
	c.put(shop+"/files/f?expected_head=", "two").problem(http.StatusConflict, "REF_MOVED")
	c.put(shop+"/files/f?expected_head="+first, "two").wants(http.StatusCreated)
	moved := c.put(shop+"/files/f?expected_head="+first, "three").problem(http.StatusConflict, "REF_MOVED").json()
	if meta := moved["metadata"].(map[string]any); meta["expected"] != first || meta["actual"] != c.head() {
		t.Errorf("metadata %v", meta)
	}
}

func TestExecutableIsKeptUnlessItIsGiven(t *testing.T) {
	c := newShop(t)
	mode := func() string { return c.get(shop + "/tree").wants(http.StatusOK).items("mode")[0] }
	c.put(shop+"/files/run.sh?executable=true", "one").wants(http.StatusCreated)
	c.put(shop+"/files/run.sh", "two").wants(http.StatusCreated)
	if mode() != "100755" {
		t.Errorf("mode %s after an update without executable", mode())
	}
	c.put(shop+"/files/run.sh?executable=false", "two").wants(http.StatusCreated)
	if mode() != "100644" {
		t.Errorf("mode %s after executable=false", mode())
	}
}
