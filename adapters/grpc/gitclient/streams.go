package gitclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"google.golang.org/grpc"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// source is a server stream under way, used by one goroutine at a time.
type source[M any] struct {
	stream grpc.ServerStreamingClient[M]
	cancel context.CancelFunc
	// first is the message that was received when the stream was opened; nil if it was taken.
	first *M
	// ended is why there are no more messages; io.EOF after the last one.
	ended error
}

// open begins a server stream and receives its first message, so that whatever is wrong with the request is told now.
// The source has to be closed, also after its end; its context ends it as well.
func open[Q, M any](ctx context.Context, method string, call func(context.Context, *Q, ...grpc.CallOption) (grpc.ServerStreamingClient[M], error), req *Q) (*source[M], error) {
	ctx, cancel := withDeadline(ctx, method)
	stream, err := call(ofRepository(ctx, req), req)
	if err != nil {
		cancel()
		return nil, wire.DecodeError(err)
	}
	s := &source[M]{stream: stream, cancel: cancel}
	s.first, err = s.next()
	if err != nil && !errors.Is(err, io.EOF) {
		s.close()
		return nil, err
	}
	return s, nil
}

func withDeadline(ctx context.Context, method string) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	op, _ := wire.OperationOf(method)
	if op.Timeout() == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, op.Timeout())
}

// next returns the next message, and io.EOF after the last one.
func (s *source[M]) next() (*M, error) {
	if m := s.first; m != nil {
		s.first = nil
		return m, nil
	}
	if s.ended != nil {
		return nil, s.ended
	}
	m, err := s.stream.Recv()
	if errors.Is(err, io.EOF) {
		s.ended = io.EOF
	} else {
		s.ended = wire.DecodeError(err)
	}
	return m, s.ended
}

// close ends the stream, if it has not ended.
func (s *source[M]) close() {
	s.cancel()
	if s.ended == nil {
		s.ended = errs.New(errs.ReasonCanceled, "the listing was broken off")
	}
}

// list iterates over the items of all messages and closes the source.
func list[M, I, T any](s *source[M], items func(*M) []I, decode func(I) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer s.close()
		for {
			m, err := s.next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					var none T
					yield(none, err)
				}
				return
			}
			for _, item := range items(m) {
				v, err := decode(item)
				if !yield(v, wire.BadAnswer(err)) || err != nil {
					return
				}
			}
		}
	}
}

// part is a message of files with contents: more of the content that the message before left unfinished, and files.
type part[F any] struct {
	more  []byte
	files []F
}

// files reads files with contents from a source of parts.
type files[M, F any] struct {
	source *source[M]
	part   func(*M) part[F]
	queue  []F
	// receive receives the next message into the queue and returns what it has more of the last file.
	receive func() ([]byte, error)
}

func newFiles[M, F any](s *source[M], split func(*M) part[F]) *files[M, F] {
	fs := &files[M, F]{source: s, part: split}
	fs.receive = fs.receivePart
	return fs
}

// next returns the next file, io.EOF after the last one. The content of the file before has to have been read.
func (fs *files[M, F]) next() (F, error) {
	for len(fs.queue) == 0 {
		more, err := fs.receive()
		if err == nil && len(more) > 0 {
			err = brokenContent("content came that belongs to no file")
		}
		if err != nil {
			var none F
			return none, err
		}
	}
	f := fs.queue[0]
	fs.queue = fs.queue[1:]
	return f, nil
}

func (fs *files[M, F]) receivePart() ([]byte, error) {
	m, err := fs.source.next()
	if err != nil {
		return nil, err
	}
	p := fs.part(m)
	fs.queue = p.files
	return p.more, nil
}

func brokenContent(what string) error { return wire.BadAnswer(errors.New(what)) }

// content is the content of the file that [files.next] returned last.
type content struct {
	data []byte
	// left is how many bytes come after data.
	left int64
	// receive receives the next message and returns what it has more.
	receive func() ([]byte, error)
}

// newContent begins the content of a file of the size with the data of its message.
func (fs *files[M, F]) newContent(data []byte, size int64) (*content, error) {
	left := size - int64(len(data))
	if left < 0 || left > 0 && len(fs.queue) > 0 {
		return nil, brokenContent("a content and the size of its file differ")
	}
	return &content{data: data, left: left, receive: fs.receive}, nil
}

// fill receives until there is data or the content ends with io.EOF.
func (c *content) fill() error {
	if len(c.data) > 0 {
		return nil
	}
	if c.left == 0 {
		return io.EOF
	}
	more, err := c.receive()
	if errors.Is(err, io.EOF) || err == nil && (len(more) == 0 || int64(len(more)) > c.left) {
		err = brokenContent("a content and the size of its file differ")
	}
	if err != nil {
		return err
	}
	c.data = more
	c.left -= int64(len(more))
	return nil
}

// Read implements [io.Reader].
func (c *content) Read(b []byte) (int, error) {
	if err := c.fill(); err != nil {
		return 0, err
	}
	n := copy(b, c.data)
	c.data = c.data[n:]
	return n, nil
}

// WriteTo implements [io.WriterTo]: it saves a copy.
func (c *content) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for {
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return written, err
		}
		n, err := w.Write(c.data)
		written += int64(n)
		c.data = c.data[n:]
		if err != nil {
			return written, err
		}
	}
}

// finish receives what was not read, and gives the content up.
func (c *content) finish() error {
	c.data = nil
	for c.left > 0 {
		if err := c.fill(); err != nil {
			return err
		}
		c.data = nil
	}
	return nil
}

// listContents iterates over files with contents and closes the source. The decoded file is completed by use with its
// content, which is drained before the next file is received.
func listContents[M, F, T any](s *source[M], split func(*M) part[F], decode func(F) (T, []byte, int64, error), use func(*T, *content) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer s.close()
		fs := newFiles(s, split)
		for {
			v, c, err := nextFile(fs, decode)
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil {
				err = use(&v, c)
			}
			if !yield(v, err) || err != nil {
				return
			}
			if err := c.finish(); err != nil {
				var none T
				yield(none, err)
				return
			}
		}
	}
}

func nextFile[M, F, T any](fs *files[M, F], decode func(F) (T, []byte, int64, error)) (T, *content, error) {
	var none T
	f, err := fs.next()
	if err != nil {
		return none, nil, err
	}
	v, data, size, err := decode(f)
	if err != nil {
		return none, nil, wire.BadAnswer(err)
	}
	c, err := fs.newContent(data, size)
	return v, c, err
}

// ListRefs implements [ports.RefReader].
func (r repository) ListRefs(ctx context.Context, q ports.RefQuery) (iter.Seq2[git.Ref, error], error) {
	s, err := open(ctx, gitv1.RefService_ListRefs_FullMethodName, r.refs.ListRefs, wire.EncodeListRefs(r.id, q))
	if err != nil {
		return nil, err
	}
	return list(s, (*gitv1.ListRefsResponse).GetRefs, wire.DecodeRef), nil
}

// ListFiles implements [ports.TreeReader].
func (r repository) ListFiles(ctx context.Context, q ports.ListFiles) (git.ObjectID, iter.Seq2[ports.FileInfo, error], error) {
	s, err := open(ctx, gitv1.ContentService_ListFiles_FullMethodName, r.content.ListFiles, wire.EncodeListFiles(r.id, q))
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	at, err := commitOf(s, "commit_id", (*gitv1.ListFilesResponse).GetCommitId)
	return at, list(s, (*gitv1.ListFilesResponse).GetEntries, wire.DecodeFileInfo), err
}

// commitOf reads the commit that the first message names, and closes the source if there is none.
func commitOf[M any](s *source[M], field string, get func(*M) string) (git.ObjectID, error) {
	at, err := wire.DecodeCommitID(field, get(s.first))
	if err != nil {
		s.close()
	}
	return at, wire.BadAnswer(err)
}

// ListCommits implements [ports.HistoryReader].
func (r repository) ListCommits(ctx context.Context, q ports.ListCommits) (git.ObjectID, iter.Seq2[*git.Commit, error], error) {
	s, err := open(ctx, gitv1.HistoryService_ListCommits_FullMethodName, r.history.ListCommits, wire.EncodeListCommits(r.id, q))
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	at, err := commitOf(s, "start_commit_id", (*gitv1.ListCommitsResponse).GetStartCommitId)
	return at, list(s, (*gitv1.ListCommitsResponse).GetCommits, wire.DecodeCommit), err
}

// ListChangedPaths implements [ports.HistoryReader].
func (r repository) ListChangedPaths(ctx context.Context, q ports.Compare) (ports.Comparison, iter.Seq2[git.PathChange, error], error) {
	s, err := open(ctx, gitv1.HistoryService_ListChangedPaths_FullMethodName, r.history.ListChangedPaths,
		&gitv1.ListChangedPathsRequest{Repository: r.id.String(), Comparison: wire.EncodeComparison(q)})
	if err != nil {
		return ports.Comparison{}, nil, err
	}
	sides, err := comparedBy(s, (*gitv1.ListChangedPathsResponse).GetCompared)
	return sides, list(s, (*gitv1.ListChangedPathsResponse).GetChanges, wire.DecodePathChange), err
}

func comparedBy[M any](s *source[M], get func(*M) *gitv1.ComparedCommits) (ports.Comparison, error) {
	sides, err := wire.DecodeCompared(get(s.first))
	if err != nil {
		s.close()
	}
	return sides, wire.BadAnswer(err)
}

// GetDiff implements [ports.HistoryReader].
func (r repository) GetDiff(ctx context.Context, q ports.Compare) (ports.Comparison, iter.Seq2[ports.FileDiff, error], error) {
	s, err := open(ctx, gitv1.HistoryService_GetDiff_FullMethodName, r.history.GetDiff,
		&gitv1.GetDiffRequest{Repository: r.id.String(), Comparison: wire.EncodeComparison(q)})
	if err != nil {
		return ports.Comparison{}, nil, err
	}
	sides, err := comparedBy(s, (*gitv1.GetDiffResponse).GetCompared)
	return sides, listContents(s, diffPart, decodeDiff, withPatch), err
}

func diffPart(m *gitv1.GetDiffResponse) part[*gitv1.FileDiff] {
	return part[*gitv1.FileDiff]{m.GetMore(), m.GetDiffs()}
}

func decodeDiff(m *gitv1.FileDiff) (ports.FileDiff, []byte, int64, error) {
	f, err := wire.DecodeFileDiff(m)
	return f, m.GetPatch(), m.GetPatchSize(), err
}

func withPatch(f *ports.FileDiff, c *content) error {
	if c.left == 0 {
		f.Patch, c.data = c.data, nil
		return nil
	}
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	f.Patch = b.Bytes()
	return err
}

// ReadTree implements [ports.TreeReader].
func (r repository) ReadTree(ctx context.Context, q ports.ReadTree) (git.ObjectID, iter.Seq2[ports.TreeFile, error], error) {
	s, err := open(ctx, gitv1.ContentService_ReadTree_FullMethodName, r.content.ReadTree, wire.EncodeReadTree(r.id, q))
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	at, err := commitOf(s, "commit_id", (*gitv1.ReadTreeResponse).GetCommitId)
	decode := func(m *gitv1.TreeFile) (ports.TreeFile, []byte, int64, error) {
		f, err := wire.DecodeTreeFile(m)
		size := f.Size
		if f.Omitted {
			size = 0
			if err == nil && (q.MaxFileSize == 0 || f.Size <= q.MaxFileSize) {
				err = fmt.Errorf("a file of %d bytes was omitted, and %d are the limit", f.Size, q.MaxFileSize)
			}
		}
		return f, m.GetData(), size, err
	}
	return at, listContents(s, treePart, decode, withTreeContent), err
}

func treePart(m *gitv1.ReadTreeResponse) part[*gitv1.TreeFile] {
	return part[*gitv1.TreeFile]{m.GetMore(), m.GetFiles()}
}

func withTreeContent(f *ports.TreeFile, c *content) error {
	if !f.Deleted && !f.Omitted {
		f.Content = c
	}
	return nil
}

// BatchGetFiles implements [ports.BlobReader].
func (r repository) BatchGetFiles(ctx context.Context, rev git.Revision, paths []git.TreePath) (git.ObjectID, iter.Seq2[ports.BatchFile, error], error) {
	s, err := open(ctx, gitv1.ContentService_BatchGetFiles_FullMethodName, r.content.BatchGetFiles, wire.EncodeBatchGetFiles(r.id, rev, paths))
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	at, err := commitOf(s, "commit_id", (*gitv1.BatchGetFilesResponse).GetCommitId)
	decode := func(m *gitv1.BatchFile) (ports.BatchFile, []byte, int64, error) {
		f, err := wire.DecodeBatchFile(at, m)
		return f, m.GetData(), f.Size, err
	}
	return at, listContents(s, batchPart, decode, withBatchContent), err
}

func batchPart(m *gitv1.BatchGetFilesResponse) part[*gitv1.BatchFile] {
	return part[*gitv1.BatchFile]{m.GetMore(), m.GetFiles()}
}

func withBatchContent(f *ports.BatchFile, c *content) error {
	if f.Err == nil {
		f.Content = c
	}
	return nil
}

// ReadFile implements [ports.BlobReader].
func (r repository) ReadFile(ctx context.Context, q ports.ReadFile) (ports.File, io.ReadCloser, error) {
	s, err := open(ctx, gitv1.ContentService_ReadFile_FullMethodName, r.content.ReadFile, wire.EncodeReadFile(r.id, q))
	if err != nil {
		return ports.File{}, nil, err
	}
	f, err := wire.DecodeReadFileHeader(s.first)
	if err != nil {
		s.close()
		return ports.File{}, nil, wire.BadAnswer(err)
	}
	s.first = nil
	return f, &file{source: s}, nil
}

// file is a file that is streamed.
type file struct {
	source *source[gitv1.ReadFileResponse]
	data   []byte
}

// fill receives until there is data or the file ends with io.EOF.
func (f *file) fill() error {
	for len(f.data) == 0 {
		m, err := f.source.next()
		if err != nil {
			return err
		}
		f.data = m.GetData()
	}
	return nil
}

// Read implements [io.Reader].
func (f *file) Read(b []byte) (int, error) {
	if err := f.fill(); err != nil {
		return 0, err
	}
	n := copy(b, f.data)
	f.data = f.data[n:]
	return n, nil
}

// Close implements [io.Closer].
func (f *file) Close() error {
	f.source.close()
	f.data = nil
	return nil
}
