package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitstore-dev/gitstore/cmd/internal/eventmetrics"
)

var oldestDesc = prometheus.NewDesc("gitstore_catalog_oldest_seconds", "How long ago the catalog that is behind most was last known to be that of its repository.", nil, nil)

// Describe implements [prometheus.Collector].
func (f *following) Describe(descs chan<- *prometheus.Desc) {
	eventmetrics.Describe(descs)
	descs <- oldestDesc
}

// Collect implements [prometheus.Collector]. Repositories are no labels: there may be very many.
func (f *following) Collect(metrics chan<- prometheus.Metric) {
	eventmetrics.Collect(f.hub.Stats(), metrics)
	var oldest time.Duration
	for _, s := range f.catalogs.Statuses() {
		oldest = max(oldest, s.Age(time.Now()))
	}
	metrics <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, oldest.Seconds())
}
