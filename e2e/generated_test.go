package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAGeneratedClientWorks has a stock generator make a client of the document that the API serves, and runs a program that uses it.
func TestAGeneratedClientWorks(t *testing.T) {
	s := startSystem(t, "GITSTORE_CATALOGS=shop@head")
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
	module, err := filepath.Abs("../tools/openapi")
	require.NoError(t, err)
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", append([]string{args[0], "-C", module}, args[1:]...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GITSTORE_URL=http://"+s.address)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%v: %s", args, out)
	}
	document := write("openapi.json", s.get(t, "/openapi.json").wants(t, http.StatusOK).body)
	generated := filepath.Join(dir, "gitstore.gen.go")
	run("tool", "oapi-codegen", "-config", "oapi-codegen.yaml", "-o", generated, document)
	overlay := write("overlay.json", encode(t, map[string]any{
		"Replace": map[string]string{filepath.Join(module, "client", "gitstore", "gitstore.gen.go"): generated},
	}))
	run("test", "-overlay", overlay, "-count=1", "./client")
	s.stop(t)
}
