package gitcli

import (
	"bytes"
	"context"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/catfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/panics"
)

// contentTarget is where the content of an item goes; a zero blob has none.
type contentTarget struct {
	blob    git.ObjectID
	size    *int64
	content *io.Reader
}

// contentBatch is how many blobs are read with one exchange, if they are small.
const contentBatch = 128

// batchSize is how many items the next batch has: so many that their contents fit an exchange, as far as those before
// tell.
type batchSize struct{ atomic.Int64 }

func (b *batchSize) get() int { return int(b.Load()) }

// learn takes in what a batch brought: nil for what did not fit.
func (b *batchSize) learn(contents [][]byte) {
	size, brought := 0, 0
	for _, c := range contents {
		if c != nil {
			brought++
			size += len(c)
		}
	}
	switch {
	case size > catfile.MaxContents/2:
		b.Store(int64(max(brought/2, 1)))
	case size < catfile.MaxContents/8:
		b.Store(min(2*b.Load(), contentBatch))
	}
}

// withContents adds the contents of blobs to items. A few batches of [catfile.MaxContents] are in memory at a time. A blob
// that is too large for that is read when the consumer reads it.
func withContents[T any](ctx context.Context, o *objects, items iter.Seq2[T, error], target func(*T) contentTarget) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var size batchSize
		size.Store(contentBatch)
		batches := inBatches(ctx, items, size.get, func(ctx context.Context, items []T) (loaded[T], error) {
			l, err := load(ctx, o, items, target)
			size.learn(l.contents)
			return l, err
		})
		for batch, err := range batches {
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			if !batch.yield(ctx, o, target, yield) {
				return
			}
		}
	}
}

// loaded is a batch with its contents, in the order of the items that have one.
type loaded[T any] struct {
	items    []T
	contents [][]byte
}

func load[T any](ctx context.Context, o *objects, items []T, target func(*T) contentTarget) (loaded[T], error) {
	ids := make([]git.ObjectID, 0, len(items))
	for i := range items {
		if t := target(&items[i]); !t.blob.IsZero() {
			ids = append(ids, t.blob)
		}
	}
	contents, err := o.Blobs(ctx, ids)
	return loaded[T]{items, contents}, err
}

// yield hands out the batch and reports whether the iteration goes on.
func (l loaded[T]) yield(ctx context.Context, o *objects, target func(*T) contentTarget, yield func(T, error) bool) bool {
	contents := l.contents
	for _, item := range l.items {
		if target(&item).blob.IsZero() {
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
	return true
}

func yieldOne[T any](ctx context.Context, o *objects, item T, target func(*T) contentTarget, content []byte, yield func(T, error) bool) bool {
	t := target(&item)
	if content != nil {
		*t.size, *t.content = int64(len(content)), bytes.NewReader(content)
		return yield(item, nil)
	}
	sizes, err := o.Sizes(ctx, []git.ObjectID{t.blob})
	if err == nil && sizes[0] <= maxCachedBlob {
		content, err = o.Blob(ctx, t.blob)
	}
	if err != nil {
		var none T
		yield(none, err)
		return false
	}
	if content != nil {
		*t.size, *t.content = int64(len(content)), bytes.NewReader(content)
		return yield(item, nil)
	}
	stream := o.reader.Content(ctx, t.blob, 0, sizes[0])
	defer func() { _ = stream.Close() }()
	*t.size, *t.content = sizes[0], stream
	return yield(item, nil)
}

// batchesAhead is how many batches are worked on ahead of the consumer: one for each of a repository's processes.
const batchesAhead = 2

// inBatches gathers items and yields what do makes of each batch, in order. Batches are worked on at the same time,
// while the consumer is busy with one before. The first error ends the iteration behind what came before it.
func inBatches[T, R any](ctx context.Context, items iter.Seq2[T, error], size func() int, do func(context.Context, []T) (R, error)) iter.Seq2[R, error] {
	type result struct {
		r   R
		err error
	}
	return func(yield func(R, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var workers sync.WaitGroup
		defer workers.Wait()
		defer cancel()
		pending := make(chan chan result, batchesAhead)
		// announce reports whether the consumer will take what is made.
		announce := func(made chan result) bool {
			select {
			case pending <- made:
				return true
			case <-ctx.Done():
				return false
			}
		}
		workers.Go(func() {
			defer close(pending)
			err := panics.Caught(func() error {
				for batch, err := range batched(items, size) {
					if err != nil {
						return err
					}
					made := make(chan result, 1)
					if !announce(made) {
						return nil
					}
					workers.Go(func() {
						var r R
						err := panics.Caught(func() (err error) {
							r, err = do(ctx, batch)
							return err
						})
						made <- result{r, err}
					})
				}
				return nil
			})
			if err != nil {
				failed := make(chan result, 1)
				failed <- result{err: err}
				announce(failed)
			}
		})
		for made := range pending {
			if r := <-made; !yield(r.r, r.err) || r.err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			var none R
			yield(none, errs.From(err))
		}
	}
}

// batched gathers items. An error comes alone, behind what was gathered before it.
func batched[T any](items iter.Seq2[T, error], size func() int) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		var batch []T
		for item, err := range items {
			if err != nil {
				if len(batch) == 0 || yield(batch, nil) {
					yield(nil, err)
				}
				return
			}
			batch = append(batch, item)
			if len(batch) >= size() {
				if !yield(batch, nil) {
					return
				}
				batch = make([]T, 0, size())
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}
