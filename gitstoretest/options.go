package gitstoretest

import (
	"cmp"
	"maps"
	"os"
)

// Option changes what [Run] starts.
type Option func(*options)

type options struct {
	replicas       int
	gitImage, api  string
	gitEnv, apiEnv map[string]string
	dataBytes      int64
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
			"GITSTORE_EVENTS_URL":  "ws://" + gitAlias + ":" + eventsPort + "/v1/events",
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

// WithDataSize puts the git-service's data into memory of that many bytes, for tests of a full disk. It is lost when the
// container stops. Without this option the data is in a volume.
func WithDataSize(bytes int64) Option { return func(o *options) { o.dataBytes = bytes } }
