package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/pktline"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// gitURL is where git clients find a repository.
func (c *client) gitURL(repository string) string {
	return "http://" + c.address + "/git/" + repository + ".git"
}

// gitClient runs git in a working tree.
func gitClient(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = dir, gitClientEnv
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// TestPushersAndCommittersLoseNothing has git clients and clients of the API race for one branch whose pushes are validated.
func TestPushersAndCommittersLoseNothing(t *testing.T) {
	const pushers, pushes, committers, commits = 8, 2, 2, 10
	s := startSystem(t)
	s.createRepository(t, "shop")
	s.call(t, http.MethodPut, inRepository("shop", "/policy"), strings.NewReader(`{"validation":"enforce","protected_branches":["main"]}`),
		"Content-Type", "application/json").wants(t, http.StatusOK)
	w := watch(t, s.client, "?repository=shop")
	var accepted sync.Map // what was pushed or committed, by commit
	accepted.Store(s.commit(t, "shop", commit{Branch: "main", Message: "begin", Actions: []action{upsert("begin", "")}}).CommitID, true)

	failed := make(chan error, pushers+committers)
	var racing sync.WaitGroup
	for i := range pushers {
		dir := t.TempDir()
		racing.Go(func() { failed <- pushAll(t.Context(), s.gitURL("shop"), dir, i, pushes, &accepted) })
	}
	for i := range committers {
		racing.Go(func() {
			for j := range commits {
				a, err := s.tryCommit(t.Context(), "shop", commit{Branch: "main", Message: "commit", Actions: []action{upsert(fmt.Sprintf("c/%d/%d", i, j), "x")}})
				if err != nil || a.status != http.StatusCreated {
					failed <- fmt.Errorf("a commit is answered with %d: %w", a.status, err)
					return
				}
				accepted.Store(into[commitResult](t, a).CommitID, true)
			}
			failed <- nil
		})
	}
	racing.Wait()
	close(failed)
	for err := range failed {
		require.NoError(t, err)
	}

	const all = 1 + pushers*pushes + committers*commits
	history := s.history(t, "shop")
	require.Len(t, history, all)
	w.waitFor(t, "refs/heads/main", history[0].CommitID)
	moves := w.moves(t, "shop", "refs/heads/main")
	require.Len(t, moves, all)
	for _, id := range moves {
		_, known := accepted.LoadAndDelete(id)
		assert.True(t, known, "%s was not acknowledged, or is told twice", id)
	}
	git(t, repositoryDir(s.data, "shop"), "fsck", "--strict", "--no-dangling")
	require.Empty(t, leftovers(t, s.data))
}

// pushAll pushes categories of its own one by one, each in a commit on top of what is there. One that is invalid is refused first.
func pushAll(ctx context.Context, url, dir string, me, pushes int, accepted *sync.Map) error {
	if _, err := gitClient(ctx, dir, "clone", "--quiet", url, "."); err != nil {
		return err
	}
	for i := range pushes {
		name := fmt.Sprintf("cup-%d-%d", me, i)
		if err := commitCategory(ctx, dir, name, "no slug"); err != nil {
			return err
		}
		if err := insistOnPush(ctx, dir); err == nil || !strings.Contains(err.Error(), "(catalog invalid)") {
			return fmt.Errorf("an invalid category is pushed: %w", err)
		}
		if err := commitCategory(ctx, dir, name, name, "--amend"); err != nil {
			return err
		}
		if err := insistOnPush(ctx, dir); err != nil {
			return err
		}
		head, err := gitClient(ctx, dir, "rev-parse", "HEAD")
		if err != nil {
			return err
		}
		accepted.Store(head, true)
	}
	return nil
}

func commitCategory(ctx context.Context, dir, name, slug string, options ...string) error {
	file := filepath.Join("categories", name+".md")
	err := os.MkdirAll(filepath.Join(dir, "categories"), 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, file), fmt.Appendf(nil, categoryFile, name, slug), 0o600)
	}
	if err == nil {
		_, err = gitClient(ctx, dir, "add", file)
	}
	if err == nil {
		_, err = gitClient(ctx, dir, append([]string{"commit", "--quiet", "--message", name}, options...)...)
	}
	return err
}

const categoryFile = `---
id: cat-%s
slug: %s
title: Cups
---
`

// insistOnPush pushes again and again while others are quicker.
func insistOnPush(ctx context.Context, dir string) error {
	for {
		if _, err := gitClient(ctx, dir, "pull", "--quiet", "--rebase"); err != nil {
			return err
		}
		_, err := gitClient(ctx, dir, "push", "--quiet")
		if err == nil || !strings.Contains(err.Error(), "rejected") || strings.Contains(err.Error(), "(catalog invalid)") {
			return err
		}
	}
}

// TestAPushOfAsManyRefsAsOneMayNameMovesAndTellsEachOfThem pushes tags, every other one an annotated one. The request is what
// git sends, made here: git takes longer to make it than the service to answer, as it looks for each ref among all others.
func TestAPushOfAsManyRefsAsOneMayNameMovesAndTellsEachOfThem(t *testing.T) {
	const tags = 5000
	s := startSystem(t)
	s.createRepository(t, "tags")
	w := watch(t, s.client, "?repository=tags")
	dir := t.TempDir()
	git(t, dir, "init", "--quiet", "--bare")
	stream := []byte("commit refs/heads/main\nmark :1\ncommitter A <a@example.com> 1 +0000\ndata 1\nx\n")
	for i := 0; i < tags; i += 2 {
		stream = fmt.Appendf(stream, "reset refs/tags/light/%d\nfrom :1\n\ntag v1.%d.0\nfrom :1\ntagger A <a@example.com> 1 +0000\ndata 1\nx\n", i, i)
	}
	stream = append(stream, "reset refs/heads/main\nfrom 0000000000000000000000000000000000000000\n"...)
	gitcmd.Run(t, stream, "--git-dir="+dir, "fast-import", "--quiet")
	refs, err := refsOf(dir)
	require.NoError(t, err)
	require.Len(t, refs, tags)

	var req []byte
	capabilities := "\x00report-status side-band-64k"
	for ref, id := range refs {
		req = pktline.Append(req, strings.Repeat("0", len(id))+" "+id+" "+ref+capabilities)
		capabilities = ""
	}
	req = append(append(req, pktline.Flush...), gitcmd.Run(t, nil, "--git-dir="+dir, "pack-objects", "--all", "--stdout", "--quiet")...)
	report, err := s.postGit(t.Context(), "receive-pack", "tags", bytes.NewReader(req))
	require.NoError(t, err)
	require.Contains(t, report, "unpack ok\n")
	require.NotContains(t, report, "ng refs/")
	require.NoError(t, isWhole(repositoryDir(s.data, "tags"), refs))

	said, err := gitClient(t.Context(), dir, "push", "--porcelain", s.gitURL("tags"), "refs/tags/*:refs/tags/*")
	require.NoError(t, err)
	require.Equal(t, tags, strings.Count(said, "[up to date]"))
	cloned := t.TempDir()
	_, err = gitClient(t.Context(), cloned, "clone", "--quiet", "--mirror", s.gitURL("tags"), ".")
	require.NoError(t, err)
	require.NoError(t, isWhole(cloned, refs))

	after := s.commit(t, "tags", commit{Branch: "main", Message: "after", Actions: []action{upsert("a", "")}}).CommitID
	w.waitFor(t, "refs/heads/main", after)
	refs["refs/heads/main"] = after
	moved := map[string]string{}
	for _, m := range w.all(t) {
		if m.Type == typeRefUpdated {
			require.Empty(t, moved[m.Subject], "%s is told twice", m.Subject)
			moved[m.Subject] = m.Data.New
		}
	}
	require.Equal(t, refs, moved)
	eventually(t, "something is left", s.nothingAtWork(t)) // so many refs are packed in the background
}

// largePush is the request of a push to the branch of an empty repository, a few megabytes long.
func largePush(t *testing.T, branch string) (req []byte, commit string) {
	r := gitcmd.Init(t)
	var content bytes.Buffer
	_, err := io.CopyN(&content, &noise{}, 4<<20)
	require.NoError(t, err)
	r.FastImport(fmt.Appendf(nil, "commit refs/heads/main\ncommitter A <a@example.com> 1 +0000\ndata 1\nx\nM 100644 inline large\ndata %d\n%s\n", content.Len(), content.Bytes()))
	commit = r.Lines("rev-parse", "main")[0]
	req = pktline.Append(nil, strings.Repeat("0", len(commit))+" "+commit+" refs/heads/"+branch+"\x00report-status side-band-64k")
	req = append(req, pktline.Flush...)
	return append(req, r.Git([]byte("main\n"), "pack-objects", "--revs", "--stdout", "--quiet")...), commit
}

// postGit sends a request of git, and returns when the answer has ended.
func (c *client) postGit(ctx context.Context, service, repository string, body io.Reader) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.gitURL(repository)+"/git-"+service, body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-git-"+service+"-request")
	a, err := c.send(req)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("%d: %s", a.status, a.body)
	}
	return string(a.body), err
}

// atWork returns nil while a git command is at work below the data directory.
func (s *system) atWork(t *testing.T, command string) func() error {
	return func() error {
		for _, line := range processesBelow(t, s.data) {
			if strings.Contains(line, command) {
				return nil
			}
		}
		return errors.New("there is no process")
	}
}

// nothingAtWork fails while git is at work for a call below the data directory, or something unfinished lies there.
func (s *system) nothingAtWork(t *testing.T) func() error {
	return func() error {
		quarantined := processesBelow(t, filepath.Join(s.data, "tmp"))
		for pid, line := range processesBelow(t, s.data) {
			waits := strings.Contains(line, " cat-file ") || strings.Contains(line, " update-ref ") // for the next read or write
			if !waits || quarantined[pid] != "" {
				return fmt.Errorf("%s is at work", line)
			}
		}
		if left := leftovers(t, s.data); len(left) > 0 {
			return fmt.Errorf("there is %v", left)
		}
		return nil
	}
}
