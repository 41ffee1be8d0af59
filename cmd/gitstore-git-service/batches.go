package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
)

// batches are the metrics of what writes share, and of what it takes.
type batches struct {
	writes prometheus.Observer
	steps  [len(gitcli.Batch{}.Took)]prometheus.Observer
}

func newBatches(reg prometheus.Registerer) *batches {
	f := promauto.With(reg)
	seconds := f.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "gitstore_write_batch_seconds",
		Help:    "Time that a batch of writes to one repository took, by step.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"step"})
	b := &batches{writes: f.NewHistogram(prometheus.HistogramOpts{
		Name:    "gitstore_write_batch_writes",
		Help:    "Writes that share a batch, and so one transaction of refs.",
		Buckets: prometheus.ExponentialBuckets(1, 2, 9), // 256 share one at most
	})}
	for step := range b.steps {
		b.steps[step] = seconds.WithLabelValues(gitcli.Step(step).String())
	}
	return b
}

// observe is for [gitcli.Options.Batched].
func (b *batches) observe(made gitcli.Batch) {
	if made.Writes > 0 {
		b.writes.Observe(float64(made.Writes))
	}
	for step, took := range made.Took {
		if took > 0 {
			b.steps[step].Observe(took.Seconds())
		}
	}
}
