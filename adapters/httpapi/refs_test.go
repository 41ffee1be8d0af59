package httpapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
)

func TestARepositoryIsCreatedListedAndDeleted(t *testing.T) {
	c := serve(t, newStore(t), httpapi.Options{})
	made := c.post("/v1/repositories", `{"id":"shop","default_branch":"trunk","object_format":"sha256"}`).wants(http.StatusCreated)
	if got := made.header.Get("Location"); got != shop {
		t.Errorf("Location %q", got)
	}
	got := c.get(shop).wants(http.StatusOK).json()
	if got["id"] != "shop" || got["default_branch"] != "trunk" || got["object_format"] != "sha256" || got["empty"] != true {
		t.Errorf("repository %v", got)
	}
	commit := c.put(shop+"/files/f", "x").wants(http.StatusCreated).json()["commit_id"].(string)
	if len(commit) != 64 {
		t.Errorf("commit %s of a sha256 repository", commit)
	}
	for id, kind := range map[string]string{"b": "application/json; charset=utf-8", "a": "application/x-www-form-urlencoded", "c": "application/vnd.shop+json"} {
		c.post("/v1/repositories", `{"id":"`+id+`"}`, header("Content-Type", kind)).wants(http.StatusCreated)
	}
	first := c.get("/v1/repositories?page_size=3").wants(http.StatusOK)
	rest := c.get("/v1/repositories?page_size=3&page_token=" + first.next()).wants(http.StatusOK)
	if all := slices.Concat(first.items("id"), rest.items("id")); !slices.Equal(all, []string{"a", "b", "c", "shop"}) || rest.next() != "" {
		t.Errorf("listed %v, then %q", all, rest.next())
	}
	if a := c.delete(shop).wants(http.StatusNoContent); len(a.body) != 0 {
		t.Errorf("a deletion answered %q", a.body)
	}
	c.get(shop).problem(http.StatusNotFound, "REPOSITORY_NOT_FOUND")
}

func TestAnEmptyRepositoryHasEmptyListsAndNoFiles(t *testing.T) {
	c := newShop(t)
	for _, path := range []string{"/branches", "/tags"} {
		if items := c.get(shop + path).wants(http.StatusOK).items("name"); len(items) != 0 {
			t.Errorf("%s lists %v", path, items)
		}
	}
	for _, path := range []string{"/tree", "/commits", "/files/f", "/commits/main", "/tags/latest", "/compare/main...main"} {
		c.get(shop+path).problem(http.StatusNotFound, "REF_NOT_FOUND")
	}
}

func TestBranchesAreCreatedListedAndDeleted(t *testing.T) {
	c := newShop(t)
	c.put(shop+"/files/f", "x").wants(http.StatusCreated)
	head := c.head()
	made := c.post(shop+"/branches", `{"name":"feature/a/b","target":"main"}`).wants(http.StatusCreated).json()
	if made["name"] != "feature/a/b" || made["ref"] != "refs/heads/feature/a/b" || made["commit_id"] != head {
		t.Errorf("branch %v", made)
	}
	c.post(shop+"/branches", `{"name":"other"}`).wants(http.StatusCreated)
	if got := c.get(shop + "/branches").items("name"); !slices.Equal(got, []string{"feature/a/b", "main", "other"}) {
		t.Errorf("branches %v", got)
	}
	if got := c.get(shop + "/commits/feature/a/b").wants(http.StatusOK).json()["commit_id"]; got != head {
		t.Errorf("the branch is at %v", got)
	}
	c.delete(shop+"/branches/other?expected_head=0123456789012345678901234567890123456789").problem(http.StatusConflict, "REF_MOVED")
	c.delete(shop + "/branches/other?expected_head=" + head).wants(http.StatusNoContent)
	c.delete(shop + "/branches/feature%2Fa%2Fb").wants(http.StatusNoContent)
	if got := c.get(shop + "/branches").items("name"); !slices.Equal(got, []string{"main"}) {
		t.Errorf("branches %v", got)
	}
}

func TestTagsAreInVersionOrder(t *testing.T) {
	c := newShop(t)
	c.put(shop+"/files/f", "x").wants(http.StatusCreated)
	for _, name := range []string{"v1.10.0", "v1.9.0", "2.0.0-rc.1", "latest", "beta"} {
		c.post(shop+"/tags", `{"name":"`+name+`"}`).wants(http.StatusCreated)
	}
	first := c.get(shop + "/tags?page_size=2").wants(http.StatusOK)
	rest := c.get(shop + "/tags?page_token=" + first.next()).wants(http.StatusOK)
	if all := slices.Concat(first.items("name"), rest.items("name")); !slices.Equal(all, []string{"2.0.0-rc.1", "v1.10.0", "v1.9.0", "beta", "latest"}) {
		t.Errorf("tags %v", all)
	}
	for query, want := range map[string]string{"": "v1.10.0", "?prereleases=true": "2.0.0-rc.1", "?range=~1.9": "v1.9.0"} {
		if got := c.get(shop + "/tags/latest" + query).wants(http.StatusOK).json(); got["name"] != want {
			t.Errorf("latest%s is %v, want %s", query, got["name"], want)
		}
	}
}

func TestATagNamedLatestIsStillReachable(t *testing.T) {
	c := newShop(t)
	c.put(shop+"/files/f", "x").wants(http.StatusCreated)
	c.post(shop+"/tags", `{"name":"latest"}`).wants(http.StatusCreated)
	c.get(shop+"/tags/latest").problem(http.StatusNotFound, "REF_NOT_FOUND")
	c.get(shop + "/files/f?ref=refs/tags/latest").wants(http.StatusOK)
	c.delete(shop + "/tags/latest").wants(http.StatusNoContent)
	if got := c.get(shop + "/tags").items("name"); len(got) != 0 {
		t.Errorf("tags %v", got)
	}
}

func TestATagWithAMessageIsAnnotated(t *testing.T) {
	c := newShop(t)
	c.put(shop+"/files/f", "x").wants(http.StatusCreated)
	head := c.head()
	tag := c.post(shop+"/tags", `{"name":"release/v1.0.0","target":"main","message":"First","tagger":{"name":"Ada","email":"ada@example.com","time":"2026-01-31T09:00:00Z"}}`).
		wants(http.StatusCreated).json()
	tagger := tag["tagger"].(map[string]any)
	if tag["annotated"] != true || tag["message"] != "First\n" || tag["commit_id"] != head || tag["target_id"] == head ||
		tagger["name"] != "Ada" || tagger["time"] != "2026-01-31T09:00:00Z" {
		t.Errorf("tag %v", tag)
	}
	light := c.post(shop+"/tags", `{"name":"light"}`).wants(http.StatusCreated).json()
	if _, ok := light["tagger"]; ok || light["annotated"] != false || light["target_id"] != head {
		t.Errorf("light tag %v", light)
	}
	c.delete(shop + "/tags/release/v1.0.0?expected_target=" + tag["target_id"].(string)).wants(http.StatusNoContent)
}

// walk reads a listing page by page and calls between before each page but the first.
func (c *client) walk(path, member string, between func(page int)) []string {
	c.t.Helper()
	var all []string
	token := ""
	for n := 0; ; n++ {
		if n > 0 {
			between(n)
		}
		page := c.get(path + token).wants(http.StatusOK)
		all = append(all, page.items(member)...)
		if page.next() == "" {
			return all
		}
		token = "&page_token=" + page.next()
	}
}

func TestPagesOfACommitDoNotTearWhileTheBranchMoves(t *testing.T) {
	c := newShop(t)
	var paths, commits []string
	for i := range 7 {
		path := fmt.Sprintf("d/%d", i)
		commit := c.put(shop+"/files/"+path, "x").wants(http.StatusCreated).json()["commit_id"].(string)
		paths, commits = append(paths, path), append([]string{commit}, commits...)
	}
	move := func(page int) { c.put(fmt.Sprintf("%s/files/d/0-%d", shop, page), "new").wants(http.StatusCreated) }
	if got := c.walk(shop+"/commits?ref=main&page_size=3", "commit_id", move); !slices.Equal(got, commits) {
		t.Errorf("history while the branch moves: %v, want %v", got, commits)
	}
	begun := c.get(shop + "/tree?recursive=true&page_size=1000").items("path")
	if got := c.walk(shop+"/tree?recursive=true&page_size=2", "path", func(page int) { move(100 + page) }); !slices.Equal(got, begun) {
		t.Errorf("tree while the branch moves: %v, want %v", got, begun)
	}
	if len(paths) == len(begun) {
		t.Error("the branch did not move between the pages")
	}
	for i := range 5 {
		c.post(shop+"/branches", fmt.Sprintf(`{"name":"b%d"}`, i)).wants(http.StatusCreated)
	}
	if got := c.walk(shop+"/branches?page_size=2", "name", func(int) {}); !slices.Equal(got, []string{"b0", "b1", "b2", "b3", "b4", "main"}) {
		t.Errorf("branches %v", got)
	}
}

func TestAPageTokenBelongsToItsQuestion(t *testing.T) {
	c := newShop(t)
	c.post("/v1/repositories", `{"id":"other"}`).wants(http.StatusCreated)
	for i := range 3 {
		c.put(fmt.Sprintf("%s/files/f%d", shop, i), "x").wants(http.StatusCreated)
		c.put(fmt.Sprintf("/v1/repositories/other/files/f%d", i), "x").wants(http.StatusCreated)
	}
	token := c.get(shop + "/tree?page_size=1").next()
	c.get(shop + "/tree?page_size=2&page_token=" + token).wants(http.StatusOK)
	for _, other := range []string{
		shop + "/tree?recursive=true&page_token=", shop + "/tree?ref=main&page_token=", "/v1/repositories/other/tree?page_token=",
		shop + "/commits?page_token=", shop + "/branches?page_token=",
	} {
		c.get(other+token).problem(http.StatusBadRequest, "INVALID_PAGE_TOKEN").field("page_token")
	}
}

func TestHistoryIsFiltered(t *testing.T) {
	c := newShop(t)
	for i, author := range []string{"Ada", "Grace", "Ada"} {
		body := fmt.Sprintf(`{"branch":"main","message":"%d","author":{"name":"%s","email":"x@example.com","time":"2026-01-0%dT00:00:00Z"},
			"committer":{"name":"C","email":"c@example.com","time":"2026-01-0%dT00:00:00Z"},"actions":[{"action":"upsert","path":"f%d","content":"%d"}]}`,
			i, author, i+1, i+1, i%2, i)
		c.post(shop+"/commits", body).wants(http.StatusCreated)
	}
	for query, want := range map[string]string{
		"": "2 1 0", "author=ada": "2 0", "path=f1": "1", "since=2026-01-02T00:00:00Z": "2 1", "until=2026-01-02T00:00:00Z": "1 0",
		"since=2026-01-02T01:00:00%2B01:00&until=2026-01-02T00:00:00Z": "1", "first_parent=true": "2 1 0", "path=nowhere": "",
	} {
		got := strings.Join(strings.Fields(strings.Join(c.get(shop+"/commits?"+query).wants(http.StatusOK).items("message"), " ")), " ")
		if got != want {
			t.Errorf("commits?%s: %q, want %q", query, got, want)
		}
	}
}

func TestADirectoryIsListed(t *testing.T) {
	c := newShop(t)
	for _, path := range []string{"a.b", "a/c", "a/d/e", "z"} {
		c.put(shop+"/files/"+path, "1234").wants(http.StatusCreated)
	}
	for query, want := range map[string]string{
		"": "a a.b z", "?recursive=true": "a.b a/c a/d/e z", "?prefix=a": "a/c a/d", "?prefix=a&recursive=true": "a/c a/d/e", "?prefix=": "a a.b z",
	} {
		tree := c.get(shop + "/tree" + query).wants(http.StatusOK)
		if got := strings.Join(tree.items("path"), " "); got != want {
			t.Errorf("tree%s: %q, want %q", query, got, want)
		}
		if tree.json()["commit_id"] != tree.header.Get("GitStore-Commit") {
			t.Errorf("tree%s is of %v", query, tree.json()["commit_id"])
		}
	}
	entry := c.get(shop + "/tree?prefix=a").json()["items"].([]any)[0].(map[string]any)
	if entry["type"] != "file" || entry["mode"] != "100644" || entry["size"] != 4.0 || len(entry["id"].(string)) != 40 {
		t.Errorf("entry %v", entry)
	}
}
