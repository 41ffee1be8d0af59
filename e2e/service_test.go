package e2e

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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

func TestTheAPIWaitsForTheGitService(t *testing.T) {
	s := newSystem(t, t.TempDir())
	s.startAPI(t)
	eventually(t, "the API does not answer", func() error { return second(s.try(t.Context(), "GET", "/healthz", nil)) })
	for _, target := range []string{"/readyz", "/v1/repositories", fileTarget("shop", "a.md")} {
		a := s.get(t, target)
		require.Equal(t, "UNAVAILABLE", a.problem(t, http.StatusServiceUnavailable).Reason)
		require.NoError(t, checkRefusal(a))
	}
	s.get(t, "/openapi.json").wants(t, http.StatusOK)
	s.startGit(t)
	s.waitReady(t)
	s.createRepository(t, "shop")
	s.commit(t, "shop", commit{Branch: "main", Message: "Begin", Actions: []action{upsert("a.md", "a")}})
	s.stop(t)
}

func TestARequestIsToldOfByBothServices(t *testing.T) {
	s := startSystem(t)
	s.createRepository(t, "shop")
	a := s.call(t, "PUT", fileTarget("shop", "a.md"), strings.NewReader("a"), "X-Request-Id", "told-by-both").wants(t, http.StatusCreated)
	require.Equal(t, "told-by-both", a.header.Get("X-Request-Id"))
	for _, p := range []*process{s.api, s.git} {
		eventually(t, p.name+" does not log the request", func() error {
			if !strings.Contains(p.logged(), `"request_id":"told-by-both"`) {
				return errors.New("its id is not there")
			}
			return nil
		})
	}
	require.Regexp(t, `gitstore_http_requests_total\{method="PUT",.*status="201"\} 1`, string(s.get(t, "/metrics").body))
	require.Regexp(t, `gitstore_grpc_requests_total\{.*CommitFile".*\} 1`, string(s.gitAdmin.get(t, "/metrics").body))
}

// TestALargeFileStreams writes and reads a file that is larger than all the memory that either service may take.
func TestALargeFileStreams(t *testing.T) {
	const size, most = 256 << 20, 128
	s := startSystem(t, "GITSTORE_CACHE_SIZE=1MiB")
	s.createRepository(t, "shop")
	file := fileTarget("shop", "large.bin")
	sent := sha256.New()
	put := s.call(t, "PUT", file, io.TeeReader(io.LimitReader(&noise{}, size), sent)).wants(t, http.StatusCreated)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address+file, nil)
	require.NoError(t, err)
	resp, err := s.http.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, put.header.Get("ETag"), resp.Header.Get("ETag"))
	got := sha256.New()
	n, err := io.Copy(got, resp.Body)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.Equal(t, sent.Sum(nil), got.Sum(nil))

	part := make([]byte, 1000)
	_, err = io.ReadFull(io.NewSectionReader(&noise{}, size/2, 1000), part)
	require.NoError(t, err)
	ranged := s.call(t, "GET", file, nil, "Range", fmt.Sprintf("bytes=%d-%d", size/2, size/2+999)).wants(t, http.StatusPartialContent)
	require.Equal(t, part, ranged.body)

	for _, p := range []*process{s.git, s.api} {
		mib := p.peakMemory(t)
		t.Logf("most memory of %s: %d MiB", p.name, mib)
		require.Less(t, mib, most, p.name)
	}
	s.stop(t)
}

// noise is endless bytes that do not compress, the same ones each time. It is read from its beginning, or anywhere.
type noise struct{ at int64 }

func (n *noise) Read(b []byte) (int, error) {
	read, err := n.ReadAt(b, n.at)
	n.at += int64(read)
	return read, err
}

// ReadAt makes each eight bytes of their position (the finalizer of SplitMix64).
func (n *noise) ReadAt(b []byte, at int64) (int, error) {
	var word [8]byte
	for i := range b {
		p := uint64(at) + uint64(i)
		if i == 0 || p%8 == 0 {
			z := (p/8 + 1) * 0x9e3779b97f4a7c15
			z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
			z = (z ^ z>>27) * 0x94d049bb133111eb
			binary.LittleEndian.PutUint64(word[:], z^z>>31)
		}
		b[i] = word[p%8]
	}
	return len(b), nil
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
