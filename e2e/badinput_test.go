package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// badInput is a request that has to be refused.
type badInput struct {
	name   string
	method string
	target string
	body   string
	header []string
	// statuses are those of which the answer has to have one.
	statuses []int
	// reason and field are what the problem has to say; "" is anything.
	reason, field string
}

// shop is the repository that bad input is tried on: main holds a.md and dir/b.md, v1.0.0 tags it, and beside it is the
// branch side.
type shop struct {
	*system
	operations  []operation
	first, head string
	blob        string
}

const absentID = "0123456789012345678901234567890123456789"

// newShop starts a system with the repository. Settings are variables that both services get, besides those that bound
// what is large.
func newShop(t *testing.T, settings ...string) *shop {
	t.Helper()
	s := &shop{system: startSystem(t, append([]string{
		"GITSTORE_MAX_BODY=8MiB", "GITSTORE_MAX_ACTION_CONTENT=1MiB", "GITSTORE_MAX_FILE_SIZE=2MiB",
	}, settings...)...)}
	s.operations = s.documented(t)
	s.createRepository(t, "shop")
	first := s.commit(t, "shop", commit{Branch: "main", Message: "First", Actions: []action{upsert("a.md", "old")}})
	head := s.commit(t, "shop", commit{Branch: "main", Message: "Second", Actions: []action{
		upsert("a.md", "new"), upsert("dir/b.md", "b"),
	}})
	s.first, s.head, s.blob = first.CommitID, head.CommitID, head.Blobs["a.md"]
	s.post(t, inRepository("shop", "/branches"), map[string]string{"name": "side"}).wants(t, http.StatusCreated)
	s.post(t, inRepository("shop", "/tags"), map[string]string{"name": "v1.0.0", "message": "First release"}).wants(t, http.StatusCreated)
	return s
}

func TestBadInput(t *testing.T) {
	s := newShop(t)
	before := contents(t, s.data)
	for group, inputs := range map[string][]badInput{
		"revisions":     badRevisions(),
		"ref names":     badRefNames(),
		"paths":         badPaths(),
		"written paths": badWrittenPaths(),
		"repositories":  badRepositoryIDs(),
		"conditions":    s.badConditions(),
		"actions":       badActions(),
		"JSON":          badJSON(),
		"parameters":    badParameters(),
		"sizes":         badSizes(),
		"requests":      badRequests(),
	} {
		t.Run(group, func(t *testing.T) {
			for _, in := range inputs {
				s.refuses(t, in)
			}
			require.Empty(t, changed(before, contents(t, s.data)), "files that were changed by input that was refused")
		})
	}
	require.Equal(t, "new", string(s.get(t, fileTarget("shop", "a.md")).wants(t, http.StatusOK).body))
	s.stop(t)
	for _, p := range []*process{s.git, s.api} {
		require.NotContains(t, p.logged(), `"level":"ERROR"`, p.name)
	}
}

// refuses sends bad input and checks that the answer is a problem that says what is wrong.
func (s *shop) refuses(t *testing.T, in badInput) {
	t.Helper()
	what := in.name
	if what == "" {
		what = fmt.Sprintf("%s %.150s %.150s %v", in.method, in.target, in.body, in.header)
	}
	a, err := s.try(t.Context(), in.method, in.target, strings.NewReader(in.body), in.header...)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	var p problem
	_ = json.Unmarshal(a.body, &p)
	switch {
	case !slices.Contains(in.statuses, a.status):
		t.Errorf("%s: %d, want %v: %s", what, a.status, in.statuses, clip(string(a.body)))
	case in.method == http.MethodHead:
	case p.Status != a.status || p.Reason == "" || p.Detail == "" || a.header.Get("Content-Type") != "application/problem+json":
		t.Errorf("%s: not a whole problem: %v %s", what, a.header, clip(string(a.body)))
	case in.reason != "" && p.Reason != in.reason:
		t.Errorf("%s: reason %s, want %s: %s", what, p.Reason, in.reason, p.Detail)
	case in.field != "" && p.Field != in.field:
		t.Errorf("%s: field %q, want %q: %s", what, p.Field, in.field, p.Detail)
	case strings.Contains(p.Detail, s.data):
		t.Errorf("%s: the detail leaks where the data is: %s", what, p.Detail)
	default:
		if op := s.operationOf(in); op != nil && !slices.Contains(op.reasons[strconv.Itoa(a.status)], p.Reason) {
			t.Errorf("%s: the OpenAPI document does not list %d %s of %s", what, a.status, p.Reason, op.id)
		}
	}
}

// operation is what the OpenAPI document says of one: where it is, and the reasons that it can fail with by status.
type operation struct {
	id, method string
	path       *regexp.Regexp
	// literal is how much of the path is no parameter.
	literal int
	reasons map[string][]string
}

var parameter = regexp.MustCompile(`\\\{(\w+)\\\}`)

func (c *client) documented(t testing.TB) (all []operation) {
	t.Helper()
	type item struct {
		ID      string              `json:"operationId"`
		Reasons map[string][]string `json:"x-reasons"`
	}
	document := into[struct{ Paths map[string]map[string]item }](t, c.get(t, "/openapi.json").wants(t, http.StatusOK))
	for path, methods := range document.Paths {
		literal := 0
		pattern := parameter.ReplaceAllStringFunc(regexp.QuoteMeta(path), func(name string) string {
			literal -= len(name) - 2 // it is quoted
			if slices.Contains([]string{"path", "revision", "name", "base", "head"}, strings.Trim(name, `\{}`)) {
				return ".*" // these hold slashes
			}
			return "[^/]*"
		})
		for method, op := range methods {
			all = append(all, operation{op.ID, strings.ToUpper(method), regexp.MustCompile("^" + pattern + "$"), literal + len(path), op.Reasons})
		}
	}
	require.NotEmpty(t, all)
	return all
}

// operationOf returns the operation that serves the input, nil if there is none.
func (s *shop) operationOf(in badInput) (best *operation) {
	path, _, _ := strings.Cut(in.target, "?")
	for i, op := range s.operations {
		if op.path.MatchString(path) && op.method == in.method && (best == nil || op.literal > best.literal) {
			best = &s.operations[i]
		}
	}
	return best
}

func changed(before, after map[string]string) []string {
	var names []string
	for name := range maps.Keys(before) {
		if after[name] != before[name] {
			names = append(names, name)
		}
	}
	for name := range maps.Keys(after) {
		if _, ok := before[name]; !ok {
			names = append(names, name)
		}
	}
	return names
}

func TestAPageTokenIsGoodForItsOwnQuestionOnly(t *testing.T) {
	s := newShop(t)
	type page struct {
		NextPageToken string `json:"next_page_token"`
	}
	token := "&page_token=" + url.QueryEscape(into[page](t, s.get(t, inRepository("shop", "/tree?page_size=1")).wants(t, 200)).NextPageToken)
	s.get(t, inRepository("shop", "/tree?page_size=1"+token)).wants(t, 200)
	for _, other := range []string{
		"/tree?recursive=true", "/tree?prefix=dir", "/tree?ref=side", "/commits?first_parent=false", "/branches?page_size=1", "/tags?page_size=1",
	} {
		p := s.get(t, inRepository("shop", other)+token).problem(t, http.StatusBadRequest)
		require.Equal(t, "INVALID_PAGE_TOKEN", p.Reason, other)
	}
}

func TestAReusedRequestIDIsRefused(t *testing.T) {
	s := newShop(t)
	body := commit{Branch: "main", Message: "Once", RequestID: "1b4e28ba-2fa1-4d3b-a3f5-cc9e0d5b1a11", Actions: []action{upsert("once.md", "1")}}
	made := s.commit(t, "shop", body)
	again := into[commitResult](t, s.post(t, inRepository("shop", "/commits"), body).wants(t, http.StatusCreated))
	require.Equal(t, made.CommitID, again.CommitID)
	require.True(t, again.Replayed)
	body.Actions = []action{upsert("once.md", "2")}
	p := s.post(t, inRepository("shop", "/commits"), body).problem(t, http.StatusConflict)
	require.Equal(t, "REQUEST_ID_REUSED", p.Reason)
}

func TestALostRaceNamesTheWinner(t *testing.T) {
	s := newShop(t)
	p := s.post(t, inRepository("shop", "/commits"), commit{
		Branch: "main", Message: "Late", ExpectedHead: &s.first, Actions: []action{upsert("a.md", "x")},
	}).problem(t, http.StatusConflict)
	require.Equal(t, "REF_MOVED", p.Reason)
	require.Equal(t, s.first, p.Metadata["expected"])
	require.Equal(t, s.head, p.Metadata["actual"])
}

func TestOneOfManyWithOneExpectedHeadWins(t *testing.T) {
	s := newShop(t)
	head := s.head
	for round := range 20 {
		answers := make([]answer, 16)
		require.NoError(t, inParallel(16, 16, func(i int) (err error) {
			answers[i], err = s.tryCommit(t.Context(), "shop", commit{
				Branch: "main", Message: "Race", ExpectedHead: &head, Actions: []action{upsert("race.md", fmt.Sprintf("%d of %d", i, round))},
			})
			return err
		}))
		var winner commitResult
		for _, a := range answers {
			if a.status == http.StatusCreated {
				require.Empty(t, winner.CommitID, "two commits won")
				winner = into[commitResult](t, a)
			}
		}
		require.NotEmpty(t, winner.CommitID, "no commit won")
		for _, a := range answers {
			if a.status != http.StatusCreated {
				require.Equal(t, winner.CommitID, a.problem(t, http.StatusConflict).Metadata["actual"])
			}
		}
		head = winner.CommitID
	}
}

// TestNamesThatLookLikeOptionsAreNames keeps what git would take for an option or a pattern, were it let.
func TestNamesThatLookLikeOptionsAreNames(t *testing.T) {
	s := newShop(t)
	for _, path := range []string{
		"-rf", "--all", "-/x", ":(glob)**", ":!x", ":(exclude)*", "*.md", "[a-z]", "a?b", "HEAD", "refs/heads/main", "café.md", "日本/語.md",
		"%2e%2e", "a b", "'; rm -rf $HOME", "\"quoted\"", "a%00b", "~", "$(id)", "`id`", "a&b=c?d#e", "+", ".gitignore", ".gitattributes",
		"config", "auxiliary.go", "com10", "control", strings.Repeat("x", 255),
	} {
		target := fileTarget("shop", path)
		a := s.call(t, "PUT", target, strings.NewReader("content of "+path)).wants(t, http.StatusCreated)
		require.Len(t, into[commitResult](t, a).Blobs, 1)
		require.Contains(t, into[commitResult](t, a).Blobs, path)
		require.Equal(t, "content of "+path, string(s.get(t, target).wants(t, 200).body))
		changedIn := list[historyEntry](t, s.client, inRepository("shop", "/commits?path="+url.QueryEscape(path)), 10)
		require.Len(t, changedIn, 1, "commits that changed %q", path)
	}
	require.Equal(t, "new", string(s.get(t, fileTarget("shop", "a.md")).wants(t, 200).body))
	s.stop(t)
	require.Empty(t, git(t, repositoryDirs(t, s.data)[0], "fsck", "--strict", "--full", "--no-progress"))
}
