package gitclient_test

import (
	"testing"

	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest"
)

func TestTheJournalIsASourceOfChanges(t *testing.T) {
	eventstest.RunSource(t, eventstest.SourceHarness{
		New: func(t testing.TB) (ports.RepositoryStore, ports.EventSource) {
			j := serveJournalled(t)
			return j, j.Journal()
		},
	})
}
