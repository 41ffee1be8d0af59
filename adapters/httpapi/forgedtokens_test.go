package httpapi_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
)

func id(text string) git.ObjectID {
	id, err := git.ParseObjectID(text)
	if err != nil {
		panic(err)
	}
	return id
}

// TestForgedPageTokens sends tokens that nobody was given: their checksum is right, for it is no secret, and what they name is anything.
func TestForgedPageTokens(t *testing.T) {
	w := openShop(t, smallShop())
	before := w.head()
	blob := w.get(shopCatalog + "/products/a").json()["blob_id"].(string)
	tree := w.get(shop + "/commits/main").json()["tree_id"].(string)
	w.patch(shopCatalog+"/products/a", `{"title":"Another"}`).wants(http.StatusOK)
	w.post(shop+"/releases", `{"version":"1.0.0","changes":[{"action":"delete","kind":"Product","id":"bad"},{"action":"patch","kind":"Product","id":"d","document":{"category":"late"}},{"action":"patch","kind":"Collection","id":"picks","document":{"products":[]}}]}`).wants(http.StatusCreated)
	commits := []git.ObjectID{
		{}, {}, id(w.head()), id(before), id(blob), id(tree), id(strings.Repeat("1", 40)), id(strings.Repeat("2", 64)),
	}
	names := []string{
		"", "a", "b", "refs/heads/main", "refs/heads/a..b", "refs/tags/v1.0.0", "v1.0.0", "v 1", "../up", "/", "products", "products/a.md", "a\x00b", "\xff", strings.Repeat("x", 5000),
		before + "\x00Product\x00a", w.head() + "\x00\x00", blob + "\x00Product\x00a", strings.Repeat("1", 40) + "\x00Product", before, "refs/heads/" + strings.Repeat("y", 300),
	}
	listings := []string{
		"/v1/repositories", shop + "/branches", shop + "/tags", shop + "/releases", shop + "/tree", shop + "/tree?prefix=products&recursive=true", shop + "/commits", shop + "/commits?path=products/a.md",
		shopCatalog + "/products", shopCatalog + "/products?sort=title", shopCatalog + "/categories?parent=root", shopCatalog + "/documents?kind=Note", shopCatalog + "/problems", shopCatalog + "/diff?from=" + before,
	}
	taken, refused := 0, 0
	token := func(t *rapid.T) page.Token {
		return page.Token{
			Commit: rapid.SampledFrom(commits).Draw(t, "commit"), After: rapid.SampledFrom(names).Draw(t, "after"),
			Skip: rapid.SampledFrom([]int{0, 0, 1, 7, math.MaxInt32, math.MaxInt}).Draw(t, "skip"),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		c := *w.client
		c.t = w.t
		listing := rapid.SampledFrom(listings).Draw(t, "listing")
		forged := token(t)
		text := httpapi.ForgedToken(c.server.Config.Handler, httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, listing, nil), forged)
		if rapid.IntRange(0, 3).Draw(t, "of the store") == 0 { // the store makes some tokens itself
			text = page.Encode(rapid.SampledFrom([]string{"repositories", "tags shop", ""}).Draw(t, "scope"), forged)
		}
		joint := "?"
		if strings.Contains(listing, "?") {
			joint = "&"
		}
		a := c.get(listing + joint + "page_token=" + url.QueryEscape(text))
		problem, _ := a.json()["reason"].(string)
		if a.status != http.StatusOK && (a.status != http.StatusBadRequest || problem != "INVALID_PAGE_TOKEN") {
			t.Fatalf("%s with %+v: %d %s", listing, forged, a.status, a.body)
		}
		if field := a.json()["field"]; a.status != http.StatusOK && field != "page_token" {
			t.Fatalf("%s with %+v: the field is %v", listing, forged, field)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		c := *w.client
		c.t = w.t
		listing := rapid.SampledFrom([][2]string{
			{`{catalog(repository:"shop"){products(after:$after){nodes{sku}}}}`, `graphql ["shop","",{"Kind":"Product","ID":null,"SKU":null,"Slug":null,"Category":null,"CategoryTree":null,"Collection":null,"Parent":null,"Status":null,"InventoryStatus":null,"Currency":"","PriceMin":"","PriceMax":"","Tags":null,"Text":"","Where":null,"Sort":null}]`},
			{`{catalog(repository:"shop"){problems(after:$after){nodes{path}}}}`, `graphql ["shop","","problems"]`},
			{`{releases(repository:"shop",after:$after){nodes{version}}}`, `graphql ["shop","releases"]`},
			{`{diff(repository:"shop",from:"` + before + `",after:$after){nodes{documentId}}}`, `graphql ["shop","diff","` + before + `",null,""]`},
		}).Draw(t, "listing")
		forged := token(t)
		a := c.gql(`query($after:String!)`+listing[0], map[string]any{"after": page.Encode(listing[1], forged)})
		for _, e := range errorsOf(a) {
			if code, field := member(e, "extensions")["code"], member(e, "extensions")["field"]; code != "INVALID_PAGE_TOKEN" || field != "after" {
				t.Fatalf("%s with %+v: %v at %v: %s", listing[0], forged, code, field, a.body)
			}
		}
		if len(errorsOf(a)) > 0 {
			refused++
		} else {
			taken++
		}
	})
	if taken == 0 || refused == 0 {
		w.t.Errorf("of the cursors %d were taken and %d refused: the scopes are other ones", taken, refused)
	}
}

func errorsOf(a answer) (all []map[string]any) {
	list, _ := a.json()["errors"].([]any)
	for _, e := range list {
		all = append(all, e.(map[string]any))
	}
	return all
}
