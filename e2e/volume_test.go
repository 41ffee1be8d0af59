package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// volume is a file system of its own, ext4 on a loop device, that can lose what is not on the disk.
type volume struct {
	image, device, dir string
}

// newVolume makes a volume that is not mounted yet. Without root, loop devices or mkfs.ext4 the test fails.
func newVolume(t testing.TB) *volume {
	t.Helper()
	requireForVolumes(t)
	dir := t.TempDir()
	v := &volume{image: filepath.Join(dir, "image"), dir: filepath.Join(dir, "volume")}
	require.NoError(t, os.Mkdir(v.dir, 0o700))
	require.NoError(t, os.WriteFile(v.image, nil, 0o600))
	require.NoError(t, os.Truncate(v.image, 2<<30)) // of which only what is written takes space
	command(t, "mkfs.ext4", "-q", v.image)
	v.device = command(t, "losetup", "--find", "--show", v.image)
	t.Cleanup(func() {
		if v.mounted() {
			v.unmount(t)
		}
		command(t, "losetup", "--detach", v.device)
	})
	return v
}

func requireForVolumes(t testing.TB) {
	t.Helper()
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root, to mount file systems: run the test with sudo")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		missing = append(missing, "loop devices: load the kernel's module loop, or give the container /dev/loop-control and /dev/loop*")
	}
	for _, program := range []string{"mkfs.ext4", "losetup", "mount", "umount"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program+": install e2fsprogs and util-linux")
		}
	}
	require.Empty(t, missing, "what cutting the power needs")
}

// command runs a program of the system to its end and returns what it printed.
func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return strings.TrimSpace(string(out))
}

// mount mounts the volume so that the kernel puts nothing on the disk that nobody asked for: no commit of the journal
// within the time of a test, and no content of a file that is renamed over another.
func (v *volume) mount(t testing.TB) {
	t.Helper()
	command(t, "mount", "-t", "ext4", "-o", "commit=300,noauto_da_alloc", v.device, v.dir)
}

// inKernel is there as long as anybody has the volume mounted.
func (v *volume) inKernel() string { return "/sys/fs/ext4/" + filepath.Base(v.device) }

func (v *volume) mounted() bool {
	_, err := os.Stat(v.inKernel())
	return err == nil
}

// unmount waits until nobody has the volume mounted: what is mounted anew would else be what was there before.
func (v *volume) unmount(t testing.TB) {
	t.Helper()
	eventually(t, "the volume cannot be unmounted", func() error {
		if err := unix.Unmount(v.dir, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
		if v.mounted() {
			return fmt.Errorf("%s is there", v.inKernel())
		}
		return nil
	})
}

// sync puts all on the disk that was written to the volume.
func (v *volume) sync(t testing.TB) {
	t.Helper()
	v.open(t, func(fd int) error { return unix.Syncfs(fd) })
}

// The call by which ext4 stops between one write to the disk and the next, and its argument for leaving what is in memory
// where it is (EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH of fs/ext4/ext4.h).
const (
	shutdownCall    = 0x8004587d
	shutdownNoFlush = 2
)

// cut cuts the power: what is not on the disk at this moment is lost. Whoever uses the volume gets errors until it was
// unmounted and mounted again.
func (v *volume) cut(t testing.TB) {
	t.Helper()
	v.open(t, func(fd int) error { return unix.IoctlSetPointerInt(fd, shutdownCall, shutdownNoFlush) })
}

func (v *volume) open(t testing.TB, do func(fd int) error) {
	t.Helper()
	f, err := os.Open(v.dir)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	require.NoError(t, do(int(f.Fd())), "%s", v.dir)
}
