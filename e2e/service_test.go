package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecondGitServiceIsRefused(t *testing.T) {
	s := startSystem(t)
	s.createRepository(t, "shop")
	second := newSystem(t, s.data)
	second.startGit(t)
	require.Equal(t, 1, second.git.exitCode(t))
	require.Contains(t, second.git.logged(), "process "+strconv.Itoa(s.git.cmd.Process.Pid)+" ")
	s.commit(t, "shop", commit{Branch: "main", Message: "The first goes on", Actions: []action{upsert("a.md", "a")}})
	s.stop(t)

	second.startGit(t)
	second.startAPI(t)
	second.waitReady(t)
	require.Len(t, second.history(t, "shop"), 1)
	second.stop(t)
}

// TestSHA256Repository goes through what a client does with a repository whose hash is SHA-256.
func TestSHA256Repository(t *testing.T) {
	s := startSystem(t)
	created := s.post(t, "/v1/repositories", map[string]string{"id": "shop", "default_branch": "trunk", "object_format": "sha256"})
	require.Contains(t, string(created.wants(t, http.StatusCreated).body), `"sha256"`)

	first := s.commit(t, "shop", commit{Branch: "trunk", Message: "First", Actions: []action{
		upsert("a.md", "one\n"), upsert("dir/b.md", "b\n"),
	}})
	require.Len(t, first.CommitID, 64)
	require.Len(t, first.Blobs["a.md"], 64)

	file := fileTarget("shop", "a.md")
	put := s.call(t, "PUT", file+"?branch=trunk", strings.NewReader("two\n"), "If-Match", `"`+first.Blobs["a.md"]+`"`)
	second := into[commitResult](t, put.wants(t, http.StatusCreated))
	require.Equal(t, first.CommitID, second.ParentID)
	s.call(t, "PUT", file, strings.NewReader("x"), "If-Match", `"`+first.Blobs["a.md"]+`"`).problem(t, http.StatusPreconditionFailed)

	got := s.get(t, file).wants(t, http.StatusOK)
	require.Equal(t, "two\n", string(got.body))
	require.Equal(t, second.CommitID, got.header.Get("GitStore-Commit"))
	require.Equal(t, `"`+second.Blobs["a.md"]+`"`, got.header.Get("ETag"))
	require.Equal(t, "one\n", string(s.get(t, file+"?ref="+first.CommitID).wants(t, http.StatusOK).body))
	s.call(t, "GET", file, nil, "If-None-Match", got.header.Get("ETag")).wants(t, http.StatusNotModified)

	require.Len(t, list[treeEntry](t, s.client, inRepository("shop", "/tree?recursive=true"), 1), 2)
	history := s.history(t, "shop")
	require.Len(t, history, 2)
	requireLinear(t, history)
	for _, name := range []string{"v1.2.0", "v1.10.0"} {
		s.post(t, inRepository("shop", "/tags"), map[string]string{"name": name, "message": name}).wants(t, http.StatusCreated)
	}
	require.Contains(t, string(s.get(t, inRepository("shop", "/tags/latest")).wants(t, http.StatusOK).body), `"v1.10.0"`)
	diff := s.get(t, inRepository("shop", "/compare/"+first.CommitID+"...v1.10.0")+"?format=diff").wants(t, http.StatusOK)
	require.Contains(t, string(diff.body), "-one\n+two\n")

	for ref, status := range map[string]int{strings.Repeat("1", 40): 404, strings.Repeat("1", 64): 404, first.CommitID[:40]: 404} {
		s.get(t, file+"?ref="+ref).problem(t, status)
	}
	stale := first.CommitID
	body := commit{Branch: "trunk", Message: "Late", ExpectedHead: &stale, Actions: []action{upsert("a.md", "x")}}
	require.Equal(t, second.CommitID, s.post(t, inRepository("shop", "/commits"), body).problem(t, http.StatusConflict).Metadata["actual"])
	sha1 := strings.Repeat("1", 40)
	body.ExpectedHead = &sha1
	refused := s.post(t, inRepository("shop", "/commits"), body)
	require.Contains(t, []int{http.StatusBadRequest, http.StatusConflict}, refused.status, string(refused.body))

	require.NoError(t, inParallel(8, 100, func(i int) error {
		a, err := s.tryCommit(t.Context(), "shop", commit{Branch: "trunk", Message: fmt.Sprint(i), Actions: []action{upsert(fmt.Sprintf("%d.md", i), "x")}})
		if err == nil && a.status != http.StatusCreated {
			err = fmt.Errorf("%d: %s", a.status, a.body)
		}
		return err
	}))
	requireLinear(t, s.history(t, "shop"))
	s.stop(t)
	dir := repositoryDirs(t, s.data)[0]
	require.Equal(t, "102", git(t, dir, "rev-list", "--count", "trunk"))
	require.Empty(t, git(t, dir, "fsck", "--strict", "--full", "--no-progress"))
}
