package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
)

// batches are the metrics of what writes share, and of what it takes.
type batches struct {
	writes                          prometheus.Observer
	wait, plan, objects, refs, told prometheus.Observer
}

func newBatches(reg prometheus.Registerer) *batches {
	f := promauto.With(reg)
	step := f.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "gitstore_write_batch_seconds",
		Help:    "Time that a batch of writes to one repository took, by step.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"step"})
	return &batches{
		writes: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "gitstore_write_batch_writes",
			Help:    "Writes that share a batch, and so one transaction of refs.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9), // 256 share one at most
		}),
		wait: step.WithLabelValues("wait"), plan: step.WithLabelValues("plan"), objects: step.WithLabelValues("objects"),
		refs: step.WithLabelValues("refs"), told: step.WithLabelValues("events"),
	}
}

// observe is for [gitcli.Options.Batched].
func (b *batches) observe(made gitcli.Batch) {
	b.writes.Observe(float64(made.Writes))
	b.wait.Observe(made.Wait.Seconds())
	b.plan.Observe(made.Plan.Seconds())
	b.objects.Observe(made.Store.Seconds())
	if made.Move > 0 {
		b.refs.Observe(made.Move.Seconds())
	}
	if made.Tell > 0 {
		b.told.Observe(made.Tell.Seconds())
	}
}
