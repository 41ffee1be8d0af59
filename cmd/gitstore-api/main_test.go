package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/internal/testkit/program"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

func TestMain(m *testing.M) {
	program.Main(main)
	goleak.VerifyTestMain(m)
}

func TestSignalsStopIt(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := program.StartSelf(t, t.TempDir(), nil, "--http-listen=127.0.0.1:0", "--git-address", serveStore(t, memrepo.New()))
		p.Await("serving HTTP")
		p.Signal(sig)
		p.Await("stopped")
		if code := p.Wait(); code != 0 {
			t.Errorf("after %v it ends with %d:\n%s", sig, code, p.Log())
		}
	}
}

func TestAPortInUseIsOneLine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	p := program.StartSelf(t, t.TempDir(), nil, "--http-listen", l.Addr().String())
	if code := p.Wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	lines := strings.Split(strings.TrimSpace(p.Log()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "--http-listen: "+l.Addr().String()+" is in use") {
		t.Errorf("it says %s", last)
	}
}

func TestUsage(t *testing.T) {
	program.CheckUsage(t,
		program.Usage{Name: "help", Args: []string{"--help"}, Says: []string{"Usage: gitstore-api", "--git-address", "$GITSTORE_HTTP_LISTEN", "1GiB", "gitstore-api healthcheck ready"}},
		program.Usage{Name: "version", Args: []string{"--version"}, Says: []string{"gitstore-api ", "commit ", " go1."}},
		program.Usage{Name: "unknown flag", Args: []string{"--http-listn=:1"}, Code: 2, Says: []string{"--http-listn", "--http-listen"}},
		program.Usage{Name: "wrong address", Args: []string{"--git-address=git"}, Code: 2, Says: []string{"--git-address", "host:port"}},
		program.Usage{Name: "wrong size", Env: []string{"GITSTORE_MAX_BODY=1GB"}, Code: 2, Says: []string{"GITSTORE_MAX_BODY", "1KiB to 1TiB"}},
		program.Usage{Name: "wrong duration", Args: []string{"--body-idle-timeout=60"}, Code: 2, Says: []string{"--body-idle-timeout", "1s to 1h"}},
		program.Usage{Name: "an extra word", Args: []string{"serve"}, Code: 2, Says: []string{"unexpected argument serve"}},
		program.Usage{Name: "nobody to ask for health", Args: []string{"healthcheck", "--http-listen=127.0.0.1:1"}, Code: 1, Says: []string{"127.0.0.1:1"}},
		program.Usage{Name: "no directory to validate", Args: []string{"validate", "nowhere"}, Code: 2, Says: []string{"nowhere: no such file"}},
		program.Usage{Name: "two directories to validate", Args: []string{"validate", "a", "b"}, Code: 2, Says: []string{"Usage: gitstore-api validate [DIR]"}},
		program.Usage{Name: "no host of pages", Env: []string{"GITSTORE_EVENTS_ORIGINS=http://x/y"}, Code: 2, Says: []string{`--events-origins: origin pattern "http://x/y"`, "(from envar GITSTORE_EVENTS_ORIGINS)"}},
		program.Usage{Name: "wrong log format", Env: []string{"GITSTORE_LOG_FORMAT=xml"}, Code: 2, Says: []string{"GITSTORE_LOG_FORMAT", "json, text"}},
	)
}

// The binary and not the test's own: that one holds git adapters for other tests.
func TestTheBinaryNeedsNeitherFilesNorPrograms(t *testing.T) {
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", bin+string(filepath.Separator), "./cmd/...")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	gitService := program.Start(t, filepath.Join(bin, "gitstore-git-service"), t.TempDir(), []string{"PATH=" + os.Getenv("PATH")},
		"--data-dir", t.TempDir(), "--grpc-listen=127.0.0.1:0", "--events-listen=127.0.0.1:0")
	address, ok := gitService.Await("serving gRPC")["address"].(string)
	if !ok {
		t.Fatal(gitService.Log())
	}

	empty := t.TempDir()
	if err := os.Chmod(empty, 0o500); err != nil {
		t.Fatal(err)
	}
	api := program.Start(t, filepath.Join(bin, "gitstore-api"), empty, []string{"PATH="}, "--http-listen=127.0.0.1:0", "--git-address", address)
	listening, ok := api.Await("serving HTTP")["address"].(string)
	if !ok {
		t.Fatal(api.Log())
	}
	url := "http://" + listening
	program.Await(t, url+"/readyz", 200)
	large := strings.Repeat("0123456789abcdef", 1<<18)
	walk(t, url,
		step{"POST", "/v1/repositories", `{"id":"shop"}`, 201, `"id":"shop"`},
		step{"POST", "/v1/repositories/shop/commits", `{"branch":"main","message":"Two","actions":[` +
			`{"action":"create","path":"a/b.md","content":"b"},{"action":"create","path":"c.md","content":"c"}]}`, 201, `"a/b.md"`},
		step{"PUT", "/v1/repositories/shop/files/large.bin", large, 201, `"commit_id"`},
		step{"GET", "/v1/repositories/shop/files/large.bin", "", 200, large},
		step{"GET", "/v1/repositories/shop/tree?recursive=true", "", 200, `"path":"a/b.md"`},
		step{"POST", "/v1/repositories/shop/tags", `{"name":"v1.0.0","message":"One"}`, 201, `"version":"1.0.0"`},
		step{"GET", "/v1/repositories/shop/commits", "", 200, `"message":"Two`},
		step{"GET", "/v1/repositories/shop/compare/v1.0.0...main", "", 200, `"files":[]`},
	)
	if status, body := program.Do(t, "GET", url+"/v1/repositories/none/tree", "", "X-Request-Id", "one-of-a-kind"); status != 404 || !strings.Contains(body, "one-of-a-kind") {
		t.Errorf("%d %s", status, body)
	}
	for _, p := range []*program.Process{api, gitService} {
		p.Signal(syscall.SIGTERM)
		if code := p.Wait(); code != 0 {
			t.Errorf("it ends with %d:\n%s", code, p.Log())
		}
		if !strings.Contains(p.Log(), `"request_id":"one-of-a-kind"`) {
			t.Errorf("its log does not have the request's id:\n%s", p.Log())
		}
	}
	left, err := os.ReadDir(empty)
	if err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}
