package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The variables that make the test binary run a program as another machine would.
const (
	// machineProgram is the program.
	machineProgram = "E2E_MACHINE_PROGRAM"
	// machineBootID is a file with the boot id that the program sees (random(4)).
	machineBootID = "E2E_MACHINE_BOOT_ID"
	// machineWithoutSyncs, if set, makes the calls that wait for the disk do nothing and succeed.
	machineWithoutSyncs = "E2E_MACHINE_WITHOUT_SYNCS"
)

// machine is what a git-service runs on whose power can be cut: a boot id that can change, and a disk.
type machine struct {
	*volume
	bootID string
	boots  int
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{volume: newVolume(t), bootID: filepath.Join(t.TempDir(), "boot_id")}
	m.boot(t)
	return m
}

// boot is a start of the machine, after which the git-service has to be started.
func (m *machine) boot(t testing.TB) {
	t.Helper()
	m.boots++
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d\n", m.boots)
	require.NoError(t, os.WriteFile(m.bootID, []byte(id), 0o600))
	m.mount(t)
}

// runs makes the machine the one that the system's git-service is started on.
func (m *machine) runs(t testing.TB, s *system, settings ...string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	s.gitEnv = append(s.gitEnv, machineProgram+"="+s.gitProgram, machineBootID+"="+m.bootID)
	s.gitEnv = append(s.gitEnv, settings...)
	s.gitProgram = self
}

// runOnMachine becomes the program. It returns only if that fails.
func runOnMachine() error {
	runtime.LockOSThread() // namespaces and filters are those of a thread, and then of what it executes
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("no mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("the mounts cannot be made private: %w", err)
	}
	if err := unix.Mount(os.Getenv(machineBootID), "/proc/sys/kernel/random/boot_id", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("no boot id of its own: %w", err)
	}
	if os.Getenv(machineWithoutSyncs) != "" {
		if err := dropSyncs(); err != nil {
			return fmt.Errorf("no filter for system calls: %w", err)
		}
	}
	program := os.Getenv(machineProgram)
	return syscall.Exec(program, []string{program}, os.Environ()) //nolint:forbidigo // it takes this thread's place, with its namespace
}

// dropSyncs has the kernel answer every call that waits for the disk with success, at once, for this process and all that
// come from it (seccomp(2)).
func dropSyncs() error {
	const load, equal, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	calls := []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS, unix.SYS_SYNC_FILE_RANGE}
	filter := []unix.SockFilter{{Code: load}} // the number of the call is the first of its data
	for i, call := range calls {
		filter = append(filter, unix.SockFilter{Code: equal, K: call, Jt: uint8(len(calls) - i)}) // to the last
	}
	filter = append(filter, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW}, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
