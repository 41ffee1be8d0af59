package httpapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestProductsAreFoundByWhatTheyAre(t *testing.T) {
	files := smallShop()
	files["products/a.md"] = strings.NewReplacer(`price: "1.50"`, `price: "12.00"`, "in_stock", "preorder").Replace(files["products/a.md"])
	files["products/c.md"] = strings.NewReplacer("EUR", "USD", "active", "draft", "About", "Ein Gruß an").Replace(files["products/c.md"])
	w := openShop(t, files)
	for question, want := range map[string]string{
		"/products?id=b":                                                "b",
		"/products?id=root":                                             "",
		"/products?category_tree=root":                                  "a b c",
		"/products?category_tree=late":                                  "c",
		"/products?category_tree=nowhere":                               "d",
		"/products?category_tree=root&collection=picks":                 "c a",
		"/products?price_min=1.5&price_max=2":                           "b c d",
		"/products?price_min=1.51":                                      "a",
		"/products?currency=USD":                                        "c",
		"/products?inventory_status=preorder":                           "a",
		"/products?inventory_status=preorder&inventory_status=in_stock": "a b c d",
		"/products?status=draft":                                        "c",
		"/products?tag=x&tag=y":                                         "a",
		"/products?tag=x&tag=z":                                         "",
		"/products?q=ABOUT":                                             "a b d",
		"/products?q=gruss+sku-c":                                       "c",
		"/products?q=":                                                  "a b c d",
		"/products?filter=supplier.name%3DAda":                          "a",
		"/products?filter=supplier.name!%3DAda":                         "b c d",
		"/products?filter=supplier.since%3E1842&filter=gtin%3D0042":     "a",
		"/products?filter=gtin%3D42":                                    "",
		"/products?filter=images.alt%3DAn%20a":                          "a",
		"/products?sort=-price,category":                                "a b c d",
		"/products?sort=-id":                                            "d c b a",
		"/products?collection=picks&sort=id":                            "a c",
		"/categories?sort=-position,title":                              "late early root",
		"/categories?q=ROOT":                                            "root",
		"/categories?parent=root&filter=position%3E%3D2":                "late",
		"/collections?filter=products%3DSKU-a":                          "picks",
		"/documents?kind=Note&filter=text%3Dhello":                      "n1",
		"/documents?kind=Product&filter=price%3C2&sort=-sku":            "d c b",
		"/products?filter=price%20%3C%202&sort=-sku":                    "d c b",
	} {
		whole := w.get(shopCatalog + question).wants(http.StatusOK)
		if got := strings.Join(whole.items("id"), " "); got != want || whole.next() != "" {
			t.Errorf("%s lists %q, want %q", question, got, want)
		}
		var paged []string
		for token := ""; ; {
			sep := "?"
			if strings.Contains(question, "?") {
				sep = "&"
			}
			a := w.get(shopCatalog + question + sep + "page_size=1&page_token=" + token).wants(http.StatusOK)
			paged = append(paged, a.items("id")...)
			if token = a.next(); token == "" {
				break
			}
		}
		if got := strings.Join(paged, " "); got != want {
			t.Errorf("in pages %s lists %q, want %q", question, got, want)
		}
	}
}

func TestATokenIsForOneQuestionOnly(t *testing.T) {
	w := openShop(t, smallShop())
	token := w.get(shopCatalog + "/products?sort=price&page_size=1").wants(http.StatusOK).next()
	for _, other := range []string{"sort=-price", "sort=price&q=a", "sort=price&filter=id!%3Da", "sort=price&at=main", "sort=price&fields=id", "sort=price&body=html", "sort=price&tag=x"} {
		w.get(shopCatalog+"/products?"+other+"&page_size=1&page_token="+token).problem(http.StatusBadRequest, "INVALID_PAGE_TOKEN").field("page_token")
	}
	if got := w.get(shopCatalog + "/products?sort=price&page_size=2&page_token=" + token).wants(http.StatusOK).items("id"); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("the next page of another size is %q", got)
	}
}

func TestOnlyTheMembersThatAreAskedForAreSent(t *testing.T) {
	files := smallShop()
	files["products/nested.md"] = productFile("nested", "early", "lots: [{farm: {name: X}, altitude: 1900}, {altitude: 2000}, none, {farm: {name: Z, size: 3}}]\na.b: 2\nsupplier: Ada\n")
	w := openShop(t, files)
	for question, want := range map[string]string{
		"/products/a?fields=id,price":                                                   `{"id":"a","price":"1.50"}`,
		"/products/a?fields=fields.gtin,id":                                             `{"id":"a","fields":{"gtin":"0042"}}`,
		"/products/b?fields=fields.gtin,id":                                             `{"id":"b","fields":{}}`,
		"/products/a?fields=fields.supplier.name":                                       `{"fields":{"supplier":{"name":"Ada"}}}`,
		"/products/a?fields=fields.supplier.name,fields.supplier":                       `{"fields":{"supplier":{"name":"Ada","since":1843}}}`,
		"/products/nested?fields=fields.lots.farm.name,fields.a.b,fields.supplier.name": `{"fields":{"lots":[{"farm":{"name":"X"}},{"farm":{"name":"Z"}}],"a.b":2}}`,
		"/products/nested?fields=fields.lots.farm":                                      `{"fields":{"lots":[{"farm":{"name":"X"}},{"farm":{"name":"Z","size":3}}]}}`,
		"/products/a?fields=fields":                                                     `{"fields":{"supplier":{"name":"Ada","since":1843},"gtin":"0042"}}`,
		"/products/a?fields=body":                                                       `{"body":"About **a**.\n"}`,
		"/products/a?fields=body&body=html":                                             `{"body_html":"<p>About <strong>a</strong>.</p>\n"}`,
		"/products/a?fields=id,body&body=none":                                          `{"id":"a"}`,
		"/products/a?fields=body_html&body=html":                                        `{"body_html":"<p>About <strong>a</strong>.</p>\n"}`,
		"/categories/early?fields=id,ancestors":                                         `{"id":"early","ancestors":[{"id":"root","slug":"root","title":"ROOT"}]}`,
		"/documents/Note/n1?fields=fields.text":                                         `{"fields":{"text":"hello"}}`,
		"/documents/Product/a?fields=title":                                             `{"title":"Title of a"}`,
	} {
		if got := strings.TrimSpace(string(w.get(shopCatalog + question).wants(http.StatusOK).body)); got != want {
			t.Errorf("%s is %s, want %s", question, got, want)
		}
	}
	a := w.get(shopCatalog + "/products?fields=sku&page_size=2").wants(http.StatusOK)
	if !strings.Contains(string(a.body), `"items":[{"sku":"SKU-a"},{"sku":"SKU-b"}]`) {
		t.Errorf("the page is %s", a.body)
	}
	html := w.get(shopCatalog + "/products/b?body=html").wants(http.StatusOK)
	if raw := w.get(shopCatalog + "/products/b"); raw.header.Get("ETag") == html.header.Get("ETag") ||
		!strings.HasSuffix(string(html.body), `"body_html":"<p>About <strong>b</strong>.</p>\n"}`+"\n") || strings.Contains(string(html.body), `"body":`) {
		t.Errorf("as HTML the product is %s", html.body)
	}
	w.get(shopCatalog+"/products/b?body=html", header("If-None-Match", html.header.Get("ETag"))).wants(http.StatusNotModified)
}

func TestAnyRevisionCanBeAsked(t *testing.T) {
	w := openShop(t, smallShop())
	first := w.head()
	w.post(shop+"/tags", `{"name":"v1.2.0","message":"First"}`).wants(http.StatusCreated)
	second := w.edit(map[string]string{"products/b.md": productFile("b", "late", ""), "products/e.md": productFile("e", "late", "")})
	w.post(shop+"/branches", `{"name":"drafts/spring","target":"`+first+`"}`).wants(http.StatusCreated)
	for revision, commit := range map[string]string{
		"v1.2.0": first, "refs/tags/v1.2.0": first, "drafts/spring": first, first: first, second: second, "main": second, "HEAD": second,
	} {
		a := w.get(shopCatalog + "/products?at=" + url.QueryEscape(revision)).wants(http.StatusOK)
		want := "a b c d"
		if commit == second {
			want += " e"
		}
		if got := strings.Join(a.items("id"), " "); got != want || a.header.Get("GitStore-Commit") != commit || a.json()["commit_id"] != commit || a.header.Get("Age") != "" {
			t.Errorf("at %s there is %q of %v", revision, got, a.header)
		}
		w.get(shopCatalog+"/products?at="+url.QueryEscape(revision), header("If-None-Match", a.header.Get("ETag"))).wants(http.StatusNotModified)
	}
	if b := w.get(shopCatalog + "/products/b?at=v1.2.0").wants(http.StatusOK).json(); b["category"] != "early" {
		t.Errorf("b was %v", b)
	}
	w.get(shopCatalog+"/products/e?at=v1.2.0").problem(http.StatusNotFound, "DOCUMENT_NOT_FOUND")
	d := w.get(shopCatalog + "?at=v1.2.0").wants(http.StatusOK)
	if got := d.json(); got["commit_id"] != first || got["ref"] != "refs/tags/v1.2.0" || got["release"] != "1.2.0" || got["stale"] != false {
		t.Errorf("the catalog of a release is described as %v", got)
	}
	if n := len(w.get(shopCatalog + "/problems?at=" + first).wants(http.StatusOK).items("path")); n == 0 {
		t.Error("there are no problems at the first commit")
	}
	whole := w.get(shopCatalog + "/products?at=drafts/spring").items("id")
	page := w.get(shopCatalog + "/products?at=drafts/spring&page_size=2").wants(http.StatusOK)
	w.put(shop+"/files/products/0.md?branch=drafts/spring", productFile("0", "late", "")).wants(http.StatusCreated)
	rest := w.get(shopCatalog + "/products?at=drafts/spring&page_size=1000&page_token=" + page.next()).wants(http.StatusOK)
	if got := append(page.items("id"), rest.items("id")...); !slices.Equal(got, whole) {
		t.Errorf("the pages of a branch that moved are %q, want %q", got, whole)
	}
}

func TestStrangeIDsArePagedAndFound(t *testing.T) {
	composed, decomposed := "caf\u00e9", "cafe\u0301"
	ids := []string{"a/b", "a/b/..c", composed, decomposed, strings.Repeat("x", 10<<10), strings.Repeat("x", 10<<10) + "y", strings.Repeat("z", 3000)}
	files := map[string]string{}
	for i, id := range ids {
		files[fmt.Sprintf("products/%d.md", i)] = strings.ReplaceAll(productFile("ID", "none", ""), "ID", fmt.Sprint(i))
		files[fmt.Sprintf("products/%d.md", i)] = strings.Replace(files[fmt.Sprintf("products/%d.md", i)], fmt.Sprintf("id: %d", i), fmt.Sprintf("id: %q", id), 1)
	}
	w := openShop(t, files)
	for _, id := range ids {
		a := w.get(shopCatalog + "/products?fields=id&id=" + url.QueryEscape(id)).wants(http.StatusOK)
		if got := a.items("id"); !slices.Equal(got, []string{id}) {
			t.Errorf("%.80q finds %.80q", id, got)
		}
	}
	slices.Sort(ids)
	for _, order := range []string{"", "&sort=id"} {
		var paged []string
		for token := ""; ; {
			a := w.get(shopCatalog + "/products?fields=id&page_size=1" + order + "&page_token=" + token).wants(http.StatusOK)
			paged = append(paged, a.items("id")...)
			if token = a.next(); token == "" {
				break
			}
		}
		if !slices.Equal(paged, ids) {
			t.Errorf("in pages the ids are %.80q, want %.80q", paged, ids)
		}
	}
	if got := w.get(shopCatalog + "/products?fields=id&filter=id%3D" + url.QueryEscape(decomposed)).wants(http.StatusOK).items("id"); !slices.Equal(got, []string{decomposed}) {
		t.Errorf("a filter finds %q", got)
	}
}

func TestAPageOfLargeDocumentsIsCutShort(t *testing.T) {
	files := map[string]string{}
	for i := range 10 {
		files[fmt.Sprintf("products/%d.md", i)] = productFile(fmt.Sprintf("p%d", i), "none", "") + strings.Repeat("word\n", 200_000)
	}
	w := openShop(t, files)
	a := w.get(shopCatalog + "/products").wants(http.StatusOK)
	b := w.get(shopCatalog + "/products?page_token=" + a.next()).wants(http.StatusOK)
	if first, second := a.items("id"), b.items("id"); len(a.body) > 9<<20 || len(first)+len(second) != 10 || len(second) == 0 || b.next() != "" {
		t.Errorf("pages of %d bytes with %q and %q", len(a.body), first, second)
	}
	if got := w.get(shopCatalog + "/products?fields=id").items("id"); len(got) != 10 {
		t.Errorf("without their bodies %q are on a page", got)
	}
}
