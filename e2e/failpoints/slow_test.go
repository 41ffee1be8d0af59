package failpoints

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
	"github.com/gitstore-dev/gitstore/ports"
)

// readAll reads what there is to read of a repository, in one round.
func (s *service) readAll(ctx context.Context, id git.RepositoryID) error {
	r := s.client.Repository(id)
	at := must(git.ParseTreePath("a.txt"))
	if _, err := r.GetFile(ctx, git.Head(), at); err != nil {
		return err
	}
	head, err := r.GetCommit(ctx, git.Head())
	if err != nil {
		return err
	}
	if _, err := r.GetFile(ctx, git.AtCommit(head.Parents[0]), at); err != nil {
		return err
	}
	refs, err := r.ListRefs(ctx, ports.RefQuery{})
	if err != nil {
		return err
	}
	for _, err := range refs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestReadsGoOnWhileTheDiskTakesNothingAndTooManyWritesAreToldWhenToComeBack(t *testing.T) {
	const working, waiting, most = 2, 4, 6
	s := startService(t, fmt.Sprintf("GITSTORE_MAX_WRITES=%d", working), "GITSTORE_REPOSITORY_SHARE=100", "GITSTORE_QUEUE_WAIT=1m")
	id := prepare(t, s, "shop")
	for _, p := range []failpoint.Point{failpoint.RefsPrepared, failpoint.RefsMoved} {
		s.instruct(t, failpoint.Trace, "")
		s.instruct(t, failpoint.Hold, string(p))
		var refused atomic.Int32
		s.refused = func(said *status.Status) {
			if said.Code() != codes.ResourceExhausted {
				return
			}
			for _, d := range said.Details() {
				if info, ok := d.(*errdetails.RetryInfo); ok && info.GetRetryDelay().AsDuration() > 0 {
					refused.Add(1)
				}
			}
		}
		const callers = 10
		outcomes := make(chan error, callers)
		create := func(i int) error {
			_, err := s.client.Repository(id).CreateBranch(t.Context(), ports.CreateBranch{Name: branch(fmt.Sprintf("%s-%d", p, i)), Target: git.Head()})
			return err
		}
		for i := range callers {
			go func() { outcomes <- create(i) }()
		}
		for range callers - most {
			require.True(t, errs.Is(<-outcomes, errs.ReasonQueueFull))
		}
		require.EqualValues(t, callers-most, refused.Load(), "refusals that say when to come back")
		require.Eventually(t, func() bool { return s.reached(t, p) == 1 }, patience, pause)
		before := s.refs(t, id)
		for range 100 {
			require.NoError(t, s.readAll(t.Context(), id))
		}
		require.Equal(t, before, s.refs(t, id))
		require.Empty(t, outcomes, "a write was answered that is not on the disk")
		s.dismiss(t, failpoint.Hold)
		for range most {
			require.NoError(t, <-outcomes)
		}
		made := 0
		for i := range callers {
			if err := create(i); err != nil {
				require.True(t, errs.Is(err, errs.ReasonRefExists), "%v", err)
				made++
			}
		}
		require.Equal(t, most, made, "branches of the calls that were answered so")
	}
	require.Equal(t, waiting, most-working)
}

func TestManyWritersShareTheSyncsOfASlowDiskAndReadersDoNotWait(t *testing.T) {
	const writers, each = 48, 4
	s := startService(t)
	id := prepare(t, s, "shop")
	s.instruct(t, failpoint.Trace, "")
	s.instruct(t, failpoint.SlowSyncs, "200ms")

	var mu sync.Mutex
	acknowledged := map[string]git.ObjectID{}
	var writing, reading errgroup.Group
	for w := range writers {
		writing.Go(func() error {
			for i := range each {
				subject := fmt.Sprintf("Commit %d of %d", i, w)
				req := ports.CommitFiles{Branch: []git.RefName{mainBranch, side}[w%2], Message: subject}
				res, err := s.client.Repository(id).CommitFiles(t.Context(), req, aFile(fmt.Sprintf("%d.txt", w), subject))
				if err != nil {
					return err
				}
				mu.Lock()
				acknowledged[subject] = res.Commit
				mu.Unlock()
			}
			return nil
		})
	}
	written := make(chan struct{})
	var reads [4]int
	for r := range reads {
		reading.Go(func() error {
			for {
				select {
				case <-written:
					return nil
				default:
				}
				if err := s.readAll(t.Context(), id); err != nil {
					return err
				}
				reads[r]++
			}
		})
	}
	require.NoError(t, writing.Wait())
	close(written)
	require.NoError(t, reading.Wait())
	batches := s.reached(t, failpoint.ObjectsMoved)
	s.process.Signal(os.Kill)
	s.awaitEnd(t)
	s.dismiss(t, failpoint.SlowSyncs)
	s.start(t)

	t.Logf("%d commits in %d batches, and rounds of reads meanwhile: %v", len(acknowledged), batches, reads)
	require.GreaterOrEqual(t, writers*each, 8*batches, "batches of %d commits", writers*each)
	require.Greater(t, slices.Min(reads[:]), 10*batches, "rounds of reads of each reader: one that waits for writers gets an answer with each batch")
	require.Len(t, acknowledged, writers*each)
	for _, name := range []git.RefName{mainBranch, side} {
		said := gitcmd.Run(t, nil, "--git-dir="+s.repositoryDir(id), "log", "--format=%H %s", name.String())
		for line := range strings.Lines(string(said)) {
			hex, subject, _ := strings.Cut(strings.TrimSpace(line), " ")
			if made, ok := acknowledged[subject]; ok {
				require.Equal(t, made.String(), hex, subject)
				delete(acknowledged, subject)
			}
		}
	}
	require.Empty(t, acknowledged, "commits that were acknowledged and are not there")
	require.Empty(t, s.fsck(t))
}
