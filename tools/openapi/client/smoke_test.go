// Package client holds a program that uses the client of GitStore's HTTP API that a stock generator makes of /openapi.json.
// e2e runs it: it has the generator make the package gitstore, and starts the API.
package client

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/tools/openapi/client/gitstore"
)

const shop = "shop"

func newClient(t *testing.T) *gitstore.ClientWithResponses {
	t.Helper()
	c, err := gitstore.NewClientWithResponses(os.Getenv("GITSTORE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wants returns an answer once it has the status.
func wants[A interface {
	StatusCode() int
	GetBody() []byte
}](t *testing.T, status int) func(A, error) A {
	t.Helper()
	return func(a A, err error) A {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if a.StatusCode() != status {
			t.Fatalf("status %d, want %d: %s", a.StatusCode(), status, a.GetBody())
		}
		return a
	}
}

func text(s string) *string { return &s }

// TestTheGeneratedClientWorks calls the API at GITSTORE_URL, which keeps the catalog of the repository "shop"; there is none yet.
func TestTheGeneratedClientWorks(t *testing.T) {
	c, ctx := newClient(t), t.Context()
	created := wants[*gitstore.CreateRepositoryResponse](t, http.StatusCreated)(
		c.CreateRepositoryWithResponse(ctx, gitstore.NewRepository{Id: shop}))
	if created.JSON201.Id != shop {
		t.Errorf("the repository %q was created", created.JSON201.Id)
	}
	t.Run("files", func(t *testing.T) { useFiles(t, c) })
	t.Run("commits", func(t *testing.T) { useCommits(t, c) })
	t.Run("problems", func(t *testing.T) { readProblems(t, c) })
	t.Run("catalog", func(t *testing.T) { useCatalog(t, c) })
}

func useFiles(t *testing.T, c *gitstore.ClientWithResponses) {
	const path, content = "docs/größe 1.md", "Size\n"
	put := wants[*gitstore.PutFileResponse](t, http.StatusCreated)(c.PutFileWithBodyWithResponse(t.Context(), shop, path, &gitstore.PutFileParams{},
		"text/markdown", strings.NewReader(content)))
	got := wants[*gitstore.GetFileResponse](t, http.StatusOK)(c.GetFileWithResponse(t.Context(), shop, path, &gitstore.GetFileParams{}))
	if string(got.Body) != content {
		t.Errorf("%q came back", got.Body)
	}
	if tag := *got.Headers200.ETag; tag != *put.Headers201.ETag {
		t.Errorf("the ETag is %s, of the write it was %s", tag, *put.Headers201.ETag)
	}
	wants[*gitstore.GetFileResponse](t, http.StatusNotModified)(
		c.GetFileWithResponse(t.Context(), shop, path, &gitstore.GetFileParams{IfNoneMatch: got.Headers200.ETag}))
}

func useCommits(t *testing.T, c *gitstore.ClientWithResponses) {
	binary := []byte{0, 0xff}
	commit := wants[*gitstore.CreateCommitResponse](t, http.StatusCreated)(c.CreateCommitWithResponse(t.Context(), shop, gitstore.NewCommit{
		Branch: "main", Message: "Add two files", Actions: []gitstore.Action{
			{Action: gitstore.ActionActionCreate, Path: "a.txt", Content: text("a")}, {Action: gitstore.ActionActionCreate, Path: "b.bin", ContentBase64: &binary},
		},
	})).JSON201
	var listed []string
	one, token := 1, ""
	for len(listed) < 10 {
		page := wants[*gitstore.ListCommitsResponse](t, http.StatusOK)(
			c.ListCommitsWithResponse(t.Context(), shop, &gitstore.ListCommitsParams{PageSize: &one, PageToken: &token})).JSON200
		for _, item := range page.Items {
			listed = append(listed, item.CommitId)
		}
		if token = page.NextPageToken; token == "" {
			break
		}
	}
	if !slices.Equal(listed, []string{commit.CommitId, commit.ParentId}) {
		t.Errorf("the pages list %v, the commit is %+v", listed, commit)
	}
}

func readProblems(t *testing.T, c *gitstore.ClientWithResponses) {
	missing := wants[*gitstore.GetFileResponse](t, http.StatusNotFound)(
		c.GetFileWithResponse(t.Context(), shop, "none.txt", &gitstore.GetFileParams{})).ApplicationproblemJSON404
	if missing == nil || missing.Reason != "PATH_NOT_FOUND" || missing.Status != http.StatusNotFound || missing.Detail == "" || missing.Instance == "" {
		t.Errorf("the problem is %+v", missing)
	}
	invalid := wants[*gitstore.CreateProductResponse](t, http.StatusUnprocessableEntity)(c.CreateProductWithResponse(t.Context(), shop,
		&gitstore.CreateProductParams{}, product("lost", gitstore.ProductInputStatusActive))).ApplicationproblemJSON422
	if invalid == nil || invalid.Reason != "INVALID_DOCUMENT" || invalid.Problems == nil || len(*invalid.Problems) == 0 {
		t.Errorf("the problem is %+v", invalid)
	}
}

func product(id string, status gitstore.ProductInputStatus) gitstore.ProductInput {
	stock := gitstore.ProductInputInventoryStatusInStock
	return gitstore.ProductInput{
		Id: &id, Slug: &id, Sku: text(strings.ToUpper(id)), Title: &id, Category: text("mugs"), Price: text("9.50"), Currency: text("EUR"),
		Status: &status, InventoryStatus: &stock, Body: text("About it.\n"),
	}
}

func useCatalog(t *testing.T, c *gitstore.ClientWithResponses) {
	ctx := t.Context()
	wants[*gitstore.CreateCategoryResponse](t, http.StatusCreated)(c.CreateCategoryWithResponse(ctx, shop, &gitstore.CreateCategoryParams{},
		gitstore.CategoryInput{Id: text("mugs"), Slug: text("mugs"), Title: text("Mugs"), Body: text("")}))
	for id, status := range map[string]gitstore.ProductInputStatus{
		"cup": gitstore.ProductInputStatusActive, "pot": gitstore.ProductInputStatusDraft, "old": gitstore.ProductInputStatusArchived,
	} {
		wants[*gitstore.CreateProductResponse](t, http.StatusCreated)(c.CreateProductWithResponse(ctx, shop, &gitstore.CreateProductParams{}, product(id, status)))
	}
	patched := wants[*gitstore.PatchProductResponse](t, http.StatusOK)(c.PatchProductWithApplicationMergePatchPlusJSONBodyWithResponse(ctx, shop, "cup",
		&gitstore.PatchProductParams{}, gitstore.ProductInput{Price: text("12.00")}))
	if patched.JSON200.Price != "12.00" || patched.JSON200.Title != "cup" {
		t.Errorf("the patched product is %+v", patched.JSON200)
	}
	statuses := []gitstore.ListProductsParamsStatus{gitstore.ListProductsParamsStatusActive, gitstore.ListProductsParamsStatusDraft}
	found := wants[*gitstore.ListProductsResponse](t, http.StatusOK)(c.ListProductsWithResponse(ctx, shop, &gitstore.ListProductsParams{
		Status: &statuses, PriceMin: text("10"), Currency: text("EUR"), MinCursor: patched.Headers200.GitStoreCursor,
	})).JSON200
	if len(found.Items) != 1 || found.Items[0].Id != "cup" || found.Items[0].Status != gitstore.ProductStatusActive {
		t.Errorf("the filter selects %+v", found.Items)
	}
	release := wants[*gitstore.CreateReleaseResponse](t, http.StatusCreated)(
		c.CreateReleaseWithResponse(ctx, shop, gitstore.NewRelease{Version: "1.0.0"})).JSON201
	if release.Tag != "v1.0.0" || release.Tagger == nil || release.Tagger.Time.IsZero() {
		t.Errorf("the release is %+v", release)
	}
}
