package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestGitClients runs git itself against both services: the scripts in testdata/git, each on repositories of its own.
func TestGitClients(t *testing.T) {
	s := startSystem(t)
	t.Run("scripts", func(t *testing.T) { // returns when all of them have ended
		testscript.Run(t, testscript.Params{
			Dir: "testdata/git",
			Setup: func(env *testscript.Env) error {
				env.Setenv("GIT", "http://"+s.address+"/git")
				for _, v := range gitClientEnv {
					name, value, _ := strings.Cut(v, "=")
					env.Setenv(name, value)
				}
				env.Values["t"] = env.T().(testing.TB)
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"repository": s.scriptRepository, "put": s.scriptPut, "get": s.scriptGet,
			},
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
		})
	})
}

// gitClientEnv is the environment of a git client that nobody has set up.
var gitClientEnv = []string{
	"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
	"GIT_AUTHOR_NAME=A U Thor", "GIT_AUTHOR_EMAIL=author@example.com", "GIT_COMMITTER_NAME=C O Mitter", "GIT_COMMITTER_EMAIL=committer@example.com",
	"GIT_ADVICE=0", "no_proxy=*",
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
	s.post(ts.Value("t").(testing.TB), "/v1/repositories", req).wants(ts.Value("t").(testing.TB), http.StatusCreated)
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
	s.commit(ts.Value("t").(testing.TB), args[0], commit{Branch: branch, Message: "put " + args[1], Actions: []action{upsert(args[1], args[2]+"\n")}})
}

// scriptGet is the command "get REPOSITORY PATH" of scripts: what the API has, for stdout.
func (s *system) scriptGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get REPOSITORY PATH")
	}
	t := ts.Value("t").(testing.TB)
	_, _ = ts.Stdout().Write(s.get(t, inRepository(args[0], args[1])).wants(t, http.StatusOK).body)
}
