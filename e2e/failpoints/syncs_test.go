package failpoints

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
	"github.com/gitstore-dev/gitstore/ports"
)

// instruct has the service find a file of the point with the content, until it is taken away.
func (s *service) instruct(t *testing.T, p failpoint.Point, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(s.points, string(p)), []byte(content), 0o600))
}

// dismiss takes the file away, and reports whether it was there.
func (s *service) dismiss(t *testing.T, p failpoint.Point) bool {
	t.Helper()
	err := os.Remove(filepath.Join(s.points, string(p)))
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return err == nil
}

// synced is a file or directory that was to be put on the disk.
type synced struct {
	path string
	// state is which file it was, and when it was last written.
	state  string
	failed bool
}

// trace returns the lines that the service wrote since the file was last written.
func (s *service) trace(t *testing.T) (lines []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.points, string(failpoint.Trace)))
	require.NoError(t, err)
	return strings.Split(string(b), "\n")
}

// reached counts how often the point was reached since then.
func (s *service) reached(t *testing.T, p failpoint.Point) (n int) {
	t.Helper()
	for _, line := range s.trace(t) {
		if line == "reached "+string(p) {
			n++
		}
	}
	return n
}

// syncs returns what was put on the disk since then, in order.
func (s *service) syncs(t *testing.T) (all []synced) {
	t.Helper()
	for _, line := range s.trace(t) {
		outcome, rest, _ := strings.Cut(line, " ")
		if state, path, ok := strings.Cut(rest, " "); ok {
			all = append(all, synced{path, state, outcome == "failed"})
		}
	}
	return all
}

// inVain returns what is there, and was not put on the disk since it failed to be, or was no more than tried again: a sync writes
// nothing of what one before it failed to write.
func inVain(all []synced) (found []string) {
	for i, lost := range all {
		if !lost.failed {
			continue
		}
		made := slices.ContainsFunc(all[i:], func(later synced) bool { return !later.failed && later.path == lost.path && later.state != lost.state })
		if _, err := os.Lstat(lost.path); err == nil && !made {
			found = append(found, lost.path)
		}
	}
	return found
}

func TestTheJudgeOfSyncsTellsThoseInVain(t *testing.T) {
	there := t.TempDir()
	gone := filepath.Join(there, "gone")
	require.Empty(t, inVain([]synced{{there, "1", false}, {gone, "1", true}}))
	require.NotEmpty(t, inVain([]synced{{there, "2", false}, {there, "1", true}, {there, "1", false}}))
	require.NotEmpty(t, inVain([]synced{{there, "1", true}, {there, "2", true}}))
	require.Empty(t, inVain([]synced{{there, "1", true}, {there, "1", false}, {there, "2", false}}))
}

// Files and directories that writes put on the disk.
var syncedPlaces = []string{
	`/tmp_gitstore_\d+$`, `/tmp_gitstore_\d+\.idx$`, `/objects/pack$`, `/refs/.*\.lock$`, `/packed-refs\.new$`,
	`/refs/heads(/x)?$`, `/refs/tags$`, `/refs$`, `\.git$`, `/gitstore-intent\.lock$`,
}

func TestNothingIsAcknowledgedThatASyncFailedToPutOnTheDisk(t *testing.T) {
	s := startService(t)
	met := map[string]int{}
	for i, w := range writes() {
		for j, place := range syncedPlaces {
			id := prepare(t, s, fmt.Sprintf("once-%d-%d", i, j))
			before, cursor := s.refs(t, id), s.newest(t)
			if strings.Contains(place, "packed-refs") {
				gitcmd.Run(t, nil, "--git-dir="+s.repositoryDir(id), "pack-refs", "--all")
			}
			s.instruct(t, failpoint.Trace, "")
			s.instruct(t, failpoint.FailingSync, place)
			first := w.make(t.Context(), t, s, id)
			if s.dismiss(t, failpoint.FailingSync) {
				require.NoError(t, first.err, "%s, without a sync of %s", w.name, place)
				continue
			}
			met[place]++
			again := first
			if first.err != nil {
				again = w.make(t.Context(), t, s, id)
			}
			require.True(t, again.err == nil || again.again(), "%s, %s: %v, then %v", w.name, place, first.err, again.err)
			require.Empty(t, inVain(s.syncs(t)), "%s, %s: %v", w.name, place, first.err)
			after := s.refs(t, id)
			require.Equal(t, len(w.changes), w.moved(before, after), "%s, %s", w.name, place)
			s.requireTold(t, id, cursor, before, after)
			require.Empty(t, s.leftovers(t))
		}
	}
	require.Len(t, met, len(syncedPlaces), "%v", met)
	require.Empty(t, s.fsck(t))
}

func TestNothingIsShownOrAcknowledgedWhileRefsCannotBePutOnTheDisk(t *testing.T) {
	s := startService(t)
	for i, w := range writes() {
		t.Run(w.name, func(t *testing.T) {
			id := prepare(t, s, fmt.Sprintf("refs-%d", i))
			before, cursor := s.refs(t, id), s.newest(t)
			s.instruct(t, failpoint.Trace, "")
			s.instruct(t, failpoint.FailingSyncs, `/refs(/heads(/x)?|/tags)?$`)
			for range 2 {
				out := w.make(t.Context(), t, s, id)
				require.True(t, out.err != nil && !out.again(), "%+v", out)
				require.Equal(t, before, s.refs(t, id))
			}
			if i%2 == 0 { // another process takes over, and the machine does not go down
				s.process.Signal(os.Kill)
				s.awaitEnd(t)
				s.dismiss(t, failpoint.FailingSyncs)
				s.start(t)
			}
			s.dismiss(t, failpoint.FailingSyncs)
			again := w.make(t.Context(), t, s, id)
			require.True(t, again.err == nil || again.again(), "%+v", again)
			require.Empty(t, inVain(s.syncs(t)))
			after := s.refs(t, id)
			require.Equal(t, len(w.changes), w.moved(before, after))
			require.Eventually(t, func() bool { return len(s.told(t, cursor)) >= len(w.changes) }, patience, pause)
			s.requireTold(t, id, cursor, before, after)
			require.Empty(t, s.leftovers(t))
		})
	}
	require.Empty(t, s.fsck(t))
}

func TestRepositoriesWhoseSyncFailedAreThereOrNotOnlyOnceThatIsOnTheDisk(t *testing.T) {
	s := startService(t)
	create := func(ctx context.Context, id git.RepositoryID) error {
		_, err := s.client.CreateRepository(ctx, ports.CreateRepository{ID: id})
		return err
	}
	for i, place := range []string{`/repositories/../..$`, `/repositories/..$`, `/repositories$`, `/tmp/create-\d+$`, `/gitstore\.json\.lock$`} {
		t.Run(place, func(t *testing.T) {
			id, cursor := must(git.ParseRepositoryID(fmt.Sprintf("repo-%d", i))), s.newest(t)
			s.instruct(t, failpoint.Trace, "")
			s.instruct(t, failpoint.FailingSync, place)
			require.True(t, errs.Is(create(t.Context(), id), errs.ReasonInternal))
			require.False(t, s.exists(t, id))
			require.NoError(t, create(t.Context(), id))
			require.Empty(t, inVain(s.syncs(t)))
			require.Equal(t, []event.Type{event.TypeRepositoryCreated}, s.told(t, cursor))
			require.Empty(t, s.leftovers(t))
		})
	}
	for i, next := range []func(context.Context, git.RepositoryID) error{s.client.DeleteRepository, create} {
		id := must(git.ParseRepositoryID(fmt.Sprintf("repo-%d", i)))
		cursor := s.newest(t)
		s.instruct(t, failpoint.Trace, "")
		s.instruct(t, failpoint.FailingSyncs, `/repositories/../..$`)
		for range 2 {
			require.True(t, errs.Is(s.client.DeleteRepository(t.Context(), id), errs.ReasonInternal), "it may come back")
			require.True(t, errs.Is(create(t.Context(), id), errs.ReasonInternal), "it may come back")
			require.False(t, s.exists(t, id))
		}
		require.Empty(t, s.told(t, cursor))
		s.dismiss(t, failpoint.FailingSyncs)
		require.NoError(t, next(t.Context(), id))
		require.Empty(t, inVain(s.syncs(t)))
		require.Equal(t, event.TypeRepositoryDeleted, s.told(t, cursor)[0])
	}
}

// What a process had written when it was killed is with the kernel, and the next one reads it as if it was on the disk.
func TestWhatAKilledServiceHadOnlyWrittenIsOnTheDiskBeforeItIsAcknowledged(t *testing.T) {
	s := startService(t)
	id := prepare(t, s, "shop")
	w := writes()[0]
	s.arm(t, failpoint.RefsMoved)
	require.Error(t, w.make(t.Context(), t, s, id).err)
	s.awaitEnd(t)
	s.instruct(t, failpoint.Trace, "")
	s.start(t)
	require.True(t, slices.ContainsFunc(s.syncs(t), func(f synced) bool { return f.path == s.data }), "%v", s.syncs(t))
	require.True(t, w.make(t.Context(), t, s, id).replayed)

	s.process.Signal(os.Interrupt)
	require.Zero(t, s.process.Wait())
	require.NoError(t, s.client.Close())
	s.instruct(t, failpoint.Trace, "")
	s.start(t)
	require.Empty(t, s.syncs(t), "after a stop nothing is left to be put on the disk")
}
