package containers

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go/exec"
)

// shopDir is where the repository lies in the container, as docs/operations.md says.
var shopDir = func() string {
	sum := sha256.Sum256([]byte("shop"))
	hash := hex.EncodeToString(sum[:])
	return fmt.Sprintf("/data/repositories/%s/%s/%s.git", hash[:2], hash[2:4], hash)
}()

// run runs a shell script in the container of the git-service and returns what it prints.
func (s *storm) run(script string) string {
	s.t.Helper()
	out, err := s.try(script)
	require.NoError(s.t, err)
	return out
}

func (s *storm) try(script string) (string, error) {
	code, out, err := s.Git.Exec(s.t.Context(), []string{"sh", "-c", script}, exec.Multiplexed())
	if err != nil {
		return "", err
	}
	printed, err := io.ReadAll(out)
	if code != 0 {
		err = fmt.Errorf("%q ended with %d: %s", script, code, printed)
	}
	return string(printed), err
}

// git runs git on the repository and returns the lines that it prints.
func (s *storm) git(args string) []string {
	s.t.Helper()
	out := strings.TrimSuffix(s.run("git --git-dir="+shopDir+" "+args), "\n")
	if out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// verify holds what Git has, what the replicas answer and what the watchers were told to what was acknowledged.
func (s *storm) verify() {
	s.t.Helper()
	s.verifyObjects()
	parents := s.verifyHistory()
	refs := s.verifyRefs()
	s.verifyReplicas(refs["refs/heads/main"])
	synthetic := 0
	for _, w := range s.watchers {
		synthetic += w.follows(s.t, refs, parents)
		s.t.Logf("%s was told everything over %d streams", w.name, w.streams)
	}
	s.t.Logf("%d events were synthetic, in %d streams", synthetic, len(s.watchers))
	s.verifyFiles()
}

// verifyObjects checks that the repository is sound. Repacking, which may be under way, takes packs away from under fsck.
func (s *storm) verifyObjects() {
	s.t.Helper()
	require.NoError(s.t, until(s.t.Context(), func() error {
		found, err := s.try("git --git-dir=" + shopDir + " fsck --strict --full --no-dangling --no-progress")
		if err == nil && found != "" {
			err = errors.New(found)
		}
		return err
	}))
}

// verifyHistory checks that main is a line of exactly those commits that were acknowledged, and returns their parents.
func (s *storm) verifyHistory() (parents map[string]string) {
	s.t.Helper()
	parents = map[string]string{}
	made := map[string]string{}
	next := ""
	for i, line := range s.git("log --format='%H|%P|%s' main") {
		fields := strings.SplitN(line, "|", 3)
		require.Len(s.t, fields, 3, line)
		require.True(s.t, i == 0 || next == fields[0], "main is no line at %s", line)
		require.NotContains(s.t, made, fields[2], "a request made two commits")
		made[fields[2]], parents[fields[0]], next = fields[0], fields[1], fields[1]
	}
	require.Empty(s.t, next)
	require.Equal(s.t, s.load.oracle.commits, made, "commits by their messages, those acknowledged and those made")
	blobs := map[string]string{}
	for _, line := range s.git("ls-tree -r main") {
		entry, path, _ := strings.Cut(line, "\t")
		blobs[path] = strings.Fields(entry)[2]
	}
	require.Equal(s.t, s.load.oracle.blobs, blobs, "files by their paths, those acknowledged and those in main")
	return parents
}

// verifyRefs checks that the tags are those that were acknowledged, and returns all refs.
func (s *storm) verifyRefs() map[string]string {
	s.t.Helper()
	refs, tags := map[string]string{}, map[string]string{}
	for _, line := range s.git("for-each-ref --format='%(refname) %(objectname) %(*objectname)'") {
		fields := strings.Fields(line)
		refs[fields[0]] = fields[1]
		if tag, ok := strings.CutPrefix(fields[0], "refs/tags/"); ok {
			tags[tag] = fields[len(fields)-1]
		}
	}
	require.Equal(s.t, s.load.oracle.tags, tags)
	return refs
}

// verifyReplicas waits until every replica serves the head, and checks that they answer alike.
func (s *storm) verifyReplicas(head string) {
	s.t.Helper()
	var first []string
	for i, r := range s.replicas {
		require.NoError(s.t, until(s.t.Context(), func() error {
			var catalog struct {
				Commit string `json:"commit_id"`
				Stale  bool   `json:"stale"`
			}
			if err := r.reads(s.t.Context(), "/catalog", &catalog); err != nil {
				return err
			}
			if catalog.Commit != head || catalog.Stale {
				return fmt.Errorf("replica %d serves %+v, not %s", i, catalog, head)
			}
			return nil
		}))
		var answers []string
		for _, path := range []string{
			"/catalog/products?page_size=100", "/catalog/categories?page_size=100", "/catalog/problems", "/branches", "/tags?page_size=1000",
			"/commits?page_size=100", "/tree?prefix=products&recursive=true",
		} {
			answers = append(answers, string(want(s.t, 200, "GET", r.url+shop+path, nil).body))
		}
		if i == 0 {
			first = answers
		}
		require.Equal(s.t, first, answers, "answers of replicas 0 and %d", i)
	}
}

// verifyFiles checks that nothing but repositories and the journal is left.
func (s *storm) verifyFiles() {
	s.t.Helper()
	require.NoError(s.t, until(s.t.Context(), func() error { // repacking may be under way
		left, err := s.try(`find /data/tmp -mindepth 1
			find /data \( -name '*.lock' -o -name 'tmp_*' -o -name '.tmp*' -o -name 'incoming-*' \)
			find /data -name '*.pack' | while read -r pack; do [ -e "${pack%.pack}.idx" ] || echo "$pack"; done
			find /data -name '*.idx' | while read -r idx; do [ -e "${idx%.idx}.pack" ] || echo "$idx"; done`)
		if err == nil && left != "" {
			err = errors.New("left are\n" + left)
		}
		return err
	}))
}
