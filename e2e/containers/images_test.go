package containers

import (
	"cmp"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go/exec"

	"github.com/gitstore-dev/gitstore/gitstoretest"
)

// TestTheImagesAreAsDocumented looks at what a deployment relies on without setting it: user, health check, labels and size.
func TestTheImagesAreAsDocumented(t *testing.T) {
	g := run(t, gitstoretest.WithReplicas(1))
	docker := dockerClient(t)
	for _, image := range []struct {
		name      string
		container *gitstoretest.Container
		program   string
		// most is a bound of its size in bytes; docs/operations.md has the sizes.
		most int64
	}{
		{"gitstore-api", g.API(0).Container, "/gitstore-api", 40e6},
		{"gitstore-git-service", g.Git.Container, "/usr/local/bin/gitstore-git-service", 500e6},
	} {
		t.Run(image.name, func(t *testing.T) {
			inspected, err := docker.ImageInspect(t.Context(), image.name+":"+cmp.Or(os.Getenv("GITSTORE_IMAGE_TAG"), "dev"))
			require.NoError(t, err)
			config := inspected.Config
			assert.Equal(t, "65532:65532", config.User)
			assert.Equal(t, []string{image.program}, config.Entrypoint)
			assert.Equal(t, []string{"CMD", image.program, "healthcheck"}, config.Healthcheck.Test)
			assert.Less(t, inspected.Size, image.most)
			assert.Equal(t, image.name, config.Labels["org.opencontainers.image.title"])
			for _, label := range []string{"description", "version", "revision", "source", "licenses"} {
				assert.NotEmpty(t, config.Labels["org.opencontainers.image."+label], label)
			}
			version := executed(t, image.container, image.program, "--version")
			assert.Contains(t, version, config.Labels["org.opencontainers.image.version"])
			executed(t, image.container, image.program, "healthcheck")
			executed(t, image.container, image.program, "healthcheck", "ready")
			assert.Eventually(t, func() bool {
				c, err := docker.ContainerInspect(t.Context(), image.container.GetContainerID(), client.ContainerInspectOptions{})
				return err == nil && c.Container.State.Health != nil && c.Container.State.Health.Status == "healthy"
			}, time.Minute, 100*time.Millisecond, "the container does not become healthy")
			diff, err := docker.ContainerDiff(t.Context(), image.container.GetContainerID(), client.ContainerDiffOptions{})
			require.NoError(t, err)
			assert.Empty(t, diff.Changes)
		})
	}
	assert.Equal(t, "65532", strings.TrimSpace(executed(t, g.Git.Container, "id", "-u")))
}

// executed returns what a program in a container prints, and fails the test if it fails.
func executed(t *testing.T, c *gitstoretest.Container, program ...string) string {
	t.Helper()
	code, out, err := c.Exec(t.Context(), program, exec.Multiplexed())
	require.NoError(t, err)
	printed, err := io.ReadAll(out)
	require.NoError(t, err)
	require.Zero(t, code, "%v: %s", program, printed)
	return string(printed)
}
