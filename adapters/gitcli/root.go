package gitcli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// root is the storage root: the one directory that a process owns.
//
//	lock                          held for as long as the process lives; holds its pid, and blanks once it was closed
//	repositories/ab/cd/<hash>.git bare repositories; the hash is SHA-256 of the id
//	tmp/                          repositories that are being created or deleted, what is being pushed, and unnamed files that
//	                              are being read
//	journal/                      the journal of changes, if it is kept here; it is not this package's
type root struct {
	dir  string
	lock *os.File
	// unclean is whether the process before did not close the root.
	unclean bool
}

// ErrInUse is what opening a storage root fails with while another process has it.
var ErrInUse = errors.New("the data directory is in use")

func openRoot(dir string) (*root, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	r := &root{dir: abs}
	if err := makeDir(r.dir); err != nil {
		return nil, err
	}
	if err := r.checkOurs(); err != nil {
		return nil, err
	}
	for _, d := range []string{r.repositories(), r.tmp()} {
		if err := makeDir(d); err != nil {
			return nil, err
		}
	}
	if err := r.acquire(); err != nil {
		return nil, err
	}
	return r, nil
}

func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("data directory: %q is not a directory: symbolic links are refused", dir)
	}
	return nil
}

// checkOurs refuses a directory that holds something and no repositories: whoever mistyped its name would else find the
// service running with no repository. What a file system makes by itself does not count, nor what others of this process
// keep in the root.
func (r *root) checkOurs() error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	foreign := ""
	for _, e := range entries {
		switch name := e.Name(); name {
		case filepath.Base(r.repositories()):
			return nil
		case "lost+found", "journal":
		default:
			foreign = name
		}
	}
	if foreign != "" {
		return fmt.Errorf("data directory: %q holds %q and no repositories of GitStore: name its data directory, or one that is empty or does not exist",
			r.dir, foreign)
	}
	return nil
}

// acquire takes the lock of flock(2), which the kernel releases however the process ends.
func (r *root) acquire() error {
	f, err := os.OpenFile(filepath.Join(r.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	taken := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	holder := make([]byte, 20)
	n, _ := f.ReadAt(holder, 0)
	if taken != nil {
		_ = f.Close()
		return fmt.Errorf("%w: process %s holds %q; stop it, or name another directory",
			ErrInUse, strings.TrimSpace(string(holder[:n])), r.dir)
	}
	r.unclean = len(bytes.TrimSpace(holder[:n])) > 0
	if _, err = f.WriteAt(lockedBy(strconv.Itoa(os.Getpid())), 0); err != nil {
		_ = f.Close()
		return fmt.Errorf("data directory: %w", err)
	}
	r.lock = f
	return nil
}

// close gives the root back, of which all is on the disk that anybody was told of. The lock is released by name: a child that is just
// being started holds a copy of the descriptor until it executes git.
func (r *root) close() error {
	_, err := r.lock.WriteAt(lockedBy(""), 0)
	return errors.Join(err, r.release())
}

// lockedBy is what the lock's file holds. It is always as long: where a disk is full only what is there already can be written.
func lockedBy(pid string) []byte { return fmt.Appendf(nil, "%-19s\n", pid) }

// release gives the root back as a process does that is killed: the next one puts on the disk what this one may have left in memory.
func (r *root) release() error {
	err := syscall.Flock(int(r.lock.Fd()), syscall.LOCK_UN)
	return errors.Join(err, r.lock.Close())
}

// settle puts on the disk what a process that was killed had only written: refs that it moved, repositories that it made or deleted. Who
// asks for the same again is told that it was done, and would else be told so of what a power cut takes back.
func (r *root) settle() error {
	if !r.unclean {
		return nil
	}
	return disk.SyncAll(r.dir)
}

func (r *root) repositories() string { return filepath.Join(r.dir, "repositories") }

func (r *root) tmp() string { return filepath.Join(r.dir, "tmp") }

// path is where the repository lies. The id does not appear in it: no text of a caller ever becomes a path.
func (r *root) path(id git.RepositoryID) string {
	sum := sha256.Sum256([]byte(id.String()))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(r.repositories(), name[:2], name[2:4], name+".git")
}

// clean removes what was being made or removed when a process was killed, and returns how much it was. What cannot be
// removed is logged and in nobody's way.
func (r *root) clean(ctx context.Context, logger *slog.Logger) (removed int, err error) {
	unfinished, err := os.ReadDir(r.tmp())
	if err != nil {
		return 0, err
	}
	for _, e := range unfinished {
		switch err := removeAll(ctx, filepath.Join(r.tmp(), e.Name())); {
		case ctx.Err() != nil:
			return removed, ctx.Err()
		case err != nil:
			logger.ErrorContext(ctx, "what an unclean stop left behind cannot be removed and takes up room: mend the disk or the permissions, and restart the service", "error", err)
		default:
			removed++
		}
	}
	return removed, nil
}

// removeAll removes a file, or a directory with all that is in it. It fails with the context's error, and leaves the rest,
// when ctx ends: many refs that are files of their own take minutes.
func removeAll(ctx context.Context, path string) error {
	_ = filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return fs.SkipAll
		case err == nil && !e.IsDir():
			_ = os.Remove(name) //nolint:gosec // the directory is ours alone; a failure is found again below
		}
		return nil
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// directories returns the directories of all repositories, and calls unread for one above them that cannot be read.
func (r *root) directories(unread func(dir string, err error)) ([]string, error) {
	level, err := subdirectories(r.repositories())
	for range 2 {
		var below []string
		for _, dir := range level {
			found, err := subdirectories(dir)
			if err != nil {
				unread(dir, err)
			}
			below = append(below, found...)
		}
		level = below
	}
	return level, err
}

func subdirectories(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var found []string
	for _, e := range entries {
		if e.IsDir() {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	return found, err
}

// cleanRepository removes lock files, temporary files and packs without an index from a repository: nobody else writes
// below the root, so whatever looks unfinished is garbage (docs/adr/0003-one-writer.md). It stays below dir whatever
// symbolic links lie there, goes on where something cannot be read or removed, and then fails with the first such error.
func cleanRepository(dir string) (removed int, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	removed, err = cleanBelow(root, ".")
	return removed, errors.Join(err, root.Close())
}

// cleanBelow does not use root.FS: io/fs has no names that are not UTF-8, and refs may have them.
func cleanBelow(root *os.Root, dir string) (removed int, err error) {
	entries, err := readDir(root, dir)
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		var failure error
		switch {
		case isLeftover(root, name, e):
			if failure = root.RemoveAll(name); failure == nil {
				removed++
			}
		case e.IsDir():
			var n int
			n, failure = cleanBelow(root, name)
			removed += n
		}
		err = cmp.Or(err, failure)
	}
	return removed, err
}

func readDir(root *os.Root, name string) ([]fs.DirEntry, error) {
	dir, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	entries, err := dir.ReadDir(-1)
	return entries, errors.Join(err, dir.Close())
}

// removeRefLocks removes the locks that a killed update-ref left: on refs, on HEAD where its branch moved, and on
// packed-refs where a ref was deleted. No other may be running.
func removeRefLocks(dir string) error {
	_, err := cleanRepository(filepath.Join(dir, "refs"))
	for _, name := range []string{"HEAD.lock", "packed-refs.lock", "packed-refs.new"} {
		if removal := os.Remove(filepath.Join(dir, name)); !errors.Is(removal, fs.ErrNotExist) {
			err = errors.Join(err, removal)
		}
	}
	return err
}

func isLeftover(root *os.Root, file string, e fs.DirEntry) bool {
	name := e.Name()
	inObjects := strings.HasPrefix(file, "objects/")
	switch {
	case inObjects && (strings.HasPrefix(name, "tmp_") || isOfMaintenance(name)):
		return true
	case e.IsDir():
		return false
	case strings.HasSuffix(name, ".lock"):
		return true
	case inObjects && (strings.HasSuffix(name, ".pack") || strings.HasSuffix(name, ".rev")):
		_, err := root.Lstat(strings.TrimSuffix(file, filepath.Ext(name)) + ".idx")
		return errors.Is(err, fs.ErrNotExist)
	}
	return false
}

// isOfMaintenance reports whether a file below objects is one that git had not finished: a pack, an index of packs, a
// bitmap, a graph of commits, or a lock on one of them.
func isOfMaintenance(name string) bool {
	return slices.ContainsFunc([]string{".tmp-", "tmp_pack_", "tmp_idx_", "tmp_rev_", "tmp_bitmap_", "tmp_graph_"}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	}) || name == "multi-pack-index.lock" || name == "commit-graph-chain.lock"
}
