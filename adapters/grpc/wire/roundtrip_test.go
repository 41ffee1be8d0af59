package wire_test

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var options = cmp.Options{
	cmpopts.EquateComparable(git.ObjectID{}, git.RefName{}, git.TreePath{}, git.RepositoryID{}, git.Revision{}, git.Expectation{}, event.Cursor{}),
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b time.Time) bool {
		_, zoneA := a.Zone()
		_, zoneB := b.Zone()
		return a.Equal(b) && zoneA/60 == zoneB/60
	}),
	cmp.Comparer(func(a, b io.Reader) bool { return (a == nil) == (b == nil) }),
}

func same(t rapid.TB, want, got any, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%+v is refused: %v", want, err)
	}
	if diff := cmp.Diff(want, got, options); diff != "" {
		t.Fatalf("changed on the way (-sent +received):\n%s", diff)
	}
}

// sent is a message that went through its encoding.
func sent[M proto.Message](t rapid.TB, m M) M {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	received := m.ProtoReflect().New().Interface().(M)
	if err := proto.Unmarshal(b, received); err != nil {
		t.Fatal(err)
	}
	return received
}

// must draws what a constructor accepts.
func must[T any](g *rapid.Generator[string], parse func(string) (T, error)) *rapid.Generator[T] {
	return rapid.Custom(func(t *rapid.T) T {
		v, err := parse(g.Draw(t, "text"))
		if err != nil {
			t.Fatal(err)
		}
		return v
	})
}

// orZero draws the zero value now and then.
func orZero[T any](g *rapid.Generator[T]) *rapid.Generator[T] {
	var zero T
	return rapid.OneOf(g, g, rapid.Just(zero))
}

// latin1 puts in a byte that is not UTF-8.
func latin1(s string) string { return strings.ReplaceAll(s, "!", "\xe9") }

var (
	anyBytes     = rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })
	component    = rapid.Map(anyBytes, func(s string) string { return "c" + strings.NewReplacer("/", "_", "\x00", "_").Replace(s) })
	repositoryID = must(rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,62}`), git.ParseRepositoryID)
	objectID     = must(rapid.OneOf(rapid.StringMatching(`1[0-9a-f]{39}`), rapid.StringMatching(`f[0-9a-f]{63}`)), git.ParseObjectID)
	refName      = must(rapid.Map(rapid.StringMatching(`refs/(heads|tags|notes)/[a-zé!-]{1,9}(/[A-Z%]{1,9}){0,2}`), latin1), git.ParseRefName)
	path         = must(rapid.Map(rapid.SliceOfN(component, 1, 5), func(c []string) string { return strings.Join(c, "/") }), git.ParseTreePath)
	action       = rapid.SampledFrom([]git.Action{git.ActionCreate, git.ActionUpdate, git.ActionUpsert, git.ActionDelete, git.ActionMove, git.ActionChmod})
	format       = rapid.SampledFrom([]git.ObjectFormat{0, git.SHA1, git.SHA256})
	objectType   = rapid.SampledFrom([]git.ObjectType{0, git.CommitObject, git.TreeObject, git.BlobObject, git.TagObject})
	fileMode     = rapid.SampledFrom([]git.FileMode{0, git.ModeRegular, git.ModeExecutable, git.ModeSymlink, git.ModeDirectory, git.ModeSubmodule})
	size         = rapid.Int64Min(0)
	count        = rapid.IntRange(math.MinInt32, math.MaxInt32)
	revision     = rapid.OneOf(
		rapid.Map(objectID, git.AtCommit), rapid.Map(refName, git.AtRef), rapid.Just(git.Head()),
		must(rapid.StringMatching(`[a-z]{1,9}(/[a-z0-9é]{1,9}){0,2}`), git.ParseRevision),
	)
	expectation = rapid.OneOf(rapid.Just(git.Expectation{}), rapid.Just(git.ExpectAbsent()), rapid.Map(objectID, git.ExpectID))
	instant     = rapid.Map(rapid.Int64Range(-62135596799, 253402300799), func(s int64) time.Time { return time.Unix(s, 0).UTC() })
	signature   = rapid.Custom(func(t *rapid.T) git.Signature {
		zone := time.FixedZone("", rapid.IntRange(-1479, 1479).Draw(t, "minutes")*60)
		return git.Signature{Name: anyBytes.Draw(t, "name"), Email: anyBytes.Draw(t, "email"), When: instant.Draw(t, "when").In(zone)}
	})
	header = rapid.Custom(func(t *rapid.T) git.Header {
		return git.Header{Key: anyBytes.Draw(t, "k"), Value: anyBytes.Draw(t, "v")}
	})
	headers = rapid.SliceOfN(header, 0, 3)
	commit  = rapid.Custom(func(t *rapid.T) *git.Commit {
		return &git.Commit{
			ID: objectID.Draw(t, "id"), Tree: objectID.Draw(t, "tree"), Parents: rapid.SliceOfN(objectID, 0, 3).Draw(t, "parents"),
			Author: signature.Draw(t, "author"), Committer: signature.Draw(t, "committer"),
			Headers: headers.Draw(t, "headers"), Message: anyBytes.Draw(t, "message"),
		}
	})
	ref = rapid.Custom(func(t *rapid.T) git.Ref {
		return git.Ref{
			Name: refName.Draw(t, "name"), Target: orZero(objectID).Draw(t, "target"), TargetType: objectType.Draw(t, "type"),
			Peeled: orZero(objectID).Draw(t, "peeled"), PeeledType: objectType.Draw(t, "peeled type"),
		}
	})
	tagInfo = rapid.Custom(func(t *rapid.T) ports.TagInfo {
		info := ports.TagInfo{Ref: ref.Draw(t, "ref"), Version: rapid.String().Draw(t, "version"), Prerelease: rapid.Bool().Draw(t, "pre")}
		if rapid.Bool().Draw(t, "annotated") {
			info.Annotated = &git.Tag{
				ID: objectID.Draw(t, "id"), Target: objectID.Draw(t, "target"), TargetType: objectType.Draw(t, "type"),
				Name: anyBytes.Draw(t, "name"), Tagger: orZero(signature).Draw(t, "tagger"),
				Headers: headers.Draw(t, "headers"), Message: anyBytes.Draw(t, "message"),
			}
		}
		return info
	})
	repositoryInfo = rapid.Custom(func(t *rapid.T) ports.RepositoryInfo {
		return ports.RepositoryInfo{
			ID: repositoryID.Draw(t, "id"), DefaultBranch: refName.Draw(t, "branch"), ObjectFormat: format.Draw(t, "format"),
			Empty: rapid.Bool().Draw(t, "empty"), CreatedAt: orZero(instant).Draw(t, "created"), SizeBytes: size.Draw(t, "size"),
		}
	})
	file = rapid.Custom(func(t *rapid.T) ports.File {
		return ports.File{
			Commit: objectID.Draw(t, "commit"), Path: path.Draw(t, "path"), Mode: fileMode.Draw(t, "mode"),
			Blob: objectID.Draw(t, "blob"), Size: size.Draw(t, "size"),
		}
	})
	pathChange = rapid.Custom(func(t *rapid.T) git.PathChange {
		return git.PathChange{
			Path:    path.Draw(t, "path"),
			Status:  rapid.SampledFrom([]git.ChangeStatus{git.StatusAdded, git.StatusModified, git.StatusDeleted, git.StatusTypeChanged}).Draw(t, "status"),
			OldMode: fileMode.Draw(t, "old mode"), NewMode: fileMode.Draw(t, "new mode"),
			OldID: orZero(objectID).Draw(t, "old"), NewID: orZero(objectID).Draw(t, "new"),
		}
	})
	createTag = rapid.Custom(func(t *rapid.T) ports.CreateTag {
		return ports.CreateTag{
			Name: orZero(refName).Draw(t, "name"), Target: orZero(revision).Draw(t, "target"),
			Message: anyBytes.Draw(t, "message"), Tagger: orZero(signature).Draw(t, "tagger"),
		}
	})
	commitFiles = rapid.Custom(func(t *rapid.T) ports.CommitFiles {
		return ports.CommitFiles{
			RequestID: rapid.String().Draw(t, "request id"), Branch: orZero(refName).Draw(t, "branch"), Start: orZero(revision).Draw(t, "start"),
			ExpectedHead: expectation.Draw(t, "head"),
			OnConflict:   rapid.SampledFrom([]ports.ConflictPolicy{ports.FailOnConflict, ports.ReplayIfPathsUntouched}).Draw(t, "policy"),
			Author:       orZero(signature).Draw(t, "author"), Committer: orZero(signature).Draw(t, "committer"),
			Message: anyBytes.Draw(t, "message"), AllowEmpty: rapid.Bool().Draw(t, "empty"), DryRun: rapid.Bool().Draw(t, "dry"),
		}
	})
	change = rapid.Custom(func(t *rapid.T) git.Change {
		c := git.Change{Action: action.Draw(t, "action"), Path: path.Draw(t, "path"), ExpectedBlob: expectation.Draw(t, "blob")}
		if c.Action == git.ActionCreate {
			c.ExpectedBlob = git.ExpectAbsent()
		}
		if c.Action == git.ActionMove {
			c.From = path.Filter(func(p git.TreePath) bool { return p != c.Path }).Draw(t, "from")
		}
		if c.Action < git.ActionDelete || c.Action == git.ActionMove && rapid.Bool().Draw(t, "content") {
			c.Content, c.Size = bytes.NewReader(nil), rapid.Int64Min(-1).Draw(t, "size")
		}
		if c.Action == git.ActionChmod || c.Action != git.ActionDelete && rapid.Bool().Draw(t, "mode") {
			c.Executable = rapid.Ptr(rapid.Bool(), false).Draw(t, "executable")
		}
		return c
	})
	commitResult = rapid.Custom(func(t *rapid.T) ports.CommitResult {
		blob := rapid.Custom(func(t *rapid.T) ports.PathBlob {
			return ports.PathBlob{Path: path.Draw(t, "path"), Blob: objectID.Draw(t, "blob")}
		})
		return ports.CommitResult{
			Commit: objectID.Draw(t, "commit"), Parent: orZero(objectID).Draw(t, "parent"), Tree: objectID.Draw(t, "tree"),
			Blobs: rapid.SliceOfN(blob, 0, 3).Draw(t, "blobs"), Replayed: rapid.Bool().Draw(t, "replayed"), NoOp: rapid.Bool().Draw(t, "no-op"),
		}
	})
	strs  = rapid.SliceOfN(anyBytes, 0, 3)
	paths = rapid.SliceOfN(orZero(path), 0, 3)
)

func TestRequestsAndAnswersArriveAsTheyWereSent(t *testing.T) {
	for name, check := range map[string]func(*rapid.T){
		"CreateRepository": func(t *rapid.T) {
			want := ports.CreateRepository{ID: repositoryID.Draw(t, "id"), DefaultBranch: orZero(refName).Draw(t, "branch"), ObjectFormat: format.Draw(t, "format")}
			got, err := wire.DecodeCreateRepository(sent(t, wire.EncodeCreateRepository(want)))
			same(t, want, got, err)
		},
		"Repository": func(t *rapid.T) {
			want := repositoryInfo.Draw(t, "info")
			got, err := wire.DecodeRepository(sent(t, wire.EncodeRepository(want)))
			same(t, want, got, err)
		},
		"ListRepositories": func(t *rapid.T) {
			want := ports.Page{Size: count.Draw(t, "size"), Token: rapid.String().Draw(t, "token")}
			same(t, want, wire.DecodeListRepositories(sent(t, wire.EncodeListRepositories(want))), nil)
		},
		"RepositoryPage": func(t *rapid.T) {
			want := ports.RepositoryPage{Items: rapid.SliceOfN(repositoryInfo, 0, 3).Draw(t, "items"), NextToken: rapid.String().Draw(t, "token")}
			got, err := wire.DecodeRepositoryPage(sent(t, wire.EncodeRepositoryPage(want)))
			same(t, want, got, err)
		},
		"ResolveRevision": func(t *rapid.T) {
			id, want := repositoryID.Draw(t, "id"), orZero(revision).Draw(t, "revision")
			gotID, got, err := wire.DecodeResolveRevision(sent(t, wire.EncodeResolveRevision(id, want)))
			same(t, want, got, err)
			same(t, id, gotID, err)
		},
		"Resolved": func(t *rapid.T) {
			want := ports.Resolved{Commit: objectID.Draw(t, "commit"), Tree: objectID.Draw(t, "tree"), Ref: orZero(refName).Draw(t, "ref")}
			got, err := wire.DecodeResolved(sent(t, wire.EncodeResolved(want)))
			same(t, want, got, err)
		},
		"ListRefs": func(t *rapid.T) {
			want := ports.RefQuery{Patterns: strs.Draw(t, "patterns"), After: orZero(refName).Draw(t, "after"), Limit: count.Draw(t, "limit")}
			_, got, err := wire.DecodeListRefs(sent(t, wire.EncodeListRefs(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"Ref": func(t *rapid.T) {
			want := ref.Draw(t, "ref")
			got, err := wire.DecodeRef(sent(t, wire.EncodeRef(want)))
			same(t, want, got, err)
		},
		"ListTags": func(t *rapid.T) {
			want := ports.Page{Size: count.Draw(t, "size"), Token: rapid.String().Draw(t, "token")}
			_, got, err := wire.DecodeListTags(sent(t, wire.EncodeListTags(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"TagPage": func(t *rapid.T) {
			want := ports.TagPage{Items: rapid.SliceOfN(tagInfo, 0, 3).Draw(t, "items"), NextToken: rapid.String().Draw(t, "token")}
			got, err := wire.DecodeTagPage(sent(t, wire.EncodeTagPage(want)))
			same(t, want, got, err)
		},
		"TagInfo": func(t *rapid.T) {
			want := tagInfo.Draw(t, "tag")
			got, err := wire.DecodeTagInfo(sent(t, wire.EncodeTagInfo(want)))
			same(t, want, got, err)
			if page := (ports.TagPage{Items: []ports.TagInfo{want}}); proto.Size(wire.EncodeTagPage(page)) > want.Size() {
				t.Fatalf("%d bytes are more than the size of the tag, %d", proto.Size(wire.EncodeTagPage(page)), want.Size())
			}
		},
		"LatestTag": func(t *rapid.T) {
			want := ports.LatestTagQuery{Range: rapid.String().Draw(t, "range"), Prereleases: rapid.Bool().Draw(t, "pre")}
			_, got, err := wire.DecodeLatestTag(sent(t, wire.EncodeLatestTag(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"CreateBranch": func(t *rapid.T) {
			want := ports.CreateBranch{Name: orZero(refName).Draw(t, "name"), Target: orZero(revision).Draw(t, "target")}
			_, got, err := wire.DecodeCreateBranch(sent(t, wire.EncodeCreateBranch(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"DeleteBranch": func(t *rapid.T) {
			want := ports.DeleteRef{Name: orZero(refName).Draw(t, "name"), Expected: expectation.Draw(t, "expected")}
			_, got, err := wire.DecodeDeleteBranch(sent(t, wire.EncodeDeleteBranch(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"DeleteTag": func(t *rapid.T) {
			want := ports.DeleteRef{Name: orZero(refName).Draw(t, "name"), Expected: expectation.Draw(t, "expected")}
			_, got, err := wire.DecodeDeleteTag(sent(t, wire.EncodeDeleteTag(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"CreateTag": func(t *rapid.T) {
			want := createTag.Draw(t, "tag")
			_, got, err := wire.DecodeCreateTag(sent(t, wire.EncodeCreateTag(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"UpdateRefs": func(t *rapid.T) {
			update := rapid.Custom(func(t *rapid.T) git.RefUpdate {
				return git.RefUpdate{
					Name: orZero(refName).Draw(t, "name"), Expected: expectation.Draw(t, "expected"),
					New: orZero(objectID).Draw(t, "new"), Force: rapid.Bool().Draw(t, "force"),
				}
			})
			want := rapid.SliceOfN(update, 0, 3).Draw(t, "updates")
			_, got, err := wire.DecodeUpdateRefs(sent(t, wire.EncodeUpdateRefs(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"Refs": func(t *rapid.T) {
			want := rapid.SliceOfN(ref, 0, 3).Draw(t, "refs")
			got, err := wire.DecodeRefs(wire.EncodeRefs(want))
			same(t, want, got, err)
		},
		"GetCommit": func(t *rapid.T) {
			want := orZero(revision).Draw(t, "revision")
			_, got, err := wire.DecodeGetCommit(sent(t, wire.EncodeGetCommit(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"Commit": func(t *rapid.T) {
			want := commit.Draw(t, "commit")
			got, err := wire.DecodeCommit(sent(t, wire.EncodeCommit(want)))
			same(t, want, got, err)
		},
		"ListCommits": func(t *rapid.T) {
			want := ports.ListCommits{
				Revision: orZero(revision).Draw(t, "revision"), Exclude: orZero(revision).Draw(t, "exclude"), Path: orZero(path).Draw(t, "path"),
				Author: anyBytes.Draw(t, "author"), Since: orZero(instant).Draw(t, "since"), Until: orZero(instant).Draw(t, "until"),
				FirstParent: rapid.Bool().Draw(t, "first"), Skip: count.Draw(t, "skip"), Limit: count.Draw(t, "limit"),
			}
			_, got, err := wire.DecodeListCommits(sent(t, wire.EncodeListCommits(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"Comparison": func(t *rapid.T) {
			id := repositoryID.Draw(t, "id")
			want := ports.Compare{
				Base: orZero(revision).Draw(t, "base"), Head: orZero(revision).Draw(t, "head"),
				FromMergeBase: rapid.Bool().Draw(t, "merge base"), Paths: paths.Draw(t, "paths"),
			}
			_, got, err := wire.DecodeComparison(id.String(), sent(t, wire.EncodeComparison(want)))
			same(t, want, got, err)
		},
		"Compared": func(t *rapid.T) {
			want := ports.Comparison{Base: orZero(objectID).Draw(t, "base"), Head: objectID.Draw(t, "head")}
			got, err := wire.DecodeCompared(sent(t, wire.EncodeCompared(want)))
			same(t, want, got, err)
		},
		"PathChange": func(t *rapid.T) {
			want := pathChange.Draw(t, "change")
			got, err := wire.DecodePathChange(sent(t, wire.EncodePathChange(want)))
			same(t, want, got, err)
		},
		"FileDiff": func(t *rapid.T) {
			want := ports.FileDiff{
				PathChange: pathChange.Draw(t, "change"), Binary: rapid.Bool().Draw(t, "binary"),
				Added: count.Draw(t, "added"), Removed: count.Draw(t, "removed"),
			}
			got, err := wire.DecodeFileDiff(sent(t, wire.EncodeFileDiff(want)))
			same(t, want, got, err)
		},
		"GetFile": func(t *rapid.T) {
			rev, want := orZero(revision).Draw(t, "revision"), orZero(path).Draw(t, "path")
			_, gotRev, got, err := wire.DecodeGetFile(sent(t, wire.EncodeGetFile(repositoryID.Draw(t, "id"), rev, want)))
			same(t, want, got, err)
			same(t, rev, gotRev, err)
		},
		"FileContent": func(t *rapid.T) {
			want := ports.FileContent{File: file.Draw(t, "file"), Content: []byte(anyBytes.Draw(t, "content"))}
			got, err := wire.DecodeFileContent(sent(t, wire.EncodeFileContent(want)))
			same(t, want, got, err)
		},
		"ReadFile": func(t *rapid.T) {
			want := ports.ReadFile{
				Revision: orZero(revision).Draw(t, "revision"), Path: orZero(path).Draw(t, "path"),
				Offset: rapid.Int64().Draw(t, "offset"), Limit: rapid.Int64().Draw(t, "limit"),
			}
			_, got, err := wire.DecodeReadFile(sent(t, wire.EncodeReadFile(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"ReadFileHeader": func(t *rapid.T) {
			want := file.Draw(t, "file")
			got, err := wire.DecodeReadFileHeader(sent(t, wire.EncodeReadFileHeader(want)))
			same(t, want, got, err)
		},
		"ListFiles": func(t *rapid.T) {
			want := ports.ListFiles{
				Revision: orZero(revision).Draw(t, "revision"), Prefix: orZero(path).Draw(t, "prefix"), Recursive: rapid.Bool().Draw(t, "recursive"),
				Patterns: strs.Draw(t, "patterns"), After: orZero(path).Draw(t, "after"), Limit: count.Draw(t, "limit"),
			}
			_, got, err := wire.DecodeListFiles(sent(t, wire.EncodeListFiles(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"FileInfo": func(t *rapid.T) {
			want := ports.FileInfo{Path: path.Draw(t, "path"), Mode: fileMode.Draw(t, "mode"), ID: objectID.Draw(t, "id"), Size: size.Draw(t, "size")}
			got, err := wire.DecodeFileInfo(sent(t, wire.EncodeFileInfo(want)))
			same(t, want, got, err)
		},
		"ReadTree": func(t *rapid.T) {
			want := ports.ReadTree{
				Revision: orZero(revision).Draw(t, "revision"), Prefixes: paths.Draw(t, "prefixes"), Base: orZero(objectID).Draw(t, "base"),
				Suffixes: strs.Draw(t, "suffixes"), MaxFileSize: size.Draw(t, "max file size"),
			}
			_, got, err := wire.DecodeReadTree(sent(t, wire.EncodeReadTree(repositoryID.Draw(t, "id"), want)))
			same(t, want, got, err)
		},
		"TreeFile": func(t *rapid.T) {
			f := file.Draw(t, "file")
			want := ports.TreeFile{Path: f.Path, Mode: f.Mode, Blob: f.Blob, Size: f.Size, Omitted: rapid.Bool().Draw(t, "omitted")}
			if rapid.Bool().Draw(t, "deleted") {
				want = ports.TreeFile{Path: f.Path, Deleted: true}
			}
			got, err := wire.DecodeTreeFile(sent(t, wire.EncodeTreeFile(want)))
			same(t, want, got, err)
		},
		"BatchGetFiles": func(t *rapid.T) {
			want := paths.Draw(t, "paths")
			_, _, got, err := wire.DecodeBatchGetFiles(sent(t, wire.EncodeBatchGetFiles(repositoryID.Draw(t, "id"), git.Head(), want)))
			same(t, want, got, err)
		},
		"BatchFile": func(t *rapid.T) {
			want := ports.BatchFile{File: file.Draw(t, "file")}
			got, err := wire.DecodeBatchFile(want.Commit, sent(t, wire.EncodeBatchFile(want)))
			same(t, want, got, err)
		},
		"BatchFile that cannot be read": func(t *rapid.T) {
			f := file.Draw(t, "file")
			want := ports.BatchFile{
				File: ports.File{Commit: f.Commit, Path: f.Path},
				Err:  errs.New(errs.ReasonPathNotFound, "not there", errs.MetaPath, f.Path.String()),
			}
			got, err := wire.DecodeBatchFile(f.Commit, sent(t, wire.EncodeBatchFile(want)))
			same(t, want, got, err)
		},
		"CommitHeader": func(t *rapid.T) {
			want := commitFiles.Draw(t, "commit")
			_, got, err := wire.DecodeCommitHeader("shop", sent(t, wire.EncodeCommitHeader(want)))
			same(t, want, got, err)
		},
		"Action": func(t *rapid.T) {
			want := change.Draw(t, "change")
			got, err := wire.DecodeAction(sent(t, wire.EncodeAction(want)), strings.NewReader(""))
			same(t, want, got, err)
		},
		"CommitFile": func(t *rapid.T) {
			want, c, content := commitFiles.Draw(t, "commit"), change.Draw(t, "change"), []byte(nil)
			if c.Content != nil {
				content = []byte(anyBytes.Draw(t, "content"))
			}
			m := wire.EncodeCommitFile(repositoryID.Draw(t, "id"), want, wire.EncodeInlineAction(c, content))
			_, got, gotChange, err := wire.DecodeCommitFile(sent(t, m))
			same(t, want, got, err)
			same(t, c, gotChange, err)
			sameContent(t, content, gotChange.Content)
		},
		"CommitResult": func(t *rapid.T) {
			want := commitResult.Draw(t, "result")
			got, err := wire.DecodeCommitResult(sent(t, wire.EncodeCommitResult(want)))
			same(t, want, got, err)
		},
		"PublishRelease": func(t *rapid.T) {
			want := ports.PublishRelease{
				Tag: createTag.Draw(t, "tag"), Commit: rapid.Ptr(commitFiles, true).Draw(t, "commit"),
				RequestID: rapid.String().Draw(t, "request id"), DryRun: rapid.Bool().Draw(t, "dry"),
			}
			changes := rapid.SliceOfN(change, 0, 3).Draw(t, "changes")
			var actions []*gitv1.InlineFileAction
			for _, c := range changes {
				actions = append(actions, wire.EncodeInlineAction(c, nil))
			}
			_, got, gotChanges, err := wire.DecodePublishRelease(sent(t, wire.EncodePublishRelease(repositoryID.Draw(t, "id"), want, actions)))
			same(t, want, got, err)
			same(t, changes, gotChanges, err)
		},
		"ReleaseResult": func(t *rapid.T) {
			want := ports.ReleaseResult{Tag: tagInfo.Draw(t, "tag"), Commit: rapid.Ptr(commitResult, true).Draw(t, "commit"), Replayed: rapid.Bool().Draw(t, "replayed")}
			got, err := wire.DecodeReleaseResult(sent(t, wire.EncodeReleaseResult(want)))
			same(t, want, got, err)
		},
	} {
		t.Run(name, func(t *testing.T) { rapid.Check(t, check) })
	}
}

func sameContent(t rapid.TB, want []byte, r io.Reader) {
	t.Helper()
	if r == nil {
		return
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("content is %q (%v), want %q", got, err, want)
	}
}

func TestNumbersOfTheContractAreThoseOfTheDomain(t *testing.T) {
	for number, name := range gitv1.FileActionKind_name {
		if want := git.Action(number).String(); number > 0 && name != "FILE_ACTION_KIND_"+strings.ToUpper(want) {
			t.Errorf("%s is action %s", name, want)
		}
	}
	for number, name := range gitv1.ObjectType_name {
		if want := git.ObjectType(number).String(); number > 0 && name != "OBJECT_TYPE_"+strings.ToUpper(want) {
			t.Errorf("%s is type %s", name, want)
		}
	}
	for number, name := range gitv1.ObjectFormat_name {
		if want := git.ObjectFormat(number).String(); number > 0 && name != "OBJECT_FORMAT_"+strings.ToUpper(want) {
			t.Errorf("%s is format %s", name, want)
		}
	}
	for number, name := range gitv1.ChangeStatus_name {
		if want := git.ChangeStatus(number).String(); number > 0 && name != "CHANGE_STATUS_"+strings.ToUpper(want) {
			t.Errorf("%s is status %s", name, want)
		}
	}
}

func TestNumbersBeyondAFieldAreTakenForTheLargest(t *testing.T) {
	m := wire.EncodeListRepositories(ports.Page{Size: math.MaxInt})
	if m.GetPageSize() != math.MaxInt32 {
		t.Errorf("page size is %d", m.GetPageSize())
	}
	if m = wire.EncodeListRepositories(ports.Page{Size: math.MinInt}); m.GetPageSize() != math.MinInt32 {
		t.Errorf("page size is %d", m.GetPageSize())
	}
}
