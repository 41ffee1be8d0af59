package catalogs

import (
	"context"
	"io"
	"math"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// read makes the snapshot of a commit.
func (f *feed) read(ctx context.Context, base *catalog.Snapshot, commit git.ObjectID) (*catalog.Snapshot, Reload, error) {
	return readCatalog(ctx, f.repo, base, commit, math.MaxInt64)
}

// readCatalog makes the snapshot of a commit in one stream: of the whole tree, or of what differs from the base. Only files
// that may matter to a catalog are asked for, and those that are too large for a document without their contents. It fails
// with RESOURCE_EXHAUSTED for more than limit bytes, each file counted with its weight.
func readCatalog(ctx context.Context, repo ports.TreeReader, base *catalog.Snapshot, commit git.ObjectID, limit int64) (*catalog.Snapshot, Reload, error) {
	q := ports.ReadTree{Revision: git.AtCommit(commit), Suffixes: catalog.Suffixes(), MaxFileSize: catalog.MaxDocument}
	if base != nil {
		q.Base = base.Commit()
	}
	var (
		read    Reload
		changes []catalog.Change
	)
	_, files, err := repo.ReadTree(ctx, q)
	if err != nil {
		return nil, read, err
	}
	for file, err := range files {
		if err != nil {
			return nil, read, err
		}
		read.Files++
		if !file.Omitted {
			read.Bytes += uint64(file.Size) //nolint:gosec // a size is not negative
		}
		if read.weight() > limit {
			return nil, read, tooLarge(limit)
		}
		if !catalog.Reads(file.Path) {
			continue
		}
		change, err := changeOf(file)
		if err != nil {
			return nil, read, err
		}
		changes = append(changes, change)
	}
	snapshot, err := catalog.Build(ctx, base, commit, changes)
	if err != nil {
		return nil, read, errs.From(err)
	}
	return snapshot, read, nil
}

// weight is about the memory that what was read stands for, in bytes.
func (r Reload) weight() int64 { return int64(r.Bytes + r.Files*fileWeight) } //nolint:gosec // far below

// changeOf takes a file out of the stream. It goes by the size and not by what was omitted: a git-service of an earlier
// release sends everything.
func changeOf(file ports.TreeFile) (catalog.Change, error) {
	change := catalog.Change{Path: file.Path, Deleted: file.Deleted, Blob: file.Blob, Size: file.Size}
	if file.Deleted || file.Size > catalog.MaxDocument {
		return change, nil
	}
	change.Content = make([]byte, file.Size)
	if _, err := io.ReadFull(file.Content, change.Content); err != nil {
		return change, errs.From(err)
	}
	return change, nil
}
