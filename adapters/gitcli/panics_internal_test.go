package gitcli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/tree"
	"github.com/gitstore-dev/gitstore/internal/panics"
)

// requirePanic requires an error to be a panic that says where it was.
func requirePanic(t *testing.T, err error) {
	t.Helper()
	caught, ok := errors.AsType[*panics.Error](err)
	require.True(t, ok, "%v", err)
	require.NotEmpty(t, caught.Stack)
}

func TestAPanicWhileABatchIsWorkedOnEndsTheIterationBehindWhatCameBefore(t *testing.T) {
	numbers := func(n int, last func()) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				if !yield(i, nil) {
					return
				}
			}
			last()
		}
	}
	one := func() int { return 1 }
	for name, tt := range map[string]struct {
		items iter.Seq2[int, error]
		do    func(context.Context, []int) (int, error)
	}{
		"over the batch": {numbers(9, func() {}), func(_ context.Context, batch []int) (int, error) {
			if batch[0] == 3 {
				panic("a fault of the code")
			}
			return batch[0], nil
		}},
		"over the items": {numbers(3, func() { panic("a fault of the code") }), func(_ context.Context, batch []int) (int, error) {
			return batch[0], nil
		}},
	} {
		var got []int
		var failed error
		for n, err := range inBatches(t.Context(), tt.items, one, tt.do) {
			if err != nil {
				failed = err
				break
			}
			got = append(got, n)
		}
		requirePanic(t, failed)
		if name == "over the batch" {
			assert.Equal(t, []int{0, 1, 2}, got, name)
		}
	}
}

func TestAPanicWhileAFileIsPackedFailsItsCommit(t *testing.T) {
	s := &stage{repo: &repo{}, edits: make([]tree.FileEdit, 1)} // without objects, whose format is asked for
	require.NoError(t, s.packSmall(bytes.NewBufferString("content")))
	requirePanic(t, s.settle())
}

func TestAPanicWhileAPushIsCheckedFailsIt(t *testing.T) {
	runner, err := command.NewRunner(t.Context(), "git", 0, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	q := &quarantine{repo: &repo{store: &Store{runner: runner}}, dir: t.TempDir()} // without objects, of which the check asks
	_, err = runner.Output(t.Context(), q.dir, command.Git("init", "--quiet", "--bare"), nil)
	require.NoError(t, err)
	_, err = q.receive(t.Context(), strings.NewReader("PACK"), func() {})
	requirePanic(t, err)
}

// panickingWriter panics over what it is given.
type panickingWriter struct{ io.Writer }

func TestAPanicOverWhatGitSaysFailsTheCall(t *testing.T) {
	runner, err := command.NewRunner(t.Context(), "git", 0, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	requirePanic(t, runner.Exchange(t.Context(), t.TempDir(), command.Git("version"), strings.NewReader(""), panickingWriter{}))
}
