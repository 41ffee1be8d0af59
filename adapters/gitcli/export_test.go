package gitcli

import (
	"context"
	"runtime"
	"time"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// SyncRefsWith makes fn, instead of the disk, put the files and directories of refs on the disk, several at once. Call it
// before the first write.
func (s *Store) SyncRefsWith(fn func(path string) error) { s.refs.syncPath = fn }

// EndRefProcessesAfter makes n instead of ten thousand transactions wear out a process. Call it before the first write.
func (s *Store) EndRefProcessesAfter(n int) { s.refs.maxTransactions = n }

// KeepAliveEvery makes clients that wait for their pushes hear something as often. Call it before the first push.
func (s *Store) KeepAliveEvery(d time.Duration) { s.keepAlive = d }

// AvailableIs tells how much may be written to the disk, in bytes. Call it before the first write.
func (s *Store) AvailableIs(fn func() uint64) { s.available = func(string) uint64 { return fn() } }

// HoldWriter keeps an open repository, to which nobody writes, from being written to until release.
func (s *Store) HoldWriter(id git.RepositoryID) (release func(), err error) {
	r, err := s.repo(context.Background(), id)
	if err != nil {
		return nil, err
	}
	r.exclusive.Lock()
	// After a batch the writer looks for more for a moment: it would take what comes then for the next one.
	for running := true; running; runtime.Gosched() {
		r.writer.mu.Lock()
		running = r.writer.running
		r.writer.mu.Unlock()
	}
	return r.exclusive.Unlock, nil
}

// WaitUntilQueued returns when n writes wait behind one that is being written.
func (s *Store) WaitUntilQueued(id git.RepositoryID, n int) error {
	r, err := s.repo(context.Background(), id)
	for queued := -1; err == nil && queued != n; runtime.Gosched() {
		r.writer.mu.Lock()
		if queued = len(r.writer.queue); !r.writer.running {
			queued = -1
		}
		r.writer.mu.Unlock()
	}
	return err
}

// RemoveAll removes what is left of a deleted repository.
func RemoveAll(ctx context.Context, dir string) error { return removeAll(ctx, dir) }

// EndMaintenanceAfter makes d instead of an hour the most that a maintenance may take. Call it before the first write.
func (s *Store) EndMaintenanceAfter(d time.Duration) { s.maintenanceTimeout = d }

// WarnOfBatchesAfter makes d instead of some seconds what a batch takes of which that is logged. Call it before the first write.
func (s *Store) WarnOfBatchesAfter(d time.Duration) { s.slowBatch = d }

// HoldMaintenance keeps repositories from being maintained until release.
func (s *Store) HoldMaintenance(ctx context.Context) (release func(), err error) {
	return func() { s.maintaining.Release(1) }, s.maintaining.Acquire(ctx, 1)
}

// Maintain maintains a repository without delay.
func (s *Store) Maintain(ctx context.Context, id git.RepositoryID) error {
	r, err := s.repo(ctx, id)
	if err != nil {
		return err
	}
	if err := s.maintaining.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.maintaining.Release(1)
	return r.maintain(ctx)
}

// Maintaining reports whether a repository is maintained just now.
func (s *Store) Maintaining() bool {
	if !s.maintaining.TryAcquire(1) {
		return true
	}
	s.maintaining.Release(1)
	return false
}
