package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

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
	return append(inputs, []badInput{
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
	}...)
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
	return append(inputs, []badInput{
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
	}...)
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
	return append(inputs, []badInput{
		{method: "GET", target: "/v1/repositories/nowhere", statuses: absent, reason: "REPOSITORY_NOT_FOUND"},
		{method: "DELETE", target: "/v1/repositories/nowhere", statuses: absent, reason: "REPOSITORY_NOT_FOUND"},
		{method: "GET", target: inRepository("nowhere", "/tree"), statuses: absent, reason: "REPOSITORY_NOT_FOUND"},
		{method: "GET", target: "/v1/repositories/../repositories/shop", statuses: []int{400, 404}},
		{method: "GET", target: "/v1//repositories/shop", statuses: absent, reason: "METHOD_NOT_FOUND"},
		{method: "POST", target: "/v1/repositories", body: object("id", "shop"), statuses: []int{409}, reason: "REPOSITORY_EXISTS"},
		{method: "POST", target: "/v1/repositories", body: object("id", "new", "object_format", "md5"), statuses: invalid, field: "object_format"},
		{method: "POST", target: "/v1/repositories", body: object("id", "new", "path", "/etc"), statuses: invalid, field: "path"},
		{method: "POST", target: "/v1/repositories", body: object("id", 7), statuses: invalid, field: "id"},
	}...)
}

// badConditions are compare-and-swaps that lose.
func (s *shop) badConditions() (inputs []badInput) {
	conflict, failed := []int{http.StatusConflict}, []int{http.StatusPreconditionFailed}
	file := inRepository("shop", "/files/a.md?branch=main")
	stale := `"` + strings.Repeat("1", 40) + `"`
	null := strings.Repeat("0", 40)
	return append(inputs, []badInput{
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
	}...)
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
	return append(inputs, []badInput{
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
	}...)
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
	return append(inputs, []badInput{
		{method: "GET", target: "/v1/repositories?page_size=-1", statuses: invalid, reason: "INVALID_PAGE_SIZE"},
		{method: "GET", target: "/v1/repositories?page_token=x", statuses: invalid, reason: "INVALID_PAGE_TOKEN"},
		{method: "GET", target: inRepository("shop", "/tags/latest?range=%5E9"), statuses: []int{404}, reason: "REF_NOT_FOUND"},
		{method: "PUT", target: inRepository("shop", "/files/x.md?executable=1"), body: "x", statuses: invalid, field: "executable"},
		{method: "PUT", target: inRepository("shop", "/files/x.md?message="), body: "x", statuses: invalid, reason: "INVALID_MESSAGE"},
		{method: "PUT", target: inRepository("shop", "/files/x.md?author_name=A"), body: "x", statuses: invalid, reason: "INVALID_SIGNATURE"},
		{method: "PUT", target: inRepository("shop", "/files/x.md?request_id=1"), body: "x", statuses: invalid, reason: "INVALID_REQUEST_ID"},
		{method: "PUT", target: inRepository("shop", "/files/x.md?expected_head=1"), body: "x", statuses: invalid, reason: "INVALID_OBJECT_ID"},
	}...)
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
		{method: "GET", target: "/nowhere", statuses: gone, reason: "METHOD_NOT_FOUND"},
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
