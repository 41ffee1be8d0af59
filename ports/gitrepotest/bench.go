package gitrepotest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// BenchFiles is the number of files of the catalog that [Bench] measures on.
const BenchFiles = 1000

// Bench measures an implementation on a generated catalog of [BenchFiles] documents of about 1.5 KB, with a history of
// 100 commits. It reports; it judges nothing.
func Bench(b *testing.B, h Harness) { BenchSize(b, h, BenchFiles) }

// BenchSize is [Bench] with another number of files, of which there must be at least one.
func BenchSize(b *testing.B, h Harness, files int) {
	f := newBench(b, h, files)
	b.Run("GetFile", func(b *testing.B) {
		for _, callers := range []int{1, 16} {
			b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { f.getFile(b, callers) })
		}
	})
	b.Run("BatchGetFiles", f.batchGetFiles)
	b.Run("ListFiles", f.listFiles)
	b.Run("ReadTree", f.readTree)
	b.Run("ReadTree of one change", f.readChange)
	b.Run("ListCommits", f.listCommits)
	b.Run("ListCommits of one path", f.listCommitsOfPath)
	b.Run("CommitFiles", func(b *testing.B) {
		for _, writers := range []int{1, 16} {
			b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) { f.commitFiles(b, writers) })
		}
	})
	b.Run("CommitFiles of the whole catalog", f.commitCatalog)
}

const (
	benchCommits = 100
	benchBatch   = 100
)

// bench is a catalog in a store.
type bench struct {
	ctx   context.Context
	repo  ports.GitRepository
	paths []git.TreePath
	bytes int64
	// previous is the parent of the head, which changed one file.
	previous git.ObjectID
}

func newBench(b *testing.B, h Harness, files int) *bench {
	b.Helper()
	store := h.New(b)
	id := must(git.ParseRepositoryID("bench"))
	f := &bench{ctx: b.Context(), repo: store.Repository(id)}
	if _, err := store.CreateRepository(f.ctx, ports.CreateRepository{ID: id}); err != nil {
		b.Fatal(err)
	}
	for i := range files {
		f.paths = append(f.paths, path(fmt.Sprintf("products/shelf-%02d/product-%05d.md", i%20, i)))
	}
	f.commit(b, f.catalog(0)...)
	for i := range benchCommits - 1 {
		f.previous = f.commit(b, document(f.paths[i%files], i+1)).Parent
	}
	for i := range files {
		f.bytes += int64(len(documentText(i, 0)))
	}
	return f
}

// catalog is a change of every file to an edition.
func (f *bench) catalog(edition int) []git.Change {
	changes := make([]git.Change, len(f.paths))
	for i, p := range f.paths {
		changes[i] = upsert(p.String(), documentText(i, edition))
	}
	return changes
}

func document(p git.TreePath, edition int) git.Change {
	return upsert(p.String(), documentText(0, edition))
}

func documentText(number, edition int) string {
	return fmt.Sprintf("---\nkind: Product\nsku: SKU-%05d\nedition: %d\nprice: %d.50\n---\n\n", number, edition, number%90+10) +
		strings.Repeat(fmt.Sprintf("Product %d is grown in the shade, washed, and dried on raised beds.\n", number), 21)
}

func (f *bench) commit(b *testing.B, changes ...git.Change) ports.CommitResult {
	b.Helper()
	res, err := f.repo.CommitFiles(f.ctx, ports.CommitFiles{Branch: mainBranch(), Message: "Change"}, each(changes...))
	if err != nil {
		b.Fatal(err)
	}
	return res
}

// callers shares b.N calls among callers, each with a number of its own.
func callers(b *testing.B, n int, call func(number int) error) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var running sync.WaitGroup
	for range n {
		running.Go(func() {
			for number := int(next.Add(1)); number <= b.N; number = int(next.Add(1)) {
				if err := call(number); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

func (f *bench) getFile(b *testing.B, n int) {
	callers(b, n, func(number int) error {
		_, err := f.repo.GetFile(f.ctx, git.AtRef(mainBranch()), f.paths[number%len(f.paths)])
		return err
	})
}

func (f *bench) batchGetFiles(b *testing.B) {
	batch := f.paths[:min(benchBatch, len(f.paths))]
	callers(b, 1, func(int) error {
		_, seq, err := f.repo.BatchGetFiles(f.ctx, git.Head(), batch)
		if err != nil {
			return err
		}
		for file, err := range seq {
			if err == nil {
				err = file.Err
			}
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, file.Content); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *bench) listFiles(b *testing.B) {
	callers(b, 1, func(int) error {
		_, seq, err := f.repo.ListFiles(f.ctx, ports.ListFiles{Revision: git.Head(), Recursive: true})
		if err != nil {
			return err
		}
		infos, err := drain(seq)
		return enough(len(infos), len(f.paths), err)
	})
}

// enough turns an answer that is cut short into an error.
func enough(got, want int, err error) error {
	if err == nil && got != want {
		err = fmt.Errorf("%d items, want %d", got, want)
	}
	return err
}

func (f *bench) readTree(b *testing.B) {
	b.SetBytes(f.bytes)
	f.read(b, ports.ReadTree{Revision: git.Head()}, len(f.paths))
}

func (f *bench) readChange(b *testing.B) {
	f.read(b, ports.ReadTree{Revision: git.Head(), Base: f.previous}, 1)
}

func (f *bench) read(b *testing.B, q ports.ReadTree, want int) {
	callers(b, 1, func(int) error {
		_, seq, err := f.repo.ReadTree(f.ctx, q)
		if err != nil {
			return err
		}
		got := 0
		for file, err := range seq {
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, file.Content); err != nil {
				return err
			}
			got++
		}
		return enough(got, want, nil)
	})
}

func (f *bench) listCommits(b *testing.B) {
	f.walk(b, ports.ListCommits{Revision: git.Head(), Limit: benchCommits})
}

func (f *bench) listCommitsOfPath(b *testing.B) {
	f.walk(b, ports.ListCommits{Revision: git.Head(), Path: f.paths[0], Limit: benchCommits})
}

func (f *bench) walk(b *testing.B, q ports.ListCommits) {
	callers(b, 1, func(int) error {
		_, seq, err := f.repo.ListCommits(f.ctx, q)
		if err != nil {
			return err
		}
		_, err = drain(seq)
		return err
	})
}

// commitFiles writes to a branch of its own, so that what the others read stays as it is.
func (f *bench) commitFiles(b *testing.B, writers int) {
	name := f.newBranch(b)
	callers(b, writers, func(number int) error {
		_, err := f.repo.CommitFiles(f.ctx, ports.CommitFiles{Branch: name, Message: "Change"},
			each(document(f.paths[number%len(f.paths)], benchCommits+number)))
		return err
	})
}

func (f *bench) commitCatalog(b *testing.B) {
	name := f.newBranch(b)
	b.SetBytes(f.bytes)
	callers(b, 1, func(number int) error {
		_, err := f.repo.CommitFiles(f.ctx, ports.CommitFiles{Branch: name, Message: "Change"}, each(f.catalog(number)...))
		return err
	})
}

var benchBranches atomic.Int64

func (f *bench) newBranch(b *testing.B) git.RefName {
	b.Helper()
	name := branch(fmt.Sprintf("round-%d", benchBranches.Add(1)))
	if _, err := f.repo.CreateBranch(f.ctx, ports.CreateBranch{Name: name, Target: git.Head()}); err != nil {
		b.Fatal(err)
	}
	return name
}
