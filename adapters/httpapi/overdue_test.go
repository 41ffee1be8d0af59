package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// slowCatalogs are catalogs that take their time, if it is not up before.
type slowCatalogs struct {
	httpapi.Catalogs
	takes time.Duration
}

func (s slowCatalogs) wait(ctx context.Context) error {
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		return errs.From(ctx.Err())
	}
}

func (s slowCatalogs) Catalog(ctx context.Context, id git.RepositoryID) (*catalogs.Catalog, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	snapshot, err := catalog.Build(ctx, nil, git.SHA1.HashObject(git.BlobObject, nil), nil)
	return &catalogs.Catalog{Repository: id, Snapshot: snapshot}, err
}

func (slowCatalogs) Status(git.RepositoryID) (catalogs.Status, error) { return catalogs.Status{}, nil }

func (s slowCatalogs) Write(ctx context.Context, _ git.RepositoryID, _ catalogs.Write) (*catalogs.WriteResult, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return nil, errs.New(errs.ReasonDocumentNotFound, "it was waited for")
}

// slowStore takes its time as well; of files it has the content after the answer has begun.
type slowStore struct {
	ports.RepositoryStore
	slowCatalogs
}

func (s slowStore) ListRepositories(ctx context.Context, _ ports.Page) (ports.RepositoryPage, error) {
	return ports.RepositoryPage{}, s.wait(ctx)
}

func (s slowStore) Repository(git.RepositoryID) ports.GitRepository { return slowRepository{store: s} }

type slowRepository struct {
	largeFiles
	store slowStore
}

func (r slowRepository) ReadFile(ctx context.Context, _ ports.ReadFile) (ports.File, io.ReadCloser, error) {
	id := git.SHA1.HashObject(git.BlobObject, nil)
	content := io.MultiReader(io.LimitReader(zeros{}, 1<<20), slowContent{func() error { return r.store.wait(ctx) }}, strings.NewReader("the end"))
	return ports.File{Blob: id, Commit: id, Size: 1<<20 + int64(len("the end"))}, io.NopCloser(content), nil
}

// slowContent is nothing, after a while.
type slowContent struct{ wait func() error }

func (s slowContent) Read([]byte) (int, error) {
	if err := s.wait(); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

func TestAReadMayTakeItsTimeAndNoMore(t *testing.T) {
	const limit, longer = time.Minute, 3 * time.Minute
	listing := "/v1/repositories"
	for name, tt := range map[string]struct {
		method, path, body string
		takes              time.Duration
		status             int
		says               string
	}{
		"a listing in time":    {http.MethodGet, listing, "", limit - time.Second, 200, `"items"`},
		"a listing":            {http.MethodGet, listing, "", longer, 504, `"reason":"DEADLINE_EXCEEDED"`},
		"what is said of it":   {http.MethodGet, listing, "", longer, 504, "the request took longer than the 1m0s that one may take"},
		"documents":            {http.MethodGet, shop + "/catalog/products", "", longer, 504, `"reason":"DEADLINE_EXCEEDED"`},
		"a query":              {http.MethodPost, "/graphql", `{"query":"{catalog(repository:\"shop\"){commitId}}"}`, longer, 200, `"code":"DEADLINE_EXCEEDED"`},
		"what a query is told": {http.MethodPost, "/graphql", `{"query":"{catalog(repository:\"shop\"){commitId}}"}`, longer, 200, "took longer than the 1m0s"},
		"a query by GET":       {http.MethodGet, "/graphql?query=%7Bcatalog(repository:%22shop%22)%7BcommitId%7D%7D", "", longer, 200, `"code":"DEADLINE_EXCEEDED"`},
		"a query in time":      {http.MethodPost, "/graphql", `{"query":"{catalog(repository:\"shop\"){commitId}}"}`, limit - time.Second, 200, `"commitId"`},
		"a write":              {http.MethodDelete, shop + "/catalog/products/p", "", longer, 404, "it was waited for"},
		"a mutation": {
			http.MethodPost, "/graphql", `{"query":"mutation{deleteDocument(repository:\"shop\",kind:\"Product\",documentId:\"p\"){commitId}}"}`, longer, 200, "it was waited for",
		},
		"a file that comes slowly": {http.MethodGet, shop + "/files/a", "", longer, 200, "the end"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := slowCatalogs{takes: tt.takes}
				api := httpapi.New(slowStore{slowCatalogs: slow}, httpapi.Options{RequestTimeout: limit, Catalogs: slow})
				w := httptest.NewRecorder()
				r := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, strings.NewReader(tt.body))
				r.Header.Set("Content-Type", "application/json")
				api.ServeHTTP(w, r)
				if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
					t.Errorf("%d %.400q", w.Code, w.Body)
				}
			})
		})
	}
}

// heedless are catalogs that look at no context.
type heedless struct{ slowCatalogs }

func (s heedless) Catalog(_ context.Context, id git.RepositoryID) (*catalogs.Catalog, error) {
	return s.slowCatalogs.Catalog(context.Background(), id)
}

func TestAQueryThatIsOverdueResolvesNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := httpapi.New(stub{}, httpapi.Options{RequestTimeout: time.Minute, Catalogs: heedless{slowCatalogs{takes: 2 * time.Minute}}})
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(`{"query":"{catalog(repository:\"shop\"){counts{kind}}}"}`))
		r.Header.Set("Content-Type", "application/json")
		api.ServeHTTP(w, r)
		if body := w.Body.String(); !strings.Contains(body, "DEADLINE_EXCEEDED") || strings.Contains(body, `"counts":[`) {
			t.Errorf("the answer is %s", body)
		}
	})
}
