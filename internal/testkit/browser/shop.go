package browser

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Shop is a repository that holds the example's catalog, which one commit with the message "Import the catalog" brought; the API
// follows its default branch, main.
type Shop struct {
	ID string
	// API is the URL at which others change the shop: that of the page, or of another replica.
	API string
}

// guji is the file of the product that is edited.
const guji = "products/coffee/single-origin/east-africa/ethiopia-guji-shakiso.md"

// Use has people browse, search, edit and release in the window what the shop has, each in a part of the test.
func (s Shop) Use(t *testing.T, b *Window) {
	b.On(t, "the tree and the history are browsed", s.browse)
	b.On(t, "the catalog is searched", s.search)
	b.On(t, "an edit is checked, saved, and leaves the rest of the file alone", s.edit)
	b.On(t, "changes and problems arrive live", s.watch)
	b.On(t, "releases are published, compared and rolled back to", s.release)
}

func (s Shop) browse(_ *testing.T, b *Window) {
	b.Visit("")
	b.Click("main", s.ID)
	b.Sees("main", "Product")
	b.Click("nav", "Files")
	for _, name := range []string{"products/", "coffee/", "single-origin/", "east-africa/", "ethiopia-guji-shakiso.md"} {
		b.Click("main", name)
	}
	b.Sees("main pre", "Some six hundred smallholders")
	b.Click("main", "History")
	b.Sees("main td", "Import the catalog")
	b.Click("main td:first-child", Value[string](b, `document.querySelector("main td a").innerText`))
	b.Sees("main h1", "Import the catalog")
	b.Sees("main", "The first commit")
}

func (s Shop) search(t *testing.T, b *Window) {
	b.Visit(s.ID + "/catalog")
	b.Fill("Words", "jasmine")
	b.Press(KeyEnter)
	Poll[bool](b, `() => { const shown = document.querySelector("main").innerText; return shown.includes("Guji") && !shown.includes("Tarrazú"); }`)
	b.Visit(s.ID + "/catalog")
	b.Sees("main td", "Tarrazú")
	b.Fill("Field is", "attributes.roast=light\nprice<14")
	if help := b.Described("filter"); !strings.Contains(help, "in a line") {
		t.Errorf("the filter is described by %q", help)
	}
	b.Click("main", "Search")
	Poll[bool](b, `() => document.querySelectorAll("main tbody tr").length === 1`)
	b.Click("main", "Ethiopia Guji Shakiso")
	b.Sees("main .body strong", "jasmine, bergamot")
}

func (s Shop) edit(t *testing.T, b *Window) {
	before := s.call(t, http.MethodGet, "/files/"+guji, "")
	b.Visit(s.ID + "/document?kind=Product&id=prod-1001")
	b.Click("main", "Edit")
	b.Fill("price", "much")
	b.Click("main", "Check")
	b.Sees("[role=alert] td", "INVALID_PRICE")
	b.Sees("[role=alert] td", guji)
	if invalid := Value[string](b, `document.getElementById("edit-price").getAttribute("aria-invalid")`); invalid != "true" {
		t.Errorf("a price that is wrong has aria-invalid %q", invalid)
	}
	if said := b.Described("edit-price"); !strings.Contains(said, `"much"`) {
		t.Errorf("of a price that is wrong is said %q", said)
	}
	b.Fill("price", "14.25")
	b.Click("main", "Check")
	b.Sees("#told", "would be in order")
	if said := b.Described("edit-price"); said != "" {
		t.Errorf("of a price that is right is said %q", said)
	}
	if now := s.call(t, http.MethodGet, "/files/"+guji, ""); now != before {
		t.Errorf("a check wrote %s", now)
	}
	b.Fill("Message of the commit", "Raise a price")
	b.Click("main", "Save")
	b.Sees("main dd", "14.25")
	if now := s.call(t, http.MethodGet, "/files/"+guji, ""); now != strings.Replace(before, "13.50", "14.25", 1) || now == before {
		t.Errorf("the file is now %s", now)
	}
	var last struct{ Items []struct{ Message string } }
	if err := json.Unmarshal([]byte(s.call(t, http.MethodGet, "/commits?page_size=1", "")), &last); err != nil || last.Items[0].Message != "Raise a price\n" {
		t.Errorf("the last commits are %+v, %v", last, err)
	}
}

func (s Shop) watch(t *testing.T, b *Window) {
	b.Visit(s.ID + "/history")
	b.Sees("aside [role=status]", "as they happen")
	s.call(t, http.MethodPut, "/files/products/broken.md?message=Break+something", "---\nid: [\n---\n")
	b.Sees("main td", "Break something")
	b.Sees("aside li", "main")
	b.Visit(s.ID + "/problems")
	b.Sees("main td", "products/broken.md")
	s.call(t, http.MethodDelete, "/files/products/broken.md?message=Mend+it", "")
	b.Sees("main", "All documents are in order")
}

func (s Shop) release(t *testing.T, b *Window) {
	price := func(price string) {
		s.call(t, http.MethodPatch, "/catalog/products/prod-1001", `{"price":"`+price+`"}`)
	}
	price("14.50")
	b.Visit(s.ID + "/releases")
	b.Click("main", "Check")
	b.Sees("#told", "can be released as 1.0.0")
	b.Click("main", "Publish")
	b.Sees("main td strong", "1.0.0")
	price("14.75")
	b.Click("main", "What is new since 1.0.0")
	b.Sees("main td ins", "14.75")
	b.Visit(s.ID + "/releases")
	b.Fill("Version", "1.1.0")
	b.Click("main", "Publish")
	b.Sees("main td strong", "1.1.0")
	b.Click("main", "changes")
	b.Sees("main td del", "14.50")
	b.Visit(s.ID + "/releases")
	b.Click("main", "Roll back to 1.0.0")
	b.Sees("#told", "Released 1.1.1, whose files are those of 1.0.0")
	b.Sees("main td strong", "1.1.1")
}

// call has somebody else do something with the shop, which has to succeed, and returns what is answered.
func (s Shop) call(t *testing.T, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.API+"/v1/repositories/"+url.PathEscape(s.ID)+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: visitWait}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= http.StatusMultipleChoices {
		t.Fatalf("%s %s: %d: %s: %v", method, path, resp.StatusCode, answer, err)
	}
	return string(answer)
}
