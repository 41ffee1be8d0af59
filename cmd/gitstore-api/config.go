package main

import (
	"fmt"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/adapters/ws"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/internal/config"
)

// settings are what an operator can say; docs/configuration.md has the same table.
type settings struct {
	HTTPListen string `name:"http-listen" group:"listen" type:"listen" default:"127.0.0.1:8080" help:"Where the API, its documentation, /healthz, /readyz and /metrics are served over HTTP."`
	GitAddress string `group:"git" type:"dial" default:"127.0.0.1:50051" help:"Where the git-service serves gRPC."`

	EventsURL         string        `name:"events-url" group:"events" default:"ws://127.0.0.1:8081/v1/events" help:"Where the git-service tells of changes over WebSocket."`
	EventsVerify      time.Duration `group:"events" default:"1m" min:"1s" max:"24h" help:"How often what was told is compared with the refs, as a safety net."`
	EventsOrigins     string        `group:"events" placeholder:"HOSTS" help:"Hosts of web pages that may subscribe over WebSocket besides those of the service's own host, such as *.example.com, separated by commas."`
	EventsConnections int           `group:"events" default:"5000" min:"1" max:"1000000" help:"Most clients at a time that are told of changes, over WebSocket and over Server-Sent Events each; more are refused."`
	EventsPerPeer     int           `group:"events" default:"64" min:"1" max:"1000000" help:"Most WebSocket connections from one IP address."`

	Catalogs         string `group:"catalog" placeholder:"TARGETS" help:"Repositories whose catalogs are kept in memory, separated by commas: a repository, or repository@view with the view head, head:BRANCH, live (the highest release) or live:prereleases."`
	CatalogsPastSize int64  `name:"catalogs-past-size" group:"catalog" type:"size" default:"128MiB" min:"1MiB" max:"1TiB" help:"Most memory of catalogs of earlier and other commits that are kept to be asked again, about, for what the present ones do not have."`

	MaxConnections   int           `group:"limits" default:"0" min:"0" max:"1000000" help:"Most HTTP connections at a time, those of subscribers included; more wait to be accepted. 0 is 4096 and twice --events-connections."`
	MaxBody          int64         `group:"limits" type:"size" default:"1GiB" min:"1KiB" max:"1TiB" help:"Largest body of a request that writes a file or a commit."`
	MaxActionContent int64         `group:"limits" type:"size" default:"64MiB" min:"1KiB" max:"1GiB" help:"Largest content of one action of a JSON commit, decoded."`
	MaxJSONMemory    int64         `name:"max-json-memory" group:"limits" type:"size" default:"0" min:"0" max:"1TiB" help:"Most memory that the JSON of all requests takes at a time, contents of actions decoded; what is more is refused. Requests of up to 1 MiB together may take twice as much. 0 is one and a half of --max-action-content, and 96MiB at least."`
	BodyIdleTimeout  time.Duration `group:"limits" default:"1m" min:"1s" max:"1h" help:"How long a client may take to send 64 KiB of its request, or what is left of it. To take as much of an answer it has twice that."`
	RequestTimeout   time.Duration `group:"limits" default:"1m" min:"1s" max:"1h" help:"How long a read of repositories and catalogs may take until its answer begins, and a query of GraphQL; git clients and watchers of events have their time."`

	config.Common
	targets []catalogs.Target
}

// HealthAddress is where /healthz and /readyz are served.
func (s *settings) HealthAddress() string { return s.HTTPListen }

// MemoryPercent leaves some for what Go does not count.
func (s *settings) MemoryPercent() int64 { return 90 }

// Validate checks what no single setting knows.
func (s *settings) Validate() (err error) {
	if _, err := ws.NewSubscriber(s.EventsURL, ws.SubscriberOptions{}); err != nil {
		return config.Wrong(err, "--events-url")
	}
	if _, err := ws.NewPublisher(nil, s.publisher()); err != nil {
		return config.Wrong(err, "--events-origins")
	}
	if s.targets, err = catalogs.ParseTargets(config.List(s.Catalogs)); err != nil {
		return config.Wrong(err, "--catalogs")
	}
	if least := s.MaxActionContent + 1<<20; s.MaxJSONMemory > 0 && s.MaxJSONMemory < least {
		return config.Wrong(fmt.Errorf("an action of --max-action-content would never fit: use %d at least, or 0", least), "--max-json-memory")
	}
	return nil
}

// connections is how many there may be at a time: by default all subscribers leave room for others.
func (s *settings) connections() int {
	if s.MaxConnections > 0 {
		return s.MaxConnections
	}
	return 4096 + 2*s.EventsConnections
}

func (s *settings) publisher() ws.PublisherOptions {
	return ws.PublisherOptions{
		OriginPatterns: config.List(s.EventsOrigins), MaxConnections: s.EventsConnections, MaxConnectionsPerPeer: s.EventsPerPeer,
	}
}

func (s *settings) api() httpapi.Options {
	return httpapi.Options{
		MaxBody:          s.MaxBody,
		MaxActionContent: s.MaxActionContent,
		MaxJSONMemory:    s.MaxJSONMemory,
		IdleTimeout:      s.BodyIdleTimeout,
		RequestTimeout:   s.RequestTimeout,
		MaxEventStreams:  int64(s.EventsConnections),
	}
}
