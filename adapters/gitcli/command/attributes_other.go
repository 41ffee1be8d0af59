//go:build !linux

package command

import (
	"syscall"
	"time"
)

// attributes make a process the leader of a group. After this process was killed, it ends when it has read its input.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit cannot wait for a child without taking its ID away.
func awaitExit(int) bool { return false }

// yieldCores knows how only on Linux.
func yieldCores(int) {}

// bound can set no limits of another process.
func bound(int, int64, time.Duration) error { return nil }
