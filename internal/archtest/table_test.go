package archtest

// row says what one package, or a tree of them, may import.
//
// A pattern is an import path; with /... at its end it covers the packages below as well. Packages of this module are
// written without the module's path. The longest pattern that matches a package decides for it.
type row struct {
	pattern string
	// pure packages do no I/O: see [impure].
	pure bool
	// allow lists what may be imported besides the standard library, and what of [restricted] may.
	allow []string
	// tests lists what _test files may import besides allow and [testLibraries].
	tests []string
}

// restricted are the packages of the standard library that a row has to name. Tests may import them all.
var restricted = []string{"C", "os/exec", "plugin", "unsafe"}

// impure are the packages of the standard library that the domain and its ports do without.
var impure = []string{
	"database/sql/...", "log/...", "net", "net/http/...", "net/rpc/...", "net/smtp", "os/...", "path/filepath",
	"runtime/...", "syscall/...",
}

var testLibraries = []string{
	"github.com/anishathalye/porcupine",
	"github.com/google/go-cmp/...",
	"github.com/stretchr/testify/...",
	"go.uber.org/goleak",
	"internal/testkit/...",
	"pgregory.net/rapid",
}

// adapterTests run the conformance suite, on one adapter or on several in a row.
var adapterTests = []string{"adapters/...", "app/...", "domain/...", "ports/..."}

var table = []row{
	{pattern: "domain/errs", pure: true},
	{pattern: "domain/git", pure: true, allow: []string{"domain/errs"}},
	{pattern: "domain/event", pure: true, allow: []string{"domain/errs", "domain/git"}},
	{pattern: "domain/page", pure: true, allow: []string{"domain/errs", "domain/git"}},
	{pattern: "domain/patch", pure: true, allow: []string{"znkr.io/diff/..."}},
	{pattern: "domain/pathrule", pure: true, allow: []string{"domain/errs", "domain/git", "golang.org/x/text/unicode/norm"}},
	{pattern: "domain/version", pure: true, allow: []string{"domain/errs", "domain/git", "github.com/Masterminds/semver/v3"}},
	{pattern: "domain/tree", pure: true, allow: []string{"domain/errs", "domain/git"}},
	{pattern: "domain/history", pure: true, allow: []string{"domain/errs", "domain/git", "domain/tree"}},
	{
		pattern: "domain/catalog", pure: true,
		allow: []string{
			"domain/errs", "domain/git", "internal/panics", "github.com/santhosh-tekuri/jsonschema/v6/...", "github.com/tidwall/btree", "go.yaml.in/yaml/v3", "golang.org/x/text/...",
		},
	},
	{pattern: "domain/repository", pure: true, allow: []string{"domain/..."}},

	{pattern: "ports", pure: true, allow: []string{"domain/..."}},
	{
		pattern: "ports/gitrepotest", pure: true,
		allow: []string{"domain/...", "internal/pktline", "ports", "github.com/google/go-cmp/..."},
		tests: []string{"ports/gitrepotest/memrepo"},
	},
	{
		pattern: "ports/gitrepotest/memrepo", pure: true,
		allow: []string{"domain/...", "ports"},
		tests: []string{"ports/gitrepotest"},
	},
	{pattern: "ports/eventstest", pure: true, allow: []string{"domain/...", "ports", "github.com/google/go-cmp/..."}},
	{
		pattern: "ports/eventstest/memlog", pure: true,
		allow: []string{"domain/...", "ports"},
		tests: []string{"ports/eventstest"},
	},

	{pattern: "app/eventhub", allow: []string{"domain/...", "ports"}, tests: adapterTests},
	{
		pattern: "app/catalogs",
		allow:   []string{"domain/...", "ports"},
		tests:   []string{"app/eventhub", "ports/..."},
	},
	{
		pattern: "app/markdown", pure: true,
		allow: []string{"github.com/microcosm-cc/bluemonday", "github.com/yuin/goldmark/..."},
	},
	{
		pattern: "app/journal",
		allow:   []string{"domain/...", "ports"},
		tests:   adapterTests,
	},

	{
		pattern: "adapters/gitcli",
		allow: []string{
			"adapters/gitcli/...", "domain/...", "internal/failpoint", "internal/panics", "internal/pktline", "internal/requestid", "ports",
			"github.com/maypok86/otter/v2", "github.com/tidwall/btree", "golang.org/x/sync/...", "golang.org/x/sys/unix",
		},
		tests: adapterTests,
	},
	{
		pattern: "adapters/gitcli/...",
		allow: []string{
			"adapters/gitcli/command", "adapters/gitcli/disk", "domain/...",
			"golang.org/x/sync/...", "golang.org/x/sys/unix",
		},
	},
	{
		pattern: "adapters/gitcli/disk",
		allow:   []string{"domain/errs", "internal/failpoint", "golang.org/x/sys/unix"},
		tests:   []string{"golang.org/x/sync/errgroup"},
	},
	{pattern: "adapters/gitcli/command", allow: []string{"adapters/gitcli/disk", "domain/...", "internal/panics", "internal/pktline", "golang.org/x/sys/unix", "os/exec"}},
	{
		pattern: "adapters/gitcli/packfile",
		allow: []string{
			"adapters/gitcli/disk", "domain/...", "internal/failpoint", "github.com/klauspost/compress/zlib", "github.com/pjbgf/sha1cd",
		},
		tests: []string{"adapters/gitcli/command"},
	},

	{
		pattern: "adapters/grpc/wire",
		allow: []string{
			"contracts/gen/...", "domain/...", "ports",
			"google.golang.org/genproto/googleapis/rpc/...", "google.golang.org/grpc/...", "google.golang.org/protobuf/...",
		},
	},
	{
		pattern: "adapters/grpc/gitserver",
		allow: []string{
			"adapters/grpc/wire", "contracts/gen/...", "domain/...", "internal/budget", "internal/requestid", "ports",
			"github.com/grpc-ecosystem/go-grpc-middleware/v2/...", "github.com/prometheus/client_golang/prometheus/...",
			"golang.org/x/net/netutil",
			"google.golang.org/grpc/...", "google.golang.org/protobuf/...",
		},
		tests: append([]string{"golang.org/x/net/http2/...", "google.golang.org/genproto/googleapis/rpc/errdetails"}, adapterTests...),
	},
	{
		pattern: "adapters/grpc/gitclient",
		allow: []string{
			"adapters/grpc/wire", "contracts/gen/...", "domain/...", "internal/requestid", "ports",
			"google.golang.org/grpc/...", "google.golang.org/protobuf/...",
		},
		tests: adapterTests,
	},
	{
		pattern: "adapters/httpapi",
		allow: []string{
			"adapters/httpapi/graphqlapi", "app/catalogs", "app/markdown", "domain/...", "internal/budget", "internal/pktline", "internal/requestid", "ports",
			"github.com/danielgtaylor/huma/v2/...", "github.com/go-json-experiment/json/...",
			"github.com/prometheus/client_golang/prometheus/...",
		},
		tests: append([]string{"app/eventhub", "github.com/coder/websocket"}, adapterTests...),
	},
	{
		pattern: "adapters/httpapi/graphqlapi",
		allow: []string{
			"app/catalogs", "app/markdown", "domain/...", "ports", "github.com/99designs/gqlgen/graphql/...", "github.com/vektah/gqlparser/v2/...",
		},
		tests: adapterTests,
	},

	{
		pattern: "adapters/nats",
		allow: []string{
			"domain/...", "ports",
			"github.com/nats-io/nats-server/v2/server", "github.com/nats-io/nats.go/...",
		},
		tests: adapterTests,
	},

	{
		pattern: "adapters/ws",
		allow:   []string{"domain/...", "internal/requestid", "ports", "github.com/coder/websocket"},
		tests:   adapterTests,
	},

	{
		pattern: "contracts/gen/...",
		allow:   []string{"contracts/gen/...", "google.golang.org/grpc/...", "google.golang.org/protobuf/...", "unsafe"},
	},

	{
		pattern: "cmd/gitstore-api",
		allow: []string{
			"adapters/grpc/gitclient", "adapters/httpapi", "adapters/ws", "app/catalogs", "app/eventhub", "cmd/internal/...", "domain/...",
			"internal/buildinfo", "internal/config", "internal/requestid", "internal/telemetry", "ports",
			"github.com/prometheus/client_golang/prometheus/...", "go.uber.org/fx/...", "golang.org/x/net/netutil", "google.golang.org/grpc/...",
		},
		tests: append([]string{"internal/config/configtest"}, adapterTests...),
	},
	{
		pattern: "cmd/gitstore-git-service",
		allow: []string{
			"adapters/gitcli", "adapters/grpc/gitserver", "adapters/nats", "adapters/ws", "app/catalogs", "app/eventhub", "app/journal", "cmd/internal/...", "domain/...",
			"internal/buildinfo", "internal/config", "internal/requestid", "internal/telemetry", "ports",
			"github.com/prometheus/client_golang/prometheus/...", "go.uber.org/fx/...", "google.golang.org/grpc/...",
		},
		tests: append([]string{"internal/config/configtest"}, adapterTests...),
	},

	{pattern: "cmd/internal/eventmetrics", allow: []string{"app/eventhub", "github.com/prometheus/client_golang/prometheus"}},
	{
		pattern: "cmd/internal/service",
		allow:   []string{"internal/buildinfo", "internal/config", "internal/telemetry", "go.uber.org/fx/..."},
	},

	{pattern: "internal/archtest"},
	{pattern: "internal/budget", pure: true, allow: []string{"domain/errs"}},
	{pattern: "internal/buildinfo"},
	{pattern: "internal/config", allow: []string{"github.com/alecthomas/kong", "go.yaml.in/yaml/v3"}},
	{pattern: "internal/config/configtest", allow: []string{"internal/config"}},
	{pattern: "internal/failpoint"},
	{pattern: "internal/panics"},
	{pattern: "internal/pktline", pure: true},
	{pattern: "internal/requestid"},
	{
		pattern: "internal/telemetry",
		allow: []string{
			"domain/...", "internal/buildinfo", "internal/requestid", "ports",
			"github.com/prometheus/client_golang/...", "google.golang.org/grpc/...",
		},
	},
	{pattern: "internal/testkit/...", allow: []string{"domain/...", "ports", "os/exec", "go.uber.org/goleak"}},
	{pattern: "internal/testkit/browser", allow: []string{"os/exec", "github.com/chromedp/cdproto/...", "github.com/chromedp/chromedp/..."}},
	{pattern: "internal/testkit/catalogoracle", allow: []string{"domain/...", "go.yaml.in/yaml/v3", "golang.org/x/text/..."}},
	{pattern: "internal/testkit/catalogrand", allow: []string{"domain/...", "go.yaml.in/yaml/v3", "pgregory.net/rapid"}},
	{pattern: "internal/testkit/gitscript", allow: []string{"internal/testkit/program", "github.com/rogpeppe/go-internal/testscript"}},
	{pattern: "internal/testkit/procstat", allow: []string{"github.com/prometheus/procfs"}},

	{
		pattern: "bench",
		allow: []string{
			"adapters/...", "app/...", "contracts/gen/gitstore/...", "domain/...", "internal/pktline", "internal/testkit/...", "ports/...", "os/exec",
			"golang.org/x/net/http2/...", "golang.org/x/sys/unix", "google.golang.org/genproto/googleapis/rpc/status", "google.golang.org/grpc/...",
			"google.golang.org/protobuf/...",
		},
	},
	{pattern: "scripts/graphqlbreaking", allow: []string{"github.com/vektah/gqlparser/v2/..."}},
	{pattern: "scripts/openapi", allow: []string{"adapters/httpapi", "app/catalogs", "ports"}},
	{pattern: "scripts/run", allow: []string{"os/exec"}}, // it starts the services
	{
		// It cuts the power of a file system.
		pattern: "e2e",
		tests:   []string{"github.com/rogpeppe/go-internal/testscript", "golang.org/x/sys/unix", "internal/pktline"},
	},
	{
		pattern: "e2e/failpoints",
		tests: []string{
			"adapters/grpc/gitclient", "adapters/httpapi", "domain/...", "internal/failpoint", "ports",
			"golang.org/x/sync/errgroup", "google.golang.org/genproto/googleapis/rpc/errdetails", "google.golang.org/grpc/...",
		},
	},
	{
		pattern: "e2e/containers",
		tests: []string{
			"adapters/...", "domain/...", "gitstoretest", "ports/...",
			"github.com/google/uuid", "github.com/moby/moby/...", "github.com/testcontainers/testcontainers-go/...",
		},
	},
	{
		pattern: "gitstoretest",
		allow: []string{
			"adapters/grpc/gitclient", "github.com/google/uuid", "github.com/moby/moby/...",
			"github.com/testcontainers/testcontainers-go/...",
		},
	},
}
