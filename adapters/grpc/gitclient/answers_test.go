package gitclient_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// careless is a service that breaks the contract.
type careless struct {
	gitv1.UnimplementedContentServiceServer
	tree    []*gitv1.ReadTreeResponse
	list    []*gitv1.ListFilesResponse
	content []*gitv1.ReadFileResponse
	file    *gitv1.GetFileResponse
}

func (c careless) ReadTree(_ *gitv1.ReadTreeRequest, stream grpc.ServerStreamingServer[gitv1.ReadTreeResponse]) error {
	return sendAll(stream, c.tree)
}

func (c careless) ListFiles(_ *gitv1.ListFilesRequest, stream grpc.ServerStreamingServer[gitv1.ListFilesResponse]) error {
	return sendAll(stream, c.list)
}

func (c careless) ReadFile(_ *gitv1.ReadFileRequest, stream grpc.ServerStreamingServer[gitv1.ReadFileResponse]) error {
	return sendAll(stream, c.content)
}

func (c careless) GetFile(context.Context, *gitv1.GetFileRequest) (*gitv1.GetFileResponse, error) {
	return c.file, nil
}

func sendAll[M any](stream grpc.ServerStreamingServer[M], all []*M) error {
	for _, m := range all {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	return nil
}

// at returns a repository of the careless service.
func (c careless) repository(t *testing.T) ports.GitRepository {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	srv := grpc.NewServer()
	gitv1.RegisterContentServiceServer(srv, c)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	client := dial(t, lis)
	t.Cleanup(func() {
		assert.NoError(t, client.Close())
		srv.Stop()
		assert.NoError(t, <-served)
	})
	return client.Repository(shop)
}

// readTree reads a tree with all its contents.
func readTree(ctx context.Context, r ports.GitRepository) error {
	_, files, err := r.ReadTree(ctx, ports.ReadTree{Revision: git.Head()})
	if err != nil {
		return err
	}
	for f, err := range files {
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, f.Content); err != nil {
			return err
		}
	}
	return nil
}

// skipTree reads a tree and none of its contents.
func skipTree(ctx context.Context, r ports.GitRepository) error {
	_, files, err := r.ReadTree(ctx, ports.ReadTree{Revision: git.Head()})
	if err != nil {
		return err
	}
	_, err = drain(files)
	return err
}

func TestATreeThatBreaksTheContractIsTheServicesFault(t *testing.T) {
	commit := someID.String()
	file := func(path string, size int64, data string) *gitv1.TreeFile {
		return &gitv1.TreeFile{File: &gitv1.File{Path: []byte(path), BlobId: commit, Size: size}, Data: []byte(data)}
	}
	for name, tree := range map[string][]*gitv1.ReadTreeResponse{
		"nothing":                       {},
		"no commit":                     {{Files: []*gitv1.TreeFile{file("a", 0, "")}}},
		"a commit that is no id":        {{CommitId: "x"}},
		"more of no file":               {{CommitId: commit, More: []byte("x")}},
		"more of a finished file":       {{CommitId: commit, Files: []*gitv1.TreeFile{file("a", 1, "1")}}, {More: []byte("x")}},
		"more than the size":            {{CommitId: commit, Files: []*gitv1.TreeFile{file("a", 1, "12")}}},
		"more than the size, later":     {{CommitId: commit, Files: []*gitv1.TreeFile{file("a", 2, "1")}}, {More: []byte("23")}},
		"an end amid a content":         {{CommitId: commit, Files: []*gitv1.TreeFile{file("a", 3, "1")}}, {More: []byte("2")}},
		"a file within another":         {{CommitId: commit, Files: []*gitv1.TreeFile{file("a", 3, "1"), file("b", 0, "")}}},
		"another file amid a content":   {{CommitId: commit, Files: []*gitv1.TreeFile{file("a", 3, "1")}}, {Files: []*gitv1.TreeFile{file("b", 0, "")}}},
		"an empty message in a content": {{CommitId: commit, Files: []*gitv1.TreeFile{file("a", 3, "1")}}, {}},
		"a path that climbs":            {{CommitId: commit, Files: []*gitv1.TreeFile{file("../a", 0, "")}}},
		"a content that is omitted":     {{CommitId: commit, Files: []*gitv1.TreeFile{{File: file("a", 9, "").GetFile(), Omitted: true}}}},
		"a negative size":               {{CommitId: commit, Files: []*gitv1.TreeFile{file("a", -1, "")}}},
	} {
		t.Run(name, func(t *testing.T) {
			repo := careless{tree: tree}.repository(t)
			for how, read := range map[string]func(context.Context, ports.GitRepository) error{"read": readTree, "skipped": skipTree} {
				err := read(t.Context(), repo)
				assert.Equal(t, errs.ReasonInternal, errs.ReasonOf(err), "%s: %v", how, err)
			}
		})
	}
}

func TestOtherAnswersThatBreakTheContract(t *testing.T) {
	commit := someID.String()
	t.Run("a listing with a bad entry", func(t *testing.T) {
		repo := careless{list: []*gitv1.ListFilesResponse{
			{CommitId: commit, Entries: []*gitv1.TreeEntry{{Path: []byte("a"), ObjectId: commit}, {Path: []byte("b"), ObjectId: "?"}}},
		}}.repository(t)
		_, files, err := repo.ListFiles(t.Context(), ports.ListFiles{})
		require.NoError(t, err)
		n, err := drain(files)
		assert.Equal(t, 1, n)
		assert.Equal(t, errs.ReasonInternal, errs.ReasonOf(err))
	})
	t.Run("a file without header", func(t *testing.T) {
		data := &gitv1.ReadFileResponse{Payload: &gitv1.ReadFileResponse_Data{Data: []byte("x")}}
		_, _, err := careless{content: []*gitv1.ReadFileResponse{data}}.repository(t).ReadFile(t.Context(), ports.ReadFile{})
		assert.Equal(t, errs.ReasonInternal, errs.ReasonOf(err))
	})
	t.Run("a file with a bad id", func(t *testing.T) {
		_, err := careless{file: &gitv1.GetFileResponse{CommitId: "x"}}.repository(t).GetFile(t.Context(), git.Head(), git.TreePath{})
		assert.Equal(t, errs.ReasonInternal, errs.ReasonOf(err))
	})
	t.Run("an answer above the limit", func(t *testing.T) {
		large := &gitv1.GetFileResponse{Content: []byte(strings.Repeat("x", wire.MaxAnswer+1))}
		_, err := careless{file: large}.repository(t).GetFile(t.Context(), git.Head(), git.TreePath{})
		assert.Equal(t, errs.ReasonMessageTooLarge, errs.ReasonOf(err))
	})
	t.Run("a method of another version", func(t *testing.T) {
		_, err := careless{}.repository(t).GetCommit(t.Context(), git.Head())
		assert.Equal(t, errs.ReasonMethodNotFound, errs.ReasonOf(err))
	})
}

func TestAnErrorAboutALongNameThatIsNotUTF8ArrivesWhole(t *testing.T) {
	long := path(t, strings.Repeat("\xff/", 2047)+"x")
	_, err := serve(t, newShop(t, create(t, "a", "1"))).Repository(shop).GetFile(t.Context(), git.Head(), long)
	assert.Equal(t, errs.ReasonPathNotFound, errs.ReasonOf(err), "%v", err)
	assert.Equal(t, long.String(), errs.From(err).Meta[errs.MetaPath])
	ref, refErr := git.ParseRefName("refs/heads/" + strings.Repeat("a", 1<<20))
	require.NoError(t, refErr)
	_, err = serve(t, newShop(t)).Repository(shop).ResolveRevision(t.Context(), git.AtRef(ref))
	assert.Equal(t, errs.ReasonRefNotFound, errs.ReasonOf(err), "%v", err)
}
