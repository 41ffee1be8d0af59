package catalogs

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// ReadDirectory builds the catalog of the files below a directory, such as a work tree, as they would be a commit's. It
// passes over .git and what is no regular file. The snapshot's commit is zero, and its blobs have SHA-1 ids.
//
// It fails with INVALID_PATH for a name that no commit can have, as fsys fails, and as ctx does.
func ReadDirectory(ctx context.Context, fsys fs.FS) (*catalog.Snapshot, error) {
	var files []catalog.Change
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return errs.From(ctx.Err())
		case entry.Name() == ".git":
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !entry.Type().IsRegular():
			return nil
		}
		path, err := git.ParseTreePath(name)
		if err != nil || !catalog.Reads(path) {
			return err
		}
		file, err := readFile(fsys, path)
		files = append(files, file)
		return err
	})
	if err != nil {
		return nil, err
	}
	return catalog.Build(ctx, nil, git.ObjectID{}, files)
}

// readFile reads what a catalog may look at of a file.
func readFile(fsys fs.FS, path git.TreePath) (c catalog.Change, err error) {
	f, err := fsys.Open(path.String())
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	content, err := io.ReadAll(io.LimitReader(f, catalog.MaxDocument+1))
	return catalog.Change{Path: path, Blob: git.SHA1.HashObject(git.BlobObject, content), Size: int64(len(content)), Content: content}, err
}
