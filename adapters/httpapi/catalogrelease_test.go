package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/ports"
)

const releases = shop + "/releases"

// soundShop is a shop with nothing wrong.
func soundShop() map[string]string {
	files := smallShop()
	delete(files, "products/d.md")
	delete(files, "products/bad.md")
	files["collections/picks.md"] = strings.Replace(files["collections/picks.md"], "SKU-gone, ", "", 1)
	return files
}

func TestAReleaseIsATagOfACheckedCatalog(t *testing.T) {
	w := openShop(t, soundShop())
	head := w.head()
	dry := w.post(releases, `{"version":"1.0.0","dry_run":true}`).wants(http.StatusOK).json()
	w.get(releases+"/latest").problem(http.StatusNotFound, "REF_NOT_FOUND")
	a := w.post(releases, `{"version":"v1.0.0","message":"The first","tagger":{"name":"Ada","email":"ada@example.com"}}`).wants(http.StatusCreated)
	got := a.json()
	if got["tag"] != "v1.0.0" || got["version"] != "1.0.0" || got["commit_id"] != head || dry["commit_id"] != head || !strings.HasPrefix(got["message"].(string), "The first") ||
		got["tagger"].(map[string]any)["name"] != "Ada" || a.header.Get("Location") != releases+"/1.0.0" || a.header.Get("GitStore-Commit") != head {
		t.Errorf("the release is %v %v", got, a.header)
	}
	b := w.post(releases, `{"version":"1.1.0","message":"Dearer","commit_message":"Raise a price","changes":[{"action":"patch","kind":"Product","id":"a","document":{"price":"9.00"}}]}`).wants(http.StatusCreated).json()
	if b["commit_id"] != w.head() || w.head() == head || w.get(shopCatalog + "/products/a?at=v1.1.0").json()["price"] != "9.00" {
		t.Errorf("the release with a commit is %v", b)
	}
	if m := w.get(shop + "/commits/main").json()["message"].(string); !strings.HasPrefix(m, "Raise a price") {
		t.Errorf("the commit says %q", m)
	}
	w.post(releases, `{"version":"2.0.0-rc.1","revision":"v1.0.0"}`).wants(http.StatusCreated)
	w.post(shop+"/tags", `{"name":"nightly"}`).wants(http.StatusCreated)
	if got := w.get(releases).wants(http.StatusOK).items("version"); strings.Join(got, " ") != "2.0.0-rc.1 1.1.0 1.0.0" {
		t.Errorf("the releases are %q", got)
	}
	first := w.get(releases + "?page_size=3").wants(http.StatusOK)
	second := w.get(releases + "?page_size=3&page_token=" + first.next()).wants(http.StatusOK)
	if len(second.items("version")) != 0 || second.next() != "" {
		t.Errorf("behind the releases there is %s", second.body)
	}
	for path, want := range map[string]string{"/latest": "1.1.0", "/latest?prereleases=true": "2.0.0-rc.1", "/1.0.0": "1.0.0", "/v1.0.0": "1.0.0", "/2.0.0-rc.1": "2.0.0-rc.1"} {
		if got := w.get(releases + path).wants(http.StatusOK).json(); got["version"] != want {
			t.Errorf("%s is %v, want %s", path, got, want)
		}
	}
}

func TestAReleaseSaysWhetherItIsLive(t *testing.T) {
	w := openShop(t, soundShop())
	for _, tt := range []struct {
		version string
		want    bool
	}{{"1.0.0-rc.1", false}, {"1.10.0", true}, {"1.9.0", false}, {"1.11.0-rc.1", false}, {"1.10.1", true}} {
		dry := w.post(releases, `{"version":"`+tt.version+`","dry_run":true}`).wants(http.StatusOK).json()
		made := w.post(releases, `{"version":"`+tt.version+`"}`).wants(http.StatusCreated).json()
		if dry["latest"] != tt.want || made["latest"] != tt.want {
			t.Errorf("that %s is the latest is told as %v, and before as %v", tt.version, made["latest"], dry["latest"])
		}
	}
	described := member(w.get("/openapi.json").json(), "components", "schemas", "Release", "properties")
	for name := range w.get(releases + "/latest").wants(http.StatusOK).json() {
		if described[name] == nil || name == "latest" {
			t.Errorf("%s is not described, or told of a release that was made before", name)
		}
	}
	if described["latest"] == nil {
		t.Error("latest is not described")
	}
	back := w.post(releases+"/1.9.0/rollback", `{}`).wants(http.StatusCreated).json()
	if back["version"] != "1.10.2" || back["latest"] != true {
		t.Errorf("the rollback is %v", back)
	}
}

func TestAReleaseThatNobodyValidatedIsNotRolledBackTo(t *testing.T) {
	w := openShop(t, smallShop())
	w.post(shop+"/tags", `{"name":"v1.0.0","message":"Pushed"}`).wants(http.StatusCreated)
	w.edit(map[string]string{"products/bad.md": productFile("bad", "early", ""), "categories/nowhere.md": categoryFile("nowhere", "root", 3), "products/gone.md": productFile("gone", "early", "")})
	w.post(releases, `{"version":"1.1.0"}`).wants(http.StatusCreated)
	refused := w.post(releases+"/1.0.0/rollback", `{}`).problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT")
	if problems, _ := refused.json()["problems"].([]any); len(problems) == 0 {
		t.Errorf("the refusal does not say why: %s", refused.body)
	}
	if got := w.get(releases + "/latest").json()["version"]; got != "1.1.0" {
		t.Errorf("%v is the latest release", got)
	}
}

func TestAReleaseIsRepeatedForOneRequestAlone(t *testing.T) {
	w := openShop(t, soundShop())
	const of0, of1 = `,"request_id":"6f9619ff-8b86-d011-b42d-00cf4fc964f0"`, `,"request_id":"6f9619ff-8b86-d011-b42d-00cf4fc964f1"`
	for version, more := range map[string]string{"1.0.0": of0, "1.1.0": `,"changes":[{"action":"patch","kind":"Product","id":"a","document":{"price":"9.00"}}]` + of1} {
		body := `{"version":"` + version + `"` + more + "}"
		first := w.post(releases, body).wants(http.StatusCreated).json()
		w.patch(shopCatalog+"/products/b", `{"title":"After `+version+`"}`).wants(http.StatusOK)
		head := w.head()
		again := w.post(releases, body).wants(http.StatusCreated).json()
		if again["target_id"] != first["target_id"] || w.head() != head {
			t.Errorf("the retry of %s is %v, want %v", version, again, first)
		}
		w.post(releases, strings.Replace(body, `"version"`, `"message":"Another","version"`, 1)).problem(http.StatusConflict, "REQUEST_ID_REUSED")
		w.post(releases, `{"version":"`+version+`"}`).problem(http.StatusConflict, "REF_EXISTS").field("version")
	}
}

func TestARequestIDIsThatOfOneReleaseAlone(t *testing.T) {
	w := openShop(t, soundShop())
	request := func(n int) string { return fmt.Sprintf(`"request_id":"6f9619ff-8b86-d011-b42d-00cf4fc964f%d"`, n) }
	const deletes = `"changes":[{"action":"delete","kind":"Note","id":"n1"}],`
	w.post(releases, `{"version":"1.0.0",`+request(0)+`}`).wants(http.StatusCreated)
	w.post(releases, `{"version":"1.1.0",`+deletes+request(1)+`}`).wants(http.StatusCreated)
	w.post(releases+"/1.0.0/rollback", `{"version":"1.2.0",`+request(2)+`}`).wants(http.StatusCreated)
	w.patch(shopCatalog+"/products/a?request_id=6f9619ff-8b86-d011-b42d-00cf4fc964f3", `{"price":"9.00"}`).wants(http.StatusOK)
	for body, path := range map[string]string{
		`{"version":"2.0.0",` + request(0) + `}`:                                                             releases,
		`{"version":"2.0.0",` + request(1) + `}`:                                                             releases,
		`{"version":"2.0.0",` + deletes + request(1) + `}`:                                                   releases,
		`{"version":"1.1.0","changes":[{"action":"delete","kind":"Note","id":"nobody"}],` + request(1) + `}`: releases,
		`{"version":"2.0.0",` + request(2) + `}`:                                                             releases,
		`{"version":"2.0.1",` + request(2) + `}`:                                                             releases + "/1.0.0/rollback",
		`{"version":"2.0.2",` + request(0) + `}`:                                                             releases + "/1.0.0/rollback",
		`{"version":"2.0.0",` + deletes + request(3) + `}`:                                                   releases,
	} {
		w.post(path, body).problem(http.StatusConflict, "REQUEST_ID_REUSED").field("request_id")
	}
	if got := w.get(releases).items("version"); strings.Join(got, " ") != "1.2.0 1.1.0 1.0.0" {
		t.Errorf("the releases are %q", got)
	}
	w.post(releases, `{"version":"2.0.0",`+request(4)+`}`).wants(http.StatusCreated)
	for i := range 2 * ports.MaxTagPage / (256 << 10) { // so that a page of tags does not reach to the release
		w.post(shop+"/tags", fmt.Sprintf(`{"name":"v3.0.%d","message":%q}`, i, strings.Repeat("x", 255<<10))).wants(http.StatusCreated)
	}
	w.post(releases, `{"version":"4.0.0",`+request(0)+`}`).problem(http.StatusConflict, "REQUEST_ID_REUSED").field("request_id")
}

func TestAReleaseOfAnInvalidDocumentIsRefusedAndSaysWhy(t *testing.T) {
	w := openShop(t, smallShop())
	a := w.post(releases, `{"version":"1.0.0"}`).problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT")
	var told []string
	for _, p := range a.json()["problems"].([]any) {
		told = append(told, p.(map[string]any)["path"].(string))
	}
	if all := strings.Join(told, " "); !strings.Contains(all, "products/bad.md") || !strings.Contains(all, "products/d.md") || !strings.Contains(all, "collections/picks.md") {
		t.Errorf("the problems are in %s", all)
	}
	w.get(releases+"/latest").problem(http.StatusNotFound, "REF_NOT_FOUND")
	head := w.head()
	w.post(releases, `{"version":"1.0.0","changes":[{"action":"patch","kind":"Product","id":"a","document":{"price":"x"}}]}`).problem(http.StatusUnprocessableEntity, "INVALID_DOCUMENT")
	if w.head() != head {
		t.Error("a release that was refused made a commit")
	}
}

func TestARollbackRestoresEveryFile(t *testing.T) {
	w := openShop(t, soundShop())
	w.post(releases, `{"version":"1.0.0"}`).wants(http.StatusCreated)
	tree := w.get(shop + "/tree?recursive=true&ref=v1.0.0").wants(http.StatusOK).body
	w.edit(map[string]string{"products/a.md": productFile("a", "late", ""), "products/new.md": productFile("new", "late", ""), "README.md": "other"})
	w.post(releases, `{"version":"1.1.0"}`).wants(http.StatusCreated)
	w.patch(shopCatalog+"/products/b", `{"title":"Unreleased"}`).wants(http.StatusOK)
	head := w.head()
	w.post(releases+"/1.0.0/rollback", `{"dry_run":true}`).wants(http.StatusOK)
	back := w.post(releases+"/1.0.0/rollback", `{}`).wants(http.StatusCreated).json()
	if back["version"] != "1.1.1" || back["message"] != "Release 1.1.1: 1.0.0 again\n" || w.get(releases + "/latest").json()["version"] != "1.1.1" {
		t.Errorf("the rollback is %v", back)
	}
	if again := w.get(shop + "/tree?recursive=true&ref=v1.1.1").wants(http.StatusOK).body; string(again) != string(tree) || w.head() != head {
		t.Errorf("after the rollback there is\n%s\nwant\n%s", again, tree)
	}
	const request = `{"version":"1.2.0","request_id":"6f9619ff-8b86-d011-b42d-00cf4fc964ff"}`
	first := w.post(releases+"/v1.1.0/rollback", request).wants(http.StatusCreated).json()
	w.post(releases, `{"version":"1.3.0"}`).wants(http.StatusCreated)
	if again := w.post(releases+"/v1.1.0/rollback", request).wants(http.StatusCreated).json(); again["target_id"] != first["target_id"] {
		t.Errorf("the retry is %v, want %v", again, first)
	}
}

func TestTwoReleasesAreComparedByDocumentsAndFields(t *testing.T) {
	w := openShop(t, soundShop())
	w.post(releases, `{"version":"1.0.0"}`).wants(http.StatusCreated)
	w.post(shopCatalog+"/changes", `{"changes":[
		{"action":"patch","kind":"Product","id":"a","document":{"price":"9.00","tags":["x"],"fields":{"supplier":{"name":"Bob","since":null},"gtin":null,"size":{"w":1}},"body":"New.\n"}},
		{"action":"delete","kind":"Product","id":"b"},
		{"action":"create","kind":"Product","id":"e","document":`+newProduct+`}},
		{"action":"patch","kind":"Category","id":"root","document":{"title":"Top"}}]}`).wants(http.StatusCreated)
	moved := w.get(shop + "/files/products/c.md").body
	actions := fmt.Sprintf(`{"branch":"main","message":"Move and comment","actions":[{"action":"move","from":"products/c.md","path":"products/moved.md","content":%s},
		{"action":"update","path":"categories/late.md","content":%s}]}`, mustJSON(t, string(moved)), mustJSON(t, strings.Replace(categoryFile("late", "root", 2), "title:", "# why\ntitle:", 1)))
	w.post(shop+"/commits", actions).wants(http.StatusCreated)
	w.post(releases, `{"version":"1.1.0"}`).wants(http.StatusCreated)
	const want = `[{"change":"changed","kind":"Category","id":"late","title":"LATE","path":"categories/late.md","fields":[],"body_changed":false},` +
		`{"change":"changed","kind":"Category","id":"root","title":"Top","path":"categories/root.md","fields":[{"field":"title","old":"ROOT","new":"Top"}],"body_changed":false},` +
		`{"change":"changed","kind":"Product","id":"a","title":"Title of a","path":"products/a.md","fields":[{"field":"price","old":"1.50","new":"9.00"},{"field":"tags","old":["x","y"],"new":["x"]},` +
		`{"field":"supplier.name","old":"Ada","new":"Bob"},{"field":"supplier.since","old":1843},{"field":"size","new":{"w":1}},{"field":"gtin","old":"0042"}],"body_changed":true},` +
		`{"change":"removed","kind":"Product","id":"b","title":"Title of b","path":"products/b.md","fields":[],"body_changed":false},` +
		`{"change":"changed","kind":"Product","id":"c","title":"Title of c","path":"products/moved.md","old_path":"products/c.md","fields":[],"body_changed":false},` +
		`{"change":"added","kind":"Product","id":"e","title":"Title: e","path":"products/slug-e.md","fields":[],"body_changed":false}]`
	whole := w.get(shopCatalog + "/diff?from=v1.0.0&to=v1.1.0").wants(http.StatusOK)
	if !strings.Contains(string(whole.body), `"items":`+want+",") {
		t.Errorf("the releases differ by\n%s\nwant\n%s", whole.body, want)
	}
	var paged []string
	for token := ""; ; {
		a := w.get(shopCatalog + "/diff?from=v1.0.0&to=main&page_size=4&page_token=" + token).wants(http.StatusOK)
		paged = append(paged, a.items("id")...)
		w.patch(shopCatalog+"/products/a", `{"title":"Later"}`).wants(http.StatusOK)
		if token = a.next(); token == "" {
			break
		}
	}
	if got := strings.Join(paged, " "); got != "late root a b c e" {
		t.Errorf("in pages they differ by %q", got)
	}
	if got := w.get(shopCatalog + "/diff?from=v1.1.0&to=v1.0.0&kind=Product").items("change"); strings.Join(got, " ") != "changed added changed removed" {
		t.Errorf("the other way round the products are %q", got)
	}
	if got := w.get(shopCatalog + "/diff?from=v1.1.0&to=v1.1.0").items("id"); len(got) != 0 {
		t.Errorf("a release differs from itself by %q", got)
	}
}

func TestAComparisonTakesAKindThatOneOfItsSidesKnows(t *testing.T) {
	w := openShop(t, soundShop())
	w.post(releases, `{"version":"1.0.0"}`).wants(http.StatusCreated)
	w.edit(map[string]string{"schemas/Poem.schema.json": `{}`, "poems/p.md": "---\nkind: Poem\nid: p\n---\n"})
	w.post(releases, `{"version":"1.1.0"}`).wants(http.StatusCreated)
	for _, sides := range []string{"from=v1.0.0&to=v1.1.0", "from=v1.1.0&to=v1.0.0"} {
		if got := w.get(shopCatalog + "/diff?kind=Poem&" + sides).wants(http.StatusOK).items("id"); strings.Join(got, " ") != "p" {
			t.Errorf("%s: %q", sides, got)
		}
	}
	const of = `{ diff(repository: "shop", from: "v1.0.0", kind: "KIND") { nodes { kind } } }`
	w.gql(strings.Replace(of, "KIND", "Poem", 1), nil).data()
	w.gql(strings.Replace(of, "KIND", "Nope", 1), nil).code("INVALID_ARGUMENT")
}

func TestWhatIsWrongWithAVersionIsSaid(t *testing.T) {
	w := openShop(t, soundShop())
	for version, says := range map[string]string{"99999999999999999999.0.0": "a number that is too large", "1.0": "no Semantic Version", "1.0.0-01": "no Semantic Version"} {
		a := w.post(releases, `{"version":"`+version+`"}`).problem(http.StatusBadRequest, "INVALID_ARGUMENT").field("version")
		if detail := a.json()["detail"].(string); !strings.Contains(detail, says) {
			t.Errorf("%s: %s", version, detail)
		}
	}
}

func TestBadReleasesAreRefused(t *testing.T) {
	w := openShop(t, soundShop())
	w.post(releases, `{"version":"1.0.0"}`).wants(http.StatusCreated)
	w.post(releases, `{"version":"2.0.0"}`).wants(http.StatusCreated)
	for _, tt := range []badInput{
		{"no version", "POST", releases, `{}`, 400, "INVALID_ARGUMENT", "version", nil},
		{"two numbers", "POST", releases, `{"version":"1.0"}`, 400, "INVALID_ARGUMENT", "version", nil},
		{"a path", "POST", releases, `{"version":"../1.0.0"}`, 400, "INVALID_ARGUMENT", "version", nil},
		{"version that exists", "POST", releases, `{"version":"1.0.0"}`, 409, "REF_EXISTS", "version", nil},
		{"version that exists but for its build", "POST", releases, `{"version":"1.0.0+7"}`, 409, "REF_EXISTS", "version", nil},
		{"unknown revision", "POST", releases, `{"version":"3.0.0","revision":"gone"}`, 404, "REF_NOT_FOUND", "", nil},
		{"malformed revision", "POST", releases, `{"version":"3.0.0","revision":"main^"}`, 400, "INVALID_REVISION", "revision", nil},
		{"unknown branch", "POST", releases, `{"version":"3.0.0","branch":"gone"}`, 404, "REF_NOT_FOUND", "", nil},
		{"revision with changes", "POST", releases, `{"version":"3.0.0","revision":"main","changes":[{"action":"delete","kind":"Product","id":"a"}]}`, 400, "INVALID_ARGUMENT", "revision", nil},
		{"unknown document", "POST", releases, `{"version":"3.0.0","changes":[{"action":"delete","kind":"Product","id":"nobody"}]}`, 404, "DOCUMENT_NOT_FOUND", "", nil},
		{"another head", "POST", releases, `{"version":"3.0.0","expected_head":"` + strings.Repeat("1", 40) + `"}`, 409, "REF_MOVED", "", nil},
		{"unknown member", "POST", releases, `{"version":"3.0.0","force":true}`, 400, "INVALID_ARGUMENT", "force", nil},
		{"no tagger", "POST", releases, `{"version":"3.0.0","tagger":{"name":"","email":""}}`, 400, "INVALID_SIGNATURE", "", nil},
		{"malformed request id", "POST", releases, `{"version":"3.0.0","request_id":"1"}`, 400, "INVALID_REQUEST_ID", "request_id", nil},
		{"repository that is not followed", "POST", "/v1/repositories/other/releases", `{"version":"3.0.0"}`, 404, "CATALOG_NOT_FOUND", "", nil},
		{"unknown release", "GET", releases + "/9.9.9", "", 404, "REF_NOT_FOUND", "version", nil},
		{"name that is no version", "GET", releases + "/nightly", "", 400, "INVALID_ARGUMENT", "version", nil},
		{"rollback to an unknown release", "POST", releases + "/9.9.9/rollback", "{}", 404, "REF_NOT_FOUND", "version", nil},
		{"rollback to no version", "POST", releases + "/main/rollback", "{}", 400, "INVALID_ARGUMENT", "version", nil},
		{"rollback below the highest", "POST", releases + "/1.0.0/rollback", `{"version":"1.5.0"}`, 400, "INVALID_ARGUMENT", "version", nil},
		{"rollback that would not be live", "POST", releases + "/1.0.0/rollback", `{"version":"2.1.0-rc.1"}`, 400, "INVALID_ARGUMENT", "version", nil},
		{"rollback to a version that exists", "POST", releases + "/1.0.0/rollback", `{"version":"2.0.0"}`, 409, "REF_EXISTS", "version", nil},
		{"rollback that cannot be told from its retry", "POST", releases + "/1.0.0/rollback", `{"request_id":"6f9619ff-8b86-d011-b42d-00cf4fc964ff"}`, 400, "INVALID_ARGUMENT", "version", nil},
		{"comparison with nothing", "GET", shopCatalog + "/diff?to=main", "", 400, "INVALID_ARGUMENT", "from", nil},
		{"comparison with an unknown release", "GET", shopCatalog + "/diff?from=v9.9.9", "", 404, "REF_NOT_FOUND", "", nil},
		{"comparison with a malformed revision", "GET", shopCatalog + "/diff?from=v1.0.0&to=a..b", "", 400, "INVALID_REVISION", "to", nil},
		{"comparison of an unknown kind", "GET", shopCatalog + "/diff?from=v1.0.0&kind=Nope", "", 400, "INVALID_ARGUMENT", "kind", nil},
		{"token of another comparison", "GET", shopCatalog + "/diff?from=v1.0.0&page_token=x", "", 400, "INVALID_PAGE_TOKEN", "page_token", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.t = t
			a := w.do(tt.method, tt.path, strings.NewReader(tt.body), tt.opts...).problem(tt.status, tt.reason)
			if tt.field != "" {
				a.field(tt.field)
			}
		})
	}
	w.t = t
	if got := w.get(releases).items("version"); strings.Join(got, " ") != "2.0.0 1.0.0" {
		t.Errorf("the releases are %q", got)
	}
}
