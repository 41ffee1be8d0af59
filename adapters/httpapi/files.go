package httpapi

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

func (a *api) fileRoutes() []*route {
	const (
		group   = "Files"
		pattern = "/v1/repositories/{id}/files/{path...}"
	)
	read := slices.Concat(ofRevision, ofPath)
	unmatched := map[int][]errs.Reason{http.StatusPreconditionFailed: {errs.ReasonBlobMoved}}
	return []*route{
		newRoute(http.MethodHead, pattern, spec{
			id: "statFile", group: group, summary: "Describe a file by its headers", query: readParams(), headers: conditions(),
			answers: ok("The headers that GET would send.", nil, fileHeaders...), fails: read, failsAs: unmatched,
		}, a.getFile),
		newRoute(http.MethodGet, pattern, spec{
			id: "getFile", group: group, summary: "Read a file", query: readParams(),
			description: "Streams the bytes as they are. The content type is guessed from the name, else from the first bytes. " +
				"A symbolic link is not followed: its content is its target. One range of bytes may be asked for; several are " +
				"answered with the whole file.",
			headers: append(conditions(),
				headerParam("Range", "One range of bytes, such as bytes=0-1023, bytes=1024- or bytes=-512."),
				headerParam("If-Range", "An ETag: the range is only for this version of the file, else the whole file is wanted.")),
			answers: map[int]content{
				http.StatusOK:             {description: "The file.", mediaType: "*/*", headers: fileHeaders},
				http.StatusPartialContent: {description: "The range.", mediaType: "*/*", headers: append([]string{"Content-Range"}, fileHeaders...)},
				http.StatusNotModified:    {description: "The file is the one that If-None-Match names."},
			},
			fails: read,
			failsAs: map[int][]errs.Reason{
				http.StatusPreconditionFailed: {errs.ReasonBlobMoved}, http.StatusRequestedRangeNotSatisfiable: {errs.ReasonInvalidRange},
			},
		}, a.getFile),
		newRoute(http.MethodPut, pattern, spec{
			id: "putFile", group: group, summary: "Write a file",
			description: "Makes a commit of the body. If-Match with an ETag writes only over that version, If-Match: * only " +
				"over a file that exists, If-None-Match: * only where there is none; what does not hold is 412, and nothing changes.",
			instead: "use If-Match with the ETag of the file, If-None-Match: *, or the query parameter expected_head",
			query:   append(writeParams("Update"), boolParam("executable", "The file's new mode; without it a file keeps its mode, and a new one is not executable.")),
			headers: []*param{
				headerParam("If-Match", "The ETag that the file must have, or *."),
				headerParam("If-None-Match", "*: the file must not exist."),
			},
			body:    &content{description: "The bytes of the file, of any type.", mediaType: "*/*"},
			answers: commitAnswers("ETag"), fails: slices.Concat(ofCommit, ofContent),
			failsAs: map[int][]errs.Reason{http.StatusPreconditionFailed: {errs.ReasonBlobMoved, errs.ReasonPathNotFound, errs.ReasonPathExists}},
		}, a.putFile),
		newRoute(http.MethodDelete, pattern, spec{
			id: "deleteFile", group: group, summary: "Delete a file", description: "Makes a commit without the file.",
			instead: "use If-Match with the ETag of the file, or the query parameter expected_head",
			query:   writeParams("Delete"), headers: []*param{headerParam("If-Match", "The ETag that the file must have, or *.")},
			answers: map[int]content{http.StatusOK: {
				description: "The commit that was made, or before, for the same request_id.", value: commitResultJSON{}, headers: []string{"GitStore-Commit"},
			}},
			fails:   slices.Concat(ofCommit, []errs.Reason{errs.ReasonPathNotFound, errs.ReasonNotAFile}),
			failsAs: map[int][]errs.Reason{http.StatusPreconditionFailed: {errs.ReasonBlobMoved, errs.ReasonPathNotFound}},
		}, a.deleteFile),
	}
}

var fileHeaders = []string{"ETag", "GitStore-Commit", "Accept-Ranges", "Cache-Control"}

func readParams() []*param { return []*param{refParam()} }

func conditions() []*param {
	return []*param{
		headerParam("If-None-Match", "ETags that the caller has: 304 if the file has one of them."),
		headerParam("If-Match", "ETags of which the file must have one, else 412."),
	}
}

func writeParams(verb string) []*param {
	return []*param{
		nameParam("branch", "The branch to commit to, by its short name. Without it, the default branch."),
		textParam("message", "The commit message. Without it, \""+verb+"\" and the path."),
		textParam("author_name", "Who made the change; the service itself if neither name nor email is given."),
		textParam("author_email", "The author's email."),
		textParam("request_id", "A UUID that makes a retry return the first request's commit."),
		textParam("expected_head", "The commit that the branch must be at; empty if it must not exist."),
	}
}

// sniffLength is how many bytes [http.DetectContentType] looks at.
const sniffLength = 512

func (a *api) getFile(c *call) error {
	repo, q, err := a.readFile(c)
	if err != nil {
		return err
	}
	wanted, ranged := parseRange(c.r)
	if ranged || c.r.Method == http.MethodHead {
		// The size and the beginning tell all that decides the answer; its content is then read on its own.
		q.Limit = sniffLength
	}
	read := repo.ReadFile
	if q.Limit == 0 && !given(c.r.Header, "If-None-Match") {
		read = smallAtOnce(repo)
	}
	file, content, err := read(c.ctx(), q)
	if err != nil {
		return err
	}
	defer content.Close()
	c.describe(file, q.Revision)
	if status, err := evaluate(c.r.Header, file.Blob); err != nil || status != 0 {
		return c.notModified(status, err)
	}
	beginning := make([]byte, min(sniffLength, file.Size))
	if _, err := io.ReadFull(content, beginning); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", contentType(file.Path, beginning))
	switch {
	case c.r.Method == http.MethodHead:
		return c.sendHeader(http.StatusOK, file.Size)
	case ranged:
		return c.sendRange(repo, file, wanted)
	}
	return c.send(http.StatusOK, io.MultiReader(bytes.NewReader(beginning), content), file.Size)
}

func (a *api) readFile(c *call) (ports.GitRepository, ports.ReadFile, error) {
	repo, err := a.repository(c)
	if err != nil {
		return nil, ports.ReadFile{}, err
	}
	path, err := git.ParseTreePath(c.path["path"])
	if err != nil {
		return nil, ports.ReadFile{}, err
	}
	rev, err := c.revision("ref")
	return repo, ports.ReadFile{Revision: rev, Path: path}, err
}

// smallAtOnce reads a whole file, a small one as one message: that takes less than a stream does, and is a READ call where
// a stream is a HEAVY one.
func smallAtOnce(repo ports.BlobReader) func(context.Context, ports.ReadFile) (ports.File, io.ReadCloser, error) {
	return func(ctx context.Context, q ports.ReadFile) (ports.File, io.ReadCloser, error) {
		f, err := repo.GetFile(ctx, q.Revision, q.Path)
		if errs.Is(err, errs.ReasonFileTooLarge) {
			return repo.ReadFile(ctx, q)
		}
		return f.File, io.NopCloser(bytes.NewReader(f.Content)), err
	}
}

// describe sets the headers that a file has whatever part of it is sent.
func (c *call) describe(file ports.File, rev git.Revision) {
	h := c.w.Header()
	h.Set("ETag", entityTag(file.Blob))
	h.Set("Accept-Ranges", "bytes")
	h.Set("Cache-Control", "no-cache")
	if _, pinned := rev.CommitID(); pinned {
		h.Set("Cache-Control", "max-age=31536000, immutable")
	}
	c.setCommit(file.Commit)
}

func (c *call) notModified(status int, err error) error {
	if err == nil {
		c.w.WriteHeader(status)
	}
	return err
}

func (c *call) sendHeader(status int, size int64) error {
	c.w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	c.w.WriteHeader(status)
	return nil
}

// send streams size bytes of content.
func (c *call) send(status int, content io.Reader, size int64) error {
	_ = c.sendHeader(status, size)
	n, err := io.Copy(c.w, io.LimitReader(content, size))
	if err != nil {
		return err
	}
	if n != size {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// sendRange reads the part of a file that was described before, at the commit that was described.
func (c *call) sendRange(repo ports.BlobReader, file ports.File, wanted byteRange) error {
	status := http.StatusPartialContent
	offset, length, ok := wanted.of(file.Size)
	switch {
	case file.Size == 0 || !currentRange(c.r.Header, file.Blob):
		status, offset, length = http.StatusOK, 0, file.Size
	case !ok:
		return unsatisfiable(file.Size)
	default:
		c.w.Header().Set("Content-Range", contentRange(offset, length, file.Size))
	}
	_, content, err := repo.ReadFile(c.ctx(), ports.ReadFile{
		Revision: git.AtCommit(file.Commit), Path: file.Path, Offset: offset, Limit: length,
	})
	if err != nil {
		return err
	}
	defer content.Close()
	return c.send(status, content, length)
}

func (a *api) putFile(c *call) error {
	if c.r.Header.Get("Content-Range") != "" {
		return errs.InvalidField(errs.ReasonInvalidArgument, "Content-Range", "a file is written whole: send all of it")
	}
	if err := c.body.open(c.r.Header, a.opts.MaxBody,
		"a file is written whole, so make it smaller, or have the operator raise the limit"); err != nil {
		return err
	}
	change := git.Change{Action: git.ActionUpsert, Content: c.body, Size: c.body.declared, Executable: c.optionalFlag("executable")}
	return a.commitFile(c, change, "Update")
}

func (a *api) deleteFile(c *call) error {
	return a.commitFile(c, git.Change{Action: git.ActionDelete}, "Delete")
}

// commitFile makes a commit of one change to the file of the path.
func (a *api) commitFile(c *call, change git.Change, verb string) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	if change.Path, err = git.ParseTreePath(c.path["path"]); err != nil {
		return err
	}
	if err := condition(c.r.Header, &change); err != nil {
		return err
	}
	// A path that is not UTF-8 is refused as a path, not for the message that is made of it.
	req, err := commitOfQuery(c, repo, verb+" "+strings.ToValidUTF8(change.Path.String(), "\uFFFD"))
	if err != nil {
		return err
	}
	result, err := repo.CommitFiles(c.ctx(), req, only(change))
	if err != nil {
		return preconditionFailed(c.r.Header, c.body.blame(err))
	}
	if change.Action != git.ActionDelete && len(result.Blobs) == 1 {
		c.w.Header().Set("ETag", entityTag(result.Blobs[0].Blob))
	}
	if change.Action == git.ActionDelete {
		return c.answerCommit(http.StatusOK, result)
	}
	return c.answerCommit(commitStatus(req, result), result)
}

func only(change git.Change) iter.Seq2[git.Change, error] {
	return func(yield func(git.Change, error) bool) { yield(change, nil) }
}

func commitOfQuery(c *call, repo ports.InfoReader, message string) (req ports.CommitFiles, err error) {
	if req.ExpectedHead, err = c.expectation("expected_head"); err != nil {
		return req, err
	}
	req.RequestID = c.query.Get("request_id")
	req.Author = git.Signature{Name: c.query.Get("author_name"), Email: c.query.Get("author_email")}
	if req.Author.IsZero() && (c.query.Has("author_name") || c.query.Has("author_email")) {
		return req, req.Author.Validate("author_name")
	}
	req.Message = message
	if c.query.Has("message") {
		req.Message = c.query.Get("message")
	}
	req.Branch, err = c.branch(repo)
	return req, err
}

// branch is the query's, else the default branch.
func (c *call) branch(repo ports.InfoReader) (git.RefName, error) {
	if c.query.Has("branch") {
		return newBranch("branch", c.query.Get("branch"))
	}
	info, err := repo.Info(c.ctx())
	return info.DefaultBranch, err
}
