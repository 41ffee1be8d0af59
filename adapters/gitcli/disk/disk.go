// Package disk puts files on the disk and says in domain errors why that failed.
package disk

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
)

// Error makes a failure of the file system a domain error: STORAGE_FULL for a disk without room, which a caller can wait
// out, UNAVAILABLE for one that takes no writes at all, INTERNAL for any other. Errors that are domain errors already stay as they are; nil stays nil.
func Error(err error) error {
	var domain *errs.Error
	switch {
	case err == nil || errors.As(err, &domain):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errs.Wrap(err, errs.ReasonStorageFull, "the disk is full: free some space and try again")
	case errors.Is(err, syscall.EROFS):
		return ReadOnly(err)
	}
	return errs.Wrap(err, errs.ReasonInternal, "the storage failed")
}

// ReadOnly is what writes fail with where the file system takes none, as one does that met a disk that fails.
func ReadOnly(cause error) error {
	return errs.Wrap(cause, errs.ReasonUnavailable, "the disk is read-only: reads go on, and writes when the operator has mended it")
}

// SyncDir puts the names in a directory on the disk; no git command does. Names that were created, changed or removed
// survive a power cut only then. After an error it may be called again: the directory is then written once more. Concurrent calls for
// one directory share what they wait for.
func SyncDir(dir string) error { return names.sync(dir) }

// Doubt has the next [SyncDir] of a directory write it once more, where one failed in a process that has ended.
func Doubt(dir string) { names.doubt(dir) }

// Sync puts the content of a file, or the names in a directory as [SyncDir], on the disk. After an error the content of a file has to be
// written to another file: see [SyncFile].
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return Error(err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		return errors.Join(Error(f.Close()), SyncDir(path))
	}
	if err == nil {
		err = SyncFile(f)
	}
	return Error(errors.Join(err, f.Close()))
}

// SyncFile puts what was written to a file on the disk. After an error it is not to be called again: the kernel takes what it could not
// write for written, and the next call would succeed without it. What the file holds has to be written to another file, or its
// write to fail.
func SyncFile(f *os.File) error { return failpoint.Sync(f, f.Sync) }

// SyncAll puts all on the disk that anybody has written to the file system which the directory is on.
func SyncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return Error(err)
	}
	err = failpoint.Sync(f, func() error { return os.NewSyscallError("syncfs", syncFileSystem(f.Fd())) })
	return Error(errors.Join(err, f.Close()))
}

// SyncTree puts a directory on the disk with everything below it.
func SyncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return Error(err)
		}
		return Sync(path)
	})
}

// Available returns the bytes that may still be written below a directory, and the most there can be if the system does
// not say.
func Available(dir string) uint64 {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return math.MaxUint64
	}
	return uint64(fs.Bavail) * uint64(fs.Bsize) //nolint:gosec,unconvert // neither is negative, and their types differ between systems
}
