// Package eventmetrics tells Prometheus the figures of a hub of events, which both services have.
package eventmetrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitstore-dev/gitstore/app/eventhub"
)

var (
	subscribers  = prometheus.NewDesc("gitstore_event_subscribers", "Subscriptions to events that are under way.", nil, nil)
	events       = prometheus.NewDesc("gitstore_events_total", "Events that were told of.", nil, nil)
	historyReads = prometheus.NewDesc("gitstore_event_history_reads_total", "Pages of the journal read for subscribers that are behind what is in memory.", nil, nil)
	resyncs      = prometheus.NewDesc("gitstore_event_resyncs_total", "Subscribers that were told the present state, as their cursor led nowhere.", nil, nil)
)

// Describe sends the descriptions of what [Collect] sends.
func Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{subscribers, events, historyReads, resyncs} {
		descs <- d
	}
}

// Collect sends the figures.
func Collect(stats eventhub.Stats, metrics chan<- prometheus.Metric) {
	metrics <- prometheus.MustNewConstMetric(subscribers, prometheus.GaugeValue, float64(stats.Subscribers))
	metrics <- prometheus.MustNewConstMetric(events, prometheus.CounterValue, float64(stats.Events))
	metrics <- prometheus.MustNewConstMetric(historyReads, prometheus.CounterValue, float64(stats.HistoryReads))
	metrics <- prometheus.MustNewConstMetric(resyncs, prometheus.CounterValue, float64(stats.Resyncs))
}
