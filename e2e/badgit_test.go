package e2e

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/pktline"
)

// othersGoOn checks that clients are served while a bad one is.
func (s *system) othersGoOn(t *testing.T, name string) {
	t.Helper()
	s.commit(t, "shop", commit{Branch: "main", Message: "Meanwhile", Actions: []action{upsert(name, "x")}})
	_, err := gitClient(t.Context(), t.TempDir(), "clone", "--quiet", s.gitURL("shop"), ".")
	require.NoError(t, err)
}

// dripping hands out bytes one at a time, with a pause before each, until its context ends.
type dripping struct {
	ctx  context.Context
	rest io.Reader
	tick *time.Ticker
}

func (d dripping) Read(b []byte) (int, error) {
	select {
	case <-d.tick.C:
		return d.rest.Read(b[:1])
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func TestGitClientsThatAreTooSlowAreCutOff(t *testing.T) {
	s := startSystem(t, "GITSTORE_BODY_IDLE_TIMEOUT=1s")
	s.createRepository(t, "shop")
	s.commit(t, "shop", commit{Branch: "main", Message: "First", Actions: []action{upsert("a.md", "x")}})

	t.Run("one that sends a byte at a time", func(t *testing.T) {
		s.createRepository(t, "slow")
		push, _ := largePush(t, "main")
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		ended := make(chan error, 1)
		go func() {
			told, err := s.postGit(t.Context(), "receive-pack", "slow", io.MultiReader(bytes.NewReader(push[:len(push)/2]), dripping{t.Context(), bytes.NewReader(push[len(push)/2:]), tick}))
			ended <- cmp.Or(err, errors.New(told))
		}()
		eventually(t, "the push does not begin", s.atWork(t, "index-pack"))
		s.othersGoOn(t, "sending.md")
		require.ErrorContains(t, <-ended, "\x03the request body stalled or came too slowly")
		eventually(t, "something is left of the push", s.nothingAtWork(t))
		s.get(t, inRepository("slow", "/commits/main")).wants(t, http.StatusNotFound)
	})
	t.Run("one that stops to read", func(t *testing.T) {
		s.createRepository(t, "large")
		s.call(t, http.MethodPut, fileTarget("large", "large"), io.LimitReader(&noise{}, 64<<20)).wants(t, http.StatusCreated)
		conn, err := net.Dial("tcp", s.address)
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		fetch := pktline.Append(nil, "want "+s.history(t, "large")[0].CommitID+"\n")
		fetch = pktline.Append(append(fetch, pktline.Flush...), "done\n")
		_, err = fmt.Fprintf(conn, "POST /git/large.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-upload-pack-request\r\nContent-Length: %d\r\n\r\n%s", len(fetch), fetch)
		require.NoError(t, err)
		_, err = io.ReadFull(conn, make([]byte, 64<<10))
		require.NoError(t, err)
		require.NoError(t, s.atWork(t, "upload-pack")())
		s.othersGoOn(t, "reading.md")
		eventually(t, "something is left of the fetch", s.nothingAtWork(t))
		n, _ := io.Copy(io.Discard, conn)
		require.Less(t, n, int64(64<<20), "the fetch went to its end")
	})
}

// packsQueued fails unless so many calls wait for their turn to take or give a pack.
func (s *system) packsQueued(t *testing.T, n int) error {
	t.Helper()
	want := fmt.Sprintf("gitstore_grpc_calls_queued{class=\"pack\"} %d\n", n)
	if !strings.Contains(string(s.gitAdmin.get(t, "/metrics").wants(t, http.StatusOK).body), want) {
		return errors.New("not " + want)
	}
	return nil
}

func TestAGitClientIsToldThatThereIsNoPlaceForIt(t *testing.T) {
	const queue = 8 // for each that is at work
	s := startSystem(t, "GITSTORE_MAX_PACKS=1", "GITSTORE_REPOSITORY_SHARE=100")
	s.createRepository(t, "shop")
	s.createRepository(t, "slow")
	head := s.commit(t, "shop", commit{Branch: "main", Message: "First", Actions: []action{upsert("a.md", "x")}}).CommitID
	fetch := pktline.Append(nil, "want "+head+"\n")
	fetch = pktline.Append(append(fetch, pktline.Flush...), "done\n")
	work := t.TempDir()
	_, err := gitClient(t.Context(), work, "clone", "--quiet", s.gitURL("shop"), ".")
	require.NoError(t, err)
	_, err = gitClient(t.Context(), work, "commit", "--quiet", "--allow-empty", "--message", "Second")
	require.NoError(t, err)

	push, _ := largePush(t, "main")
	rest, more := io.Pipe()
	defer func() { _ = more.Close() }()
	ended := make(chan error, 1+queue)
	go func() {
		report, err := s.postGit(t.Context(), "receive-pack", "slow", io.MultiReader(bytes.NewReader(push[:len(push)/2]), rest))
		if err == nil && !strings.Contains(report, "ok refs/heads/main") {
			err = errors.New(report)
		}
		ended <- err
	}()
	eventually(t, "the push does not begin", s.atWork(t, "index-pack"))
	for n := range queue {
		go func() {
			_, err := s.postGit(t.Context(), "upload-pack", "shop", bytes.NewReader(fetch))
			ended <- err
		}()
		eventually(t, "a fetch does not wait", func() error { return s.packsQueued(t, n+1) })
	}

	for _, command := range [][]string{
		{"clone", s.gitURL("shop"), t.TempDir()}, {"-c", "protocol.version=0", "clone", s.gitURL("shop"), t.TempDir()}, {"push", "origin", "HEAD"},
	} {
		_, err := gitClient(t.Context(), work, command...)
		require.ErrorContains(t, err, "too many clones, fetches and pushes are under way and waiting: try again in a moment\n")
	}
	_, err = gitClient(t.Context(), work, "ls-remote", s.gitURL("shop"))
	require.NoError(t, err, "refs are no packs")

	_, err = more.Write(push[len(push)/2:])
	require.NoError(t, err)
	require.NoError(t, more.Close())
	for range 1 + queue {
		require.NoError(t, <-ended)
	}
	for _, command := range [][]string{{"clone", "--quiet", s.gitURL("shop"), t.TempDir()}, {"push", "--quiet", "origin", "HEAD"}} {
		_, err := gitClient(t.Context(), work, command...)
		require.NoError(t, err)
	}
}

// stuckGit is a directory with a git that gives the beginning of a pack to whoever fetches, resolves no deltas of who pushes, and
// then does nothing more. The file tells that it is there.
func stuckGit(t *testing.T) (dir, file string) {
	t.Helper()
	installed, err := exec.LookPath("git")
	require.NoError(t, err)
	dir = t.TempDir()
	file = filepath.Join(dir, "stuck")
	script := fmt.Sprintf(`#!/bin/sh
case "$1 $*" in
"upload-pack "*)
	%[1]s "$@" >%[2]s.answer || exit
	head -c 1000000 %[2]s.answer
	if [ $(wc -c <%[2]s.answer) -lt 1000000 ]; then exit; fi
	;;
"index-pack "*) cat >/dev/null ;;
*) exec %[1]s "$@" ;;
esac
touch %[2]s
exec sleep 600
`, installed, file)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "git"), []byte(script), 0o700))
	return dir, file
}

func TestAGitClientIsToldWhyItsAnswerEndsBeforeItIsWhole(t *testing.T) {
	answered := regexp.MustCompile(`(?i)<= recv header: content-type: application/x-git-\S+-pack-result`)
	for _, command := range []string{"clone", "push"} {
		t.Run(command, func(t *testing.T) {
			bin, stuck := stuckGit(t)
			s := startSystem(t, "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "GITSTORE_DRAIN_TIMEOUT=1s")
			s.createRepository(t, "shop")
			s.call(t, http.MethodPut, fileTarget("shop", "large"), io.LimitReader(&noise{}, 4<<20)).wants(t, http.StatusCreated)
			dir := t.TempDir()
			args := []string{"clone", s.gitURL("shop"), "."}
			if command == "push" {
				for _, args := range [][]string{{"init", "--quiet"}, {"commit", "--quiet", "--allow-empty", "--message", "x"}} {
					_, err := gitClient(t.Context(), dir, args...)
					require.NoError(t, err)
				}
				args = []string{"push", s.gitURL("shop"), "HEAD:refs/heads/more"}
			}
			heard := filepath.Join(t.TempDir(), "heard")
			cmd := exec.CommandContext(t.Context(), "git", args...)
			var said bytes.Buffer
			cmd.Dir, cmd.Env, cmd.Stderr = dir, append(slices.Clone(gitClientEnv), "GIT_TRACE_CURL="+heard), &said
			require.NoError(t, cmd.Start())
			eventually(t, "git is not stuck", func() error { return second(os.Stat(stuck)) })
			eventually(t, "the answer does not begin", func() error {
				b, err := os.ReadFile(heard)
				if err == nil && !answered.Match(b) {
					err = errors.New("git has not heard of it")
				}
				return err
			})
			s.git.signal(syscall.SIGTERM)
			require.Error(t, cmd.Wait())
			require.Regexp(t, "(?m)^(remote: |fatal: remote error: ).*try again", said.String())
			require.Zero(t, s.git.exitCode(t))
			require.Empty(t, leftovers(t, s.data))
		})
	}
}

// packOf is a pack of entries.
func packOf(entries ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(entries)))
	for _, e := range entries {
		b = append(b, e...)
	}
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

// packEntry is an entry of a pack that says it has size bytes; base is that of a delta.
func packEntry(kind byte, size int64, base, deflated []byte) []byte {
	first := kind<<4 | byte(size&15)
	var b []byte
	for size >>= 4; size > 0; size >>= 7 {
		b = append(b, first|0x80)
		first = byte(size & 0x7f)
	}
	return append(append(append(b, first), base...), deflated...)
}

func deflated(t *testing.T, r io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, err := io.Copy(w, r)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// deflatedZeros is n times a MiB of zeros, deflated, but for the end. All but the first are deflated to the same bytes.
func deflatedZeros(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	var first int
	for range 2 {
		first = b.Len()
		_, err := w.Write(make([]byte, 1<<20))
		require.NoError(t, err)
		require.NoError(t, w.Flush())
	}
	return append(bytes.Clone(b.Bytes()[:first]), bytes.Repeat(b.Bytes()[first:], n-1)...)
}

// deltaTo is a delta that says it makes size bytes of a small base, which the pack has before it.
func deltaTo(t *testing.T, size uint64) [][]byte {
	t.Helper()
	base := packEntry(3, 5, nil, deflated(t, strings.NewReader("small")))
	content := append(binary.AppendUvarint(binary.AppendUvarint(nil, 5), size), "\x90\x05"...) // copies the base, once
	return [][]byte{base, packEntry(6, int64(len(content)), []byte{byte(len(base))}, deflated(t, bytes.NewReader(content)))}
}

func TestPushesAndFetchesThatAreTooMuchAreRefused(t *testing.T) {
	s := startSystem(t, "GITSTORE_MAX_FILE_SIZE=2GiB")
	s.createRepository(t, "shop")
	head := s.commit(t, "shop", commit{Branch: "main", Message: "First", Actions: []action{upsert("a.md", "x")}}).CommitID
	before := contents(t, s.data)
	many := make([][]byte, 0, 400)
	for range 200 {
		many = append(many, deltaTo(t, 64<<20)...)
	}
	for what, tt := range map[string]struct {
		pack []byte
		want string
	}{
		"a GiB in a MiB":       {packOf(packEntry(3, 1<<30, nil, deflatedZeros(t, 1<<10))), "200 times as large"},
		"a delta to a TiB":     {packOf(deltaTo(t, 1<<40)...), "core.bigFileThreshold"},
		"deltas to many bytes": {packOf(many...), "have more than 8589934592 bytes together"},
	} {
		req := pktline.Append(nil, strings.Repeat("0", len(head))+" "+head+" refs/heads/bomb\x00report-status")
		answer, err := s.postGit(t.Context(), "receive-pack", "shop", io.MultiReader(bytes.NewReader(append(req, pktline.Flush...)), bytes.NewReader(tt.pack)))
		require.NoError(t, err, what)
		assert.Contains(t, answer, tt.want, what)
		assert.Contains(t, answer, "ng refs/heads/bomb ", what)
	}

	var refs []byte
	for i := range 10_000 {
		refs = pktline.Append(refs, fmt.Sprintf("%0*d %s refs/heads/%d\x00report-status", len(head), 0, head, i))
	}
	answer, err := s.postGit(t.Context(), "receive-pack", "shop", bytes.NewReader(append(refs, pktline.Flush...)))
	require.NoError(t, err)
	assert.Contains(t, answer, "more than 5000 refs are pushed at once")

	haves := pktline.Append(nil, "want "+head+"\n")
	haves = append(haves, pktline.Flush...)
	have := pktline.Append(nil, "have "+strings.Repeat("1", len(head))+"\n")
	answer, err = s.postGit(t.Context(), "upload-pack", "shop", io.MultiReader(bytes.NewReader(haves), bytes.NewReader(bytes.Repeat(have, 64<<20/len(have)))))
	require.NoError(t, err)
	assert.Contains(t, answer, "ERR the request")

	eventually(t, "something is left", s.nothingAtWork(t))
	require.Empty(t, changed(before, contents(t, s.data)))
	assert.Less(t, s.git.peakMemory(t), 128, "MiB of the git-service")
	assert.Less(t, s.api.peakMemory(t), 128, "MiB of the API")
	s.othersGoOn(t, "after.md")
}
