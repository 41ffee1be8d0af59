package eventstest

import (
	"context"
	"testing"
	"time"

	"github.com/gitstore-dev/gitstore/ports"
)

// Harness is what the suite has to know of an implementation. Its functions may be called from several cases at once.
type Harness struct {
	// New returns an empty journal that keeps 20,000 events at least. It is closed by t.Cleanup, which is also where the
	// harness checks that nothing is left of it.
	New func(t testing.TB) ports.EventLog

	// Reopen ends the journal as a process would be stopped, and returns one over the same data. It is closed by t.Cleanup.
	Reopen func(t testing.TB, log ports.EventLog) ports.EventLog
	// NoReopen says why Reopen is nil. The cases that need it are skipped with this reason.
	NoReopen string

	// NewBounded returns an empty journal that keeps the last maxEvents events alone.
	NewBounded func(t testing.TB, maxEvents int) ports.EventLog
	// NoBounded says why NewBounded is nil.
	NoBounded string
}

// Run runs the suite. A single case is run by its name, as in
//
//	go test -run 'TestConformance/Reading/pages_of_every_size_make_the_whole'
func Run(t *testing.T, h Harness) {
	for _, c := range capabilities {
		t.Run(c.name, func(t *testing.T) {
			for _, tt := range c.cases {
				t.Run(tt.name, func(t *testing.T) {
					t.Parallel()
					tt.run(newCase(t, h))
				})
			}
		})
	}
}

// capability is a part of the port with the cases that hold it to its comments.
type capability struct {
	name  string
	cases []testCase
}

// testCase is one sentence of the port's comments, and how it is tried.
type testCase struct {
	name string
	run  func(*tc)
}

var capabilities = []capability{
	{"Appending", appendCases},
	{"Reading", readCases},
	{"Expired cursors", expiredCases},
	{"Waiting", waitCases},
	{"States", stateCases},
	{"Restarts", restartCases},
	{"Retention", retentionCases},
	{"Concurrency", concurrencyCases},
	{"Cancellation", cancellationCases},
}

// caseTimeout ends a case that hangs, so that it fails by its name.
const caseTimeout = 5 * time.Minute

// tc is one case at work.
type tc struct {
	*testing.T
	h   Harness
	ctx context.Context
}

func newCase(t *testing.T, h Harness) *tc {
	ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
	t.Cleanup(cancel)
	return &tc{T: t, h: h, ctx: ctx}
}

// open returns an empty journal.
func (c *tc) open() journal {
	c.Helper()
	return journal{c.h.New(c), c}
}

// bounded returns an empty journal that keeps few events. It skips the case if the harness has none.
func (c *tc) bounded(maxEvents int) journal {
	c.Helper()
	if c.h.NewBounded == nil {
		c.Skip("the harness has no bounded journal: " + c.h.NoBounded)
	}
	return journal{c.h.NewBounded(c, maxEvents), c}
}

// reopen stops the journal and starts it again. It skips the case if the harness cannot.
func (j journal) reopen() journal {
	j.c.Helper()
	if j.c.h.Reopen == nil {
		j.c.Skip("the harness cannot reopen: " + j.c.h.NoReopen)
	}
	return journal{j.c.h.Reopen(j.c, j.EventLog), j.c}
}
