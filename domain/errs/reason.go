package errs

import (
	"slices"
	"time"
)

// Reason identifies one failure for programs. Its text is part of the contract: it is never changed or reused.
type Reason string

// The reasons, by Kind.
const (
	// ReasonInternal is a defect; the message carries the incident id under which it was logged.
	ReasonInternal Reason = "INTERNAL"

	// ReasonInvalidArgument is a malformed field that no narrower reason covers.
	ReasonInvalidArgument Reason = "INVALID_ARGUMENT"
	// ReasonInvalidRepositoryID is an id outside the grammar of repository ids.
	ReasonInvalidRepositoryID Reason = "INVALID_REPOSITORY_ID"
	// ReasonInvalidObjectID is not 40 or 64 hexadecimal digits, or of the other object format.
	ReasonInvalidObjectID Reason = "INVALID_OBJECT_ID"
	// ReasonInvalidRefName is a name that git check-ref-format refuses, or that looks like an object ID.
	ReasonInvalidRefName Reason = "INVALID_REF_NAME"
	// ReasonInvalidRevision is a revision outside the accepted grammar.
	ReasonInvalidRevision Reason = "INVALID_REVISION"
	// ReasonInvalidPath is a tree path that is not relative, clean, NFC UTF-8 and within the length limits.
	ReasonInvalidPath Reason = "INVALID_PATH"
	// ReasonDotGitComponent is a path with a component that some file system takes for ".git".
	ReasonDotGitComponent Reason = "DOTGIT_COMPONENT"
	// ReasonReservedPath is a path that GitStore does not store, such as ".gitmodules".
	ReasonReservedPath Reason = "RESERVED_PATH"
	// ReasonInvalidMode is a file mode other than regular or executable.
	ReasonInvalidMode Reason = "INVALID_MODE"
	// ReasonInvalidSignature is an author, committer or tagger whose name or email Git could not store.
	ReasonInvalidSignature Reason = "INVALID_SIGNATURE"
	// ReasonInvalidMessage is a commit or tag message that is empty, too long or holds NUL.
	ReasonInvalidMessage Reason = "INVALID_MESSAGE"
	// ReasonInvalidAction is an action that lacks a field it needs or has one it must not have.
	ReasonInvalidAction Reason = "INVALID_ACTION"
	// ReasonNoActions is a commit without any action.
	ReasonNoActions Reason = "NO_ACTIONS"
	// ReasonTooManyActions is a commit or ref update with more entries than the limit.
	ReasonTooManyActions Reason = "TOO_MANY_ACTIONS"
	// ReasonDuplicatePath is a commit in which two actions touch one path.
	ReasonDuplicatePath Reason = "DUPLICATE_PATH"
	// ReasonInvalidRequestID is a request id that is not a UUID.
	ReasonInvalidRequestID Reason = "INVALID_REQUEST_ID"
	// ReasonInvalidPageToken is a page token that this listing did not issue.
	ReasonInvalidPageToken Reason = "INVALID_PAGE_TOKEN"
	// ReasonInvalidPageSize is a negative page size.
	ReasonInvalidPageSize Reason = "INVALID_PAGE_SIZE"
	// ReasonInvalidRange is a negative or unsatisfiable byte range.
	ReasonInvalidRange Reason = "INVALID_RANGE"
	// ReasonInvalidPattern is a malformed glob.
	ReasonInvalidPattern Reason = "INVALID_PATTERN"
	// ReasonInvalidCursor is a text that is no cursor of the journal.
	ReasonInvalidCursor Reason = "INVALID_CURSOR"
	// ReasonInvalidVersionRange is a malformed Semantic Versioning range.
	ReasonInvalidVersionRange Reason = "INVALID_VERSION_RANGE"
	// ReasonRefNotWritable is an update outside refs/heads/ and refs/tags/.
	ReasonRefNotWritable Reason = "REF_NOT_WRITABLE"
	// ReasonMessageTooLarge is a message above the transport's limit, or one that would take more memory than all requests may.
	ReasonMessageTooLarge Reason = "MESSAGE_TOO_LARGE"
	// ReasonInvalidDocument is a change of documents after which something would be wrong with a catalog that is not now.
	ReasonInvalidDocument Reason = "INVALID_DOCUMENT"
	// ReasonQueryTooComplex is a query that asks for more than one answer may take.
	ReasonQueryTooComplex Reason = "QUERY_TOO_COMPLEX"
	// ReasonSHA1Collision is content crafted to collide under SHA-1.
	ReasonSHA1Collision Reason = "SHA1_COLLISION"
	// ReasonInvalidPack is a push whose pack is damaged, is not whole, or holds objects that git-fsck refuses.
	ReasonInvalidPack Reason = "INVALID_PACK"

	// ReasonRepositoryNotFound names a repository that does not exist.
	ReasonRepositoryNotFound Reason = "REPOSITORY_NOT_FOUND"
	// ReasonRefNotFound names a branch or tag that does not exist, or a branch with no commit yet.
	ReasonRefNotFound Reason = "REF_NOT_FOUND"
	// ReasonObjectNotFound names an object ID that the repository does not hold, or not as the type asked for.
	ReasonObjectNotFound Reason = "OBJECT_NOT_FOUND"
	// ReasonPathNotFound names a path that the commit does not hold.
	ReasonPathNotFound Reason = "PATH_NOT_FOUND"
	// ReasonMethodNotFound names a route or RPC that does not exist.
	ReasonMethodNotFound Reason = "METHOD_NOT_FOUND"
	// ReasonCatalogNotFound names a repository whose catalog is not kept here.
	ReasonCatalogNotFound Reason = "CATALOG_NOT_FOUND"
	// ReasonDocumentNotFound names a document that the catalog does not hold.
	ReasonDocumentNotFound Reason = "DOCUMENT_NOT_FOUND"

	// ReasonRepositoryExists is a creation of a repository under an id in use.
	ReasonRepositoryExists Reason = "REPOSITORY_EXISTS"
	// ReasonRefExists is a creation of a branch or tag that exists, or of a second tag of a version where the policy keeps
	// releases; Meta holds the ref that exists and its actual object ID.
	ReasonRefExists Reason = "REF_EXISTS"
	// ReasonPathExists is a create or move onto a path that the commit holds.
	ReasonPathExists Reason = "PATH_EXISTS"

	// ReasonDocumentExists is a creation of a document under an id in use.
	ReasonDocumentExists Reason = "DOCUMENT_EXISTS"

	// ReasonRefMoved is a ref that is not where the caller expected it; Meta has expected and actual.
	ReasonRefMoved Reason = "REF_MOVED"
	// ReasonBlobMoved is a file whose blob is not the one expected; Meta has path, expected and actual.
	ReasonBlobMoved Reason = "BLOB_MOVED"

	// ReasonRefConflict is a ref name that is a directory of another, or the other way round.
	ReasonRefConflict Reason = "REF_CONFLICT"
	// ReasonPathConflict is a path that needs a file where a directory is, or the other way round, that differs from a
	// neighbour's in case alone, or that is one too many in its directory.
	ReasonPathConflict Reason = "PATH_CONFLICT"
	// ReasonNotAFile is a path that leads to a directory or submodule where a file was asked for.
	ReasonNotAFile Reason = "NOT_A_FILE"
	// ReasonNotACommit is a ref or object that does not lead to a commit.
	ReasonNotACommit Reason = "NOT_A_COMMIT"
	// ReasonDefaultBranch is a deletion of the default branch.
	ReasonDefaultBranch Reason = "DEFAULT_BRANCH"
	// ReasonRefProtected is a move or deletion of a ref that the repository's policy does not allow: of a protected branch, or
	// of the tag of a release.
	ReasonRefProtected Reason = "REF_PROTECTED"
	// ReasonNotFastForward is an update that would drop commits and was not marked as forced.
	ReasonNotFastForward Reason = "NOT_FAST_FORWARD"
	// ReasonRequestIDReused is a request id that named a different request before.
	ReasonRequestIDReused Reason = "REQUEST_ID_REUSED"
	// ReasonUnsafeRepository is a repository on disk that GitStore did not set up, and so does not open.
	ReasonUnsafeRepository Reason = "UNSAFE_REPOSITORY"

	// ReasonCursorExpired is a cursor behind which the journal has a gap: it is too old, of another epoch, or was never
	// given out. Whoever has it reads the present state anew; Meta holds where to go on from.
	ReasonCursorExpired Reason = "CURSOR_EXPIRED"

	// ReasonPermissionDenied is a caller who may not do this.
	ReasonPermissionDenied Reason = "PERMISSION_DENIED"
	// ReasonUnauthenticated is a caller without valid credentials.
	ReasonUnauthenticated Reason = "UNAUTHENTICATED"

	// ReasonQueueFull is a call that found too many others before it, or waited for too long: nothing of it was done. Meta
	// names the cost class that is full, if it is one.
	ReasonQueueFull Reason = "QUEUE_FULL"
	// ReasonStorageFull is a disk without room.
	ReasonStorageFull Reason = "STORAGE_FULL"
	// ReasonResourceExhausted is any other limit.
	ReasonResourceExhausted Reason = "RESOURCE_EXHAUSTED"

	// ReasonUnavailable is a git-service that cannot be reached.
	ReasonUnavailable Reason = "UNAVAILABLE"
	// ReasonDraining is a service that is shutting down.
	ReasonDraining Reason = "DRAINING"
	// ReasonCursorNotReached is an answer that could not wait until it knows of everything up to the cursor asked for.
	ReasonCursorNotReached Reason = "CURSOR_NOT_REACHED"
	// ReasonCatalogNotLoaded is a catalog that was not loaded since the process began.
	ReasonCatalogNotLoaded Reason = "CATALOG_NOT_LOADED"

	// ReasonFileTooLarge is a file above what a unary call returns; ReadFile streams it.
	ReasonFileTooLarge Reason = "FILE_TOO_LARGE"
	// ReasonBodyTooLarge is a request body above the limit.
	ReasonBodyTooLarge Reason = "BODY_TOO_LARGE"
	// ReasonPackTooLarge is a push above a limit: bytes, objects, or what they become when they are unpacked; or a push or fetch for
	// which git needs more memory or time than it is given.
	ReasonPackTooLarge Reason = "PACK_TOO_LARGE"

	// ReasonRepositoryCorrupt is a repository whose objects are missing or damaged.
	ReasonRepositoryCorrupt Reason = "REPOSITORY_CORRUPT"

	// ReasonCanceled is a call given up by its caller.
	ReasonCanceled Reason = "CANCELED"
	// ReasonDeadlineExceeded is a call whose time ran out.
	ReasonDeadlineExceeded Reason = "DEADLINE_EXCEEDED"
)

var reasonKinds = map[Reason]Kind{
	ReasonInternal: Internal,

	ReasonInvalidArgument: Invalid, ReasonInvalidRepositoryID: Invalid, ReasonInvalidObjectID: Invalid,
	ReasonInvalidRefName: Invalid, ReasonInvalidRevision: Invalid, ReasonInvalidPath: Invalid,
	ReasonDotGitComponent: Invalid, ReasonReservedPath: Invalid, ReasonInvalidMode: Invalid,
	ReasonInvalidSignature: Invalid, ReasonInvalidMessage: Invalid, ReasonInvalidAction: Invalid,
	ReasonNoActions: Invalid, ReasonTooManyActions: Invalid, ReasonDuplicatePath: Invalid,
	ReasonInvalidRequestID: Invalid, ReasonInvalidPageToken: Invalid, ReasonInvalidPageSize: Invalid,
	ReasonInvalidRange: Invalid, ReasonInvalidPattern: Invalid, ReasonInvalidVersionRange: Invalid,
	ReasonInvalidCursor: Invalid, ReasonRefNotWritable: Invalid, ReasonSHA1Collision: Invalid,
	ReasonInvalidPack: Invalid, ReasonInvalidDocument: Invalid, ReasonQueryTooComplex: Invalid,

	ReasonRepositoryNotFound: NotFound, ReasonRefNotFound: NotFound, ReasonObjectNotFound: NotFound,
	ReasonPathNotFound: NotFound, ReasonMethodNotFound: NotFound,
	ReasonCatalogNotFound: NotFound, ReasonDocumentNotFound: NotFound,

	ReasonRepositoryExists: Exists, ReasonRefExists: Exists, ReasonPathExists: Exists,
	ReasonDocumentExists: Exists,

	ReasonRefMoved: Conflict, ReasonBlobMoved: Conflict,

	ReasonRefConflict: Precondition, ReasonPathConflict: Precondition, ReasonNotAFile: Precondition,
	ReasonNotACommit: Precondition, ReasonDefaultBranch: Precondition, ReasonNotFastForward: Precondition, ReasonRefProtected: Precondition,
	ReasonRequestIDReused: Precondition, ReasonUnsafeRepository: Precondition,
	ReasonCursorExpired: Precondition,

	ReasonPermissionDenied: Denied, ReasonUnauthenticated: Unauthenticated,

	ReasonQueueFull: Exhausted, ReasonStorageFull: Exhausted, ReasonResourceExhausted: Exhausted,
	ReasonMessageTooLarge: Exhausted,

	ReasonUnavailable: Unavailable, ReasonDraining: Unavailable, ReasonCursorNotReached: Unavailable,
	ReasonCatalogNotLoaded: Unavailable,

	ReasonFileTooLarge: TooLarge, ReasonBodyTooLarge: TooLarge, ReasonPackTooLarge: TooLarge,

	ReasonRepositoryCorrupt: Corrupt,

	ReasonCanceled: Canceled, ReasonDeadlineExceeded: Deadline,
}

// Kind returns the Kind that every error of this reason has; an unknown reason is Internal.
func (r Reason) Kind() Kind { return reasonKinds[r] }

// RetryAfter returns how long to wait before a call that failed for the reason is worth repeating, where that is the way on, as it
// is for the Kinds Exhausted and Unavailable; 0 if it never is. A full disk takes somebody who makes room on it.
func (r Reason) RetryAfter() time.Duration {
	switch {
	case r == ReasonMessageTooLarge:
		return 0
	case r == ReasonStorageFull:
		return 30 * time.Second
	default:
		return time.Second
	}
}

// Reasons returns every Reason, sorted.
func Reasons() []Reason {
	all := make([]Reason, 0, len(reasonKinds))
	for r := range reasonKinds {
		all = append(all, r)
	}
	slices.Sort(all)
	return all
}
