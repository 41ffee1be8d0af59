package failpoints

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// shipped and breakable are the git-service without and with points to end at.
var shipped, breakable string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gitstore-failpoints-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	shipped, breakable = filepath.Join(dir, "shipped"), filepath.Join(dir, "breakable")
	for program, tags := range map[string]string{shipped: "", breakable: "failpoints"} {
		build := exec.Command("go", "build", "-trimpath", "-tags", tags, "-o", program, "./cmd/gitstore-git-service")
		build.Dir = "../.."
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fail(fmt.Errorf("the git-service cannot be built: %w", err))
		}
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		return fail(err)
	}
	return code
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}
