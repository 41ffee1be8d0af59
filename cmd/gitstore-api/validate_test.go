package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/program"
)

// TestTheHookOfTheGuideKeepsABrokenDocumentFromBeingCommitted takes the hook from docs/catalogs.md.
func TestTheHookOfTheGuideKeepsABrokenDocumentFromBeingCommitted(t *testing.T) {
	guide, err := os.ReadFile("../../docs/catalogs.md")
	require.NoError(t, err)
	_, hook, found := strings.Cut(string(guide), "```sh\n#!/bin/sh\n")
	require.True(t, found, "the guide has no hook")
	hook, _, _ = strings.Cut(hook, "```")
	self, err := os.Executable()
	require.NoError(t, err)
	bin, dir := t.TempDir(), t.TempDir()
	require.NoError(t, os.Symlink(self, filepath.Join(bin, "gitstore-api")))

	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), program.AsMain)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	write := func(name, content string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	category := func(fields string) string { return fmt.Sprintf("---\nid: tea\nslug: tea\n%s---\n", fields) }
	_, err = git("init", "--quiet")
	require.NoError(t, err)
	write(".git/hooks/pre-commit", "#!/bin/sh\n"+hook)
	require.NoError(t, os.Chmod(filepath.Join(dir, ".git/hooks/pre-commit"), 0o700))

	write("categories/tea.md", category(""))
	_, err = git("add", ".")
	require.NoError(t, err)
	write("categories/tea.md", category("title: Tea\n"))
	out, err := git("commit", "--quiet", "--message=Broken")
	require.Error(t, err)
	assert.Contains(t, out, "categories/tea.md:2:1: title: the field \"title\" is missing (MISSING_FIELD)\n")

	_, err = git("add", ".")
	require.NoError(t, err)
	out, err = git("commit", "--quiet", "--message=Mended")
	require.NoError(t, err, out)

	require.NoError(t, os.Symlink("tea.md", filepath.Join(dir, "categories/link.md")))
	_, err = git("add", ".")
	require.NoError(t, err)
	out, err = git("commit", "--quiet", "--message=Link")
	require.Error(t, err)
	assert.Contains(t, out, "categories/link.md\nsymbolic links and submodules are not taken by a push\n")
}

func TestAValidationSaysWhatItRead(t *testing.T) {
	empty, broken := t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(broken, "categories"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(broken, "categories", "tea.md"), []byte("---\nid: tea\nslug: tea\n---\n"), 0o600))
	for _, tt := range []struct {
		args []string
		code int
		told string
	}{
		{[]string{broken}, 1, "0 documents, 1 problem\n"},
		{[]string{empty}, 0, "0 documents, 0 problems\nhint: there is no catalog below this directory: name the one that holds products/, categories/ and the like\n"},
		{[]string{"--foo"}, 2, validateUsage},
		{[]string{"-v"}, 2, validateUsage},
		{[]string{"a", "b"}, 2, validateUsage},
	} {
		var out, told strings.Builder
		assert.Equal(t, tt.code, validate(t.Context(), tt.args, &out, &told), "%q", tt.args)
		assert.Equal(t, tt.told, told.String(), "%q", tt.args)
	}
}

func TestTheSampleCatalogHasNoProblems(t *testing.T) {
	var out, told strings.Builder
	assert.Zero(t, validate(t.Context(), []string{"../../examples/catalog"}, &out, &told))
	assert.Empty(t, out.String())
	assert.Regexp(t, `^[1-9]\d* documents, 0 problems\n$`, told.String())
}
