package httpapi_test

import (
	"context"
	"io"
	"iter"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// stub is a store that does what a real one does not do on demand: fail, take any time, hold no memory.
type stub struct {
	ports.RepositoryStore
	list   func(context.Context) error
	read   func(ports.ReadFile) (ports.File, io.ReadCloser, error)
	commit func(iter.Seq2[git.Change, error]) (ports.CommitResult, error)
}

func (s stub) ListRepositories(ctx context.Context, _ ports.Page) (ports.RepositoryPage, error) {
	return ports.RepositoryPage{}, s.list(ctx)
}

func (s stub) Repository(git.RepositoryID) ports.GitRepository { return stubRepository{stub: s} }

// largeFiles is a repository of files that are all to be streamed.
type largeFiles struct{ ports.GitRepository }

func (largeFiles) GetFile(context.Context, git.Revision, git.TreePath) (ports.FileContent, error) {
	return ports.FileContent{}, errs.New(errs.ReasonFileTooLarge, "the file is large")
}

type stubRepository struct {
	largeFiles
	stub stub
}

func (r stubRepository) Info(context.Context) (ports.RepositoryInfo, error) {
	branch, err := git.BranchRef("main")
	return ports.RepositoryInfo{DefaultBranch: branch}, err
}

func (r stubRepository) ReadFile(_ context.Context, q ports.ReadFile) (ports.File, io.ReadCloser, error) {
	return r.stub.read(q)
}

func (r stubRepository) CommitFiles(_ context.Context, _ ports.CommitFiles, changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
	return r.stub.commit(changes)
}
