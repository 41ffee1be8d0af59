package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/procstat"
)

// patience is how long anything may take that is bound to happen. It only bounds a test that fails.
const patience = 60 * time.Second

// eventually tries until done returns nil.
func eventually(t testing.TB, what string, done func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := done()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// freeAddresses hands out loopback addresses that no other test of this process was given. They are below the ports
// that the kernel gives to clients: such a client could get the port of a service while it is being restarted.
var freeAddresses struct {
	sync.Mutex
	given map[int]bool
}

func freeAddress(t testing.TB) string {
	t.Helper()
	freeAddresses.Lock()
	defer freeAddresses.Unlock()
	if freeAddresses.given == nil {
		freeAddresses.given = map[int]bool{}
	}
	for range 1000 {
		port := 20_000 + rand.IntN(12_000)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if freeAddresses.given[port] {
			continue
		}
		if l, err := net.Listen("tcp", address); err == nil {
			require.NoError(t, l.Close())
			freeAddresses.given[port] = true
			return address
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// process is a program under test.
type process struct {
	name   string
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
}

// start starts one of the programs under test in dir with exactly the environment env. If it still runs when the test
// ends, it is killed.
func start(t testing.TB, name, dir string, env []string, args ...string) *process {
	t.Helper()
	return startProgram(t, filepath.Join(binaries, name), dir, env, args...)
}

// startProgram is start for any program.
func startProgram(t testing.TB, program, dir string, env []string, args ...string) *process {
	t.Helper()
	name := filepath.Base(program)
	logFile, err := os.CreateTemp(t.TempDir(), name+"-*.log")
	require.NoError(t, err)
	defer func() { _ = logFile.Close() }()
	p := &process{name: name, log: logFile.Name(), exited: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir, p.cmd.Env = dir, env
	p.cmd.Stdout, p.cmd.Stderr = logFile, logFile
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the exit code is read from ProcessState
		close(p.exited)
	}()
	t.Cleanup(func() {
		unwanted := p.running() == nil
		p.kill()
		if t.Failed() && (unwanted || p.cmd.ProcessState.Exited()) {
			t.Logf("end of the log of %s:\n%s", name, tail(p.logged(), 6000))
		}
	})
	return p
}

func tail(s string, most int) string { return s[max(0, len(s)-most):] }

func (p *process) logged() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// kill ends the process without giving it a chance to clean up.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.exited
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// exitCode waits for the process to end by itself.
func (p *process) exitCode(t testing.TB) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatalf("%s does not end", p.name)
	}
	return p.cmd.ProcessState.ExitCode()
}

// running returns an error if the process has ended.
func (p *process) running() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s ended with %v: %s", p.name, p.cmd.ProcessState, tail(p.logged(), 2000))
	default:
		return nil
	}
}

// peakMemory returns the most physical memory that the process had, in MiB.
func (p *process) peakMemory(t testing.TB) int {
	t.Helper()
	usage, err := procstat.Of(p.cmd.Process.Pid)
	require.NoError(t, err)
	return int(usage.Peak >> 20)
}

// processesBelow returns the processes that work in dir or below, as those of git do in the repository that they serve,
// by their ids with their command lines.
func processesBelow(t testing.TB, dir string) map[int]string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	require.NoError(t, err)
	found := map[int]string{}
	for _, link := range links {
		cwd, err := os.Readlink(link)
		if err != nil || cwd != dir && !strings.HasPrefix(cwd, dir+"/") {
			continue
		}
		command, err := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		if err == nil && len(command) > 0 { // a process that has ended and was not waited for has none
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			require.NoError(t, err)
			found[pid] = string(bytes.ReplaceAll(command, []byte{0}, []byte{' '}))
		}
	}
	return found
}

// system is a git-service with its data and an API in front of it.
type system struct {
	*client
	data string
	// gitProgram is what is started as the git-service.
	gitProgram string
	gitEnv     []string
	apiEnv     []string
	git, api   *process
	// gitAdmin is where the git-service says whether it is ready.
	gitAdmin *client
	grpc     string
}

// startSystem starts both services over a new data directory and waits until they are ready. Settings are variables that
// both get.
func startSystem(t testing.TB, settings ...string) *system {
	t.Helper()
	s := newSystem(t, t.TempDir(), settings...)
	s.startGit(t)
	s.startAPI(t)
	s.waitReady(t)
	return s
}

func newSystem(t testing.TB, data string, settings ...string) *system {
	t.Helper()
	http, admin := freeAddress(t), freeAddress(t)
	s := &system{client: newClient(t, http), gitAdmin: newClient(t, admin), data: data, grpc: freeAddress(t)}
	s.gitProgram = filepath.Join(binaries, "gitstore-git-service")
	s.gitEnv = append([]string{
		"PATH=" + os.Getenv("PATH"), "GITSTORE_DATA_DIR=" + s.data,
		"GITSTORE_GRPC_LISTEN=" + s.grpc, "GITSTORE_EVENTS_LISTEN=" + admin,
	}, settings...)
	// The API has neither files nor programs: no data directory, no PATH.
	s.apiEnv = append([]string{
		"GITSTORE_HTTP_LISTEN=" + http, "GITSTORE_GIT_ADDRESS=" + s.grpc, "GITSTORE_EVENTS_URL=ws://" + admin + "/v1/events",
	}, settings...)
	return s
}

func (s *system) startGit(t testing.TB) {
	t.Helper()
	s.git = startProgram(t, s.gitProgram, t.TempDir(), s.gitEnv)
}

func (s *system) startAPI(t testing.TB) {
	t.Helper()
	s.api = start(t, "gitstore-api", t.TempDir(), s.apiEnv)
}

func (s *system) waitReady(t testing.TB) {
	t.Helper()
	eventually(t, "the git-service is not ready", func() error { return s.gitAdmin.ready(t, s.git) })
	eventually(t, "the API is not ready", func() error { return s.ready(t, s.api) })
}

// ready returns nil if the service says that it is ready, and ends the test if its process has ended.
func (c *client) ready(t testing.TB, p *process) error {
	t.Helper()
	require.NoError(t, p.running())
	return c.serves(t, "/readyz")
}

// serves returns nil if there is something at the target.
func (c *client) serves(t testing.TB, target string) error {
	t.Helper()
	a, err := c.try(t.Context(), "GET", target, nil)
	if err == nil && a.status != 200 {
		err = errors.New(string(a.body))
	}
	return err
}

// stop ends both services as an operator does, and checks that they end well and leave nothing but repositories.
func (s *system) stop(t testing.TB) {
	t.Helper()
	require.NoError(t, s.git.running())
	require.NotEmpty(t, processesBelow(t, s.data), "the check for processes finds none while there have to be some")
	s.api.signal(syscall.SIGTERM)
	s.git.signal(syscall.SIGTERM)
	require.Zero(t, s.api.exitCode(t), "exit code of the API")
	require.Zero(t, s.git.exitCode(t), "exit code of the git-service")
	require.Empty(t, processesBelow(t, s.data), "processes that are left")
	require.Empty(t, leftovers(t, s.data), "files that are left")
	files, err := os.ReadDir(s.api.cmd.Dir)
	require.NoError(t, err)
	require.Empty(t, files, "files of the API")
}
