package nats

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// embedded is a NATS server within the process.
//
//	lock        held for as long as the process lives; holds the boot id of the machine while the journal is open,
//	            blanks in its place when it is closed (a full disk does not take what was not there before), and
//	            notSynced if it was closed and may not be on the disk
//	jetstream/  the server's files
type embedded struct {
	opts   *Options
	lock   *os.File
	server *server.Server
	// empty reports that the server had no files when it was started, and has made no streams since.
	empty bool
}

// storeDir is the directory that the server makes below the one it is given.
const storeDir = "jetstream"

const startTimeout = time.Minute

func openEmbedded(ctx context.Context, opts *Options) (*embedded, error) {
	e := &embedded{opts: opts}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := e.acquire(ctx); err != nil {
		return nil, err
	}
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(err, e.lock.Close())
	}
	return e, nil
}

// acquire takes the directory, and drops what may lack what was acknowledged. The server does not wait for the disk: if
// it was killed all that it wrote is with the kernel, but if the machine went down the end of it may be gone.
func (e *embedded) acquire(ctx context.Context) (err error) {
	if e.lock, err = os.OpenFile(filepath.Join(e.opts.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if err := syscall.Flock(int(e.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("another process has the journal in %q: stop it, or name another directory: %w", e.opts.Dir, err), e.lock.Close())
	}
	if err := e.enter(ctx); err != nil {
		return errors.Join(err, e.lock.Close())
	}
	return nil
}

// enter notes in the lock that the journal is open.
func (e *embedded) enter(ctx context.Context) error {
	b := make([]byte, lockBytes)
	n, _ := e.lock.ReadAt(b, 0)
	before, now := strings.TrimSpace(string(b[:n])), bootID()
	if before == now {
		return nil
	}
	if before != "" {
		e.opts.Logger.ErrorContext(ctx, "the journal of events was not closed before the machine was started, or not put on the disk: events may be lost, and it is dropped")
		if err := e.wipe(); err != nil {
			return err
		}
	}
	err := e.note(now)
	if err == nil {
		err = syncFile(e.opts.Dir)
	}
	if err != nil {
		// Another start is to write and sync it again, and not to find it there: what failed to be synced may never get to the disk.
		return errors.Join(err, e.write(before))
	}
	return nil
}

// lockBytes is how long the lock is, whatever it holds.
const lockBytes = 64

// notSynced is in the lock of a journal whose files could not be synced. A later sync of them would succeed and write nothing, as the kernel takes
// what it could not write for written: the next start drops them.
const notSynced = "not synced"

// note puts a boot id, or none, into the lock.
func (e *embedded) note(bootID string) error {
	if err := e.write(bootID); err != nil {
		return err
	}
	return e.lock.Sync()
}

func (e *embedded) write(content string) error {
	_, err := e.lock.WriteAt(fmt.Appendf(nil, "%-*s", lockBytes, content), 0)
	return err
}

// bootID is the same until the machine is started again (random(4)). Where there is none, every start may be another.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(b) > lockBytes {
		return time.Now().UTC().Format(time.RFC3339Nano)
	}
	return strings.TrimSpace(string(b))
}

// wipe removes the files of the server, which is not running.
func (e *embedded) wipe() error {
	return errors.Join(os.RemoveAll(filepath.Join(e.opts.Dir, storeDir)), syncFile(e.opts.Dir))
}

func (e *embedded) start(ctx context.Context) error {
	_, err := os.Stat(filepath.Join(e.opts.Dir, storeDir))
	e.empty = errors.Is(err, fs.ErrNotExist)
	if err := e.dropIndexes(); err != nil {
		return err
	}
	next, err := server.NewServer(e.options())
	if err != nil {
		return err
	}
	e.server = next
	e.server.SetLoggerV2(serverLog{e.opts.Logger}, e.opts.Logger.Enabled(ctx, slog.LevelDebug), false, false)
	e.server.Start()
	if !e.server.ReadyForConnections(startTimeout) || !e.server.JetStreamEnabled() {
		e.stop()
		return fmt.Errorf("JetStream does not start in %q", e.opts.Dir)
	}
	return nil
}

// dropIndexes has the server read all records when it starts, and so find those that are damaged. With an index it takes
// them for what the index says.
func (e *embedded) dropIndexes() error {
	dir := os.DirFS(e.opts.Dir)
	indexes, err := fs.Glob(dir, storeDir+"/*/streams/*/msgs/index.db")
	for _, name := range indexes {
		err = errors.Join(err, os.Remove(filepath.Join(e.opts.Dir, filepath.FromSlash(name))))
	}
	return err
}

func (e *embedded) options() *server.Options {
	return &server.Options{
		ServerName: e.opts.Stream, DontListen: true, NoSigs: true, NoLog: true, DisableJetStreamBanner: true,
		JetStream: true, StoreDir: e.opts.Dir, MaxPayload: maxPayload,
		JetStreamMaxMemory: 1 << 20, JetStreamMaxStore: e.maxStore(),
	}
}

const (
	maxPayload = 1 << 20
	// maxStates is room for the states of some ten millions of refs.
	maxStates = 4 << 30
)

func (e *embedded) maxStore() int64 { return min(e.opts.MaxBytes, math.MaxInt64-maxStates) + maxStates }

// InProcessConn implements nats.InProcessConnProvider.
func (e *embedded) InProcessConn() (net.Conn, error) { return e.server.InProcessConn() }

func (e *embedded) stop() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// works reports whether the server has not given up.
func (e *embedded) works() bool { return e.server.Running() && e.server.JetStreamEnabled() }

// takeEmpty reports whether the server has no files, for one who is about to make some.
func (e *embedded) takeEmpty() bool {
	defer func() { e.empty = false }()
	return e.empty
}

// restart stops the server and starts it again, without its files if wipe is set.
func (e *embedded) restart(ctx context.Context, wipe bool) error {
	e.stop()
	if wipe {
		if err := e.wipe(); err != nil {
			return err
		}
	}
	return e.start(ctx)
}

// close stops the server and gives the directory back. All is on the disk before the lock says that it was closed.
func (e *embedded) close() error {
	e.stop()
	err := e.syncFiles()
	if err == nil {
		err = e.note("")
	} else {
		err = errors.Join(err, e.write(notSynced))
	}
	return errors.Join(err, e.lock.Close())
}

func (e *embedded) syncFiles() error {
	return filepath.WalkDir(filepath.Join(e.opts.Dir, storeDir), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncFile(path)
	})
}

// syncFile waits until a file or directory is on the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// serverLog passes on what the server logs. It has no context to pass on with it.
type serverLog struct{ logger *slog.Logger }

func (s serverLog) log(level slog.Level, format string, args []any) {
	s.logger.Log(context.Background(), level, "nats server", "message", fmt.Sprintf(format, args...))
}

// Noticef implements [server.Logger]. What it tells is of no interest to whoever does not know that there is a server.
func (s serverLog) Noticef(format string, args ...any) { s.log(slog.LevelDebug, format, args) }

// Warnf implements [server.Logger].
func (s serverLog) Warnf(format string, args ...any) { s.log(slog.LevelWarn, format, args) }

// Errorf implements [server.Logger].
func (s serverLog) Errorf(format string, args ...any) { s.log(slog.LevelError, format, args) }

// Fatalf implements [server.Logger]. It does not end the process: start finds that the server is not ready.
func (s serverLog) Fatalf(format string, args ...any) { s.log(slog.LevelError, format, args) }

// Debugf implements [server.Logger].
func (s serverLog) Debugf(format string, args ...any) { s.log(slog.LevelDebug, format, args) }

// Tracef implements [server.Logger].
func (s serverLog) Tracef(format string, args ...any) { s.log(slog.LevelDebug, format, args) }
