package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browser is a tab of a headless Chromium that shows the web page of an API, as somebody uses it.
type browser struct {
	t    *testing.T
	ctx  context.Context
	home string

	answering sync.WaitGroup

	mu sync.Mutex
	// asked are the hosts that the page sent requests to, wrong what it told of errors.
	asked map[string]bool
	wrong []string
	// dialogs are the kinds of those that the page opened; declines has them answered with no.
	dialogs  []string
	declines bool
}

// visitWait is how long a page may take to show what is waited for.
const visitWait = time.Minute

func openBrowser(t *testing.T, home string) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	require.NotEmpty(t, program, "the tests of the web page need Chromium: `make chromium` installs it on Debian")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1100, 900))
	allocated, stop := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, closeTab := chromedp.NewContext(allocated)
	b := &browser{t: t, ctx: ctx, home: home, asked: map[string]bool{}}
	t.Cleanup(func() {
		closeTab()
		stop()
		b.answering.Wait()
	})
	require.NoError(t, chromedp.Do(ctx))
	require.NoError(t, chromedp.Listen(ctx, b.heard))
	dialogs := chromedp.Events(ctx, page.JavascriptDialogOpening)
	b.answering.Go(func() {
		for dialog, err := range dialogs {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.dialogs = append(b.dialogs, string(dialog.Type))
			accept := !b.declines
			b.mu.Unlock()
			_, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: accept, PromptText: dialog.DefaultPrompt})
		}
	})
	return b
}

// answers does what opens a dialog of a kind, which is accepted or declined.
func (b *browser) answers(kind string, accept bool, do func()) {
	b.t.Helper()
	b.mu.Lock()
	b.dialogs, b.declines = nil, !accept
	b.mu.Unlock()
	do()
	eventually(b.t, "no dialog is opened", func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !slices.Contains(b.dialogs, kind) {
			return fmt.Errorf("the dialogs were %q", b.dialogs)
		}
		return nil
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.declines = false
}

func (b *browser) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" {
			b.asked[u.Host] = true
		}
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, e.ExceptionDetails.Text)
	}
}

// do does what somebody does, and fails the test with what the page shows if it cannot be done.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, visitWait)
	defer cancel()
	b.succeeds(chromedp.Do(ctx, actions...))
}

func (b *browser) succeeds(err error) {
	b.t.Helper()
	if err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		b.picture("failed")
		b.t.Fatalf("%v; the page shows:\n%s", err, text)
	}
}

// picture is put into the directory that SCREENSHOTS names, if it names one.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	if png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100)); err == nil {
		require.NoError(b.t, os.WriteFile(filepath.Join(dir, strings.ReplaceAll(b.t.Name()+"-"+name, "/", "-")+".png"), png, 0o600))
	}
}

func (b *browser) visit(place string) { b.t.Helper(); b.do(chromedp.Navigate(b.home + "/#/" + place)) }

// poll waits until a function of the page returns something that is true, and returns it.
func poll[T any](b *browser, function string, args ...any) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, visitWait)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.PollFunction[T](function, chromedp.WithPollingArgs(args...), chromedp.WithPollingInterval(20*time.Millisecond)))
	b.succeeds(err)
	return v
}

// sees waits until the page shows a text, in an element that the selector selects.
func (b *browser) sees(selector, text string) {
	b.t.Helper()
	poll[bool](b, `(selector, text) => [...document.querySelectorAll(selector)].some(e => e.innerText.includes(text) && e.checkVisibility())`, selector, text)
}

// click presses the first link or button of this name below the selector, when it is there.
func (b *browser) click(below, name string) {
	b.t.Helper()
	poll[bool](b, `(below, name) => {
		const e = [...document.querySelectorAll(below + " a, " + below + " button")].find(e => e.innerText.trim() === name);
		// A dialog that it opens is answered by the test, which waits for this.
		if (e) setTimeout(() => e.click());
		return Boolean(e);
	}`, below, name)
}

// fill replaces what is in the control of this label, as typing does.
func (b *browser) fill(label, text string) {
	b.t.Helper()
	poll[bool](b, `(label) => {
		const e = document.getElementById([...document.querySelectorAll("main label")].find(e => e.innerText === label)?.htmlFor);
		e?.focus();
		e?.select();
		return Boolean(e);
	}`, label)
	b.do(chromedp.KeyEvent(text))
}

// value is that of an expression in the page.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	b.succeeds(err)
	return v
}

// choose selects an option of the control of this label.
func (b *browser) choose(label, option string) {
	b.t.Helper()
	poll[bool](b, `(label, option) => {
		const e = document.getElementById([...document.querySelectorAll("main label")].find(e => e.innerText === label)?.htmlFor);
		if (![...(e?.options ?? [])].some(o => o.value === option)) return false;
		e.value = option;
		return true;
	}`, label, option)
}

// guideStep is what a step of a guide asks for: to press, to fill, to choose or to see, a name in bold, and a value in backquotes.
var guideStep = regexp.MustCompile("(?i)(press|fill|choose|see) \\*\\*(.+?)\\*\\*(?: with)?(?: `([^`]+)`)?")

// follow does the numbered steps of a guide.
func (b *browser) follow(guide string) {
	b.t.Helper()
	n := 0
	for line := range strings.Lines(guide) {
		if number, _, ok := strings.Cut(line, ". "); !ok || strings.Trim(number, "0123456789") != "" {
			continue
		}
		for _, step := range guideStep.FindAllStringSubmatch(line, -1) {
			n++
			switch strings.ToLower(step[1]) {
			case "press":
				b.click("body", step[2])
			case "fill":
				b.fill(step[2], step[3])
			case "choose":
				b.choose(step[2], step[3])
			case "see":
				b.sees("main h1, #told", step[2])
			}
		}
	}
	require.Greater(b.t, n, 20, "the steps of the guide are no longer seen")
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
	s := startSystem(t, "GITSTORE_CATALOGS=shop,by-browser,empty,drafts@head:drafts,early@live:prereleases")
	s.createRepository(t, "shop")
	s.commit(t, "shop", commit{Branch: "main", Message: "Import the catalog", Actions: exampleCatalog(t)})
	eventually(t, "the catalog is not there", func() error {
		return s.serves(t, catalogTarget("shop", "/products/prod-1001"))
	})
	b := openBrowser(t, "http://"+s.address)
	gujiNow := func() string { return string(s.get(t, fileTarget("shop", guji)).wants(t, http.StatusOK).body) }
	on := func(name string, do func(t *testing.T, b *browser)) {
		t.Run(name, func(t *testing.T) {
			b.t = t
			do(t, b)
			b.picture("end")
		})
		b.t = t
	}

	// described is what is read out with a control besides its label.
	described := func(id string) string {
		return value[string](b, `document.getElementById("`+id+`").getAttribute("aria-describedby").split(" ").map(id => document.getElementById(id).innerText).join(" ")`)
	}
	on("the guide is followed", func(t *testing.T, b *browser) {
		guide, err := os.ReadFile(filepath.Join("..", "docs", "guide.md"))
		require.NoError(t, err)
		b.visit("")
		b.follow(string(guide))
		b.sees("main td strong", "1.0.0")
		published := s.get(t, "/v1/repositories/by-browser/catalog/products/prod-1?at=v1.0.0").wants(t, http.StatusOK)
		assert.Contains(t, string(published.body), `"price":"6.90"`)
		assert.Contains(t, string(published.body), `"body":"Picked in **April**."`)
	})
	on("an empty repository is shown as one", func(t *testing.T, b *browser) {
		s.createRepository(t, "empty")
		for place, text := range map[string]string{
			"empty": "The repository is empty", "empty/catalog": "There are no documents yet", "empty/problems": "in order", "empty/releases": "Nothing has been released yet",
			"empty/files": "There are no files", "empty/history": "There are no commits",
		} {
			b.visit(place)
			b.sees("main", text)
			assert.Nil(t, value[any](b, `document.querySelector("main [role=alert]")`), place)
		}
		b.visit("empty/catalog")
		b.click("main", "New product")
		b.sees("main", "On branch main")
	})
	on("the tree and the history are browsed", func(t *testing.T, b *browser) {
		b.visit("")
		b.click("main", "shop")
		b.sees("main", "Product")
		b.click("nav", "Files")
		for _, name := range []string{"products/", "coffee/", "single-origin/", "east-africa/", "ethiopia-guji-shakiso.md"} {
			b.click("main", name)
		}
		b.sees("main pre", "Some six hundred smallholders")
		b.click("main", "History")
		b.sees("main td", "Import the catalog")
		b.click("main td:first-child", value[string](b, `document.querySelector("main td a").innerText`))
		b.sees("main h1", "Import the catalog")
		b.sees("main", "The first commit")
	})
	on("the catalog is searched", func(t *testing.T, b *browser) {
		b.visit("shop/catalog")
		b.fill("Words", "jasmine")
		b.do(chromedp.KeyEvent(kb.Enter))
		poll[bool](b, `() => { const shown = document.querySelector("main").innerText; return shown.includes("Guji") && !shown.includes("Tarrazú"); }`)
		b.visit("shop/catalog")
		b.sees("main td", "Tarrazú")
		b.fill("Field is", "attributes.roast=light\nprice<14")
		assert.Contains(t, described("filter"), "in a line")
		b.click("main", "Search")
		poll[bool](b, `() => document.querySelectorAll("main tbody tr").length === 1`)
		b.click("main", "Ethiopia Guji Shakiso")
		b.sees("main .body strong", "jasmine, bergamot")
	})
	on("an edit is checked, saved, and leaves the rest of the file alone", func(t *testing.T, b *browser) {
		before := gujiNow()
		b.visit("shop/document?kind=Product&id=prod-1001")
		b.click("main", "Edit")
		b.fill("price", "much")
		b.click("main", "Check")
		b.sees("[role=alert] td", "INVALID_PRICE")
		b.sees("[role=alert] td", guji)
		assert.Equal(t, "true", value[string](b, `document.getElementById("edit-price").getAttribute("aria-invalid")`))
		assert.Contains(t, described("edit-price"), `"much"`)
		b.fill("price", "14.25")
		b.click("main", "Check")
		b.sees("#told", "would be in order")
		assert.Empty(t, described("edit-price"))
		assert.Equal(t, before, gujiNow(), "a check wrote")
		b.fill("Message of the commit", "Raise a price")
		b.click("main", "Save")
		b.sees("main dd", "14.25")
		assert.Equal(t, strings.Replace(before, "13.50", "14.25", 1), gujiNow())
		assert.Equal(t, "Raise a price\n", s.history(t, "shop")[0].Message)
	})
	on("what is edited at a tag is shown on the branch that has it", func(t *testing.T, b *browser) {
		s.tag(t, "shop", "before", "main")
		b.visit("shop/document?kind=Product&id=prod-1003&at=before")
		b.sees("main h1", "Rwanda")
		b.click("main", "Edit")
		b.sees("main", "What is shown is before. On branch main")
		b.fill("title", "Later")
		b.click("main", "Save")
		b.sees("main h1", "Later")
		b.visit("shop/edit?kind=Collection&at=before")
		b.fill("id", "col-later")
		b.fill("slug", "later")
		b.fill("title", "Much later")
		b.click("main", "Save")
		b.sees("main h1", "Much later")
	})
	on("of two editors the second merges", func(t *testing.T, b *browser) {
		b.visit("shop/edit?kind=Product&id=prod-1001")
		b.fill("price", "15.00")
		headers := []string{"Content-Type", "application/merge-patch+json"}
		s.call(t, "PATCH", catalogTarget("shop", "/products/prod-1001"), strings.NewReader(`{"title":"Guji","fields":{"attributes":{"roast":"dark"}}}`), headers...).wants(t, http.StatusOK)
		b.click("main", "Save")
		b.sees("#told li", "Guji")
		b.click("#told", "Merge")
		b.sees("#told", "Your fields are kept")
		b.click("main", "Save")
		b.sees("main h1", "Guji")
		b.sees("main dd", "15.00")
		assert.Contains(t, gujiNow(), "roast: dark")
	})
	on("a merge keeps what either changed within one map, and what a second conflict brings", func(t *testing.T, b *browser) {
		patch := func(members string) {
			s.call(t, "PATCH", catalogTarget("shop", "/products/prod-1001"), strings.NewReader(members), "Content-Type", "application/merge-patch+json").wants(t, http.StatusOK)
		}
		b.visit("shop/edit?kind=Product&id=prod-1001")
		fields := poll[string](b, `() => document.getElementById("edit-fields")?.value`)
		b.fill("fields", strings.Replace(fields, "Guji", "Gujj", 1))
		patch(`{"title":"Once","fields":{"attributes":{"roast":"medium"}}}`)
		b.click("main", "Save")
		b.click("#told", "Merge")
		b.sees("#told", "Your fields are kept")
		patch(`{"title":"Twice"}`)
		b.click("main", "Save")
		b.click("#told", "Merge")
		b.sees("#told", "Your fields are kept")
		b.click("main", "Save")
		b.sees("main h1", "Twice")
		now := gujiNow()
		assert.Contains(t, now, "roast: medium")
		assert.Contains(t, now, "Gujj")
	})
	on("what is not touched is not written", func(t *testing.T, b *browser) {
		odd := "---\r\nid: odd\r\nslug: odd\r\ntitle: \"Two\\nlines\"\r\nposition: 12345678901234567890\r\n---\r\nText\r\n"
		s.commit(t, "shop", commit{Branch: "main", Message: "Be odd", Actions: []action{upsert("collections/odd.md", odd)}})
		b.visit("shop/edit?kind=Collection&id=odd")
		b.fill("slug", "even")
		b.click("main", "Save")
		b.sees("main dd", "even")
		assert.Equal(t, strings.Replace(odd, "slug: odd", "slug: even", 1), string(s.get(t, fileTarget("shop", "collections/odd.md")).wants(t, http.StatusOK).body))
	})
	on("numbers are not rounded", func(t *testing.T, b *browser) {
		const large = "---\nid: large\nslug: large\ntitle: Large\nposition: 12345678901234567890\nmore: {n: 98765432109876543210, r: 0.10000000000000000555, t: a}\n---\n"
		s.commit(t, "shop", commit{Branch: "main", Message: "Be large", Actions: []action{upsert("collections/large.md", large)}})
		b.visit("shop/edit?kind=Collection&id=large")
		fields := poll[string](b, `() => document.getElementById("edit-fields")?.value`)
		assert.Contains(t, fields, "98765432109876543210")
		b.fill("fields", strings.NewReplacer(`"a"`, `"b"`, "12345678901234567890", "12345678901234567891").Replace(fields))
		b.click("main", "Save")
		b.sees("main dd", "12345678901234567891")
		assert.Equal(t, strings.NewReplacer("t: a", "t: b", "67890\n", "67891\n").Replace(large), string(s.get(t, fileTarget("shop", "collections/large.md")).wants(t, http.StatusOK).body))
	})
	on("what is not saved is given up by nobody unasked", func(t *testing.T, b *browser) {
		edited := func() {
			t.Helper()
			poll[bool](b, `() => location.hash.startsWith("#/shop/edit") && document.getElementById("edit-slug")?.value === "kept"`)
		}
		s.commit(t, "shop", commit{Branch: "main", Message: "Be kept", Actions: []action{upsert("collections/keep.md", "---\nid: keep\nslug: keep\ntitle: Keep\n---\n")}})
		b.visit("shop/edit?kind=Collection&id=keep")
		b.sees("main h1", "Edit Keep")
		b.fill("slug", "kept")
		b.answers("confirm", false, func() { b.click("nav", "Files") })
		edited()
		b.answers("beforeunload", false, func() { value[any](b, `setTimeout(() => location.reload()); null`) })
		edited()
		b.answers("confirm", true, func() { b.click("nav", "Files") })
		b.sees("main h1", "Files")
		b.visit("shop/edit?kind=Collection&id=keep")
		b.sees("main h1", "Edit Keep")
		b.fill("slug", "kept")
		b.mu.Lock()
		b.dialogs = nil
		b.mu.Unlock()
		b.click("main", "Save")
		b.sees("main dd", "kept")
		b.mu.Lock()
		defer b.mu.Unlock()
		assert.Empty(t, b.dialogs)
	})
	on("a document is deleted as it was read", func(t *testing.T, b *browser) {
		s.commit(t, "shop", commit{Branch: "main", Message: "Be there", Actions: []action{upsert("collections/gone.md", "---\nid: gone\nslug: gone\ntitle: Gone\n---\n")}})
		b.visit("shop/edit?kind=Collection&id=gone")
		b.sees("main h1", "Edit Gone")
		s.call(t, "PATCH", catalogTarget("shop", "/collections/gone"), strings.NewReader(`{"title":"Still there"}`), "Content-Type", "application/merge-patch+json").wants(t, http.StatusOK)
		press := func() {
			value[any](b, `[...document.querySelectorAll("main button")].find(e => e.innerText === "Delete").focus(); null`)
			b.do(chromedp.KeyEvent(kb.Enter))
		}
		b.answers("confirm", true, press)
		b.sees("#told li", "Still there")
		b.click("#told", "Merge")
		b.sees("#told", "Your fields are kept")
		b.fill("Message of the commit", "Let it go")
		b.answers("confirm", true, press)
		b.sees("main h1", "Catalog")
		s.get(t, fileTarget("shop", "collections/gone.md")).wants(t, http.StatusNotFound)
		assert.Equal(t, "Let it go\n", s.history(t, "shop")[0].Message)
	})
	on("a save that is tried again is made once", func(t *testing.T, b *browser) {
		b.visit("shop/edit?kind=Product&id=prod-1002")
		title := poll[string](b, `() => document.getElementById("edit-title")?.value`)
		value[any](b, `{ const real = fetch; let lost = 0; window.fetch = async (url, o) => { const a = await real(url, o); if (o?.method === "PATCH" && !lost++) throw new TypeError("lost"); return a; }; null }`)
		b.fill("title", title+" once")
		b.fill("Message of the commit", "Save once")
		b.click("main", "Save")
		b.sees("[role=alert]", "cannot be reached")
		b.click("main", "Save")
		b.sees("main h1", title+" once")
		n := 0
		for _, c := range s.history(t, "shop") {
			if c.Message == "Save once\n" {
				n++
			}
		}
		assert.Equal(t, 1, n)
	})
	on("what fails can be tried again", func(t *testing.T, b *browser) {
		b.visit("")
		b.sees("main h1", "Repositories")
		value[any](b, `{ const real = fetch; window.fetch = (url, o) => { window.fetch = real; return Promise.reject(new TypeError("lost")); }; null }`)
		b.visit("shop/problems")
		b.sees("main [role=alert]", "cannot be reached")
		b.click("main", "Try again")
		b.sees("main h1", "Problems")
	})
	on("links and pictures of a document lead to files of the repository", func(t *testing.T, b *browser) {
		const dot = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="7"><rect width="9" height="7"/></svg>`
		s.commit(t, "shop", commit{Branch: "main", Message: "Link", Actions: []action{
			upsert("collections/a/links.md", "---\nid: links\nslug: links\ntitle: Links\n---\n[beside](more%20b.txt) [above](../pictures/) [root](/README.md) [down](#the-end-é) ![dot](../pictures/dot.svg) [out](https://example.com/x)\n\n## The end: é\n"),
			upsert("collections/a/more b.txt", "More of b"), upsert("collections/pictures/dot.svg", dot),
		}})
		b.visit("shop/document?kind=Collection&id=links&at=main")
		b.sees("main .body", "beside")
		poll[bool](b, `() => document.querySelector(".body img")?.naturalWidth === 9`)
		assert.Equal(t, []string{"#/shop/file?path=collections%2Fa%2Fmore+b.txt&at=main", "#/shop/files?path=collections%2Fpictures&at=main", "#/shop/file?path=README.md&at=main", "#the-end-%C3%A9", "https://example.com/x"},
			value[[]string](b, `[...document.querySelectorAll(".body a")].map(a => a.getAttribute("href"))`))
		b.click(".body", "down")
		poll[bool](b, `() => document.activeElement.tagName === "H2"`)
		b.click(".body", "beside")
		b.sees("main pre", "More of b")
	})
	on("a change moves neither the focus nor what is chosen and opened", func(t *testing.T, b *browser) {
		again := func(message string) {
			value[any](b, `document.querySelector("main h1").dataset.old = "1"; null`)
			s.commit(t, "shop", commit{Branch: "main", Message: message, Actions: []action{upsert("notes/again.md", message)}})
			poll[bool](b, `() => Boolean(document.querySelector("main h1")) && !document.querySelector("main h1").dataset.old`)
		}
		b.visit("shop/catalog")
		b.choose("Kind", "Category")
		value[any](b, `[...document.querySelectorAll("main td a")][3].focus(); null`)
		focused := value[string](b, `document.activeElement.innerText`)
		again("Once")
		assert.Equal(t, focused, value[string](b, `document.activeElement.innerText`))
		assert.Equal(t, "Category", value[string](b, `document.getElementById("kind").value`))
		value[any](b, `document.querySelector("#nav a").focus(); null`)
		again("Twice")
		assert.Equal(t, "Overview", value[string](b, `document.activeElement.innerText`))
		b.visit("shop/commit?id=" + s.history(t, "shop")[0].CommitID)
		b.sees("main details", "notes/again.md")
		value[any](b, `document.querySelector("main details").open = false; document.querySelector("main summary").focus(); null`)
		again("Thrice")
		assert.False(t, value[bool](b, `document.querySelector("main details").open`))
		assert.Equal(t, "SUMMARY", value[string](b, `document.activeElement.tagName`))
	})
	on("a malformed address is told", func(t *testing.T, b *browser) {
		for _, place := range []string{"%zz", "shop/toString", "shop/constructor"} {
			b.visit(place)
			b.sees("main h1", "nothing here")
		}
	})
	on("a document is made", func(t *testing.T, b *browser) {
		b.visit("shop/edit?kind=Category")
		b.fill("id", "cat-new")
		b.fill("slug", "new")
		b.fill("title", "New things")
		b.fill("parent", "nowhere")
		b.click("main", "Save")
		b.sees("[role=alert] td", "BROKEN_REFERENCE")
		b.fill("parent", "cat-coffee")
		b.click("main", "Save")
		b.sees("main h1", "New things")
	})
	on("releases are published, compared and rolled back to", func(t *testing.T, b *browser) {
		b.visit("shop/releases")
		b.click("main", "Check")
		b.sees("#told", "can be released as 1.0.0")
		b.click("main", "Publish")
		b.sees("main td strong", "1.0.0")
		s.call(t, "PATCH", catalogTarget("shop", "/products/prod-1001"), strings.NewReader(`{"price":"16.00"}`), "Content-Type", "application/merge-patch+json").wants(t, http.StatusOK)
		b.click("main", "What is new since 1.0.0")
		b.sees("main td ins", "16.00")
		b.visit("shop/releases")
		b.fill("Version", "1.1.0")
		b.click("main", "Publish")
		b.sees("main td strong", "1.1.0")
		b.click("main", "changes")
		b.sees("main td del", "15.00")
		b.visit("shop/releases")
		b.click("main", "Roll back to 1.0.0")
		b.sees("#told", "Released 1.1.1, whose files are those of 1.0.0")
		b.sees("main td strong", "1.1.1")
	})
	category := func(repository, branch, title string) {
		s.commit(t, repository, commit{Branch: branch, Message: title, Actions: []action{upsert("categories/a.md", "---\nid: a\nslug: a\ntitle: "+title+"\n---\n")}})
	}
	on("what is released, compared and edited is the branch that is followed", func(t *testing.T, b *browser) {
		s.createRepository(t, "drafts")
		category("drafts", "main", "Other")
		s.post(t, inRepository("drafts", "/branches"), map[string]string{"name": "drafts", "target": "main"}).wants(t, http.StatusCreated)
		category("drafts", "drafts", "First")
		eventually(t, "the catalog is not there", func() error { return s.serves(t, catalogTarget("drafts", "/categories/a")) })
		b.visit("drafts/releases")
		b.sees("main", "Nothing has been released yet")
		b.click("main", "Publish")
		b.sees("main td strong", "1.0.0")
		category("drafts", "drafts", "Second")
		b.click("main", "What is new since 1.0.0")
		b.sees("main td ins", "Second")
		b.visit("drafts/edit?kind=Category&id=a&at=v1.0.0")
		b.sees("main", "On branch drafts")
	})
	on("versions follow the highest, and a release that is tried again is made once", func(t *testing.T, b *browser) {
		s.createRepository(t, "early")
		category("early", "main", "First")
		s.tag(t, "early", "v1.0.0", "main")
		category("early", "main", "Second")
		s.tag(t, "early", "v2.0.0-rc.1", "main")
		s.post(t, inRepository("early", "/branches"), map[string]string{"name": "v1.0.0", "target": "main"}).wants(t, http.StatusCreated)
		eventually(t, "the catalog is not there", func() error { return s.serves(t, catalogTarget("early", "/categories/a")) })
		proposes := func(version string) {
			t.Helper()
			poll[bool](b, `(version) => document.getElementById("version")?.value === version`, version)
		}
		b.visit("early/releases")
		proposes("2.0.0")
		b.click("main", "changes")
		b.sees("main h1", "From v1.0.0 to v2.0.0-rc.1")
		b.sees("main td del", "First")
		b.visit("early/releases")
		proposes("2.0.0")
		b.fill("From", "v1.0.0")
		b.do(chromedp.KeyEvent(kb.Enter))
		b.sees("main td del", "First")
		type page struct {
			Next string `json:"next_page_token"`
		}
		b.visit("early/releases?page=" + url.QueryEscape(into[page](t, s.get(t, inRepository("early", "/releases?page_size=1"))).Next))
		b.sees("main td strong", "1.0.0")
		proposes("2.0.0")
		lose := func(path string) {
			value[any](b, `{ const real = fetch; window.fetch = async (url, o) => { const a = await real(url, o); if (o?.method !== "POST" || !url.pathname.endsWith("`+path+`") || o.body.includes("dry_run")) return a; window.fetch = real; throw new TypeError("lost"); }; null }`)
		}
		lose("/rollback")
		b.click("main", "Roll back to 1.0.0")
		b.sees("[role=alert]", "cannot be reached")
		b.visit("early/releases")
		b.sees("main td strong", "2.0.0")
		b.click("main", "Roll back to 1.0.0")
		b.sees("#told", "Released 2.0.0, whose files are those of 1.0.0")
		proposes("2.1.0")
		lose("/releases")
		b.click("main", "Publish")
		b.sees("[role=alert]", "cannot be reached")
		b.sees("main td strong", "2.1.0")
		proposes("2.1.0")
		b.click("main", "Publish")
		b.sees("#told", "Released 2.1.0.")
		proposes("2.2.0")
		var versions []string
		for _, r := range list[struct {
			Version string `json:"version"`
		}](t, s.client, inRepository("early", "/releases"), 10) {
			versions = append(versions, r.Version)
		}
		assert.Equal(t, []string{"2.1.0", "2.0.0", "2.0.0-rc.1", "1.0.0"}, versions)
	})
	on("changes and problems arrive live", func(t *testing.T, b *browser) {
		b.visit("shop/history")
		b.sees("aside [role=status]", "as they happen")
		s.commit(t, "shop", commit{Branch: "main", Message: "Break something", Actions: []action{upsert("products/broken.md", "---\nid: [\n---\n")}})
		b.sees("main td", "Break something")
		b.sees("aside li", "main")
		b.visit("shop/problems")
		b.sees("main td", "products/broken.md")
		s.commit(t, "shop", commit{Branch: "main", Message: "Mend it", Actions: []action{{Action: "delete", Path: "products/broken.md"}}})
		b.sees("main", "All documents are in order")
	})
	on("changes that arrive while a view is made are shown by one more", func(t *testing.T, b *browser) {
		b.visit("shop/history")
		b.sees("aside [role=status]", "as they happen")
		value[any](b, `{
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
		b.sees("aside li", write("The first of many"))
		poll[bool](b, `() => window.views === 1`)
		for _, message := range []string{"The second of many", "The third of many"} {
			b.sees("aside li", write(message))
		}
		value[any](b, `window.answer(); null`)
		b.sees("main td", "The third of many")
		poll[bool](b, `() => window.views > 1`)
		assert.Equal(t, 2.0, value[float64](b, `window.views`))
		value[any](b, `window.fetch = window.real; null`)
	})
	on("what a repository holds does not run", func(t *testing.T, b *browser) {
		evil := `<img src=x onerror="window.ran=1"><script>window.ran=1</script>`
		s.commit(t, "shop", commit{Branch: "main", Message: evil, Actions: []action{
			upsert("evil.html", evil),
			upsert("collections/evil.md", "---\nid: evil\nslug: evil\ntitle: '"+evil+"'\nnote: '"+evil+"'\nlink: javascript:window.ran=1\n---\n"+evil+"\n\n[link](javascript:window.ran=1)\n"),
		}})
		b.visit("shop/document?kind=Collection&id=evil")
		b.sees("main h1", "<img src=x")
		b.visit("shop/file?path=evil.html")
		b.sees("main pre", "<img src=x")
		b.visit("shop/history")
		b.sees("main td", "<img src=x")
		assert.Nil(t, value[any](b, `window.ran ?? null`))
		b.visit("shop/" + url.PathEscape("<b>") + "?at=" + url.QueryEscape(evil))
		b.sees("main h1", "nothing here")
	})
	on("a refusal is shown as it is told", func(t *testing.T, b *browser) {
		b.visit("gone")
		b.sees("main [role=alert]", `repository "gone" does not exist`)
		b.visit("shop/files?at=main^")
		b.sees("main [role=alert]", "revision")
	})
	on("the keyboard is enough", func(t *testing.T, b *browser) {
		b.do(chromedp.Navigate("about:blank"))
		b.visit("shop")
		b.sees("main", "Product")
		assert.Equal(t, "main", value[string](b, `document.activeElement.id`), "a new view is not where the focus is")
		b.do(chromedp.KeyEvent(kb.Tab))
		assert.Equal(t, "A", value[string](b, `document.activeElement.tagName`), "the focus does not go on into the view")
		for _, place := range []string{"shop/catalog", "shop/edit?kind=Product&id=prod-1001", "shop/releases", ""} {
			b.visit(place)
			poll[bool](b, `() => !document.querySelector("main").hasAttribute("aria-busy") && Boolean(document.querySelector("main h1"))`)
			assert.Empty(t, value[[]string](b, `[...document.querySelectorAll("input, select, textarea")].filter(e => !e.labels.length).map(e => e.outerHTML)`), "%s has controls without a label", place)
			assert.Empty(t, value[[]string](b, `[...document.querySelectorAll("[onclick], [tabindex]:not([tabindex='0'], [tabindex='-1'])")].map(e => e.outerHTML)`), place)
		}
		assert.Equal(t, "en", value[string](b, `document.documentElement.lang`))
	})
	on("what is told and what is needed is read out", func(t *testing.T, b *browser) {
		b.visit("shop/edit?kind=Product")
		b.sees("main h1", "New product")
		assert.Equal(t, []string{"id", "slug", "title", "sku", "category", "price", "currency"}, value[[]string](b, `[...document.querySelectorAll("main :required")].map(e => e.labels[0].innerText)`))
		assert.Contains(t, described("edit-tags"), "One in a line")
		// What is put into a region is read out if the region was there before.
		const region = `[told.ariaLive, told.checkVisibility(), told.childElementCount].join()`
		assert.Equal(t, "polite,true,0", value[string](b, region))
		b.click("main", "Check")
		b.sees("#told", "the id is missing")
		assert.Contains(t, described("edit-id"), "the id is missing")
		b.visit("shop/releases")
		b.fill("Version", "one")
		b.click("main", "Check")
		b.sees("#told", "no Semantic Version")
		assert.Contains(t, described("version"), "no Semantic Version")
	})
	on("it is light and dark", func(t *testing.T, b *browser) {
		background := func(scheme string) string {
			_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			require.NoError(t, err)
			return value[string](b, `getComputedStyle(document.body).backgroundColor`)
		}
		b.visit("")
		b.sees("main h1", "Repositories")
		for _, scheme := range []string{"light", "dark"} {
			background(scheme)
			contrast := value[float64](b, `(() => {
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
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Equal(t, map[string]bool{s.address: true}, b.asked, "the page asked somebody else")
	assert.Empty(t, b.wrong)
}
