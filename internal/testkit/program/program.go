// Package program runs programs for tests, with their exit codes, signals and logs, and calls those that serve HTTP. A
// test's own binary can be the program that the test is about: then nothing has to be built.
package program

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

const variable = "GITSTORE_TEST_MAIN"

// AsMain has a test's binary run main, as an entry of its environment. Those that [StartSelf] starts have it.
const AsMain = variable + "=1"

// Main runs main, and ends the process, if the process was started with [AsMain]. TestMain calls it first.
func Main(main func()) {
	if os.Getenv(variable) != "" {
		main()
		os.Exit(0)
	}
}

// Process is a program that was started.
type Process struct {
	// Stdout is what it printed, complete once it has ended.
	Stdout bytes.Buffer

	t   testing.TB
	cmd *exec.Cmd
	// lines are those of its standard error; the channel is closed at the end.
	lines chan string
	mu    sync.Mutex
	log   strings.Builder
}

// StartSelf is [Start] with the test's own binary.
func StartSelf(t testing.TB, dir string, env []string, args ...string) *Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The race detector would wait for a second before each exit.
	return Start(t, self, dir, append([]string{AsMain, "GORACE=atexit_sleep_ms=0"}, env...), args...)
}

// Start starts a program in dir with exactly the environment and the arguments. It is killed if it still runs
// when the test ends.
func Start(t testing.TB, path, dir string, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(path, args...), lines: make(chan string, 10_000)}
	p.cmd.Dir, p.cmd.Env = dir, append([]string{}, env...) // nil would mean ours
	p.cmd.Stdout = &p.Stdout
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
			p.keep(scanner.Text())
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-read
		_ = p.cmd.Wait()
	})
	return p
}

func (p *Process) keep(line string) {
	p.mu.Lock()
	p.log.WriteString(line + "\n")
	p.mu.Unlock()
	p.lines <- line
}

// Log returns what it wrote to standard error so far.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// Pid returns its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal.
func (p *Process) Signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// patience bounds a wait for what is bound to happen.
const patience = time.Minute

// Await waits for a line of its JSON log with the message, and returns the line's fields. Lines before it are passed over.
func (p *Process) Await(msg string) map[string]any {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("it ended without saying %q:\n%s", msg, p.Log())
			}
			var fields map[string]any
			if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == msg {
				return fields
			}
		case <-timeout:
			p.t.Fatalf("it does not say %q:\n%s", msg, p.Log())
		}
	}
}

// Wait waits for its end and returns the exit code, -1 if a signal ended it.
func (p *Process) Wait() int {
	p.t.Helper()
	timeout := time.After(patience)
	for open := true; open; {
		select {
		case _, open = <-p.lines:
		case <-timeout:
			p.t.Fatalf("it does not end:\n%s", p.Log())
		}
	}
	_ = p.cmd.Wait() // the exit code says it
	return p.cmd.ProcessState.ExitCode()
}
