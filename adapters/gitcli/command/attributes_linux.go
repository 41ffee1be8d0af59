package command

import "syscall"

// attributes make a process the leader of a group and, for the case that this process is killed, end it with this one:
// nothing may write beside the process that takes over. The kernel looks at the thread that started the child; Go ends
// no thread before the process but those that a goroutine was locked to, and none is here.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
