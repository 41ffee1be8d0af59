package gitstoretest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcnetwork "github.com/testcontainers/testcontainers-go/network"
)

// The numeric user of both images (deploy/Dockerfile).
const user = "65532"

// Container is one running service. Its methods may be called from several goroutines; those that change its state wait
// until that is so, and fail the test if it cannot be done.
type Container struct {
	*testcontainers.DockerContainer
	g     *GitStore
	t     testing.TB
	spec  service
	probe string
}

// service says what [GitStore.start] starts.
type service struct {
	name, image string
	env         map[string]string
	// ports are those of this host, by those in the container.
	ports map[string]int
	// data mounts the volume of the git-service.
	data bool
	// entrypoint replaces that of the image.
	entrypoint []string
}

func (g *GitStore) start(ctx context.Context, s service) *Container {
	g.t.Helper()
	c := &Container{g: g, t: g.t, spec: s}
	g.t.Cleanup(func() {
		if c.DockerContainer == nil {
			return
		}
		if g.t.Failed() {
			g.t.Logf("end of the log of %s:\n%s", s.name, c.logged())
		}
		if err := testcontainers.TerminateContainer(c, testcontainers.StopTimeout(0)); err != nil {
			g.t.Errorf("remove %s: %v", s.name, err)
		}
	})
	c.run(ctx)
	return c
}

// run runs the service as it is to be deployed: nothing can be written but its data, no capability, no new privileges.
func (c *Container) run(ctx context.Context) {
	c.t.Helper()
	g, s := c.g, c.spec
	bindings := network.PortMap{}
	var exposed []string
	for inside, outside := range s.ports {
		exposed = append(exposed, inside+"/tcp")
		bindings[network.MustParsePort(inside+"/tcp")] = []network.PortBinding{
			{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(outside)},
		}
	}
	customizers := []testcontainers.ContainerCustomizer{
		testcontainers.WithEnv(s.env),
		testcontainers.WithExposedPorts(exposed...),
		tcnetwork.WithNetwork([]string{s.name}, g.network),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
			h.PortBindings = bindings
			h.ReadonlyRootfs = true
			h.CapDrop = []string{"ALL"}
			h.SecurityOpt = []string{"no-new-privileges"}
			if s.data {
				h.Binds = []string{g.volume + ":" + dataDir}
			}
		}),
	}
	if s.entrypoint != nil {
		customizers = append(customizers, testcontainers.WithEntrypoint(s.entrypoint...))
	}
	var err error
	c.DockerContainer, err = testcontainers.Run(ctx, s.image, customizers...)
	if err != nil {
		c.t.Fatalf("start %s from image %s: %v; `make images` builds the images", s.name, s.image, err)
	}
}

// maxLog is how much of the log of a container is shown when its test fails.
const maxLog = 8 << 10

func (c *Container) logged() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := c.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-maxLog):])
}

func (c *Container) must(what string, err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%s %s: %v", what, c.spec.name, err)
	}
}

// Kill ends the service at once, as SIGKILL does.
func (c *Container) Kill(ctx context.Context) {
	c.t.Helper()
	wait := c.g.docker.ContainerWait(ctx, c.GetContainerID(), client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	_, err := c.g.docker.ContainerKill(ctx, c.GetContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	c.must("kill", err)
	select {
	case <-wait.Result:
	case err := <-wait.Error:
		c.must("wait for", err)
	}
}

// Shutdown lets the service drain and end, as a deployment does.
func (c *Container) Shutdown(ctx context.Context) {
	c.t.Helper()
	seconds := int(shutdownTime / time.Second)
	_, err := c.g.docker.ContainerStop(ctx, c.GetContainerID(), client.ContainerStopOptions{Timeout: &seconds})
	c.must("stop", err)
}

// Restart starts a service that has ended; it keeps its addresses. It returns when the service is ready.
func (c *Container) Restart(ctx context.Context) {
	c.t.Helper()
	_, err := c.g.docker.ContainerStart(ctx, c.GetContainerID(), client.ContainerStartOptions{})
	c.must("start", err)
	c.WaitReady(ctx)
}

// Replace lets the service drain and end, and starts it anew in a container of that image, as a deployment does for a
// new version. The addresses, the settings and, of the git-service, the volume stay. It returns when the service is ready.
func (c *Container) Replace(ctx context.Context, image string) {
	c.t.Helper()
	c.Shutdown(ctx)
	c.must("remove", c.Terminate(ctx))
	c.DockerContainer = nil
	c.spec.image = image
	c.run(ctx)
	c.WaitReady(ctx)
}

// Pause freezes the service; connections stay open and nothing answers.
func (c *Container) Pause(ctx context.Context) {
	c.t.Helper()
	_, err := c.g.docker.ContainerPause(ctx, c.GetContainerID(), client.ContainerPauseOptions{})
	c.must("pause", err)
}

// Unpause lets a frozen service go on.
func (c *Container) Unpause(ctx context.Context) {
	c.t.Helper()
	_, err := c.g.docker.ContainerUnpause(ctx, c.GetContainerID(), client.ContainerUnpauseOptions{})
	c.must("unpause", err)
}

// Disconnect takes the service off the network on which the others reach it.
func (c *Container) Disconnect(ctx context.Context) {
	c.t.Helper()
	_, err := c.g.docker.NetworkDisconnect(ctx, c.g.network.Name, client.NetworkDisconnectOptions{Container: c.GetContainerID()})
	c.must("disconnect", err)
}

// Connect puts the service back on the network.
func (c *Container) Connect(ctx context.Context) {
	c.t.Helper()
	_, err := c.g.docker.NetworkConnect(ctx, c.g.network.Name, client.NetworkConnectOptions{
		Container: c.GetContainerID(), EndpointConfig: &network.EndpointSettings{Aliases: []string{c.spec.name}},
	})
	c.must("connect", err)
}

// WaitReady returns when the service says that it is ready. It fails the test if the service ends, or after a minute.
func (c *Container) WaitReady(ctx context.Context) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx, c.probe)
		if err == nil {
			return
		}
		if state, stateErr := c.State(ctx); stateErr == nil && !state.Running {
			c.t.Fatalf("%s ended with exit code %d: its log says why", c.spec.name, state.ExitCode)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("%s does not get ready: %v", c.spec.name, err)
		}
	}
}

// prober asks each time anew: a container that restarts leaves no connection behind.
var prober = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func ready(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := prober.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s answers %s: %s", url, resp.Status, b)
	}
	return nil
}

// givenPorts are the host's ports that were handed out, so that containers of one process do not compete for them.
var givenPorts sync.Map

// freePort returns a free port of the loopback interface, below those that the kernel gives to clients: a container keeps
// it while it is restarted, and nobody must take it meanwhile.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 12_000 + rand.IntN(8_000) //nolint:gosec // any port will do
		if _, given := givenPorts.LoadOrStore(port, true); given {
			continue
		}
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return port
		}
	}
	t.Fatal("there is no free port between 12000 and 20000")
	return 0
}
