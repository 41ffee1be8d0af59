package containers

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/gitstoretest"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitscript"
)

// TestGitClientsThroughAnyReplica runs the scripts of git clients with each request, also of one clone or push, at another
// replica.
func TestGitClientsThroughAnyReplica(t *testing.T) {
	for dir, env := range gitscript.Dirs {
		t.Run(dir, func(t *testing.T) {
			g := run(t, gitstoretest.WithReplicas(3), gitstoretest.WithGitServiceEnv(env))
			balancer, asked := balance(t, g.APIs())
			gitscript.Run(t, filepath.Join("..", "testdata", dir), balancer)
			for i := range asked {
				require.Positive(t, asked[i].Load(), "replica %d", i)
			}
		})
	}
}

// balance returns the URL of a proxy that sends each request to the next replica, and counts those of each.
func balance(t *testing.T, apis []*gitstoretest.API) (string, []atomic.Int64) {
	var replicas []*url.URL
	for _, a := range apis {
		replica, err := url.Parse(a.URL())
		require.NoError(t, err)
		replicas = append(replicas, replica)
	}
	asked := make([]atomic.Int64, len(replicas))
	var next atomic.Int64
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			i := int(next.Add(1)) % len(replicas)
			asked[i].Add(1)
			r.SetURL(replicas[i])
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				t.Errorf("%s %s does not reach its replica: %v", r.Method, r.URL.Path, err)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Else net/http closes the request's body when the answer begins, which may be before the proxy has seen its end.
		assert.NoError(t, http.NewResponseController(w).EnableFullDuplex())
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(balancer.Close)
	return balancer.URL, asked
}
