package gitserver

import (
	"bytes"
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/ports"
)

type historyService struct {
	gitv1.UnsafeHistoryServiceServer
	store ports.RepositoryStore
}

func (s historyService) GetCommit(ctx context.Context, m *gitv1.GetCommitRequest) (*gitv1.GetCommitResponse, error) {
	id, rev, err := wire.DecodeGetCommit(m)
	if err != nil {
		return nil, err
	}
	c, err := s.store.Repository(id).GetCommit(ctx, rev)
	if err != nil {
		return nil, err
	}
	return &gitv1.GetCommitResponse{Commit: wire.EncodeCommit(c)}, nil
}

func (s historyService) ListCommits(m *gitv1.ListCommitsRequest, stream grpc.ServerStreamingServer[gitv1.ListCommitsResponse]) error {
	id, q, err := wire.DecodeListCommits(m)
	if err != nil {
		return err
	}
	at, commits, err := s.store.Repository(id).ListCommits(stream.Context(), q)
	if err != nil {
		return err
	}
	start := at.String()
	return sendAll(commits, wire.EncodeCommit, commitSize, func(commits []*gitv1.Commit) error {
		err := stream.Send(&gitv1.ListCommitsResponse{StartCommitId: start, Commits: commits})
		start = ""
		return err
	})
}

func commitSize(m *gitv1.Commit) int { return proto.Size(m) }

func (s historyService) ListChangedPaths(m *gitv1.ListChangedPathsRequest, stream grpc.ServerStreamingServer[gitv1.ListChangedPathsResponse]) error {
	id, q, err := wire.DecodeComparison(m.GetRepository(), m.GetComparison())
	if err != nil {
		return err
	}
	sides, changes, err := s.store.Repository(id).ListChangedPaths(stream.Context(), q)
	if err != nil {
		return err
	}
	compared := wire.EncodeCompared(sides)
	return sendAll(changes, wire.EncodePathChange, pathChangeSize, func(changes []*gitv1.PathChange) error {
		err := stream.Send(&gitv1.ListChangedPathsResponse{Compared: compared, Changes: changes})
		compared = nil
		return err
	})
}

func pathChangeSize(m *gitv1.PathChange) int { return len(m.Path) + len(m.OldId) + len(m.NewId) + 30 }

func (s historyService) GetDiff(m *gitv1.GetDiffRequest, stream grpc.ServerStreamingServer[gitv1.GetDiffResponse]) error {
	id, q, err := wire.DecodeComparison(m.GetRepository(), m.GetComparison())
	if err != nil {
		return err
	}
	sides, diffs, err := s.store.Repository(id).GetDiff(stream.Context(), q)
	if err != nil {
		return err
	}
	compared := wire.EncodeCompared(sides)
	return sendContents(diffs, fileDiff, func(more []byte, diffs []*gitv1.FileDiff) error {
		err := stream.Send(&gitv1.GetDiffResponse{Compared: compared, More: more, Diffs: diffs})
		compared = nil
		return err
	})
}

func fileDiff(f ports.FileDiff) item[*gitv1.FileDiff] {
	m := wire.EncodeFileDiff(f)
	return item[*gitv1.FileDiff]{
		file: m, overhead: fileOverhead + len(m.GetChange().GetPath()), size: int64(len(f.Patch)),
		content: bytes.NewReader(f.Patch), set: func(data []byte) { m.Patch = data },
	}
}
