package gitclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

// benchContent is a file of 1.5 KB, as a catalog holds.
var benchContent = bytes.Repeat([]byte("0123456789abcde\n"), 96)

// hotPath is a file that the store answers from memory.
var hotPath, _ = git.ParseTreePath("products/coffee/single-origin/latin-america/item.md")

// echo answers with a constant and does nothing else: what gRPC itself costs.
type echo struct {
	gitv1.UnimplementedContentServiceServer
}

func (echo) GetFile(context.Context, *gitv1.GetFileRequest) (*gitv1.GetFileResponse, error) {
	return &gitv1.GetFileResponse{Content: benchContent}, nil
}

func (echo) ReadTree(_ *gitv1.ReadTreeRequest, stream grpc.ServerStreamingServer[gitv1.ReadTreeResponse]) error {
	data := make([]byte, 99<<10)
	for range 160 {
		if err := stream.Send(&gitv1.ReadTreeResponse{More: data}); err != nil {
			return err
		}
	}
	return nil
}

func benchEcho(b *testing.B) gitv1.ContentServiceClient {
	srv := grpc.NewServer()
	gitv1.RegisterContentServiceServer(srv, echo{})
	lis := listen(b)
	go func() { _ = srv.Serve(lis) }()
	b.Cleanup(srv.Stop)
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return gitv1.NewContentServiceClient(conn)
}

func listen(b *testing.B) net.Listener {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return lis
}

// benchStore is a catalog of n files behind TCP.
func benchStore(b *testing.B, n int) (ports.GitRepository, git.ObjectID) {
	store := memrepo.New()
	id, err := git.ParseRepositoryID("shop")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := store.CreateRepository(b.Context(), ports.CreateRepository{ID: id}); err != nil {
		b.Fatal(err)
	}
	branch, _ := git.BranchRef("main")
	req := ports.CommitFiles{Branch: branch, Message: "import"}
	made, err := store.Repository(id).CommitFiles(b.Context(), req, func(yield func(git.Change, error) bool) {
		for i := range n {
			path, err := git.ParseTreePath(fmt.Sprintf("products/%03d/item-%05d.md", i/100, i))
			content := append([]byte(fmt.Sprintf("%08d\n", i)), benchContent...)
			if !yield(git.Change{Action: git.ActionCreate, Path: path, Content: bytes.NewReader(content), Size: int64(len(content))}, err) {
				return
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	blob := git.SHA1.HashObject(git.BlobObject, benchContent)
	file := ports.File{Commit: made.Commit, Path: hotPath, Mode: git.ModeRegular, Blob: blob, Size: int64(len(benchContent))}
	lis := listen(b)
	srv := gitserver.New(hot{store, map[git.TreePath]ports.FileContent{hotPath: {File: file, Content: benchContent}}}, gitserver.Options{})
	go func() { _ = srv.Serve(lis) }()
	client, err := gitclient.Dial(lis.Addr().String(), gitclient.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = client.Close()
		_ = srv.Shutdown(context.Background())
	})
	return client.Repository(id), made.Commit
}

// callers runs call b.N times from so many goroutines.
func callers(b *testing.B, n int, call func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan error, n)
	b.ResetTimer()
	before := processorTime(b)
	for range n {
		go func() {
			for left.Add(-1) >= 0 {
				if err := call(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range n {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime is what client and server have used together: on a machine that does other work as well it says more
// than the time that passed.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// hot answers GetFile from a map, as a cache in front of a repository does.
type hot struct {
	ports.RepositoryStore
	files map[git.TreePath]ports.FileContent
}

type hotRepository struct {
	ports.GitRepository
	files map[git.TreePath]ports.FileContent
}

func (h hot) Repository(id git.RepositoryID) ports.GitRepository {
	return hotRepository{h.RepositoryStore.Repository(id), h.files}
}

func (h hotRepository) GetFile(_ context.Context, _ git.Revision, path git.TreePath) (ports.FileContent, error) {
	return h.files[path], nil
}

// BenchmarkGetFile compares a hot read with a call that does nothing.
func BenchmarkGetFile(b *testing.B) {
	conn := benchEcho(b)
	repo, commit := benchStore(b, 1)
	rev := git.AtCommit(commit)
	calls := map[string]func() error{
		"echo": func() error {
			_, err := conn.GetFile(context.Background(), &gitv1.GetFileRequest{Repository: "shop"})
			return err
		},
		"gitstore": func() error {
			_, err := repo.GetFile(context.Background(), rev, hotPath)
			return err
		},
	}
	for _, n := range []int{1, 16, 64} {
		for _, name := range []string{"echo", "gitstore"} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				callers(b, n, calls[name])
			})
		}
	}
}

// BenchmarkReadTree compares reading 10,200 files with a stream of as many bytes.
func BenchmarkReadTree(b *testing.B) {
	conn := benchEcho(b)
	repo, commit := benchStore(b, 10_200)
	b.Run("echo", func(b *testing.B) {
		for b.Loop() {
			s, err := conn.ReadTree(context.Background(), &gitv1.ReadTreeRequest{})
			for err == nil {
				_, err = s.Recv()
			}
			if !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
		}
	})
	b.Run("gitstore", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, files, err := repo.ReadTree(b.Context(), ports.ReadTree{Revision: git.AtCommit(commit)})
			if err != nil {
				b.Fatal(err)
			}
			for f, err := range files {
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, f.Content); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	runtime.KeepAlive(repo)
}

// BenchmarkListFiles lists 10,200 files.
func BenchmarkListFiles(b *testing.B) {
	repo, commit := benchStore(b, 10_200)
	b.ReportAllocs()
	for b.Loop() {
		_, files, err := repo.ListFiles(b.Context(), ports.ListFiles{Revision: git.AtCommit(commit), Recursive: true})
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range files {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
