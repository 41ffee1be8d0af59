package gitserver

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/ports"
)

type contentService struct {
	gitv1.UnsafeContentServiceServer
	store ports.RepositoryStore
}

func (s contentService) GetFile(ctx context.Context, m *gitv1.GetFileRequest) (*gitv1.GetFileResponse, error) {
	id, rev, path, err := wire.DecodeGetFile(m)
	if err != nil {
		return nil, err
	}
	f, err := s.store.Repository(id).GetFile(ctx, rev, path)
	if err != nil {
		return nil, err
	}
	return wire.EncodeFileContent(f), nil
}

func (s contentService) ReadFile(m *gitv1.ReadFileRequest, stream grpc.ServerStreamingServer[gitv1.ReadFileResponse]) error {
	id, q, err := wire.DecodeReadFile(m)
	if err != nil {
		return err
	}
	f, content, err := s.store.Repository(id).ReadFile(stream.Context(), q)
	if err != nil {
		return err
	}
	defer content.Close()
	if err := stream.Send(wire.EncodeReadFileHeader(f)); err != nil {
		return err
	}
	return sendChunks(content, make([]byte, min(max(f.Size-q.Offset, 1), wire.Chunk)), stream)
}

// sendChunks sends the content in pieces of the length of chunk, each read after the one before was taken.
func sendChunks(content io.Reader, chunk []byte, stream grpc.ServerStreamingServer[gitv1.ReadFileResponse]) error {
	for {
		n, err := io.ReadFull(content, chunk)
		if n > 0 {
			if err := stream.Send(&gitv1.ReadFileResponse{Payload: &gitv1.ReadFileResponse_Data{Data: chunk[:n]}}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func (s contentService) ListFiles(m *gitv1.ListFilesRequest, stream grpc.ServerStreamingServer[gitv1.ListFilesResponse]) error {
	id, q, err := wire.DecodeListFiles(m)
	if err != nil {
		return err
	}
	at, files, err := s.store.Repository(id).ListFiles(stream.Context(), q)
	if err != nil {
		return err
	}
	commit := at.String()
	return sendAll(files, wire.EncodeFileInfo, treeEntrySize, func(entries []*gitv1.TreeEntry) error {
		err := stream.Send(&gitv1.ListFilesResponse{CommitId: commit, Entries: entries})
		commit = ""
		return err
	})
}

func treeEntrySize(m *gitv1.TreeEntry) int { return len(m.Path) + len(m.ObjectId) + 20 }

func (s contentService) ReadTree(m *gitv1.ReadTreeRequest, stream grpc.ServerStreamingServer[gitv1.ReadTreeResponse]) error {
	id, q, err := wire.DecodeReadTree(m)
	if err != nil {
		return err
	}
	at, files, err := s.store.Repository(id).ReadTree(stream.Context(), q)
	if err != nil {
		return err
	}
	commit := at.String()
	return sendContents(files, treeFile, func(more []byte, files []*gitv1.TreeFile) error {
		err := stream.Send(&gitv1.ReadTreeResponse{CommitId: commit, More: more, Files: files})
		commit = ""
		return err
	})
}

func treeFile(f ports.TreeFile) item[*gitv1.TreeFile] {
	m := wire.EncodeTreeFile(f)
	i := item[*gitv1.TreeFile]{
		file: m, overhead: fileOverhead + len(m.GetFile().GetPath()), size: f.Size, content: f.Content,
		set: func(data []byte) { m.Data = data },
	}
	if f.Omitted {
		i.size = 0
	}
	return i
}

func (s contentService) BatchGetFiles(m *gitv1.BatchGetFilesRequest, stream grpc.ServerStreamingServer[gitv1.BatchGetFilesResponse]) error {
	id, rev, paths, err := wire.DecodeBatchGetFiles(m)
	if err != nil {
		return err
	}
	at, files, err := s.store.Repository(id).BatchGetFiles(stream.Context(), rev, paths)
	if err != nil {
		return err
	}
	commit := at.String()
	return sendContents(files, batchFile, func(more []byte, files []*gitv1.BatchFile) error {
		err := stream.Send(&gitv1.BatchGetFilesResponse{CommitId: commit, More: more, Files: files})
		commit = ""
		return err
	})
}

func batchFile(f ports.BatchFile) item[*gitv1.BatchFile] {
	m := wire.EncodeBatchFile(f)
	return item[*gitv1.BatchFile]{
		file: m, overhead: fileOverhead + len(m.GetFile().GetPath()), size: f.Size, content: f.Content,
		set: func(data []byte) { m.Data = data },
	}
}
