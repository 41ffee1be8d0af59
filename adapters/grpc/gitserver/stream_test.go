package gitserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

// maxMessage is the most that the contract allows a message of small items.
const maxMessage = 512 << 10

func pattern(n int) string { return strings.Repeat("0123456789abcde\n", n/16+1)[:n] }

// treeContents puts the messages of a ReadTree stream together again.
func treeContents(t *testing.T, all []*gitv1.ReadTreeResponse) map[string]string {
	t.Helper()
	files := map[string]string{}
	last := ""
	for i, m := range all {
		assert.LessOrEqual(t, proto.Size(m), maxMessage)
		assert.Equal(t, i == 0, m.GetCommitId() != "", "the commit is named in the first message alone")
		if len(m.GetMore()) > 0 {
			files[last] += string(m.GetMore())
		}
		for _, f := range m.GetFiles() {
			last = string(f.GetFile().GetPath())
			files[last] = string(f.GetData())
		}
	}
	return files
}

func TestReadTreeSendsSmallFilesTogetherAndLargeOnesInPieces(t *testing.T) {
	want := map[string]string{"empty": "", "exactly/one/chunk": pattern(wire.Chunk), "exactly/one/batch": pattern(wire.Batch), "large": pattern(3<<20 + 5)}
	for i := range 500 {
		want[fmt.Sprintf("many/%03d", i)] = pattern(1500 + i)
	}
	s := start(t, shop(t, want), gitserver.Options{})
	all, err := receive(s.content().ReadTree(t.Context(), &gitv1.ReadTreeRequest{Repository: "shop", Revision: head()}))
	require.NoError(t, err)
	got := treeContents(t, all)
	require.Len(t, got, len(want))
	for path, content := range want {
		assert.True(t, got[path] == content, "%s differs", path)
	}
	assert.Less(t, len(all), 50, "500 small files and 4 MB of large ones are not sent together")
}

func TestReadTreeSendsNoContentThatIsNotAskedFor(t *testing.T) {
	s := start(t, shop(t, map[string]string{"a.md": "small", "large.md": pattern(1 << 20), "photo.jpg": pattern(1 << 20)}), gitserver.Options{})
	all, err := receive(s.content().ReadTree(t.Context(), &gitv1.ReadTreeRequest{
		Repository: "shop", Revision: head(), Suffixes: [][]byte{[]byte(".MD")}, MaxFileSize: 1000,
	}))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a.md": "small", "large.md": ""}, treeContents(t, all))
	size := 0
	for _, m := range all {
		size += proto.Size(m)
	}
	assert.Less(t, size, 1000)
}

func TestListingsComeInMessagesOfAboutABatch(t *testing.T) {
	files := map[string]string{}
	for i := range 5000 {
		files[fmt.Sprintf("dir-%02d/%s-%04d", i%50, strings.Repeat("n", 100), i)] = "x"
	}
	s := start(t, shop(t, files), gitserver.Options{})
	all, err := receive(s.content().ListFiles(t.Context(), &gitv1.ListFilesRequest{Repository: "shop", Revision: head(), Recursive: true}))
	require.NoError(t, err)
	n := 0
	for i, m := range all {
		n += len(m.GetEntries())
		assert.Less(t, proto.Size(m), 2*wire.Batch)
		if i < len(all)-1 {
			assert.Greater(t, proto.Size(m), wire.Batch*3/4)
		}
	}
	assert.Equal(t, len(files), n)
}

func TestAnAnswerWithoutItemsNamesItsCommit(t *testing.T) {
	s := start(t, shop(t, map[string]string{"a": ""}), gitserver.Options{})
	tree, err := receive(s.content().ReadTree(t.Context(), &gitv1.ReadTreeRequest{Repository: "shop", Revision: head(), Prefixes: [][]byte{[]byte("none")}}))
	require.NoError(t, err)
	require.Len(t, tree, 1)
	assert.NotEmpty(t, tree[0].GetCommitId())
	list, err := receive(s.content().ListFiles(t.Context(), &gitv1.ListFilesRequest{Repository: "shop", Revision: head(), Patterns: [][]byte{[]byte("none")}}))
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.NotEmpty(t, list[0].GetCommitId())
	file, err := receive(s.content().ReadFile(t.Context(), &gitv1.ReadFileRequest{Repository: "shop", Revision: head(), Path: []byte("a")}))
	require.NoError(t, err)
	require.Len(t, file, 1, "an empty file has a header and no data")
	assert.NotEmpty(t, file[0].GetHeader().GetCommitId())
}

func TestReadFileComesInChunks(t *testing.T) {
	want := pattern(1<<20 + 1)
	s := start(t, shop(t, map[string]string{"a": want}), gitserver.Options{})
	all, err := receive(s.content().ReadFile(t.Context(), &gitv1.ReadFileRequest{Repository: "shop", Revision: head(), Path: []byte("a")}))
	require.NoError(t, err)
	var got strings.Builder
	for _, m := range all {
		assert.LessOrEqual(t, len(m.GetData()), wire.Chunk)
		got.Write(m.GetData())
	}
	assert.True(t, got.String() == want)
	assert.Len(t, all, 10)
}

func TestWhatCameBeforeAnErrorIsSentFirst(t *testing.T) {
	path, err := git.ParseTreePath("a")
	require.NoError(t, err)
	broken := errs.New(errs.ReasonRepositoryCorrupt, "an object is missing")
	s := start(t, odd{
		listFiles: func(context.Context) iter.Seq2[ports.FileInfo, error] {
			return func(yield func(ports.FileInfo, error) bool) {
				_ = yield(ports.FileInfo{Path: path, ID: someID}, nil) && yield(ports.FileInfo{}, broken)
			}
		},
		readTree: func(context.Context) iter.Seq2[ports.TreeFile, error] {
			return func(yield func(ports.TreeFile, error) bool) {
				_ = yield(ports.TreeFile{Path: path, Blob: someID}, nil) && yield(ports.TreeFile{}, broken)
			}
		},
	}, gitserver.Options{})
	list, err := receive(s.content().ListFiles(t.Context(), &gitv1.ListFilesRequest{Repository: "shop"}))
	fails(t, err, errs.ReasonRepositoryCorrupt)
	require.Len(t, list, 1)
	assert.Len(t, list[0].GetEntries(), 1)
	tree, err := receive(s.content().ReadTree(t.Context(), &gitv1.ReadTreeRequest{Repository: "shop"}))
	fails(t, err, errs.ReasonRepositoryCorrupt)
	require.Len(t, tree, 1)
	assert.Len(t, tree[0].GetFiles(), 1)
}

func TestAStoreThatGivesLessThanItAnnouncedIsAtFault(t *testing.T) {
	path, err := git.ParseTreePath("a")
	require.NoError(t, err)
	for name, content := range map[string]io.Reader{"nothing": strings.NewReader(""), "half": strings.NewReader("12345")} {
		s := start(t, odd{readTree: func(context.Context) iter.Seq2[ports.TreeFile, error] {
			return func(yield func(ports.TreeFile, error) bool) {
				yield(ports.TreeFile{Path: path, Blob: someID, Size: 10, Content: content}, nil)
			}
		}}, gitserver.Options{})
		_, err := receive(s.content().ReadTree(t.Context(), &gitv1.ReadTreeRequest{Repository: "shop"}))
		fails(t, err, errs.ReasonInternal)
		assert.Contains(t, s.log.String(), "less content than it announced", name)
	}
}

func TestTheServerReadsNoFurtherAheadThanTheWindowAndEndsWithTheClient(t *testing.T) {
	path, err := git.ParseTreePath("a")
	require.NoError(t, err)
	content := pattern(64 << 10)
	var read atomic.Int64
	ended := make(chan struct{})
	s := start(t, odd{readTree: func(context.Context) iter.Seq2[ports.TreeFile, error] {
		return func(yield func(ports.TreeFile, error) bool) {
			defer close(ended)
			for {
				read.Add(int64(len(content)))
				if !yield(ports.TreeFile{Path: path, Blob: someID, Size: int64(len(content)), Content: strings.NewReader(content)}, nil) {
					return
				}
			}
		}
	}}, gitserver.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := s.content().ReadTree(ctx, &gitv1.ReadTreeRequest{Repository: "shop"})
	require.NoError(t, err)
	for range 10 {
		_, err := stream.Recv()
		require.NoError(t, err)
	}
	cancel()
	<-ended
	assert.Less(t, read.Load(), int64(32<<20))
}

func TestAPageOfTagsThatIsTooLargeIsCut(t *testing.T) {
	store := shop(t, map[string]string{"a": ""})
	repo := store.Repository(shopID(t))
	for i := range 40 {
		ref, err := git.TagRef(fmt.Sprintf("v%d.0.0", i))
		require.NoError(t, err)
		_, err = repo.CreateTag(t.Context(), ports.CreateTag{
			Name: ref, Target: git.Head(), Message: pattern(250 << 10), Tagger: git.Signature{Name: "A", Email: "a@example.com"},
		})
		require.NoError(t, err)
	}
	s := start(t, store, gitserver.Options{})
	refs := gitv1.NewRefServiceClient(s)
	got, token := 0, ""
	for {
		page, err := refs.ListTags(t.Context(), &gitv1.ListTagsRequest{Repository: "shop", PageToken: token})
		require.NoError(t, err)
		assert.LessOrEqual(t, proto.Size(page), wire.MaxAnswer)
		got += len(page.GetTags())
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	assert.Equal(t, 40, got)
}

// message builds the messages of CommitFiles.
func message(payload any) *gitv1.CommitFilesRequest {
	switch p := payload.(type) {
	case *gitv1.CommitHeader:
		return &gitv1.CommitFilesRequest{Payload: &gitv1.CommitFilesRequest_Header{Header: p}}
	case *gitv1.FileAction:
		return &gitv1.CommitFilesRequest{Payload: &gitv1.CommitFilesRequest_Action{Action: p}}
	case string:
		return &gitv1.CommitFilesRequest{Payload: &gitv1.CommitFilesRequest_Data{Data: []byte(p)}}
	}
	return payload.(*gitv1.CommitFilesRequest)
}

// commit sends the payloads, the first of which names the repository.
func (s service) commit(payloads ...any) (*gitv1.CommitResult, error) {
	stream, err := s.commits().CommitFiles(s.t.Context())
	require.NoError(s.t, err)
	for i, p := range payloads {
		m := message(p)
		if i == 0 {
			m.Repository = "shop"
		}
		if err := stream.Send(m); errors.Is(err, io.EOF) {
			break
		}
	}
	answer, err := stream.CloseAndRecv()
	return answer.GetResult(), err
}

func onMain() *gitv1.CommitHeader {
	return &gitv1.CommitHeader{Branch: []byte("refs/heads/main"), Message: []byte("change")}
}

func create(path string, size ...int64) *gitv1.FileAction {
	a := &gitv1.FileAction{Path: []byte(path), Kind: gitv1.FileActionKind_FILE_ACTION_KIND_CREATE, HasContent: true}
	if len(size) > 0 {
		a.Size = &size[0]
	}
	return a
}

func remove(path string) *gitv1.FileAction {
	return &gitv1.FileAction{Path: []byte(path), Kind: gitv1.FileActionKind_FILE_ACTION_KIND_DELETE}
}

func TestCommitFilesRefusesMessagesOutOfOrder(t *testing.T) {
	s := start(t, shop(t, map[string]string{"a": "1"}), gitserver.Options{})
	before, err := gitv1.NewRefServiceClient(s).ResolveRevision(t.Context(), &gitv1.ResolveRevisionRequest{Repository: "shop", Revision: head()})
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		payloads []any
		reason   errs.Reason
		field    string
	}{
		"nothing":                        {nil, errs.ReasonInvalidArgument, "header"},
		"data first":                     {[]any{"x"}, errs.ReasonInvalidArgument, "header"},
		"an action first":                {[]any{create("b")}, errs.ReasonInvalidArgument, "header"},
		"an empty message first":         {[]any{&gitv1.CommitFilesRequest{}}, errs.ReasonInvalidArgument, "header"},
		"a second header":                {[]any{onMain(), onMain()}, errs.ReasonInvalidArgument, "header"},
		"a header within a content":      {[]any{onMain(), create("b"), "x", onMain()}, errs.ReasonInvalidArgument, "header"},
		"data before an action":          {[]any{onMain(), "x"}, errs.ReasonInvalidArgument, "data"},
		"data of a deletion":             {[]any{onMain(), remove("a"), "x"}, errs.ReasonInvalidArgument, "data"},
		"an empty message":               {[]any{onMain(), &gitv1.CommitFilesRequest{}}, errs.ReasonInvalidArgument, "payload"},
		"an empty message in a content":  {[]any{onMain(), create("b"), &gitv1.CommitFilesRequest{}}, errs.ReasonInvalidArgument, "payload"},
		"the repository again":           {[]any{onMain(), &gitv1.CommitFilesRequest{Repository: "other", Payload: message("x").Payload}}, errs.ReasonInvalidArgument, "repository"},
		"less data than announced":       {[]any{onMain(), create("b", 3), "xy"}, errs.ReasonInvalidAction, "size"},
		"more data than announced":       {[]any{onMain(), create("b", 1), "xy"}, errs.ReasonInvalidAction, "size"},
		"a negative size":                {[]any{onMain(), create("b", -1), "xy"}, errs.ReasonInvalidArgument, "size"},
		"an action without kind":         {[]any{onMain(), &gitv1.FileAction{Path: []byte("b")}}, errs.ReasonInvalidAction, "actions"},
		"a path that climbs":             {[]any{onMain(), create("../b"), "x"}, errs.ReasonInvalidPath, "path"},
		"a bad action behind a good one": {[]any{onMain(), create("b"), "x", create(".git/config"), "x"}, errs.ReasonDotGitComponent, "path"},
		"no action":                      {[]any{onMain()}, errs.ReasonNoActions, "actions"},
		"no branch":                      {[]any{&gitv1.CommitHeader{}, remove("a")}, errs.ReasonInvalidRefName, "branch"},
		"a request id that is no UUID":   {[]any{&gitv1.CommitHeader{Branch: onMain().Branch, RequestId: "1"}, remove("a")}, errs.ReasonInvalidRequestID, "request_id"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.commit(tt.payloads...)
			fails(t, err, tt.reason, tt.field)
		})
	}
	after, err := gitv1.NewRefServiceClient(s).ResolveRevision(t.Context(), &gitv1.ResolveRevisionRequest{Repository: "shop", Revision: head()})
	require.NoError(t, err)
	assert.Equal(t, before.GetCommitId(), after.GetCommitId(), "a refused commit moved the branch")
}

func TestCommitFilesTakesContentInAnyPieces(t *testing.T) {
	s := start(t, shop(t, map[string]string{"old": "1"}), gitserver.Options{})
	_, err := s.commit(onMain(), create("empty"), create("announced empty", 0), create("pieces", 5), "a", "", "bcd", "e", remove("old"),
		create("large"), pattern(300<<10), pattern(300<<10), create("last"), "z")
	require.NoError(t, err)
	all, err := receive(s.content().ReadTree(t.Context(), &gitv1.ReadTreeRequest{Repository: "shop", Revision: head()}))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{
		"empty": "", "announced empty": "", "pieces": "abcde", "large": pattern(300<<10) + pattern(300<<10), "last": "z",
	}, treeContents(t, all))
}

func TestACommitThatIsBrokenOffMakesNothing(t *testing.T) {
	inner := shop(t, map[string]string{"a": "1"})
	began, ended := make(chan struct{}), make(chan error, 1)
	s := start(t, recording{inner, began, ended}, gitserver.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := s.commits().CommitFiles(ctx)
	require.NoError(t, err)
	first := message(onMain())
	first.Repository = "shop"
	for _, m := range []*gitv1.CommitFilesRequest{first, message(create("b")), message("half")} {
		require.NoError(t, stream.Send(m))
	}
	<-began
	cancel()
	assert.Equal(t, errs.ReasonCanceled, errs.ReasonOf(<-ended))
	_, err = inner.Repository(shopID(t)).GetFile(t.Context(), git.Head(), mustPath(t, "b"))
	assert.Equal(t, errs.ReasonPathNotFound, errs.ReasonOf(err))
}

// recording tells when its one commit begins and how it ends.
type recording struct {
	*memrepo.Store
	began chan struct{}
	ended chan error
}

type recordingRepository struct {
	ports.GitRepository
	recording
}

func (r recording) Repository(id git.RepositoryID) ports.GitRepository {
	return recordingRepository{r.Store.Repository(id), r}
}

func (r recordingRepository) CommitFiles(ctx context.Context, req ports.CommitFiles, changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
	close(r.began)
	res, err := r.GitRepository.CommitFiles(ctx, req, changes)
	r.ended <- err
	return res, err
}

func mustPath(t *testing.T, s string) git.TreePath {
	p, err := git.ParseTreePath(s)
	require.NoError(t, err)
	return p
}

func TestTheUnaryCommitsDoAsTheStream(t *testing.T) {
	s := start(t, shop(t, map[string]string{"a": "1"}), gitserver.Options{})
	made, err := s.commits().CommitFile(t.Context(), &gitv1.CommitFileRequest{
		Repository: "shop", Header: onMain(), File: &gitv1.InlineFileAction{Action: create("b"), Content: []byte("2")},
	})
	require.NoError(t, err)
	require.Len(t, made.GetResult().GetBlobs(), 1)
	_, err = s.commits().DeleteFile(t.Context(), &gitv1.DeleteFileRequest{
		Repository: "shop", Header: onMain(), Path: []byte("b"),
		ExpectedBlobId: &gitv1.Expectation{Expected: &gitv1.Expectation_ObjectId{ObjectId: strings.Repeat("1", 40)}},
	})
	fails(t, err, errs.ReasonBlobMoved)
	e := told(err)
	assert.Equal(t, made.GetResult().GetBlobs()[0].GetBlobId(), e.Meta[errs.MetaActual])
	_, err = s.commits().DeleteFile(t.Context(), &gitv1.DeleteFileRequest{Repository: "shop", Header: onMain(), Path: []byte("b")})
	require.NoError(t, err)
	_, err = s.content().GetFile(t.Context(), &gitv1.GetFileRequest{Repository: "shop", Revision: head(), Path: []byte("b")})
	fails(t, err, errs.ReasonPathNotFound)
}

func TestAStaleExpectationIsToldTheWinner(t *testing.T) {
	s := start(t, shop(t, map[string]string{"a": "1"}), gitserver.Options{})
	h := onMain()
	first, err := s.commit(h, create("b"), "2")
	require.NoError(t, err)
	h.ExpectedHead = &gitv1.Expectation{Expected: &gitv1.Expectation_ObjectId{ObjectId: first.GetParentId()}}
	_, err = s.commit(h, create("c"), "3")
	fails(t, err, errs.ReasonRefMoved)
	e := told(err)
	assert.Equal(t, first.GetCommitId(), e.Meta[errs.MetaActual])
	assert.Equal(t, first.GetParentId(), e.Meta[errs.MetaExpected])
	h.ExpectedHead = &gitv1.Expectation{Expected: &gitv1.Expectation_ObjectId{ObjectId: strings.Repeat("0", 40)}}
	_, err = s.commit(h, create("c"), "3")
	fails(t, err, errs.ReasonRefMoved)
	_, err = gitv1.NewRefServiceClient(s).UpdateRefs(t.Context(), &gitv1.UpdateRefsRequest{
		Repository: "shop", Updates: []*gitv1.RefUpdate{{Ref: []byte("refs/heads/main"), NewOid: first.GetParentId()}},
	})
	fails(t, err, errs.ReasonInvalidArgument, "updates[0].expected_oid")
}

func TestARetryOfACommitGetsTheSameOne(t *testing.T) {
	s := start(t, shop(t, map[string]string{"a": "1"}), gitserver.Options{})
	h := onMain()
	h.RequestId = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
	first, err := s.commit(h, create("b"), "2")
	require.NoError(t, err)
	again, err := s.commit(h, create("b"), "2")
	require.NoError(t, err)
	assert.True(t, again.GetReplayed())
	assert.Equal(t, first.GetCommitId(), again.GetCommitId())
	_, err = s.commit(h, create("b"), "3")
	fails(t, err, errs.ReasonRequestIDReused)
}

func TestACommitWhoseResultWouldNotFitIsRefusedBeforeItIsMade(t *testing.T) {
	counted := 0
	s := start(t, odd{commit: func(_ context.Context, changes iter.Seq2[git.Change, error]) error {
		for _, err := range changes {
			if err != nil {
				return err
			}
			counted++
		}
		return nil
	}}, gitserver.Options{})
	stream, err := s.commits().CommitFiles(t.Context(), grpc.MaxCallSendMsgSize(1<<20))
	require.NoError(t, err)
	first := message(onMain())
	first.Repository = "shop"
	require.NoError(t, stream.Send(first))
	dir := bytes.Repeat([]byte("d/"), 1500)
	for i := range 20_000 {
		if err = stream.Send(message(remove(fmt.Sprintf("%s%05d", dir, i)))); err != nil {
			break
		}
	}
	_, err = stream.CloseAndRecv()
	fails(t, err, errs.ReasonTooManyActions, "actions")
	assert.Less(t, counted*3000, wire.MaxResult)
}
