package gitrepotest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var cancellationCases = []testCase{
	{"a call whose context has ended fails, and changes nothing", endedContextFails},
	{"streams that do not come to their end", unfinishedStreams},
	{"a commit that is cancelled while it is sent makes nothing", cancelledCommitMakesNothing},
	{"commits that are cancelled at any moment are whole or not there", cancelledCommitsAreWhole},
	{"a deadline that passes is told as one", deadlineIsTold},
}

// idle has the harness check that nothing is at work in the store any more. Cases run at once, so it is only called for
// a store of the case's own.
func (c *tc) idle(stores ...ports.RepositoryStore) {
	c.Helper()
	if c.h.CheckIdle == nil {
		return
	}
	for _, store := range stores {
		c.h.CheckIdle(c, store)
	}
}

// unfinishedStreams tries streams on files that no buffer holds all of. The cases come one after the other, as each looks
// at what the store still has at work.
func unfinishedStreams(c *tc) {
	store := c.h.New(c)
	r := c.createIn(store)
	changes := []git.Change{create("a", pattern(4<<20)), create("m", pattern(4<<20)), create("z", pattern(4<<20))}
	for i := range manyFiles {
		changes = append(changes, create(fmt.Sprintf("many/%04d", i), fmt.Sprintf("%d\n%s", i, pattern(2000))))
	}
	r.commit(changes...)
	for i := range rowOfCommits {
		r.commit(update("many/0000", fmt.Sprint(i)))
	}
	for _, part := range []struct {
		name string
		run  func(*tc, *repo)
	}{
		{"a stream that is cancelled in its midst tells so, and the next call works", cancelledStreamTellsSo},
		{"a stream that is cancelled before it is ranged over holds nothing", cancelledStreamHoldsNothing},
		{"a content that is cancelled in its midst tells so", cancelledContentTellsSo},
		{"streams that are broken off, or content that is closed early, leave nothing at work", brokenStreamsLeaveNothing},
	} {
		c.sub(part.name, func(c *tc) {
			part.run(c, c.repo(store, r.id))
			c.idle(store)
		})
	}
}

const (
	manyFiles    = 1500
	rowOfCommits = 10
)

// streams are the calls that yield many items. Contents are read, too.
var streams = []struct {
	name string
	// complete is how many items there are.
	complete int
	open     func(context.Context, *repo) (iter.Seq2[string, error], error)
}{
	{"ListRefs", 1, func(ctx context.Context, r *repo) (iter.Seq2[string, error], error) {
		seq, err := r.ListRefs(ctx, ports.RefQuery{})
		return named(seq, func(ref git.Ref) (string, io.Reader) { return ref.Name.String(), nil }), err
	}},
	{"BatchGetFiles", 6, func(ctx context.Context, r *repo) (iter.Seq2[string, error], error) {
		_, seq, err := r.BatchGetFiles(ctx, git.Head(), paths("many/0001", "a", "m", "z", "many/0002", "a"))
		return named(seq, func(f ports.BatchFile) (string, io.Reader) { return f.Path.String(), f.Content }), err
	}},
	{"ListFiles", manyFiles + 3, func(ctx context.Context, r *repo) (iter.Seq2[string, error], error) {
		_, seq, err := r.ListFiles(ctx, ports.ListFiles{Revision: git.Head(), Recursive: true})
		return named(seq, func(f ports.FileInfo) (string, io.Reader) { return f.Path.String(), nil }), err
	}},
	{"ReadTree", manyFiles + 3, func(ctx context.Context, r *repo) (iter.Seq2[string, error], error) {
		_, seq, err := r.ReadTree(ctx, ports.ReadTree{Revision: git.Head()})
		return named(seq, func(f ports.TreeFile) (string, io.Reader) { return f.Path.String(), f.Content }), err
	}},
	{"ListCommits", rowOfCommits + 1, func(ctx context.Context, r *repo) (iter.Seq2[string, error], error) {
		_, seq, err := r.ListCommits(ctx, ports.ListCommits{Revision: git.Head()})
		return named(seq, func(commit *git.Commit) (string, io.Reader) { return commit.ID.String(), nil }), err
	}},
	{"ListChangedPaths", manyFiles + 3, func(ctx context.Context, r *repo) (iter.Seq2[string, error], error) {
		_, seq, err := r.ListChangedPaths(ctx, ports.Compare{Head: git.Head()})
		return named(seq, func(change git.PathChange) (string, io.Reader) { return change.Path.String(), nil }), err
	}},
	{"GetDiff", manyFiles + 3, func(ctx context.Context, r *repo) (iter.Seq2[string, error], error) {
		_, seq, err := r.GetDiff(ctx, ports.Compare{Head: git.Head()})
		return named(seq, func(d ports.FileDiff) (string, io.Reader) { return d.Path.String(), bytes.NewReader(d.Patch) }), err
	}},
}

// named reads the contents of items and yields their names. It ends with a content that cannot be read.
func named[T any](seq iter.Seq2[T, error], of func(T) (string, io.Reader)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for item, err := range seq {
			if err != nil {
				if !yield("", err) {
					return
				}
				continue
			}
			name, content := of(item)
			if content != nil {
				_, err = discard(content)
			}
			if !yield(name, err) || err != nil {
				return
			}
		}
	}
}

func discard(content io.Reader) (int64, error) { return io.Copy(io.Discard, content) }

// see notes a content.
func see(seen map[string]bool, content io.Reader) error {
	b, err := io.ReadAll(content)
	seen[string(b)] = true
	return err
}

func endedContextFails(c *tc) {
	r := c.createWith(create("a", "1"))
	cancelled, cancel := context.WithCancel(c.ctx)
	cancel()
	late, cancel := context.WithDeadline(c.ctx, time.Now().Add(-time.Second))
	defer cancel()
	more := append([]call{
		{name: "CreateRepository", do: func(ctx context.Context, _ ports.GitRepository, _ git.Revision) (bool, error) {
			_, err := c.store.CreateRepository(ctx, ports.CreateRepository{ID: c.newID(), ObjectFormat: c.format})
			return answered(err)
		}},
		{name: "DeleteRepository", do: func(ctx context.Context, _ ports.GitRepository, _ git.Revision) (bool, error) {
			return answered(c.store.DeleteRepository(ctx, r.id))
		}},
		{name: "ListRepositories", do: func(ctx context.Context, _ ports.GitRepository, _ git.Revision) (bool, error) {
			_, err := c.store.ListRepositories(ctx, ports.Page{})
			return answered(err)
		}},
	}, every()...)
	r.unchanged(func() {
		for _, call := range more {
			c.sub(call.name, func(c *tc) {
				_, err := call.do(cancelled, r, git.Head())
				c.fails(err, errs.ReasonCanceled)
				if !errors.Is(err, context.Canceled) {
					c.Errorf("error %v is not context.Canceled", err)
				}
				_, err = call.do(late, r, git.Head())
				c.fails(err, errs.ReasonDeadlineExceeded)
				if !errors.Is(err, context.DeadlineExceeded) {
					c.Errorf("error %v is not context.DeadlineExceeded", err)
				}
			})
		}
	})
}

func cancelledStreamTellsSo(c *tc, r *repo) {
	for _, stream := range streams {
		c.sub(stream.name, func(c *tc) {
			// The moment at which a cancellation is met varies; there has to be none at which items are lost in silence.
			for round := range 8 {
				ctx, cancel := context.WithCancel(c.ctx)
				seq, err := stream.open(ctx, r)
				c.ok(err)
				seen := 0
				var last error
				for _, err := range seq {
					if last = err; err != nil {
						break
					}
					if seen++; seen > round*round*round {
						cancel()
					}
				}
				if last != nil {
					c.fails(last, errs.ReasonCanceled)
				} else {
					c.equal("the number of items of a stream that told no error", seen, stream.complete)
				}
				cancel()
			}
			seq, err := stream.open(c.ctx, r)
			c.equal("the number of items of the next call", len(all(c, seq, err)), stream.complete)
		})
	}
}

func cancelledStreamHoldsNothing(c *tc, r *repo) {
	for round := range 8 {
		for _, stream := range streams {
			ctx, cancel := context.WithCancel(c.ctx)
			seq, err := stream.open(ctx, r)
			c.ok(err)
			cancel()
			if round%2 == 0 {
				continue
			}
			if items, err := drain(seq); err != nil {
				c.fails(err, errs.ReasonCanceled)
			} else {
				c.equal("the number of items of a stream that told no error", len(items), stream.complete)
			}
		}
	}
	for _, stream := range streams {
		seq, err := stream.open(c.ctx, r)
		c.equal("the number of items of the next call", len(all(c, seq, err)), stream.complete)
	}
}

func cancelledContentTellsSo(c *tc, r *repo) {
	for _, read := range []int64{0, 1, 100_000} {
		ctx, cancel := context.WithCancel(c.ctx)
		_, content, err := r.ReadFile(ctx, ports.ReadFile{Revision: git.Head(), Path: path("a")})
		c.ok(err)
		_, err = io.CopyN(io.Discard, content, read)
		c.ok(err)
		cancel()
		n, err := discard(content)
		switch {
		case err != nil:
			c.fails(err, errs.ReasonCanceled)
		case n != 4<<20-read:
			c.Errorf("the content ended after %d bytes without an error", n+read)
		}
		c.ok(content.Close())
	}
	f, content, err := r.ReadFile(c.ctx, ports.ReadFile{Revision: git.Head(), Path: path("m")})
	c.ok(err)
	c.equal("the blob of the next call", c.blobID(c.content(content)), f.Blob)
	c.ok(content.Close())
}

func brokenStreamsLeaveNothing(c *tc, r *repo) {
	for round := range 4 {
		for _, stream := range streams {
			seq, err := stream.open(c.ctx, r)
			c.ok(err)
			seen := 0
			for _, err := range seq {
				c.ok(err)
				if seen++; seen > round {
					break
				}
			}
		}
		_, content, err := r.ReadFile(c.ctx, ports.ReadFile{Revision: git.Head(), Path: path("z")})
		c.ok(err)
		_, err = io.CopyN(io.Discard, content, int64(round*1000))
		c.ok(err)
		c.ok(content.Close())
	}
}

func cancelledCommitMakesNothing(c *tc) {
	store := c.h.New(c)
	r := c.createIn(store)
	r.commit(create("a", "1"))
	r.unchanged(func() {
		for _, at := range []int{0, 1, 3} {
			for _, size := range []int{1, 300_000, 3 << 20} {
				ctx, cancel := context.WithCancel(c.ctx)
				_, err := r.CommitFiles(ctx, request("Change"), func(yield func(git.Change, error) bool) {
					for i := range 5 {
						if i == at {
							cancel()
						}
						if !yield(create(fmt.Sprintf("f%d", i), pattern(size)), nil) {
							return
						}
					}
				})
				c.fails(err, errs.ReasonCanceled)
				cancel()
			}
		}
		ctx, cancel := context.WithCancel(c.ctx)
		defer cancel()
		stopped := readerFunc(func([]byte) (int, error) {
			cancel()
			return 0, ctx.Err()
		})
		_, err := r.CommitFiles(ctx, request("Change"), each(git.Change{Action: git.ActionCreate, Path: path("b"), Content: stopped, Size: -1}))
		c.fails(err, errs.ReasonCanceled)
	})
	c.idle(store)
	r.commit(create("b", "2"))
	c.equal("the files", r.files(git.Head()), map[string]string{"a": "1", "b": "2"})
}

// readerFunc is a reader that calls itself.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func cancelledCommitsAreWhole(c *tc) {
	store := c.h.New(c)
	r := c.createIn(store)
	r.commit(create("start", ""))
	const writers, times = 6, 6
	var mu sync.Mutex
	made := map[string]string{}
	for _, err := range together(writers, func(i int) error {
		for n := range times {
			ctx, cancel := context.WithCancel(c.ctx)
			req := request("Change")
			req.RequestID = fmt.Sprintf("00000000-0000-4000-8000-%06d%06d", i, n)
			x, y := fmt.Sprintf("w%d/%d/x", i, n), fmt.Sprintf("w%d/%d/y", i, n)
			var watcher sync.WaitGroup
			watcher.Go(func() {
				// Somewhere between the first step of a commit and its answer.
				for range i * n * 50 {
					_ = ctx.Err()
				}
				cancel()
			})
			_, err := r.CommitFiles(ctx, req, each(create(x, x), create(y, y)))
			watcher.Wait()
			if err != nil && !errs.Is(err, errs.ReasonCanceled) {
				return err
			}
			if (i+n)%2 == 0 {
				// A retry finds out what came of it: there are never two commits.
				if _, err = r.CommitFiles(c.ctx, req, each(create(x, x), create(y, y))); err != nil {
					return err
				}
			}
			if err == nil {
				mu.Lock()
				made[x], made[y] = x, y
				mu.Unlock()
			}
		}
		return nil
	}) {
		c.ok(err)
	}
	// A commit whose caller has gone may still be made: all that follows looks at one moment.
	now := git.AtCommit(r.head())
	files := r.files(now)
	for p, content := range made {
		c.equal("a file of a commit that was acknowledged", files[p], content)
	}
	for p := range files {
		other, ok := twin(p)
		if _, both := files[other]; ok && !both {
			c.Errorf("%q is there without %q, its commit's other file", p, other)
		}
	}
	r.linearAt(now, (len(files)-1)/2+1)
	c.idle(store)
}

// twin is the other file of the commit of a file.
func twin(p string) (string, bool) {
	switch end := len(p) - 1; p[end] {
	case 'x':
		return p[:end] + "y", true
	case 'y':
		return p[:end] + "x", true
	}
	return "", false
}

func deadlineIsTold(c *tc) {
	r := c.createWith(create("a", "1"))
	r.unchanged(func() {
		ctx, cancel := context.WithTimeout(c.ctx, 50*time.Millisecond)
		defer cancel()
		_, err := r.CommitFiles(ctx, request("Change"), func(yield func(git.Change, error) bool) {
			<-ctx.Done()
			yield(create("b", "2"), nil)
		})
		c.fails(err, errs.ReasonDeadlineExceeded)
		if !errors.Is(err, context.DeadlineExceeded) {
			c.Errorf("error %v is not context.DeadlineExceeded", err)
		}
	})
	r.commit(create("b", "2"))
}
