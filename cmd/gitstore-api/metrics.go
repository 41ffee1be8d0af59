package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitstore-dev/gitstore/cmd/internal/eventmetrics"
)

var (
	oldestDesc = prometheus.NewDesc("gitstore_catalog_oldest_seconds", "How long ago the catalog that is behind most was last known to be that of its repository.", nil, nil)
	pastDesc   = prometheus.NewDesc("gitstore_catalogs_past", "Catalogs of commits that are not followed which are kept to be asked again.", nil, nil)
	sizeDesc   = prometheus.NewDesc("gitstore_catalogs_past_bytes", "About the memory of these for what the present catalogs do not have.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (f *following) Describe(descs chan<- *prometheus.Desc) {
	eventmetrics.Describe(descs)
	descs <- oldestDesc
	descs <- pastDesc
	descs <- sizeDesc
}

// Collect implements [prometheus.Collector]. Repositories are no labels: there may be very many.
func (f *following) Collect(metrics chan<- prometheus.Metric) {
	eventmetrics.Collect(f.hub.Stats(), metrics)
	var oldest time.Duration
	for _, s := range f.catalogs.Statuses() {
		oldest = max(oldest, s.Age(time.Now()))
	}
	metrics <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, oldest.Seconds())
	n, weight := f.catalogs.Past()
	metrics <- prometheus.MustNewConstMetric(pastDesc, prometheus.GaugeValue, float64(n))
	metrics <- prometheus.MustNewConstMetric(sizeDesc, prometheus.GaugeValue, float64(weight))
}
