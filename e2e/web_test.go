package e2e

import (
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/browser"
)

// guideStep is what a step of a guide asks for: to press, to fill, to choose or to see, a name in bold, and a value in backquotes.
var guideStep = regexp.MustCompile("(?i)(press|fill|choose|see) \\*\\*(.+?)\\*\\*(?: with)?(?: `([^`]+)`)?")

// follow does the numbered steps of a guide.
func follow(t *testing.T, b *browser.Window, guide string) {
	t.Helper()
	n := 0
	for line := range strings.Lines(guide) {
		if number, _, ok := strings.Cut(line, ". "); !ok || strings.Trim(number, "0123456789") != "" {
			continue
		}
		for _, step := range guideStep.FindAllStringSubmatch(line, -1) {
			n++
			switch strings.ToLower(step[1]) {
			case "press":
				b.Click("body", step[2])
			case "fill":
				b.Fill(step[2], step[3])
			case "choose":
				b.Choose(step[2], step[3])
			case "see":
				b.Sees("main h1, #told", step[2])
			}
		}
	}
	require.Greater(t, n, 20, "the steps of the guide are no longer seen")
}

// exampleCatalog is the catalog that newcomers begin with, as changes.
func exampleCatalog(t testing.TB) (actions []action) {
	t.Helper()
	root := os.DirFS(filepath.Join("..", "examples", "catalog"))
	require.NoError(t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		actions = append(actions, upsert(name, string(content)))
		return err
	}))
	return actions
}

const guji = "products/coffee/single-origin/east-africa/ethiopia-guji-shakiso.md"

func TestTheWebPage(t *testing.T) {
	s := startSystem(t, "GITSTORE_CATALOGS=shop,by-browser,keys,empty,drafts@head:drafts,early@live:prereleases")
	for _, id := range []string{"shop", "keys"} {
		s.createRepository(t, id)
		s.commit(t, id, commit{Branch: "main", Message: "Import the catalog", Actions: exampleCatalog(t)})
		eventually(t, "the catalog is not there", func() error {
			return s.serves(t, catalogTarget(id, "/products/prod-1001"))
		})
	}
	b := browser.Open(t, "http://"+s.address)
	gujiNow := func() string { return string(s.get(t, fileTarget("shop", guji)).wants(t, http.StatusOK).body) }
	on := func(name string, part func(t *testing.T, b *browser.Window)) { b.On(t, name, part) }
	on("the guide is followed", func(t *testing.T, b *browser.Window) {
		guide, err := os.ReadFile(filepath.Join("..", "docs", "guide.md"))
		require.NoError(t, err)
		b.Visit("")
		follow(t, b, string(guide))
		b.Sees("main td strong", "1.0.0")
		published := s.get(t, "/v1/repositories/by-browser/catalog/products/prod-1?at=v1.0.0").wants(t, http.StatusOK)
		assert.Contains(t, string(published.body), `"price":"6.90"`)
		assert.Contains(t, string(published.body), `"body":"Picked in **April**."`)
	})
	on("an empty repository is shown as one", func(t *testing.T, b *browser.Window) {
		s.createRepository(t, "empty")
		for place, text := range map[string]string{
			"empty": "The repository is empty", "empty/catalog": "There are no documents yet", "empty/problems": "in order", "empty/releases": "Nothing has been released yet",
			"empty/files": "There are no files", "empty/history": "There are no commits",
		} {
			b.Visit(place)
			b.Sees("main", text)
			assert.Nil(t, browser.Value[any](b, `document.querySelector("main [role=alert]")`), place)
		}
		b.Visit("empty/catalog")
		b.Click("main", "New product")
		b.Sees("main", "On branch main")
	})
	browser.Shop{ID: "shop", API: "http://" + s.address}.Use(t, b)
	on("what is edited at a tag is shown on the branch that has it", func(t *testing.T, b *browser.Window) {
		s.tag(t, "shop", "before", "main")
		b.Visit("shop/document?kind=Product&id=prod-1003&at=before")
		b.Sees("main h1", "Rwanda")
		b.Click("main", "Edit")
		b.Sees("main", "What is shown is before. On branch main")
		b.Fill("title", "Later")
		b.Click("main", "Save")
		b.Sees("main h1", "Later")
		b.Visit("shop/edit?kind=Collection&at=before")
		b.Fill("id", "col-later")
		b.Fill("slug", "later")
		b.Fill("title", "Much later")
		b.Click("main", "Save")
		b.Sees("main h1", "Much later")
	})
	on("of two editors the second merges", func(t *testing.T, b *browser.Window) {
		b.Visit("shop/edit?kind=Product&id=prod-1001")
		b.Fill("price", "15.00")
		headers := []string{"Content-Type", "application/merge-patch+json"}
		s.call(t, "PATCH", catalogTarget("shop", "/products/prod-1001"), strings.NewReader(`{"title":"Guji","fields":{"attributes":{"roast":"dark"}}}`), headers...).wants(t, http.StatusOK)
		b.Click("main", "Save")
		b.Sees("#told li", "Guji")
		b.Click("#told", "Merge")
		b.Sees("#told", "Your fields are kept")
		b.Click("main", "Save")
		b.Sees("main h1", "Guji")
		b.Sees("main dd", "15.00")
		assert.Contains(t, gujiNow(), "roast: dark")
	})
	on("a merge keeps what either changed within one map, and what a second conflict brings", func(t *testing.T, b *browser.Window) {
		patch := func(members string) {
			s.call(t, "PATCH", catalogTarget("shop", "/products/prod-1001"), strings.NewReader(members), "Content-Type", "application/merge-patch+json").wants(t, http.StatusOK)
		}
		b.Visit("shop/edit?kind=Product&id=prod-1001")
		fields := browser.Poll[string](b, `() => document.getElementById("edit-fields")?.value`)
		b.Fill("fields", strings.Replace(fields, "Guji", "Gujj", 1))
		patch(`{"title":"Once","fields":{"attributes":{"roast":"medium"}}}`)
		b.Click("main", "Save")
		b.Click("#told", "Merge")
		b.Sees("#told", "Your fields are kept")
		patch(`{"title":"Twice"}`)
		b.Click("main", "Save")
		b.Click("#told", "Merge")
		b.Sees("#told", "Your fields are kept")
		b.Click("main", "Save")
		b.Sees("main h1", "Twice")
		now := gujiNow()
		assert.Contains(t, now, "roast: medium")
		assert.Contains(t, now, "Gujj")
	})
	on("what is not touched is not written", func(t *testing.T, b *browser.Window) {
		odd := "---\r\nid: odd\r\nslug: odd\r\ntitle: \"Two\\nlines\"\r\nposition: 12345678901234567890\r\n---\r\nText\r\n"
		s.commit(t, "shop", commit{Branch: "main", Message: "Be odd", Actions: []action{upsert("collections/odd.md", odd)}})
		b.Visit("shop/edit?kind=Collection&id=odd")
		b.Fill("slug", "even")
		b.Click("main", "Save")
		b.Sees("main dd", "even")
		assert.Equal(t, strings.Replace(odd, "slug: odd", "slug: even", 1), string(s.get(t, fileTarget("shop", "collections/odd.md")).wants(t, http.StatusOK).body))
	})
	on("a body that is edited keeps the line ends of its file", func(t *testing.T, b *browser.Window) {
		const ended = "---\r\nid: ended\r\nslug: ended\r\ntitle: Ended\r\n---\r\n\r\nOne\r\nTwo\r\n"
		s.commit(t, "shop", commit{Branch: "main", Message: "Be ended", Actions: []action{upsert("collections/ended.md", ended)}})
		b.Visit("shop/edit?kind=Collection&id=ended")
		b.Fill("body", "One\nThree\n")
		b.Click("main", "Save")
		b.Sees("main .body", "Three")
		assert.Equal(t, strings.Replace(ended, "Two", "Three", 1), string(s.get(t, fileTarget("shop", "collections/ended.md")).wants(t, http.StatusOK).body))
	})
	on("a mistake in a search is told where it was made", func(t *testing.T, b *browser.Window) {
		for _, tt := range []struct{ label, id, text, told string }{
			{"Field is", "filter", "price >> 1", "has no operator"}, {"Field is", "filter", "price<14\nhight=2", "hight"}, {"Sort by", "sort", "hight", "hight"},
		} {
			b.Visit("shop/catalog")
			b.Sees("main td", "Tarrazú")
			b.Fill("Words", "jasmine")
			b.Fill(tt.label, tt.text)
			b.Click("main", "Search")
			b.Sees("#"+tt.id+"-error", tt.told)
			b.Sees("main [role=alert]", "Nothing was searched for")
			assert.Contains(t, b.Described(tt.id), tt.told)
			assert.Equal(t, []string{"true", tt.text, "jasmine"}, browser.Value[[]string](b,
				`[document.getElementById("`+tt.id+`").getAttribute("aria-invalid"), document.getElementById("`+tt.id+`").value, document.getElementById("words").value]`))
		}
		b.Fill("Sort by", "price")
		b.Click("main", "Search")
		b.Sees("main td", "prod-1001")
		assert.Empty(t, browser.Value[[]string](b, `[...document.querySelectorAll("main .error")].map(e => e.innerText).filter(Boolean)`))
	})
	on("numbers are not rounded", func(t *testing.T, b *browser.Window) {
		const large = "---\nid: large\nslug: large\ntitle: Large\nposition: 12345678901234567890\nmore: {n: 98765432109876543210, r: 0.10000000000000000555, t: a}\n---\n"
		s.commit(t, "shop", commit{Branch: "main", Message: "Be large", Actions: []action{upsert("collections/large.md", large)}})
		b.Visit("shop/edit?kind=Collection&id=large")
		fields := browser.Poll[string](b, `() => document.getElementById("edit-fields")?.value`)
		assert.Contains(t, fields, "98765432109876543210")
		b.Fill("fields", strings.NewReplacer(`"a"`, `"b"`, "12345678901234567890", "12345678901234567891").Replace(fields))
		b.Click("main", "Save")
		b.Sees("main dd", "12345678901234567891")
		assert.Equal(t, strings.NewReplacer("t: a", "t: b", "67890\n", "67891\n").Replace(large), string(s.get(t, fileTarget("shop", "collections/large.md")).wants(t, http.StatusOK).body))
	})
	on("what is not saved is given up by nobody unasked", func(t *testing.T, b *browser.Window) {
		edited := func() {
			t.Helper()
			browser.Poll[bool](b, `() => location.hash.startsWith("#/shop/edit") && document.getElementById("edit-slug")?.value === "kept"`)
		}
		s.commit(t, "shop", commit{Branch: "main", Message: "Be kept", Actions: []action{upsert("collections/keep.md", "---\nid: keep\nslug: keep\ntitle: Keep\n---\n")}})
		b.Visit("shop/edit?kind=Collection&id=keep")
		b.Sees("main h1", "Edit Keep")
		b.Fill("slug", "kept")
		b.Answers("confirm", false, func() { b.Click("nav", "Files") })
		edited()
		b.Answers("beforeunload", false, func() { browser.Value[any](b, `setTimeout(() => location.reload()); null`) })
		edited()
		b.Answers("confirm", true, func() { b.Click("nav", "Files") })
		b.Sees("main h1", "Files")
		b.Visit("shop/edit?kind=Collection&id=keep")
		b.Sees("main h1", "Edit Keep")
		b.Fill("slug", "kept")
		before := b.Dialogs()
		b.Click("main", "Save")
		b.Sees("main dd", "kept")
		assert.Equal(t, before, b.Dialogs(), "what is saved is asked about")
	})
	on("a document is deleted as it was read", func(t *testing.T, b *browser.Window) {
		s.commit(t, "shop", commit{Branch: "main", Message: "Be there", Actions: []action{upsert("collections/gone.md", "---\nid: gone\nslug: gone\ntitle: Gone\n---\n")}})
		b.Visit("shop/edit?kind=Collection&id=gone")
		b.Sees("main h1", "Edit Gone")
		s.call(t, "PATCH", catalogTarget("shop", "/collections/gone"), strings.NewReader(`{"title":"Still there"}`), "Content-Type", "application/merge-patch+json").wants(t, http.StatusOK)
		press := func() {
			browser.Value[any](b, `[...document.querySelectorAll("main button")].find(e => e.innerText === "Delete").focus(); null`)
			b.Press(browser.KeyEnter)
		}
		b.Answers("confirm", true, press)
		b.Sees("#told li", "Still there")
		b.Click("#told", "Merge")
		b.Sees("#told", "Your fields are kept")
		b.Fill("Message of the commit", "Let it go")
		b.Answers("confirm", true, press)
		b.Sees("main h1", "Catalog")
		s.get(t, fileTarget("shop", "collections/gone.md")).wants(t, http.StatusNotFound)
		assert.Equal(t, "Let it go\n", s.history(t, "shop")[0].Message)
	})
	on("a save that is tried again is made once", func(t *testing.T, b *browser.Window) {
		b.Visit("shop/edit?kind=Product&id=prod-1002")
		title := browser.Poll[string](b, `() => document.getElementById("edit-title")?.value`)
		browser.Value[any](b, `{ const real = fetch; let lost = 0; window.fetch = async (url, o) => { const a = await real(url, o); if (o?.method === "PATCH" && !lost++) throw new TypeError("lost"); return a; }; null }`)
		b.Fill("title", title+" once")
		b.Fill("Message of the commit", "Save once")
		b.Click("main", "Save")
		b.Sees("[role=alert]", "cannot be reached")
		b.Click("main", "Save")
		b.Sees("main h1", title+" once")
		n := 0
		for _, c := range s.history(t, "shop") {
			if c.Message == "Save once\n" {
				n++
			}
		}
		assert.Equal(t, 1, n)
	})
	on("what fails can be tried again", func(t *testing.T, b *browser.Window) {
		b.Visit("")
		b.Sees("main h1", "Repositories")
		browser.Value[any](b, `{ const real = fetch; window.fetch = (url, o) => { window.fetch = real; return Promise.reject(new TypeError("lost")); }; null }`)
		b.Visit("shop/problems")
		b.Sees("main [role=alert]", "cannot be reached")
		b.Click("main", "Try again")
		b.Sees("main h1", "Problems")
	})
	on("links and pictures of a document lead to files of the repository", func(t *testing.T, b *browser.Window) {
		const dot = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="7"><rect width="9" height="7"/></svg>`
		s.commit(t, "shop", commit{Branch: "main", Message: "Link", Actions: []action{
			upsert("collections/a/links.md", "---\nid: links\nslug: links\ntitle: Links\n---\n[beside](more%20b.txt) [above](../pictures/) [root](/README.md) [down](#the-end-é) ![dot](../pictures/dot.svg) [out](https://example.com/x)\n\n## The end: é\n"),
			upsert("collections/a/more b.txt", "More of b"), upsert("collections/pictures/dot.svg", dot),
		}})
		b.Visit("shop/document?kind=Collection&id=links&at=main")
		b.Sees("main .body", "beside")
		browser.Poll[bool](b, `() => document.querySelector(".body img")?.naturalWidth === 9`)
		assert.Equal(t, []string{"#/shop/file?path=collections%2Fa%2Fmore+b.txt&at=main", "#/shop/files?path=collections%2Fpictures&at=main", "#/shop/file?path=README.md&at=main", "#the-end-%C3%A9", "https://example.com/x"},
			browser.Value[[]string](b, `[...document.querySelectorAll(".body a")].map(a => a.getAttribute("href"))`))
		b.Click(".body", "down")
		browser.Poll[bool](b, `() => document.activeElement.tagName === "H2"`)
		b.Click(".body", "beside")
		b.Sees("main pre", "More of b")
	})
	on("a change moves neither the focus nor what is chosen and opened", func(t *testing.T, b *browser.Window) {
		again := func(message string) {
			browser.Value[any](b, `document.querySelector("main h1").dataset.old = "1"; null`)
			s.commit(t, "shop", commit{Branch: "main", Message: message, Actions: []action{upsert("notes/again.md", message)}})
			browser.Poll[bool](b, `() => Boolean(document.querySelector("main h1")) && !document.querySelector("main h1").dataset.old`)
		}
		b.Visit("shop/catalog")
		b.Choose("Kind", "Category")
		browser.Value[any](b, `[...document.querySelectorAll("main td a")][3].focus(); null`)
		focused := browser.Value[string](b, `document.activeElement.innerText`)
		again("Once")
		assert.Equal(t, focused, browser.Value[string](b, `document.activeElement.innerText`))
		assert.Equal(t, "Category", browser.Value[string](b, `document.getElementById("kind").value`))
		browser.Value[any](b, `document.querySelector("#nav a").focus(); null`)
		again("Twice")
		assert.Equal(t, "Overview", browser.Value[string](b, `document.activeElement.innerText`))
		b.Visit("shop/commit?id=" + s.history(t, "shop")[0].CommitID)
		b.Sees("main details", "notes/again.md")
		browser.Value[any](b, `document.querySelector("main details").open = false; document.querySelector("main summary").focus(); null`)
		again("Thrice")
		assert.False(t, browser.Value[bool](b, `document.querySelector("main details").open`))
		assert.Equal(t, "SUMMARY", browser.Value[string](b, `document.activeElement.tagName`))
	})
	on("a malformed address is told", func(t *testing.T, b *browser.Window) {
		for _, place := range []string{"%zz", "shop/toString", "shop/constructor"} {
			b.Visit(place)
			b.Sees("main h1", "nothing here")
		}
	})
	on("a document is made", func(t *testing.T, b *browser.Window) {
		b.Visit("shop/edit?kind=Category")
		b.Fill("id", "cat-new")
		b.Fill("slug", "new")
		b.Fill("title", "New things")
		b.Fill("parent", "nowhere")
		b.Click("main", "Save")
		b.Sees("[role=alert] td", "BROKEN_REFERENCE")
		b.Fill("parent", "cat-coffee")
		b.Click("main", "Save")
		b.Sees("main h1", "New things")
	})
	category := func(repository, branch, title string) {
		s.commit(t, repository, commit{Branch: branch, Message: title, Actions: []action{upsert("categories/a.md", "---\nid: a\nslug: a\ntitle: "+title+"\n---\n")}})
	}
	on("what is released, compared and edited is the branch that is followed", func(t *testing.T, b *browser.Window) {
		s.createRepository(t, "drafts")
		category("drafts", "main", "Other")
		s.post(t, inRepository("drafts", "/branches"), map[string]string{"name": "drafts", "target": "main"}).wants(t, http.StatusCreated)
		category("drafts", "drafts", "First")
		eventually(t, "the catalog is not there", func() error { return s.serves(t, catalogTarget("drafts", "/categories/a")) })
		b.Visit("drafts/releases")
		b.Sees("main", "Nothing has been released yet")
		b.Click("main", "Publish")
		b.Sees("main td strong", "1.0.0")
		category("drafts", "drafts", "Second")
		b.Click("main", "What is new since 1.0.0")
		b.Sees("main td ins", "Second")
		b.Visit("drafts/edit?kind=Category&id=a&at=v1.0.0")
		b.Sees("main", "On branch drafts")
	})
	on("versions follow the highest, and a release that is tried again is made once", func(t *testing.T, b *browser.Window) {
		s.createRepository(t, "early")
		category("early", "main", "First")
		s.tag(t, "early", "v1.0.0", "main")
		category("early", "main", "Second")
		s.tag(t, "early", "v2.0.0-rc.1", "main")
		s.post(t, inRepository("early", "/branches"), map[string]string{"name": "v1.0.0", "target": "main"}).wants(t, http.StatusCreated)
		eventually(t, "the catalog is not there", func() error { return s.serves(t, catalogTarget("early", "/categories/a")) })
		proposes := func(version string) {
			t.Helper()
			browser.Poll[bool](b, `(version) => document.getElementById("version")?.value === version`, version)
		}
		b.Visit("early/releases")
		proposes("2.0.0")
		b.Click("main", "changes")
		b.Sees("main h1", "From v1.0.0 to v2.0.0-rc.1")
		b.Sees("main td del", "First")
		b.Visit("early/releases")
		proposes("2.0.0")
		b.Fill("From", "v1.0.0")
		b.Press(browser.KeyEnter)
		b.Sees("main td del", "First")
		type page struct {
			Next string `json:"next_page_token"`
		}
		b.Visit("early/releases?page=" + url.QueryEscape(into[page](t, s.get(t, inRepository("early", "/releases?page_size=1"))).Next))
		b.Sees("main td strong", "1.0.0")
		proposes("2.0.0")
		lose := func(path string) {
			browser.Value[any](b, `{ const real = fetch; window.fetch = async (url, o) => { const a = await real(url, o); if (o?.method !== "POST" || !url.pathname.endsWith("`+path+`") || o.body.includes("dry_run")) return a; window.fetch = real; throw new TypeError("lost"); }; null }`)
		}
		lose("/rollback")
		b.Click("main", "Roll back to 1.0.0")
		b.Sees("[role=alert]", "cannot be reached")
		b.Visit("early/releases")
		b.Sees("main td strong", "2.0.0")
		b.Click("main", "Roll back to 1.0.0")
		b.Sees("#told", "Released 2.0.0, whose files are those of 1.0.0")
		proposes("2.1.0")
		lose("/releases")
		b.Click("main", "Publish")
		b.Sees("[role=alert]", "cannot be reached")
		b.Sees("main td strong", "2.1.0")
		proposes("2.1.0")
		b.Click("main", "Publish")
		b.Sees("#told", "Released 2.1.0.")
		proposes("2.2.0")
		var versions []string
		for _, r := range list[struct {
			Version string `json:"version"`
		}](t, s.client, inRepository("early", "/releases"), 10) {
			versions = append(versions, r.Version)
		}
		assert.Equal(t, []string{"2.1.0", "2.0.0", "2.0.0-rc.1", "1.0.0"}, versions)
		b.Fill("Version", "1.0.1")
		b.Press(browser.KeyEnter)
		b.Sees("#told", "Released 1.0.1. It is not the latest release")
	})
	on("changes that arrive while a view is made are shown by one more", func(t *testing.T, b *browser.Window) {
		b.Visit("shop/history")
		b.Sees("aside [role=status]", "as they happen")
		browser.Value[any](b, `{
			window.real = fetch;
			window.views = 0;
			const opened = new Promise((open) => { window.answer = open; });
			window.fetch = async (url, o) => {
				if (String(url).includes("/commits?")) window.views++;
				await opened;
				return window.real(url, o);
			};
			null;
		}`)
		write := func(message string) string {
			return s.commit(t, "shop", commit{Branch: "main", Message: message, Actions: []action{upsert("notes/fast.md", message)}}).CommitID[:10]
		}
		b.Sees("aside li", write("The first of many"))
		browser.Poll[bool](b, `() => window.views === 1`)
		for _, message := range []string{"The second of many", "The third of many"} {
			b.Sees("aside li", write(message))
		}
		browser.Value[any](b, `window.answer(); null`)
		b.Sees("main td", "The third of many")
		browser.Poll[bool](b, `() => window.views > 1`)
		assert.Equal(t, 2.0, browser.Value[float64](b, `window.views`))
		browser.Value[any](b, `window.fetch = window.real; null`)
	})
	on("what a repository holds does not run", func(t *testing.T, b *browser.Window) {
		evil := `<img src=x onerror="window.ran=1"><script>window.ran=1</script>`
		s.commit(t, "shop", commit{Branch: "main", Message: evil, Actions: []action{
			upsert("evil.html", evil),
			upsert("collections/evil.md", "---\nid: evil\nslug: evil\ntitle: '"+evil+"'\nnote: '"+evil+"'\nlink: javascript:window.ran=1\n---\n"+evil+"\n\n[link](javascript:window.ran=1)\n"),
		}})
		b.Visit("shop/document?kind=Collection&id=evil")
		b.Sees("main h1", "<img src=x")
		b.Visit("shop/file?path=evil.html")
		b.Sees("main pre", "<img src=x")
		b.Visit("shop/history")
		b.Sees("main td", "<img src=x")
		assert.Nil(t, browser.Value[any](b, `window.ran ?? null`))
		b.Visit("shop/" + url.PathEscape("<b>") + "?at=" + url.QueryEscape(evil))
		b.Sees("main h1", "nothing here")
	})
	on("a refusal is shown as it is told", func(t *testing.T, b *browser.Window) {
		b.Visit("gone")
		b.Sees("main [role=alert]", `repository "gone" does not exist`)
		b.Visit("shop/files?at=main^")
		b.Sees("main [role=alert]", "revision")
	})
	on("the keyboard is enough", func(t *testing.T, b *browser.Window) {
		b.Load("about:blank")
		b.Visit("")
		k := keyboard{t, b}
		k.arrives("Repositories", "#/")
		k.opens("keys", "keys", "#/keys")
		k.opens("Product", "Catalog", "kind=Product")
		k.tabTo("Words")
		b.Press("jasmine" + browser.KeyEnter)
		k.arrives("Catalog", "q=jasmine")
		k.opens("Ethiopia Guji Shakiso", "Ethiopia Guji Shakiso", "id=prod-1001")
		k.opens("Edit", "Edit Ethiopia Guji Shakiso", "/edit?")
		k.tabTo("price")
		b.Press("much")
		k.tabTo("Save")
		b.Press(browser.KeyEnter)
		b.Sees("#told", "INVALID_PRICE")
		assert.Equal(t, "Save", k.focused().Name, "a refusal takes the focus away")
		k.tabTo("price")
		b.Press("14.25")
		k.tabTo("Message of the commit")
		b.Press("By keys" + browser.KeyEnter)
		k.arrives("Ethiopia Guji Shakiso", "/document?")
		b.Sees("main dd", "14.25")
		assert.Equal(t, "By keys\n", s.history(t, "keys")[0].Message)
		k.tabTo("Skip to content")
		b.Press(browser.KeyEnter)
		assert.Equal(t, "main", browser.Value[string](b, `document.activeElement.id`))
		k.tabTo("Edit")
	})
	on("GraphQL is asked in its page", func(t *testing.T, b *browser.Window) {
		b.Load("http://" + s.address + "/graphql")
		b.Sees("#schema summary", "object Product")
		b.Fill("Query", `query Q($id: String!) { catalog(repository: "keys") { product(documentId: $id) { title price } } }`)
		b.Fill("Variables", `{"id": "prod-1001"}`)
		b.Click("main", "Run")
		b.Sees("#status", "200 in")
		b.Sees("#answer", `"price": "14.25"`)
		b.Fill("Variables", `{}`)
		b.Press(browser.KeyTab + browser.KeyEnter) // Run is behind it
		b.Sees("#status", "400 in")
		b.Sees("#answer", `"code": "INVALID_ARGUMENT"`)
	})
	on("every control has a label, and nothing is out of the order of the page", func(t *testing.T, b *browser.Window) {
		for _, place := range []string{"shop/catalog", "shop/edit?kind=Product&id=prod-1001", "shop/releases", ""} {
			b.Visit(place)
			browser.Poll[bool](b, `() => !document.querySelector("main").hasAttribute("aria-busy") && Boolean(document.querySelector("main h1"))`)
			assert.Empty(t, browser.Value[[]string](b, `[...document.querySelectorAll("input, select, textarea")].filter(e => !e.labels.length).map(e => e.outerHTML)`), "%s has controls without a label", place)
			assert.Empty(t, browser.Value[[]string](b, `[...document.querySelectorAll("[onclick], [tabindex]:not([tabindex='0'], [tabindex='-1'])")].map(e => e.outerHTML)`), place)
		}
		assert.Equal(t, "en", browser.Value[string](b, `document.documentElement.lang`))
	})
	on("what is told and what is needed is read out", func(t *testing.T, b *browser.Window) {
		b.Visit("shop/edit?kind=Product")
		b.Sees("main h1", "New product")
		assert.Equal(t, []string{"id", "slug", "title", "sku", "category", "price", "currency"}, browser.Value[[]string](b, `[...document.querySelectorAll("main :required")].map(e => e.labels[0].innerText)`))
		assert.Contains(t, b.Described("edit-tags"), "One in a line")
		// What is put into a region is read out if the region was there before.
		const region = `[told.ariaLive, told.checkVisibility(), told.childElementCount].join()`
		assert.Equal(t, "polite,true,0", browser.Value[string](b, region))
		b.Click("main", "Check")
		b.Sees("#told", "the id is missing")
		assert.Contains(t, b.Described("edit-id"), "the id is missing")
		b.Visit("shop/releases")
		b.Fill("Version", "one")
		b.Click("main", "Check")
		b.Sees("#told", "no Semantic Version")
		assert.Contains(t, b.Described("version"), "no Semantic Version")
	})
	on("it is light and dark", func(t *testing.T, b *browser.Window) {
		background := func(scheme string) string {
			b.Prefer(scheme)
			return browser.Value[string](b, `getComputedStyle(document.body).backgroundColor`)
		}
		b.Visit("")
		b.Sees("main h1", "Repositories")
		for _, scheme := range []string{"light", "dark"} {
			background(scheme)
			contrast := browser.Value[float64](b, `(() => {
				const light = (color) => color.match(/[\d.]+/g).slice(0, 3).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
				return Math.min(...[...document.querySelectorAll("main input, main button")].flatMap(e => {
					const { borderTopColor, backgroundColor } = getComputedStyle(e);
					return [backgroundColor, getComputedStyle(document.body).backgroundColor].map(b => [light(borderTopColor), light(b)].sort()).map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
				}));
			})()`)
			assert.GreaterOrEqual(t, contrast, 3.0, "the edges of controls are hard to see when it is %s", scheme)
		}
		assert.NotEqual(t, background("light"), background("dark"))
	})
	b.RequireOwn()
}

// keyboard is somebody who uses the page without a mouse.
type keyboard struct {
	t *testing.T
	b *browser.Window
}

// focus is what the keyboard acts on, by its label or text.
type focus struct {
	Tag, Name string
	// Seen is whether its outline shows where it is.
	Seen bool
}

func (k keyboard) focused() focus {
	k.t.Helper()
	return browser.Value[focus](k.b, `(() => {
		const e = document.activeElement, r = e.getBoundingClientRect(), { outlineStyle, outlineWidth } = getComputedStyle(e);
		return {
			Tag: e.tagName, Name: e.labels?.[0]?.innerText ?? e.innerText.trim(),
			Seen: e.matches(":focus-visible") && outlineStyle === "solid" && parseFloat(outlineWidth) >= 2 && r.bottom > 0 && r.top < innerHeight && r.right > 0 && r.left < innerWidth,
		};
	})()`)
}

// tabTo goes on by Tab until it is at the control, link or button of this name. Wherever it stops on the way is to be seen.
func (k keyboard) tabTo(name string) {
	k.t.Helper()
	var stops []string
	for range 150 {
		k.b.Press(browser.KeyTab)
		at := k.focused()
		if at.Tag == "BODY" { // behind the last control the page begins anew
			continue
		}
		assert.True(k.t, at.Seen, "the focus is at the %s %q and does not show", at.Tag, at.Name)
		if at.Name == name {
			return
		}
		stops = append(stops, at.Name)
	}
	k.t.Fatalf("Tab does not lead to %q, but to %q", name, stops)
}

// opens follows a link to a view.
func (k keyboard) opens(link, heading, place string) {
	k.t.Helper()
	k.tabTo(link)
	k.b.Press(browser.KeyEnter)
	k.arrives(heading, place)
}

// arrives waits until a view of this heading and place is shown, from its beginning, and checks that the keyboard goes on there.
func (k keyboard) arrives(heading, place string) {
	k.t.Helper()
	browser.Poll[bool](k.b, `(heading, place) => {
		const main = document.querySelector("main");
		return location.hash.includes(place) && !main.hasAttribute("aria-busy") && main.querySelector("h1")?.innerText === heading &&
			document.activeElement === main; // of two views with the same heading the place alone does not tell that the next is there
	}`, heading, place)
	assert.Equal(k.t, "main 0", browser.Value[string](k.b, `document.activeElement.id + " " + scrollY`), "the focus is not at the beginning of the view %q", heading)
}
