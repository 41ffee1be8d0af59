package gitserver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

const requestBytes = "gitstore_grpc_request_bytes"

// bounded is a service whose requests may take so many bytes.
func bounded(t *testing.T, limit int64, commit func(ctx context.Context, changes iter.Seq2[git.Change, error]) error) (service, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	return start(t, odd{RepositoryStore: shop(t, nil), commit: commit}, gitserver.Options{
		MaxRequestMemory: limit, Registerer: reg, Limits: gitserver.Limits{Writes: 1, RepositoryShare: 100, QueueWait: time.Hour},
	}), reg
}

// taken reads the contents of changes, and keeps nothing.
func taken(changes iter.Seq2[git.Change, error]) error {
	for c, err := range changes {
		if err != nil {
			return err
		}
		if c.Content != nil {
			if _, err := io.Copy(io.Discard, c.Content); err != nil {
				return err
			}
		}
	}
	return nil
}

func oneFile(size int) *gitv1.CommitFileRequest {
	return &gitv1.CommitFileRequest{Repository: "shop", Header: onMain(), File: &gitv1.InlineFileAction{Action: create("a"), Content: make([]byte, size)}}
}

func TestTheMemoryOfRequestsThatWaitIsBounded(t *testing.T) {
	begun, proceed := make(chan bool), make(chan bool)
	s, reg := bounded(t, 5<<20, func(_ context.Context, changes iter.Seq2[git.Change, error]) error {
		begun <- true
		<-proceed
		return taken(changes)
	})
	done := make(chan error)
	commit := func(size int) { done <- second(s.commits().CommitFile(t.Context(), oneFile(size))) }
	go commit(2 << 20)
	<-begun
	go commit(2 << 20) // it waits
	require.Eventually(t, func() bool { return metric(t, reg, requestBytes) > 4<<20 }, time.Minute, time.Millisecond)
	for range 3 {
		err := second(s.commits().CommitFile(t.Context(), oneFile(2<<20)))
		fails(t, err, errs.ReasonQueueFull)
		assert.ErrorContains(t, err, "try again")
		assert.Positive(t, retryDelay(err))
	}
	go commit(10 << 10) // a small one finds room, and waits as well
	require.Eventually(t, func() bool { return metric(t, reg, requestBytes) > 4<<20+10<<10 }, time.Minute, time.Millisecond)
	proceed <- true
	for range 2 {
		<-begun
		proceed <- true
	}
	for range 3 {
		require.NoError(t, <-done)
	}
	assert.Zero(t, metric(t, reg, requestBytes))
}

func TestWhatACommitCollectsIsBounded(t *testing.T) {
	for what, action := range map[string]func(i int) *gitv1.FileAction{
		"deletions": func(i int) *gitv1.FileAction {
			return remove(fmt.Sprintf("%s%05d", bytes.Repeat([]byte("d/"), 400), i))
		},
		"moves": func(i int) *gitv1.FileAction {
			return &gitv1.FileAction{
				Kind: gitv1.FileActionKind_FILE_ACTION_KIND_MOVE, Path: fmt.Appendf(nil, "f%d", i), From: fmt.Appendf(nil, "%s%05d", bytes.Repeat([]byte("d/"), 1500), i),
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			ended := make(chan error, 1)
			counted := 0
			s, reg := bounded(t, 1<<20, func(_ context.Context, changes iter.Seq2[git.Change, error]) error {
				err := taken(func(yield func(git.Change, error) bool) {
					for c, err := range changes {
						counted++
						if !yield(c, err) {
							return
						}
					}
				})
				ended <- err
				return err
			})
			payloads := []any{onMain()}
			for i := range 1000 {
				payloads = append(payloads, action(i))
			}
			_, err := s.commit(payloads...)
			fails(t, err, errs.ReasonQueueFull)
			assert.Error(t, <-ended)
			assert.Less(t, counted, 500)
			assert.Zero(t, metric(t, reg, requestBytes))
		})
	}
}

func TestTheMessagesOfACommitCountOneAfterTheOther(t *testing.T) {
	s, reg := bounded(t, 1<<20, func(_ context.Context, changes iter.Seq2[git.Change, error]) error { return taken(changes) })
	payloads := []any{onMain(), create("a")}
	for range 64 {
		payloads = append(payloads, pattern(wire.Chunk))
	}
	_, err := s.commit(payloads...)
	require.NoError(t, err)
	assert.Zero(t, metric(t, reg, requestBytes))
}

func TestTheRequestOfAStreamIsBounded(t *testing.T) {
	s, reg := bounded(t, 1<<20, nil)
	paths := make([][]byte, 9000)
	for i := range paths {
		paths[i] = fmt.Appendf(nil, "%0100d", i)
	}
	_, err := receive(s.content().BatchGetFiles(t.Context(), &gitv1.BatchGetFilesRequest{Repository: "shop", Revision: head(), Paths: paths}))
	fails(t, err, errs.ReasonMessageTooLarge) // no waiting would make room for it
	assert.Zero(t, metric(t, reg, requestBytes))
}

func TestTheMovesOfACommitAreNoMoreThanItsResultCouldBe(t *testing.T) {
	s, _ := bounded(t, 1<<30, func(_ context.Context, changes iter.Seq2[git.Change, error]) error { return taken(changes) })
	from := bytes.Repeat([]byte("d/"), 2000)
	payloads := []any{onMain()}
	for i := range 9_000 {
		payloads = append(payloads, &gitv1.FileAction{
			Kind: gitv1.FileActionKind_FILE_ACTION_KIND_MOVE, Path: fmt.Appendf(nil, "f%d", i), From: fmt.Appendf(nil, "%s%05d", from, i),
		})
	}
	_, err := s.commit(payloads...)
	fails(t, err, errs.ReasonTooManyActions, "actions")
}
