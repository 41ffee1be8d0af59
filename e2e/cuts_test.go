package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/pktline"
	"github.com/gitstore-dev/gitstore/internal/testkit/env"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// cuts are pushes and clones at a system whose parts are ended meanwhile, but for a second API that tells of events.
type cuts struct {
	*cluster
	random *rand.Rand
	// work is the repository of who pushes. It has two commits, the second on top of the first.
	work          *gitcmd.Repo
	first, second string
	// begin and push are requests: the first commit to main, and main on to the second with a new branch and a new tag.
	begin, push []byte
	// tookEffect counts the pushes that were cut off, or may have been, and moved their refs.
	tookEffect int
}

func startCuts(t *testing.T, seed uint64) *cuts {
	t.Helper()
	c := &cuts{cluster: startCluster(t, 2), random: rand.New(rand.NewPCG(seed, seed)), work: gitcmd.Init(t)}
	content, err := io.ReadAll(io.LimitReader(&noise{}, 12<<20)) // more than lies in buffers on the way
	require.NoError(t, err)
	var stream bytes.Buffer
	for i, part := range [][]byte{content[:8<<20], content[8<<20:]} {
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter A <a@example.com> %d +0000\ndata 1\nx\nM 100644 inline %d\ndata %d\n%s\n", i+1, i, len(part), part)
	}
	c.work.FastImport(stream.Bytes())
	c.first, c.second = c.work.Lines("rev-parse", "main^")[0], c.work.Lines("rev-parse", "main")[0]

	none := strings.Repeat("0", len(c.first))
	c.begin = c.request(c.first+"\n", none+" "+c.first+" refs/heads/main")
	c.push = c.request(c.second+"\n^"+c.first+"\n", c.first+" "+c.second+" refs/heads/main", none+" "+c.second+" refs/heads/topic", none+" "+c.second+" refs/tags/v1")
	return c
}

// request is a push of the objects of some revisions.
func (c *cuts) request(revisions string, commands ...string) []byte {
	commands[0] += "\x00report-status side-band-64k"
	var req []byte
	for _, command := range commands {
		req = pktline.Append(req, command)
	}
	req = append(req, pktline.Flush...)
	return append(req, c.work.Git([]byte(revisions), "pack-objects", "--revs", "--stdout", "--quiet")...)
}

// refs are the refs that a git client sees.
func (c *cuts) refs(id string) string {
	return strings.Join(c.work.Lines("ls-remote", c.gitURL(id)), "\n")
}

func (c *cuts) refsBefore() string {
	return c.first + "\tHEAD\n" + c.first + "\trefs/heads/main"
}

func (c *cuts) refsAfter() string {
	return c.second + "\tHEAD\n" + c.second + "\trefs/heads/main\n" + c.second + "\trefs/heads/topic\n" + c.second + "\trefs/tags/v1"
}

// heldBody is the body of a request, of which an end may be held back until its client is to leave.
type heldBody struct {
	sent io.Reader
	// whole reports that nothing is held back.
	whole bool
	// reached is closed when sent was.
	reached chan struct{}
	once    sync.Once
	left    <-chan struct{}
}

func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.sent.Read(p)
	if err == nil {
		return n, nil
	}
	b.once.Do(func() { close(b.reached) })
	if b.whole {
		return 0, io.EOF
	}
	<-b.left
	return 0, errors.New("the client is cut off")
}

// victims are what is ended, and brought back.
var victims = []string{"client", "API", "git-service"}

func (c *cuts) end(t *testing.T, victim string, leave context.CancelFunc) {
	t.Helper()
	switch victim {
	case "client":
		leave()
	case "API":
		c.api.kill()
		c.startAPI(t)
	case "git-service":
		c.git.kill()
		c.startGit(t)
	}
}

// cutPush pushes to a repository, and ends the victim after a random number of bytes or, every other time, a random time after
// the last, within that which an answer takes.
func (c *cuts) cutPush(t *testing.T, id, victim string, answerTakes time.Duration) {
	t.Helper()
	sent, after := len(c.push), time.Duration(0)
	if c.random.IntN(2) == 0 {
		sent = c.random.IntN(len(c.push))
	} else {
		after = time.Duration(c.random.Int64N(int64(answerTakes)))
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	body := &heldBody{sent: bytes.NewReader(c.push[:sent]), whole: sent == len(c.push), reached: make(chan struct{}), left: ctx.Done()}
	acknowledged := make(chan bool, 1)
	go func() {
		report, err := c.postGit(ctx, "receive-pack", id, body)
		acknowledged <- err == nil && strings.Count(report, "ok refs/") == 3
	}()
	<-body.reached
	pause(t.Context(), after)
	c.end(t, victim, leave)
	if !body.whole {
		leave()
	}
	got := <-acknowledged
	c.waitReady(t)
	eventually(t, "something is left of the push", c.nothingAtWork(t))

	refs := c.refs(id)
	t.Logf("%s: %-11s ended in a push, after %8d of %d bytes and %8v: acknowledged %t, took effect %t", id, victim, sent, len(c.push), after.Round(time.Microsecond), got, refs == c.refsAfter())
	if refs != c.refsBefore() || got {
		require.Equal(t, c.refsAfter(), refs)
		c.tookEffect++
	}
	require.False(t, got && !body.whole)
	c.work.Git(nil, "push", "--quiet", c.gitURL(id), c.second+":refs/heads/main", c.second+":refs/heads/topic", c.second+":refs/tags/v1")
	require.Equal(t, c.refsAfter(), c.refs(id))
}

// cutClone clones a repository, and ends the victim after a random number of bytes of the answer.
func (c *cuts) cutClone(t *testing.T, id, victim string) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	fetch := pktline.Append(nil, "want "+c.second+"\n")
	fetch = pktline.Append(append(fetch, pktline.Flush...), "done\n")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.gitURL(id)+"/git-upload-pack", bytes.NewReader(fetch))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	resp, err := c.http.Do(req)
	require.NoError(t, err)
	taken := c.random.Int64N(int64(len(c.begin) + len(c.push)))
	_, err = io.CopyN(io.Discard, resp.Body, taken)
	require.NoError(t, err)
	c.end(t, victim, leave)
	leave()
	_ = resp.Body.Close() // however it ended
	c.waitReady(t)
	eventually(t, "something is left of the clone", c.nothingAtWork(t))
	t.Logf("%s: %-11s ended in a clone, after %8d bytes", id, victim, taken)
	dir := t.TempDir()
	_, err = gitClient(t.Context(), dir, "clone", "--quiet", c.gitURL(id), ".")
	require.NoError(t, err)
	head, err := gitClient(t.Context(), dir, "rev-parse", "HEAD")
	require.NoError(t, err)
	require.Equal(t, c.second, head)
}

// TestPushesAndFetchesThatAreCutOffLeaveNothing ends the client, the API and the git-service in turn at random moments of ROUNDS
// pushes and as many clones. A push takes effect as a whole or not at all, an acknowledged one in any case, with one event for each
// of its refs; nothing is left of it, and the next attempt works.
func TestPushesAndFetchesThatAreCutOffLeaveNothing(t *testing.T) {
	rounds := env.Number(t, "ROUNDS", 12)
	seed := env.Number(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d ROUNDS=%d", seed, rounds)
	c := startCuts(t, seed)
	watcher := watch(t, c.replicas[1], "")
	for round := range rounds {
		id := fmt.Sprintf("cut-%d", round)
		c.createRepository(t, id)
		begin := time.Now()
		report, err := c.postGit(t.Context(), "receive-pack", id, bytes.NewReader(c.begin))
		require.NoError(t, err)
		require.Contains(t, report, "ok refs/heads/main")
		c.cutPush(t, id, victims[round%3], time.Since(begin))
		c.cutClone(t, id, victims[c.random.IntN(3)])
	}
	t.Logf("%d of %d pushes took effect", c.tookEffect, rounds)

	c.createRepository(t, "last")
	last := c.commit(t, "last", commit{Branch: "main", Message: "Last", AllowEmpty: true}).CommitID
	watcher.waitFor(t, "refs/heads/main", last)
	for round := range rounds {
		id := fmt.Sprintf("cut-%d", round)
		require.Equal(t, []string{c.first, c.second}, watcher.moves(t, id, "refs/heads/main"))
		require.Equal(t, []string{c.second}, watcher.moves(t, id, "refs/heads/topic"))
		require.Equal(t, []string{c.second}, watcher.moves(t, id, "refs/tags/v1"))
		require.NoError(t, fsck(repositoryDir(c.data, id)))
	}
}
