package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// TestGitClients runs git itself against both services: the scripts in testdata/git, each on repositories of its own, and
// those of testdata/gitlimits where limits are low.
func TestGitClients(t *testing.T) {
	startSystem(t).runScripts(t, "testdata/git")
	startSystem(t, "GITSTORE_MAX_PUSH_SIZE=100KiB", "GITSTORE_MAX_PUSH_OBJECTS=10", "GITSTORE_MAX_FILE_SIZE=50KiB").runScripts(t, "testdata/gitlimits")
}

func (s *system) runScripts(t *testing.T, dir string) {
	t.Run(filepath.Base(dir), func(t *testing.T) { // returns when all of them have ended
		testscript.Run(t, testscript.Params{
			Dir: dir,
			Setup: func(env *testscript.Env) error {
				env.Vars = append(append(env.Vars, "GIT=http://"+s.address+"/git"), gitClientEnv...)
				env.Values[tKey{}] = env.T().(testing.TB)
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"repository": s.scriptRepository, "put": s.scriptPut, "get": s.scriptGet,
				"noise": scriptNoise, "manyrefs": scriptManyRefs,
			},
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
		})
	})
	require.Empty(t, leftovers(t, s.data))
}

// tKey is where a script has its test.
type tKey struct{}

func scriptT(ts *testscript.TestScript) testing.TB { return ts.Value(tKey{}).(testing.TB) }

// gitClientEnv is the environment of a git client that nobody has set up.
var gitClientEnv = []string{
	"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
	"GIT_AUTHOR_NAME=A U Thor", "GIT_AUTHOR_EMAIL=author@example.com", "GIT_COMMITTER_NAME=C O Mitter", "GIT_COMMITTER_EMAIL=committer@example.com",
	"no_proxy=*",
}

// scriptRepository is the command "repository NAME [FORMAT]" of scripts.
func (s *system) scriptRepository(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: repository NAME [FORMAT]")
	}
	req := map[string]string{"id": args[0]}
	if len(args) > 1 {
		req["object_format"] = args[1]
	}
	s.post(scriptT(ts), "/v1/repositories", req).wants(scriptT(ts), http.StatusCreated)
}

// scriptPut is the command "put REPOSITORY PATH CONTENT [BRANCH]" of scripts: a commit through the API.
func (s *system) scriptPut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: put REPOSITORY PATH CONTENT [BRANCH]")
	}
	branch := "main"
	if len(args) > 3 {
		branch = args[3]
	}
	s.commit(scriptT(ts), args[0], commit{Branch: branch, Message: "put " + args[1], Actions: []action{upsert(args[1], args[2]+"\n")}})
}

// scriptGet is the command "get REPOSITORY PATH" of scripts: what the API has, for stdout.
func (s *system) scriptGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get REPOSITORY PATH")
	}
	t := scriptT(ts)
	_, _ = ts.Stdout().Write(s.get(t, inRepository(args[0], args[1])).wants(t, http.StatusOK).body)
}

// scriptNoise is the command "noise FILE SIZE" of scripts: a file that cannot be compressed.
func scriptNoise(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: noise FILE SIZE")
	}
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := make([]byte, size)
	_, _ = rand.Read(b) // it never fails
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// scriptManyRefs is the command "manyrefs COUNT FILE" of scripts: a file for git update-ref with branches at "many".
func scriptManyRefs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: manyrefs COUNT FILE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "create refs/heads/many%d many\n", i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o600))
}
