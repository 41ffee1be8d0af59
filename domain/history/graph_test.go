package history_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

const epoch = 1_700_000_000

// graph is a random history in a git repository.
type graph struct {
	*gitcmd.Repo
	objects *gitcmd.Objects
	commits []git.ObjectID
	paths   []git.TreePath
}

// newGraph makes a history of branches and merges, more than one root included. With skewed clocks, a commit may be
// much older or newer than its parents; without, only as old.
func newGraph(t *testing.T, rnd *rand.Rand, size int, skewed bool) *graph {
	t.Helper()
	g := &graph{Repo: gitcmd.Init(t)}
	for _, p := range []string{"a", "b", "d", "d/x", "d/e", "d/e/y", "d/z"} {
		g.paths = append(g.paths, treePath(t, p))
	}
	g.FastImport(randomStream(rnd, size, skewed))
	for _, line := range g.Lines("for-each-ref", "--format=%(objectname)") {
		g.commits = append(g.commits, g.ID(line))
	}
	g.Git(nil, "commit-graph", "write", "--reachable") // only with one is git exact whatever the clocks say
	g.objects = g.Load()
	return g
}

func treePath(t *testing.T, s string) git.TreePath {
	t.Helper()
	p, err := git.ParseTreePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func randomStream(rnd *rand.Rand, size int, skewed bool) []byte {
	var b bytes.Buffer
	times := make([]int, size)
	for i := range size {
		parents := randomParents(rnd, i)
		for _, p := range parents {
			times[i] = max(times[i], times[p])
		}
		times[i] += rnd.IntN(3)
		when := times[i]
		if skewed && rnd.IntN(4) == 0 {
			when += rnd.IntN(200) - 100
		}
		author := []string{"Ada <ada@example.com>", "Bob <bob@Example.org>"}[rnd.IntN(2)]
		fmt.Fprintf(&b, "commit refs/heads/c%04d\nmark :%d\n", i, i+1)
		fmt.Fprintf(&b, "author %s %d +0000\ncommitter C <c@example.com> %d +0100\ndata 0\n", author, epoch, epoch+when)
		for j, p := range parents {
			fmt.Fprintf(&b, "%s :%d\n", []string{"from", "merge"}[min(j, 1)], p+1)
		}
		for range rnd.IntN(3) {
			path := []string{"a", "b", "d/x", "d/e/y", "d/z"}[rnd.IntN(5)]
			if rnd.IntN(4) == 0 {
				fmt.Fprintf(&b, "D %s\n", path)
			} else {
				fmt.Fprintf(&b, "M 100644 inline %s\ndata 1\n%d\n", path, rnd.IntN(3))
			}
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func randomParents(rnd *rand.Rand, i int) []int {
	if i == 0 || rnd.IntN(20) == 0 {
		return nil
	}
	near := func() int { return max(0, i-1-rnd.IntN(6)) }
	parents := []int{near()}
	for range rnd.IntN(4) - 1 {
		if p := near(); !slices.Contains(parents, p) {
			parents = append(parents, p)
		}
	}
	return parents
}

func (g *graph) pick(rnd *rand.Rand) git.ObjectID { return g.commits[rnd.IntN(len(g.commits))] }

func commitOf(t *testing.T, r git.ObjectReader, id git.ObjectID) *git.Commit {
	t.Helper()
	c, err := r.Commit(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
