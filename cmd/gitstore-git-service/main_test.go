package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/internal/testkit/selfexec"
)

func TestMain(m *testing.M) {
	selfexec.Main(main)
	goleak.VerifyTestMain(m)
}

// start starts the service on free ports.
func start(t *testing.T, args ...string) *selfexec.Process {
	t.Helper()
	return selfexec.Start(t, t.TempDir(), os.Environ(), append([]string{"--grpc-listen=127.0.0.1:0", "--events-listen=127.0.0.1:0"}, args...)...)
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
	tests := map[string]struct {
		args []string
		env  []string
		code int
		out  []string
		err  []string
	}{
		"help":                {args: []string{"--help"}, out: []string{"Usage: gitstore-git-service", "--data-dir", "$GITSTORE_DATA_DIR", "128MiB"}},
		"version":             {args: []string{"--version"}, out: []string{"gitstore-git-service ", "commit ", " go1."}},
		"no data directory":   {code: 2, err: []string{"--data-dir", "GITSTORE_DATA_DIR"}},
		"unknown flag":        {args: []string{"--data=x"}, code: 2, err: []string{"--data"}},
		"wrong level":         {env: []string{"GITSTORE_LOG_LEVEL=loud"}, code: 2, err: []string{"GITSTORE_LOG_LEVEL", "debug, info, warn, error"}},
		"wrong number":        {args: []string{"--data-dir=x", "--git-processes=1"}, code: 2, err: []string{"--git-processes", "from 2 to 4096"}},
		"wrong address":       {args: []string{"--data-dir=x", "--grpc-listen=50051"}, code: 2, err: []string{"--grpc-listen", "host:port"}},
		"wrong identity":      {args: []string{"--data-dir=x", "--identity-email=<a@b>"}, code: 2, err: []string{"--identity-email", "identity is invalid"}},
		"wrong settings file": {args: []string{"--config=/nonexistent.yaml"}, code: 2, err: []string{"/nonexistent.yaml", "no such file"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := selfexec.Start(t, dir, tt.env, tt.args...)
			if code := p.Wait(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, want := range tt.out {
				if !strings.Contains(p.Stdout.String(), want) {
					t.Errorf("it does not print %q:\n%s", want, &p.Stdout)
				}
			}
			for _, want := range tt.err {
				if !strings.Contains(p.Log(), want) {
					t.Errorf("it does not say %q:\n%s", want, p.Log())
				}
			}
			if (tt.code == 0) != (p.Log() == "") || (tt.code == 0) == (p.Stdout.Len() == 0) {
				t.Errorf("it prints %q and says %q", &p.Stdout, p.Log())
			}
		})
	}
}
