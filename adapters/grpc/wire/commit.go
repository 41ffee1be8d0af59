package wire

import (
	"bytes"
	"io"

	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// EncodeCommitHeader makes the header of a commit.
func EncodeCommitHeader(req ports.CommitFiles) *gitv1.CommitHeader {
	return &gitv1.CommitHeader{
		RequestId: valid(req.RequestID), Branch: []byte(req.Branch.String()), StartRevision: encodeRevision(req.Start),
		ExpectedHead: encodeExpectation(req.ExpectedHead), Author: encodeSignature(req.Author),
		Committer: encodeSignature(req.Committer), Message: []byte(req.Message), AllowEmpty: req.AllowEmpty, DryRun: req.DryRun,
		OnConflict: gitv1.ConflictPolicy(req.OnConflict) + gitv1.ConflictPolicy_CONFLICT_POLICY_FAIL,
	}
}

// DecodeCommitHeader reads the header of a commit to the repository.
func DecodeCommitHeader(repository string, m *gitv1.CommitHeader) (git.RepositoryID, ports.CommitFiles, error) {
	var d decoder
	id, req := d.repositoryID(repository), d.commitHeader(m)
	return id, req, d.err
}

func (d *decoder) commitHeader(m *gitv1.CommitHeader) ports.CommitFiles {
	return ports.CommitFiles{
		RequestID: m.GetRequestId(), Branch: d.refName("branch", m.GetBranch()), Start: d.revision("start_revision", m.GetStartRevision()),
		ExpectedHead: d.expectation("expected_head", m.GetExpectedHead()), OnConflict: d.conflictPolicy(m.GetOnConflict()),
		Author: d.signature("author", m.GetAuthor()), Committer: d.signature("committer", m.GetCommitter()),
		Message: string(m.GetMessage()), AllowEmpty: m.GetAllowEmpty(), DryRun: m.GetDryRun(),
	}
}

func (d *decoder) conflictPolicy(p gitv1.ConflictPolicy) ports.ConflictPolicy {
	switch p {
	case gitv1.ConflictPolicy_CONFLICT_POLICY_UNSPECIFIED, gitv1.ConflictPolicy_CONFLICT_POLICY_FAIL:
		return ports.FailOnConflict
	case gitv1.ConflictPolicy_CONFLICT_POLICY_REPLAY_IF_PATHS_UNTOUCHED:
		return ports.ReplayIfPathsUntouched
	}
	d.invalid(errs.ReasonInvalidArgument, "on_conflict", "on_conflict %d is unknown", p)
	return 0
}

// EncodeAction makes the head of an action, without its content.
func EncodeAction(c git.Change) *gitv1.FileAction {
	m := &gitv1.FileAction{
		Path: []byte(c.Path.String()), Kind: gitv1.FileActionKind(c.Action), From: []byte(c.From.String()),
		ExpectedBlobId: encodeExpectation(c.ExpectedBlob), HasContent: c.Content != nil,
	}
	if c.Content != nil && c.Size >= 0 {
		m.Size = &c.Size
	}
	switch {
	case c.Executable == nil:
	case *c.Executable:
		m.Mode = gitv1.FileMode_FILE_MODE_EXECUTABLE
	default:
		m.Mode = gitv1.FileMode_FILE_MODE_REGULAR
	}
	return m
}

// DecodeAction reads the head of an action whose content, if it has any, is read from content. It refuses what
// [git.Change.Validate] refuses.
func DecodeAction(m *gitv1.FileAction, content io.Reader) (git.Change, error) {
	var d decoder
	c := d.action("", m, content)
	return c, d.err
}

func (d *decoder) action(prefix string, m *gitv1.FileAction, content io.Reader) git.Change {
	c := git.Change{
		Action: git.Action(min(max(m.GetKind(), 0), 0xff)),
		Path:   d.path(prefix+"path", m.GetPath()), From: d.path(prefix+"from", m.GetFrom()),
		ExpectedBlob: d.expectation(prefix+"expected_blob_id", m.GetExpectedBlobId()), Executable: d.executable(prefix+"mode", m.GetMode()),
	}
	if m.GetHasContent() {
		c.Content, c.Size = content, -1
		if m.Size != nil {
			c.Size = d.size(prefix+"size", m.GetSize())
		}
	}
	if d.err == nil {
		d.err = c.Validate()
	}
	return c
}

func (d *decoder) executable(field string, m gitv1.FileMode) *bool {
	var yes bool
	switch m {
	case gitv1.FileMode_FILE_MODE_UNSPECIFIED:
		return nil
	case gitv1.FileMode_FILE_MODE_EXECUTABLE:
		yes = true
	case gitv1.FileMode_FILE_MODE_REGULAR:
	default:
		d.invalid(errs.ReasonInvalidMode, field, "mode %d is unknown: a file that is written is regular or executable", m)
	}
	return &yes
}

// EncodeInlineAction makes an action with its content, which c.Content has given.
func EncodeInlineAction(c git.Change, content []byte) *gitv1.InlineFileAction {
	return &gitv1.InlineFileAction{Action: EncodeAction(c), Content: content}
}

func (d *decoder) inlineAction(prefix string, m *gitv1.InlineFileAction) git.Change {
	if len(m.GetContent()) > 0 && !m.GetAction().GetHasContent() {
		d.invalid(errs.ReasonInvalidAction, prefix+"content", "the action has content and does not say so: set has_content")
	}
	return d.action(prefix+"action.", m.GetAction(), bytes.NewReader(m.GetContent()))
}

// EncodeCommitFile makes the request of CommitService.CommitFile.
func EncodeCommitFile(id git.RepositoryID, req ports.CommitFiles, action *gitv1.InlineFileAction) *gitv1.CommitFileRequest {
	return &gitv1.CommitFileRequest{Repository: id.String(), Header: EncodeCommitHeader(req), File: action}
}

// DecodeCommitFile reads the request of CommitService.CommitFile.
func DecodeCommitFile(m *gitv1.CommitFileRequest) (git.RepositoryID, ports.CommitFiles, git.Change, error) {
	var d decoder
	id, req, change := d.repositoryID(m.GetRepository()), d.commitHeader(m.GetHeader()), d.inlineAction("file.", m.GetFile())
	return id, req, change, d.err
}

// DecodeDeleteFile reads the request of CommitService.DeleteFile.
func DecodeDeleteFile(m *gitv1.DeleteFileRequest) (git.RepositoryID, ports.CommitFiles, git.Change, error) {
	var d decoder
	id, req := d.repositoryID(m.GetRepository()), d.commitHeader(m.GetHeader())
	change := git.Change{
		Action: git.ActionDelete, Path: d.path("path", m.GetPath()),
		ExpectedBlob: d.expectation("expected_blob_id", m.GetExpectedBlobId()),
	}
	return id, req, change, d.err
}

// EncodeCommitResult makes the message of what a commit came to.
func EncodeCommitResult(r ports.CommitResult) *gitv1.CommitResult {
	return &gitv1.CommitResult{
		CommitId: r.Commit.String(), ParentId: r.Parent.String(), TreeId: r.Tree.String(), Blobs: each(r.Blobs, encodePathBlob),
		Replayed: r.Replayed, NoOp: r.NoOp,
	}
}

func encodePathBlob(b ports.PathBlob) *gitv1.PathBlob {
	return &gitv1.PathBlob{Path: []byte(b.Path.String()), BlobId: b.Blob.String()}
}

// DecodeCommitResult reads what a commit came to.
func DecodeCommitResult(m *gitv1.CommitResult) (ports.CommitResult, error) {
	var d decoder
	r := d.commitResult(m)
	return r, d.err
}

func (d *decoder) commitResult(m *gitv1.CommitResult) ports.CommitResult {
	r := ports.CommitResult{
		Commit: d.objectID("commit_id", m.GetCommitId()), Parent: d.objectID("parent_id", m.GetParentId()),
		Tree: d.objectID("tree_id", m.GetTreeId()), Replayed: m.GetReplayed(), NoOp: m.GetNoOp(),
	}
	for _, b := range m.GetBlobs() {
		r.Blobs = append(r.Blobs, ports.PathBlob{Path: d.path("path", b.GetPath()), Blob: d.objectID("blob_id", b.GetBlobId())})
	}
	return r
}

// EncodePublishRelease makes the request of CommitService.PublishRelease.
func EncodePublishRelease(id git.RepositoryID, req ports.PublishRelease, actions []*gitv1.InlineFileAction) *gitv1.PublishReleaseRequest {
	m := &gitv1.PublishReleaseRequest{
		Repository: id.String(), RequestId: valid(req.RequestID), Tag: encodeNewTag(req.Tag), Actions: actions, DryRun: req.DryRun,
	}
	if req.Commit != nil {
		m.Commit = EncodeCommitHeader(*req.Commit)
	}
	return m
}

// DecodePublishRelease reads the request of CommitService.PublishRelease.
func DecodePublishRelease(m *gitv1.PublishReleaseRequest) (git.RepositoryID, ports.PublishRelease, []git.Change, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	req := ports.PublishRelease{RequestID: m.GetRequestId(), Tag: d.newTag(m.GetTag()), DryRun: m.GetDryRun()}
	if m.Commit != nil {
		commit := d.commitHeader(m.GetCommit())
		req.Commit = &commit
	}
	var changes []git.Change
	if d.count("actions", len(m.GetActions()), ports.MaxActions) {
		for i, a := range m.GetActions() {
			changes = append(changes, d.inlineAction(indexed("actions", i)+".", a))
		}
	}
	return id, req, changes, d.err
}

// EncodeReleaseResult makes the answer of CommitService.PublishRelease.
func EncodeReleaseResult(r ports.ReleaseResult) *gitv1.PublishReleaseResponse {
	m := &gitv1.PublishReleaseResponse{Tag: EncodeTagInfo(r.Tag), Replayed: r.Replayed}
	if r.Commit != nil {
		m.Commit = EncodeCommitResult(*r.Commit)
	}
	return m
}

// DecodeReleaseResult reads the answer of CommitService.PublishRelease.
func DecodeReleaseResult(m *gitv1.PublishReleaseResponse) (ports.ReleaseResult, error) {
	var d decoder
	r := ports.ReleaseResult{Tag: d.tagInfo(m.GetTag()), Replayed: m.GetReplayed()}
	if m.Commit != nil {
		commit := d.commitResult(m.GetCommit())
		r.Commit = &commit
	}
	return r, d.err
}
