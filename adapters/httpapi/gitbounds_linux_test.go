package httpapi_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// Without progress nothing is on a band before git fails.
func TestACloneThatGitNeedsTooMuchMemoryForIsToldSo(t *testing.T) {
	store, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir(), GitMemory: 2 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	c := serve(t, store, httpapi.Options{Packs: store})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	id, err := git.ParseRepositoryID("shop")
	require.NoError(t, err)
	var stream strings.Builder
	stream.WriteString("commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 2\nx\n")
	for i := range 20_000 {
		fmt.Fprintf(&stream, "M 100644 inline d%d/%d.md\ndata 6\n%05d\n\n", i/100, i, i)
	}
	stream.WriteString("done\n")
	require.NoError(t, store.Import(t.Context(), id, strings.NewReader(stream.String())))

	for _, options := range []string{"-q", "--progress"} {
		for _, version := range []int{0, 2} {
			args := []string{"-c", fmt.Sprintf("protocol.version=%d", version), "clone", "--bare"}
			args = append(args, strings.Fields(options)...)
			cmd := exec.CommandContext(t.Context(), "git", append(args, c.server.URL+"/git/shop.git", filepath.Join(t.TempDir(), "clone"))...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "no_proxy=*"}
			said, err := cmd.CombinedOutput()
			require.Error(t, err)
			assert.Contains(t, string(said), "remote: git needs more memory for it than the 2 MiB that it is given: fetch less at once", "%v", args)
		}
	}
}
