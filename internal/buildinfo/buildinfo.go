// Package buildinfo tells what a binary was built from.
package buildinfo

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set by the linker where the source is not a Git work tree, such as
//
//	-ldflags "-X github.com/gitstore-dev/gitstore/internal/buildinfo.version=v1.2.3"
var version, commit string

// Info says what a binary was built from. No field is empty.
type Info struct {
	// Version is the module's version such as "v1.2.3", a pseudo-version, or "devel" where none is known.
	Version string
	// Commit is the full object ID of the commit, with "+dirty" behind it if files had changed; "unknown" if it is.
	Commit string
	// GoVersion is the toolchain's version, such as "go1.26.0".
	GoVersion string
}

// Read returns what the linker was told, else what the go command recorded.
func Read() Info {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = &debug.BuildInfo{}
	}
	return from(build, version, commit)
}

func from(build *debug.BuildInfo, version, commit string) Info {
	recorded := build.Main.Version
	if recorded == "(devel)" {
		recorded = ""
	}
	return Info{
		Version:   cmp.Or(version, recorded, "devel"),
		Commit:    cmp.Or(commit, revision(build.Settings), "unknown"),
		GoVersion: runtime.Version(),
	}
}

func revision(settings []debug.BuildSetting) string {
	values := map[string]string{}
	for _, s := range settings {
		values[s.Key] = s.Value
	}
	if values["vcs.modified"] == "true" {
		return values["vcs.revision"] + "+dirty"
	}
	return values["vcs.revision"]
}

// String returns one line with all fields.
func (i Info) String() string {
	return fmt.Sprintf("%s (commit %s, %s %s/%s)", i.Version, i.Commit, i.GoVersion, runtime.GOOS, runtime.GOARCH)
}
