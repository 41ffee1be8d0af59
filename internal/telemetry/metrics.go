package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gitstore-dev/gitstore/internal/buildinfo"
)

// NewRegistry returns a registry with the metrics of the Go runtime, of the process and of the build.
func NewRegistry(build buildinfo.Info) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
		Name: "gitstore_build_info",
		Help: "1, labelled with what the service was built from.",
	}, []string{"version", "commit", "go_version"}).WithLabelValues(build.Version, build.Commit, build.GoVersion).Set(1)
	return reg
}

// MetricsHandler serves what the registry holds, in the format that the scraper asks for.
func MetricsHandler(reg *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg, EnableOpenMetrics: true})
}
