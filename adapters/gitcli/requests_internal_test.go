package gitcli

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
)

// line is a history without branches, of which only the commits are read.
type line struct {
	git.ObjectReader
	commits map[git.ObjectID]*git.Commit
	head    git.ObjectID
}

func (l *line) Commit(_ context.Context, id git.ObjectID) (*git.Commit, error) {
	return l.commits[id], nil
}

// add commits something for a request.
func (l *line) add(request int, at time.Time) {
	id := git.SHA1.HashObject(git.CommitObject, []byte(fmt.Sprint(request)))
	c := &git.Commit{ID: id, Committer: git.Signature{When: at}, Headers: []git.Header{{Key: "gitstore-request-id", Value: fmt.Sprint(request) + " fingerprint"}}}
	if !l.head.IsZero() {
		c.Parents = []git.ObjectID{l.head}
	}
	l.commits[id], l.head = c, id
}

func TestRequestsAreFoundBehindAllThatWasCommittedMeanwhile(t *testing.T) {
	known := func(age time.Duration, behind int) bool {
		l := &line{commits: map[git.ObjectID]*git.Commit{}}
		for i := range behind + 1 {
			l.add(i, time.Now().Add(-age))
		}
		requests, err := requestsOf(t.Context(), l, l.head)
		require.NoError(t, err)
		return !requests.commits["0"].IsZero()
	}
	require.True(t, known(time.Hour, repository.RequestWindow-1), "among the last of the branch")
	require.False(t, known(time.Hour, repository.RequestWindow), "old, and behind many")
	require.True(t, known(time.Second, repository.RequestWindow), "young, and behind many")
	require.True(t, known(time.Second, repository.MaxRequestWindow-1))
	require.False(t, known(time.Second, repository.MaxRequestWindow), "behind more than anybody commits while a client waits")
}

func TestRequestsOfBranchesAreForgottenOneByOne(t *testing.T) {
	x := requestIndex{branches: map[git.RefName]*branchRequests{}}
	for i := range maxIndexed + 10 {
		branch, err := git.ParseRefName(fmt.Sprintf("refs/heads/%d", i))
		require.NoError(t, err)
		x.branches[branch] = &branchRequests{commits: map[string]git.ObjectID{"a": {}, "b": {}}}
		x.size += 2
		x.bound(branch)
		require.Contains(t, x.branches, branch, "the one in use")
	}
	require.Len(t, x.branches, maxIndexed)
	require.Equal(t, 2*maxIndexed, x.size)
	x.size += maxRemembered // as if they had as many
	x.bound(git.RefName{})
	require.Empty(t, x.branches)
}

func TestRequestsThatNoRetryComesForAreForgotten(t *testing.T) {
	now := time.Now()
	b := &branchRequests{commits: map[string]git.ObjectID{}}
	has := func(i int) bool { _, ok := b.commits[fmt.Sprint(i)]; return ok }
	add := func(from, to int) {
		for i := from; i < to; i++ {
			b.add(fmt.Sprint(i), git.ObjectID{}, now)
			b.prune(now)
		}
	}
	add(0, repository.RequestWindow+10)
	require.True(t, has(0), "all are young")
	now = now.Add(repository.RequestAge + time.Second)
	add(repository.RequestWindow+10, repository.RequestWindow+11)
	require.Len(t, b.commits, repository.RequestWindow)
	require.False(t, has(10))
	require.True(t, has(11), "it is among the last")
	add(100_000, 100_000+2*repository.MaxRequestWindow)
	require.Len(t, b.commits, repository.MaxRequestWindow)
	require.Len(t, b.order, repository.MaxRequestWindow)

	l := &line{commits: map[git.ObjectID]*git.Commit{}}
	for i := range 5 {
		l.add(i, now)
	}
	read, err := requestsOf(t.Context(), l, l.head)
	require.NoError(t, err)
	require.Len(t, read.commits, 5)
	require.Equal(t, "0", read.order[0].id)
	require.Len(t, read.order, 5)
}

func TestACachedObjectWeighsWhatItsTextsTake(t *testing.T) {
	const long = 1 << 20
	text := strings.Repeat("x", long)
	for name, v := range map[string]any{
		"author":    &git.Commit{Author: git.Signature{Name: text}},
		"committer": &git.Commit{Committer: git.Signature{Email: text}},
		"header":    &git.Commit{Headers: []git.Header{{Key: "gpgsig", Value: text}}},
		"headers":   &git.Commit{Headers: make([]git.Header, long/64)},
		"message":   &git.Commit{Message: text},
		"tagger":    &git.Tag{Tagger: git.Signature{Name: text}},
		"blob":      []byte(text),
		"tree":      []git.TreeEntry{{Name: text}},
	} {
		require.GreaterOrEqual(t, int(weight(v)), long, name)
	}
}
