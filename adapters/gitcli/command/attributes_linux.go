package command

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attributes make a process the leader of a group and, for the case that this process is killed, end it with this one:
// nothing may write beside the process that takes over. The kernel looks at the thread that started the child; Go ends
// no thread before the process but those that a goroutine was locked to, and none is here.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit waits until a child has ended and leaves it to be waited for, so that its ID stays its own. It reports
// whether it could.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// yieldCores gives a group of processes a tenth of the weight of others (nice(2)): with less it would stand still where all cores are
// taken. It is of use and not needed: what fails is not told.
func yieldCores(group int) { _ = unix.Setpriority(unix.PRIO_PGRP, group, 10) }

// bound sets limits of a process (prlimit(2)): how much memory of its own it may have, to which the files that it maps to read
// do not count (RLIMIT_DATA), and how much time of a processor it may take. A lower limit that it has already stays. A process that has
// ended needs none.
func bound(pid int, memory int64, cpu time.Duration) error {
	for _, limit := range []struct {
		resource int
		most     uint64
	}{
		{unix.RLIMIT_DATA, uint64(max(memory, 0))},
		{unix.RLIMIT_CPU, uint64(cpu / time.Second)}, //nolint:gosec // it is a constant
	} {
		var has unix.Rlimit
		err := unix.Prlimit(pid, limit.resource, nil, &has)
		if err == nil {
			// At the higher one of the time the process is killed, and says nothing.
			is := unix.Rlimit{Cur: min(limit.most, has.Cur), Max: min(limit.most+1, has.Max)}
			err = unix.Prlimit(pid, limit.resource, &is, nil)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}
