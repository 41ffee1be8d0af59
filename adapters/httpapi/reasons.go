package httpapi

import "github.com/gitstore-dev/gitstore/domain/errs"

// reasonDoc explains a reason to callers: the page /docs/errors and docs/errors.md are made of it.
type reasonDoc struct {
	Reason  errs.Reason
	Status  int
	Meaning string
	Remedy  string
}

// reasonDocs returns the explanation of every reason, sorted.
func reasonDocs() []reasonDoc {
	docs := make([]reasonDoc, 0, len(explanations))
	for _, r := range errs.Reasons() {
		e := explanations[r]
		docs = append(docs, reasonDoc{Reason: r, Status: reasonHTTPStatus(r), Meaning: e.meaning, Remedy: e.remedy})
	}
	return docs
}

var explanations = map[errs.Reason]struct{ meaning, remedy string }{
	errs.ReasonBlobMoved: {
		"The file is not the one that the request expected. The metadata has what was expected and what is there.",
		"Read the file again, merge, and send the new ETag or blob id. With If-Match the status is 412.",
	},
	errs.ReasonBodyTooLarge: {
		"The request body, or a part of it, is above a limit of the service, which the detail names.",
		"Send large files by a PUT each, put the other members of a commit before its actions, or split the commit.",
	},
	errs.ReasonCanceled: {
		"The call was given up before it was done, or the body ended before its declared length.",
		"If it was a write, find out whether it took effect: repeat it with the same request_id.",
	},
	errs.ReasonCatalogNotFound: {
		"This API does not keep the catalog of the repository.",
		"Name the repository in the setting catalogs of the API, or read its files.",
	},
	errs.ReasonCatalogNotLoaded: {
		"The catalog was not loaded since the API started. The detail says why, if loading failed.",
		"Repeat after Retry-After; another replica may answer at once.",
	},
	errs.ReasonDeadlineExceeded: {
		"The time for the call ran out, or the body stalled (then the status is 408).",
		"Repeat a read. Repeat a write with its request_id: if the first took effect, its commit comes back.",
	},
	errs.ReasonDefaultBranch: {
		"The default branch would be deleted, or would no longer lead to a commit.",
		"Delete another branch. The default branch goes with its repository.",
	},
	errs.ReasonDocumentExists: {
		"A document of this id exists. The metadata has its kind and path.",
		"Replace or patch it, or choose another id. With If-None-Match: * the status is 412.",
	},
	errs.ReasonDocumentNotFound: {
		"The catalog has no document of this kind and id.",
		"Check the id. If there is a file for it, the problems of the catalog may say why it is not served.",
	},
	errs.ReasonDotGitComponent: {
		"A component of the path is taken for .git by some file system.",
		"Choose another name.",
	},
	errs.ReasonDraining: {
		"The service is shutting down and takes no new calls.",
		"Repeat after Retry-After; another replica may answer at once.",
	},
	errs.ReasonDuplicatePath: {
		"Two actions of one commit touch the same path.",
		"Leave one of them, or make two commits.",
	},
	errs.ReasonFileTooLarge: {
		"The file is larger than the operation takes or returns in one piece.",
		"Over gRPC, read it with ReadFile. Over HTTP, files are always streamed; for a write, see the limit in the detail.",
	},
	errs.ReasonInternal: {
		"A defect of GitStore. Nothing was changed unless the outcome of a write is unknown.",
		"Report it with the incident id of the metadata, under which the log has the details.",
	},
	errs.ReasonInvalidAction: {
		"An action lacks a member it needs, has one it must not have, or is unknown.",
		"Correct the member that field names: create, update and upsert need content, move needs from, chmod needs executable.",
	},
	errs.ReasonInvalidArgument: {
		"A member, parameter or header is malformed, unknown or of the wrong type.",
		"Correct what field names; the detail says what is allowed.",
	},
	errs.ReasonInvalidDocument: {
		"After the change something would be wrong with the catalog: with a document that changes, or with one that has to do with it. The problems are listed with their places. Nothing was changed.",
		"Correct what the problems name. What belongs together, such as a category and the products that leave it, is changed in one request.",
	},
	errs.ReasonInvalidMessage: {
		"The message of a commit or tag is empty, longer than 256 KiB, holds NUL or is not UTF-8.",
		"Send a message within these limits.",
	},
	errs.ReasonInvalidMode: {
		"The file mode is neither regular nor executable.",
		"Write regular files. Symbolic links and submodules come into a repository only by a push, and only where its policy takes them.",
	},
	errs.ReasonInvalidObjectID: {
		"An object id is not 40 or 64 hexadecimal digits, or belongs to the other object format.",
		"Send the id in full. Abbreviations are not accepted.",
	},
	errs.ReasonInvalidPageSize: {
		"The page size is negative.",
		"Ask for 1 to 1,000 items, or leave it out for 100.",
	},
	errs.ReasonInvalidPageToken: {
		"The page token is not one that this very question returned.",
		"Repeat the other parameters unchanged from page to page, or begin again without a token.",
	},
	errs.ReasonInvalidPath: {
		"A path is not relative, clean and within the limits. Written paths are also NFC UTF-8 and fit every common file system.",
		"Correct the path; the detail names the rule. Paths are never cleaned silently.",
	},
	errs.ReasonCursorExpired: {
		"A cursor leads nowhere: it is older than what the journal keeps, of a journal that was rebuilt, or was never given out.",
		"Read the present state, and go on from the cursor of that answer. Streams of events do so by themselves with a resync.",
	},
	errs.ReasonCursorNotReached: {
		"The answer had to know of everything up to a cursor, and that did not happen in time.",
		"Repeat it after Retry-After.",
	},
	errs.ReasonInvalidCursor: {
		"A text is no cursor of the journal.",
		"Use a cursor from an event or from GitStore-Cursor as it is.",
	},
	errs.ReasonInvalidPattern: {
		"A glob is malformed, or a filter's pattern can select no ref.",
		"Close its brackets, or escape them; write refs in full, such as refs/heads/main.",
	},
	errs.ReasonInvalidRange: {
		"A byte range is negative or begins beyond the end of the file (over HTTP, 416 with Content-Range).",
		"Ask for a range within the size that the metadata or Content-Range names.",
	},
	errs.ReasonInvalidRefName: {
		"A branch or tag name is one that git check-ref-format refuses, looks like an object id, or is otherwise unsafe to write.",
		"Choose another name; the detail names the rule.",
	},
	errs.ReasonInvalidRepositoryID: {
		"A repository id is not 1 to 63 of a-z, 0-9 and \"-\", beginning with a letter or digit.",
		"Choose another id.",
	},
	errs.ReasonInvalidRequestID: {
		"The request_id is not a UUID.",
		"Make a fresh UUID for each change, and send the same one in each retry of that change.",
	},
	errs.ReasonInvalidRevision: {
		"A revision is none of: a full object id, a ref that begins with refs/, a branch, a tag, HEAD.",
		"Resolve expressions such as main~1 on your side. No other revision syntax is accepted.",
	},
	errs.ReasonInvalidSignature: {
		"The name, email or time of an author, committer or tagger cannot be stored by Git.",
		"Send both name and email, without control characters, \"<\" and \">\".",
	},
	errs.ReasonInvalidVersionRange: {
		"A version range is malformed.",
		"Write it as \">=1.2 <2\", \"^1.4\", \"~1.4.2\" or \"1.x\".",
	},
	errs.ReasonMessageTooLarge: {
		"A message is above the limit of the transport, or takes more memory than all requests may.",
		"Send less at once, or use the streaming call.",
	},
	errs.ReasonMethodNotFound: {
		"There is no such path or RPC (404), or the path does not serve the method (405 with Allow).",
		"See /docs.",
	},
	errs.ReasonNoActions: {
		"A commit or ref update has nothing to do.",
		"Send an action, or allow_empty.",
	},
	errs.ReasonNotACommit: {
		"The revision leads to an object that is not a commit, or to one over more than 8 tags.",
		"Name a branch, a commit, or a tag of a commit.",
	},
	errs.ReasonNotAFile: {
		"The path leads to a directory or submodule, or to a symbolic link where a file is to be written.",
		"List a directory with tree. A path below a file does not exist.",
	},
	errs.ReasonNotFastForward: {
		"The update would drop commits from the branch.",
		"Merge first, or mark the update as forced.",
	},
	errs.ReasonObjectNotFound: {
		"The repository has no object of this id, or not of the type that was asked for.",
		"Check the id and the repository.",
	},
	errs.ReasonPathConflict: {
		"The path needs a directory where a file is, or the other way round, differs from a neighbour only in case, or is one more than its directory may have.",
		"Move or delete what is in the way in the same commit, or choose another path.",
	},
	errs.ReasonPathExists: {
		"A file would be created, or moved to, where there is one.",
		"Use update or upsert. With If-None-Match: * the status is 412.",
	},
	errs.ReasonPathNotFound: {
		"The commit has no such path.",
		"Check path and ref. With If-Match on a write the status is 412.",
	},
	errs.ReasonPermissionDenied: {
		"The caller may not do this, or a browser sent the request for a page of another origin.",
		"Ask for permission, or call from a server or a page of the same origin.",
	},
	errs.ReasonQueryTooComplex: {
		"A GraphQL query is longer, deeper, or asks for more than one answer may take. The detail names the limit.",
		"Ask for fewer items by first, for fewer fields, or several times.",
	},
	errs.ReasonQueueFull: {
		"Too many calls of this kind are under way or waiting, for the same repository or in all. Nothing was done.",
		"Repeat after Retry-After, with growing pauses.",
	},
	errs.ReasonRefConflict: {
		"The ref's name is a directory of another ref's name, or the other way round: a and a/b exclude each other.",
		"Choose another name, or delete the other ref.",
	},
	errs.ReasonRefExists: {
		"The branch or tag exists, or a tag of the same version where the policy of the repository keeps releases. The metadata names it, and has where it is.",
		"Use it, or choose another name or a higher version.",
	},
	errs.ReasonRefMoved: {
		"The branch or tag is not where the request expected it. The metadata has what was expected and what is there.",
		"Read what changed, adapt the change, and expect the new head; or use on_conflict replay_if_paths_untouched.",
	},
	errs.ReasonRefProtected: {
		"The policy of the repository keeps the ref: a protected branch drops no commits and is not deleted, and the tag of a release is neither moved nor deleted.",
		"Merge or revert instead of dropping commits, or publish a higher version.",
	},
	errs.ReasonRefNotFound: {
		"There is no such branch or tag, or the branch has no commit yet.",
		"Check the name. A first commit to the default branch of an empty repository makes it.",
	},
	errs.ReasonRefNotWritable: {
		"Only refs/heads/ and refs/tags/ can be written.",
		"Choose a branch or a tag.",
	},
	errs.ReasonRepositoryCorrupt: {
		"Objects of the repository are missing or damaged.",
		"Tell the operator: the repository is to be checked with git fsck and restored.",
	},
	errs.ReasonRepositoryExists: {
		"A repository of this id exists.",
		"Use it, or choose another id.",
	},
	errs.ReasonRepositoryNotFound: {
		"There is no repository of this id.",
		"Check the id, or create the repository.",
	},
	errs.ReasonRequestIDReused: {
		"The request_id was used before for a request of another content.",
		"Make a fresh UUID for each change.",
	},
	errs.ReasonReservedPath: {
		"GitStore does not store this path, such as .gitmodules.",
		"Choose another name.",
	},
	errs.ReasonResourceExhausted: {
		"A limit of the service is reached.",
		"Repeat after Retry-After, with growing pauses.",
	},
	errs.ReasonInvalidPack: {
		"What was pushed is damaged, is not whole, or holds an object that git fsck refuses, such as a tree with \".git\".",
		"Read what git shows behind \"remote:\", repair the commit that it names, and push again.",
	},
	errs.ReasonPackTooLarge: {
		"A push is above a limit: bytes, objects, what they become when they are unpacked, the entries of a directory, or what git may take to work on it, as for a fetch.",
		"Push the history in parts, fetch less at once, use several directories, or ask the operator for a higher limit.",
	},
	errs.ReasonSHA1Collision: {
		"The content is crafted to collide with other content under SHA-1.",
		"Do not store it, or use a repository of object format sha256.",
	},
	errs.ReasonStorageFull: {
		"The disk of the storage service is full. Nothing was changed.",
		"Tell the operator. Reads go on.",
	},
	errs.ReasonTooManyActions: {
		"A commit, ref update or batch has more entries than the limit, which the detail names.",
		"Split it.",
	},
	errs.ReasonUnauthenticated: {
		"The caller has no valid credentials.",
		"Send them.",
	},
	errs.ReasonUnavailable: {
		"The storage service cannot be reached, is starting, has a disk that is read-only, which ends writes alone, or does not know whether a write took effect.",
		"Repeat after Retry-After. Repeat a write with its request_id.",
	},
	errs.ReasonUnsafeRepository: {
		"The repository on the disk has settings or files that GitStore did not put there, and so is not opened.",
		"Tell the operator: the log of the storage service names what was found.",
	},
}
