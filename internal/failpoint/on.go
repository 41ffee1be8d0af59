//go:build failpoints

package failpoint

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// dir is where a test says at which point the process is to end: by a file of its name.
var dir = os.Getenv("GITSTORE_FAILPOINTS")

// Reach ends the process if a file in the directory GITSTORE_FAILPOINTS has the name of the point. It takes the file away
// before, so that the next process goes on. Else it waits while [Hold] names the point.
func Reach(p Point) {
	if dir == "" {
		return
	}
	if os.Remove(filepath.Join(dir, string(p))) == nil {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal is there
	}
	write("reached " + string(p))
	for instruction(Hold) == string(p) {
		<-time.After(time.Millisecond)
	}
}

// tick is longer than what file systems tell times in: what is written behind a sync that failed has another time.
const tick = 20 * time.Millisecond

// Sync puts a file, or what is meant with it, on the disk: as slowly as [SlowSyncs] says, and not at all if [FailingSyncs] or
// [FailingSync] is about the file.
func Sync(f *os.File, sync func() error) error {
	if dir == "" {
		return sync()
	}
	if d, err := time.ParseDuration(instruction(SlowSyncs)); err == nil {
		<-time.After(d)
	}
	if isOf(f, FailingSyncs) || isOf(f, FailingSync) && os.Remove(filepath.Join(dir, string(FailingSync))) == nil {
		write("failed " + state(f))
		<-time.After(tick)
		return &fs.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
	}
	now := state(f)
	err := sync()
	if err == nil {
		write("synced " + now)
	}
	return err
}

// instruction is what the file of the point holds, "" if there is none.
func instruction(p Point) string {
	b, err := os.ReadFile(filepath.Join(dir, string(p)))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func isOf(f *os.File, p Point) bool {
	pattern := instruction(p)
	return pattern != "" && regexp.MustCompile(pattern).MatchString(f.Name())
}

// state tells which file it is, when it was last written, and where it is.
func state(f *os.File) string {
	var s syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &s); err != nil {
		return "? " + f.Name()
	}
	return fmt.Sprintf("%d@%d.%09d %s", s.Ino, s.Mtim.Sec, s.Mtim.Nsec, f.Name())
}

var writing sync.Mutex

// write appends a line to the file [Trace], if there is one.
func write(line string) {
	writing.Lock()
	defer writing.Unlock()
	f, err := os.OpenFile(filepath.Join(dir, string(Trace)), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	_, err = f.WriteString(line + "\n")
	if err := f.Close(); err != nil {
		panic(err)
	}
	if err != nil {
		panic(err)
	}
}
