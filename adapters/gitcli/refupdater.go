package gitcli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
)

// refProcess is a persistent "git update-ref --stdin" of one repository.
type refProcess struct {
	dir string
	p   *command.Process
	out *bufio.Reader
	// settled are the directories of refs whose own names are on the disk.
	settled map[string]bool
	// syncPath is that of refProcesses.
	syncPath func(path string) error
	started  time.Time
	// used is when the last transaction ended.
	used time.Time
	// transactions are those that were committed.
	transactions int
}

// Bounds of a process: git keeps some memory of every transaction, and packs that it looked into open after they were
// removed.
const (
	maxTransactions  = 10_000
	maxRefProcessAge = 10 * time.Minute
)

func (s *refProcesses) start(dir string) (*refProcess, error) {
	p, err := s.runner.Start(dir, command.Git("update-ref", "--no-deref", "--stdin").WithConfig("core.fsync=none")) // transact syncs
	if err != nil {
		return nil, err
	}
	return &refProcess{dir: dir, p: p, out: bufio.NewReader(p.Stdout), settled: map[string]bool{}, syncPath: s.syncPath, started: time.Now()}, nil
}

// transact moves all refs or none, durably. Git prepares the transaction while what the refs will lead to is still on its
// way to the disk; they move when stored says that it is there. If they are to move together whatever happens, that is
// written down before. The files that git is going to rename are put on the disk here: git would do it one after the other.
// After an error the process is of no more use; whether the refs moved is then to be read from the repository.
func (r *refProcess) transact(ctx context.Context, changes []repository.RefChange, together bool, stored func() error) error {
	var b strings.Builder
	b.WriteString("start\n")
	for _, c := range changes {
		writeRefCommand(&b, c)
	}
	b.WriteString("prepare\n")
	stop := context.AfterFunc(ctx, r.p.Kill)
	defer stop()
	if err := r.say(ctx, b.String(), "start", "prepare"); err != nil {
		return err
	}
	failpoint.Reach(failpoint.RefsPrepared)
	err := r.syncPrepared(changes)
	if err == nil {
		err = stored()
	}
	if err == nil {
		failpoint.Reach(failpoint.ObjectsStored)
	}
	if err == nil && together {
		err = writeIntent(r.dir, changes)
		failpoint.Reach(failpoint.RefsIntended)
	}
	if err != nil {
		_ = r.say(ctx, "abort\n", "abort") // else its locks would stay
		return err
	}
	if err := r.say(ctx, "commit\n", "commit"); err != nil {
		return err
	}
	r.transactions++
	failpoint.Reach(failpoint.RefsMoved)
	if err := r.sync(changes); err != nil {
		return err
	}
	failpoint.Reach(failpoint.RefsSynced)
	if together {
		return dropIntent(r.dir, r.syncPath)
	}
	return nil
}

// say writes commands and reads that each of the steps in them was done.
func (r *refProcess) say(ctx context.Context, commands string, steps ...string) error {
	if _, err := r.p.Stdin.Write([]byte(commands)); err != nil {
		return r.failed(ctx, err)
	}
	if steps[0] == "commit" {
		failpoint.Reach(failpoint.RefsMoving)
	}
	for _, step := range steps {
		line, err := r.out.ReadString('\n')
		if err != nil || strings.TrimSpace(line) != step+": ok" {
			return r.failed(ctx, fmt.Errorf("%s answered %q: %w", step, line, err))
		}
	}
	return nil
}

// writeRefCommand writes one line of git-update-ref(1). Ref names hold neither spaces nor newlines.
func writeRefCommand(b *strings.Builder, c repository.RefChange) {
	switch {
	case c.Old.IsZero():
		fmt.Fprintf(b, "create %s %s\n", c.Name, c.New)
	case c.New.IsZero():
		fmt.Fprintf(b, "delete %s %s\n", c.Name, c.Old)
	default:
		fmt.Fprintf(b, "update %s %s %s\n", c.Name, c.New, c.Old)
	}
}

func (r *refProcess) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errs.From(ctx.Err())
	}
	if why := r.p.Close(); why != nil {
		return why
	}
	return errs.Wrap(err, errs.ReasonInternal, "git did not move the refs")
}

// syncPrepared puts the files on the disk that git prepared (files-backend.c, packed-backend.c): a lock for each ref that
// gets a value, and a new packed-refs if one that is deleted was in the old one.
func (r *refProcess) syncPrepared(changes []repository.RefChange) error {
	var locks []string
	deletes := false
	for _, c := range changes {
		if c.New.IsZero() {
			deletes = true
			continue
		}
		locks = append(locks, filepath.Join(r.dir, c.Name.String()+".lock"))
	}
	if err := syncAll(locks, r.syncPath); err != nil || !deletes {
		return err
	}
	return ifThere(r.syncPath)(filepath.Join(r.dir, "packed-refs.new"))
}

// sync puts the directories of the refs on the disk, up to that of the repository, where packed-refs lies. A directory that
// a deletion left empty may be gone.
func (r *refProcess) sync(changes []repository.RefChange) error {
	if slices.ContainsFunc(changes, func(c repository.RefChange) bool { return c.New.IsZero() }) {
		clear(r.settled)
	}
	if err := syncAll(r.directories(changes), ifThere(r.syncPath)); err != nil {
		return err
	}
	for _, c := range changes {
		r.settled[filepath.Dir(c.Name.String())] = !c.New.IsZero()
	}
	return nil
}

// directories returns those on the way to the refs in which a name may be new.
func (r *refProcess) directories(changes []repository.RefChange) (dirs []string) {
	done := map[string]bool{}
	for _, c := range changes {
		for name := filepath.Dir(c.Name.String()); !done[name]; name = filepath.Dir(name) {
			done[name] = true
			dirs = append(dirs, filepath.Join(r.dir, name))
			if name == "." || r.settled[name] {
				break
			}
		}
	}
	return dirs
}

// maxSyncs is how many files are put on the disk at once: a file system lets those that wait share a write of its journal.
const maxSyncs = 32

func syncAll(paths []string, sync func(path string) error) error {
	var group errgroup.Group
	group.SetLimit(maxSyncs)
	for _, path := range paths {
		group.Go(func() error { return sync(path) })
	}
	return group.Wait()
}

// ifThere returns sync without the error of a path that is not there.
func ifThere(sync func(path string) error) func(path string) error {
	return func(path string) error {
		err := sync(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
}

// refProcesses keeps the update-ref processes of the repositories that were written last.
type refProcesses struct {
	runner *command.Runner
	most   int
	// timeout bounds a transaction of up to refsPerTimeout refs; a larger one may take as many times as long.
	timeout time.Duration
	// maxTransactions is that of the package, or a test's.
	maxTransactions int
	// syncPath puts a file or the names in a directory on the disk: [disk.Sync], or a test's.
	syncPath func(path string) error

	mu   sync.Mutex
	idle []*refProcess
}

const refsPerTimeout = 500

// take returns a process for exclusive use.
func (s *refProcesses) take(dir string) (*refProcess, error) {
	s.mu.Lock()
	for i, p := range s.idle {
		if p.dir == dir {
			s.idle = append(s.idle[:i], s.idle[i+1:]...)
			s.mu.Unlock()
			return p, nil
		}
	}
	s.mu.Unlock()
	return s.start(dir)
}

// transact moves all refs of a repository or none, durably, as [refProcess.transact] does.
func (s *refProcesses) transact(ctx context.Context, dir string, changes []repository.RefChange, together bool, stored func() error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout*time.Duration(1+len(changes)/refsPerTimeout))
	defer cancel()
	p, err := s.take(dir)
	if err != nil {
		return err
	}
	whole := false
	defer func() { // also when the code panics
		if whole && ctx.Err() == nil { // else it was killed, maybe while what it had moved was synced
			s.give(p)
		} else {
			p.p.Discard()
		}
	}()
	err = p.transact(ctx, changes, together, stored)
	whole = err == nil
	return err
}

// rewrite puts refs on the disk of which it is not known whether they are there, each where its change leads, whatever became of the
// process that moved them and of syncs that failed. To sync once more what failed to be synced would prove nothing ([disk.SyncDir]):
// each ref gets a new file, packed-refs too if a ref was deleted, and all directories on the way to them are written again.
func (s *refProcesses) rewrite(dir string, changes []repository.RefChange) error {
	var group errgroup.Group
	group.SetLimit(maxSyncs)
	deletes := false
	for _, c := range changes {
		if c.New.IsZero() {
			deletes = true
			continue
		}
		group.Go(func() error { return rewriteRef(dir, c) })
	}
	if deletes {
		group.Go(func() error { return rewritePackedRefs(dir) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fresh := refProcess{dir: dir, settled: map[string]bool{}, syncPath: s.syncPath}
	for _, path := range fresh.directories(changes) {
		disk.Doubt(path)
	}
	return fresh.sync(changes)
}

func rewriteRef(dir string, c repository.RefChange) error {
	path := filepath.Join(dir, c.Name.String())
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil { // the ref may lie in packed-refs
		return disk.Error(err)
	}
	return replaceFile(filepath.Dir(path), filepath.Base(path), []byte(c.New.String()+"\n"))
}

func rewritePackedRefs(dir string) error {
	const name = "packed-refs"
	content, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return disk.Error(err)
	}
	return replaceFile(dir, name, content)
}

// give takes a process back; the one that was used longest ago makes room for it.
func (s *refProcesses) give(p *refProcess) {
	if p.transactions >= s.maxTransactions || time.Since(p.started) > maxRefProcessAge {
		_ = p.p.Close()
		return
	}
	p.used = time.Now()
	s.mu.Lock()
	s.idle = append(s.idle, p)
	var ended *refProcess
	if len(s.idle) > s.most {
		ended, s.idle = s.idle[0], s.idle[1:]
	}
	s.mu.Unlock()
	if ended != nil {
		_ = ended.p.Close()
	}
}

// forget ends the idle processes of dir, all for "".
func (s *refProcesses) forget(dir string) {
	s.end(func(p *refProcess) bool { return dir == "" || p.dir == dir })
}

// forgetUnused ends the processes that were not used since then.
func (s *refProcesses) forgetUnused(since time.Time) {
	s.end(func(p *refProcess) bool { return p.used.Before(since) })
}

// end ends those of the idle processes.
func (s *refProcesses) end(which func(*refProcess) bool) {
	s.mu.Lock()
	var ended, kept []*refProcess
	for _, p := range s.idle {
		if which(p) {
			ended = append(ended, p)
		} else {
			kept = append(kept, p)
		}
	}
	s.idle = kept
	s.mu.Unlock()
	for _, p := range ended {
		_ = p.p.Close()
	}
}

// netChanges folds the changes of a batch into one per ref, those that come to nothing left out.
func netChanges(changes []repository.RefChange) []repository.RefChange {
	at := map[git.RefName]int{}
	var net []repository.RefChange
	for _, c := range changes {
		if i, ok := at[c.Name]; ok {
			net[i].New = c.New
			continue
		}
		at[c.Name] = len(net)
		net = append(net, c)
	}
	kept := net[:0]
	for _, c := range net {
		if c.Old != c.New {
			kept = append(kept, c)
		}
	}
	return kept
}
