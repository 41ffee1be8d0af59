package main

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/nats"
	"github.com/gitstore-dev/gitstore/adapters/ws"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/internal/config"
	"github.com/gitstore-dev/gitstore/ports"
)

// settings are what an operator can say; docs/configuration.md has the same table.
type settings struct {
	DataDir string `placeholder:"DIR" help:"Directory of the repositories, needed. It is created if there is none, and belongs to one process alone."`

	GRPCListen   string `name:"grpc-listen" group:"listen" type:"listen" default:"127.0.0.1:50051" help:"Where gRPC is served."`
	EventsListen string `name:"events-listen" group:"listen" type:"listen" default:"127.0.0.1:8081" help:"Where events over WebSocket at /v1/events, /healthz, /readyz and /metrics are served over HTTP."`
	Reflection   bool   `group:"listen" default:"false" help:"Serve gRPC reflection, for tools such as grpcurl."`

	GitPath       string `group:"git" default:"git" help:"The git binary: a path, or a name to look up in PATH."`
	IdentityName  string `group:"git" default:"GitStore" help:"Name of the author or tagger where a request names none."`
	IdentityEmail string `group:"git" default:"gitstore@localhost" help:"Email address of that author or tagger."`

	PushValidation         string        `group:"pushes" default:"off" enum:"off,warn,enforce" help:"What becomes of a push after which something would be wrong with the catalog that is not now: it is taken without a look, taken with a warning, or refused."`
	PushValidationBranches string        `group:"pushes" placeholder:"BRANCHES" help:"Branches whose pushes are validated, separated by commas: names, folders of names, or globs such as release/*. Without it all are, and release tags always."`
	PushValidationTimeout  time.Duration `group:"pushes" default:"30s" min:"1s" max:"5m" help:"How long the validation of a push may take, its wait for others included."`
	PushLinks              bool          `group:"pushes" default:"false" help:"Take pushes with symbolic links and submodules. Without it they are refused."`
	PushOptions            string        `group:"pushes" placeholder:"NAMES" help:"Push options (git push --push-option=NAME or NAME=VALUE) that are taken, by name, separated by commas. Others are refused."`
	PushValidationMaxSize  int64         `group:"pushes" type:"size" default:"64MiB" min:"1MiB" max:"16GiB" help:"Largest catalog that pushes are validated for: its documents together, with 1 KiB more for each."`
	ProtectedBranches      string        `group:"pushes" placeholder:"BRANCHES" help:"Branches that are neither deleted nor drop commits, whoever writes, separated by commas."`
	ImmutableReleases      bool          `group:"pushes" default:"false" help:"Keep tags that are Semantic Versions from being moved, deleted, or made again under another name, whoever writes."`

	MaxConnections       int           `group:"limits" default:"1024" min:"14" max:"100000" help:"Most gRPC connections at a time, of which each API takes up to seven, and as many more while they are replaced; more wait to be accepted."`
	MaxRequestMemory     int64         `name:"max-request-memory" group:"limits" type:"size" default:"1GiB" min:"128MiB" max:"1TiB" help:"Most memory that requests take at a time, those that wait and what commits collect included; what is more is refused. Requests of up to 64 KiB together may take twice as much."`
	MinFreeSpace         int64         `group:"limits" type:"size" default:"256MiB" min:"0" max:"1TiB" help:"Space on the disk that writes leave free: with less they are refused, but for the deletion of branches, tags and repositories, and reads go on."`
	MaxFileSize          int64         `group:"limits" type:"size" default:"1GiB" min:"1KiB" max:"1TiB" help:"Largest file that is taken."`
	MaxPushSize          int64         `group:"limits" type:"size" default:"1GiB" min:"1KiB" max:"1TiB" help:"Largest pack of a push, as it is sent."`
	MaxPushObjects       int64         `group:"limits" default:"1000000" min:"1" max:"1000000000" help:"Most objects of a push."`
	GitMemory            int64         `group:"limits" type:"size" default:"1GiB" min:"256MiB" max:"1TiB" help:"Most memory of a git process that takes in a push or serves a fetch, beside the files that it maps."`
	CacheSize            int64         `group:"limits" type:"size" default:"128MiB" min:"1MiB" max:"1TiB" help:"Memory for objects that were read or written lately."`
	GitProcesses         int           `group:"limits" default:"64" min:"2" max:"4096" help:"Most git processes that serve reads, of all repositories together, and most that wait for writes."`
	GitIdleTimeout       time.Duration `group:"limits" default:"5m" min:"1s" max:"24h" help:"How long such a process is kept with nothing to do."`
	MaxReads             int           `group:"limits" default:"256" min:"1" max:"100000" help:"Most look-ups at work at a time, and most reads of single objects; twice as many of each wait."`
	MaxHeavyReads        int           `group:"limits" default:"128" min:"1" max:"100000" help:"Most listings, histories, diffs and streamed files under way at a time; twice as many wait."`
	MaxHeavyWork         int           `group:"limits" default:"0" min:"0" max:"100000" help:"Most of those that are at work at a time, without those that take long or whose clients take nothing; 0 is eight for each core. --max-heavy-reads counts if it is lower."`
	MaxWrites            int           `group:"limits" default:"256" min:"1" max:"100000" help:"Most writes at work at a time; twice as many wait."`
	MaxWriteRepositories int           `group:"limits" default:"0" min:"0" max:"100000" help:"Repositories that are written to at a time, those aside whose clients are to send more first; 0 is four for each core."`
	MaxPacks             int           `group:"limits" default:"8" min:"1" max:"1000" help:"Most packs of clones, fetches and pushes at work at a time; eight times as many wait."`
	MinTransferRate      int64         `group:"limits" type:"size" default:"64KiB" min:"0" max:"1GiB" help:"Bytes that the client of a clone, fetch or push, of a commit that comes in parts or of a read of much at a time has to take or send each second if others wait for its place; 0 lets all keep their places."`
	RepositoryShare      int           `group:"limits" default:"50" min:"1" max:"100" help:"Most of each of these limits, in percent, that the calls of one repository take."`
	QueueWait            time.Duration `group:"limits" default:"1s" min:"1ms" max:"5m" help:"How long a call waits for its turn before it is refused; one of a git client at least 2m."`

	NATSURL           string        `name:"nats-url" group:"events" placeholder:"URL" help:"External NATS servers with JetStream that keep the journal of changes, such as nats://host:4222, separated by commas. Without it the journal lies in the data directory."`
	NATSCredentials   string        `name:"nats-credentials" group:"events" placeholder:"FILE" help:"File with the credentials for the external NATS servers."`
	NATSStream        string        `name:"nats-stream" group:"events" default:"gitstore" help:"How the names of the journal's streams begin, in letters, digits, - and _; services that share NATS servers need names of their own."`
	EventsMaxAge      time.Duration `group:"events" default:"168h" min:"1m" max:"8760h" help:"How long events are kept."`
	EventsMaxSize     int64         `group:"events" type:"size" default:"1GiB" min:"1MiB" max:"1TiB" help:"Most disk that events take; the oldest go first."`
	EventsMaxCount    int           `group:"events" default:"1000000" min:"100" max:"1000000000" help:"Most events that are kept; the oldest go first."`
	EventsOrigins     string        `group:"events" placeholder:"HOSTS" help:"Hosts of web pages that may subscribe besides those of the service's own host, such as *.example.com, separated by commas."`
	EventsConnections int           `group:"events" default:"5000" min:"1" max:"1000000" help:"Most subscribers at a time, over WebSocket and over gRPC each; more are refused."`
	EventsPerPeer     int           `group:"events" default:"64" min:"1" max:"1000000" help:"Most WebSocket connections from one IP address."`

	config.Common
}

// HealthAddress is where /healthz and /readyz are served.
func (s *settings) HealthAddress() string { return s.EventsListen }

// MemoryPercent leaves half to the processes of git.
func (s *settings) MemoryPercent() int64 { return 50 }

// Validate checks what no single setting knows.
func (s *settings) Validate() error {
	if s.DataDir == "" {
		return config.Wrong(errors.New("a directory is needed: give the flag, GITSTORE_DATA_DIR, or data_dir in the settings file"), "--data-dir")
	}
	identity := s.identity()
	identity.When = time.Now()
	if err := identity.Validate("identity"); err != nil {
		return config.Wrong(err, "--identity-name", "--identity-email")
	}
	policy, err := s.policy()
	if err != nil {
		return config.Wrong(err, policyFlags[errs.From(err).Meta[errs.MetaField]])
	}
	if err := policy.ValidatedBranches.Check(); err != nil {
		return config.Wrong(err, "--push-validation-branches")
	}
	if err := policy.ProtectedBranches.Check(); err != nil {
		return config.Wrong(err, "--protected-branches")
	}
	if err := s.journal().Check(); err != nil {
		return config.Wrong(err, "--nats-"+errs.From(err).Meta[errs.MetaField])
	}
	_, err = ws.NewPublisher(nil, s.publisher())
	return config.Wrong(err, "--events-origins")
}

// policyFlags are the flags of the fields of a policy that may be wrong.
var policyFlags = map[string]string{
	"validation": "--push-validation", "validated_branches": "--push-validation-branches", "protected_branches": "--protected-branches",
}

// policy is what repositories hold writers to that have no policy of their own.
func (s *settings) policy() (ports.Policy, error) {
	return repository.PolicySpec{
		Validation: s.PushValidation, ValidatedBranches: config.List(s.PushValidationBranches), ProtectedBranches: config.List(s.ProtectedBranches),
		ImmutableReleases: s.ImmutableReleases, Links: s.PushLinks,
	}.Parse()
}

func (s *settings) identity() git.Signature {
	return git.Signature{Name: s.IdentityName, Email: s.IdentityEmail}
}

func (s *settings) journal() nats.Options {
	return nats.Options{
		Dir: filepath.Join(s.DataDir, "journal"), URL: s.NATSURL, Credentials: s.NATSCredentials, Stream: s.NATSStream,
		MaxAge: s.EventsMaxAge, MaxBytes: s.EventsMaxSize, MaxEvents: int64(s.EventsMaxCount),
	}
}

func (s *settings) publisher() ws.PublisherOptions {
	return ws.PublisherOptions{
		OriginPatterns: config.List(s.EventsOrigins), MaxConnections: s.EventsConnections, MaxConnectionsPerPeer: s.EventsPerPeer,
	}
}

// waitingPerCall is more than one call has reads that wait for a process: a stream reads a few batches ahead.
const waitingPerCall = 8

func (s *settings) limits() gitserver.Limits {
	rate := s.MinTransferRate
	if rate == 0 {
		rate = -1
	}
	return gitserver.Limits{
		MinTransferRate: rate,
		Reads:           s.MaxReads, HeavyReads: s.MaxHeavyReads, HeavyWork: s.MaxHeavyWork, Writes: s.MaxWrites, WriteRepositories: s.MaxWriteRepositories, Packs: s.MaxPacks,
		RepositoryShare: s.RepositoryShare, QueueWait: s.QueueWait,
	}
}

func (s *settings) store() gitcli.Options {
	opts := gitcli.Options{
		Dir:            s.DataDir,
		GitPath:        s.GitPath,
		Identity:       s.identity(),
		CacheBytes:     s.CacheSize,
		MinFreeSpace:   s.MinFreeSpace,
		MaxFileSize:    s.MaxFileSize,
		MaxPushSize:    s.MaxPushSize,
		MaxPushObjects: s.MaxPushObjects,
		GitMemory:      s.GitMemory,
		// The calls that were admitted find room in the store.
		MaxQueuedWrites:   s.MaxWrites + s.MaxPacks,
		ValidationTimeout: s.PushValidationTimeout,
		PushOptions:       config.List(s.PushOptions),
	}
	opts.Policy, _ = s.policy() // Validate has seen it
	opts.Processes.MaxProcesses, opts.MaxRefProcesses = s.GitProcesses, s.GitProcesses
	opts.Processes.MaxWaiting = waitingPerCall * (2*s.MaxReads + s.MaxHeavyReads + s.MaxWrites + s.MaxPacks)
	opts.Processes.IdleTimeout = s.GitIdleTimeout
	opts.Processes.RepositoryShare = s.RepositoryShare
	return opts
}
