// Package procstat tells what processes use at a moment, from proc(5).
package procstat

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// Usage is what a process uses.
type Usage struct {
	// Memory is its resident memory in bytes, Peak the most it ever was (VmHWM).
	Memory, Peak int64
	// Private is the part of Memory that is no page of a file, as those of the program are (RssAnon).
	Private int64
	// Files is how many file descriptors it has open.
	Files int
	// Children is how many processes live that it or a child of it started.
	Children int
	// ChildMemory is their resident memory in bytes. Pages of files that they share, as those of the same program or of a
	// pack, count for each of them.
	ChildMemory int64
	// ChildPrivate is the part of it that is no page of a file (RssAnon), which the kernel cannot drop.
	ChildPrivate int64
	// CPU is the time that it and its children took of the cores, those that have ended with it. It counts in steps of 10 ms
	// for each of them.
	CPU time.Duration
}

// Of returns what a process of this user uses.
func Of(pid int) (Usage, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return Usage{}, err
	}
	stat, err := p.Stat()
	if err != nil {
		return Usage{}, err
	}
	if stat.State == "Z" {
		return Usage{}, fmt.Errorf("process %d has ended", pid)
	}
	status, err := p.NewStatus()
	if err != nil {
		return Usage{}, err
	}
	u := Usage{Memory: int64(stat.ResidentMemory()), Peak: int64(status.VmHWM), Private: int64(status.RssAnon), CPU: cpu(stat)}
	if u.Files, err = p.FileDescriptorsLen(); err != nil {
		return Usage{}, err
	}
	return u, u.addChildren(pid)
}

func (u *Usage) addChildren(pid int) error {
	all, err := procfs.AllProcs()
	if err != nil {
		return err
	}
	children := map[int][]process{}
	for _, p := range all {
		if stat, err := p.Stat(); err == nil { // else it has ended meanwhile
			children[stat.PPID] = append(children[stat.PPID], process{p, stat})
		}
	}
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		for _, child := range children[next[0]] {
			u.Children++
			u.CPU += cpu(child.ProcStat)
			u.ChildMemory += int64(child.ResidentMemory())
			if status, err := child.NewStatus(); err == nil {
				u.ChildPrivate += int64(status.RssAnon)
			}
			next = append(next, child.Proc.PID)
		}
	}
	return nil
}

// cpu is the time of a process and of those that it waited for.
func cpu(s procfs.ProcStat) time.Duration {
	const tick = 10 * time.Millisecond // proc_pid_stat(5) has the unit USER_HZ, which is 100 on all that Go runs on
	return time.Duration(int(s.UTime)+int(s.STime)+s.CUTime+s.CSTime) * tick
}

type process struct {
	procfs.Proc
	procfs.ProcStat
}
