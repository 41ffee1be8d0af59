package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
)

// state is everything of the store that can be seen over HTTP.
func (c *client) state() string {
	c.t.Helper()
	var b strings.Builder
	for _, path := range []string{"/v1/repositories", shop + "/branches", shop + "/tags", shop + "/commits", shop + "/tree?recursive=true"} {
		b.Write(c.get(path).wants(http.StatusOK).body)
	}
	return b.String()
}

type badInput struct {
	name, method, path, body string
	status                   int
	reason, field            string
	opts                     []option
}

func TestBadInputIsRefusedAndChangesNothing(t *testing.T) {
	c := serve(t, newStore(t), httpapi.Options{MaxBody: 1 << 20})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	c.put(shop+"/files/dir/f", "one").wants(http.StatusCreated)
	c.post(shop+"/tags", `{"name":"v1.0.0"}`).wants(http.StatusCreated)
	before := c.state()
	for _, tests := range [][]badInput{badRoutes, badQueries, badRepositories, badRefs, badCommits(), badActions(), badFiles, badCompares} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				c.t = t
				a := c.do(tt.method, tt.path, strings.NewReader(tt.body), tt.opts...).problem(tt.status, tt.reason)
				if tt.field != "" {
					a.field(tt.field)
				}
			})
		}
	}
	c.t = t
	if after := c.state(); after != before {
		t.Errorf("bad input changed the store from\n%s\nto\n%s", before, after)
	}
}

var badRoutes = []badInput{
	{"no such path", "GET", "/nothing", "", 404, "METHOD_NOT_FOUND", "", nil},
	{"root", "POST", "/", "", 405, "METHOD_NOT_FOUND", "", nil},
	{"unknown asset", "GET", "/assets/none.js", "", 404, "PATH_NOT_FOUND", "", nil},
	{"unknown resource", "GET", shop + "/nothing", "", 404, "METHOD_NOT_FOUND", "", nil},
	{"longer than a route", "GET", "/healthz/x", "", 404, "METHOD_NOT_FOUND", "", nil},
	{"trailing slash", "GET", "/healthz/", "", 404, "METHOD_NOT_FOUND", "", nil},
	{"double slash", "GET", "//healthz", "", 404, "METHOD_NOT_FOUND", "", nil},
	{"dots before a route", "GET", "/x/../healthz", "", 404, "METHOD_NOT_FOUND", "", nil},
	{"method that is not served", "PATCH", shop, "{}", 405, "METHOD_NOT_FOUND", "", nil},
	{"method nobody knows", "BREW", "/v1/repositories", "", 405, "METHOD_NOT_FOUND", "", nil},
	{"post to a file", "POST", shop + "/files/dir/f", "x", 405, "METHOD_NOT_FOUND", "", nil},
	{"options", "OPTIONS", shop, "", 405, "METHOD_NOT_FOUND", "", nil},
	{"page of another origin", "POST", "/v1/repositories", `{"id":"evil"}`, 403, "PERMISSION_DENIED", "", []option{header("Origin", "https://evil.example")}},
	{"cross-site form", "POST", "/v1/repositories", `{"id":"evil"}`, 403, "PERMISSION_DENIED", "", []option{header("Sec-Fetch-Site", "cross-site")}},
}

var badQueries = []badInput{
	{"unknown parameter", "GET", shop + "/tree?path=x", "", 400, "INVALID_ARGUMENT", "path", nil},
	{"parameter in other case", "GET", shop + "/tree?Recursive=true", "", 400, "INVALID_ARGUMENT", "Recursive", nil},
	{"parameter of none", "GET", shop + "?verbose=1", "", 400, "INVALID_ARGUMENT", "verbose", nil},
	{"parameter twice", "GET", shop + "/tree?ref=main&ref=other", "", 400, "INVALID_ARGUMENT", "ref", nil},
	{"boolean", "GET", shop + "/tree?recursive=yes", "", 400, "INVALID_ARGUMENT", "recursive", nil},
	{"integer", "GET", shop + "/tree?page_size=ten", "", 400, "INVALID_ARGUMENT", "page_size", nil},
	{"integer too large", "GET", shop + "/tree?page_size=99999999999", "", 400, "INVALID_ARGUMENT", "page_size", nil},
	{"negative page", "GET", shop + "/tree?page_size=-1", "", 400, "INVALID_PAGE_SIZE", "page_size", nil},
	{"negative page of tags", "GET", shop + "/tags?page_size=-1", "", 400, "INVALID_PAGE_SIZE", "page_size", nil},
	{"negative page of repositories", "GET", "/v1/repositories?page_size=-1", "", 400, "INVALID_PAGE_SIZE", "page_size", nil},
	{"made-up token of tree", "GET", shop + "/tree?page_token=abc", "", 400, "INVALID_PAGE_TOKEN", "page_token", nil},
	{"made-up token of commits", "GET", shop + "/commits?page_token=abc", "", 400, "INVALID_PAGE_TOKEN", "page_token", nil},
	{"made-up token of branches", "GET", shop + "/branches?page_token=%00", "", 400, "INVALID_PAGE_TOKEN", "page_token", nil},
	{"made-up token of tags", "GET", shop + "/tags?page_token=abc", "", 400, "INVALID_PAGE_TOKEN", "page_token", nil},
	{"made-up token of repositories", "GET", "/v1/repositories?page_token=abc", "", 400, "INVALID_PAGE_TOKEN", "page_token", nil},
	{"time", "GET", shop + "/commits?since=yesterday", "", 400, "INVALID_ARGUMENT", "since", nil},
	{"not UTF-8", "GET", shop + "/commits?author=%ff", "", 400, "INVALID_ARGUMENT", "author", nil},
	{"semicolon", "GET", shop + "/commits?author=a;b", "", 400, "INVALID_ARGUMENT", "", nil},
	{"half an escape", "GET", shop + "/commits?author=%f", "", 400, "INVALID_ARGUMENT", "", nil},
	{"empty ref", "GET", shop + "/tree?ref=", "", 400, "INVALID_REVISION", "ref", nil},
	{"option as ref", "GET", shop + "/tree?ref=--upload-pack=x", "", 400, "INVALID_REVISION", "ref", nil},
	{"expression as ref", "GET", shop + "/tree?ref=main~1", "", 400, "INVALID_REVISION", "ref", nil},
	{"reflog as ref", "GET", shop + "/tree?ref=HEAD%40%7B1%7D", "", 400, "INVALID_REVISION", "ref", nil},
	{"newline in ref", "GET", shop + "/tree?ref=main%0Acontents%20x", "", 400, "INVALID_REVISION", "ref", nil},
	{"NUL in ref", "GET", shop + "/tree?ref=main%00", "", 400, "INVALID_REVISION", "ref", nil},
	{"unknown ref", "GET", shop + "/tree?ref=nowhere", "", 404, "REF_NOT_FOUND", "", nil},
	{"unknown commit", "GET", shop + "/tree?ref=0123456789012345678901234567890123456789", "", 404, "OBJECT_NOT_FOUND", "", nil},
	{"prefix not clean", "GET", shop + "/tree?prefix=dir/../dir", "", 400, "INVALID_PATH", "prefix", nil},
	{"prefix with a slash at its end", "GET", shop + "/tree?prefix=dir/", "", 400, "INVALID_PATH", "prefix", nil},
	{"prefix is a file", "GET", shop + "/tree?prefix=dir/f", "", 409, "NOT_A_FILE", "", nil},
	{"prefix is absent", "GET", shop + "/tree?prefix=nowhere", "", 404, "PATH_NOT_FOUND", "", nil},
	{"path of history not clean", "GET", shop + "/commits?path=/dir", "", 400, "INVALID_PATH", "path", nil},
	{"version range", "GET", shop + "/tags/latest?range=newest", "", 400, "INVALID_VERSION_RANGE", "", nil},
	{"no version fits", "GET", shop + "/tags/latest?range=%3E9", "", 404, "REF_NOT_FOUND", "", nil},
}

var badRepositories = []badInput{
	{"no body", "POST", "/v1/repositories", "", 400, "INVALID_ARGUMENT", "", nil},
	{"not JSON", "POST", "/v1/repositories", "id=x", 400, "INVALID_ARGUMENT", "", nil},
	{"cut short", "POST", "/v1/repositories", `{"id":"x"`, 400, "INVALID_ARGUMENT", "", nil},
	{"array", "POST", "/v1/repositories", `[]`, 400, "INVALID_ARGUMENT", "", nil},
	{"null", "POST", "/v1/repositories", `null`, 400, "INVALID_ARGUMENT", "", nil},
	{"member null", "POST", "/v1/repositories", `{"id":"x","object_format":null}`, 400, "INVALID_ARGUMENT", "object_format", nil},
	{"unknown member", "POST", "/v1/repositories", `{"id":"x","colour":"red"}`, 400, "INVALID_ARGUMENT", "colour", nil},
	{"member in other case", "POST", "/v1/repositories", `{"ID":"x"}`, 400, "INVALID_ARGUMENT", "ID", nil},
	{"member twice", "POST", "/v1/repositories", `{"id":"x","id":"y"}`, 400, "INVALID_ARGUMENT", "id", nil},
	{"wrong type", "POST", "/v1/repositories", `{"id":7}`, 400, "INVALID_ARGUMENT", "id", nil},
	{"trailing data", "POST", "/v1/repositories", `{"id":"x"}{"id":"y"}`, 400, "INVALID_ARGUMENT", "", nil},
	{"trailing garbage", "POST", "/v1/repositories", `{"id":"x"} x`, 400, "INVALID_ARGUMENT", "", nil},
	{"not UTF-8", "POST", "/v1/repositories", "{\"id\":\"x\xff\"}", 400, "INVALID_ARGUMENT", "", nil},
	{"byte order mark", "POST", "/v1/repositories", "\ufeff{\"id\":\"x\"}", 400, "INVALID_ARGUMENT", "", nil},
	{"deep nesting", "POST", "/v1/repositories", strings.Repeat("[", 100000), 400, "INVALID_ARGUMENT", "", nil},
	{"body too large", "POST", "/v1/repositories", `{"id":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "BODY_TOO_LARGE", "", nil},
	{"body of another type", "POST", "/v1/repositories", `{"id":"x"}`, 415, "INVALID_ARGUMENT", "Content-Type", []option{header("Content-Type", "text/plain")}},
	{"body of a malformed type", "POST", "/v1/repositories", `{"id":"x"}`, 415, "INVALID_ARGUMENT", "Content-Type", []option{header("Content-Type", "application/json; x")}},
	{"encoded body", "POST", "/v1/repositories", `{"id":"x"}`, 415, "INVALID_ARGUMENT", "Content-Encoding", []option{header("Content-Encoding", "gzip")}},
	{"no id", "POST", "/v1/repositories", `{}`, 400, "INVALID_REPOSITORY_ID", "id", nil},
	{"dots as id", "POST", "/v1/repositories", `{"id":"../x"}`, 400, "INVALID_REPOSITORY_ID", "id", nil},
	{"upper case id", "POST", "/v1/repositories", `{"id":"Shop"}`, 400, "INVALID_REPOSITORY_ID", "id", nil},
	{"option as id", "POST", "/v1/repositories", `{"id":"-x"}`, 400, "INVALID_REPOSITORY_ID", "id", nil},
	{"NUL in id", "POST", "/v1/repositories", `{"id":"a\u0000"}`, 400, "INVALID_REPOSITORY_ID", "id", nil},
	{"long id", "POST", "/v1/repositories", `{"id":"` + strings.Repeat("x", 300) + `"}`, 400, "INVALID_REPOSITORY_ID", "id", nil},
	{"object format", "POST", "/v1/repositories", `{"id":"x","object_format":"md5"}`, 400, "INVALID_ARGUMENT", "object_format", nil},
	{"default branch", "POST", "/v1/repositories", `{"id":"x","default_branch":"a..b"}`, 400, "INVALID_REF_NAME", "default_branch", nil},
	{"full default branch", "POST", "/v1/repositories", `{"id":"x","default_branch":"refs/heads/main"}`, 400, "INVALID_REF_NAME", "default_branch", nil},
	{"exists", "POST", "/v1/repositories", `{"id":"shop"}`, 409, "REPOSITORY_EXISTS", "", nil},
	{"absent", "GET", "/v1/repositories/nowhere", "", 404, "REPOSITORY_NOT_FOUND", "", nil},
	{"delete absent", "DELETE", "/v1/repositories/nowhere", "", 404, "REPOSITORY_NOT_FOUND", "", nil},
	{"empty id in path", "GET", "/v1/repositories/", "", 400, "INVALID_REPOSITORY_ID", "", nil},
	{"dots in path", "DELETE", "/v1/repositories/..", "", 400, "INVALID_REPOSITORY_ID", "", nil},
	{"encoded dots in path", "DELETE", "/v1/repositories/%2e%2e", "", 400, "INVALID_REPOSITORY_ID", "", nil},
	{"encoded slash in path", "GET", "/v1/repositories/a%2f..%2fshop", "", 400, "INVALID_REPOSITORY_ID", "", nil},
	{"encoded NUL in path", "GET", "/v1/repositories/shop%00", "", 400, "INVALID_REPOSITORY_ID", "", nil},
	{"tree of absent", "GET", "/v1/repositories/nowhere/tree", "", 404, "REPOSITORY_NOT_FOUND", "", nil},
	{"branches of absent", "GET", "/v1/repositories/nowhere/branches", "", 404, "REPOSITORY_NOT_FOUND", "", nil},
	{"put to absent", "PUT", "/v1/repositories/nowhere/files/f", "x", 404, "REPOSITORY_NOT_FOUND", "", nil},
	{"commit to absent", "POST", "/v1/repositories/nowhere/commits", `{"branch":"main","message":"m","actions":[{"action":"create","path":"f","content":""}]}`, 404, "REPOSITORY_NOT_FOUND", "", nil},
}

var badRefs = []badInput{
	{"branch without name", "POST", shop + "/branches", `{}`, 400, "INVALID_REF_NAME", "name", nil},
	{"branch with bad name", "POST", shop + "/branches", `{"name":"a b"}`, 400, "INVALID_REF_NAME", "name", nil},
	{"branch like an option", "POST", shop + "/branches", `{"name":"-x"}`, 400, "INVALID_REF_NAME", "name", nil},
	{"branch like a commit", "POST", shop + "/branches", `{"name":"0123456789012345678901234567890123456789"}`, 400, "INVALID_REF_NAME", "name", nil},
	{"branch HEAD", "POST", shop + "/branches", `{"name":"HEAD"}`, 400, "INVALID_REF_NAME", "name", nil},
	{"branch with full name", "POST", shop + "/branches", `{"name":"refs/heads/x"}`, 400, "INVALID_REF_NAME", "name", nil},
	{"branch exists", "POST", shop + "/branches", `{"name":"main"}`, 409, "REF_EXISTS", "", nil},
	{"branch below a branch", "POST", shop + "/branches", `{"name":"main/x"}`, 409, "REF_CONFLICT", "", nil},
	{"branch at a bad target", "POST", shop + "/branches", `{"name":"x","target":"main^"}`, 400, "INVALID_REVISION", "target", nil},
	{"branch at an absent target", "POST", shop + "/branches", `{"name":"x","target":"nowhere"}`, 404, "REF_NOT_FOUND", "", nil},
	{"delete the default branch", "DELETE", shop + "/branches/main", "", 409, "DEFAULT_BRANCH", "", nil},
	{"delete an absent branch", "DELETE", shop + "/branches/nowhere", "", 404, "REF_NOT_FOUND", "", nil},
	{"delete a branch with a bad name", "DELETE", shop + "/branches/a..b", "", 400, "INVALID_REF_NAME", "name", nil},
	{"delete a branch without name", "DELETE", shop + "/branches/", "", 400, "INVALID_REF_NAME", "name", nil},
	{"delete a branch at nothing", "DELETE", shop + "/branches/main?expected_head=", "", 400, "INVALID_OBJECT_ID", "expected_head", nil},
	{"delete a branch at half an id", "DELETE", shop + "/branches/main?expected_head=abc", "", 400, "INVALID_OBJECT_ID", "expected_head", nil},
	{"tag exists", "POST", shop + "/tags", `{"name":"v1.0.0"}`, 409, "REF_EXISTS", "", nil},
	{"tag with bad name", "POST", shop + "/tags", `{"name":"v1.lock"}`, 400, "INVALID_REF_NAME", "name", nil},
	{"light tag with tagger", "POST", shop + "/tags", `{"name":"x","tagger":{"name":"a","email":"b"}}`, 400, "INVALID_ARGUMENT", "tagger", nil},
	{"tag with a tagger without email", "POST", shop + "/tags", `{"name":"x","message":"m","tagger":{"name":"a"}}`, 400, "INVALID_SIGNATURE", "", nil},
	{"tag with an unknown member of a member", "POST", shop + "/tags", `{"name":"x","message":"m","tagger":{"nick":"a"}}`, 400, "INVALID_ARGUMENT", "tagger.nick", nil},
	{"tag with a tagger that is nobody", "POST", shop + "/tags", `{"name":"x","message":"m","tagger":{}}`, 400, "INVALID_SIGNATURE", "tagger", nil},
	{"delete a tag that moved", "DELETE", shop + "/tags/v1.0.0?expected_target=0123456789012345678901234567890123456789", "", 409, "REF_MOVED", "", nil},
	{"commit with bad revision", "GET", shop + "/commits/a..b", "", 400, "INVALID_REVISION", "revision", nil},
	{"commit without revision", "GET", shop + "/commits/", "", 400, "INVALID_REVISION", "revision", nil},
}

func badCommits() []badInput {
	var rows []badInput
	for _, tt := range []struct {
		name, body, reason, field string
	}{
		{"empty object", `{}`, "INVALID_ARGUMENT", "branch"},
		{"string", `"main"`, "INVALID_ARGUMENT", ""},
		{"nothing", ``, "INVALID_ARGUMENT", ""},
		{"only white space", "  \n", "INVALID_ARGUMENT", ""},
		{"no branch", `{"message":"m","actions":[]}`, "INVALID_ARGUMENT", "branch"},
		{"bad branch", `{"branch":"a b","message":"m","actions":[]}`, "INVALID_REF_NAME", "branch"},
		{"no message", `{"branch":"main","actions":[{"action":"create","path":"x","content":""}]}`, "INVALID_MESSAGE", "message"},
		{"NUL in message", `{"branch":"main","message":"a\u0000","actions":[{"action":"create","path":"x","content":""}]}`, "INVALID_MESSAGE", "message"},
		{"no actions", `{"branch":"main","message":"m"}`, "NO_ACTIONS", ""},
		{"empty actions", `{"branch":"main","message":"m","actions":[]}`, "NO_ACTIONS", ""},
		{"actions null", `{"branch":"main","message":"m","actions":null}`, "INVALID_ARGUMENT", "actions"},
		{"actions an object", `{"branch":"main","message":"m","actions":{}}`, "INVALID_ARGUMENT", "actions"},
		{"actions twice", `{"branch":"main","message":"m","actions":[],"actions":[]}`, "INVALID_ARGUMENT", "actions"},
		{"branch twice", `{"branch":"main","branch":"x","message":"m","actions":[]}`, "INVALID_ARGUMENT", "branch"},
		{"author's name twice", `{"branch":"main","message":"m","author":{"name":"a","name":"b","email":"c"},"actions":[]}`, "INVALID_ARGUMENT", "author.name"},
		{"unknown member before", `{"force":true,"branch":"main","message":"m","actions":[]}`, "INVALID_ARGUMENT", "force"},
		{"unknown member after", `{"branch":"main","message":"m","actions":[],"force":true}`, "INVALID_ARGUMENT", "force"},
		{"message a number", `{"branch":"main","message":1,"actions":[]}`, "INVALID_ARGUMENT", "message"},
		{"dry_run a string", `{"branch":"main","message":"m","dry_run":"false","actions":[]}`, "INVALID_ARGUMENT", "dry_run"},
		{"author a string", `{"branch":"main","message":"m","author":"Ada <a@b>","actions":[]}`, "INVALID_ARGUMENT", "author"},
		{"author without email", `{"branch":"main","message":"m","author":{"name":"Ada"},"actions":[{"action":"create","path":"x","content":""}]}`, "INVALID_SIGNATURE", ""},
		{"author with a bracket", `{"branch":"main","message":"m","author":{"name":"A<","email":"b"},"actions":[{"action":"create","path":"x","content":""}]}`, "INVALID_SIGNATURE", ""},
		{"author with an unknown member", `{"branch":"main","message":"m","author":{"login":"ada"},"actions":[]}`, "INVALID_ARGUMENT", "author.login"},
		{"author's time", `{"branch":"main","message":"m","author":{"name":"Ada","email":"a@b","time":"now"},"actions":[]}`, "INVALID_ARGUMENT", "author.time"},
		{"author that is nobody", `{"branch":"main","message":"m","author":{"name":"","email":""},"actions":[{"action":"create","path":"x","content":""}]}`, "INVALID_SIGNATURE", "author"},
		{"committer in the year 1", `{"branch":"main","message":"m","committer":{"name":"Ada","email":"a@b","time":"0001-01-01T00:00:00Z"},"actions":[{"action":"create","path":"x","content":""}]}`, "INVALID_SIGNATURE", "committer"},
		{"author null", `{"branch":"main","message":"m","author":null,"actions":[{"action":"create","path":"x","content":""}]}`, "INVALID_ARGUMENT", "author"},
		{"expected_head null", `{"branch":"main","message":"m","expected_head":null,"actions":[]}`, "INVALID_ARGUMENT", "expected_head"},
		{"expected_head short", `{"branch":"main","message":"m","expected_head":"abc","actions":[]}`, "INVALID_OBJECT_ID", "expected_head"},
		{"on_conflict", `{"branch":"main","message":"m","on_conflict":"merge","actions":[]}`, "INVALID_ARGUMENT", "on_conflict"},
		{"start_revision", `{"branch":"x","message":"m","start_revision":"main^","actions":[]}`, "INVALID_REVISION", "start_revision"},
		{"request_id", `{"branch":"main","message":"m","request_id":"again","actions":[{"action":"create","path":"x","content":""}]}`, "INVALID_REQUEST_ID", "request_id"},
		{"trailing comma", `{"branch":"main","message":"m","actions":[],}`, "INVALID_ARGUMENT", ""},
		{"trailing data", `{"branch":"main","message":"m","actions":[]} {}`, "INVALID_ARGUMENT", ""},
		{"cut short", `{"branch":"main","message":"m","actions":[{"action":"create"`, "INVALID_ARGUMENT", ""},
		{"not UTF-8", "{\"branch\":\"main\",\"message\":\"\xff\",\"actions\":[]}", "INVALID_ARGUMENT", "message"},
		{"half a surrogate pair", `{"branch":"main","message":"\ud800","actions":[]}`, "INVALID_ARGUMENT", "message"},
		{"comment", `{/* */"branch":"main"}`, "INVALID_ARGUMENT", ""},
		{"deep nesting", `{"author":` + strings.Repeat("[", 20000), "INVALID_ARGUMENT", ""},
	} {
		rows = append(rows, badInput{"commit: " + tt.name, "POST", shop + "/commits", tt.body, 400, tt.reason, tt.field, nil})
	}
	large := fmt.Sprintf(`{"branch":"main","message":"m","actions":[{"action":"create","path":"x","content":"%s"}]}`, strings.Repeat("x", 2<<20))
	moved := `{"branch":"main","message":"m","expected_head":"0123456789012345678901234567890123456789","actions":[{"action":"create","path":"x","content":""}]}`
	many := `{"actions":[{}` + strings.Repeat(",{}", 100_000) + `],"branch":"main","message":"m"}`
	return append(rows,
		badInput{"commit: too many actions", "POST", shop + "/commits", many, 400, "TOO_MANY_ACTIONS", "actions", nil},
		badInput{"commit: too large", "POST", shop + "/commits", large, 413, "BODY_TOO_LARGE", "", nil},
		badInput{"commit: branch moved", "POST", shop + "/commits", moved, 409, "REF_MOVED", "", nil},
		badInput{"commit: sha256 expected in sha1", "POST", shop + "/commits", strings.Replace(moved, "0123456789012345678901234567890123456789", strings.Repeat("a", 64), 1), 409, "REF_MOVED", "", nil},
	)
}

func badActions() []badInput {
	var rows []badInput
	for _, tt := range []struct {
		name, action string
		status       int
		reason       string
		field        string
	}{
		{"a string", `"create"`, 400, "INVALID_ARGUMENT", "actions[1]"},
		{"null", `null`, 400, "INVALID_ACTION", "actions[1].action"},
		{"empty", `{}`, 400, "INVALID_ACTION", "actions[1].action"},
		{"unknown action", `{"action":"rename","path":"x"}`, 400, "INVALID_ACTION", "actions[1].action"},
		{"no path", `{"action":"create","content":""}`, 400, "INVALID_ACTION", "actions[1].path"},
		{"no content", `{"action":"create","path":"x"}`, 400, "INVALID_ACTION", "actions[1].content"},
		{"content null", `{"action":"create","path":"x","content":null}`, 400, "INVALID_ACTION", "actions[1].content"},
		{"two contents", `{"action":"create","path":"x","content":"","content_base64":""}`, 400, "INVALID_ACTION", "actions[1].content_base64"},
		{"content a number", `{"action":"create","path":"x","content":1}`, 400, "INVALID_ARGUMENT", "actions[1].content"},
		{"base64 an array", `{"action":"create","path":"x","content_base64":[1,2]}`, 400, "INVALID_ARGUMENT", "actions[1].content_base64"},
		{"content not UTF-8", "{\"action\":\"create\",\"path\":\"x\",\"content\":\"\xff\"}", 400, "INVALID_ARGUMENT", "actions[1].content"},
		{"content with half a surrogate pair", `{"action":"create","path":"x","content":"\udc00"}`, 400, "INVALID_ARGUMENT", "actions[1].content"},
		{"unknown member", `{"action":"create","path":"x","content":"","mode":"120000"}`, 400, "INVALID_ARGUMENT", "actions[1].mode"},
		{"member twice", `{"action":"create","path":"x","path":"y","content":""}`, 400, "INVALID_ARGUMENT", "actions[1].path"},
		{"executable a string", `{"action":"create","path":"x","content":"","executable":"yes"}`, 400, "INVALID_ARGUMENT", "actions[1].executable"},
		{"delete with content", `{"action":"delete","path":"dir/f","content":""}`, 400, "INVALID_ACTION", "actions[1]"},
		{"move without from", `{"action":"move","path":"x"}`, 400, "INVALID_ACTION", "actions[1].from"},
		{"move onto itself", `{"action":"move","path":"dir/f","from":"dir/f"}`, 400, "INVALID_ACTION", "actions[1]"},
		{"chmod without executable", `{"action":"chmod","path":"dir/f"}`, 400, "INVALID_ACTION", "actions[1].executable"},
		{"create with from", `{"action":"create","path":"x","from":"dir/f","content":""}`, 400, "INVALID_ACTION", "actions[1]"},
		{"expected blob null", `{"action":"update","path":"dir/f","content":"","expected_blob_id":null}`, 400, "INVALID_ARGUMENT", "actions[1].expected_blob_id"},
		{"expected blob short", `{"action":"update","path":"dir/f","content":"","expected_blob_id":"abc"}`, 400, "INVALID_OBJECT_ID", "actions[1].expected_blob_id"},
		{"expected blob another", `{"action":"update","path":"dir/f","content":"","expected_blob_id":"0123456789012345678901234567890123456789"}`, 409, "BLOB_MOVED", ""},
		{"dots", `{"action":"create","path":"../x","content":""}`, 400, "INVALID_PATH", "actions[1].path"},
		{"absolute", `{"action":"create","path":"/x","content":""}`, 400, "INVALID_PATH", "actions[1].path"},
		{"from with dots", `{"action":"move","path":"x","from":"dir/../f"}`, 400, "INVALID_PATH", "actions[1].from"},
		{"NUL in path", `{"action":"create","path":"x\u0000","content":""}`, 400, "INVALID_PATH", "actions[1].path"},
		{"newline in path", `{"action":"create","path":"x\ny","content":""}`, 400, "INVALID_PATH", ""},
		{"backslash in path", `{"action":"create","path":"a\\b","content":""}`, 400, "INVALID_PATH", ""},
		{"not NFC", `{"action":"create","path":"cafe\u0301","content":""}`, 400, "INVALID_PATH", ""},
		{"device", `{"action":"create","path":"con","content":""}`, 400, "INVALID_PATH", ""},
		{"long name", `{"action":"create","path":"` + strings.Repeat("x", 256) + `","content":""}`, 400, "INVALID_PATH", ""},
		{"git directory", `{"action":"create","path":"a/.git/config","content":""}`, 400, "DOTGIT_COMPONENT", ""},
		{"git directory in short", `{"action":"create","path":"GIT~1/config","content":""}`, 400, "DOTGIT_COMPONENT", ""},
		{"submodules", `{"action":"create","path":".gitmodules","content":""}`, 400, "RESERVED_PATH", ""},
		{"path twice", `{"action":"upsert","path":"first","content":""}`, 400, "DUPLICATE_PATH", ""},
		{"create over a file", `{"action":"create","path":"dir/f","content":""}`, 409, "PATH_EXISTS", ""},
		{"update of nothing", `{"action":"update","path":"nowhere","content":""}`, 404, "PATH_NOT_FOUND", ""},
		{"file over a directory", `{"action":"upsert","path":"dir","content":""}`, 409, "PATH_CONFLICT", ""},
		{"file below a file", `{"action":"create","path":"dir/f/g","content":""}`, 409, "PATH_CONFLICT", ""},
	} {
		body := `{"branch":"main","message":"m","actions":[{"action":"upsert","path":"first","content":"x"},` + tt.action + `]}`
		rows = append(rows, badInput{"action: " + tt.name, "POST", shop + "/commits", body, tt.status, tt.reason, tt.field, nil})
	}
	return rows
}

var badFiles = []badInput{
	{"file is a directory", "GET", shop + "/files/dir", "", 409, "NOT_A_FILE", "", nil},
	{"file below a file", "GET", shop + "/files/dir/f/g", "", 404, "PATH_NOT_FOUND", "", nil},
	{"file of an absent branch", "GET", shop + "/files/dir/f?ref=nowhere", "", 404, "REF_NOT_FOUND", "", nil},
	{"long path", "GET", shop + "/files/" + strings.Repeat("x/", 2100) + "y", "", 400, "INVALID_PATH", "path", nil},
	{"put too large", "PUT", shop + "/files/x", strings.Repeat("x", 2<<20), 413, "BODY_TOO_LARGE", "", nil},
	{"put a part", "PUT", shop + "/files/dir/f", "x", 400, "INVALID_ARGUMENT", "Content-Range", []option{header("Content-Range", "bytes 0-0/5")}},
	{"put compressed", "PUT", shop + "/files/dir/f", "x", 415, "INVALID_ARGUMENT", "Content-Encoding", []option{header("Content-Encoding", "gzip")}},
	{"put to a tag", "PUT", shop + "/files/dir/f?branch=refs/tags/v1.0.0", "x", 400, "INVALID_REF_NAME", "branch", nil},
	{"put to an empty branch", "PUT", shop + "/files/dir/f?branch=", "x", 400, "INVALID_REF_NAME", "branch", nil},
	{"put to an absent branch", "PUT", shop + "/files/dir/f?branch=nowhere", "x", 404, "REF_NOT_FOUND", "", nil},
	{"put with an empty message", "PUT", shop + "/files/dir/f?message=", "x", 400, "INVALID_MESSAGE", "message", nil},
	{"put by half an author", "PUT", shop + "/files/dir/f?author_name=Ada", "x", 400, "INVALID_SIGNATURE", "", nil},
	{"put by a request id that is none", "PUT", shop + "/files/dir/f?request_id=1", "x", 400, "INVALID_REQUEST_ID", "request_id", nil},
	{"put over a directory", "PUT", shop + "/files/dir", "x", 409, "PATH_CONFLICT", "", nil},
	{"put a git directory", "PUT", shop + "/files/.git/hooks/x", "x", 400, "DOTGIT_COMPONENT", "", nil},
	{"put a git directory, encoded", "PUT", shop + "/files/%2Egit/config", "x", 400, "DOTGIT_COMPONENT", "", nil},
	{"put ignorable characters", "PUT", shop + "/files/.g%E2%80%8Cit/config", "x", 400, "DOTGIT_COMPONENT", "", nil},
	{"put by nobody", "PUT", shop + "/files/x?author_name=&author_email=", "x", 400, "INVALID_SIGNATURE", "author_name", nil},
	{"delete nothing", "DELETE", shop + "/files/nowhere", "", 404, "PATH_NOT_FOUND", "", nil},
	{"delete a directory", "DELETE", shop + "/files/dir", "", 409, "NOT_A_FILE", "", nil},
}

var badCompares = []badInput{
	{"compare one", "GET", shop + "/compare/main", "", 400, "INVALID_REVISION", "base", nil},
	{"compare with two dots", "GET", shop + "/compare/main..main", "", 400, "INVALID_REVISION", "base", nil},
	{"compare without base", "GET", shop + "/compare/...main", "", 400, "INVALID_REVISION", "base", nil},
	{"compare without head", "GET", shop + "/compare/main...", "", 400, "INVALID_REVISION", "head", nil},
	{"compare with four dots", "GET", shop + "/compare/main....main", "", 400, "INVALID_REVISION", "head", nil},
	{"compare three", "GET", shop + "/compare/main...main...main", "", 400, "INVALID_REVISION", "head", nil},
	{"compare with nowhere", "GET", shop + "/compare/main...nowhere", "", 404, "REF_NOT_FOUND", "head", nil},
	{"compare in another format", "GET", shop + "/compare/main...main?format=html", "", 400, "INVALID_ARGUMENT", "format", nil},
	{"compare paths that are not clean", "GET", shop + "/compare/main...main?path=a&path=../b", "", 400, "INVALID_PATH", "path", nil},
}

func TestRefusalsOfBodiesSayWhatCanBeDone(t *testing.T) {
	c := serve(t, newStore(t), httpapi.Options{MaxBody: 8 << 20})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	for _, tt := range []struct {
		answer      answer
		field, says string
	}{
		{c.put(shop+"/files/f", strings.Repeat("x", 9<<20)), "", "written whole"},
		{c.post(shop+"/commits", `{"branch":"main","message":"`+strings.Repeat("x", 3<<20)+`","actions":[]}`), "message", "make the message shorter"},
		{c.post("/v1/repositories", `[]`), "", "the body has to be an object"},
		{c.post("/v1/repositories", `"x"`), "", "the body has to be an object"},
		{c.post("/v1/repositories", `null`), "", "the body has to be an object"},
		{c.post("/v1/repositories", ``), "", "the body is empty"},
		{c.post("/v1/repositories", `{"id":"a"`), "", "at byte 9"},
		{c.post("/v1/repositories", `{"ID":"a"}`), "ID", "there are id, "},
		{c.post(shop+"/commits", ``), "", "the body is empty"},
		{c.post(shop+"/commits", `{"branch":"main","message":"m","actions":[{"action":"create","path":"a","content":"\x"}]}`), "actions[0].content",
			"the body is not valid JSON: invalid escape sequence"},
		{c.post(shop+"/commits", `{"mesage":"a"}`), "mesage", "is unknown: there are branch, "},
	} {
		got := tt.answer.field(tt.field).json()["detail"].(string)
		if !strings.Contains(got, tt.says) {
			t.Errorf("%s: %q does not say %q", tt.answer.what, got, tt.says)
		}
	}
}

func TestConditionThatAnOperationDoesNotTakeIsRefusedAndChangesNothing(t *testing.T) {
	c := newShop(t)
	etag := c.put(shop+"/files/f", "one").wants(http.StatusCreated).header.Get("ETag")
	c.post(shop+"/tags", `{"name":"v1.0.0"}`).wants(http.StatusCreated)
	c.post(shop+"/branches", `{"name":"side"}`).wants(http.StatusCreated)
	before := c.state()
	for _, tt := range []struct{ method, path, body, instead string }{
		{"POST", "/v1/repositories", `{"id":"other"}`, "leave it out"},
		{"DELETE", shop, "", "leave it out"},
		{"POST", shop + "/commits", `{"branch":"main","message":"x","actions":[{"action":"delete","path":"f"}]}`, "expected_blob_id"},
		{"POST", shop + "/branches", `{"name":"new"}`, "leave it out"},
		{"DELETE", shop + "/branches/side", "", "expected_head"},
		{"POST", shop + "/tags", `{"name":"new"}`, "leave it out"},
		{"DELETE", shop + "/tags/v1.0.0", "", "expected_target"},
		{"PUT", shop + "/files/f", "two", "If-Match"},
		{"DELETE", shop + "/files/f", "", "If-Match"},
	} {
		conditions := []string{"If-Unmodified-Since", "If-Modified-Since"}
		if !strings.Contains(tt.path, "/files/") {
			conditions = append(conditions, "If-Match", "If-None-Match")
		}
		for _, name := range conditions {
			got := c.do(tt.method, tt.path, strings.NewReader(tt.body), header(name, etag)).problem(http.StatusBadRequest, "INVALID_ARGUMENT").field(name)
			if detail := got.json()["detail"].(string); !strings.Contains(detail, tt.instead) {
				t.Errorf("%s %s with %s: %q does not say %q", tt.method, tt.path, name, detail, tt.instead)
			}
		}
	}
	if after := c.state(); after != before {
		t.Errorf("the store changed from %s to %s", before, after)
	}
	c.get(shop+"/files/f", header("If-Modified-Since", "Mon, 02 Jan 2006 15:04:05 GMT")).wants(http.StatusOK)
}

func TestA405NamesWhatIsAllowed(t *testing.T) {
	c := newShop(t)
	for path, want := range map[string]string{
		shop:                  "DELETE, GET, HEAD",
		shop + "/files/x":     "DELETE, GET, HEAD, PUT",
		shop + "/tags/latest": "DELETE, GET, HEAD",
		"/healthz":            "GET, HEAD",
	} {
		if got := c.do("PATCH", path, nil).problem(http.StatusMethodNotAllowed, "METHOD_NOT_FOUND").header.Get("Allow"); got != want {
			t.Errorf("%s allows %q, want %q", path, got, want)
		}
	}
}

// What net/http itself refuses does not reach the handler; here it is enough that it is refused.
func TestMalformedHTTPIsRefused(t *testing.T) {
	c := newShop(t)
	for name, request := range map[string]string{
		"length and encoding":  "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two lengths":          "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nContent-Length: 13\r\n\r\n",
		"two hosts":            "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"no host":              "GET /healthz HTTP/1.1\r\n\r\n",
		"half an escape":       "GET /v1/repositories/%f HTTP/1.1\r\nHost: x\r\n\r\n",
		"a header of 64 KiB":   "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"a chunk that is none": "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	} {
		conn, err := net.Dial("tcp", c.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, request)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if resp.StatusCode < 400 || resp.StatusCode > 499 {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
		_ = resp.Body.Close()
		_ = conn.Close()
	}
}
