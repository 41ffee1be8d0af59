package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// guideShell runs before the commands of a guide: an answer that is no success ends them, also one of GraphQL, which has
// status 200, and a command that goes on until it is stopped is stopped.
const guideShell = `set -euo pipefail
curl() {
	local out lasting=
	[[ $1 == -N ]] && lasting='--max-time 1'
	out=$(command curl -sS --fail-with-body $lasting "$@") || [[ -n $lasting && $? == 28 ]] || { echo "curl $*: $out" >&2; return 1; }
	[[ $out != *'"errors":[{'* ]] || { echo "curl $*: $out" >&2; return 1; }
}
`

// commandsOf returns the fenced blocks of a guide that call the service. That of a generated client is tried by
// TestAGeneratedClientWorks.
func commandsOf(guide string) (blocks []string) {
	for i, block := range strings.Split(guide, "```") {
		_, commands, _ := strings.Cut(block, "\n")
		if i%2 == 1 && strings.Contains("\n"+commands, "\ncurl ") && !strings.Contains(commands, "go run ") {
			blocks = append(blocks, commands)
		}
	}
	return blocks
}

func TestTheCommandsOfTheGuidesWork(t *testing.T) {
	for guide, count := range map[string]int{"README.md": 6, "docs/catalogs.md": 4, "docs/graphql.md": 3, "docs/guide.md": 3} {
		t.Run(guide, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(guide)))
			require.NoError(t, err)
			s := startSystem(t, "GITSTORE_CATALOGS=shop,by-curl,by-graphql")
			s.createRepository(t, "shop")
			s.commit(t, "shop", commit{Branch: "main", Message: "Import the sample catalog", Actions: exampleCatalog(t)})
			eventually(t, "the catalog is not there", func() error {
				return s.serves(t, catalogTarget("shop", "/products/prod-2105"))
			})
			blocks := commandsOf(strings.NewReplacer("127.0.0.1:8080", s.address, "127.0.0.1:8083", s.address).Replace(string(text)))
			assert.Len(t, blocks, count, "a block is no longer seen, or a new one is")
			dir := t.TempDir()
			for _, block := range blocks {
				bash := exec.CommandContext(t.Context(), "bash", "-c", guideShell+block)
				bash.Dir = dir
				bash.Env = append(os.Environ(), "GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
				out, err := bash.CombinedOutput()
				assert.NoError(t, err, "%s\n%s", block, out)
			}
			s.stop(t)
		})
	}
}
