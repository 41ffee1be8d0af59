package service

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestTheMemoryLimitIsThatOfTheControlGroup(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"a container": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		"a service below a slice with less": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/gitstore.service\n", "sys/fs/cgroup/system.slice/memory.max": "1048576\n", "sys/fs/cgroup/system.slice/gitstore.service/memory.max": "2097152\n",
		}, 1 << 20},
		"a container of version 1": {map[string]string{
			"proc/self/cgroup": "5:cpu:/docker/1\n4:memory:/docker/1\n0::/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
		}, 512 << 20},
		"no limit":              {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, math.MaxInt64},
		"no limit of version 1": {map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, math.MaxInt64},
		"no control groups":     {nil, math.MaxInt64},
		"nonsense":              {map[string]string{"proc/self/cgroup": "x\n0::/../..\n", "sys/fs/cgroup/memory.max": "-1"}, math.MaxInt64},
	} {
		root := fstest.MapFS{}
		for path, content := range tt.files {
			root[path] = &fstest.MapFile{Data: []byte(content)}
		}
		if got := groupLimit(root); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
