package failpoints

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// push has git push a new commit to one branch and create another, both or none. A repeated push finds that there is
// nothing left to do, which git says.
func push(_ context.Context, t *testing.T, s *service, id git.RepositoryID) outcome {
	t.Helper()
	api := httptest.NewServer(httpapi.New(s.client, httpapi.Options{Packs: s.client}))
	defer api.Close()
	clone := gitcmd.Init(t)
	tree := strings.TrimSpace(string(clone.Git([]byte("100644 blob "+strings.TrimSpace(string(clone.Git([]byte(id.String()), "hash-object", "-w", "--stdin")))+"\ta.txt\n"), "mktree")))
	commit := clone.Git([]byte("tree "+tree+"\nauthor A <a@example.com> 1 +0000\ncommitter A <a@example.com> 1 +0000\n\nPush\n"),
		"hash-object", "-t", "commit", "-w", "--stdin")
	pushed := must(git.ParseObjectID(strings.TrimSpace(string(commit))))
	said, err := clone.Try(nil, "push", "--porcelain", "--atomic", fmt.Sprintf("%s/git/%s.git", api.URL, id),
		fmt.Sprintf("+%s:%s", pushed, side), fmt.Sprintf("%s:%s", pushed, branch("pushed")))
	again := err == nil && strings.Count(string(said), "[up to date]") == 2
	if err == nil {
		require.True(t, again || strings.Contains(string(said), "[new branch]"), "%s", said)
	}
	return outcome{id: pushed, replayed: again, err: err}
}
