package e2e

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/gitscript"
)

// TestGitClients runs git itself against both services.
func TestGitClients(t *testing.T) {
	for dir, env := range gitscript.Dirs {
		var settings []string
		for name, value := range env {
			settings = append(settings, name+"="+value)
		}
		s := startSystem(t, settings...)
		gitscript.Run(t, filepath.Join("testdata", dir), "http://"+s.address)
		require.Empty(t, leftovers(t, s.data))
	}
}

var gitClientEnv = gitscript.Env
