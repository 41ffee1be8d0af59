package nats_test

import (
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/adapters/nats"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, opts nats.Options) *nats.Log {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	l, err := nats.Open(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	return l
}

// harness opens journals with options, in a directory each.
func harness(configure func(t testing.TB, opts *nats.Options)) eventstest.Harness {
	var opened sync.Map
	openWith := func(t testing.TB, opts nats.Options) ports.EventLog {
		l := open(t, opts)
		opened.Store(l, opts)
		return l
	}
	create := func(t testing.TB, maxEvents int) ports.EventLog {
		opts := nats.Options{MaxEvents: int64(maxEvents)}
		configure(t, &opts)
		return openWith(t, opts)
	}
	return eventstest.Harness{
		New:        func(t testing.TB) ports.EventLog { return create(t, 0) },
		NewBounded: create,
		Reopen: func(t testing.TB, log ports.EventLog) ports.EventLog {
			require.NoError(t, log.(*nats.Log).Close())
			opts, _ := opened.Load(log)
			return openWith(t, opts.(nats.Options))
		},
	}
}

func TestConformance(t *testing.T) {
	eventstest.Run(t, harness(func(t testing.TB, opts *nats.Options) { opts.Dir = t.TempDir() }))
}
