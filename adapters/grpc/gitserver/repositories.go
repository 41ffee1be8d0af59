package gitserver

import (
	"context"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/ports"
)

type repositoryService struct {
	gitv1.UnsafeRepositoryServiceServer
	store ports.RepositoryStore
}

func (s repositoryService) CreateRepository(ctx context.Context, m *gitv1.CreateRepositoryRequest) (*gitv1.CreateRepositoryResponse, error) {
	req, err := wire.DecodeCreateRepository(m)
	if err != nil {
		return nil, err
	}
	info, err := s.store.CreateRepository(ctx, req)
	if err != nil {
		return nil, err
	}
	return &gitv1.CreateRepositoryResponse{Repository: wire.EncodeRepository(info)}, nil
}

func (s repositoryService) GetRepository(ctx context.Context, m *gitv1.GetRepositoryRequest) (*gitv1.GetRepositoryResponse, error) {
	id, err := wire.DecodeRepositoryID(m.GetRepository())
	if err != nil {
		return nil, err
	}
	info, err := s.store.Repository(id).Info(ctx)
	if err != nil {
		return nil, err
	}
	return &gitv1.GetRepositoryResponse{Repository: wire.EncodeRepository(info)}, nil
}

func (s repositoryService) ListRepositories(ctx context.Context, m *gitv1.ListRepositoriesRequest) (*gitv1.ListRepositoriesResponse, error) {
	p, err := s.store.ListRepositories(ctx, wire.DecodeListRepositories(m))
	if err != nil {
		return nil, err
	}
	return wire.EncodeRepositoryPage(p), nil
}

func (s repositoryService) DeleteRepository(ctx context.Context, m *gitv1.DeleteRepositoryRequest) (*gitv1.DeleteRepositoryResponse, error) {
	id, err := wire.DecodeRepositoryID(m.GetRepository())
	if err != nil {
		return nil, err
	}
	if err := s.store.DeleteRepository(ctx, id); err != nil {
		return nil, err
	}
	return &gitv1.DeleteRepositoryResponse{}, nil
}

func (s repositoryService) GetRepositoryPolicy(ctx context.Context, m *gitv1.GetRepositoryPolicyRequest) (*gitv1.GetRepositoryPolicyResponse, error) {
	id, err := wire.DecodeRepositoryID(m.GetRepository())
	if err != nil {
		return nil, err
	}
	p, err := s.store.Policy(ctx, id)
	if err != nil {
		return nil, err
	}
	return wire.EncodePolicyInfo(p), nil
}

func (s repositoryService) SetRepositoryPolicy(ctx context.Context, m *gitv1.SetRepositoryPolicyRequest) (*gitv1.SetRepositoryPolicyResponse, error) {
	id, policy, err := wire.DecodeSetPolicy(m)
	if err != nil {
		return nil, err
	}
	if err := s.store.SetPolicy(ctx, id, policy); err != nil {
		return nil, err
	}
	return &gitv1.SetRepositoryPolicyResponse{}, nil
}
