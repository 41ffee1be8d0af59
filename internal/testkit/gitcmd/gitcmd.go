// Package gitcmd runs the git command for tests that compare GitStore with it, and holds objects in memory for tests
// that need no git.
package gitcmd

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// Repo is a bare repository that lives as long as its test.
type Repo struct {
	t      testing.TB
	dir    string
	format git.ObjectFormat
}

// Init makes an empty SHA-1 repository whose default branch is main.
func Init(t testing.TB) *Repo { return InitFormat(t, git.SHA1) }

// InitFormat is [Init] with another object format.
func InitFormat(t testing.TB, format git.ObjectFormat) *Repo {
	t.Helper()
	r := &Repo{t: t, dir: filepath.Join(t.TempDir(), "repo.git"), format: format}
	Run(t, nil, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--object-format="+format.String(), r.dir)
	return r
}

// Format returns the repository's object format.
func (r *Repo) Format() git.ObjectFormat { return r.format }

// Git runs git in the repository and returns its standard output. It fails the test if git fails.
func (r *Repo) Git(stdin []byte, args ...string) []byte {
	r.t.Helper()
	return Run(r.t, stdin, r.args(args)...)
}

// GitEnv is [Repo.Git] with more environment variables.
func (r *Repo) GitEnv(stdin []byte, env []string, args ...string) []byte {
	r.t.Helper()
	return RunEnv(r.t, stdin, env, r.args(args)...)
}

// Lines is [Repo.Git] without input, and its output by lines.
func (r *Repo) Lines(args ...string) []string {
	r.t.Helper()
	return splitLines(r.Git(nil, args...))
}

// Try is [Repo.Git] for commands that may fail.
func (r *Repo) Try(stdin []byte, args ...string) ([]byte, error) {
	return run(r.t, stdin, nil, r.args(args)...)
}

func (r *Repo) args(args []string) []string { return append([]string{"--git-dir=" + r.dir}, args...) }

// FastImport feeds a stream to git fast-import.
func (r *Repo) FastImport(stream []byte) {
	r.t.Helper()
	r.Git(stream, "fast-import", "--quiet", "--force")
}

// Put stores an object as it is, without any check, and returns its ID.
func (r *Repo) Put(t git.ObjectType, content []byte) git.ObjectID {
	r.t.Helper()
	return r.ID(strings.TrimSpace(string(r.Git(content, "hash-object", "-w", "--literally", "--stdin", "-t", t.String()))))
}

// ID reads an object ID that git printed.
func (r *Repo) ID(s string) git.ObjectID {
	r.t.Helper()
	id, err := git.ParseObjectID(s)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// Load returns all objects of the repository.
func (r *Repo) Load() *Objects {
	r.t.Helper()
	objects := NewObjects(r.format)
	out := r.Git(nil, "cat-file", "--batch-all-objects", "--batch")
	for len(out) > 0 {
		header, rest, _ := bytes.Cut(out, []byte{'\n'})
		var id, name string
		var size int
		if _, err := fmt.Sscan(string(header), &id, &name, &size); err != nil {
			r.t.Fatalf("cat-file said %q: %v", header, err)
		}
		t, _ := git.ParseObjectType(name)
		objects.byID[r.ID(id)] = object{t, rest[:size]}
		out = rest[size+1:]
	}
	return objects
}

// Run runs git outside of any repository, in a clean environment. It fails the test if git fails.
func Run(t testing.TB, stdin []byte, args ...string) []byte {
	t.Helper()
	return RunEnv(t, stdin, nil, args...)
}

// RunEnv is [Run] with more environment variables.
func RunEnv(t testing.TB, stdin []byte, env []string, args ...string) []byte {
	t.Helper()
	out, err := run(t, stdin, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Try is [Run] for commands that may fail.
func Try(t testing.TB, args ...string) ([]byte, error) { return run(t, nil, nil, args...) }

func run(t testing.TB, stdin []byte, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = os.TempDir()
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_LITERAL_PATHSPECS=1", "GIT_CEILING_DIRECTORIES=/",
		"GIT_AUTHOR_NAME=A U Thor", "GIT_AUTHOR_EMAIL=author@example.com", "GIT_AUTHOR_DATE=1112911993 -0700",
		"GIT_COMMITTER_NAME=C O Mitter", "GIT_COMMITTER_EMAIL=committer@example.com", "GIT_COMMITTER_DATE=1112911993 -0700",
	}, env...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out, nil
}

func splitLines(out []byte) []string {
	s := strings.TrimSuffix(string(out), "\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}
