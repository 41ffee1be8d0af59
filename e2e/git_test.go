package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/gitscript"
)

// TestGitClients runs git itself against both services: the scripts in testdata/git, those of testdata/gitlimits where
// limits are low, and those of testdata/gitpolicy where there is a policy for all repositories.
func TestGitClients(t *testing.T) {
	for dir, settings := range map[string][]string{
		"testdata/git":       nil,
		"testdata/gitlimits": {"GITSTORE_MAX_PUSH_SIZE=100KiB", "GITSTORE_MAX_PUSH_OBJECTS=10", "GITSTORE_MAX_FILE_SIZE=50KiB"},
		"testdata/gitpolicy": {
			"GITSTORE_PUSH_VALIDATION=warn", "GITSTORE_PROTECTED_BRANCHES=main", "GITSTORE_PUSH_LINKS=true", "GITSTORE_PUSH_OPTIONS=topic",
		},
	} {
		s := startSystem(t, settings...)
		gitscript.Run(t, dir, "http://"+s.address)
		require.Empty(t, leftovers(t, s.data))
	}
}

var gitClientEnv = gitscript.Env
