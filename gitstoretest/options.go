package gitstoretest

import (
	"cmp"
	"maps"
	"net/netip"
	"os"
)

// Option changes what [Run] starts.
type Option func(*options)

type options struct {
	replicas       int
	gitImage, api  string
	gitEnv, apiEnv map[string]string
	dataBytes      int64
	link           func(replica int, git *GitService, host netip.Addr) Link
}

func newOptions(opts []Option) options {
	tag := cmp.Or(os.Getenv("GITSTORE_IMAGE_TAG"), "dev")
	o := options{
		gitImage: "gitstore-git-service:" + tag,
		api:      "gitstore-api:" + tag,
		gitEnv: map[string]string{
			"GITSTORE_GRPC_LISTEN": "0.0.0.0:" + grpcPort, "GITSTORE_EVENTS_LISTEN": "0.0.0.0:" + eventsPort,
			"GITSTORE_DATA_DIR": dataDir,
		},
		apiEnv: map[string]string{
			"GITSTORE_HTTP_LISTEN": "0.0.0.0:" + httpPort,
			"GITSTORE_GIT_ADDRESS": gitAlias + ":" + grpcPort,
			"GITSTORE_EVENTS_URL":  eventsURL(gitAlias + ":" + eventsPort),
		},
	}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithReplicas adds n replicas of the API. Without it there is none.
func WithReplicas(n int) Option { return func(o *options) { o.replicas = n } }

// WithImages names other images than the default ones.
func WithImages(gitService, api string) Option {
	return func(o *options) { o.gitImage, o.api = gitService, api }
}

// WithGitServiceEnv adds settings of the git-service: see docs/configuration.md.
func WithGitServiceEnv(env map[string]string) Option {
	return func(o *options) { maps.Copy(o.gitEnv, env) }
}

// WithAPIEnv adds settings of each API replica: see docs/configuration.md.
func WithAPIEnv(env map[string]string) Option {
	return func(o *options) { maps.Copy(o.apiEnv, env) }
}

// WithDataSize gives the git-service a volume of that many bytes in memory, for tests of a full disk. GITSTORE_MIN_FREE_SPACE
// says how many of them writes leave free, if it is to be less than its default. The volume's content lives
// until the test ends, as that of the volume which the git-service has without this option. A container of the
// git-service's image that sleeps keeps it.
func WithDataSize(bytes int64) Option { return func(o *options) { o.dataBytes = bytes } }

// Link is where a replica of the API reaches the git-service: a host and port for gRPC, and one for events.
type Link struct {
	GRPC, Events string
}

// WithLinks puts something of the test between the replicas and the git-service, such as a proxy that loses bytes. link is
// called before each replica starts, while the git-service is there, with the address at which containers reach this
// host. A zero Link leaves the replica the network that all share.
//
// It needs a Docker Engine on the same host, and that no firewall keeps containers from the gateway of their network.
func WithLinks(link func(replica int, git *GitService, host netip.Addr) Link) Option {
	return func(o *options) { o.link = link }
}
