package service

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitMemory has Go's collector keep the process within a part of what its control group may take, in percent; GOMEMLIMIT wins.
// Without it the heap may grow to twice of what is in use before anything is collected, whatever the limit, and the kernel kills.
func limitMemory(percent int64) {
	group := groupLimit(os.DirFS("/"))
	if group < math.MaxInt64 && debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(group / 100 * percent)
	}
}

// groupLimit is the least memory limit of the control groups that the process is in, in bytes; of both versions of control groups.
// Without any, or where that cannot be found out, it is math.MaxInt64.
func groupLimit(root fs.FS) int64 {
	const mount = "sys/fs/cgroup"
	least := int64(math.MaxInt64)
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		top, file := mount, "memory.max"
		switch parts[1] {
		case "":
		case "memory":
			top, file = mount+"/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container the group is mounted at the top, while its name may be that on the host.
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
			if limit, ok := readLimit(root, path.Join(top, at, file)); ok {
				least = min(least, limit)
			}
			if at == "/" {
				break
			}
		}
	}
	return least
}

// readLimit returns false for a group without a limit: "max", or a number beyond all memory that there is.
func readLimit(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return limit, err == nil && limit > 0 && limit < 1<<60
}
