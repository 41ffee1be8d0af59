package httpapi_test

import (
	"context"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// journaled is a store with a journal: each call is one place further on, which its receipt says. Reads wait for nothing:
// what is not reached yet never is.
type journaled struct {
	ports.RepositoryStore
	now *uint64
	// silent leaves receipts empty.
	silent bool
}

func newJournaled(t testing.TB) journaled { return journaled{newStore(t), new(uint64), false} }

func (s journaled) record(ctx context.Context) {
	*s.now++
	if r := ports.ReceiptOf(ctx); r != nil && !s.silent {
		r.Cursor = at(*s.now)
	}
}

func (s journaled) check(ctx context.Context) error {
	least := ports.MinCursor(ctx)
	switch {
	case least.IsZero():
	case least.Epoch() != epoch:
		return errs.New(errs.ReasonCursorExpired, "the cursor is of another journal", errs.MetaCursor, at(*s.now).String())
	case least.Sequence() > *s.now:
		return errs.New(errs.ReasonCursorNotReached, "the cursor is not reached yet: try again")
	}
	s.record(ctx)
	return nil
}

func (s journaled) Repository(id git.RepositoryID) ports.GitRepository {
	return journaledRepository{s.RepositoryStore.Repository(id), s}
}

func (s journaled) ListRepositories(ctx context.Context, p ports.Page) (ports.RepositoryPage, error) {
	if err := s.check(ctx); err != nil {
		return ports.RepositoryPage{}, err
	}
	return s.RepositoryStore.ListRepositories(ctx, p)
}

type journaledRepository struct {
	ports.GitRepository
	journal journaled
}

func (r journaledRepository) Info(ctx context.Context) (ports.RepositoryInfo, error) {
	if err := r.journal.check(ctx); err != nil {
		return ports.RepositoryInfo{}, err
	}
	return r.GitRepository.Info(ctx)
}

func (r journaledRepository) ResolveRevision(ctx context.Context, rev git.Revision) (ports.Resolved, error) {
	if err := r.journal.check(ctx); err != nil {
		return ports.Resolved{}, err
	}
	return r.GitRepository.ResolveRevision(ctx, rev)
}

func (r journaledRepository) GetDiff(ctx context.Context, q ports.Compare) (ports.Comparison, iter.Seq2[ports.FileDiff, error], error) {
	if err := r.journal.check(ctx); err != nil {
		return ports.Comparison{}, nil, err
	}
	return r.GitRepository.GetDiff(ctx, q)
}

func (r journaledRepository) GetFile(ctx context.Context, rev git.Revision, path git.TreePath) (ports.FileContent, error) {
	if err := r.journal.check(ctx); err != nil {
		return ports.FileContent{}, err
	}
	return r.GitRepository.GetFile(ctx, rev, path)
}

func (r journaledRepository) ReadFile(ctx context.Context, q ports.ReadFile) (ports.File, io.ReadCloser, error) {
	if err := r.journal.check(ctx); err != nil {
		return ports.File{}, nil, err
	}
	return r.GitRepository.ReadFile(ctx, q)
}

func (r journaledRepository) CommitFiles(ctx context.Context, req ports.CommitFiles, changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
	result, err := r.GitRepository.CommitFiles(ctx, req, changes)
	r.journal.record(ctx)
	return result, err
}

// begin makes the shop with one file, and sets the journal to its beginning.
func (s journaled) begin(t *testing.T) *client {
	t.Helper()
	c := serve(t, s, httpapi.Options{})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	c.put(shop+"/files/f", "one").wants(http.StatusCreated)
	*s.now = 10
	return c
}

func (a answer) cursor(want string) answer {
	a.t.Helper()
	if got := a.header.Values("GitStore-Cursor"); strings.Join(got, ",") != want {
		a.t.Errorf("%s: cursor %q, want %q", a.what, got, want)
	}
	return a
}

func TestAnAnswerNamesItsCursor(t *testing.T) {
	s := newJournaled(t)
	c := s.begin(t)
	c.get(shop).wants(http.StatusOK).cursor(at(11).String())
	c.get(shop + "/files/f").wants(http.StatusOK).cursor(at(12).String())
	c.do(http.MethodHead, shop+"/files/f", nil).wants(http.StatusOK).cursor(at(13).String())
	c.get(shop+"/files/f", header("If-None-Match", "*")).wants(http.StatusNotModified).cursor(at(14).String())
	// It looks up the default branch before it commits: the commit's is the later cursor.
	c.put(shop+"/files/f", "two").wants(http.StatusCreated).cursor(at(16).String())
	c.delete(shop + "/files/absent?branch=main").wants(http.StatusNotFound).cursor(at(17).String())
	// It resolves both sides and then reads: what happens in between comes behind the first cursor.
	c.get(shop + "/compare/main...main").wants(http.StatusOK).cursor(at(18).String())
	c.get(shop + "/compare/main...main?format=diff").wants(http.StatusOK).cursor(at(21).String())
}

func TestAnAnswerWithoutAKnownCursorNamesNone(t *testing.T) {
	s := newJournaled(t)
	s.silent = true
	c := s.begin(t)
	c.get(shop).wants(http.StatusOK).cursor("")
	c.put(shop+"/files/f", "two").wants(http.StatusCreated).cursor("")
	c.get("/healthz").wants(http.StatusOK).cursor("")
	c.get("/nowhere").wants(http.StatusNotFound).cursor("")
}

// The default branch is looked up before the commit, whose place in the journal did not come to be known.
func TestAWriteDoesNotNameTheCursorOfAReadBeforeIt(t *testing.T) {
	s := newJournaled(t)
	c := serve(t, forgetful{s}, httpapi.Options{})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	c.put(shop+"/files/f", "one").wants(http.StatusCreated).cursor("")
}

// forgetful knows the cursors of reads alone.
type forgetful struct{ journaled }

func (s forgetful) Repository(id git.RepositoryID) ports.GitRepository {
	return forgetfulRepository{s.journaled.Repository(id).(journaledRepository)}
}

type forgetfulRepository struct{ journaledRepository }

func (r forgetfulRepository) CommitFiles(ctx context.Context, req ports.CommitFiles, changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
	return r.GitRepository.CommitFiles(ctx, req, changes)
}

func TestAReadWaitsForItsCursor(t *testing.T) {
	s := newJournaled(t)
	c := s.begin(t)
	reached, ahead, expired := at(5).String(), at(1000).String(), event.NewCursor(oldEra, 3).String()
	for _, path := range []string{"/v1/repositories", shop, shop + "/files/f", shop + "/compare/main...main"} {
		for _, give := range []func(cursor string) answer{
			func(cursor string) answer { return c.get(path + "?min_cursor=" + cursor) },
			func(cursor string) answer { return c.get(path, header("GitStore-Min-Cursor", cursor)) },
			func(cursor string) answer {
				return c.get(path+"?min_cursor="+cursor, header("GitStore-Min-Cursor", cursor))
			},
		} {
			give(reached).wants(http.StatusOK)
			if a := give(ahead).problem(http.StatusServiceUnavailable, "CURSOR_NOT_REACHED"); a.header.Get("Retry-After") == "" {
				t.Errorf("no Retry-After in %v", a.header)
			}
			meta, _ := give(expired).problem(http.StatusConflict, "CURSOR_EXPIRED").json()["metadata"].(map[string]any)
			if meta["cursor"] != at(*s.now).String() {
				t.Errorf("metadata %v", meta)
			}
		}
	}
}

func TestAClientReadsItsOwnWrite(t *testing.T) {
	s := newJournaled(t)
	c := s.begin(t)
	written := c.put(shop+"/files/f", "mine").wants(http.StatusCreated).header.Get("GitStore-Cursor")
	if got := c.get(shop+"/files/f", header("GitStore-Min-Cursor", written)).wants(http.StatusOK); string(got.body) != "mine" {
		t.Errorf("read %q", got.body)
	}
}

func TestABadMinCursorIsRefused(t *testing.T) {
	c := newJournaled(t).begin(t)
	for _, path := range []string{"/v1/repositories", shop, shop + "/files/f", shop + "/tree", shop + "/commits", shop + "/commits/main", shop + "/branches", shop + "/tags", shop + "/tags/latest", shop + "/compare/main...main"} {
		for _, bad := range []string{"", "42", epoch, at(3).String() + ", " + at(3).String()} {
			c.get(path+"?min_cursor="+strings.ReplaceAll(bad, " ", "+")).problem(http.StatusBadRequest, "INVALID_CURSOR").field("min_cursor")
			c.get(path, header("GitStore-Min-Cursor", bad)).problem(http.StatusBadRequest, "INVALID_CURSOR").field("GitStore-Min-Cursor")
		}
		c.get(path+"?min_cursor="+at(3).String(), header("GitStore-Min-Cursor", at(4).String())).
			problem(http.StatusBadRequest, "INVALID_ARGUMENT").field("min_cursor")
	}
	for _, path := range []string{"/healthz", "/docs"} {
		c.get(path+"?min_cursor="+at(3).String()).problem(http.StatusBadRequest, "INVALID_ARGUMENT").field("min_cursor")
	}
	c.put(shop+"/files/f?min_cursor="+at(3).String(), "x").problem(http.StatusBadRequest, "INVALID_ARGUMENT").field("min_cursor")
}

func TestThePagesOfAListNeedNotHaveTheSameCursor(t *testing.T) {
	c := newJournaled(t).begin(t)
	c.put(shop+"/files/g", "x").wants(http.StatusCreated)
	first := c.get(shop + "/tree?page_size=1&min_cursor=" + at(1).String()).wants(http.StatusOK)
	second := c.get(shop + "/tree?page_size=1&min_cursor=" + at(2).String() + "&page_token=" + first.next()).wants(http.StatusOK)
	if got := second.items("path"); len(got) != 1 || got[0] != "g" {
		t.Errorf("the second page has %v", got)
	}
}

func TestTheDocumentDeclaresCursorsOnce(t *testing.T) {
	c := serve(t, nil, httpapi.Options{})
	page := c.get("/openapi.json").wants(http.StatusOK)
	if n := strings.Count(string(page.body), `"name": "min_cursor"`); n != 1 {
		t.Errorf("min_cursor is declared %d times", n)
	}
	doc := page.json()
	paths := doc["paths"].(map[string]any)
	for path, item := range paths {
		for method, op := range item.(map[string]any) {
			taken := strings.Contains(mustJSON(t, op), `"#/components/parameters/MinCursorQuery"`)
			if want := strings.HasPrefix(path, "/v1/") && (method == "get" || method == "head"); taken != want {
				t.Errorf("%s %s takes min_cursor: %t", method, path, taken)
			}
			for status, answer := range op.(map[string]any)["responses"].(map[string]any) {
				named := strings.Contains(mustJSON(t, resolve(doc, answer.(map[string]any))), `"#/components/headers/GitStore-Cursor"`)
				if strings.HasPrefix(path, "/v1/") && !named {
					t.Errorf("%s %s does not name its cursor in the answer %s", method, path, status)
				}
			}
		}
	}
	docs := string(c.get("/docs").body)
	for _, want := range []string{"min_cursor", "GitStore-Min-Cursor", "GitStore-Cursor"} {
		if !strings.Contains(docs, want) {
			t.Errorf("/docs does not show %s", want)
		}
	}
}

// The store tells no cursors: the API goes by what it was told of the journal before it asked the store.
func TestAReadNamesAPlaceBeforeIt(t *testing.T) {
	store, place := newStore(t), at(7)
	c := serve(t, store, httpapi.Options{Position: func() event.Cursor { return place }})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated).cursor("")
	for _, name := range []string{"a", "b"} {
		c.put(shop+"/files/"+name, name).wants(http.StatusCreated).cursor("")
	}
	place = at(8)
	for _, path := range []string{"/v1/repositories", shop, shop + "/files/a", shop + "/commits", shop + "/branches", shop + "/compare/main...main"} {
		c.get(path).wants(http.StatusOK).cursor(place.String())
	}
	c.get(shop + "/files/none").wants(http.StatusNotFound).cursor(place.String())
	first := c.get(shop + "/tree?page_size=1").wants(http.StatusOK).cursor(place.String())
	place = at(9)
	c.get(shop + "/tree?page_size=1&page_token=" + first.next()).wants(http.StatusOK).cursor("")
	place = event.Cursor{}
	c.get(shop).wants(http.StatusOK).cursor("")
}
