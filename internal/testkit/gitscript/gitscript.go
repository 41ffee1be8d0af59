// Package gitscript runs scripts of git clients against the HTTP API of a GitStore, wherever that runs.
package gitscript

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gitstore-dev/gitstore/internal/testkit/program"
)

// Env is the environment of a git client that nobody has set up.
var Env = []string{
	"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
	"GIT_AUTHOR_NAME=A U Thor", "GIT_AUTHOR_EMAIL=author@example.com", "GIT_COMMITTER_NAME=C O Mitter", "GIT_COMMITTER_EMAIL=committer@example.com",
	"no_proxy=*",
}

// Dirs are the directories of scripts in e2e/testdata, with the settings of the git-service that each needs: none, low limits, and a
// policy for all repositories.
var Dirs = map[string]map[string]string{
	"git":       nil,
	"gitlimits": {"GITSTORE_MAX_PUSH_SIZE": "100KiB", "GITSTORE_MAX_PUSH_OBJECTS": "10", "GITSTORE_MAX_FILE_SIZE": "50KiB"},
	"gitpolicy": {
		"GITSTORE_PUSH_VALIDATION": "warn", "GITSTORE_PROTECTED_BRANCHES": "main", "GITSTORE_PUSH_LINKS": "true", "GITSTORE_PUSH_OPTIONS": "topic",
	},
}

// Run runs the scripts of a directory at the same time and returns when all have ended. They have the variable GIT, the
// URL of the directory of all repositories, and the commands of [testscript.Params] and of this package: repository, policy,
// put, get and noise. Each needs repositories of its own. The environment variable GITSTORE_TEST_GIT has them use another git.
//
// api is the address of the API, a URL without a slash at its end.
func Run(t *testing.T, dir, api string) {
	t.Helper()
	a := client(api)
	t.Run(filepath.Base(dir), func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: dir,
			Setup: func(env *testscript.Env) error {
				env.Vars = append(append(append(env.Vars, "GIT="+api+"/git"), Env...), otherGit()...)
				env.Values[tKey{}] = env.T().(testing.TB)
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"repository": a.repository, "policy": a.policy, "put": a.put, "get": a.get, "noise": noise,
			},
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
		})
	})
}

// otherGit is what makes the scripts use the git that the variable GITSTORE_TEST_GIT names, a path that ends in /git, instead
// of the first in the PATH. If it was moved since it was installed, it needs GIT_EXEC_PATH, which it is given.
func otherGit() []string {
	name := os.Getenv("GITSTORE_TEST_GIT")
	if name == "" {
		return nil
	}
	vars := []string{"PATH=" + filepath.Dir(name) + string(filepath.ListSeparator) + os.Getenv("PATH")}
	if execPath := os.Getenv("GIT_EXEC_PATH"); execPath != "" {
		vars = append(vars, "GIT_EXEC_PATH="+execPath)
	}
	return vars
}

// tKey is where a script has its test.
type tKey struct{}

// client is the address of the API.
type client string

func (c client) call(ts *testscript.TestScript, method, path, body string, header ...string) string {
	status, answer := program.Do(ts.Value(tKey{}).(testing.TB), method, string(c)+"/v1/repositories"+path, body, header...)
	if status != http.StatusOK && status != http.StatusCreated {
		ts.Fatalf("%s %s was answered %d: %s", method, path, status, answer)
	}
	return answer
}

// repository is the command "repository NAME [FORMAT]".
func (c client) repository(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: repository NAME [FORMAT]")
	}
	format := "sha1"
	if len(args) > 1 {
		format = args[1]
	}
	c.call(ts, http.MethodPost, "", fmt.Sprintf(`{"id":%q,"object_format":%q}`, args[0], format), "Content-Type", "application/json")
}

// policy is the command "policy REPOSITORY JSON".
func (c client) policy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: policy REPOSITORY JSON")
	}
	c.call(ts, http.MethodPut, "/"+args[0]+"/policy", args[1], "Content-Type", "application/json")
}

// put is the command "put REPOSITORY PATH CONTENT [BRANCH]": a commit through the API.
func (c client) put(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: put REPOSITORY PATH CONTENT [BRANCH]")
	}
	query := url.Values{"message": {"put " + args[1]}}
	if len(args) > 3 {
		query.Set("branch", args[3])
	}
	c.call(ts, http.MethodPut, "/"+args[0]+"/files/"+args[1]+"?"+query.Encode(), args[2]+"\n")
}

// get is the command "get REPOSITORY PATH": what the API has there below the repository, for stdout.
func (c client) get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get REPOSITORY PATH")
	}
	_, _ = ts.Stdout().Write([]byte(c.call(ts, http.MethodGet, "/"+args[0]+args[1], "")))
}

// noise is the command "noise FILE SIZE": a file that cannot be compressed.
func noise(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: noise FILE SIZE")
	}
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := make([]byte, size)
	_, _ = rand.Read(b) // it never fails
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}
