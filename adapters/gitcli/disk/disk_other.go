//go:build !linux

package disk

import "golang.org/x/sys/unix"

func syncFileSystem(uintptr) error { return unix.Sync() }
