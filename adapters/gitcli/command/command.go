// Package command runs the git binary. It is the one package of GitStore that starts processes: what it does not
// offer cannot be run. Subcommands and flags are constants of the source, operands are validated domain values, the
// environment is an allow-list, and every process is the leader of a group of its own that ends with its context.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// constant is a string that only source code can make: an untyped string constant converts to it, a variable of
// another package does not.
type constant string

// Command is a git subcommand with its arguments.
type Command struct {
	args []string
	// config are settings, "key=value", for this command alone.
	config []string
	// version is that of the pack protocol which the client of the command speaks.
	version git.ProtocolVersion
	// background has the processes of the command leave the cores to others.
	background bool
	bounded    bool
	banded     bool
}

// Git returns the command "git subcommand flags…".
func Git(subcommand constant, flags ...constant) Command {
	args := []string{string(subcommand)}
	for _, f := range flags {
		args = append(args, string(f))
	}
	return Command{args: args}
}

// WithBranch appends a flag that ends in "=" and the branch's short name.
func (c Command) WithBranch(flag constant, branch git.RefName) Command {
	return c.with(string(flag) + branch.Short())
}

// WithFormat appends a flag that ends in "=" and the object format.
func (c Command) WithFormat(flag constant, f git.ObjectFormat) Command {
	return c.with(string(flag) + f.String())
}

func (c Command) with(arg string) Command {
	c.args = append(c.args[:len(c.args):len(c.args)], arg)
	return c
}

// WithConfig sets settings, each "key=value", for the command, after those that all commands have (git-config(1)).
func (c Command) WithConfig(settings ...constant) Command {
	for _, s := range settings {
		c.config = append(c.config[:len(c.config):len(c.config)], string(s))
	}
	return c
}

// WithProtocol tells the command which version of the pack protocol its client speaks.
func (c Command) WithProtocol(v git.ProtocolVersion) Command {
	c.version = v
	return c
}

// InBackground has the system give the command's processes little of the cores while others want them, where it can (nice(2)).
func (c Command) InBackground() Command {
	c.background = true
	return c
}

// Bounded bounds the memory and the time of a processor that the process may take, and each that it starts, on systems that can do
// so: it works on what somebody sent. Above the memory that the [Runner] allows, and above [maxCPU], it fails with PACK_TOO_LARGE.
func (c Command) Bounded() Command {
	c.bounded = true
	return c
}

// Banded says that the command answers a git client in pkt-lines, on bands once there are any: [Runner.Exchange] keeps back what it
// says there of its failure, which may name directories and mistakes the bounds of a process for damage.
func (c Command) Banded() Command {
	c.banded = true
	return c
}

// env is what the command is given beside what all commands are. Of a variable that is named twice the last counts.
func (c Command) env() []string {
	env := configEnv(len(fixedConfig), c.config)
	if c.version > 0 {
		env = append(env, fmt.Sprintf("GIT_PROTOCOL=version=%d", c.version))
	}
	return env
}

// configEnv returns the variables that give git the settings, behind those of which there are n.
func configEnv(n int, settings []string) []string {
	if len(settings) == 0 {
		return nil
	}
	var env []string
	for i, kv := range settings {
		key, value, _ := strings.Cut(kv, "=")
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n+i, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n+i, value))
	}
	return append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(n+len(settings)))
}

// MinVersion is the oldest git that GitStore was proven with.
const MinVersion = "2.39.0"

// fixedConfig overrides what a repository's own configuration could say, so that opening one runs nothing of its and
// every write of a ref is on the disk before git answers (git-config(1): core.fsync), unless a command sets it. git keeps up to 96 MiB of the bases of
// deltas by itself, in each process: with 16 MiB reading in the order of the pack takes the same time, and any order at
// most twice as long.
var fixedConfig = []string{
	"core.fsync=all", "core.fsyncMethod=fsync", "core.hooksPath=/dev/null", "core.fsmonitor=false",
	"core.alternateRefsCommand=", "core.useReplaceRefs=false", "gc.auto=0", "maintenance.auto=false",
	"pack.threads=1", "pack.windowMemory=64m", "core.bigFileThreshold=16m", "core.deltaBaseCacheLimit=16m",
}

// Runner starts git. It is safe for concurrent use.
type Runner struct {
	path    string
	version string
	env     []string
	logger  *slog.Logger
	// memory is the most of its own that a process has that is bounded, in bytes.
	memory  int64
	started atomic.Int64
	// unbound is told once, not for each process.
	unbound sync.Once
}

// maxCPU is the most time of a processor that a process takes which is bounded. To check a push of the largest size takes a minute
// or two.
const maxCPU = 5 * time.Minute

// NewRunner finds the binary, a name to look up in PATH or a path, and checks its version. It fails with an error that
// names the binary and what is needed. A process that is [Command.Bounded] gets memory bytes, beside the files that it maps.
func NewRunner(ctx context.Context, binary string, memory int64, logger *slog.Logger) (*Runner, error) {
	path, err := exec.LookPath(binary)
	if err != nil {
		return nil, fmt.Errorf("git binary %q: %w: install git %s or newer, or name another binary", binary, err, MinVersion)
	}
	r := &Runner{path: path, memory: memory, logger: logger, env: environment()}
	out, err := r.Output(ctx, "", Git("version"), nil)
	if err != nil {
		return nil, fmt.Errorf("git binary %q does not run: %w", binary, err)
	}
	r.version, err = checkVersion(string(out))
	return r, err
}

// environment is all that a child is given. Variables that change what git reads, runs or trusts are left out or fixed
// (git(1), "Environment Variables").
func environment() []string {
	env := []string{
		"HOME=/nonexistent", "LC_ALL=C", "TZ=UTC", "GIT_DIR=.", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_LITERAL_PATHSPECS=1", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1",
		"PATH=" + os.Getenv("PATH"),
	}
	return append(env, configEnv(0, fixedConfig)...)
}

var versionPattern = regexp.MustCompile(`(\d+)\.(\d+)(?:\.(\d+))?`)

func checkVersion(out string) (string, error) {
	found, least := parseVersion(out), parseVersion(MinVersion)
	if found == nil {
		return "", fmt.Errorf("git does not tell its version: install git %s or newer", MinVersion)
	}
	for i := range found {
		if found[i] != least[i] {
			if found[i] < least[i] {
				return "", fmt.Errorf("git is too old: %s is needed, %s was found", MinVersion, strings.TrimSpace(out))
			}
			break
		}
	}
	return fmt.Sprintf("%d.%d.%d", found[0], found[1], found[2]), nil
}

func parseVersion(s string) []int {
	m := versionPattern.FindStringSubmatch(s)
	if m == nil {
		return nil
	}
	v := make([]int, 3)
	for i := range v {
		v[i], _ = strconv.Atoi(m[i+1])
	}
	return v
}

// Version returns git's version, such as "2.39.5".
func (r *Runner) Version() string { return r.version }

// Started returns how many processes were started.
func (r *Runner) Started() int64 { return r.started.Load() }

// waitDelay is how long a process that was killed may keep its pipes open.
const waitDelay = 5 * time.Second

// child is a process of a group of its own.
type child struct {
	*exec.Cmd
	said *stderrTail
	// mu orders kill and the end of the process: when it was waited for, its ID may be another's.
	mu     sync.Mutex
	reaped bool
}

func (r *Runner) prepare(ctx context.Context, dir string, c Command) *child {
	cmd := exec.CommandContext(ctx, r.path, c.args...) //nolint:gosec // the arguments are constants and validated values
	p := &child{Cmd: cmd, said: &stderrTail{}}
	cmd.Dir = dir
	cmd.Env = append(r.env[:len(r.env):len(r.env)], c.env()...)
	cmd.SysProcAttr = attributes()
	cmd.Cancel = p.kill
	cmd.WaitDelay = waitDelay
	cmd.Stderr = p.said
	r.started.Add(1)
	return p
}

// start starts the process. Before it is given anything to work on, it is bounded, and what it starts later alike.
func (r *Runner) start(p *child, c Command) error {
	err := p.Start()
	if err == nil && c.background {
		yieldCores(p.Process.Pid)
	}
	if err == nil && c.bounded {
		if unbound := bound(p.Process.Pid, r.memory, maxCPU); unbound != nil {
			r.unbound.Do(func() { r.logger.Warn("git processes have no bounds", "subcommand", c.args[0], "error", unbound) })
		}
	}
	return err
}

// kill ends the group of the process, unless the process was waited for.
func (p *child) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return nil
	}
	if err := syscall.Kill(-p.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// wait waits for the process and tells how it ended; it fails if that was told before. The system keeps the process's ID
// until kill does not use it any more, where it can say that a process ended and keep it.
func (p *child) wait() error {
	p.mu.Lock()
	reaped := p.reaped
	p.mu.Unlock()
	if !reaped && awaitExit(p.Process.Pid) {
		p.reap()
	}
	err := p.Wait()
	p.reap()
	return err
}

func (p *child) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
}

// Output runs the command in the bare repository dir to its end and returns what it printed. A failure is an *errs.Error:
// CANCELED or DEADLINE_EXCEEDED if the context ended, STORAGE_FULL for a disk without room, UNAVAILABLE for one that is
// read-only, else INTERNAL; what git said is logged and not part of it.
func (r *Runner) Output(ctx context.Context, dir string, c Command, stdin io.Reader) ([]byte, error) {
	p := r.prepare(ctx, dir, c)
	p.Stdin = stdin
	var out bytes.Buffer
	p.Stdout = &out
	err := r.start(p, c)
	if err == nil {
		err = p.wait()
	}
	if err != nil {
		return nil, r.failure(ctx, c, err, p)
	}
	return out.Bytes(), nil
}

func (r *Runner) failure(ctx context.Context, c Command, err error, p *child) error {
	if ctx.Err() != nil {
		return errs.From(ctx.Err())
	}
	described := r.describe(c, err, p)
	level := slog.LevelError
	if errs.ReasonOf(described) == errs.ReasonPackTooLarge { // it is the client who asks for too much
		level = slog.LevelWarn
	}
	r.logger.Log(ctx, level, "git failed", "subcommand", c.args[0], "error", err, "stderr", p.said.String())
	return described
}

// describe returns the error of a command that failed.
func (r *Runner) describe(c Command, err error, p *child) error {
	if diskFull(p.said.String(), func() uint64 { return disk.Available(p.Dir) }) {
		return errs.New(errs.ReasonStorageFull, "the disk is full: free some space and try again")
	}
	if strings.Contains(p.said.String(), "Read-only file system") {
		return disk.ReadOnly(fmt.Errorf("git %s: %w", c.args[0], err))
	}
	if why := outOfBounds(p.said.String(), err, r.memory); c.bounded && why != "" {
		advice := "push the history in parts, the oldest commits first"
		if c.banded {
			advice = "fetch less at once, such as one branch alone, or with --depth or --filter"
		}
		return errs.Wrap(err, errs.ReasonPackTooLarge, why+": "+advice)
	}
	return errs.Wrap(fmt.Errorf("git %s: %w", c.args[0], err), errs.ReasonInternal, "git failed")
}

// little is the room below which a write that failed for a reason that git does not name failed for lack of it. It is more
// than a few blocks because what failed beside it may have given room back meanwhile.
const little = 64 << 20

// diskFull reports whether git failed because the disk has no room. Most of its messages name the cause, some only that
// they could not write, among them that of the lock of a ref.
func diskFull(said string, available func() uint64) bool {
	for _, named := range []string{"No space left on device", "Disk quota exceeded", "Out of diskspace"} {
		if strings.Contains(said, named) {
			return true
		}
	}
	for _, unnamed := range []string{"couldn't write", "could not write", "unable to write", "write error"} {
		if strings.Contains(said, unnamed) {
			return available() < little
		}
	}
	return false
}

var (
	// outOfMemory is what git says that is given no more memory (die_out_of_memory, xmmap, zlib.c and start_async in its sources).
	outOfMemory = regexp.MustCompile(`(?m)^(?:fatal|error): (?:.*(?:(?i:out of memory)|Cannot allocate memory)|mmap failed|unable to mmap|cannot create async thread)`)
	// outOfTime is what git says of a process that it started and that the system ended for the time it took.
	outOfTime = regexp.MustCompile(fmt.Sprintf(`(?m)^error: .* died of signal %d$`, int(syscall.SIGXCPU)))
)

// outOfBounds says of which of its bounds a process wanted more, "" if it ended for another reason.
func outOfBounds(said string, err error, memory int64) string {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if ok && outOfMemory.MatchString(said) {
		return fmt.Sprintf("git needs more memory for it than the %d MiB that it is given", memory>>20)
	}
	if ok && (outOfTime.MatchString(said) || exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGXCPU) {
		return fmt.Sprintf("git takes more than %d minutes of a processor for it", int(maxCPU.Minutes()))
	}
	return ""
}

// Process is a git process that answers on its standard output what it is asked on its standard input. Its methods must
// not be called concurrently, except Kill.
type Process struct {
	runner *Runner
	child  *child
	args   Command
	// Stdin is what the process reads; it is not buffered.
	Stdin io.WriteCloser
	// Stdout is what the process prints; it is not buffered.
	Stdout *os.File
}

// Start starts the command in the bare repository dir. The process lives until Close or Kill.
func (r *Runner) Start(dir string, c Command) (*Process, error) {
	p := r.prepare(context.Background(), dir, c)
	stdin, err := p.StdinPipe()
	if err != nil {
		return nil, errs.From(err)
	}
	stdout, err := p.StdoutPipe()
	if err != nil {
		return nil, errs.From(err)
	}
	if err := r.start(p, c); err != nil {
		return nil, errs.Wrap(err, errs.ReasonInternal, "git cannot be started")
	}
	return &Process{runner: r, child: p, args: c, Stdin: stdin, Stdout: stdout.(*os.File)}, nil // it is a pipe of the system
}

// Close ends the process by closing its standard input, waits for it, and kills it if it does not end by itself. It
// returns how it ended, as [Runner.Output] does.
func (p *Process) Close() error {
	_ = p.Stdin.Close()
	timer := time.AfterFunc(waitDelay, p.Kill)
	defer timer.Stop()
	if err := p.child.wait(); err != nil {
		return p.runner.failure(context.Background(), p.args, err, p.child)
	}
	return nil
}

// Kill ends the process at once; Close is still to be called. It may be called at any time, also concurrently, and does
// nothing once the process has ended and Close or Discard knows.
func (p *Process) Kill() { _ = p.child.kill() }

// Discard kills the process and waits for it, whatever it was doing.
func (p *Process) Discard() {
	p.Kill()
	_ = p.Stdin.Close()
	_ = p.child.wait()
}

// maxStderr is how much of what git says is kept for the log: the last bytes, where the cause is.
const maxStderr = 10 << 10

// stderrTail keeps the end of what is written to it. os/exec writes from one goroutine and Wait orders the reading.
type stderrTail struct{ b []byte }

func (t *stderrTail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if extra := len(t.b) - maxStderr; extra > 0 {
		t.b = append(t.b[:0], t.b[extra:]...)
	}
	return len(p), nil
}

func (t *stderrTail) String() string { return strings.TrimSpace(string(t.b)) }
