package buildinfo

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestFrom(t *testing.T) {
	stamped := &debug.BuildInfo{
		Main:     debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}},
	}
	changed := &debug.BuildInfo{
		Main:     debug.Module{Version: "(devel)"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}},
	}
	tests := map[string]struct {
		build           *debug.BuildInfo
		version, commit string
		want            Info
	}{
		"nothing is known":              {&debug.BuildInfo{}, "", "", Info{"devel", "unknown", runtime.Version()}},
		"the go command recorded it":    {stamped, "", "", Info{"v1.2.3", "abc", runtime.Version()}},
		"files had changed":             {changed, "", "", Info{"devel", "abc+dirty", runtime.Version()}},
		"the linker has the last word":  {stamped, "v9.0.0", "def", Info{"v9.0.0", "def", runtime.Version()}},
		"the linker knows one of them":  {stamped, "v9.0.0", "", Info{"v9.0.0", "abc", runtime.Version()}},
		"the linker knows what git not": {&debug.BuildInfo{}, "", "def", Info{"devel", "def", runtime.Version()}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := from(tt.build, tt.version, tt.commit); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
