package gitcli

import (
	"bytes"
	"context"
	"io"
	"iter"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// contentTarget is where the content of an item goes; a zero blob has none.
type contentTarget struct {
	blob    git.ObjectID
	size    *int64
	content *io.Reader
}

const (
	// contentBatch is how many blobs are read with one exchange.
	contentBatch = 128
	// contentAhead is how many batches are read ahead of the consumer: one for each of a repository's processes.
	contentAhead = 2
)

// withContents adds the contents of blobs to items. Batches are read ahead, at the same time, while the consumer is busy
// with the one before; a blob that is too large for memory is streamed when its turn comes.
func withContents[T any](ctx context.Context, o *objects, items iter.Seq2[T, error], target func(*T) contentTarget) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var workers sync.WaitGroup
		defer workers.Wait()
		defer cancel()
		pending := make(chan chan loaded[T], contentAhead)
		workers.Go(func() {
			defer close(pending)
			for batch, err := range batched(items, contentBatch) {
				result := make(chan loaded[T], 1)
				select {
				case pending <- result:
				case <-ctx.Done():
					return
				}
				workers.Go(func() { result <- load(ctx, o, batch, err, target) })
			}
		})
		for result := range pending {
			if !(<-result).yield(ctx, o, target, yield) {
				return
			}
		}
	}
}

// loaded is a batch with its contents, in the order of the items; err ends the iteration behind them.
type loaded[T any] struct {
	items    []T
	contents [][]byte
	err      error
}

func load[T any](ctx context.Context, o *objects, items []T, err error, target func(*T) contentTarget) loaded[T] {
	var ids []git.ObjectID
	for i := range items {
		if t := target(&items[i]); !t.blob.IsZero() {
			ids = append(ids, t.blob)
		}
	}
	contents, readErr := o.Blobs(ctx, ids)
	if readErr != nil {
		return loaded[T]{err: readErr}
	}
	return loaded[T]{items, contents, err}
}

// yield hands out the batch and reports whether the iteration goes on.
func (l loaded[T]) yield(ctx context.Context, o *objects, target func(*T) contentTarget, yield func(T, error) bool) bool {
	contents := l.contents
	for _, item := range l.items {
		t := target(&item)
		if t.blob.IsZero() {
			if !yield(item, nil) {
				return false
			}
			continue
		}
		content := contents[0]
		contents = contents[1:]
		if !yieldOne(ctx, o, item, target, content, yield) {
			return false
		}
	}
	if l.err != nil {
		var none T
		yield(none, l.err)
		return false
	}
	return true
}

func yieldOne[T any](ctx context.Context, o *objects, item T, target func(*T) contentTarget, content []byte, yield func(T, error) bool) bool {
	t := target(&item)
	if content != nil {
		*t.size, *t.content = int64(len(content)), bytes.NewReader(content)
		return yield(item, nil)
	}
	info, stream, err := o.reader.Stream(ctx, t.blob)
	if err != nil {
		var none T
		yield(none, corrupt(err))
		return false
	}
	defer func() { _ = stream.Close() }()
	*t.size, *t.content = info.Size, stream
	return yield(item, nil)
}

// batched gathers items; an error comes with what was gathered before it.
func batched[T any](items iter.Seq2[T, error], size int) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		var batch []T
		for item, err := range items {
			if err != nil {
				yield(batch, err)
				return
			}
			batch = append(batch, item)
			if len(batch) == size {
				if !yield(batch, nil) {
					return
				}
				batch = nil
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}
