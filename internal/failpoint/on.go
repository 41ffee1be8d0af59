//go:build failpoints

package failpoint

import (
	"os"
	"path/filepath"
	"syscall"
)

// dir is where a test says at which point the process is to end: by a file of its name.
var dir = os.Getenv("GITSTORE_FAILPOINTS")

// Reach ends the process if a file in the directory GITSTORE_FAILPOINTS has the name of the point. It takes the file away
// before, so that the next process goes on.
func Reach(p Point) {
	if dir == "" || os.Remove(filepath.Join(dir, string(p))) != nil {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // until the signal is there
}
