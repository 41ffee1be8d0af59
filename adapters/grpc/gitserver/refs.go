package gitserver

import (
	"context"

	"google.golang.org/grpc"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/ports"
)

type refService struct {
	gitv1.UnsafeRefServiceServer
	store ports.RepositoryStore
}

func (s refService) ResolveRevision(ctx context.Context, m *gitv1.ResolveRevisionRequest) (*gitv1.ResolveRevisionResponse, error) {
	id, rev, err := wire.DecodeResolveRevision(m)
	if err != nil {
		return nil, err
	}
	at, err := s.store.Repository(id).ResolveRevision(ctx, rev)
	if err != nil {
		return nil, err
	}
	return wire.EncodeResolved(at), nil
}

func (s refService) ListRefs(m *gitv1.ListRefsRequest, stream grpc.ServerStreamingServer[gitv1.ListRefsResponse]) error {
	id, q, err := wire.DecodeListRefs(m)
	if err != nil {
		return err
	}
	refs, err := s.store.Repository(id).ListRefs(stream.Context(), q)
	if err != nil {
		return err
	}
	return sendAll(refs, wire.EncodeRef, refSize, func(refs []*gitv1.Ref) error {
		return stream.Send(&gitv1.ListRefsResponse{Refs: refs})
	})
}

func refSize(m *gitv1.Ref) int { return len(m.Name) + len(m.TargetId) + len(m.PeeledId) + 20 }

func (s refService) ListTags(ctx context.Context, m *gitv1.ListTagsRequest) (*gitv1.ListTagsResponse, error) {
	id, p, err := wire.DecodeListTags(m)
	if err != nil {
		return nil, err
	}
	tags, err := s.store.Repository(id).ListTags(ctx, p)
	if err != nil {
		return nil, err
	}
	return wire.EncodeTagPage(tags), nil
}

func (s refService) GetLatestTag(ctx context.Context, m *gitv1.GetLatestTagRequest) (*gitv1.GetLatestTagResponse, error) {
	id, q, err := wire.DecodeLatestTag(m)
	if err != nil {
		return nil, err
	}
	tag, err := s.store.Repository(id).LatestTag(ctx, q)
	if err != nil {
		return nil, err
	}
	return &gitv1.GetLatestTagResponse{Tag: wire.EncodeTagInfo(tag)}, nil
}

func (s refService) CreateBranch(ctx context.Context, m *gitv1.CreateBranchRequest) (*gitv1.CreateBranchResponse, error) {
	id, req, err := wire.DecodeCreateBranch(m)
	if err != nil {
		return nil, err
	}
	ref, err := s.store.Repository(id).CreateBranch(ctx, req)
	if err != nil {
		return nil, err
	}
	return &gitv1.CreateBranchResponse{Branch: wire.EncodeRef(ref)}, nil
}

func (s refService) DeleteBranch(ctx context.Context, m *gitv1.DeleteBranchRequest) (*gitv1.DeleteBranchResponse, error) {
	id, req, err := wire.DecodeDeleteBranch(m)
	if err != nil {
		return nil, err
	}
	if err := s.store.Repository(id).DeleteBranch(ctx, req); err != nil {
		return nil, err
	}
	return &gitv1.DeleteBranchResponse{}, nil
}

func (s refService) CreateTag(ctx context.Context, m *gitv1.CreateTagRequest) (*gitv1.CreateTagResponse, error) {
	id, req, err := wire.DecodeCreateTag(m)
	if err != nil {
		return nil, err
	}
	tag, err := s.store.Repository(id).CreateTag(ctx, req)
	if err != nil {
		return nil, err
	}
	return &gitv1.CreateTagResponse{Tag: wire.EncodeTagInfo(tag)}, nil
}

func (s refService) DeleteTag(ctx context.Context, m *gitv1.DeleteTagRequest) (*gitv1.DeleteTagResponse, error) {
	id, req, err := wire.DecodeDeleteTag(m)
	if err != nil {
		return nil, err
	}
	if err := s.store.Repository(id).DeleteTag(ctx, req); err != nil {
		return nil, err
	}
	return &gitv1.DeleteTagResponse{}, nil
}

func (s refService) UpdateRefs(ctx context.Context, m *gitv1.UpdateRefsRequest) (*gitv1.UpdateRefsResponse, error) {
	id, updates, err := wire.DecodeUpdateRefs(m)
	if err != nil {
		return nil, err
	}
	refs, err := s.store.Repository(id).UpdateRefs(ctx, updates)
	if err != nil {
		return nil, err
	}
	return &gitv1.UpdateRefsResponse{Refs: wire.EncodeRefs(refs)}, nil
}
