package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/internal/testkit/program"
)

func TestMain(m *testing.M) {
	program.Main(main)
	goleak.VerifyTestMain(m)
}

// start starts the service on free ports.
func start(t *testing.T, args ...string) *program.Process {
	t.Helper()
	return program.StartSelf(t, t.TempDir(), os.Environ(), append([]string{"--grpc-listen=127.0.0.1:0", "--events-listen=127.0.0.1:0"}, args...)...)
}

func TestASecondProcessOfADirectoryIsRefusedWithTheHoldersPid(t *testing.T) {
	dir := t.TempDir()
	first := start(t, "--data-dir", dir)
	first.Await("serving gRPC")

	second := start(t, "--data-dir", dir)
	if code := second.Wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	last := lastLine(second.Log())
	if !strings.Contains(last, "in use") || !strings.Contains(last, "process "+strconv.Itoa(first.Pid())+" ") || !strings.Contains(last, dir) {
		t.Errorf("it says %s", last)
	}

	first.Signal(syscall.SIGTERM)
	if code := first.Wait(); code != 0 {
		t.Errorf("the first one ends with %d:\n%s", code, first.Log())
	}
	third := start(t, "--data-dir", dir)
	third.Await("serving gRPC")
}

func lastLine(log string) string {
	log = strings.TrimSpace(log)
	return log[strings.LastIndexByte(log, '\n')+1:]
}

func TestSignalsStopIt(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := start(t, "--data-dir", t.TempDir())
		p.Await("serving gRPC")
		p.Signal(sig)
		p.Await("stopped")
		if code := p.Wait(); code != 0 {
			t.Errorf("after %v it ends with %d:\n%s", sig, code, p.Log())
		}
	}
}

func TestASecondSignalEndsItAtOnce(t *testing.T) {
	p := start(t, "--data-dir", t.TempDir(), "--drain-delay=5m")
	p.Await("serving gRPC")
	p.Signal(syscall.SIGTERM)
	p.Await("stopping")
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(); code != -1 {
		t.Errorf("it ends with %d:\n%s", code, p.Log())
	}
}

func TestWhatKeepsItFromServingIsOneLine(t *testing.T) {
	dir := t.TempDir()
	running := start(t, "--data-dir", t.TempDir())
	address, ok := running.Await("serving gRPC")["address"].(string)
	if !ok {
		t.Fatal(running.Log())
	}
	tests := map[string]struct {
		args []string
		want string
	}{
		"a port in use":       {[]string{"--data-dir", dir, "--grpc-listen", address}, "--grpc-listen: " + address + " is in use"},
		"another one":         {[]string{"--data-dir", dir, "--events-listen", address}, "--events-listen: " + address + " is in use"},
		"no git":              {[]string{"--data-dir", dir, "--git-path", "/nonexistent/git"}, "/nonexistent/git"},
		"no place for data":   {[]string{"--data-dir", "/dev/null/data"}, "data directory"},
		"no NATS server":      {[]string{"--data-dir", dir, "--nats-url", "nats://127.0.0.1:1"}, "--nats-url: the journal's NATS server cannot be reached"},
		"a file for the data": {[]string{"--data-dir", "/dev/null"}, "data directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := start(t, tt.args...)
			if code := p.Wait(); code != 1 {
				t.Errorf("exit code %d", code)
			}
			if last := lastLine(p.Log()); !strings.Contains(last, `"level":"ERROR"`) || !strings.Contains(last, tt.want) {
				t.Errorf("it says %s", last)
			}
			if n := strings.Count(p.Log(), `"level":"ERROR"`); n != 1 {
				t.Errorf("%d errors:\n%s", n, p.Log())
			}
		})
	}
}

func TestUsage(t *testing.T) {
	program.CheckUsage(t,
		program.Usage{Name: "help", Args: []string{"--help"}, Says: []string{"Usage: gitstore-git-service", "--data-dir", "$GITSTORE_DATA_DIR", "128MiB"}},
		program.Usage{Name: "version", Args: []string{"--version"}, Says: []string{"gitstore-git-service ", "commit ", " go1."}},
		program.Usage{Name: "no data directory", Code: 2, Says: []string{"--data-dir", "GITSTORE_DATA_DIR"}},
		program.Usage{Name: "unknown flag", Args: []string{"--data=x"}, Code: 2, Says: []string{"--data"}},
		program.Usage{Name: "wrong level", Env: []string{"GITSTORE_LOG_LEVEL=loud"}, Code: 2, Says: []string{"GITSTORE_LOG_LEVEL", "debug, info, warn, error"}},
		program.Usage{Name: "wrong number", Args: []string{"--data-dir=x", "--git-processes=1"}, Code: 2, Says: []string{"--git-processes", "from 2 to 4096"}},
		program.Usage{Name: "wrong address", Args: []string{"--data-dir=x", "--grpc-listen=50051"}, Code: 2, Says: []string{"--grpc-listen", "host:port"}},
		program.Usage{Name: "wrong identity", Args: []string{"--data-dir=x", "--identity-email=<a@b>"}, Code: 2, Says: []string{"--identity-email", "identity is invalid"}},
		program.Usage{Name: "wrong stream", Env: []string{"GITSTORE_NATS_STREAM=a.b"}, Args: []string{"--data-dir=x"}, Code: 2, Says: []string{`--nats-stream: stream name "a.b" is invalid`, "(from envar GITSTORE_NATS_STREAM)"}},
		program.Usage{Name: "wrong NATS URL", Args: []string{"--data-dir=x", "--nats-url=foo"}, Code: 2, Says: []string{"--nats-url", "nats://host:4222"}},
		program.Usage{Name: "credentials for nobody", Args: []string{"--data-dir=x", "--nats-credentials=" + os.DevNull}, Code: 2, Says: []string{"--nats-credentials", "URL"}},
		program.Usage{Name: "no credentials", Args: []string{"--data-dir=x", "--nats-url=nats://foo", "--nats-credentials=/nonexistent"}, Code: 2, Says: []string{"--nats-credentials", "/nonexistent: no such file"}},
		program.Usage{Name: "no branch to protect", Args: []string{"--data-dir=x", "--protected-branches=main,a..b"}, Code: 2, Says: []string{"--protected-branches", `"a..b"`}},
		program.Usage{Name: "a malformed branch", Args: []string{"--data-dir=x", "--protected-branches=["}, Code: 2, Says: []string{"--protected-branches: pattern", "malformed"}},
		program.Usage{Name: "no branch to validate", Args: []string{"--data-dir=x", "--push-validation-branches=/main"}, Code: 2, Says: []string{"--push-validation-branches", `"/main"`}},
		program.Usage{Name: "no host of pages", Args: []string{"--data-dir=x", "--events-origins=http://x/y"}, Code: 2, Says: []string{"--events-origins", `"http://x/y"`}},
		program.Usage{Name: "wrong settings file", Args: []string{"--config=/nonexistent.yaml"}, Code: 2, Says: []string{"/nonexistent.yaml", "no such file"}},
	)
}
