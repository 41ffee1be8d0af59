package wire

import (
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// EncodeGetFile makes the request of ContentService.GetFile.
func EncodeGetFile(id git.RepositoryID, rev git.Revision, path git.TreePath) *gitv1.GetFileRequest {
	return &gitv1.GetFileRequest{Repository: id.String(), Revision: encodeRevision(rev), Path: []byte(path.String())}
}

// DecodeGetFile reads the request of ContentService.GetFile.
func DecodeGetFile(m *gitv1.GetFileRequest) (git.RepositoryID, git.Revision, git.TreePath, error) {
	var d decoder
	id, rev, path := d.repositoryID(m.GetRepository()), d.revision("revision", m.GetRevision()), d.path("path", m.GetPath())
	return id, rev, path, d.err
}

// EncodeFileContent makes the answer of ContentService.GetFile. The content is not copied.
func EncodeFileContent(f ports.FileContent) *gitv1.GetFileResponse {
	return &gitv1.GetFileResponse{CommitId: f.Commit.String(), File: encodeFile(f.File), Content: f.Content}
}

// DecodeFileContent reads the answer of ContentService.GetFile. The content is not copied.
func DecodeFileContent(m *gitv1.GetFileResponse) (ports.FileContent, error) {
	var d decoder
	f := ports.FileContent{File: d.file(d.objectID("commit_id", m.GetCommitId()), m.GetFile()), Content: m.GetContent()}
	return f, d.err
}

// EncodeReadFile makes the request of ContentService.ReadFile.
func EncodeReadFile(id git.RepositoryID, q ports.ReadFile) *gitv1.ReadFileRequest {
	return &gitv1.ReadFileRequest{
		Repository: id.String(), Revision: encodeRevision(q.Revision), Path: []byte(q.Path.String()), Offset: q.Offset, Limit: q.Limit,
	}
}

// DecodeReadFile reads the request of ContentService.ReadFile.
func DecodeReadFile(m *gitv1.ReadFileRequest) (git.RepositoryID, ports.ReadFile, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	q := ports.ReadFile{
		Revision: d.revision("revision", m.GetRevision()), Path: d.path("path", m.GetPath()), Offset: m.GetOffset(), Limit: m.GetLimit(),
	}
	return id, q, d.err
}

// EncodeReadFileHeader makes the first message of ContentService.ReadFile.
func EncodeReadFileHeader(f ports.File) *gitv1.ReadFileResponse {
	return &gitv1.ReadFileResponse{Payload: &gitv1.ReadFileResponse_Header_{
		Header: &gitv1.ReadFileResponse_Header{CommitId: f.Commit.String(), File: encodeFile(f)},
	}}
}

// DecodeReadFileHeader reads the first message of ContentService.ReadFile.
func DecodeReadFileHeader(m *gitv1.ReadFileResponse) (ports.File, error) {
	var d decoder
	h := m.GetHeader()
	if h == nil {
		d.invalid(errs.ReasonInvalidArgument, "header", "the first message has no header")
	}
	f := d.file(d.objectID("commit_id", h.GetCommitId()), h.GetFile())
	return f, d.err
}

// EncodeListFiles makes the request of ContentService.ListFiles.
func EncodeListFiles(id git.RepositoryID, q ports.ListFiles) *gitv1.ListFilesRequest {
	return &gitv1.ListFilesRequest{
		Repository: id.String(), Revision: encodeRevision(q.Revision), Prefix: []byte(q.Prefix.String()), Recursive: q.Recursive,
		Patterns: encodePatterns(q.Patterns), After: []byte(q.After.String()), Limit: clampInt32(q.Limit),
	}
}

// DecodeListFiles reads the request of ContentService.ListFiles.
func DecodeListFiles(m *gitv1.ListFilesRequest) (git.RepositoryID, ports.ListFiles, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	q := ports.ListFiles{
		Revision: d.revision("revision", m.GetRevision()), Prefix: d.path("prefix", m.GetPrefix()), Recursive: m.GetRecursive(),
		Patterns: d.patterns("patterns", m.GetPatterns()), After: d.path("after", m.GetAfter()), Limit: int(m.GetLimit()),
	}
	return id, q, d.err
}

// EncodeFileInfo makes the message of a tree entry.
func EncodeFileInfo(f ports.FileInfo) *gitv1.TreeEntry {
	return &gitv1.TreeEntry{Path: []byte(f.Path.String()), Mode: uint32(f.Mode), ObjectId: f.ID.String(), Size: f.Size}
}

// DecodeFileInfo reads a tree entry of an answer.
func DecodeFileInfo(m *gitv1.TreeEntry) (ports.FileInfo, error) {
	var d decoder
	f := ports.FileInfo{
		Path: d.path("path", m.GetPath()), Mode: git.FileMode(m.GetMode()),
		ID: d.objectID("object_id", m.GetObjectId()), Size: d.size("size", m.GetSize()),
	}
	return f, d.err
}

// EncodeReadTree makes the request of ContentService.ReadTree.
func EncodeReadTree(id git.RepositoryID, q ports.ReadTree) *gitv1.ReadTreeRequest {
	return &gitv1.ReadTreeRequest{
		Repository: id.String(), Revision: encodeRevision(q.Revision), Prefixes: encodePaths(q.Prefixes), BaseCommitId: q.Base.String(),
		Suffixes: encodePatterns(q.Suffixes), MaxFileSize: q.MaxFileSize,
	}
}

// DecodeReadTree reads the request of ContentService.ReadTree.
func DecodeReadTree(m *gitv1.ReadTreeRequest) (git.RepositoryID, ports.ReadTree, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	q := ports.ReadTree{
		Revision: d.revision("revision", m.GetRevision()), Prefixes: d.paths("prefixes", m.GetPrefixes()),
		Base: d.objectID("base_commit_id", m.GetBaseCommitId()), Suffixes: d.patterns("suffixes", m.GetSuffixes()), MaxFileSize: m.GetMaxFileSize(),
	}
	return id, q, d.err
}

// EncodeTreeFile makes the message of a file, without its content, which may come in pieces.
func EncodeTreeFile(f ports.TreeFile) *gitv1.TreeFile {
	if f.Deleted {
		return &gitv1.TreeFile{File: &gitv1.File{Path: []byte(f.Path.String())}, Deleted: true}
	}
	return &gitv1.TreeFile{File: encodeFile(ports.File{Path: f.Path, Mode: f.Mode, Blob: f.Blob, Size: f.Size}), Omitted: f.Omitted}
}

// DecodeTreeFile reads a file of an answer, without its content.
func DecodeTreeFile(m *gitv1.TreeFile) (ports.TreeFile, error) {
	var d decoder
	f := d.file(git.ObjectID{}, m.GetFile())
	return ports.TreeFile{Path: f.Path, Deleted: m.GetDeleted(), Mode: f.Mode, Blob: f.Blob, Size: f.Size, Omitted: m.GetOmitted()}, d.err
}

// EncodeBatchGetFiles makes the request of ContentService.BatchGetFiles.
func EncodeBatchGetFiles(id git.RepositoryID, rev git.Revision, paths []git.TreePath) *gitv1.BatchGetFilesRequest {
	return &gitv1.BatchGetFilesRequest{Repository: id.String(), Revision: encodeRevision(rev), Paths: encodePaths(paths)}
}

// DecodeBatchGetFiles reads the request of ContentService.BatchGetFiles.
func DecodeBatchGetFiles(m *gitv1.BatchGetFilesRequest) (git.RepositoryID, git.Revision, []git.TreePath, error) {
	var d decoder
	id, rev, paths := d.repositoryID(m.GetRepository()), d.revision("revision", m.GetRevision()), d.paths("paths", m.GetPaths())
	return id, rev, paths, d.err
}

// EncodeBatchFile makes the message of one answer of ContentService.BatchGetFiles, without its content, which may come in
// pieces.
func EncodeBatchFile(f ports.BatchFile) *gitv1.BatchFile {
	if f.Err == nil {
		return &gitv1.BatchFile{File: encodeFile(f.File)}
	}
	e := errs.From(f.Err)
	return &gitv1.BatchFile{
		File:  &gitv1.File{Path: []byte(f.Path.String())},
		Error: &gitv1.FileError{Reason: text(string(e.Reason)), Message: text(e.Error()), Metadata: encodeMeta(e.Meta)},
	}
}

// DecodeBatchFile reads one answer of ContentService.BatchGetFiles, without its content.
func DecodeBatchFile(commit git.ObjectID, m *gitv1.BatchFile) (ports.BatchFile, error) {
	var d decoder
	f := ports.BatchFile{File: d.file(commit, m.GetFile())}
	if e := m.GetError(); e != nil {
		reason := errs.Reason(e.GetReason())
		f.Err = &errs.Error{Kind: reason.Kind(), Reason: reason, Msg: e.GetMessage(), Meta: decodeMeta(e.GetMetadata())}
	}
	return f, d.err
}

// DecodeCommitID reads the commit that an answer is of.
func DecodeCommitID(field, s string) (git.ObjectID, error) {
	var d decoder
	id := d.objectID(field, s)
	if id.IsZero() {
		d.invalid(errs.ReasonInvalidArgument, field, "the %s is missing", field)
	}
	return id, d.err
}
