package gitstoretest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcnetwork "github.com/testcontainers/testcontainers-go/network"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
)

// Where the services are inside their containers.
const (
	gitAlias   = "git"
	dataDir    = "/data"
	grpcPort   = "50051"
	eventsPort = "8081"
	httpPort   = "8080"
)

const (
	readyTime    = time.Minute
	shutdownTime = 30 * time.Second
)

// GitStore is one git-service and any number of replicas of the API. It is also the client of the git-service, and as
// such a [ports.RepositoryStore]; the test closes neither.
type GitStore struct {
	*gitclient.Store
	// Git is the container of the git-service.
	Git *GitService

	t       testing.TB
	docker  *testcontainers.DockerClient
	network *testcontainers.DockerNetwork
	volume  string
	apis    []*API
}

// GitService is the container that owns the repositories.
type GitService struct {
	*Container
	grpc, events string
}

// GRPCAddress is the host and port of the gRPC contract.
func (s *GitService) GRPCAddress() string { return s.grpc }

// EventsAddress is the host and port where events, health and metrics are served.
func (s *GitService) EventsAddress() string { return s.events }

// EventsURL is where changes are announced over WebSocket.
func (s *GitService) EventsURL() string { return eventsURL(s.events) }

// MetricsURL is where the service tells its figures.
func (s *GitService) MetricsURL() string { return "http://" + s.events + "/metrics" }

// API is the container of one replica of the API.
type API struct {
	*Container
	address string
}

// Address is the host and port of the HTTP API.
func (a *API) Address() string { return a.address }

// URL is the address of the HTTP API as the beginning of a URL, without a slash at its end.
func (a *API) URL() string { return "http://" + a.address }

// API returns replica i, from 0 to what [WithReplicas] said. A replica that is not there fails the test.
func (g *GitStore) API(i int) *API {
	g.t.Helper()
	if i < 0 || i >= len(g.apis) {
		g.t.Fatalf("there is no API replica %d: WithReplicas(%d) starts it", i, i+1)
	}
	return g.apis[i]
}

// APIs returns all replicas.
func (g *GitStore) APIs() []*API { return g.apis }

// Run starts a git-service and the replicas asked for, on a network of their own, and returns when all are ready. Whatever
// is missing for that fails the test. Everything is removed when the test ends.
func Run(ctx context.Context, t testing.TB, opts ...Option) *GitStore {
	t.Helper()
	o := newOptions(opts)
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		t.Fatalf("there is no Docker Engine to run containers: %v", err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	for _, image := range []string{o.gitImage, o.api} {
		if _, err := docker.ImageInspect(ctx, image); err != nil && (image != o.api || o.replicas > 0) {
			t.Logf("image %s is not here and has to be pulled; `make images` builds it: %v", image, err)
		}
	}
	nw, err := tcnetwork.New(ctx)
	if err != nil {
		t.Fatalf("make a Docker network: %v", err)
	}
	t.Cleanup(func() {
		if err := nw.Remove(context.WithoutCancel(ctx)); err != nil {
			t.Errorf("remove the network: %v", err)
		}
	})
	g := &GitStore{t: t, docker: docker, network: nw}
	g.startGit(ctx, o)
	for i := range o.replicas {
		g.startAPI(ctx, i, o)
	}
	g.Git.WaitReady(ctx)
	for _, a := range g.apis {
		a.WaitReady(ctx)
	}
	g.Store, err = gitclient.Dial(g.Git.grpc, gitclient.Options{UserAgent: "gitstoretest"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func (g *GitStore) startGit(ctx context.Context, o options) {
	g.t.Helper()
	grpc, events := freePort(g.t), freePort(g.t)
	g.makeVolume(ctx, o.dataBytes)
	if o.dataBytes > 0 {
		g.start(ctx, service{name: "data", image: o.gitImage, data: true, entrypoint: []string{"sleep", "infinity"}})
	}
	ports := map[string]int{grpcPort: grpc, eventsPort: events}
	c := g.start(ctx, service{name: gitAlias, image: o.gitImage, env: o.gitEnv, ports: ports, data: true})
	g.Git = &GitService{c, loopback(grpc), loopback(events)}
	c.probe = "http://" + g.Git.events + "/readyz"
}

// makeVolume makes the volume of the git-service, in memory if size is not 0.
func (g *GitStore) makeVolume(ctx context.Context, size int64) {
	g.t.Helper()
	volume := client.VolumeCreateOptions{Name: "gitstoretest-" + uuid.NewString(), Labels: testcontainers.GenericLabels()}
	if size > 0 {
		volume.Driver = "local"
		volume.DriverOpts = map[string]string{
			"type": "tmpfs", "device": "tmpfs", "o": fmt.Sprintf("size=%d,uid=%s,gid=%s,mode=0700", size, user, user),
		}
	}
	if _, err := g.docker.VolumeCreate(ctx, volume); err != nil {
		g.t.Fatalf("make a volume: %v", err)
	}
	g.volume = volume.Name
	g.t.Cleanup(func() {
		if _, err := g.docker.VolumeRemove(context.WithoutCancel(ctx), g.volume, client.VolumeRemoveOptions{}); err != nil {
			g.t.Errorf("remove the volume: %v", err)
		}
	})
}

func (g *GitStore) startAPI(ctx context.Context, i int, o options) {
	g.t.Helper()
	port := freePort(g.t)
	env := maps.Clone(o.apiEnv)
	if o.link != nil {
		if link := o.link(i, g.Git, g.host(ctx)); link != (Link{}) {
			env["GITSTORE_GIT_ADDRESS"], env["GITSTORE_EVENTS_URL"] = link.GRPC, eventsURL(link.Events)
		}
	}
	c := g.start(ctx, service{name: fmt.Sprintf("api-%d", i), image: o.api, env: env, ports: map[string]int{httpPort: port}})
	a := &API{c, loopback(port)}
	c.probe = a.URL() + "/readyz"
	g.apis = append(g.apis, a)
}

// host returns the address at which the containers reach this host.
func (g *GitStore) host(ctx context.Context) netip.Addr {
	g.t.Helper()
	inspected, err := g.docker.NetworkInspect(ctx, g.network.ID, client.NetworkInspectOptions{})
	if err != nil {
		g.t.Fatalf("inspect the network: %v", err)
	}
	for _, c := range inspected.Network.IPAM.Config {
		if c.Gateway.Is4() {
			return c.Gateway
		}
	}
	g.t.Fatalf("the network %s has no gateway with an IPv4 address", g.network.Name)
	return netip.Addr{}
}

func eventsURL(address string) string { return "ws://" + address + "/v1/events" }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
