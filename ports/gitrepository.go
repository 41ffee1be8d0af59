// Package ports holds the interfaces between GitStore's domain and the world, in domain words only: no path of a file
// system, no open file, no protobuf message crosses them. [RepositoryStore] and [GitRepository] are satisfied over the
// git binary and over gRPC, and nothing above can tell which; package gitrepotest is the suite that holds every
// implementation to the comments here.
//
// # Rules that every method keeps
//
// Methods may be called concurrently. Errors are [github.com/gitstore-dev/gitstore/domain/errs.Error]; beside the
// reasons that a method lists, each may fail with REPOSITORY_NOT_FOUND, REPOSITORY_CORRUPT, UNSAFE_REPOSITORY,
// QUEUE_FULL, UNAVAILABLE, DRAINING, CANCELED, DEADLINE_EXCEEDED and INTERNAL. A write may also fail with STORAGE_FULL.
// Whatever fails changes nothing; the exception is a write whose answer was lost or whose deadline passed while it was
// being committed: it may have taken effect, and a retry with the same request id tells.
//
// A method that takes a [git.Revision] fails with INVALID_REVISION for the zero one, REF_NOT_FOUND for a ref that does
// not exist or a branch without a commit, OBJECT_NOT_FOUND for an unknown object ID and NOT_A_COMMIT for one that does
// not lead to a commit. It resolves the revision once: the whole answer is of that one commit, which it names.
//
// An iterator that is returned without error holds resources until it is ranged over or its context ends, whichever is
// first: range over it once, or cancel the context. An error inside ends it. Breaking off is safe.
package ports

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/domain/tree"
)

// RepositoryStore creates, lists, deletes and gives access to repositories.
type RepositoryStore interface {
	// CreateRepository creates an empty repository: its default branch is unborn. It fails with REPOSITORY_EXISTS,
	// and with INVALID_REF_NAME or REF_NOT_WRITABLE for a default branch that is not a writable branch. A retry is not
	// safe: it would report REPOSITORY_EXISTS.
	CreateRepository(ctx context.Context, req CreateRepository) (RepositoryInfo, error)
	// ListRepositories returns a page of repositories ordered by id. It fails with INVALID_PAGE_SIZE and
	// INVALID_PAGE_TOKEN.
	ListRepositories(ctx context.Context, page Page) (RepositoryPage, error)
	// DeleteRepository removes a repository with all it holds. Calls under way on it fail or end as if it were still
	// there. It fails with REPOSITORY_NOT_FOUND.
	DeleteRepository(ctx context.Context, id git.RepositoryID) error
	// Policy returns what the repository holds writers to.
	Policy(ctx context.Context, id git.RepositoryID) (PolicyInfo, error)
	// SetPolicy gives the repository a policy of its own, or for nil the store's default. It holds for writes whose turn comes
	// afterwards, pushes that are under way included. A retry is safe.
	SetPolicy(ctx context.Context, id git.RepositoryID, policy *Policy) error
	// Repository returns access to the repository. It does no I/O: whether the repository exists is for each method
	// of the result to find out. There is nothing to close.
	Repository(id git.RepositoryID) GitRepository
}

// PolicyInfo is a policy and where it comes from.
type PolicyInfo struct {
	Policy
	// Own reports that the repository was given it; else it is the store's default.
	Own bool
}

// The policy of a repository; its rules are the domain's.
type (
	// Policy is what a repository holds writers to besides the rules that hold for all repositories.
	Policy = repository.Policy
	// Validation says what becomes of a push that brings something invalid.
	Validation = repository.Validation
)

// The kinds of [Validation].
const (
	NoValidation = repository.NoValidation
	WarnInvalid  = repository.WarnInvalid
	EnforceValid = repository.EnforceValid
)

// CreateRepository describes a new repository.
type CreateRepository struct {
	ID git.RepositoryID
	// DefaultBranch is what HEAD names; zero is refs/heads/main.
	DefaultBranch git.RefName
	// ObjectFormat is the hash; zero is SHA-1.
	ObjectFormat git.ObjectFormat
}

// RepositoryInfo describes a repository.
type RepositoryInfo struct {
	ID            git.RepositoryID
	DefaultBranch git.RefName
	ObjectFormat  git.ObjectFormat
	// Empty reports that the repository has neither branch nor tag.
	Empty bool
	// CreatedAt is when the repository was created, to the second, in UTC.
	CreatedAt time.Time
	// SizeBytes is about what the repository's objects take on the disk, as of the last write. Listings
	// leave it 0.
	SizeBytes int64
}

// Limits of a page, in items.
const (
	DefaultPageSize = page.DefaultSize
	MaxPageSize     = page.MaxSize
)

// Page asks for a part of a listing.
type Page struct {
	// Size is the most items wanted: 0 is [DefaultPageSize], more than [MaxPageSize] is taken for that. A negative one
	// is INVALID_PAGE_SIZE.
	Size int
	// Token is the NextToken of the page before, "" for the first. It is good only for the same question, else it is
	// INVALID_PAGE_TOKEN.
	Token string
}

// RepositoryPage is a page of repositories, ordered by id.
type RepositoryPage struct {
	Items []RepositoryInfo
	// NextToken is "" on the last page.
	NextToken string
}

// GitRepository is one repository. Ask for the smallest of its roles that will do.
type GitRepository interface {
	RepositoryReader
	RefUpdater
	Tagger
	Committer
}

// RepositoryReader is all that can be read of a repository.
type RepositoryReader interface {
	InfoReader
	RefReader
	BlobReader
	TreeReader
	HistoryReader
}

// InfoReader describes the repository itself.
type InfoReader interface {
	// Info returns the repository's settings and size.
	Info(ctx context.Context) (RepositoryInfo, error)
}

// RefReader reads branches and tags.
type RefReader interface {
	// ResolveRevision finds the commit that rev leads to.
	ResolveRevision(ctx context.Context, rev git.Revision) (Resolved, error)
	// ListRefs yields refs under refs/heads/ and refs/tags/ ordered by the bytes of their names.
	ListRefs(ctx context.Context, q RefQuery) (iter.Seq2[git.Ref, error], error)
	// ListTags returns a page of tags: first those that are Semantic Versions (with or without a leading "v"), the
	// highest first by SemVer 2 precedence, then the rest by name. A page that is not the last has as many as were asked
	// for, or those that take up to [MaxTagPage] bytes, and one at least. It fails with INVALID_PAGE_SIZE and
	// INVALID_PAGE_TOKEN.
	ListTags(ctx context.Context, page Page) (TagPage, error)
	// LatestTag returns the tag of the highest Semantic Version. It fails with INVALID_VERSION_RANGE, and with
	// REF_NOT_FOUND if no tag fits.
	LatestTag(ctx context.Context, q LatestTagQuery) (TagInfo, error)
}

// Resolved is where a revision leads.
type Resolved = repository.Resolved

// RefQuery selects refs.
type RefQuery struct {
	// Patterns select refs as git-for-each-ref(1) does: by a full name, a directory above it, or a glob of path.Match in
	// which "*" does not cross "/". None selects all. A malformed one is INVALID_PATTERN.
	Patterns []string
	// After skips refs up to and including this name.
	After git.RefName
	// Limit is the most refs to yield; 0 is no limit.
	Limit int
}

// TagInfo is a tag with what its tag object says.
type TagInfo struct {
	Ref git.Ref
	// Version is the tag as a Semantic Version without a leading "v", "" if it is none.
	Version string
	// Prerelease reports whether Version is a pre-release.
	Prerelease bool
	// Annotated is the tag object; nil for a light tag. A tag of a tag has the outermost.
	Annotated *git.Tag
}

// Size is what the tag counts for in a page, in bytes: never less than it takes in a message, and about what it takes in
// memory.
func (t TagInfo) Size() int {
	const fields, header = 512, 64
	n := fields + len(t.Ref.Name.String()) + len(t.Version)
	if a := t.Annotated; a != nil {
		n += len(a.Name) + len(a.Tagger.Name) + len(a.Tagger.Email) + len(a.Message)
		for _, h := range a.Headers {
			n += header + len(h.Key) + len(h.Value)
		}
	}
	return n
}

// MaxTagPage is the most bytes that the tags of a page have together by [TagInfo.Size], if they are more than one: what a
// message of 4 MiB holds besides the token.
const MaxTagPage = 4<<20 - 64<<10

// TagPage is a page of tags.
type TagPage struct {
	Items []TagInfo
	// NextToken is "" on the last page.
	NextToken string
}

// LatestTagQuery selects among the tags that are Semantic Versions.
type LatestTagQuery struct {
	// Range limits the versions, such as ">=1.2 <2" or "^1.4"; "" is all.
	Range string
	// Prereleases includes pre-releases.
	Prereleases bool
}

// RefUpdater moves refs.
type RefUpdater interface {
	// CreateBranch creates a branch at a commit. It fails with REF_EXISTS, REF_CONFLICT, and as RefName.CheckWritable does.
	CreateBranch(ctx context.Context, req CreateBranch) (git.Ref, error)
	// DeleteBranch deletes a branch. It fails with REF_NOT_FOUND, REF_MOVED, DEFAULT_BRANCH and REF_PROTECTED.
	DeleteBranch(ctx context.Context, req DeleteRef) error
	// UpdateRefs applies all updates or none, and returns the refs in the order of updates, deleted ones with a zero
	// Target. Each needs an Expected. It fails with INVALID_ARGUMENT, NO_ACTIONS, TOO_MANY_ACTIONS, REF_MOVED,
	// REF_CONFLICT, OBJECT_NOT_FOUND, NOT_A_COMMIT, NOT_FAST_FORWARD, DEFAULT_BRANCH, REF_PROTECTED, and as
	// RefName.CheckWritable does.
	UpdateRefs(ctx context.Context, updates []git.RefUpdate) ([]git.Ref, error)
}

// The requests of RefUpdater; their rules are the domain's.
type (
	// CreateBranch describes a new branch.
	CreateBranch = repository.CreateBranch
	// DeleteRef describes the deletion of a branch or tag.
	DeleteRef = repository.DeleteRef
)

// MaxRefUpdates is the most refs that one UpdateRefs may name.
const MaxRefUpdates = repository.MaxRefUpdates

// Tagger creates and deletes tags.
type Tagger interface {
	// CreateTag creates a tag of a commit, annotated if it has a Message. It fails with REF_EXISTS, REF_CONFLICT,
	// INVALID_MESSAGE, INVALID_SIGNATURE, and as RefName.CheckWritable does.
	CreateTag(ctx context.Context, req CreateTag) (TagInfo, error)
	// DeleteTag deletes a tag. It fails with REF_NOT_FOUND, REF_MOVED and REF_PROTECTED.
	DeleteTag(ctx context.Context, req DeleteRef) error
}

// CreateTag describes a new tag.
type CreateTag = repository.CreateTag

// BlobReader reads files.
type BlobReader interface {
	// GetFile returns a file with its content. It fails with PATH_NOT_FOUND, NOT_A_FILE, and FILE_TOO_LARGE above
	// [MaxGetFile], where ReadFile serves.
	GetFile(ctx context.Context, rev git.Revision, path git.TreePath) (FileContent, error)
	// ReadFile streams a file or a part of it. The caller closes the reader, whose Read fails like a method of this
	// interface. It fails with PATH_NOT_FOUND, NOT_A_FILE, and INVALID_RANGE for a negative offset or limit or an
	// offset beyond the end.
	ReadFile(ctx context.Context, q ReadFile) (File, io.ReadCloser, error)
	// BatchGetFiles yields a result for each path in the order of paths; a path that cannot be read has its Err set and
	// does not end the iteration. The files may be of any size. It fails with TOO_MANY_ACTIONS above [MaxBatchPaths].
	BatchGetFiles(ctx context.Context, rev git.Revision, paths []git.TreePath) (git.ObjectID, iter.Seq2[BatchFile, error], error)
}

const (
	// MaxGetFile is the largest file, in bytes, that GetFile returns.
	MaxGetFile = 1 << 20
	// MaxBatchPaths is the most paths that BatchGetFiles takes.
	MaxBatchPaths = 10_000
)

// File is a file at a commit.
type File struct {
	// Commit is the commit that was read.
	Commit git.ObjectID
	Path   git.TreePath
	Mode   git.FileMode
	Blob   git.ObjectID
	// Size is the whole file's, in bytes.
	Size int64
}

// FileContent is a file with its content.
type FileContent struct {
	File
	// Content may be shared with other callers: do not write to it.
	Content []byte
}

// ReadFile asks for a file.
type ReadFile struct {
	Revision git.Revision
	Path     git.TreePath
	// Offset is the first byte wanted.
	Offset int64
	// Limit is the most bytes wanted; 0 is all that follow.
	Limit int64
}

// BatchFile is one answer of BatchGetFiles.
type BatchFile struct {
	File
	// Err says why the path cannot be read: PATH_NOT_FOUND or NOT_A_FILE.
	Err error
	// Content is to be read before the next one is asked for; nil if Err is set.
	Content io.Reader
}

// TreeReader lists and reads whole trees.
type TreeReader interface {
	// ListFiles yields entries ordered by the bytes of their paths. It fails with PATH_NOT_FOUND and NOT_A_FILE if
	// Prefix is no directory, and INVALID_PATTERN.
	ListFiles(ctx context.Context, q ListFiles) (git.ObjectID, iter.Seq2[FileInfo, error], error)
	// ReadTree yields every file below the prefixes with its content, ordered by the bytes of their paths, submodules left
	// out; with a Base only what differs from it, deletions included. Neither the files that Suffixes leave out nor the
	// contents above MaxFileSize are read or moved. It fails as the revisions do, with INVALID_PATTERN and with
	// INVALID_ARGUMENT.
	ReadTree(ctx context.Context, q ReadTree) (git.ObjectID, iter.Seq2[TreeFile, error], error)
}

// ListFiles selects entries of a tree.
type ListFiles struct {
	Revision git.Revision
	// Prefix is the directory to list; the root lists everything.
	Prefix git.TreePath
	// Recursive lists the files of all directories below and leaves the directories themselves out.
	Recursive bool
	// Patterns keep only paths that match one: a glob of path.Match against the path below Prefix, in which "**" as a
	// component stands for any number of components. None keeps all.
	Patterns []string
	// After skips paths up to and including this one.
	After git.TreePath
	// Limit is the most entries to yield; 0 is no limit.
	Limit int
}

// FileInfo is an entry of a tree.
type FileInfo struct {
	Path git.TreePath
	Mode git.FileMode
	// ID is the blob's, the tree's, or for a submodule the commit's of the other repository.
	ID git.ObjectID
	// Size is the blob's, in bytes; 0 for a directory or submodule.
	Size int64
}

// ReadTree selects the files of a tree.
type ReadTree struct {
	Revision git.Revision
	// Prefixes are files or directories; none is the root. One that does not exist selects nothing.
	Prefixes []git.TreePath
	// Suffixes keep only files whose name ends with one of them, such as ".md"; the letters A to Z equal a to z, all other
	// bytes only themselves. None keeps all. At most [MaxSuffixes], each of 1 to 255 bytes without "/" and NUL; others are
	// INVALID_PATTERN.
	Suffixes []string
	// MaxFileSize is the size, in bytes, above which a file comes without its content; 0 is no limit, negative is
	// INVALID_ARGUMENT.
	MaxFileSize int64
	// Base is the commit that the caller has; zero is none.
	Base git.ObjectID
}

// MaxSuffixes is the most suffixes that ReadTree takes.
const MaxSuffixes = tree.MaxSuffixes

// TreeFile is one file of ReadTree.
type TreeFile struct {
	Path git.TreePath
	// Deleted reports that Base had the path and the commit has not; the rest is then zero.
	Deleted bool
	Mode    git.FileMode
	Blob    git.ObjectID
	// Size is the whole content's, in bytes, also of a file that comes without it.
	Size int64
	// Omitted reports that the file is larger than MaxFileSize and comes without its content.
	Omitted bool
	// Content is to be read before the next file is asked for; nil if the file is Deleted or Omitted.
	Content io.Reader
}

// HistoryReader reads commits and compares them.
type HistoryReader interface {
	// GetCommit returns a commit.
	GetCommit(ctx context.Context, rev git.Revision) (*git.Commit, error)
	// ListCommits yields commits that can be reached from a revision, a commit after all its descendants and otherwise
	// the newest first by committer time (git-rev-list(1), --date-order). The ID is the commit it starts from.
	ListCommits(ctx context.Context, q ListCommits) (git.ObjectID, iter.Seq2[*git.Commit, error], error)
	// ListChangedPaths yields the paths that differ, ordered by their bytes.
	ListChangedPaths(ctx context.Context, q Compare) (Comparison, iter.Seq2[git.PathChange, error], error)
	// GetDiff yields the paths that differ with their unified diffs, ordered by the bytes of their paths.
	GetDiff(ctx context.Context, q Compare) (Comparison, iter.Seq2[FileDiff, error], error)
}

// ListCommits selects commits.
type ListCommits struct {
	Revision git.Revision
	// Exclude leaves out what can be reached from it; zero leaves out nothing.
	Exclude git.Revision
	// Path keeps commits that changed it or anything below, with the history simplification of git-log(1)'s default
	// mode; the root keeps all.
	Path git.TreePath
	// Author keeps commits whose author's name or email contains it, case ignored; "" keeps all.
	Author string
	// Since and Until keep commits by committer time, inclusive; zero is no bound.
	Since, Until time.Time
	// FirstParent follows only the first parent of a merge.
	FirstParent bool
	// Skip leaves out that many commits of the result; negative is INVALID_ARGUMENT.
	Skip int
	// Limit is the most commits to yield; 0 is no limit, negative is INVALID_ARGUMENT.
	Limit int
}

// Compare selects two commits to compare.
type Compare struct {
	// Base is the old side; zero compares with the empty tree.
	Base git.Revision
	// Head is the new side.
	Head git.Revision
	// FromMergeBase compares from the merge base of both instead of from Base, as "git diff base...head" does. Without
	// a common ancestor it compares with the empty tree.
	FromMergeBase bool
	// Paths keep only these files and what lies below these directories; none keeps all.
	Paths []git.TreePath
}

// Comparison names the commits that were compared; Base is zero for the empty tree.
type Comparison struct{ Base, Head git.ObjectID }

// FileDiff is the difference of one path.
type FileDiff struct {
	git.PathChange
	// Binary reports that a side is not text (it has a NUL in its first 8,000 bytes, as git judges) or is larger than
	// [MaxDiffFile] or has more than [MaxDiffLines]: there is no Patch then.
	Binary bool
	// Added and Removed count lines.
	Added, Removed int
	// Patch is the hunks of the unified diff with three lines of context, each beginning "@@"; empty if only the mode
	// differs.
	Patch []byte
}

// Limits of a file of which a diff is made.
const (
	// MaxDiffFile is its largest size, in bytes.
	MaxDiffFile = 1 << 20
	// MaxDiffLines is the most lines that it has.
	MaxDiffLines = 50_000
)

// Committer writes commits.
type Committer interface {
	// CommitFiles makes one commit of all changes, or none. The changes are consumed as they come and before the commit
	// waits for its turn, so a slow sender holds nobody up; an error among them ends the call with that error.
	// Commits on one repository are made one after the other in the order their changes were complete: without an
	// ExpectedHead each builds on the one before, and none loses a race. Retrying is safe with a RequestID.
	//
	// It fails with NO_ACTIONS, TOO_MANY_ACTIONS, INVALID_ACTION, INVALID_PATH, DOTGIT_COMPONENT, RESERVED_PATH,
	// DUPLICATE_PATH, INVALID_MESSAGE, INVALID_SIGNATURE, INVALID_REQUEST_ID, REQUEST_ID_REUSED, REF_NOT_FOUND,
	// REF_EXISTS, REF_MOVED, REF_CONFLICT, BLOB_MOVED, PATH_NOT_FOUND, PATH_EXISTS, PATH_CONFLICT, NOT_A_FILE,
	// FILE_TOO_LARGE, SHA1_COLLISION, and as RefName.CheckWritable does.
	CommitFiles(ctx context.Context, req CommitFiles, changes iter.Seq2[git.Change, error]) (CommitResult, error)
	// PublishRelease makes an annotated tag, and before it a commit if there are changes; both become visible at once.
	// It fails as CommitFiles and CreateTag do. Retrying is safe with a RequestID.
	PublishRelease(ctx context.Context, req PublishRelease, changes iter.Seq2[git.Change, error]) (ReleaseResult, error)
}

// MaxActions is the most changes of one commit.
const MaxActions = repository.MaxActions

// The policies of [CommitFiles.OnConflict].
const (
	FailOnConflict         = repository.FailOnConflict
	ReplayIfPathsUntouched = repository.ReplayIfPathsUntouched
)

// The requests and results of Committer; their rules are the domain's.
type (
	// ConflictPolicy says what to do when a branch is not at ExpectedHead.
	ConflictPolicy = repository.ConflictPolicy
	// CommitFiles describes a commit.
	CommitFiles = repository.CommitFiles
	// CommitResult is what a commit came to.
	CommitResult = repository.CommitResult
	// PathBlob is a path and the blob that a commit left there.
	PathBlob = git.PathBlob
	// PublishRelease describes a release.
	PublishRelease = repository.PublishRelease
)

// ReleaseResult is what a release came to.
type ReleaseResult struct {
	// Tag is the tag; for a dry run as it would be.
	Tag TagInfo
	// Commit is the commit made; nil if there was none to make.
	Commit   *CommitResult
	Replayed bool
}
