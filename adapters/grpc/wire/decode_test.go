package wire_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	optionsv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/options/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

func at(name string) *gitv1.Revision {
	return &gitv1.Revision{Revision: &gitv1.Revision_Name{Name: []byte(name)}}
}

func atRef(name string) *gitv1.Revision {
	return &gitv1.Revision{Revision: &gitv1.Revision_Ref{Ref: []byte(name)}}
}

func atCommit(id string) *gitv1.Revision {
	return &gitv1.Revision{Revision: &gitv1.Revision_CommitId{CommitId: id}}
}

func getFile(rev *gitv1.Revision, path string) error {
	_, _, _, err := wire.DecodeGetFile(&gitv1.GetFileRequest{Repository: "shop", Revision: rev, Path: []byte(path)})
	return err
}

func headerWith(change func(*gitv1.CommitHeader)) error {
	h := &gitv1.CommitHeader{Branch: []byte("refs/heads/main"), Message: []byte("m")}
	change(h)
	_, _, err := wire.DecodeCommitHeader("shop", h)
	return err
}

func fileAction(change func(*gitv1.FileAction)) error {
	a := &gitv1.FileAction{Path: []byte("a"), Kind: gitv1.FileActionKind_FILE_ACTION_KIND_CREATE, HasContent: true}
	change(a)
	_, err := wire.DecodeAction(a, strings.NewReader(""))
	return err
}

func signed(s *gitv1.Signature) error {
	return headerWith(func(h *gitv1.CommitHeader) { h.Author = s })
}

func TestMalformedFieldsAreRefusedByName(t *testing.T) {
	long := strings.Repeat("a", 10<<10)
	for _, tt := range []struct {
		name   string
		err    error
		reason errs.Reason
		field  string
	}{
		{"repository that is a path", decodeID("../x"), errs.ReasonInvalidRepositoryID, "repository"},
		{"repository that is empty", decodeID(""), errs.ReasonInvalidRepositoryID, "repository"},
		{"repository of 10 KB", decodeID(long), errs.ReasonInvalidRepositoryID, "repository"},
		{"repository of a commit", second(wire.DecodeCommitHeader("-x", nil)), errs.ReasonInvalidRepositoryID, "repository"},
		{"revision without a choice", getFile(&gitv1.Revision{}, "a"), errs.ReasonInvalidRevision, "revision"},
		{"revision with an empty name", getFile(at(""), "a"), errs.ReasonInvalidRevision, "revision"},
		{"revision with an empty ref", getFile(atRef(""), "a"), errs.ReasonInvalidRevision, "revision"},
		{"revision with an empty commit", getFile(atCommit(""), "a"), errs.ReasonInvalidRevision, "revision"},
		{"option as a name", getFile(at("--output=/tmp/p"), "a"), errs.ReasonInvalidRevision, "revision"},
		{"reflog as a name", getFile(at("HEAD@{1}"), "a"), errs.ReasonInvalidRevision, "revision"},
		{"search as a name", getFile(at(":/fix"), "a"), errs.ReasonInvalidRevision, "revision"},
		{"name of 10 KB", getFile(at(long), "a"), errs.ReasonInvalidRevision, "revision"},
		{"object id as a name", getFile(at(strings.Repeat("a", 40)), "a"), errs.ReasonInvalidRevision, "revision"},
		{"ref as a name", getFile(at("refs/heads/main"), "a"), errs.ReasonInvalidRevision, "revision"},
		{"ref with a line feed", getFile(atRef("refs/heads/a\ncontents X"), "a"), errs.ReasonInvalidRefName, "revision"},
		{"short ref", getFile(atRef("main"), "a"), errs.ReasonInvalidRefName, "revision"},
		{"abbreviated object id", getFile(atCommit("abc123"), "a"), errs.ReasonInvalidObjectID, "revision"},
		{"null object id", getFile(atCommit(strings.Repeat("0", 40)), "a"), errs.ReasonInvalidObjectID, "revision"},
		{"path that climbs", getFile(at("main"), "a/../../b"), errs.ReasonInvalidPath, "path"},
		{"absolute path", getFile(at("main"), "/etc/passwd"), errs.ReasonInvalidPath, "path"},
		{"path with NUL", getFile(at("main"), "a\x00b"), errs.ReasonInvalidPath, "path"},
		{"path of 10 KB", getFile(at("main"), long), errs.ReasonInvalidPath, "path"},
		{"object format", last(wire.DecodeCreateRepository(&gitv1.CreateRepositoryRequest{Repository: "shop", ObjectFormat: 3})), errs.ReasonInvalidArgument, "object_format"},
		{"negative object format", last(wire.DecodeCreateRepository(&gitv1.CreateRepositoryRequest{Repository: "shop", ObjectFormat: -1})), errs.ReasonInvalidArgument, "object_format"},
		{"policy without validation", decodePolicy(&gitv1.RepositoryPolicy{}), errs.ReasonInvalidArgument, "policy.validation"},
		{"validation", decodePolicy(&gitv1.RepositoryPolicy{Validation: 4}), errs.ReasonInvalidArgument, "policy.validation"},
		{"protected branches", decodePolicy(&gitv1.RepositoryPolicy{Validation: 1, ProtectedBranches: [][]byte{[]byte("[")}}), errs.ReasonInvalidPattern, "policy.protected_branches"},
		{"default branch", last(wire.DecodeCreateRepository(&gitv1.CreateRepositoryRequest{Repository: "shop", DefaultBranch: []byte("a b")})), errs.ReasonInvalidRefName, "default_branch"},
		{"branch", headerWith(func(h *gitv1.CommitHeader) { h.Branch = []byte("refs/heads/a..b") }), errs.ReasonInvalidRefName, "branch"},
		{"start revision", headerWith(func(h *gitv1.CommitHeader) { h.StartRevision = &gitv1.Revision{} }), errs.ReasonInvalidRevision, "start_revision"},
		{"expectation without a choice", headerWith(func(h *gitv1.CommitHeader) { h.ExpectedHead = &gitv1.Expectation{} }), errs.ReasonInvalidArgument, "expected_head"},
		{"expectation of not absent", headerWith(func(h *gitv1.CommitHeader) {
			h.ExpectedHead = &gitv1.Expectation{Expected: &gitv1.Expectation_Absent{}}
		}), errs.ReasonInvalidArgument, "expected_head"},
		{"expectation of half an id", headerWith(func(h *gitv1.CommitHeader) {
			h.ExpectedHead = &gitv1.Expectation{Expected: &gitv1.Expectation_ObjectId{ObjectId: "abc"}}
		}), errs.ReasonInvalidObjectID, "expected_head"},
		{"expectation of an empty id", headerWith(func(h *gitv1.CommitHeader) {
			h.ExpectedHead = &gitv1.Expectation{Expected: &gitv1.Expectation_ObjectId{}}
		}), errs.ReasonInvalidArgument, "expected_head"},
		{"conflict policy", headerWith(func(h *gitv1.CommitHeader) { h.OnConflict = 3 }), errs.ReasonInvalidArgument, "on_conflict"},
		{"negative conflict policy", headerWith(func(h *gitv1.CommitHeader) { h.OnConflict = -1 }), errs.ReasonInvalidArgument, "on_conflict"},
		{"time after 9999", signed(&gitv1.Signature{Time: &timestamppb.Timestamp{Seconds: 253402300800}}), errs.ReasonInvalidSignature, "author"},
		{"time before 1", signed(&gitv1.Signature{Time: &timestamppb.Timestamp{Seconds: math.MinInt64}}), errs.ReasonInvalidSignature, "author"},
		{"time with too many nanoseconds", signed(&gitv1.Signature{Time: &timestamppb.Timestamp{Nanos: math.MaxInt32}}), errs.ReasonInvalidSignature, "author"},
		{"zone", signed(&gitv1.Signature{UtcOffsetMinutes: math.MinInt32}), errs.ReasonInvalidSignature, "author"},
		{"since", commitsSince(&timestamppb.Timestamp{Seconds: math.MaxInt64}), errs.ReasonInvalidArgument, "since"},
		{"action without kind", fileAction(func(a *gitv1.FileAction) { a.Kind = 0 }), errs.ReasonInvalidAction, "actions"},
		{"action of unknown kind", fileAction(func(a *gitv1.FileAction) { a.Kind = 7 }), errs.ReasonInvalidAction, "actions"},
		{"action of kind 257", fileAction(func(a *gitv1.FileAction) { a.Kind = 257 }), errs.ReasonInvalidAction, "actions"},
		{"action of negative kind", fileAction(func(a *gitv1.FileAction) { a.Kind = -255 }), errs.ReasonInvalidAction, "actions"},
		{"action without path", fileAction(func(a *gitv1.FileAction) { a.Path = nil }), errs.ReasonInvalidAction, "actions"},
		{"action that is missing", last(wire.DecodeAction(nil, nil)), errs.ReasonInvalidAction, "actions"},
		{"action with a path that climbs", fileAction(func(a *gitv1.FileAction) { a.Path = []byte("../a") }), errs.ReasonInvalidPath, "path"},
		{"move from a path that climbs", fileAction(func(a *gitv1.FileAction) { a.From = []byte("../a") }), errs.ReasonInvalidPath, "from"},
		{"mode", fileAction(func(a *gitv1.FileAction) { a.Mode = 3 }), errs.ReasonInvalidMode, "mode"},
		{"negative size", fileAction(func(a *gitv1.FileAction) { a.Size = proto.Int64(-1) }), errs.ReasonInvalidArgument, "size"},
		{"content that is not announced", commitFile(&gitv1.InlineFileAction{
			Action: &gitv1.FileAction{Path: []byte("a"), Kind: gitv1.FileActionKind_FILE_ACTION_KIND_DELETE}, Content: []byte("x"),
		}), errs.ReasonInvalidAction, "file.content"},
		{"one of many paths", batch([]byte("a"), []byte("b/../c")), errs.ReasonInvalidPath, "paths[1]"},
		{"one path too many", batch(make([][]byte, ports.MaxBatchPaths+1)...), errs.ReasonTooManyActions, "paths"},
		{"a million patterns", patterns(1e6), errs.ReasonTooManyActions, "patterns"},
		{"one ref update too many", updates(make([]*gitv1.RefUpdate, ports.MaxRefUpdates+1)...), errs.ReasonTooManyActions, "updates"},
		{"ref of an update", updates(&gitv1.RefUpdate{}, &gitv1.RefUpdate{Ref: []byte("HOOKS")}), errs.ReasonInvalidRefName, "updates[1].ref"},
		{"new id of an update", updates(&gitv1.RefUpdate{NewOid: "x"}), errs.ReasonInvalidObjectID, "updates[0].new_oid"},
		{"tag of a release", release(func(m *gitv1.PublishReleaseRequest) { m.Tag = &gitv1.NewTag{Name: []byte("v1")} }), errs.ReasonInvalidRefName, "tag"},
		{"action of a release", release(func(m *gitv1.PublishReleaseRequest) {
			m.Actions = []*gitv1.InlineFileAction{{Action: &gitv1.FileAction{Path: []byte("/")}}}
		}), errs.ReasonInvalidPath, "actions[0].action.path"},
		{"too many actions of a release", release(func(m *gitv1.PublishReleaseRequest) {
			m.Actions = make([]*gitv1.InlineFileAction, ports.MaxActions+1)
		}), errs.ReasonTooManyActions, "actions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err == nil {
				t.Fatal("it was taken")
			}
			e := errs.From(tt.err)
			if e.Reason != tt.reason || e.Kind != errs.Invalid || e.Meta[errs.MetaField] != tt.field {
				t.Errorf("is %s of %q (%s), want %s of %q", e.Reason, e.Meta[errs.MetaField], e, tt.reason, tt.field)
			}
			if len(e.Error()) > 512 {
				t.Errorf("the message has %d bytes", len(e.Error()))
			}
		})
	}
}

func last[T any](_ T, err error) error { return err }

func second[T, U any](_ T, _ U, err error) error { return err }

func decodePolicy(p *gitv1.RepositoryPolicy) error {
	_, _, err := wire.DecodeSetPolicy(&gitv1.SetRepositoryPolicyRequest{Repository: "shop", Policy: p})
	return err
}

func decodeID(s string) error { return last(wire.DecodeRepositoryID(s)) }

func commitsSince(ts *timestamppb.Timestamp) error {
	return second(wire.DecodeListCommits(&gitv1.ListCommitsRequest{Repository: "shop", Since: ts}))
}

func commitFile(a *gitv1.InlineFileAction) error {
	_, _, _, err := wire.DecodeCommitFile(&gitv1.CommitFileRequest{Repository: "shop", File: a})
	return err
}

func batch(paths ...[]byte) error {
	_, _, _, err := wire.DecodeBatchGetFiles(&gitv1.BatchGetFilesRequest{Repository: "shop", Paths: paths})
	return err
}

func patterns(n int) error {
	return second(wire.DecodeListFiles(&gitv1.ListFilesRequest{Repository: "shop", Patterns: make([][]byte, n)}))
}

func updates(all ...*gitv1.RefUpdate) error {
	return second(wire.DecodeUpdateRefs(&gitv1.UpdateRefsRequest{Repository: "shop", Updates: all}))
}

func release(change func(*gitv1.PublishReleaseRequest)) error {
	m := &gitv1.PublishReleaseRequest{Repository: "shop"}
	change(m)
	_, _, _, err := wire.DecodePublishRelease(m)
	return err
}

func TestTheNullIDExpectsAbsence(t *testing.T) {
	for _, n := range []int{40, 64} {
		e := &gitv1.Expectation{Expected: &gitv1.Expectation_ObjectId{ObjectId: strings.Repeat("0", n)}}
		_, req, err := wire.DecodeDeleteTag(&gitv1.DeleteTagRequest{Repository: "shop", ExpectedOid: e})
		if err != nil || req.Expected != git.ExpectAbsent() {
			t.Errorf("%d zeros expect %v (%v)", n, req.Expected, err)
		}
	}
}

func TestTextThatIsNotUTF8IsLeftToTheStoreToRefuse(t *testing.T) {
	_, p, err := wire.DecodeListTags(sent(t, wire.EncodeListTags(git.RepositoryID{}, ports.Page{Token: "a\xff"})))
	if p.Token != "a\uFFFD" {
		t.Errorf("token is %q (%v)", p.Token, err)
	}
	_, req, err := wire.DecodeCommitHeader("shop", sent(t, wire.EncodeCommitHeader(ports.CommitFiles{RequestID: "\xff"})))
	if err != nil || req.RequestID != "\uFFFD" {
		t.Errorf("request id is %q (%v)", req.RequestID, err)
	}
}

func TestABrokenAnswerIsTheServicesFault(t *testing.T) {
	_, err := wire.DecodeRef(&gitv1.Ref{Name: []byte("x")})
	if got := errs.ReasonOf(wire.BadAnswer(err)); got != errs.ReasonInternal {
		t.Errorf("is %s", got)
	}
	_, err = wire.DecodeCommitID("commit_id", "")
	if err == nil {
		t.Error("an answer without a commit was taken")
	}
	_, err = wire.DecodeReadFileHeader(nil)
	if err == nil {
		t.Error("an answer without a header was taken")
	}
}

// requests are the conversions of every request: decode what arrived, and encode what came of it.
var requests = []struct {
	message proto.Message
	again   func(proto.Message) (proto.Message, error)
}{
	{&gitv1.CreateRepositoryRequest{}, convert(wire.DecodeCreateRepository, wire.EncodeCreateRepository)},
	{&gitv1.SetRepositoryPolicyRequest{}, convert2(wire.DecodeSetPolicy, wire.EncodeSetPolicy)},
	{&gitv1.GetRepositoryPolicyResponse{}, convert(wire.DecodePolicyInfo, wire.EncodePolicyInfo)},
	{&gitv1.ListRepositoriesRequest{}, func(m proto.Message) (proto.Message, error) {
		return wire.EncodeListRepositories(wire.DecodeListRepositories(m.(*gitv1.ListRepositoriesRequest))), nil
	}},
	{&gitv1.ResolveRevisionRequest{}, convert2(wire.DecodeResolveRevision, wire.EncodeResolveRevision)},
	{&gitv1.ListRefsRequest{}, convert2(wire.DecodeListRefs, wire.EncodeListRefs)},
	{&gitv1.ListTagsRequest{}, convert2(wire.DecodeListTags, wire.EncodeListTags)},
	{&gitv1.GetLatestTagRequest{}, convert2(wire.DecodeLatestTag, wire.EncodeLatestTag)},
	{&gitv1.CreateBranchRequest{}, convert2(wire.DecodeCreateBranch, wire.EncodeCreateBranch)},
	{&gitv1.DeleteBranchRequest{}, convert2(wire.DecodeDeleteBranch, wire.EncodeDeleteBranch)},
	{&gitv1.CreateTagRequest{}, convert2(wire.DecodeCreateTag, wire.EncodeCreateTag)},
	{&gitv1.DeleteTagRequest{}, convert2(wire.DecodeDeleteTag, wire.EncodeDeleteTag)},
	{&gitv1.UpdateRefsRequest{}, convert2(wire.DecodeUpdateRefs, wire.EncodeUpdateRefs)},
	{&gitv1.GetCommitRequest{}, convert2(wire.DecodeGetCommit, wire.EncodeGetCommit)},
	{&gitv1.ListCommitsRequest{}, convert2(wire.DecodeListCommits, wire.EncodeListCommits)},
	{&gitv1.Comparison{}, func(m proto.Message) (proto.Message, error) {
		_, q, err := wire.DecodeComparison("shop", m.(*gitv1.Comparison))
		return wire.EncodeComparison(q), err
	}},
	{&gitv1.GetFileRequest{}, convert3(wire.DecodeGetFile, wire.EncodeGetFile)},
	{&gitv1.ReadFileRequest{}, convert2(wire.DecodeReadFile, wire.EncodeReadFile)},
	{&gitv1.ListFilesRequest{}, convert2(wire.DecodeListFiles, wire.EncodeListFiles)},
	{&gitv1.ReadTreeRequest{}, convert2(wire.DecodeReadTree, wire.EncodeReadTree)},
	{&gitv1.BatchGetFilesRequest{}, convert3(wire.DecodeBatchGetFiles, wire.EncodeBatchGetFiles)},
	{&gitv1.CommitHeader{}, func(m proto.Message) (proto.Message, error) {
		_, req, err := wire.DecodeCommitHeader("shop", m.(*gitv1.CommitHeader))
		return wire.EncodeCommitHeader(req), err
	}},
	{&gitv1.FileAction{}, func(m proto.Message) (proto.Message, error) {
		c, err := wire.DecodeAction(m.(*gitv1.FileAction), bytes.NewReader(nil))
		return wire.EncodeAction(c), err
	}},
	{&gitv1.CommitFileRequest{}, convert3(wire.DecodeCommitFile, func(id git.RepositoryID, req ports.CommitFiles, c git.Change) *gitv1.CommitFileRequest {
		return wire.EncodeCommitFile(id, req, wire.EncodeInlineAction(c, nil))
	})},
	{&gitv1.DeleteFileRequest{}, func(m proto.Message) (proto.Message, error) {
		_, _, _, err := wire.DecodeDeleteFile(m.(*gitv1.DeleteFileRequest))
		return m, err
	}},
	{&gitv1.PublishReleaseRequest{}, convert3(wire.DecodePublishRelease, func(id git.RepositoryID, req ports.PublishRelease, changes []git.Change) *gitv1.PublishReleaseRequest {
		var actions []*gitv1.InlineFileAction
		for _, c := range changes {
			actions = append(actions, wire.EncodeInlineAction(c, nil))
		}
		return wire.EncodePublishRelease(id, req, actions)
	})},
	{&gitv1.Repository{}, convert(wire.DecodeRepository, wire.EncodeRepository)},
	{&gitv1.ListTagsResponse{}, convert(wire.DecodeTagPage, wire.EncodeTagPage)},
	{&gitv1.Commit{}, convert(wire.DecodeCommit, wire.EncodeCommit)},
	{&gitv1.PathChange{}, convert(wire.DecodePathChange, wire.EncodePathChange)},
	{&gitv1.GetFileResponse{}, convert(wire.DecodeFileContent, wire.EncodeFileContent)},
	{&gitv1.TreeEntry{}, convert(wire.DecodeFileInfo, wire.EncodeFileInfo)},
	{&gitv1.TreeFile{}, convert(wire.DecodeTreeFile, wire.EncodeTreeFile)},
	{&gitv1.BatchFile{}, convert(func(m *gitv1.BatchFile) (ports.BatchFile, error) {
		return wire.DecodeBatchFile(git.ObjectID{}, m)
	}, wire.EncodeBatchFile)},
	{&gitv1.PublishReleaseResponse{}, convert(wire.DecodeReleaseResult, wire.EncodeReleaseResult)},
}

func convert[M, N proto.Message, T any](decode func(M) (T, error), encode func(T) N) func(proto.Message) (proto.Message, error) {
	return func(m proto.Message) (proto.Message, error) {
		v, err := decode(m.(M))
		if err != nil {
			return nil, err
		}
		return encode(v), nil
	}
}

func convert2[M, N proto.Message, T, U any](decode func(M) (T, U, error), encode func(T, U) N) func(proto.Message) (proto.Message, error) {
	return func(m proto.Message) (proto.Message, error) {
		v, w, err := decode(m.(M))
		if err != nil {
			return nil, err
		}
		return encode(v, w), nil
	}
}

func convert3[M, N proto.Message, T, U, V any](decode func(M) (T, U, V, error), encode func(T, U, V) N) func(proto.Message) (proto.Message, error) {
	return func(m proto.Message) (proto.Message, error) {
		v, w, x, err := decode(m.(M))
		if err != nil {
			return nil, err
		}
		return encode(v, w, x), nil
	}
}

// FuzzDecode feeds bytes to every conversion. Whatever is taken says the same when it is sent on, and whatever is refused
// is the sender's fault.
func FuzzDecode(f *testing.F) {
	action := &gitv1.FileAction{Path: []byte("a/b"), Kind: gitv1.FileActionKind_FILE_ACTION_KIND_CREATE, HasContent: true, Size: proto.Int64(3)}
	seeds := map[string]proto.Message{
		"gitstore.git.v1.GetFileRequest":    &gitv1.GetFileRequest{Repository: "shop", Revision: at("main"), Path: []byte("a/b")},
		"gitstore.git.v1.ReadTreeRequest":   &gitv1.ReadTreeRequest{Repository: "shop", Revision: atRef("refs/tags/v1"), Prefixes: [][]byte{[]byte("a")}},
		"gitstore.git.v1.CommitHeader":      &gitv1.CommitHeader{Branch: []byte("refs/heads/main"), Author: &gitv1.Signature{Name: []byte("n"), Time: &timestamppb.Timestamp{Seconds: 1}}},
		"gitstore.git.v1.FileAction":        action,
		"gitstore.git.v1.CommitFileRequest": &gitv1.CommitFileRequest{Repository: "shop", File: &gitv1.InlineFileAction{Action: action, Content: []byte("abc")}},
	}
	for i, r := range requests {
		b, err := proto.Marshal(seeds[string(r.message.ProtoReflect().Descriptor().FullName())])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		r := requests[int(which)%len(requests)]
		m := proto.Clone(r.message)
		if proto.Unmarshal(b, m) != nil {
			return
		}
		once, err := r.again(m)
		if err != nil {
			if e := errs.From(err); e.Kind != errs.Invalid || e.Meta[errs.MetaField] == "" {
				t.Fatalf("%s of %q: %v", e.Kind, e.Meta[errs.MetaField], e)
			}
			return
		}
		twice, err := r.again(sent(t, once))
		if err != nil {
			t.Fatalf("%v is refused when it is sent on: %v", once, err)
		}
		if !proto.Equal(once, twice) {
			t.Fatalf("%v\nbecame\n%v", once, twice)
		}
	})
}

func ExampleOperationOf() {
	op, ok := wire.OperationOf(gitv1.ContentService_ReadTree_FullMethodName)
	fmt.Println(op.Method, op.Retry, op.Streaming, op.Timeout(), ok)
	// Output: ReadTree OPERATION_RETRY_SAFE true 10m0s true
}

func TestEveryOperationIsClassified(t *testing.T) {
	all := wire.Operations()
	if len(all) < 20 {
		t.Errorf("there are %d operations", len(all))
	}
	for name, op := range all {
		if op.Kind == 0 || op.Cost == 0 || op.Retry == 0 {
			t.Errorf("%s lacks an annotation", name)
		}
		if waits := op.Cost == optionsv1.OperationCost_OPERATION_COST_WATCH; (op.Timeout() <= 0) != waits {
			t.Errorf("%s has the time %s", name, op.Timeout())
		}
	}
	if _, ok := wire.OperationOf("/grpc.health.v1.Health/Check"); ok {
		t.Error("a method of gRPC itself is an operation")
	}
}
