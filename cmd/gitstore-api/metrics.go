package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	subscribersDesc  = prometheus.NewDesc("gitstore_event_subscribers", "Subscriptions to events that are under way.", nil, nil)
	eventsDesc       = prometheus.NewDesc("gitstore_events_total", "Events that were told of.", nil, nil)
	historyReadsDesc = prometheus.NewDesc("gitstore_event_history_reads_total", "Pages of the journal read for subscribers that are behind what is in memory.", nil, nil)
	resyncsDesc      = prometheus.NewDesc("gitstore_event_resyncs_total", "Subscribers that were told the present state, as their cursor led nowhere.", nil, nil)
	staleDesc        = prometheus.NewDesc("gitstore_catalog_oldest_seconds", "How long ago the catalog that is behind most was last known to be that of its repository.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (f *following) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{subscribersDesc, eventsDesc, historyReadsDesc, resyncsDesc, staleDesc} {
		descs <- d
	}
}

// Collect implements [prometheus.Collector]. Repositories are no labels: there may be very many.
func (f *following) Collect(metrics chan<- prometheus.Metric) {
	stats := f.hub.Stats()
	metrics <- prometheus.MustNewConstMetric(subscribersDesc, prometheus.GaugeValue, float64(stats.Subscribers))
	metrics <- prometheus.MustNewConstMetric(eventsDesc, prometheus.CounterValue, float64(stats.Events))
	metrics <- prometheus.MustNewConstMetric(historyReadsDesc, prometheus.CounterValue, float64(stats.HistoryReads))
	metrics <- prometheus.MustNewConstMetric(resyncsDesc, prometheus.CounterValue, float64(stats.Resyncs))
	var oldest time.Duration
	for _, s := range f.catalogs.Statuses() {
		oldest = max(oldest, s.Age(time.Now()))
	}
	metrics <- prometheus.MustNewConstMetric(staleDesc, prometheus.GaugeValue, oldest.Seconds())
}
