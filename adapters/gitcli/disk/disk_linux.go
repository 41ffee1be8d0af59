package disk

import "golang.org/x/sys/unix"

func syncFileSystem(fd uintptr) error { return unix.Syncfs(int(fd)) }
