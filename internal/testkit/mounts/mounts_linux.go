// Package mounts lets a test mount file systems, such as one that is full or read-only, without being root.
package mounts

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// Own reports whether this process may mount. If not, it runs the test in another process, with mounts of its own, and the test is done
// here. It fails the test where the kernel gives nobody mounts of their own (user_namespaces(7)). It is for a test that is no part of
// another.
func Own(t *testing.T) bool {
	t.Helper()
	const env = "GITSTORE_TEST_OWN_MOUNTS"
	if os.Getenv(env) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), env+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("with mounts of its own, for which it needs a user namespace: %v\n%s", err, out)
	}
	return false
}
