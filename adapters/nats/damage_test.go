package nats_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/nats"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// killed returns a copy of the directory of a journal at work: what a process that is killed leaves.
func killed(t *testing.T, dir string) string {
	t.Helper()
	left := t.TempDir()
	require.NoError(t, os.CopyFS(left, os.DirFS(dir)))
	return left
}

func TestAKilledProcessLosesNothing(t *testing.T) {
	opts := nats.Options{Dir: t.TempDir()}
	end := fill(t, open(t, opts), 20)
	for range 3 {
		opts.Dir = killed(t, opts.Dir)
		holds(t, open(t, opts), end)
	}
}

func TestAfterAPowerCutTheEpochIsANewOne(t *testing.T) {
	opts := nats.Options{Dir: t.TempDir()}
	end := fill(t, open(t, opts), 20)
	opts.Dir = killed(t, opts.Dir)
	require.NoError(t, os.WriteFile(filepath.Join(opts.Dir, "lock"), []byte("00000000-0000-0000-0000-000000000000\n"), 0o600))
	isNew(t, open(t, opts), end)
}

func TestAJournalThatWasClosedOutlivesTheMachine(t *testing.T) {
	opts := nats.Options{Dir: t.TempDir()}
	l := open(t, opts)
	end := fill(t, l, 20)
	require.NoError(t, l.Close())
	lock, err := os.ReadFile(filepath.Join(opts.Dir, "lock"))
	require.NoError(t, err)
	assert.Empty(t, strings.TrimSpace(string(lock)), "the lock says that the journal is open")
	holds(t, open(t, opts), end)
}

func TestAJournalThatCouldNotBeSyncedWhenItWasClosedIsDropped(t *testing.T) {
	opts := nats.Options{Dir: t.TempDir()}
	l := open(t, opts)
	end := fill(t, l, 20)
	broken := filepath.Join(opts.Dir, "jetstream", "broken")
	require.NoError(t, os.Symlink("nowhere", broken))
	require.Error(t, l.Close())
	require.NoError(t, os.Remove(broken))
	isNew(t, open(t, opts), end)
}

// streamDir is where the server within the process keeps a stream.
func streamDir(dir, stream string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", stream)
}

// block is the file of a stream's messages.
func block(t *testing.T, dir, stream string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(streamDir(dir, stream), "msgs", "*.blk"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func TestADamagedJournalIsReplacedByOneOfANewEpoch(t *testing.T) {
	damages := map[string]func(t *testing.T, dir string){
		"all is gone":                           func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(filepath.Join(dir, "jetstream"))) },
		"gitstore-events has lost its messages": func(t *testing.T, dir string) { require.NoError(t, os.Remove(block(t, dir, "gitstore-events"))) },
	}
	for _, stream := range []string{"gitstore-events", "gitstore-states"} {
		damages[stream+" is gone"] = func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(streamDir(dir, stream))) }
		damages[stream+" has lost its settings"] = func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(streamDir(dir, stream), "meta.inf")))
		}
		damages[stream+" has damaged settings"] = func(t *testing.T, dir string) { flip(t, filepath.Join(streamDir(dir, stream), "meta.inf"), 3) }
		for eighth := range 8 {
			damages[fmt.Sprintf("%s is damaged at %d/8", stream, eighth)] = func(t *testing.T, dir string) { flip(t, block(t, dir, stream), eighth) }
			damages[fmt.Sprintf("%s is truncated at %d/8", stream, eighth)] = func(t *testing.T, dir string) { truncate(t, block(t, dir, stream), eighth) }
		}
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := open(t, nats.Options{Dir: dir})
			end := fill(t, l, 40)
			require.NoError(t, l.Close())
			damage(t, dir)
			var log bytes.Buffer
			isNew(t, open(t, nats.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))}), end)
			if name != "all is gone" {
				assert.Contains(t, log.String(), "the journal of events is lost")
			}
		})
	}
}

func TestStatesThatAreLostAreMadeFromTheEventsIfAllAreThere(t *testing.T) {
	opts := nats.Options{Dir: t.TempDir()}
	l := open(t, opts)
	end := fill(t, l, 2500)
	require.NoError(t, l.Close())
	require.NoError(t, os.Remove(block(t, opts.Dir, "gitstore-states")))
	holds(t, open(t, opts), end)
}

// flip changes one bit somewhere in the given eighth of a file.
func flip(t *testing.T, path string, eighth int) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[len(b)*eighth/8+5] ^= 0x10
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// truncate cuts a file in the midst of a record.
func truncate(t *testing.T, path string, eighth int) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, info.Size()*int64(eighth)/8+5))
}

func TestADirectoryThatIsNoneIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := nats.Open(t.Context(), nats.Options{Dir: path})
	assert.Error(t, err)
}

// fullDiskEnv says that the test's process is its own, which alone it may forbid to write files.
const fullDiskEnv = "GITSTORE_TEST_FULL_DISK"

// inItsOwnProcess runs the test in a process of its own, and reports whether this is that one.
func inItsOwnProcess(t *testing.T) bool {
	t.Helper()
	if os.Getenv(fullDiskEnv) != "" {
		signal.Ignore(syscall.SIGXFSZ)
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), fullDiskEnv+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return false
}

// takesNothing lets no file be written until room is called.
func takesNothing(t *testing.T) (room func()) {
	t.Helper()
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 0, Max: before.Max}))
	room = func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)) }
	t.Cleanup(room)
	return room
}

func TestADiskThatTakesNothingIsGotOver(t *testing.T) {
	t.Parallel()
	if !inItsOwnProcess(t) {
		return
	}
	l := open(t, nats.Options{Dir: t.TempDir()})
	fill(t, l, 20)
	room := takesNothing(t)
	for i := range 3 {
		_, err := l.Append(t.Context(), moved(branch(20), oid(i+1)))
		assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	}
	room()
	goesOn(t, l)
}

func TestAJournalOpensOnADiskThatTakesNothing(t *testing.T) {
	t.Parallel()
	if !inItsOwnProcess(t) {
		return
	}
	dir := t.TempDir()
	end := fill(t, open(t, nats.Options{Dir: dir}), 20)
	inStep, behind := killed(t, dir), killed(t, dir)
	// As after a kill between an event and its state.
	require.NoError(t, os.RemoveAll(streamDir(behind, "gitstore-states")+"/msgs"))
	room := takesNothing(t)
	l := open(t, nats.Options{Dir: inStep})
	holds(t, l, end)
	_, err := l.Append(t.Context(), moved(branch(20), oid(1)))
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	late := open(t, nats.Options{Dir: behind})
	_, err = late.Bounds(t.Context())
	assert.Equal(t, errs.ReasonUnavailable, errs.ReasonOf(err))
	room()
	goesOn(t, l)
	eventually(t, func() error {
		_, err := late.Bounds(t.Context())
		return err
	})
	holds(t, late, end)
	goesOn(t, late)
}

// goesOn checks that the journal takes events, and what it holds then.
func goesOn(t *testing.T, l *nats.Log) {
	t.Helper()
	var last event.Cursor
	eventually(t, func() error {
		cursors, err := l.Append(t.Context(), created(), moved(branch(20), oid(9)))
		if err == nil {
			last = cursors[1]
		}
		return err
	})
	page, err := l.ReadEvents(t.Context(), event.NewCursor(last.Epoch(), last.Sequence()-1), 10)
	require.NoError(t, err)
	assert.Len(t, page, 1)
	assert.Equal(t, map[git.RefName]git.ObjectID{branch(20): oid(9)}, refs(t, l))
}
