package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// badInput is a request that has to be refused.
type badInput struct {
	name   string
	method string
	target string
	body   string
	header []string
	// statuses are those of which the answer has to have one.
	statuses []int
	// reason and field are what the problem has to say; "" is anything.
	reason, field string
}

// shop is the repository that bad input is tried on: main holds a.md and dir/b.md, v1.0.0 tags it, and beside it is the
// branch side.
type shop struct {
	*system
	first, head string
	blob        string
}

const absentID = "0123456789012345678901234567890123456789"

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{system: startSystem(t,
		"GITSTORE_MAX_BODY=8MiB", "GITSTORE_MAX_ACTION_CONTENT=1MiB", "GITSTORE_MAX_FILE_SIZE=2MiB")}
	s.createRepository(t, "shop")
	first := s.commit(t, "shop", commit{Branch: "main", Message: "First", Actions: []action{upsert("a.md", "old")}})
	head := s.commit(t, "shop", commit{Branch: "main", Message: "Second", Actions: []action{
		upsert("a.md", "new"), upsert("dir/b.md", "b"),
	}})
	s.first, s.head, s.blob = first.CommitID, head.CommitID, head.Blobs["a.md"]
	s.post(t, inRepository("shop", "/branches"), map[string]string{"name": "side"}).wants(t, http.StatusCreated)
	s.post(t, inRepository("shop", "/tags"), map[string]string{"name": "v1.0.0", "message": "First release"}).wants(t, http.StatusCreated)
	return s
}

func TestBadInput(t *testing.T) {
	s := newShop(t)
	before := contents(t, s.data)
	for group, inputs := range map[string][]badInput{
		"revisions":     badRevisions(),
		"ref names":     badRefNames(),
		"paths":         badPaths(),
		"written paths": badWrittenPaths(),
		"repositories":  badRepositoryIDs(),
		"conditions":    s.badConditions(),
		"actions":       badActions(),
		"JSON":          badJSON(),
		"parameters":    badParameters(),
		"sizes":         badSizes(),
		"requests":      badRequests(),
	} {
		t.Run(group, func(t *testing.T) {
			for _, in := range inputs {
				s.refuses(t, in)
			}
			require.Empty(t, changed(before, contents(t, s.data)), "files that were changed by input that was refused")
		})
	}
	require.Equal(t, "new", string(s.get(t, fileTarget("shop", "a.md")).wants(t, http.StatusOK).body))
	s.stop(t)
	for _, p := range []*process{s.git, s.api} {
		require.NotContains(t, p.logged(), `"level":"ERROR"`, p.name)
	}
}

// refuses sends bad input and checks that the answer is a problem that says what is wrong.
func (s *shop) refuses(t *testing.T, in badInput) {
	t.Helper()
	what := in.name
	if what == "" {
		what = fmt.Sprintf("%s %.150s %.150s %v", in.method, in.target, in.body, in.header)
	}
	a, err := s.try(t.Context(), in.method, in.target, strings.NewReader(in.body), in.header...)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	var p problem
	_ = json.Unmarshal(a.body, &p)
	switch {
	case !slices.Contains(in.statuses, a.status):
		t.Errorf("%s: %d, want %v: %s", what, a.status, in.statuses, clip(string(a.body)))
	case in.method == http.MethodHead:
	case p.Status != a.status || p.Reason == "" || p.Detail == "" || a.header.Get("Content-Type") != "application/problem+json":
		t.Errorf("%s: not a whole problem: %v %s", what, a.header, clip(string(a.body)))
	case in.reason != "" && p.Reason != in.reason:
		t.Errorf("%s: reason %s, want %s: %s", what, p.Reason, in.reason, p.Detail)
	case in.field != "" && p.Field != in.field:
		t.Errorf("%s: field %q, want %q: %s", what, p.Field, in.field, p.Detail)
	case strings.Contains(p.Detail, s.data):
		t.Errorf("%s: the detail leaks where the data is: %s", what, p.Detail)
	}
}

func changed(before, after map[string]string) []string {
	var names []string
	for name := range maps.Keys(before) {
		if after[name] != before[name] {
			names = append(names, name)
		}
	}
	for name := range maps.Keys(after) {
		if _, ok := before[name]; !ok {
			names = append(names, name)
		}
	}
	return names
}

var invalid = []int{http.StatusBadRequest}

func quoted(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of a constant in this file
	}
	return string(b)
}

func object(members ...any) string {
	m := map[string]any{}
	for i := 0; i < len(members); i += 2 {
		m[members[i].(string)] = members[i+1]
	}
	return quoted(m)
}

func commitOf(actions string, more ...any) string {
	m := map[string]any{"branch": "main", "message": "Try", "actions": json.RawMessage(actions)}
	for i := 0; i < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	return quoted(m)
}

const oneAction = `[{"action":"upsert","path":"x.md","content":"x"}]`

func postCommit(body string, statuses []int, reason, field string) badInput {
	return badInput{method: "POST", target: inRepository("shop", "/commits"), body: body, statuses: statuses, reason: reason, field: field}
}

// badRevisions are revisions that git would resolve, search for or take as an option.
func badRevisions() (inputs []badInput) {
	for _, rev := range []string{
		"-x", "--output=/tmp/p", "--upload-pack=touch /tmp/p", "--exec=id", "-c core.sshCommand=id", "--all", "-",
		"HEAD@{1 day ago}", "@{-1}", "@{u}", "main@{1}", ":/fix", ":0:a.md", "^main", "a..b", "main^{/re}", "main^{commit}",
		"main^", "main~1000000000", "main~1", "main:a.md", "main a", "refs/../x", "refs/heads/", "refs/",
		"main\ncontents a", "main\x00", "main\x7f", "main\t", strings.Repeat("a", 10<<10), strings.Repeat("a/", 6000) + "b",
		"../HEAD", "/refs/heads/main", "main.lock", "deadbeef/..", "main/", "\\main", "ma*n", "[main]", "main?",
	} {
		q, p := url.QueryEscape(rev), url.PathEscape(rev)
		for _, in := range []badInput{
			{method: "GET", target: inRepository("shop", "/files/a.md?ref="+q), field: "ref"},
			{method: "HEAD", target: inRepository("shop", "/files/a.md?ref="+q)},
			{method: "GET", target: inRepository("shop", "/tree?ref="+q), field: "ref"},
			{method: "GET", target: inRepository("shop", "/commits?ref="+q), field: "ref"},
			{method: "GET", target: inRepository("shop", "/commits/"+p), field: "revision"},
			{method: "GET", target: inRepository("shop", "/compare/"+p+"...main"), field: "base"},
			{method: "GET", target: inRepository("shop", "/compare/main..."+p), field: "head"},
			{method: "POST", target: inRepository("shop", "/branches"), body: object("name", "x", "target", rev), field: "target"},
			{method: "POST", target: inRepository("shop", "/tags"), body: object("name", "x", "target", rev), field: "target"},
			postCommit(commitOf(oneAction, "branch", "x", "start_revision", rev), nil, "", "start_revision"),
		} {
			in.statuses, in.reason = invalid, "INVALID_REVISION"
			if len(rev) > 5000 { // what fits no header is not even read
				in.statuses, in.reason, in.field = []int{400, 404}, "", ""
			}
			inputs = append(inputs, in)
		}
	}
	for _, target := range []string{"/files/a.md?ref=", "/tree?ref=", "/commits?ref=", "/commits/", "/compare/...main", "/compare/main..."} {
		inputs = append(inputs, badInput{method: "GET", target: inRepository("shop", target), statuses: invalid, reason: "INVALID_REVISION"})
	}
	absent := []int{http.StatusNotFound}
	for rev, reason := range map[string]string{
		"nowhere": "REF_NOT_FOUND", "refs/heads/nowhere": "REF_NOT_FOUND", "refs/tags/v9": "REF_NOT_FOUND", absentID: "OBJECT_NOT_FOUND",
		"deadbeef": "REF_NOT_FOUND", "@": "REF_NOT_FOUND", "refs": "REF_NOT_FOUND",
	} {
		for _, target := range []string{"/files/a.md?ref=", "/tree?ref=", "/commits?ref=", "/commits/", "/compare/main..."} {
			inputs = append(inputs, badInput{method: "GET", target: inRepository("shop", target+rev), statuses: absent, reason: reason})
		}
	}
	return inputs
}

// badRefNames are names that git check-ref-format refuses, or that would be taken for something else.
func badRefNames() (inputs []badInput) {
	malformed := []string{
		"a..b", "a.lock", ".a", "a/.b", "a b", "a~b", "a^", "a:b", "a?", "a*", "a[", `a\b`, "a@{b", "a/", "/a", "a//b", "a.", "..",
		"a\x01", "a\x7f", "a\n", "a\x00b", "../x", "x/../y", "../../HOOKS", "a.lock/b", "refs/heads/..",
	}
	unsafe := []string{
		"-x", "--all", "-c", "HEAD", strings.Repeat("a", 40), strings.Repeat("0", 64), strings.Repeat("x", 300),
		strings.Repeat("x/", 600) + "x", "refs/heads/x", "refs/tags/x",
	}
	for _, name := range append(malformed, unsafe...) {
		for _, in := range []badInput{
			{method: "POST", target: inRepository("shop", "/branches"), body: object("name", name), field: "name"},
			{method: "POST", target: inRepository("shop", "/tags"), body: object("name", name), field: "name"},
			{method: "POST", target: inRepository("shop", "/tags"), body: object("name", name, "message", "m"), field: "name"},
			{method: "POST", target: "/v1/repositories", body: object("id", "new", "default_branch", name), field: "default_branch"},
			{method: "PUT", target: inRepository("shop", "/files/x.md?branch="+url.QueryEscape(name)), body: "x", field: "branch"},
			{method: "DELETE", target: inRepository("shop", "/files/a.md?branch="+url.QueryEscape(name)), field: "branch"},
			postCommit(commitOf(oneAction, "branch", name), nil, "", "branch"),
			postCommit(commitOf(oneAction, "branch", name, "start_revision", "main"), nil, "", "branch"),
		} {
			in.statuses, in.reason = invalid, "INVALID_REF_NAME"
			inputs = append(inputs, in)
		}
	}
	for _, name := range malformed {
		for _, list := range []string{"branches", "tags"} {
			inputs = append(inputs, badInput{method: "DELETE", target: inRepository("shop", "/"+list+"/"+url.PathEscape(name)),
				statuses: invalid, reason: "INVALID_REF_NAME", field: "name"})
		}
	}
	conflict := []int{http.StatusConflict}
	for _, in := range []badInput{
		{method: "POST", target: inRepository("shop", "/branches"), body: object("name", "main/x"), statuses: conflict, reason: "REF_CONFLICT"},
		{method: "POST", target: inRepository("shop", "/tags"), body: object("name", "v1.0.0/x"), statuses: conflict, reason: "REF_CONFLICT"},
		{method: "POST", target: inRepository("shop", "/branches"), body: object("name", "side"), statuses: conflict, reason: "REF_EXISTS"},
		{method: "POST", target: inRepository("shop", "/tags"), body: object("name", "v1.0.0"), statuses: conflict, reason: "REF_EXISTS"},
		{method: "DELETE", target: inRepository("shop", "/branches/main"), statuses: conflict, reason: "DEFAULT_BRANCH"},
		{method: "DELETE", target: inRepository("shop", "/branches/nowhere"), statuses: []int{404}, reason: "REF_NOT_FOUND"},
		{method: "DELETE", target: inRepository("shop", "/tags/latest"), statuses: []int{404}, reason: "REF_NOT_FOUND"},
		{method: "DELETE", target: inRepository("shop", "/branches/HOOKS"), statuses: []int{404}, reason: "REF_NOT_FOUND"},
		{method: "POST", target: inRepository("shop", "/tags"), body: object("name", "x", "message", "a\x00b"), statuses: invalid, reason: "INVALID_MESSAGE"},
		{method: "POST", target: inRepository("shop", "/tags"), body: object("name", "x", "target", absentID), statuses: []int{404}, reason: "OBJECT_NOT_FOUND"},
		postCommit(commitOf(oneAction, "branch", "nowhere"), []int{404}, "REF_NOT_FOUND", ""),
		postCommit(commitOf(oneAction, "branch", "side/x", "start_revision", "main"), conflict, "REF_CONFLICT", ""),
		postCommit(commitOf(oneAction, "start_revision", "main"), conflict, "REF_EXISTS", ""),
	} {
		inputs = append(inputs, in)
	}
	return inputs
}

// badPaths are paths that name no file of a tree, wherever they are given.
func badPaths() (inputs []badInput) {
	for _, path := range []string{
		"../x", "/x", "a/../b", "a//b", "./a", "a/", "a/./b", "..", ".", "/", "//", "../../../../etc/passwd", "a/..", "a\x00b",
		strings.Repeat("a/", 2100) + "b",
	} {
		q, p := url.QueryEscape(path), url.PathEscape(path)
		inputs = append(inputs, onPath(invalid, "INVALID_PATH", path)...)
		for _, in := range []badInput{
			{method: "GET", target: inRepository("shop", "/files/"+p)},
			{method: "GET", target: inRepository("shop", "/files/"+strings.ReplaceAll(p, "%2F", "/"))},
			{method: "HEAD", target: inRepository("shop", "/files/"+p)},
			{method: "DELETE", target: inRepository("shop", "/files/"+p+"?branch=main")},
			{method: "GET", target: inRepository("shop", "/tree?prefix="+q), field: "prefix"},
			{method: "GET", target: inRepository("shop", "/commits?path="+q), field: "path"},
			{method: "GET", target: inRepository("shop", "/compare/"+absentID+"..."+absentID+"?path="+q), field: "path"},
			postCommit(commitOf(`[`+object("action", "delete", "path", path)+`]`), nil, "", "actions[0].path"),
			postCommit(commitOf(`[`+object("action", "move", "path", "x", "from", path)+`]`), nil, "", "actions[0].from"),
		} {
			in.statuses, in.reason = invalid, "INVALID_PATH"
			inputs = append(inputs, in)
		}
	}
	absent := []int{http.StatusNotFound}
	for _, in := range []badInput{
		{method: "GET", target: inRepository("shop", "/files/"), statuses: invalid, reason: "INVALID_PATH"},
		{method: "PUT", target: inRepository("shop", "/files/"), body: "x", statuses: invalid, reason: "INVALID_PATH"},
		{method: "GET", target: inRepository("shop", "/files/nowhere.md"), statuses: absent, reason: "PATH_NOT_FOUND"},
		{method: "GET", target: inRepository("shop", "/files/a.md%0Acontents%20HEAD"), statuses: absent, reason: "PATH_NOT_FOUND"},
		{method: "GET", target: inRepository("shop", "/files/a.md/b"), statuses: absent, reason: "PATH_NOT_FOUND"},
		{method: "GET", target: inRepository("shop", "/files/a.md%2500"), statuses: absent, reason: "PATH_NOT_FOUND"},
		{method: "GET", target: inRepository("shop", "/files/%ff%fe"), statuses: absent, reason: "PATH_NOT_FOUND"},
		{method: "GET", target: inRepository("shop", "/files/"+url.PathEscape(":(glob)**")), statuses: absent, reason: "PATH_NOT_FOUND"},
		{method: "GET", target: inRepository("shop", "/files/"+url.PathEscape(":!x")), statuses: absent, reason: "PATH_NOT_FOUND"},
		{method: "GET", target: inRepository("shop", "/files/dir"), statuses: []int{409}, reason: "NOT_A_FILE"},
		{method: "GET", target: inRepository("shop", "/tree?prefix=a.md"), statuses: []int{409}, reason: "NOT_A_FILE"},
		{method: "GET", target: inRepository("shop", "/tree?prefix=nowhere"), statuses: absent, reason: "PATH_NOT_FOUND"},
		{method: "DELETE", target: inRepository("shop", "/files/nowhere.md?branch=main"), statuses: absent, reason: "PATH_NOT_FOUND"},
		{method: "DELETE", target: inRepository("shop", "/files/dir?branch=main"), statuses: []int{409}, reason: "NOT_A_FILE"},
	} {
		inputs = append(inputs, in)
	}
	return inputs
}

// onPath are the ways to write to a path.
func onPath(statuses []int, reason, path string) []badInput {
	return []badInput{
		{method: "PUT", target: inRepository("shop", "/files/"+url.PathEscape(path)), body: "x", statuses: statuses, reason: reason},
		postCommit(commitOf(`[`+object("action", "upsert", "path", path, "content", "x")+`]`), statuses, reason, ""),
		postCommit(commitOf(`[`+object("action", "create", "path", "ok.md", "content", "x")+`,`+
			object("action", "move", "path", path, "from", "a.md")+`]`), statuses, reason, ""),
	}
}

// badWrittenPaths are paths that git takes and that GitStore does not write, as they are a danger on some file system.
func badWrittenPaths() (inputs []badInput) {
	for reason, paths := range map[string][]string{
		"DOTGIT_COMPONENT": {
			".git", ".GIT", ".Git/config", "a/.git/hooks/pre-commit", ".git.", ".git ", ".git. .", "git~1", "GIT~1/x", "git~2",
			".git::$INDEX_ALLOCATION", ".git:x", `.git\config`, `a/.git\x`, ".g\u200cit", "\u200e.git", ".gi\u202at/x", ".git\ufeff", ".g\u206fit",
		},
		"RESERVED_PATH": {".gitmodules", "a/.gitmodules", ".GITMODULES", ".gitmodules.", "gitmod~1", "GI7EBA~1", ".gitmodules:x", ".gitm\u200codules"},
		"INVALID_PATH": {
			"con", "aux", "NUL", "prn.txt", "a/com1", "LPT9.md", "x/aux.go", "a\\b", "a\nb", "a\tb", "a\x1bb", "a\x7f", "a\u0085b",
			"cafe\u0301.md", "a.", "dir./x", "a ", strings.Repeat("x", 256), strings.Repeat("x", 254) + "é",
			strings.Repeat("abcdefg/", 31) + strings.Repeat("x/", 2) + "y", strings.Repeat(strings.Repeat("x", 200)+"/", 5) + strings.Repeat("y", 20),
		},
	} {
		for _, path := range paths {
			inputs = append(inputs, onPath(invalid, reason, path)...)
		}
	}
	inputs = append(inputs, badInput{method: "PUT", target: inRepository("shop", "/files/%ff.md"), body: "x", statuses: invalid, reason: "INVALID_PATH"})
	conflict := []int{http.StatusConflict}
	for _, path := range []string{"A.md", "DIR/x.md", "dir/B.md", "a.md/x", "dir"} {
		reason := "PATH_CONFLICT"
		if path == "dir" {
			reason = ""
		}
		inputs = append(inputs, badInput{method: "PUT", target: inRepository("shop", "/files/"+path), body: "x", statuses: conflict, reason: reason})
	}
	return inputs
}

func badRepositoryIDs() (inputs []badInput) {
	for _, id := range []string{
		"", "../x", "a/../../b", "a%2f..", ".git", "-x", "CON", "Shop", "a\x00b", strings.Repeat("a", 64), strings.Repeat("a", 300),
		"sh\u043ep", "a b", "a.b", "a_b", "shop/", "/shop", "shop\n", "..", ".",
	} {
		inputs = append(inputs, badInput{method: "POST", target: "/v1/repositories", body: object("id", id),
			statuses: invalid, reason: "INVALID_REPOSITORY_ID", field: "id"})
		for _, method := range []string{"GET", "DELETE"} {
			inputs = append(inputs, badInput{method: method, target: "/v1/repositories/" + url.PathEscape(id),
				statuses: invalid, reason: "INVALID_REPOSITORY_ID"})
		}
		inputs = append(inputs, badInput{method: "GET", target: inRepository(url.PathEscape(id), "/files/a.md"),
			statuses: invalid, reason: "INVALID_REPOSITORY_ID"})
	}
	absent := []int{http.StatusNotFound}
	for _, in := range []badInput{
		{method: "GET", target: "/v1/repositories/nowhere", statuses: absent, reason: "REPOSITORY_NOT_FOUND"},
		{method: "DELETE", target: "/v1/repositories/nowhere", statuses: absent, reason: "REPOSITORY_NOT_FOUND"},
		{method: "GET", target: inRepository("nowhere", "/tree"), statuses: absent, reason: "REPOSITORY_NOT_FOUND"},
		{method: "GET", target: "/v1/repositories/../repositories/shop", statuses: []int{400, 404}},
		{method: "GET", target: "/v1//repositories/shop", statuses: absent, reason: "METHOD_NOT_FOUND"},
		{method: "POST", target: "/v1/repositories", body: object("id", "shop"), statuses: []int{409}, reason: "REPOSITORY_EXISTS"},
		{method: "POST", target: "/v1/repositories", body: object("id", "new", "object_format", "md5"), statuses: invalid, field: "object_format"},
		{method: "POST", target: "/v1/repositories", body: object("id", "new", "path", "/etc"), statuses: invalid, field: "path"},
		{method: "POST", target: "/v1/repositories", body: object("id", 7), statuses: invalid, field: "id"},
	} {
		inputs = append(inputs, in)
	}
	return inputs
}

// badConditions are compare-and-swaps that lose.
func (s *shop) badConditions() (inputs []badInput) {
	conflict, failed := []int{http.StatusConflict}, []int{http.StatusPreconditionFailed}
	file := inRepository("shop", "/files/a.md?branch=main")
	stale := `"` + strings.Repeat("1", 40) + `"`
	null := strings.Repeat("0", 40)
	for _, in := range []badInput{
		postCommit(commitOf(oneAction, "expected_head", s.first), conflict, "REF_MOVED", ""),
		postCommit(commitOf(oneAction, "expected_head", absentID), conflict, "REF_MOVED", ""),
		postCommit(commitOf(oneAction, "expected_head", ""), conflict, "REF_MOVED", ""),
		postCommit(commitOf(oneAction, "expected_head", null), conflict, "REF_MOVED", ""),
		postCommit(commitOf(oneAction, "expected_head", s.head, "branch", "nowhere"), conflict, "REF_MOVED", ""),
		postCommit(commitOf(oneAction, "expected_head", "main"), invalid, "INVALID_OBJECT_ID", "expected_head"),
		postCommit(commitOf(oneAction, "expected_head", s.head[:12]), invalid, "INVALID_OBJECT_ID", "expected_head"),
		postCommit(commitOf(oneAction, "expected_head", nil), invalid, "INVALID_ARGUMENT", "expected_head"),
		postCommit(commitOf(oneAction, "expected_head", s.head, "start_revision", "main", "branch", "new"), invalid, "INVALID_ARGUMENT", "expected_head"),
		postCommit(commitOf(`[`+object("action", "upsert", "path", "a.md", "content", "x", "expected_blob_id", absentID)+`]`), conflict, "BLOB_MOVED", ""),
		postCommit(commitOf(`[`+object("action", "upsert", "path", "a.md", "content", "x", "expected_blob_id", "")+`]`), conflict, "", ""),
		postCommit(commitOf(`[`+object("action", "upsert", "path", "a.md", "content", "x", "expected_blob_id", "x")+`]`), invalid, "INVALID_OBJECT_ID", "actions[0].expected_blob_id"),
		postCommit(commitOf(`[`+object("action", "upsert", "path", "a.md", "content", "x")+`]`, "expected_head", s.first, "on_conflict", "replay_if_paths_untouched"), conflict, "REF_MOVED", ""),
		postCommit(commitOf(oneAction, "expected_head", s.head, "on_conflict", "overwrite"), invalid, "INVALID_ARGUMENT", "on_conflict"),
		{method: "PUT", target: file, body: "x", header: []string{"If-Match", stale}, statuses: failed, reason: "BLOB_MOVED"},
		{method: "PUT", target: file, body: "x", header: []string{"If-Match", `W/"` + s.blob + `"`}, statuses: failed},
		{method: "PUT", target: file, body: "x", header: []string{"If-Match", s.blob}, statuses: invalid, field: "If-Match"},
		{method: "PUT", target: file, body: "x", header: []string{"If-Match", ""}, statuses: invalid, field: "If-Match"},
		{method: "PUT", target: file, body: "x", header: []string{"If-None-Match", "*"}, statuses: failed, reason: "PATH_EXISTS"},
		{method: "PUT", target: file, body: "x", header: []string{"If-None-Match", stale}, statuses: invalid, field: "If-None-Match"},
		{method: "PUT", target: file, body: "x", header: []string{"If-Match", "*", "If-None-Match", "*"}, statuses: invalid},
		{method: "PUT", target: inRepository("shop", "/files/new.md"), body: "x", header: []string{"If-Match", "*"}, statuses: failed},
		{method: "PUT", target: file + "&expected_head=" + s.first, body: "x", statuses: conflict, reason: "REF_MOVED"},
		{method: "PUT", target: file, body: "x", header: []string{"Content-Range", "bytes 0-0/1"}, statuses: invalid, field: "Content-Range"},
		{method: "DELETE", target: file, header: []string{"If-Match", stale}, statuses: failed, reason: "BLOB_MOVED"},
		{method: "DELETE", target: inRepository("shop", "/branches/side?expected_head="+s.first), statuses: conflict, reason: "REF_MOVED"},
		{method: "DELETE", target: inRepository("shop", "/branches/side?expected_head="), statuses: invalid, field: "expected_head"},
		{method: "DELETE", target: inRepository("shop", "/tags/v1.0.0?expected_target="+s.head), statuses: conflict, reason: "REF_MOVED"},
		{method: "GET", target: inRepository("shop", "/files/a.md"), header: []string{"If-Match", stale}, statuses: failed},
		{method: "GET", target: inRepository("shop", "/files/a.md"), header: []string{"Range", "bytes=100-"}, statuses: []int{416}, reason: "INVALID_RANGE"},
	} {
		inputs = append(inputs, in)
	}
	return inputs
}

func badActions() (inputs []badInput) {
	for actions, reason := range map[string]string{
		`[]`:                               "NO_ACTIONS",
		`[{"path":"x","content":"x"}]`:     "INVALID_ACTION",
		`[{"action":"upsert"}]`:            "INVALID_ACTION",
		`[{"action":"upsert","path":"x"}]`: "INVALID_ACTION",
		`[{"action":"upsert","path":"x","content":"x","content_base64":"eA=="}]`:                    "INVALID_ACTION",
		`[{"action":"upsert","path":"x","content":"x","from":"a.md"}]`:                              "INVALID_ACTION",
		`[{"action":"delete","path":"a.md","content":"x"}]`:                                         "INVALID_ACTION",
		`[{"action":"move","path":"x"}]`:                                                            "INVALID_ACTION",
		`[{"action":"chmod","path":"a.md"}]`:                                                        "INVALID_ACTION",
		`[{"action":"chmod","path":"a.md","executable":true,"content":"x"}]`:                        "INVALID_ACTION",
		`[{"action":"symlink","path":"x","content":"/etc/passwd"}]`:                                 "INVALID_ACTION",
		`[{"action":"CREATE","path":"x","content":"x"}]`:                                            "INVALID_ACTION",
		`[{"action":"upsert","path":"x","content":"x","mode":"120000"}]`:                            "INVALID_ARGUMENT",
		`[{"action":"upsert","path":"x","content":"x"},{"action":"delete","path":"x"}]`:             "DUPLICATE_PATH",
		`[{"action":"upsert","path":"x","content":"x"},{"action":"move","path":"x","from":"a.md"}]`: "DUPLICATE_PATH",
	} {
		inputs = append(inputs, postCommit(commitOf(actions), invalid, reason, ""))
	}
	conflict, absent := []int{http.StatusConflict}, []int{http.StatusNotFound}
	for _, in := range []badInput{
		postCommit(commitOf(`[{"action":"create","path":"a.md","content":"x"}]`), conflict, "PATH_EXISTS", ""),
		postCommit(commitOf(`[{"action":"move","path":"dir/b.md","from":"a.md"}]`), conflict, "PATH_EXISTS", ""),
		postCommit(commitOf(`[{"action":"upsert","path":"a.md/x","content":"x"}]`), conflict, "PATH_CONFLICT", ""),
		postCommit(commitOf(`[{"action":"upsert","path":"x","content":"x"},{"action":"upsert","path":"x/y","content":"x"}]`), []int{400, 409}, "", ""),
		postCommit(commitOf(`[{"action":"upsert","path":"x.md","content":"x"},{"action":"upsert","path":"X.md","content":"x"}]`), []int{400, 409}, "", ""),
		postCommit(commitOf(`[{"action":"update","path":"x","content":"x"}]`), absent, "PATH_NOT_FOUND", ""),
		postCommit(commitOf(`[{"action":"delete","path":"x"}]`), absent, "PATH_NOT_FOUND", ""),
		postCommit(commitOf(`[{"action":"move","path":"y","from":"x"}]`), absent, "PATH_NOT_FOUND", ""),
		postCommit(commitOf(`[{"action":"chmod","path":"x","executable":true}]`), absent, "PATH_NOT_FOUND", ""),
		postCommit(commitOf(`[{"action":"chmod","path":"dir","executable":true}]`), conflict, "NOT_A_FILE", ""),
		postCommit(commitOf(`[{"action":"upsert","path":"x.md","content":"x"},{"action":"delete","path":"nowhere"}]`), absent, "PATH_NOT_FOUND", ""),
		postCommit(commitOf(oneAction, "message", ""), invalid, "INVALID_MESSAGE", ""),
		postCommit(commitOf(oneAction, "message", " \n\t "), invalid, "INVALID_MESSAGE", ""),
		postCommit(commitOf(oneAction, "message", "a\x00b"), invalid, "INVALID_MESSAGE", ""),
		postCommit(commitOf(oneAction, "message", strings.Repeat("m", 256<<10+1)), invalid, "INVALID_MESSAGE", ""),
		postCommit(commitOf(oneAction, "branch", ""), invalid, "", "branch"),
		postCommit(commitOf(oneAction, "request_id", "not-a-uuid"), invalid, "INVALID_REQUEST_ID", "request_id"),
		postCommit(commitOf(oneAction, "author", map[string]string{"name": "A <x>", "email": "a@b"}), invalid, "INVALID_SIGNATURE", ""),
		postCommit(commitOf(oneAction, "author", map[string]string{"name": "A\nB", "email": "a@b"}), invalid, "INVALID_SIGNATURE", ""),
		postCommit(commitOf(oneAction, "author", map[string]string{"name": "", "email": "a@b"}), invalid, "INVALID_SIGNATURE", ""),
		postCommit(commitOf(oneAction, "author", map[string]string{"name": "A", "email": "a@b>\x00"}), invalid, "INVALID_SIGNATURE", ""),
		postCommit(commitOf(oneAction, "author", map[string]string{"name": "A", "email": "a@b", "time": "yesterday"}), invalid, "INVALID_ARGUMENT", "author.time"),
		postCommit(commitOf(oneAction, "author", map[string]string{"name": "A", "email": "a@b", "time": "0001-01-01T00:00:01Z"}), invalid, "INVALID_SIGNATURE", ""),
		postCommit(commitOf(oneAction, "committer", map[string]string{"name": "A", "email": "<"}), invalid, "INVALID_SIGNATURE", ""),
		postCommit(commitOf(tooManyActions()), invalid, "TOO_MANY_ACTIONS", ""),
	} {
		inputs = append(inputs, in)
	}
	return inputs
}

func tooManyActions() string {
	var b strings.Builder
	for i := range 100_001 {
		fmt.Fprintf(&b, `%c{"action":"delete","path":"%d"}`, "[,"[min(i, 1)], i)
	}
	return b.String() + "]"
}

func badJSON() (inputs []badInput) {
	deep := strings.Repeat("[", 200_000)
	for _, body := range []string{
		"", " ", "null", "[]", `"x"`, "7", "{", `{"id"}`, `{"id":}`, `{"id":"x",}`, `{'id':'x'}`, `{"id":"x"}{}`, `{"id":"x"} x`,
		"\ufeff" + `{"id":"x"}`, `{"id":"x","id":"y"}`, `{"ID":"x"}`, `{"id":"x","unknown":1}`, `{"id":["x"]}`, `{"id":{"x":1}}`,
		`{"id":1e400}`, `{"id":"\ud800"}`, "{\"id\":\"\xff\"}", `{"id":"x` + "\n" + `"}`, deep, `{"id":` + deep, `{"__proto__":1,"id":"x"}`,
		"id=x&default_branch=main", "<id>x</id>", "id: x", "// c\n" + `{"id":"x"}`, `{"id":"x","default_branch":true}`, "\x00",
	} {
		inputs = append(inputs, badInput{method: "POST", target: "/v1/repositories", body: body, statuses: invalid})
	}
	inputs = append(inputs, badInput{method: "POST", target: "/v1/repositories", body: `{"id":"x","x":"` + strings.Repeat("x", 2<<20) + `"}`,
		statuses: []int{413}, reason: "BODY_TOO_LARGE"})
	for body, field := range map[string]string{
		"": "", "{}": "branch", "null": "", "[" + oneAction + "]": "", commitOf(oneAction) + "x": "", commitOf(oneAction) + "{}": "",
		`{"branch":"main","message":"m","actions":` + oneAction:                                                             "",
		`{"branch":"main","message":"m","actions":[`:                                                                        "",
		`{"branch":"main","message":"m","actions":{}}`:                                                                      "actions",
		`{"branch":"main","message":"m","actions":null}`:                                                                    "actions",
		`{"branch":"main","message":"m","actions":[7]}`:                                                                     "actions[0]",
		`{"branch":"main","message":"m","actions":[[]]}`:                                                                    "actions[0]",
		`{"branch":"main","message":"m","actions":[` + deep:                                                                 "",
		`{"branch":"main","message":"m","actions":[],"actions":` + oneAction + `}`:                                          "actions",
		`{"branch":"main","branch":"side","message":"m","actions":` + oneAction + `}`:                                       "branch",
		`{"Branch":"main","message":"m","actions":` + oneAction + `}`:                                                       "Branch",
		commitOf(oneAction, "force", true):                                                                                  "force",
		commitOf(oneAction, "dry_run", "false"):                                                                             "dry_run",
		commitOf(oneAction, "allow_empty", 1):                                                                               "allow_empty",
		commitOf(oneAction, "branch", 7):                                                                                    "branch",
		commitOf(oneAction, "author", "Ada <ada@example.com>"):                                                              "author",
		commitOf(`[{"action":"upsert","path":"x","content":7}]`):                                                            "actions[0].content",
		commitOf(`[{"action":"upsert","path":["x"],"content":"x"}]`):                                                        "actions[0].path",
		commitOf(`[{"action":"upsert","path":"x","content":"x","executable":"yes"}]`):                                       "actions[0].executable",
		commitOf(`[{"action":"upsert","path":"x","content":"x","unknown":1}]`):                                              "actions[0].unknown",
		commitOf(`[{"action":"upsert","path":"x","content_base64":"x"}]`):                                                   "actions[0].content_base64",
		commitOf(`[{"action":"upsert","path":"x","content_base64":"eA"}]`):                                                  "actions[0].content_base64",
		commitOf(`[{"action":"upsert","path":"x","content_base64":"e A=="}]`):                                               "actions[0].content_base64",
		commitOf(`[{"action":"upsert","path":"x","content_base64":"eA==\n"}]`):                                              "actions[0].content_base64",
		commitOf(`[{"action":"upsert","path":"x","content_base64":"_-=="}]`):                                                "actions[0].content_base64",
		`{"branch":"main","message":"m","actions":[{"action":"upsert","path":"x","path":"y","content":"x"}]}`:               "",
		"{\"branch\":\"main\",\"message\":\"m\",\"actions\":[{\"action\":\"upsert\",\"path\":\"\xff\",\"content\":\"x\"}]}": "",
		`{"branch":"main","message":"m","actions":[{"action":"upsert","path":"x","content":"\ud800"}]}`:                     "",
	} {
		inputs = append(inputs, postCommit(body, invalid, "", field))
	}
	return inputs
}

func badParameters() (inputs []badInput) {
	for target, field := range map[string]string{
		"/tree?unknown=1": "unknown", "/tree?ref=main&ref=side": "ref", "/tree?recursive=yes": "recursive", "/tree?recursive=": "recursive",
		"/tree?page_size=x": "page_size", "/tree?page_size=99999999999999999999": "page_size", "/tree?page_size=": "page_size",
		"/tree?page_size=-1": "", "/tags?page_size=-1": "", "/branches?page_size=-1": "", "/commits?page_size=-1": "",
		"/tree?page_token=x": "", "/tags?page_token=%00": "", "/branches?page_token=AAAA": "", "/commits?page_token=" + strings.Repeat("A", 4000): "",
		"/tree?%zz": "", "/tree?ref=%zz": "", "/tree?a;b": "", "/commits?since=yesterday": "since", "/commits?until=2026-13-01T00:00:00Z": "until",
		"/commits?author=%ff": "author", "/tags/latest?range=%3E%3E1": "", "/tags/latest?range=one": "", "/compare/main...main?format=xml": "format",
		"/compare/main": "", "/compare/main..side": "", "/files/a.md?branch=main": "branch",
	} {
		inputs = append(inputs, badInput{method: "GET", target: inRepository("shop", target), statuses: invalid, field: field})
	}
	for _, in := range []badInput{
		{method: "GET", target: "/v1/repositories?page_size=-1", statuses: invalid, reason: "INVALID_PAGE_SIZE"},
		{method: "GET", target: "/v1/repositories?page_token=x", statuses: invalid, reason: "INVALID_PAGE_TOKEN"},
		{method: "GET", target: inRepository("shop", "/tags/latest?range=%5E9"), statuses: []int{404}, reason: "REF_NOT_FOUND"},
		{method: "PUT", target: inRepository("shop", "/files/x.md?executable=1"), body: "x", statuses: invalid, field: "executable"},
		{method: "PUT", target: inRepository("shop", "/files/x.md?message="), body: "x", statuses: invalid, reason: "INVALID_MESSAGE"},
		{method: "PUT", target: inRepository("shop", "/files/x.md?author_name=A"), body: "x", statuses: invalid, reason: "INVALID_SIGNATURE"},
		{method: "PUT", target: inRepository("shop", "/files/x.md?request_id=1"), body: "x", statuses: invalid, reason: "INVALID_REQUEST_ID"},
		{method: "PUT", target: inRepository("shop", "/files/x.md?expected_head=1"), body: "x", statuses: invalid, reason: "INVALID_OBJECT_ID"},
	} {
		inputs = append(inputs, in)
	}
	return inputs
}

// badSizes are above the limits of newShop, with and without a declared length.
func badSizes() []badInput {
	large := []int{http.StatusRequestEntityTooLarge}
	content := strings.Repeat("x", 1<<20+1)
	body := `{"branch":"main","message":"m","actions":[`
	for i := range 9 {
		body += fmt.Sprintf(`{"action":"upsert","path":"%d","content":"%s"},`, i, content[:1<<20-100])
	}
	return []badInput{
		postCommit(commitOf(`[{"action":"upsert","path":"x","content":"`+content+`"}]`), large, "BODY_TOO_LARGE", ""),
		{name: "commit above the limit", method: "POST", target: inRepository("shop", "/commits"), body: body, statuses: large, reason: "BODY_TOO_LARGE"},
		{name: "file above the limit", method: "PUT", target: inRepository("shop", "/files/x"), body: strings.Repeat("x", 3<<20), statuses: large, reason: "FILE_TOO_LARGE"},
		{name: "body above the limit", method: "PUT", target: inRepository("shop", "/files/x"), body: strings.Repeat("x", 9<<20), statuses: large, reason: "BODY_TOO_LARGE"},
		{name: "a message without end", method: "POST", target: inRepository("shop", "/commits"), body: `{"message":"` + strings.Repeat("x", 4<<20), statuses: large, reason: "BODY_TOO_LARGE"},
	}
}

// badRequests are wrong as HTTP requests, whatever they ask for.
func badRequests() []badInput {
	gone, method := []int{http.StatusNotFound}, []int{http.StatusMethodNotAllowed}
	return []badInput{
		{method: "GET", target: "/", statuses: gone, reason: "METHOD_NOT_FOUND"},
		{method: "GET", target: "/v1", statuses: gone, reason: "METHOD_NOT_FOUND"},
		{method: "GET", target: "/v2/repositories", statuses: gone, reason: "METHOD_NOT_FOUND"},
		{method: "GET", target: "/v1/repositories/", statuses: []int{400, 404}},
		{method: "GET", target: inRepository("shop", "/tree/"), statuses: gone},
		{method: "GET", target: "/debug/pprof/", statuses: gone},
		{method: "GET", target: "/%2e%2e/%2e%2e/etc/passwd", statuses: gone},
		{method: "PATCH", target: inRepository("shop", "/files/a.md"), body: "x", statuses: method, reason: "METHOD_NOT_FOUND"},
		{method: "TRACE", target: inRepository("shop", "/tree"), statuses: method},
		{method: "POST", target: inRepository("shop", "/tree"), body: "{}", statuses: method},
		{method: "OPTIONS", target: inRepository("shop", "/tree"), statuses: method},
		{method: "PURGE", target: inRepository("shop", ""), statuses: method},
		{method: "POST", target: inRepository("shop", "/commits"), body: commitOf(oneAction), header: []string{"Content-Encoding", "gzip"}, statuses: []int{415}},
		{method: "PUT", target: inRepository("shop", "/files/x"), body: "x", header: []string{"Content-Encoding", "br"}, statuses: []int{415}},
		{method: "POST", target: inRepository("shop", "/commits"), body: commitOf(oneAction), header: []string{"Origin", "https://evil.example"}, statuses: []int{403}, reason: "PERMISSION_DENIED"},
		{method: "DELETE", target: inRepository("shop", ""), header: []string{"Sec-Fetch-Site", "cross-site"}, statuses: []int{403}, reason: "PERMISSION_DENIED"},
	}
}

func TestAPageTokenIsGoodForItsOwnQuestionOnly(t *testing.T) {
	s := newShop(t)
	type page struct {
		NextPageToken string `json:"next_page_token"`
	}
	token := "&page_token=" + url.QueryEscape(into[page](t, s.get(t, inRepository("shop", "/tree?page_size=1")).wants(t, 200)).NextPageToken)
	s.get(t, inRepository("shop", "/tree?page_size=1"+token)).wants(t, 200)
	for _, other := range []string{
		"/tree?recursive=true", "/tree?prefix=dir", "/tree?ref=side", "/commits?first_parent=false", "/branches?page_size=1", "/tags?page_size=1",
	} {
		p := s.get(t, inRepository("shop", other)+token).problem(t, http.StatusBadRequest)
		require.Equal(t, "INVALID_PAGE_TOKEN", p.Reason, other)
	}
}

func TestAReusedRequestIDIsRefused(t *testing.T) {
	s := newShop(t)
	body := commit{Branch: "main", Message: "Once", RequestID: "1b4e28ba-2fa1-4d3b-a3f5-cc9e0d5b1a11", Actions: []action{upsert("once.md", "1")}}
	made := s.commit(t, "shop", body)
	again := into[commitResult](t, s.post(t, inRepository("shop", "/commits"), body).wants(t, http.StatusOK))
	require.Equal(t, made.CommitID, again.CommitID)
	require.True(t, again.Replayed)
	body.Actions = []action{upsert("once.md", "2")}
	p := s.post(t, inRepository("shop", "/commits"), body).problem(t, http.StatusConflict)
	require.Equal(t, "REQUEST_ID_REUSED", p.Reason)
}

func TestALostRaceNamesTheWinner(t *testing.T) {
	s := newShop(t)
	p := s.post(t, inRepository("shop", "/commits"), commit{
		Branch: "main", Message: "Late", ExpectedHead: &s.first, Actions: []action{upsert("a.md", "x")},
	}).problem(t, http.StatusConflict)
	require.Equal(t, "REF_MOVED", p.Reason)
	require.Equal(t, s.first, p.Metadata["expected"])
	require.Equal(t, s.head, p.Metadata["actual"])
}

func TestOneOfManyWithOneExpectedHeadWins(t *testing.T) {
	s := newShop(t)
	head := s.head
	for round := range 20 {
		answers := make([]answer, 16)
		require.NoError(t, inParallel(16, 16, func(i int) (err error) {
			answers[i], err = s.tryCommit(t.Context(), "shop", commit{
				Branch: "main", Message: "Race", ExpectedHead: &head, Actions: []action{upsert("race.md", fmt.Sprintf("%d of %d", i, round))},
			})
			return err
		}))
		var winner commitResult
		for _, a := range answers {
			if a.status == http.StatusCreated {
				require.Empty(t, winner.CommitID, "two commits won")
				winner = into[commitResult](t, a)
			}
		}
		require.NotEmpty(t, winner.CommitID, "no commit won")
		for _, a := range answers {
			if a.status != http.StatusCreated {
				require.Equal(t, winner.CommitID, a.problem(t, http.StatusConflict).Metadata["actual"])
			}
		}
		head = winner.CommitID
	}
}

// TestNamesThatLookLikeOptionsAreNames keeps what git would take for an option or a pattern, were it let.
func TestNamesThatLookLikeOptionsAreNames(t *testing.T) {
	s := newShop(t)
	for _, path := range []string{
		"-rf", "--all", "-/x", ":(glob)**", ":!x", ":(exclude)*", "*.md", "[a-z]", "a?b", "HEAD", "refs/heads/main", "café.md", "日本/語.md",
		"%2e%2e", "a b", "'; rm -rf $HOME", "\"quoted\"", "a%00b", "~", "$(id)", "`id`", "a&b=c?d#e", "+", ".gitignore", ".gitattributes",
		"config", "auxiliary.go", "com10", "control", strings.Repeat("x", 255),
	} {
		target := fileTarget("shop", path)
		a := s.call(t, "PUT", target, strings.NewReader("content of "+path)).wants(t, http.StatusCreated)
		require.Len(t, into[commitResult](t, a).Blobs, 1)
		require.Contains(t, into[commitResult](t, a).Blobs, path)
		require.Equal(t, "content of "+path, string(s.get(t, target).wants(t, 200).body))
		changedIn := list[historyEntry](t, s.client, inRepository("shop", "/commits?path="+url.QueryEscape(path)), 10)
		require.Len(t, changedIn, 1, "commits that changed %q", path)
	}
	require.Equal(t, "new", string(s.get(t, fileTarget("shop", "a.md")).wants(t, 200).body))
	s.stop(t)
	require.Empty(t, git(t, repositoryDirs(t, s.data)[0], "fsck", "--strict", "--full", "--no-progress"))
}

// TestRequestsThatAreNotHTTP sends bytes that no client library would.
func TestRequestsThatAreNotHTTP(t *testing.T) {
	s := newShop(t)
	before := contents(t, s.data)
	chunked := "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
	for name, raw := range map[string]string{
		"length and chunks":           chunked + "Content-Length: 4\r\n\r\n0\r\n\r\n",
		"two lengths":                 "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nxxxxx",
		"negative length":             "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"two hosts":                   "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"no host":                     "GET /healthz HTTP/1.1\r\n\r\n",
		"chunks that are none":        chunked + "\r\nzz\r\n{\"id\":\"new\"}\r\n0\r\n\r\n",
		"chunk longer than announced": chunked + "\r\n2\r\n{\"id\":\"new\"}\r\n0\r\n\r\n",
		"unknown coding":              "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
		"headers without end":         "GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"header with a space":         "GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
		"control character in target": "GET /v1/repositories/sh\x01op HTTP/1.1\r\nHost: x\r\n\r\n",
		"escape that is none":         "GET /v1/repositories/shop/files/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"absolute form":               "GET http://evil.example/v1/repositories/nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
		"connect":                     "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"another protocol":            "SSH-2.0-OpenSSH_9.9\r\n\r\n",
		"body that ends early":        "POST /v1/repositories HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"id\":\"new\"}",
		"declared above the limit":    "PUT /v1/repositories/shop/files/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\nExpect: 100-continue\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			status := s.sendRaw(t, raw, name == "body that ends early")
			require.GreaterOrEqual(t, status, 400)
			require.Less(t, status, 600)
			if status >= 500 {
				require.Contains(t, []int{http.StatusNotImplemented, http.StatusHTTPVersionNotSupported}, status)
			}
		})
	}
	require.Empty(t, changed(before, contents(t, s.data)))
}

// sendRaw sends bytes, closes its side if asked to, and returns the status of the first answer.
func (s *shop) sendRaw(t *testing.T, raw string, thenClose bool) int {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, _ = io.Copy(conn, strings.NewReader(raw)) // the server may answer, and close, before it has read all
	if thenClose {
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestAClientThatSendsHeadersWithoutEndIsCutOff(t *testing.T) {
	s := newShop(t)
	conn, err := net.Dial("tcp", s.address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, conn)
	require.NoError(t, err, "the server keeps the connection")
}
