package disk

import (
	"errors"
	"io/fs"
	"os"
	"sync"
)

// names are the directories of this process that are being synced, or of which the last sync failed.
var names = directories{at: map[string]*directory{}, write: syncDir}

// directories makes syncs of a directory one after the other. Those who wait for the one under way share the next.
//
// A sync that succeeds after one that failed proves nothing: the kernel takes what it could not write for written, and tells of it
// once (fsync(2), and errseq_t in the kernel's documentation). Who comes after a failure, whoever met it, would be told that its names are on
// the disk while they were part of what was given up. So the sync after one that failed has something to write: a
// name is added to the directory and taken away, by which the file system writes its block again, with all names in it. A file
// system with a journal has stopped by then if it could not write the directory itself. With files there is no such way; their content is to be
// written to another file.
type directories struct {
	// write puts the names in a directory on the disk, again those that were to be there before.
	write func(path string, again bool) error

	mu sync.Mutex
	at map[string]*directory
}

type directory struct {
	// running is the sync under way, next the one that begins after it; nil if there is none.
	running, next *syncing
	// doubtful is whether the directory is to be written again: the last sync failed.
	doubtful bool
}

// syncing is one sync, and what came of it once done is closed.
type syncing struct {
	done chan struct{}
	err  error
}

// directory returns the state of one, a new one if there is none. The lock is held.
func (d *directories) directory(path string) *directory {
	of := d.at[path]
	if of == nil {
		of = &directory{}
		d.at[path] = of
	}
	return of
}

// doubt has the next sync of the directory write it again.
func (d *directories) doubt(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.directory(path).doubtful = true
}

// sync puts the names in a directory on the disk, those that were there when it was called.
func (d *directories) sync(path string) error {
	d.mu.Lock()
	of := d.directory(path)
	if own := of.next; own != nil {
		d.mu.Unlock()
		<-own.done
		return own.err
	}
	own, before := &syncing{done: make(chan struct{})}, of.running
	of.next = own
	d.mu.Unlock()
	if before != nil {
		<-before.done
	}

	d.mu.Lock()
	of.running, of.next = own, nil
	doubtful := of.doubtful
	of.doubtful = false
	d.mu.Unlock()
	own.err = d.write(path, doubtful)

	d.mu.Lock()
	of.running = nil
	of.doubtful = of.doubtful || own.err != nil && !errors.Is(own.err, fs.ErrNotExist)
	if of.next == nil && !of.doubtful {
		delete(d.at, path)
	}
	d.mu.Unlock()
	close(own.done)
	return own.err
}

func syncDir(path string, again bool) error {
	if again {
		if err := touch(path); err != nil {
			return Error(err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return Error(err)
	}
	return Error(errors.Join(SyncFile(f), f.Close()))
}

// touch adds a name to a directory and takes it away. Where a process ends in between, the start removes it with what else ends like
// that.
func touch(path string) error {
	f, err := os.CreateTemp(path, "*.lock")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
