package containers

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
)

const root = "../.."

// compose is deploy/compose.yaml as a project of its own, so that one which is in use is left alone.
type compose struct {
	docker  *testcontainers.DockerClient
	command []string
	project string
}

// newCompose returns a project of which nothing is left when the test ends.
func newCompose(t *testing.T) *compose {
	t.Helper()
	// As in the Makefile: version 2 is a plugin of docker, version 1 a program.
	command := []string{"docker", "compose"}
	if exec.CommandContext(t.Context(), "docker", "compose", "version").Run() != nil {
		_, err := exec.LookPath("docker-compose")
		require.NoError(t, err, "docker compose is missing: `make compose` installs it on Debian")
		command = []string{"docker-compose"}
	}
	c := &compose{dockerClient(t), command, "gitstore-e2e-" + uuid.NewString()}
	t.Cleanup(func() { c.run(context.WithoutCancel(t.Context()), t, "0", "down", "--volumes") })
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.run(context.WithoutCancel(t.Context()), t, "0", "logs"))
		}
	})
	return c
}

// run runs a command of docker compose. The port is that of all replicas: with 0 each has another one, which is free, and
// without any each has its default.
func (c *compose) run(ctx context.Context, t *testing.T, port string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	args = slices.Concat(c.command[1:], []string{"--project-name", c.project, "--file", "deploy/compose.yaml"}, args)
	cmd := exec.CommandContext(ctx, c.command[0], args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GITSTORE_PORT_1="+port, "GITSTORE_PORT_2="+port, "GITSTORE_PORT_3="+port)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, out)
	return string(out)
}

// up starts the project and returns its containers by their service once all replicas are ready.
func (c *compose) up(t *testing.T) map[string]container.InspectResponse {
	t.Helper()
	c.run(t.Context(), t, "0", "up", "--detach")
	filters := make(client.Filters).Add("label", "com.docker.compose.project="+c.project)
	list, err := c.docker.ContainerList(t.Context(), client.ContainerListOptions{Filters: filters})
	require.NoError(t, err)
	services := map[string]container.InspectResponse{}
	for _, item := range list.Items {
		inspected, err := c.docker.ContainerInspect(t.Context(), item.ID, client.ContainerInspectOptions{})
		require.NoError(t, err)
		services[item.Labels["com.docker.compose.service"]] = inspected.Container
	}
	require.Len(t, services, 4)
	for _, name := range []string{"api-1", "api-2", "api-3"} {
		ready := "http://" + addressOf(t, services[name]) + "/readyz"
		require.NoError(t, until(t.Context(), func() error {
			a, err := attemptCall(t.Context(), "GET", ready, nil)
			if err == nil && a.status != http.StatusOK {
				err = fmt.Errorf("%s is not ready: %s", name, a.body)
			}
			return err
		}))
	}
	return services
}

// addressOf returns where a replica is published.
func addressOf(t *testing.T, replica container.InspectResponse) string {
	t.Helper()
	bindings := replica.NetworkSettings.Ports[network.MustParsePort("8080/tcp")]
	require.Len(t, bindings, 1)
	require.True(t, bindings[0].HostIP.IsLoopback(), "others reach %s", bindings[0].HostIP)
	return net.JoinHostPort(bindings[0].HostIP.String(), bindings[0].HostPort)
}

// TestComposeRunsReplicasOfOneService does what the README says of `make up`, from which it differs in its ports and in
// the name of the project.
func TestComposeRunsReplicasOfOneService(t *testing.T) {
	c := newCompose(t)
	config := c.run(t.Context(), t, "", "config")
	for _, port := range []string{"8080", "8082", "8083"} {
		assert.Regexp(t, `127\.0\.0\.1:`+port+`:8080|published: "`+port+`"`, config, "the README says that a replica is there")
	}
	services := c.up(t)
	importing := exec.CommandContext(t.Context(), "go", "run", "./scripts/run", "-import", "http://"+addressOf(t, services["api-1"]))
	importing.Dir = root
	out, err := importing.CombinedOutput()
	require.NoError(t, err, "%s", out)

	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	_, commands, _ := strings.Cut(string(readme), "is read through another:\n\n```sh\n")
	commands, _, _ = strings.Cut(commands, "```")
	require.Equal(t, 2, strings.Count(commands, "curl "))
	commands = strings.NewReplacer("127.0.0.1:8080", addressOf(t, services["api-1"]), "127.0.0.1:8083", addressOf(t, services["api-3"])).Replace(commands)
	out, err = exec.CommandContext(t.Context(), "bash", "-c", `set -euo pipefail; curl() { command curl -sS --fail-with-body "$@"; }`+"\n"+commands).CombinedOutput()
	require.NoError(t, err, "%s%s", commands, out)
	assert.True(t, strings.HasSuffix(string(out), "Hello"), "%s", out)

	c.checkHardened(t, services)
	c.run(t.Context(), t, "0", "down")
	services = c.up(t)
	for _, name := range []string{"api-1", "api-2", "api-3"} {
		url := "http://" + addressOf(t, services[name]) + shop
		assert.Equal(t, "Hello", string(want(t, 200, "GET", url+"/files/notes/container.md", nil).body))
		want(t, 200, "GET", url+"/catalog/products/prod-2105", nil)
	}
}

// checkHardened checks that no container may do more than it has to, and that one alone keeps anything.
func (c *compose) checkHardened(t *testing.T, services map[string]container.InspectResponse) {
	t.Helper()
	for name, s := range services {
		assert.True(t, s.HostConfig.ReadonlyRootfs, name)
		assert.False(t, s.HostConfig.Privileged, name)
		assert.Equal(t, []string{"ALL"}, s.HostConfig.CapDrop, name)
		assert.Empty(t, s.HostConfig.CapAdd, name)
		assert.Equal(t, []string{"no-new-privileges:true"}, s.HostConfig.SecurityOpt, name)
		assert.Equal(t, "65532:65532", s.Config.User, name)
		assert.NotEmpty(t, s.HostConfig.LogConfig.Config["max-size"], "the log of %s has no bound", name)
		assert.Empty(t, s.HostConfig.Tmpfs, name)
		if name != "git-service" {
			assert.Empty(t, s.Mounts, name)
		}
	}
	git := services["git-service"]
	if assert.Len(t, git.Mounts, 1) {
		assert.Equal(t, "/data", git.Mounts[0].Destination)
	}
	for port, bindings := range git.NetworkSettings.Ports {
		assert.Empty(t, bindings, "the git-service is published at %s", port)
	}
	for name := range git.NetworkSettings.Networks {
		inspected, err := c.docker.NetworkInspect(t.Context(), name, client.NetworkInspectOptions{})
		require.NoError(t, err)
		assert.True(t, inspected.Network.Internal, "the git-service reaches others through %s", name)
	}
}
