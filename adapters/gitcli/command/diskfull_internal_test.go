package command

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
)

func TestAFullDiskIsToldFromOtherFailures(t *testing.T) {
	for _, c := range []struct {
		said      string
		available uint64
		full      bool
	}{
		{"fatal: unable to write file: No space left on device", 1 << 40, true},
		{"fatal: unable to write file: Disk quota exceeded", 1 << 40, true},
		{"fatal: sha1 file 'objects/pack/tmp_pack_cJVOnA' write error. Out of diskspace", 1 << 40, true},
		{"fatal: prepare: cannot update ref 'refs/heads/main': couldn't write '/data/refs/heads/main.lock'", 0, true},
		{"fatal: prepare: cannot update ref 'refs/heads/main': couldn't write '/data/refs/heads/main.lock'", 1 << 20, true},
		{"fatal: prepare: cannot update ref 'refs/heads/main': couldn't write '/data/refs/heads/main.lock'", 1 << 40, false},
		{"fatal: bad object HEAD", 0, false},
		{"", 0, false},
	} {
		assert.Equal(t, c.full, diskFull(c.said, func() uint64 { return c.available }), "%q with %d bytes", c.said, c.available)
	}
}

func TestWhatIsAvailableIsThatOfTheDisk(t *testing.T) {
	assert.Positive(t, disk.Available(t.TempDir()))
	assert.Greater(t, disk.Available("/none"), uint64(little), "a directory that cannot be asked about is not full")
}
