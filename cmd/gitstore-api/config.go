package main

import (
	"time"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/internal/config"
)

// settings are what an operator can say; docs/configuration.md has the same table.
type settings struct {
	HTTPListen string `name:"http-listen" group:"listen" type:"listen" default:"127.0.0.1:8080" help:"Where the API, its documentation, /healthz, /readyz and /metrics are served over HTTP."`
	GitAddress string `group:"git" type:"dial" default:"127.0.0.1:50051" help:"Where the git-service serves gRPC."`

	MaxBody          int64         `group:"limits" type:"size" default:"1GiB" min:"1KiB" max:"1TiB" help:"Largest body of a request that writes a file or a commit."`
	MaxActionContent int64         `group:"limits" type:"size" default:"64MiB" min:"1KiB" max:"1GiB" help:"Largest content of one action of a JSON commit, decoded."`
	BodyIdleTimeout  time.Duration `group:"limits" default:"1m" min:"1s" max:"1h" help:"How long a client may neither send a byte of its request nor take one of the answer."`

	config.Common
}

func (s *settings) api() httpapi.Options {
	return httpapi.Options{
		MaxBody:          s.MaxBody,
		MaxActionContent: s.MaxActionContent,
		IdleTimeout:      s.BodyIdleTimeout,
	}
}
