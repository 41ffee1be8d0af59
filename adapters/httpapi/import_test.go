package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// imported serves the repository "shop" made of a git fast-import stream. It is of the git binary, which the diff has to
// agree with, so this is also where the API meets a real store.
func imported(t *testing.T, stream string) *client {
	t.Helper()
	store, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), Identity: git.Signature{Name: "GitStore", Email: "gitstore@localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	c := serve(t, store, httpapi.Options{})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	id, err := git.ParseRepositoryID("shop")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Import(t.Context(), id, strings.NewReader(stream+"done\n")); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNamesThatAreNotUTF8AreShownWholeAndServed(t *testing.T) {
	c := imported(t, "commit refs/heads/caf\xe9\ncommitter C <c@example.com> 1767225600 +0000\ndata 4\nm\xe9s\n"+
		"M 100644 inline \"caf\\351.txt\"\ndata 2\nhi\n\nreset refs/heads/main\nfrom refs/heads/caf\xe9\n\n")
	entry := c.get(shop + "/tree").wants(http.StatusOK).json()["items"].([]any)[0].(map[string]any)
	if raw, _ := base64.StdEncoding.DecodeString(entry["path_base64"].(string)); entry["path"] != "caf\ufffd.txt" || string(raw) != "caf\xe9.txt" {
		t.Errorf("entry %v", entry)
	}
	if got := c.get(shop + "/files/caf%E9.txt").wants(http.StatusOK); string(got.body) != "hi" {
		t.Errorf("content %q", got.body)
	}
	branch := c.get(shop + "/branches").wants(http.StatusOK).json()["items"].([]any)[0].(map[string]any)
	if raw, _ := base64.StdEncoding.DecodeString(branch["name_base64"].(string)); string(raw) != "caf\xe9" {
		t.Errorf("branch %v", branch)
	}
	commit := c.get(shop + "/commits/caf%E9").wants(http.StatusOK).json()
	if raw, _ := base64.StdEncoding.DecodeString(commit["message_base64"].(string)); string(raw) != "m\xe9s\n" {
		t.Errorf("commit %v", commit)
	}
	c.get(shop + "/tree?ref=caf%E9").wants(http.StatusOK)
	c.get(shop + "/commits?path=caf%E9.txt").wants(http.StatusOK)
}

func TestASymbolicLinkIsReadAsItsTarget(t *testing.T) {
	c := imported(t, "commit refs/heads/main\ncommitter C <c@example.com> 1767225600 +0000\ndata 1\nm\n"+
		"M 120000 inline link\ndata 11\n/etc/passwd\nM 160000 0123456789012345678901234567890123456789 sub\n\n")
	if got := c.get(shop + "/files/link").wants(http.StatusOK); string(got.body) != "/etc/passwd" {
		t.Errorf("content %q", got.body)
	}
	c.get(shop+"/files/sub").problem(http.StatusConflict, "NOT_A_FILE")
	if got := strings.Join(c.get(shop+"/tree").items("type"), " "); got != "symlink submodule" {
		t.Errorf("types %q", got)
	}
}

var compared = `commit refs/heads/main
committer C <c@example.com> 1767225600 +0000
data 4
base
M 100644 inline changed.md
data 12
one
two
six

M 100644 inline deleted.md
data 4
bye

M 100644 inline binary.bin
data 5
` + "\x00\x01\x02\x03\x04" + `
M 100644 inline gone.bin
data 3
` + "\x00\x01\x02" + `
M 100644 inline mode.sh
data 3
run
M 100644 inline becomes-link
data 5
file

M 120000 inline becomes-file
data 4
dest
M 100644 inline "with space"
data 2
a

M 100644 inline no-newline
data 3
end
M 160000 0123456789012345678901234567890123456789 sub

commit refs/heads/topic
committer C <c@example.com> 1767225601 +0000
data 5
topic
from refs/heads/main
M 100644 inline changed.md
data 14
one
three
six

D deleted.md
M 100644 inline binary.bin
data 300
` + binary300 + `
D gone.bin
M 100755 inline mode.sh
data 3
run
M 120000 inline becomes-link
data 4
dest
M 100644 inline becomes-file
data 5
file

M 100644 inline "with space"
data 2
b

M 100644 inline no-newline
data 4
end!
M 100644 inline "caf\303\251 \"quoted\".md"
data 2
x

M 100644 inline empty
data 0

M 100755 inline new.bin
data 2
` + "\x00\xff" + `
M 160000 abcdefabcdefabcdefabcdefabcdefabcdefabcd sub

commit refs/heads/main
committer C <c@example.com> 1767225602 +0000
data 4
main
M 100644 inline only-on-main
data 1
x
`

var binary300 = func() string {
	b := make([]byte, 300)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return string(b)
}()

func TestCompareShowsWhatHeadChangedSinceTheMergeBase(t *testing.T) {
	c := imported(t, compared)
	a := c.get(shop + "/compare/main...topic").wants(http.StatusOK)
	out := a.json()
	mergeBase := c.get(shop + "/commits?ref=topic").items("commit_id")[1]
	if out["merge_base"] != mergeBase || out["base"] != c.head() || out["base"] == mergeBase || out["head"] != a.header.Get("GitStore-Commit") || out["truncated"] != false {
		t.Errorf("base %v, head %v, merge base %v", out["base"], out["head"], out["merge_base"])
	}
	files := map[string]map[string]any{}
	for _, f := range out["files"].([]any) {
		f := f.(map[string]any)
		files[f["path"].(string)] = f
	}
	for path, want := range map[string]string{
		"changed.md": "modified", "deleted.md": "deleted", "binary.bin": "modified", "empty": "added", "mode.sh": "modified",
		"becomes-link": "type_changed", `café "quoted".md`: "added", "sub": "modified",
	} {
		if files[path]["status"] != want {
			t.Errorf("%s: %v, want %s", path, files[path], want)
		}
	}
	if _, ok := files["only-on-main"]; ok || len(files) != 13 {
		t.Errorf("%d files: %s", len(files), a.body)
	}
	changed := files["changed.md"]
	if changed["patch"] != "@@ -1,3 +1,3 @@\n one\n-two\n+three\n six\n" || changed["added"] != 1.0 || changed["removed"] != 1.0 || changed["binary"] != false {
		t.Errorf("changed.md: %v", changed)
	}
	if bin := files["binary.bin"]; bin["binary"] != true || bin["patch"] != "" {
		t.Errorf("binary.bin: %v", bin)
	}
	if mode := files["mode.sh"]; mode["old_mode"] != "100644" || mode["new_mode"] != "100755" || mode["old_blob_id"] != mode["new_blob_id"] {
		t.Errorf("mode.sh: %v", mode)
	}
	if empty := files["empty"]; empty["old_mode"] != "" || empty["old_blob_id"] != "" {
		t.Errorf("empty: %v", empty)
	}
	only := c.get(shop + "/compare/main...topic?path=empty&path=mode.sh").wants(http.StatusOK).json()["files"].([]any)
	if len(only) != 2 {
		t.Errorf("two paths gave %v", only)
	}
	same := c.get(shop + "/compare/topic...topic").wants(http.StatusOK).json()["files"].([]any)
	if len(same) != 0 {
		t.Errorf("a commit differs from itself in %v", same)
	}
}

// git apply is what the format is for.
func TestTheDiffIsOneThatGitApplies(t *testing.T) {
	c := imported(t, compared)
	mergeBase := c.get(shop + "/commits?ref=topic").items("commit_id")[1]
	for _, opts := range [][]option{{header("Accept", "text/x-diff")}, nil} {
		path := shop + "/compare/main...topic"
		if opts == nil {
			path += "?format=diff"
		}
		diff := c.get(path, opts...).wants(http.StatusOK)
		if got := diff.header.Get("Content-Type"); got != "text/x-diff; charset=utf-8" {
			t.Errorf("content type %q", got)
		}
		dir := t.TempDir()
		c.checkout(dir, mergeBase)
		runGit(t, dir, diff.body, "apply", "--check", "--index", "-")
		runGit(t, dir, diff.body, "apply", "--index", "-")
		tree := strings.TrimSpace(runGit(t, dir, nil, "write-tree"))
		if want := c.get(shop + "/commits/topic").json()["tree_id"]; tree != want {
			t.Errorf("the diff leads to tree %s, want %v\n%s", tree, want, diff.body)
		}
	}
	if empty := c.get(shop + "/compare/topic...topic?format=diff").wants(http.StatusOK); len(empty.body) != 0 {
		t.Errorf("an empty diff is %q", empty.body)
	}
	if json := c.get(shop+"/compare/topic...topic", header("Accept", "text/x-diff;q=0.1, application/json")).wants(http.StatusOK); len(json.json()) == 0 {
		t.Error("JSON was preferred")
	}
}

// checkout writes a commit's files to a new work tree in dir, and stages them.
func (c *client) checkout(dir, commit string) {
	c.t.Helper()
	runGit(c.t, dir, nil, "init", "-q")
	for _, item := range c.get(shop + "/tree?recursive=true&ref=" + commit).wants(http.StatusOK).json()["items"].([]any) {
		entry := item.(map[string]any)
		path, mode := entry["path"].(string), entry["mode"].(string)
		id := entry["id"].(string)
		if mode != "160000" {
			content := c.get(shop + "/files/" + strings.ReplaceAll(path, " ", "%20") + "?ref=" + commit).wants(http.StatusOK).body
			id = strings.TrimSpace(runGit(c.t, dir, content, "hash-object", "-w", "--stdin"))
		}
		runGit(c.t, dir, nil, "update-index", "--add", "--cacheinfo", mode+","+id+","+path)
	}
	runGit(c.t, dir, nil, "checkout-index", "-a")
	runGit(c.t, dir, nil, "update-index", "-q", "--refresh")
}

func runGit(t testing.TB, dir string, stdin []byte, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(dir, "home"), "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %s: %v\n%s\n%s", strings.Join(args, " "), err, &stderr, stdin)
	}
	return string(out)
}

func TestALargeComparisonIsBounded(t *testing.T) {
	c := newShop(t)
	c.put(shop+"/files/f", "x").wants(http.StatusCreated)
	base := c.head()
	var actions []any
	for i := range 12 { // each below the limit of a file's diff, in all above that of the answer
		text := strings.Repeat(strings.Repeat(string(rune('a'+i)), 99)+"\n", 9000)
		actions = append(actions, map[string]any{"action": "create", "path": "large/" + string(rune('a'+i)), "content": text})
	}
	for i := range 1000 {
		actions = append(actions, map[string]any{"action": "create", "path": "small/" + strings.Repeat("x", i%200+1) + string(rune('a'+i/200)), "content": ""})
	}
	c.post(shop+"/commits", mustJSON(t, map[string]any{"branch": "main", "message": "m", "actions": actions})).wants(http.StatusCreated)
	a := c.get(shop + "/compare/" + base + "...main").wants(http.StatusOK)
	out := a.json()
	if files := out["files"].([]any); len(files) != 1000 || out["truncated"] != true || len(a.body) > 10<<20 {
		t.Errorf("%d files, truncated %v, %d bytes", len(files), out["truncated"], len(a.body))
	}
	last := out["files"].([]any)[11].(map[string]any)
	if last["truncated"] != true || last["patch"] != "" || last["added"] != 9000.0 {
		t.Errorf("a file whose patch was left out: %v", last)
	}
	if diff := c.get(shop + "/compare/" + base + "...main?format=diff").wants(http.StatusOK); len(diff.body) < 12*900000 {
		t.Errorf("the diff has %d bytes", len(diff.body))
	}
}
