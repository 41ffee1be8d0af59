package gitcli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
)

func TestAMaintenanceThatIsLateDoesNotLeaveTheCoresToOthers(t *testing.T) {
	own, err := exec.Command("nice").Output()
	require.NoError(t, err)
	for commits, nice := range map[int]string{60: "10", 110: strings.TrimSpace(string(own))} {
		told := filepath.Join(t.TempDir(), "nice")
		s := newPushShop(t, gitcli.Options{GitPath: scripted(t, `#!/bin/sh
case $1 in pack-objects | multi-pack-index | commit-graph)
	sleep 0.2 # it is told when it runs
	nice >>'`+told+`';;
esac
exec git "$@"
`)})
		release, err := s.HoldMaintenance(t.Context())
		require.NoError(t, err)
		for i := range commits {
			commit(t, s.repo, upsert(path(t, "a.md"), fmt.Sprint(i)))
		}
		release()
		require.Eventually(t, func() bool { return s.Stats().Maintenances == 1 && !s.Maintaining() }, time.Minute, time.Millisecond)
		require.Zero(t, s.Stats().MaintenancesFailed)
		levels, err := os.ReadFile(told)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat(nice+"\n", 3), string(levels), commits)
	}
}
