package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/internal/testkit/procstat"
)

// backendSettings have git keep everything on the disk when it says so and check what is pushed, as GitStore does.
var backendSettings = []string{
	"core.fsync=all", "core.fsyncMethod=fsync", "gc.auto=0", "maintenance.auto=false", "receive.autogc=false", "pack.threads=1",
	"receive.fsckObjects=true", "http.receivepack=true", "safe.directory=*",
}

// serveBackend serves the repositories below a directory by git-http-backend(1), until the context ends.
func serveBackend(ctx context.Context, root, address string) error {
	execPath, err := output(ctx, root, "--exec-path")
	if err != nil {
		return err
	}
	env := []string{
		"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "HOME=/nonexistent", "LC_ALL=C",
		fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(backendSettings)),
	}
	for i, setting := range backendSettings {
		key, value, _ := strings.Cut(setting, "=")
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, value))
	}
	handler := &cgi.Handler{Path: filepath.Join(lines(execPath)[0], "git-http-backend"), Root: "/git", Dir: root, Env: env}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// packServer is something that git clients talk to, in processes of its own.
type packServer struct {
	name    string
	url     string
	pids    []int
	closing []func() error
}

func (s *packServer) close() error {
	var err error
	for i := len(s.closing) - 1; i >= 0; i-- {
		err = errors.Join(err, s.closing[i]())
	}
	return err
}

// cpu is what its processes have taken of the cores.
func (s *packServer) cpu() (time.Duration, error) {
	var all time.Duration
	for _, pid := range s.pids {
		usage, err := procstat.Of(pid)
		if err != nil {
			return 0, err
		}
		all += usage.CPU
	}
	return all, nil
}

// startBackend starts this program as a server of git-http-backend(1).
func startBackend(ctx context.Context, root string) (*packServer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &packServer{name: "`git http-backend`", url: "http://" + address + "/git/"}
	pid, stop, err := startProcess(ctx, self, "-http-backend", root, "-listen", address)
	if err != nil {
		return nil, err
	}
	s.pids, s.closing = []int{pid}, []func() error{stop}
	if err := until(ctx, func(ctx context.Context) error { return listens(ctx, address) }); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// startProcess starts a program, whose end stop waits for.
func startProcess(ctx context.Context, program string, args ...string) (pid int, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	return cmd.Process.Pid, func() error {
		_ = cmd.Process.Signal(os.Interrupt)
		return cmd.Wait()
	}, nil
}

// ourServer is an API in front of a git-service.
type ourServer struct {
	packServer
	service *service
	api     int
}

// startOurs starts both services over a storage root.
func startOurs(ctx context.Context, bin, root string) (_ *ourServer, err error) {
	git, err := startService(ctx, filepath.Join(bin, "gitstore-git-service"), root)
	if err != nil {
		return nil, err
	}
	s := &ourServer{service: git}
	s.closing = []func() error{git.close}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	pid, stop, err := startProcess(ctx, filepath.Join(bin, "gitstore-api"), "--http-listen", address, "--git-address", git.grpc,
		"--events-url", "ws://"+git.events+"/v1/events", "--log-level", "error")
	if err != nil {
		return nil, err
	}
	s.name, s.url, s.api = "GitStore", "http://"+address+"/git/", pid
	s.pids, s.closing = []int{git.cmd.Process.Pid, pid}, append(s.closing, stop)
	return s, until(ctx, func(ctx context.Context) error {
		return (&packClient{}).get(ctx, "http://"+address+"/readyz", "")
	})
}

// peaks are the most memory that the API and the git-service had, in bytes.
func (s *ourServer) peaks() (api, git int64, err error) {
	a, err := procstat.Of(s.api)
	if err != nil {
		return 0, 0, err
	}
	g, err := s.service.usage()
	return a.Peak, g.Peak, err
}
