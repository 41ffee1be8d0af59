package containers

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
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
	g := run(t, gitstoretest.WithReplicas(3))
	var replicas []*url.URL
	for _, a := range g.APIs() {
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
	defer balancer.Close()
	gitscript.Run(t, "../testdata/git", balancer.URL)
	for i := range asked {
		require.Greater(t, asked[i].Load(), int64(10), "replica %d", i)
	}
}
