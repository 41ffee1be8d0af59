package wire

import (
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// DecodeRepositoryID reads the repository that a request names.
func DecodeRepositoryID(s string) (git.RepositoryID, error) {
	var d decoder
	id := d.repositoryID(s)
	return id, d.err
}

// EncodeCreateRepository makes the request of RepositoryService.CreateRepository.
func EncodeCreateRepository(req ports.CreateRepository) *gitv1.CreateRepositoryRequest {
	return &gitv1.CreateRepositoryRequest{
		Repository: req.ID.String(), DefaultBranch: []byte(req.DefaultBranch.String()),
		ObjectFormat: gitv1.ObjectFormat(req.ObjectFormat),
	}
}

// DecodeCreateRepository reads the request of RepositoryService.CreateRepository.
func DecodeCreateRepository(m *gitv1.CreateRepositoryRequest) (ports.CreateRepository, error) {
	var d decoder
	req := ports.CreateRepository{
		ID: d.repositoryID(m.GetRepository()), DefaultBranch: d.refName("default_branch", m.GetDefaultBranch()),
		ObjectFormat: enum(&d, errs.ReasonInvalidArgument, "object_format", m.GetObjectFormat(), git.SHA256),
	}
	return req, d.err
}

// EncodeRepository makes the message of a repository.
func EncodeRepository(r ports.RepositoryInfo) *gitv1.Repository {
	return &gitv1.Repository{
		Id: r.ID.String(), DefaultBranch: []byte(r.DefaultBranch.String()), ObjectFormat: gitv1.ObjectFormat(r.ObjectFormat),
		Empty: r.Empty, CreatedAt: encodeTime(r.CreatedAt), SizeBytes: r.SizeBytes,
	}
}

// DecodeRepository reads a repository of an answer.
func DecodeRepository(m *gitv1.Repository) (ports.RepositoryInfo, error) {
	var d decoder
	info := d.repository(m)
	return info, d.err
}

func (d *decoder) repository(m *gitv1.Repository) ports.RepositoryInfo {
	return ports.RepositoryInfo{
		ID: d.repositoryID(m.GetId()), DefaultBranch: d.refName("default_branch", m.GetDefaultBranch()),
		ObjectFormat: enum(d, errs.ReasonInvalidArgument, "object_format", m.GetObjectFormat(), git.SHA256),
		Empty:        m.GetEmpty(), CreatedAt: d.time(errs.ReasonInvalidArgument, "created_at", m.GetCreatedAt()),
		SizeBytes: d.size("size_bytes", m.GetSizeBytes()),
	}
}

// EncodeListRepositories makes the request of RepositoryService.ListRepositories.
func EncodeListRepositories(p ports.Page) *gitv1.ListRepositoriesRequest {
	return &gitv1.ListRepositoriesRequest{PageSize: clampInt32(p.Size), PageToken: valid(p.Token)}
}

// DecodeListRepositories reads the request of RepositoryService.ListRepositories.
func DecodeListRepositories(m *gitv1.ListRepositoriesRequest) ports.Page {
	return ports.Page{Size: int(m.GetPageSize()), Token: m.GetPageToken()}
}

// EncodeRepositoryPage makes the answer of RepositoryService.ListRepositories.
func EncodeRepositoryPage(p ports.RepositoryPage) *gitv1.ListRepositoriesResponse {
	return &gitv1.ListRepositoriesResponse{Repositories: each(p.Items, EncodeRepository), NextPageToken: valid(p.NextToken)}
}

// DecodeRepositoryPage reads the answer of RepositoryService.ListRepositories.
func DecodeRepositoryPage(m *gitv1.ListRepositoriesResponse) (ports.RepositoryPage, error) {
	var d decoder
	p := ports.RepositoryPage{Items: each(m.GetRepositories(), d.repository), NextToken: m.GetNextPageToken()}
	return p, d.err
}

func encodePolicy(p ports.Policy) *gitv1.RepositoryPolicy {
	return &gitv1.RepositoryPolicy{
		Validation: gitv1.PushValidation(p.Validation) + gitv1.PushValidation_PUSH_VALIDATION_OFF, ValidatedBranches: encodePatterns(p.ValidatedBranches.Strings()),
		ProtectedBranches: encodePatterns(p.ProtectedBranches.Strings()), ImmutableReleases: p.ImmutableReleases, Links: p.Links,
	}
}

func (d *decoder) policy(m *gitv1.RepositoryPolicy) ports.Policy {
	v := enum(d, errs.ReasonInvalidArgument, "policy.validation", m.GetValidation(), ports.EnforceValid+1)
	if v == 0 && d.err == nil {
		d.invalid(errs.ReasonInvalidArgument, "policy.validation", "the validation is missing: it is off, warn or enforce")
	}
	return ports.Policy{
		Validation: max(v, 1) - 1, ValidatedBranches: d.branches("policy.validated_branches", m.GetValidatedBranches()),
		ProtectedBranches: d.branches("policy.protected_branches", m.GetProtectedBranches()), ImmutableReleases: m.GetImmutableReleases(), Links: m.GetLinks(),
	}
}

func (d *decoder) branches(field string, all [][]byte) git.BranchPatterns {
	patterns, err := git.ParseBranchPatterns(field, each(all, func(b []byte) string { return string(b) }))
	if err != nil {
		d.fail(field, err)
	}
	return patterns
}

// EncodePolicyInfo makes the answer of RepositoryService.GetRepositoryPolicy.
func EncodePolicyInfo(p ports.PolicyInfo) *gitv1.GetRepositoryPolicyResponse {
	return &gitv1.GetRepositoryPolicyResponse{Policy: encodePolicy(p.Policy), Own: p.Own}
}

// DecodePolicyInfo reads the answer of RepositoryService.GetRepositoryPolicy.
func DecodePolicyInfo(m *gitv1.GetRepositoryPolicyResponse) (ports.PolicyInfo, error) {
	var d decoder
	p := ports.PolicyInfo{Policy: d.policy(m.GetPolicy()), Own: m.GetOwn()}
	return p, d.err
}

// EncodeSetPolicy makes the request of RepositoryService.SetRepositoryPolicy.
func EncodeSetPolicy(id git.RepositoryID, policy *ports.Policy) *gitv1.SetRepositoryPolicyRequest {
	m := &gitv1.SetRepositoryPolicyRequest{Repository: id.String()}
	if policy != nil {
		m.Policy = encodePolicy(*policy)
	}
	return m
}

// DecodeSetPolicy reads the request of RepositoryService.SetRepositoryPolicy.
func DecodeSetPolicy(m *gitv1.SetRepositoryPolicyRequest) (git.RepositoryID, *ports.Policy, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	if m.GetPolicy() == nil {
		return id, nil, d.err
	}
	policy := d.policy(m.GetPolicy())
	return id, &policy, d.err
}

// EncodeResolveRevision makes the request of RefService.ResolveRevision.
func EncodeResolveRevision(id git.RepositoryID, rev git.Revision) *gitv1.ResolveRevisionRequest {
	return &gitv1.ResolveRevisionRequest{Repository: id.String(), Revision: encodeRevision(rev)}
}

// DecodeResolveRevision reads the request of RefService.ResolveRevision.
func DecodeResolveRevision(m *gitv1.ResolveRevisionRequest) (git.RepositoryID, git.Revision, error) {
	var d decoder
	id, rev := d.repositoryID(m.GetRepository()), d.revision("revision", m.GetRevision())
	return id, rev, d.err
}

// EncodeResolved makes the answer of RefService.ResolveRevision.
func EncodeResolved(r ports.Resolved) *gitv1.ResolveRevisionResponse {
	return &gitv1.ResolveRevisionResponse{CommitId: r.Commit.String(), TreeId: r.Tree.String(), Ref: []byte(r.Ref.String())}
}

// DecodeResolved reads the answer of RefService.ResolveRevision.
func DecodeResolved(m *gitv1.ResolveRevisionResponse) (ports.Resolved, error) {
	var d decoder
	r := ports.Resolved{
		Commit: d.objectID("commit_id", m.GetCommitId()), Tree: d.objectID("tree_id", m.GetTreeId()), Ref: d.refName("ref", m.GetRef()),
	}
	return r, d.err
}

// EncodeListRefs makes the request of RefService.ListRefs.
func EncodeListRefs(id git.RepositoryID, q ports.RefQuery) *gitv1.ListRefsRequest {
	return &gitv1.ListRefsRequest{
		Repository: id.String(), Patterns: encodePatterns(q.Patterns), After: []byte(q.After.String()), Limit: clampInt32(q.Limit),
	}
}

// DecodeListRefs reads the request of RefService.ListRefs.
func DecodeListRefs(m *gitv1.ListRefsRequest) (git.RepositoryID, ports.RefQuery, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	q := ports.RefQuery{
		Patterns: d.patterns("patterns", m.GetPatterns()), After: d.refName("after", m.GetAfter()), Limit: int(m.GetLimit()),
	}
	return id, q, d.err
}

// EncodeListTags makes the request of RefService.ListTags.
func EncodeListTags(id git.RepositoryID, p ports.Page) *gitv1.ListTagsRequest {
	return &gitv1.ListTagsRequest{Repository: id.String(), PageSize: clampInt32(p.Size), PageToken: valid(p.Token)}
}

// DecodeListTags reads the request of RefService.ListTags.
func DecodeListTags(m *gitv1.ListTagsRequest) (git.RepositoryID, ports.Page, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	return id, ports.Page{Size: int(m.GetPageSize()), Token: m.GetPageToken()}, d.err
}

// EncodeTagPage makes the answer of RefService.ListTags.
func EncodeTagPage(p ports.TagPage) *gitv1.ListTagsResponse {
	return &gitv1.ListTagsResponse{Tags: each(p.Items, EncodeTagInfo), NextPageToken: valid(p.NextToken)}
}

// DecodeTagPage reads the answer of RefService.ListTags.
func DecodeTagPage(m *gitv1.ListTagsResponse) (ports.TagPage, error) {
	var d decoder
	p := ports.TagPage{Items: each(m.GetTags(), d.tagInfo), NextToken: m.GetNextPageToken()}
	return p, d.err
}

// EncodeLatestTag makes the request of RefService.GetLatestTag.
func EncodeLatestTag(id git.RepositoryID, q ports.LatestTagQuery) *gitv1.GetLatestTagRequest {
	return &gitv1.GetLatestTagRequest{Repository: id.String(), VersionRange: valid(q.Range), IncludePrereleases: q.Prereleases}
}

// DecodeLatestTag reads the request of RefService.GetLatestTag.
func DecodeLatestTag(m *gitv1.GetLatestTagRequest) (git.RepositoryID, ports.LatestTagQuery, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	return id, ports.LatestTagQuery{Range: m.GetVersionRange(), Prereleases: m.GetIncludePrereleases()}, d.err
}

// EncodeCreateBranch makes the request of RefService.CreateBranch.
func EncodeCreateBranch(id git.RepositoryID, req ports.CreateBranch) *gitv1.CreateBranchRequest {
	return &gitv1.CreateBranchRequest{Repository: id.String(), Branch: []byte(req.Name.String()), Target: encodeRevision(req.Target)}
}

// DecodeCreateBranch reads the request of RefService.CreateBranch.
func DecodeCreateBranch(m *gitv1.CreateBranchRequest) (git.RepositoryID, ports.CreateBranch, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	req := ports.CreateBranch{Name: d.refName("branch", m.GetBranch()), Target: d.revision("target", m.GetTarget())}
	return id, req, d.err
}

// EncodeDeleteBranch makes the request of RefService.DeleteBranch.
func EncodeDeleteBranch(id git.RepositoryID, req ports.DeleteRef) *gitv1.DeleteBranchRequest {
	return &gitv1.DeleteBranchRequest{
		Repository: id.String(), Branch: []byte(req.Name.String()), ExpectedOid: encodeExpectation(req.Expected),
	}
}

// DecodeDeleteBranch reads the request of RefService.DeleteBranch.
func DecodeDeleteBranch(m *gitv1.DeleteBranchRequest) (git.RepositoryID, ports.DeleteRef, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	req := ports.DeleteRef{Name: d.refName("branch", m.GetBranch()), Expected: d.expectation("expected_oid", m.GetExpectedOid())}
	return id, req, d.err
}

// EncodeDeleteTag makes the request of RefService.DeleteTag.
func EncodeDeleteTag(id git.RepositoryID, req ports.DeleteRef) *gitv1.DeleteTagRequest {
	return &gitv1.DeleteTagRequest{
		Repository: id.String(), Tag: []byte(req.Name.String()), ExpectedOid: encodeExpectation(req.Expected),
	}
}

// DecodeDeleteTag reads the request of RefService.DeleteTag.
func DecodeDeleteTag(m *gitv1.DeleteTagRequest) (git.RepositoryID, ports.DeleteRef, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	req := ports.DeleteRef{Name: d.refName("tag", m.GetTag()), Expected: d.expectation("expected_oid", m.GetExpectedOid())}
	return id, req, d.err
}

// EncodeCreateTag makes the request of RefService.CreateTag.
func EncodeCreateTag(id git.RepositoryID, req ports.CreateTag) *gitv1.CreateTagRequest {
	return &gitv1.CreateTagRequest{Repository: id.String(), Tag: encodeNewTag(req)}
}

// DecodeCreateTag reads the request of RefService.CreateTag.
func DecodeCreateTag(m *gitv1.CreateTagRequest) (git.RepositoryID, ports.CreateTag, error) {
	var d decoder
	id, req := d.repositoryID(m.GetRepository()), d.newTag(m.GetTag())
	return id, req, d.err
}

func encodeNewTag(t ports.CreateTag) *gitv1.NewTag {
	return &gitv1.NewTag{
		Name: []byte(t.Name.String()), Target: encodeRevision(t.Target), Message: []byte(t.Message), Tagger: encodeSignature(t.Tagger),
	}
}

func (d *decoder) newTag(m *gitv1.NewTag) ports.CreateTag {
	return ports.CreateTag{
		Name: d.refName("tag", m.GetName()), Target: d.revision("target", m.GetTarget()),
		Message: string(m.GetMessage()), Tagger: d.signature("tagger", m.GetTagger()),
	}
}

// EncodeUpdateRefs makes the request of RefService.UpdateRefs.
func EncodeUpdateRefs(id git.RepositoryID, updates []git.RefUpdate) *gitv1.UpdateRefsRequest {
	return &gitv1.UpdateRefsRequest{Repository: id.String(), Updates: each(updates, func(u git.RefUpdate) *gitv1.RefUpdate {
		return &gitv1.RefUpdate{
			Ref: []byte(u.Name.String()), ExpectedOid: encodeExpectation(u.Expected), NewOid: u.New.String(), Force: u.Force,
		}
	})}
}

// DecodeUpdateRefs reads the request of RefService.UpdateRefs.
func DecodeUpdateRefs(m *gitv1.UpdateRefsRequest) (git.RepositoryID, []git.RefUpdate, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	if !d.count("updates", len(m.GetUpdates()), ports.MaxRefUpdates) {
		return id, nil, d.err
	}
	updates := make([]git.RefUpdate, len(m.GetUpdates()))
	for i, u := range m.GetUpdates() {
		field := indexed("updates", i)
		updates[i] = git.RefUpdate{
			Name: d.refName(field+".ref", u.GetRef()), Expected: d.expectation(field+".expected_oid", u.GetExpectedOid()),
			New: d.objectID(field+".new_oid", u.GetNewOid()), Force: u.GetForce(),
		}
	}
	return id, updates, d.err
}

// EncodeGetCommit makes the request of HistoryService.GetCommit.
func EncodeGetCommit(id git.RepositoryID, rev git.Revision) *gitv1.GetCommitRequest {
	return &gitv1.GetCommitRequest{Repository: id.String(), Revision: encodeRevision(rev)}
}

// DecodeGetCommit reads the request of HistoryService.GetCommit.
func DecodeGetCommit(m *gitv1.GetCommitRequest) (git.RepositoryID, git.Revision, error) {
	var d decoder
	id, rev := d.repositoryID(m.GetRepository()), d.revision("revision", m.GetRevision())
	return id, rev, d.err
}

// EncodeListCommits makes the request of HistoryService.ListCommits.
func EncodeListCommits(id git.RepositoryID, q ports.ListCommits) *gitv1.ListCommitsRequest {
	return &gitv1.ListCommitsRequest{
		Repository: id.String(), Revision: encodeRevision(q.Revision), Exclude: encodeRevision(q.Exclude),
		Path: []byte(q.Path.String()), Author: []byte(q.Author), Since: encodeTime(q.Since), Until: encodeTime(q.Until),
		FirstParent: q.FirstParent, Skip: clampInt32(q.Skip), Limit: clampInt32(q.Limit),
	}
}

// DecodeListCommits reads the request of HistoryService.ListCommits.
func DecodeListCommits(m *gitv1.ListCommitsRequest) (git.RepositoryID, ports.ListCommits, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	q := ports.ListCommits{
		Revision: d.revision("revision", m.GetRevision()), Exclude: d.revision("exclude", m.GetExclude()),
		Path: d.path("path", m.GetPath()), Author: string(m.GetAuthor()),
		Since:       d.time(errs.ReasonInvalidArgument, "since", m.GetSince()),
		Until:       d.time(errs.ReasonInvalidArgument, "until", m.GetUntil()),
		FirstParent: m.GetFirstParent(), Skip: int(m.GetSkip()), Limit: int(m.GetLimit()),
	}
	return id, q, d.err
}

// EncodeComparison makes what the requests of ListChangedPaths and GetDiff ask for.
func EncodeComparison(q ports.Compare) *gitv1.Comparison {
	return &gitv1.Comparison{
		Base: encodeRevision(q.Base), Head: encodeRevision(q.Head), FromMergeBase: q.FromMergeBase, Paths: encodePaths(q.Paths),
	}
}

// DecodeComparison reads what a request of ListChangedPaths or GetDiff asks for.
func DecodeComparison(repository string, m *gitv1.Comparison) (git.RepositoryID, ports.Compare, error) {
	var d decoder
	id := d.repositoryID(repository)
	q := ports.Compare{
		Base: d.revision("base", m.GetBase()), Head: d.revision("head", m.GetHead()),
		FromMergeBase: m.GetFromMergeBase(), Paths: d.paths("paths", m.GetPaths()),
	}
	return id, q, d.err
}

// EncodeCompared makes the message of the commits that were compared.
func EncodeCompared(c ports.Comparison) *gitv1.ComparedCommits {
	return &gitv1.ComparedCommits{BaseCommitId: c.Base.String(), HeadCommitId: c.Head.String()}
}

// DecodeCompared reads the commits that were compared.
func DecodeCompared(m *gitv1.ComparedCommits) (ports.Comparison, error) {
	var d decoder
	c := ports.Comparison{
		Base: d.objectID("base_commit_id", m.GetBaseCommitId()), Head: d.objectID("head_commit_id", m.GetHeadCommitId()),
	}
	return c, d.err
}

// EncodePathChange makes the message of a path that differs.
func EncodePathChange(c git.PathChange) *gitv1.PathChange {
	return &gitv1.PathChange{
		Path: []byte(c.Path.String()), Status: gitv1.ChangeStatus(c.Status), OldMode: uint32(c.OldMode), NewMode: uint32(c.NewMode),
		OldId: c.OldID.String(), NewId: c.NewID.String(),
	}
}

// DecodePathChange reads a path that differs.
func DecodePathChange(m *gitv1.PathChange) (git.PathChange, error) {
	var d decoder
	c := git.PathChange{
		Path: d.path("path", m.GetPath()), Status: enum(&d, errs.ReasonInvalidArgument, "status", m.GetStatus(), git.StatusTypeChanged),
		OldMode: git.FileMode(m.GetOldMode()), NewMode: git.FileMode(m.GetNewMode()),
		OldID: d.objectID("old_id", m.GetOldId()), NewID: d.objectID("new_id", m.GetNewId()),
	}
	return c, d.err
}

// EncodeFileDiff makes the message of the difference of one path, without its patch, which may come in pieces.
func EncodeFileDiff(f ports.FileDiff) *gitv1.FileDiff {
	return &gitv1.FileDiff{
		Change: EncodePathChange(f.PathChange), Binary: f.Binary, Added: clampInt32(f.Added), Removed: clampInt32(f.Removed),
		PatchSize: int64(len(f.Patch)),
	}
}

// DecodeFileDiff reads the difference of one path, without its patch.
func DecodeFileDiff(m *gitv1.FileDiff) (ports.FileDiff, error) {
	change, err := DecodePathChange(m.GetChange())
	return ports.FileDiff{PathChange: change, Binary: m.GetBinary(), Added: int(m.GetAdded()), Removed: int(m.GetRemoved())}, err
}
