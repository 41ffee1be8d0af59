package main

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// edits makes new contents, no two the same.
type edits struct {
	base string
	n    atomic.Int64
}

func newEdits() *edits { return &edits{base: document(rand.New(rand.NewPCG(7, 7)), "Product")} }

func (e *edits) content() []byte { return fmt.Appendf(nil, "%s\nedition %d\n", e.base, e.n.Add(1)) }

// product is a new content for some product of the catalog.
func (e *edits) product() file {
	return file{treePath(randomProduct(rand.New(rand.NewPCG(8, uint64(e.n.Load()))))), e.content()}
}

// many are new files, as many as the catalog has products.
func (e *edits) many(context.Context) ([]file, error) {
	dir := e.n.Load()
	files := make([]file, categories*productsPer)
	for i := range files {
		files[i] = file{treePath(fmt.Sprintf("import-%d/%s", dir, productPath(i/productsPer, i%productsPer))), e.content()}
	}
	return files, nil
}

func commit(ctx context.Context, r ports.GitRepository, files ...file) error {
	_, err := r.CommitFiles(ctx, ports.CommitFiles{Branch: mainBranch(), Message: "Change\n"}, upserts(files))
	return err
}

func upserts(files []file) iter.Seq2[git.Change, error] {
	return func(yield func(git.Change, error) bool) {
		for _, f := range files {
			c := git.Change{Action: git.ActionUpsert, Path: f.path, Content: bytes.NewReader(f.content), Size: int64(len(f.content))}
			if !yield(c, nil) {
				return
			}
		}
	}
}

func (b *bed) commits(ctx context.Context) ([]work, error) {
	dir, err := b.copyOf("commits", "git")
	if err != nil {
		return nil, err
	}
	raw, err := startFastImport(ctx, dir)
	if err != nil {
		return nil, err
	}
	b.onClose(raw.close)
	if dir, err = b.copyOf("commits", "go-git"); err != nil {
		return nil, err
	}
	goGit, err := b.goGit(ctx, dir)
	if err != nil {
		return nil, err
	}
	e := newEdits()
	ours := b.ours.repository("commits")
	works := []work{{name: "commit of one file, durable, one writer", writes: true, ways: []way{
		repeated("`fast-import` kept alive, a pack for each", func(context.Context) error {
			raw.commit(e.product())
			return raw.sync()
		}),
		repeated("GitStore", func(ctx context.Context) error { return commit(ctx, ours, e.product()) }).should(goal{ratio: 1.2}),
		repeated("GitStore without gRPC", func(ctx context.Context) error { return commit(ctx, b.ours.inProcess("commits"), e.product()) }),
		goGit.way("go-git, not durable", "commit"),
	}}}
	for _, writers := range []int{16, 64} {
		works = append(works, work{name: fmt.Sprintf("commits of one file to one branch, durable, %d writers", writers), writes: true, ways: []way{
			importStream(raw, e),
			concurrent("GitStore", writers, func(ctx context.Context, _ int) error { return commit(ctx, ours, e.product()) }).
				should(goal{ratio: 2, rate: 1000}),
			concurrent("GitStore without gRPC", writers, func(ctx context.Context, _ int) error {
				return commit(ctx, b.ours.inProcess("commits"), e.product())
			}),
		}})
	}
	none := func([]file) error { return nil }
	return append(works, work{name: "one commit of 10,000 files, durable", writes: true, ways: []way{
		prepared("`fast-import` kept alive", e.many, func(_ context.Context, files []file) (int, error) {
			raw.commit(files...)
			return 1, raw.sync()
		}, none),
		prepared("GitStore", e.many, func(ctx context.Context, files []file) (int, error) { return 1, commit(ctx, ours, files...) }, none).
			should(goal{ratio: 1.3}),
		prepared("GitStore without gRPC", e.many, func(ctx context.Context, files []file) (int, error) {
			return 1, commit(ctx, b.ours.inProcess("commits"), files...)
		}, none),
	}}), nil
}

// importStream makes commits for the time of a turn and puts all of them on the disk at once.
func importStream(raw *fastImport, e *edits) way {
	return way{name: "one `fast-import` stream, one pack for all", turn: func(_ context.Context, turn time.Duration) (time.Duration, int, error) {
		start := time.Now()
		n := 0
		for ; time.Since(start) < turn; n++ {
			raw.commit(e.product())
		}
		err := raw.sync()
		return time.Since(start), n, err
	}}
}

// scaling commits to a repository of ten and of a hundred thousand files.
func (b *bed) scaling(context.Context) ([]work, error) {
	e := newEdits()
	path := treePath(scaledPath(0))
	into := func(name string) func(context.Context) error {
		return func(ctx context.Context) error { return commit(ctx, b.ours.repository(name), file{path, e.content()}) }
	}
	return []work{{name: "commit of one file, durable, by the size of the repository", writes: true, ways: []way{
		repeated("GitStore, 10 files", into("small")),
		repeated("GitStore, 100,000 files", into("large")).should(goal{ratio: 1.2}),
	}}}, nil
}
