package gitclient

import (
	"context"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// repository is one repository of the store.
type repository struct {
	*Store
	id git.RepositoryID
}

// Info implements [ports.InfoReader].
func (r repository) Info(ctx context.Context) (ports.RepositoryInfo, error) {
	m, err := r.repositories.GetRepository(ctx, &gitv1.GetRepositoryRequest{Repository: r.id.String()})
	return answer(m.GetRepository(), err, wire.DecodeRepository)
}

// ResolveRevision implements [ports.RefReader].
func (r repository) ResolveRevision(ctx context.Context, rev git.Revision) (ports.Resolved, error) {
	m, err := r.refs.ResolveRevision(ctx, wire.EncodeResolveRevision(r.id, rev))
	return answer(m, err, wire.DecodeResolved)
}

// ListTags implements [ports.RefReader].
func (r repository) ListTags(ctx context.Context, page ports.Page) (ports.TagPage, error) {
	m, err := r.refs.ListTags(ctx, wire.EncodeListTags(r.id, page))
	return answer(m, err, wire.DecodeTagPage)
}

// LatestTag implements [ports.RefReader].
func (r repository) LatestTag(ctx context.Context, q ports.LatestTagQuery) (ports.TagInfo, error) {
	m, err := r.refs.GetLatestTag(ctx, wire.EncodeLatestTag(r.id, q))
	return answer(m.GetTag(), err, wire.DecodeTagInfo)
}

// CreateBranch implements [ports.RefUpdater].
func (r repository) CreateBranch(ctx context.Context, req ports.CreateBranch) (git.Ref, error) {
	m, err := r.refs.CreateBranch(ctx, wire.EncodeCreateBranch(r.id, req))
	return answer(m.GetBranch(), err, wire.DecodeRef)
}

// DeleteBranch implements [ports.RefUpdater].
func (r repository) DeleteBranch(ctx context.Context, req ports.DeleteRef) error {
	_, err := r.refs.DeleteBranch(ctx, wire.EncodeDeleteBranch(r.id, req))
	return wire.DecodeError(err)
}

// UpdateRefs implements [ports.RefUpdater].
func (r repository) UpdateRefs(ctx context.Context, updates []git.RefUpdate) ([]git.Ref, error) {
	m, err := r.refs.UpdateRefs(ctx, wire.EncodeUpdateRefs(r.id, updates))
	return answer(m.GetRefs(), err, wire.DecodeRefs)
}

// CreateTag implements [ports.Tagger].
func (r repository) CreateTag(ctx context.Context, req ports.CreateTag) (ports.TagInfo, error) {
	m, err := r.refs.CreateTag(ctx, wire.EncodeCreateTag(r.id, req))
	return answer(m.GetTag(), err, wire.DecodeTagInfo)
}

// DeleteTag implements [ports.Tagger].
func (r repository) DeleteTag(ctx context.Context, req ports.DeleteRef) error {
	_, err := r.refs.DeleteTag(ctx, wire.EncodeDeleteTag(r.id, req))
	return wire.DecodeError(err)
}

// GetFile implements [ports.BlobReader].
func (r repository) GetFile(ctx context.Context, rev git.Revision, path git.TreePath) (ports.FileContent, error) {
	m, err := r.content.GetFile(ctx, wire.EncodeGetFile(r.id, rev, path))
	return answer(m, err, wire.DecodeFileContent)
}

// GetCommit implements [ports.HistoryReader].
func (r repository) GetCommit(ctx context.Context, rev git.Revision) (*git.Commit, error) {
	m, err := r.history.GetCommit(ctx, wire.EncodeGetCommit(r.id, rev))
	return answer(m.GetCommit(), err, wire.DecodeCommit)
}
