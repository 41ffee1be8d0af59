package memlog_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	eventstest.Run(t, eventstest.Harness{
		New:        func(testing.TB) ports.EventLog { return memlog.New() },
		NewBounded: func(_ testing.TB, maxEvents int) ports.EventLog { return memlog.NewBounded(maxEvents) },
		// All that a process would keep is in the log itself.
		Reopen: func(_ testing.TB, log ports.EventLog) ports.EventLog { return log },
	})
}

func TestARebuiltJournalIsOfAnotherEpochAndEndsWaits(t *testing.T) {
	l := memlog.New()
	id, err := git.ParseRepositoryID("shop")
	require.NoError(t, err)
	cursors, err := l.Append(t.Context(), event.RepositoryCreated{Header: event.Header{ID: id}})
	require.NoError(t, err)
	ended := make(chan error)
	go func() { ended <- l.Wait(t.Context(), cursors[0]) }()
	l.Rebuild()
	assert.Equal(t, errs.ReasonCursorExpired, errs.ReasonOf(<-ended))
	for range l.States(t.Context()) {
		t.Error("a state outlived the journal")
	}
}
