package httpapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/pktline"
	"github.com/gitstore-dev/gitstore/ports"
)

// gitRoutes are Git's smart HTTP protocol (gitprotocol-http(5)): what git clone, fetch and push talk to.
func (a *api) gitRoutes() []*route {
	if a.opts.Packs == nil {
		return nil
	}
	const group = "Git"
	protocol := headerParam("Git-Protocol", "The version of Git's protocol that the client speaks, such as version=2.")
	service := enumParam("service", "What the client wants to do.", git.UploadPackService.String(), git.ReceivePackService.String())
	encoding := headerParam("Content-Encoding", "gzip, if the body is compressed.")
	return []*route{
		newRoute(http.MethodGet, "/git/{repository}/info/refs", spec{
			id: "getGitRefs", group: group, summary: "Refs and capabilities, for git clients",
			description: "What `git clone`, `git fetch` and `git push` ask first. Errors of this path are plain text, which git shows.",
			template:    "/git/{repository}.git/info/refs", query: []*param{service}, headers: []*param{protocol}, text: true,
			answers: map[int]content{http.StatusOK: {
				description: "The advertisement of the service.", mediaType: "application/x-git-upload-pack-advertisement", headers: []string{"Cache-Control"},
				also: []string{"application/x-git-receive-pack-advertisement"},
			}},
			fails: []errs.Reason{errs.ReasonMethodNotFound, errs.ReasonPermissionDenied, errs.ReasonPackTooLarge},
		}, a.getGitRefs),
		newRoute(http.MethodPost, "/git/{repository}/git-upload-pack", spec{
			id: "gitUploadPack", group: group, summary: "Clone and fetch, for git clients", template: "/git/{repository}.git/git-upload-pack",
			headers: []*param{protocol, encoding}, instead: "git asks for what it wants in the body", text: true,
			body: &content{description: "A request of Git's pack protocol.", mediaType: "application/x-git-upload-pack-request"},
			answers: map[int]content{http.StatusOK: {
				description: "The answer of Git's pack protocol.", mediaType: "application/x-git-upload-pack-result", headers: []string{"Cache-Control"},
			}},
			fails: []errs.Reason{errs.ReasonMethodNotFound},
		}, a.gitUploadPack),
		newRoute(http.MethodPost, "/git/{repository}/git-receive-pack", spec{
			id: "gitReceivePack", group: group, summary: "Push, for git clients", template: "/git/{repository}.git/git-receive-pack",
			headers: []*param{protocol, encoding}, instead: "a push says in its body where it expects refs to be", text: true,
			body: &content{description: "A request of Git's pack protocol.", mediaType: "application/x-git-receive-pack-request"},
			answers: map[int]content{http.StatusOK: {
				description: "The answer of Git's pack protocol.", mediaType: "application/x-git-receive-pack-result", headers: []string{"Cache-Control"},
			}},
			fails: []errs.Reason{errs.ReasonMethodNotFound},
		}, a.gitReceivePack),
		a.lfsRoute(http.MethodPost, "gitLFS", "it changes nothing"),
		a.lfsRoute(http.MethodGet, "getGitLFS", ""),
		newRoute(http.MethodGet, "/git/{repository}/{path...}", spec{
			id: "getGitFile", group: group, summary: "Files of the dumb protocol, which is not served", template: "/git/{repository}.git/{path}",
			text: true, answers: map[int]content{}, refused: true, fails: []errs.Reason{errs.ReasonPermissionDenied},
		}, func(*call) error { return errDumb }),
	}
}

func (a *api) lfsRoute(method, id, instead string) *route {
	return newRoute(method, "/git/{repository}/info/lfs/{path...}", spec{
		id: id, group: "Git", summary: "Git LFS, which is not served", template: "/git/{repository}.git/info/lfs/{path}",
		description: "Files of any size are pushed as they are. The answer is the error of Git LFS that says so.",
		instead:     instead, text: true, answers: map[int]content{http.StatusNotFound: {mediaType: lfsType, value: lfsJSON{}}},
		refused: true, fails: []errs.Reason{errs.ReasonInvalidRepositoryID, errs.ReasonMethodNotFound},
	}, a.refuseLFS)
}

var errDumb = errs.New(errs.ReasonPermissionDenied, "this server speaks Git's smart HTTP protocol alone: use git itself, version 1.6.6 or newer, "+
	"and check that no proxy takes the query from the URL")

// lfsType is the media type of the API of Git LFS.
const lfsType = "application/vnd.git-lfs+json"

// lfsJSON is an error of Git LFS (its docs/api/batch.md, "Response Errors").
type lfsJSON struct {
	Message          string `json:"message" doc:"What is wrong, and what to do about it."`
	DocumentationURL string `json:"documentation_url" doc:"Where the reason is explained."`
	RequestID        string `json:"request_id" doc:"The request id, as in the header X-Request-Id and in the log."`
}

func (a *api) refuseLFS(c *call) error {
	if _, err := c.gitRepository(); err != nil {
		return err
	}
	c.writeJSON(http.StatusNotFound, lfsType, lfsJSON{
		Message: "Git LFS is not served here: files of any size are pushed as they are. " +
			"Run git lfs uninstall --local. If there are pointers in the history already, run git lfs migrate export --include=\"*\" --everything: it rewrites the history",
		DocumentationURL: "/docs", RequestID: c.id,
	})
	return nil
}

// gitRepository is the repository of a path: its id and ".git".
func (c *call) gitRepository() (git.RepositoryID, error) {
	id, ok := strings.CutSuffix(c.path["repository"], ".git")
	if !ok {
		return git.RepositoryID{}, errs.New(errs.ReasonMethodNotFound, "there is no repository at this path: the URL of one ends in .git, as in /git/shop.git")
	}
	return git.ParseRepositoryID(id)
}

// neverCached is for answers of the moment, also for proxies that know HTTP/1.0 alone, as git's own server has it.
var neverCached = http.Header{
	"Cache-Control": {"no-cache, max-age=0, must-revalidate"}, "Pragma": {"no-cache"}, "Expires": {"Fri, 01 Jan 1980 00:00:00 GMT"},
}

// gitAnswer writes an answer of Git's protocol. Nothing of it waits in a buffer: a client shows progress as it comes.
type gitAnswer struct {
	c         *call
	service   git.PackService
	mediaType string
	// preamble goes before the first byte.
	preamble string
	// lines is how far the answer has come; failed is why the client takes no more of it.
	lines  pktline.Follower
	failed error
}

// Write implements io.Writer.
func (a *gitAnswer) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil // the answer may yet be a failure
	}
	if a.failed = a.begin(); a.failed != nil {
		return 0, a.failed
	}
	n, err := a.c.w.Write(b)
	_, _ = a.lines.Write(b[:n])
	if err == nil {
		err = a.c.w.flush()
	}
	a.failed = err
	return n, err
}

// breakOff says why the answer goes on no further, where the protocol has a place for that (gitprotocol-pack(5)): on the band of
// errors once there are bands or the client awaits them, before that in a line for fetches alone. A line on a band that is not whole
// is filled up: nobody uses what it is part of.
func (a *gitAnswer) breakOff(why string) {
	kind, band, left, ok := a.lines.Last()
	if !ok || kind != pktline.Data || band == pktline.ErrorBand {
		return
	}
	var rest []byte
	switch {
	case band != 0 || a.lines.PackFollows():
		rest = pktline.AppendBand(bytes.Repeat([]byte{' '}, left), pktline.ErrorBand, why)
	case left == 0 && a.service == git.UploadPackService:
		rest = pktline.Append(nil, "ERR "+why+"\n")
	}
	_, _ = a.Write(rest) // the answer fails in any case
}

// begin writes the header, if it was not.
func (a *gitAnswer) begin() error {
	if a.c.w.status != 0 {
		return nil
	}
	h := a.c.w.Header()
	for name, values := range neverCached {
		h[name] = values
	}
	h.Set("Content-Type", a.mediaType)
	a.c.w.WriteHeader(http.StatusOK)
	_, err := io.WriteString(a.c.w, a.preamble)
	return err
}

func (a *api) getGitRefs(c *call) error {
	id, err := c.gitRepository()
	if err != nil {
		return err
	}
	service, ok := git.ParsePackService(c.query.Get("service"))
	if !ok {
		return errDumb
	}
	version := c.gitProtocol()
	out := &gitAnswer{c: c, mediaType: "application/x-" + service.String() + "-advertisement"}
	if service == git.ReceivePackService || version < 2 { // version 2 needs no line that names the service, and git sends none
		out.preamble = string(pktline.Append(nil, "# service="+service.String()+"\n")) + pktline.Flush
	}
	if err := a.opts.Packs.AdvertiseRefs(c.r.Context(), id, ports.AdvertiseRefs{Service: service, Version: version}, out); err != nil {
		return err
	}
	return out.begin()
}

func (c *call) gitProtocol() git.ProtocolVersion {
	return git.ParseGitProtocol(strings.Join(c.r.Header.Values("Git-Protocol"), ":"))
}

func (a *api) gitUploadPack(c *call) error {
	return a.serveGit(c, git.UploadPackService, ports.MaxUploadRequest, "fetch less at once", a.opts.Packs.UploadPack)
}

// maxZippedPush is the most that the body of a push may have, before and behind gzip, if it is compressed. Packs are compressed
// already: git never does it again, other clients do so to small requests.
const maxZippedPush = 8 << 20

// gitReceivePack sets no limit of its own to what is not compressed: the git-service knows how large a push may be, and says so
// in the push's report.
func (a *api) gitReceivePack(c *call) error {
	limit, advice := int64(math.MaxInt64-1), ""
	if isZipped(c.r.Header) {
		limit, advice = maxZippedPush, "push without Content-Encoding, as git does"
	}
	return a.serveGit(c, git.ReceivePackService, limit, advice, a.opts.Packs.ReceivePack)
}

// packCall is a call of [ports.PackTransport] that takes a request.
type packCall func(context.Context, git.RepositoryID, git.ProtocolVersion, io.Reader, io.Writer) error

// serveGit answers a request of Git's pack protocol, which may have limit bytes, compressed or not.
func (a *api) serveGit(c *call, service git.PackService, limit int64, advice string, serve packCall) error {
	id, err := c.gitRepository()
	if err != nil {
		return err
	}
	want := "application/x-" + service.String() + "-request"
	if got := c.r.Header.Get("Content-Type"); got != want {
		return withStatus(http.StatusUnsupportedMediaType, errs.InvalidField(errs.ReasonInvalidArgument, "Content-Type",
			"the content type is %q instead of %q: use a git client", clip(got, 64), want))
	}
	in, err := c.body.openGzip(c.r.Header, limit, advice)
	if err != nil {
		return err
	}
	_ = c.w.control.EnableFullDuplex() // a client that is refused is told so while it is sending; HTTP/2 always does it
	c.duplex = true
	out := &gitAnswer{c: c, service: service, mediaType: "application/x-" + service.String() + "-result"}
	if err = c.body.blame(serve(c.r.Context(), id, c.gitProtocol(), in, out)); err == nil {
		return out.begin()
	}
	return a.refuseGit(out, err)
}

// refuseGit tells the person in front of the client what is wrong with its request, whatever it is: of a status other than 200 git
// shows nothing but the number. Once the answer was begun, it is told there why it ends, and the answer is broken off.
func (a *api) refuseGit(out *gitAnswer, err error) error {
	c, e := out.c, errs.From(err)
	if c.body.stalled() && c.w.status == 0 {
		c.w.Header().Set("Connection", "close") // what comes of the body later is no request
	}
	if out.failed != nil || c.r.Context().Err() != nil && !c.body.stalled() {
		return err
	}
	told := clip(plainly(a.withIncident(c, err)), maxGitError)
	if c.w.status != 0 {
		why := told
		if e.Kind != errs.Unavailable && e.Kind != errs.TooLarge && !strings.Contains(why, "try again") {
			why += ": try again, with less at once if that does not help"
		}
		out.breakOff(why)
		return err
	}
	c.refusal = err
	line := pktline.Append(nil, "ERR "+told+"\n")
	if out.service == git.ReceivePackService { // git takes all of this answer to be on bands
		line = append(pktline.AppendBand(nil, pktline.ErrorBand, told), pktline.Flush...)
	}
	_, err = out.Write(line)
	return err
}

// maxGitError is the most of a message that one pkt-line takes along, in bytes.
const maxGitError = 1000

func isZipped(header http.Header) bool {
	encoding := header.Get("Content-Encoding")
	return encoding == "gzip" || encoding == "x-gzip"
}

// openGzip is [body.open] for a body that may be compressed with gzip, and then has the limit before and after.
func (b *body) openGzip(header http.Header, limit int64, advice string) (io.Reader, error) {
	if !isZipped(header) {
		return b, b.open(header, limit, advice)
	}
	header = header.Clone()
	header.Del("Content-Encoding")
	if err := b.open(header, limit, advice); err != nil {
		return nil, err
	}
	return &inflatedBody{body: b, left: limit}, nil
}

// inflatedBody is what a compressed body holds.
type inflatedBody struct {
	body *body
	zr   *gzip.Reader
	left int64
}

// Read implements io.Reader.
func (i *inflatedBody) Read(p []byte) (n int, err error) {
	if i.zr == nil {
		if i.zr, err = gzip.NewReader(i.body); err != nil {
			return 0, i.explain(err)
		}
	}
	n, err = i.zr.Read(p)
	if i.left -= int64(n); i.left < 0 {
		i.body.failure = bodyTooLarge(i.body.limit, i.body.advice)
		return 0, i.body.failure
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = i.explain(err)
	}
	return n, err
}

func (i *inflatedBody) explain(err error) error {
	if i.body.failure == nil {
		i.body.failure = errs.Wrap(err, errs.ReasonInvalidArgument, "the request body is not what gzip makes, although its Content-Encoding says so")
	}
	return i.body.failure
}

// writeText answers with the message alone, for clients that show plain text to people.
func (c *call) writeText(status int, err error) {
	text := plainly(err) + "\n"
	h := c.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	c.w.WriteHeader(status)
	_, _ = io.WriteString(c.w, text)
}

// plainly is the message of an error for those who are shown nothing else: it names the incident under which the log has the error.
func plainly(err error) string {
	e := errs.From(err)
	told := e.Error()
	if incident := e.Meta[errs.MetaIncident]; !strings.Contains(told, incident) {
		told += ": the log has it under incident " + incident
	}
	return told
}
