package httpapi_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
)

func TestManyActionsMakeOneCommit(t *testing.T) {
	c := newShop(t)
	c.post(shop+"/commits", `{"branch":"main","message":"Begin","actions":[
		{"action":"create","path":"a.md","content":"a\n"},
		{"action":"create","path":"b.md","content":"b\n"},
		{"action":"create","path":"c.sh","content":"c\n"}]}`).wants(http.StatusCreated)
	blob := strings.Trim(c.get(shop+"/files/b.md").header.Get("ETag"), `"`)
	head := c.head()

	result := c.post(shop+"/commits", fmt.Sprintf(`{"branch":"main","message":"Change","author":{"name":"Ada","email":"ada@example.com","time":"2026-01-31T09:00:00+01:00"},
		"expected_head":%q,"actions":[
		{"action":"update","path":"a.md","content":""},
		{"action":"move","from":"b.md","path":"d/b.md","expected_blob_id":%q},
		{"action":"chmod","path":"c.sh","executable":true},
		{"action":"upsert","path":"bytes","content_base64":"AAEC\/w=="},
		{"action":"create","path":"new.md","content":"\u00e9\ud83d\ude00\u0000","expected_blob_id":""}]}`, head, blob)).wants(http.StatusCreated)
	out := result.json()
	if out["parent_id"] != head || out["commit_id"] != c.head() || len(out["blobs"].(map[string]any)) != 5 {
		t.Errorf("result %s", result.body)
	}
	for path, want := range map[string]string{"a.md": "", "d/b.md": "b\n", "c.sh": "c\n", "bytes": "\x00\x01\x02\xff", "new.md": "é😀\x00"} {
		if got := c.get(shop + "/files/" + path).wants(http.StatusOK); string(got.body) != want {
			t.Errorf("%s is %q, want %q", path, got.body, want)
		}
	}
	commit := c.get(shop + "/commits/" + out["commit_id"].(string)).wants(http.StatusOK).json()
	if author := commit["author"].(map[string]any); author["time"] != "2026-01-31T09:00:00+01:00" || commit["message"] != "Change\n" {
		t.Errorf("commit %v", commit)
	}
}

func TestADryRunChecksEverythingAndMakesNothing(t *testing.T) {
	c := newShop(t)
	c.put(shop+"/files/f", "one").wants(http.StatusCreated)
	head := c.head()
	// dry_run behind the actions has to count as well.
	for _, body := range []string{
		`{"branch":"main","message":"m","dry_run":true,"actions":[{"action":"upsert","path":"f","content":"two"}]}`,
		`{"branch":"main","message":"m","actions":[{"action":"upsert","path":"f","content":"two"}],"dry_run":true}`,
		`{"actions":[{"action":"upsert","path":"f","content":"two"}],"dry_run":true,"message":"m","branch":"main"}`,
	} {
		c.post(shop+"/commits", body).wants(http.StatusOK)
	}
	c.post(shop+"/commits", `{"branch":"main","message":"m","dry_run":true,"actions":[{"action":"create","path":"f","content":"two"}]}`).
		problem(http.StatusConflict, "PATH_EXISTS")
	if c.head() != head {
		t.Error("a dry run made a commit")
	}
}

func TestABranchIsStartedByACommit(t *testing.T) {
	c := newShop(t)
	c.put(shop+"/files/f", "one").wants(http.StatusCreated)
	c.post(shop+"/commits", `{"branch":"feature/x","start_revision":"main","message":"m","actions":[{"action":"update","path":"f","content":"two"}]}`).wants(http.StatusCreated)
	if got := c.get(shop + "/files/f?ref=feature/x"); string(got.body) != "two" {
		t.Errorf("the branch has %q", got.body)
	}
	c.post(shop+"/commits", `{"branch":"other","message":"m","actions":[{"action":"upsert","path":"f","content":"two"}]}`).problem(http.StatusNotFound, "REF_NOT_FOUND")
}

func TestACommitIsReplayedIfItsPathsAreUntouched(t *testing.T) {
	c := newShop(t)
	c.put(shop+"/files/f", "one").wants(http.StatusCreated)
	old := c.head()
	c.put(shop+"/files/g", "one").wants(http.StatusCreated)
	body := `{"branch":"main","message":"m","expected_head":"` + old + `","on_conflict":"%s","actions":[{"action":"update","path":"%s","content":"two"}]}`
	c.post(shop+"/commits", fmt.Sprintf(body, "fail", "f")).problem(http.StatusConflict, "REF_MOVED")
	c.post(shop+"/commits", fmt.Sprintf(body, "replay_if_paths_untouched", "f")).wants(http.StatusCreated)
	c.post(shop+"/commits", fmt.Sprintf(body, "replay_if_paths_untouched", "g")).wants(http.StatusConflict)
}

// Small limits show what the large ones do.
func TestTheOrderOfMembersMattersOnlyAboveTheBuffer(t *testing.T) {
	c := serve(t, newStore(t), httpapi.Options{MaxBufferedActions: 4 << 20, MaxActionContent: 2 << 20})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	actions := func(mib int) string {
		list := make([]string, mib)
		for i := range list {
			list[i] = fmt.Sprintf(`{"action":"upsert","path":"f%d","content":"%s"}`, i, strings.Repeat("x", 1<<20))
		}
		return `"actions":[` + strings.Join(list, ",") + `]`
	}
	const head = `"branch":"main","message":"m"`
	c.post(shop+"/commits", `{`+head+`,`+actions(6)+`}`).wants(http.StatusCreated)
	c.post(shop+"/commits", `{`+actions(3)+`,`+head+`,"allow_empty":true}`).wants(http.StatusCreated)
	c.post(shop+"/commits", `{`+actions(6)+`,`+head+`}`).problem(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE").field("actions")
	before := c.head()
	c.post(shop+"/commits", `{`+head+`,`+actions(3)+`,"dry_run":true}`).problem(http.StatusBadRequest, "INVALID_ARGUMENT").field("dry_run")
	c.post(shop+"/commits", `{`+head+`,`+actions(3)+`} {}`).problem(http.StatusBadRequest, "INVALID_ARGUMENT")
	c.post(shop+"/commits", `{`+head+`,`+actions(3)).problem(http.StatusBadRequest, "INVALID_ARGUMENT")
	large := fmt.Sprintf(`{"action":"create","path":"large","content":"%s"}`, strings.Repeat("x", 3<<20))
	for at, body := range map[string]string{
		"actions[0]": `{` + head + `,"actions":[` + large + `]}`,
		"actions[1]": `{` + head + `,"actions":[{"action":"create","path":"s","content":""},` + large + `]}`,
	} {
		c.post(shop+"/commits", body).problem(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE").field(at)
	}
	huge := fmt.Sprintf(`{"action":"create","path":"huge","content":"%s"}`, strings.Repeat("x", 8<<20))
	c.post(shop+"/commits", `{`+head+`,"actions":[`+huge+`]}`).problem(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
	c.post(shop+"/commits", `{`+head+`,"author":{"name":"`+strings.Repeat("x", 3<<20)+`"}}`).problem(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
	if c.head() != before {
		t.Error("a refused commit changed the branch")
	}
}

func TestBase64IsReadToTheLetter(t *testing.T) {
	c := newShop(t)
	commit := func(text string) answer {
		return c.post(shop+"/commits", mustJSON(t, map[string]any{
			"branch": "main", "message": "m", "actions": []any{map[string]any{"action": "upsert", "path": "f", "content_base64": text}},
		}))
	}
	for _, content := range []string{"", "a", "ab", "abc", "\xfb\xff\xfe"} {
		commit(base64.StdEncoding.EncodeToString([]byte(content)))
		if got := c.get(shop + "/files/f").wants(http.StatusOK); string(got.body) != content {
			t.Errorf("%q came back as %q", content, got.body)
		}
	}
	for _, text := range []string{"YQ", "YQ=", "YR==", "YWJj\n", "YW Jj", "-_-_", "YWJj=", "é", "===="} {
		commit(text).problem(http.StatusBadRequest, "INVALID_ARGUMENT").field("actions[0].content_base64")
	}
}
