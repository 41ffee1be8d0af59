package httpapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/pktline"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
	"github.com/gitstore-dev/gitstore/ports"
)

// packs is a transport that notes what it is asked and answers what a test wants.
type packs struct {
	answer string
	fails  error
	// service, version and request are of the last call.
	service string
	version git.ProtocolVersion
	request string
}

func (p *packs) AdvertiseRefs(_ context.Context, _ git.RepositoryID, q ports.AdvertiseRefs, out io.Writer) error {
	p.service, p.version = q.Service.String(), q.Version
	return p.say(out)
}

func (p *packs) UploadPack(_ context.Context, _ git.RepositoryID, v git.ProtocolVersion, in io.Reader, out io.Writer) error {
	return p.serve("git-upload-pack", v, in, out)
}

func (p *packs) ReceivePack(_ context.Context, _ git.RepositoryID, v git.ProtocolVersion, in io.Reader, out io.Writer) error {
	return p.serve("git-receive-pack", v, in, out)
}

func (p *packs) serve(service string, v git.ProtocolVersion, in io.Reader, out io.Writer) error {
	b, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	p.service, p.version, p.request = service, v, string(b)
	return p.say(out)
}

func (p *packs) say(out io.Writer) error {
	if _, err := io.WriteString(out, p.answer); err != nil && p.answer != "" {
		return err
	}
	return p.fails
}

func serveGit(t testing.TB, p *packs) *client {
	return serve(t, newStore(t), httpapi.Options{Packs: p})
}

const (
	uploadPath  = "/git/shop.git/git-upload-pack"
	receivePath = "/git/shop.git/git-receive-pack"
)

func ofType(service string) option {
	return header("Content-Type", "application/x-git-"+service+"-request")
}

func TestAnswersToGitAreOfItsTypesAndNotCached(t *testing.T) {
	p := &packs{answer: "0000"}
	c := serveGit(t, p)
	for _, tt := range []struct {
		a        answer
		kind     string
		preamble string
	}{
		{c.get("/git/shop.git/info/refs?service=git-upload-pack"), "upload-pack-advertisement", "001e# service=git-upload-pack\n0000"},
		{c.get("/git/shop.git/info/refs?service=git-receive-pack", header("Git-Protocol", "version=2")), "receive-pack-advertisement", "001f# service=git-receive-pack\n0000"},
		{c.get("/git/shop.git/info/refs?service=git-upload-pack", header("Git-Protocol", "version=2")), "upload-pack-advertisement", ""},
		{c.post(uploadPath, "0000", ofType("upload-pack")), "upload-pack-result", ""},
		{c.post(receivePath, "0000", ofType("receive-pack")), "receive-pack-result", ""},
	} {
		tt.a.wants(http.StatusOK)
		assert.Equal(t, "application/x-git-"+tt.kind, tt.a.header.Get("Content-Type"))
		assert.Equal(t, "no-cache, max-age=0, must-revalidate", tt.a.header.Get("Cache-Control"))
		assert.Equal(t, tt.preamble+"0000", string(tt.a.body))
	}
	p.answer = ""
	a := c.post(receivePath, "0000", ofType("receive-pack")).wants(http.StatusOK) // whether a large push may be sent
	assert.Empty(t, a.body)
	assert.Equal(t, "application/x-git-receive-pack-result", a.header.Get("Content-Type"))
}

func TestOfGitProtocolTheVersionAloneCounts(t *testing.T) {
	p := &packs{answer: "0000"}
	c := serveGit(t, p)
	for sent, want := range map[string]git.ProtocolVersion{
		"": 0, "version=0": 0, "version=1": 1, "version=2": 2, "version=1:version=2": 2, "version=3": 0, "x=y:version=2:z": 2,
		"version=2;touch /tmp/x": 0, "version=22": 0, strings.Repeat("version=9:", 500) + "version=1": 1,
	} {
		c.post(uploadPath, "0000", ofType("upload-pack"), header("Git-Protocol", sent)).wants(http.StatusOK)
		assert.Equal(t, want, p.version, "%.40q", sent)
	}
}

func zipped(t testing.TB, s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, s)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func TestABodyOfGitMayBeCompressedWithinALimit(t *testing.T) {
	p := &packs{answer: "0000"}
	c := serveGit(t, p)
	gz := header("Content-Encoding", "gzip")
	c.post(uploadPath, zipped(t, "0032want"), ofType("upload-pack"), gz).wants(http.StatusOK)
	assert.Equal(t, "0032want", p.request)

	bomb := c.post(uploadPath, zipped(t, strings.Repeat("0", ports.MaxUploadRequest+1)), ofType("upload-pack"), gz)
	assert.Regexp(t, `^[0-9a-f]{4}ERR the request body is larger than \d+ bytes: fetch less at once\n$`, string(bomb.wants(http.StatusOK).body))
	for what, body := range map[string]string{"plain": "0032want", "cut off": zipped(t, strings.Repeat("0032want", 100))[:30], "nothing": ""} {
		a := c.post(uploadPath, body, ofType("upload-pack"), gz).wants(http.StatusOK)
		assert.Regexp(t, `^[0-9a-f]{4}ERR the request body is not what gzip makes`, string(a.body), what)
	}

	c.post(receivePath, zipped(t, strings.Repeat("0", 8<<20)), ofType("receive-pack"), gz).wants(http.StatusOK)
	assert.Len(t, p.request, 8<<20)
	bomb = c.post(receivePath, zipped(t, strings.Repeat("0", 8<<20+1)), ofType("receive-pack"), gz).wants(http.StatusOK)
	assert.Equal(t, "005e\x03the request body is larger than 8388608 bytes: push without Content-Encoding, as git does0000", string(bomb.body))
	c.post(uploadPath, "x", ofType("upload-pack"), header("Content-Encoding", "br")).wants(http.StatusUnsupportedMediaType)
	for _, kind := range []string{"", "text/plain", "application/x-git-receive-pack-request"} {
		c.post(uploadPath, "0000", header("Content-Type", kind)).wants(http.StatusUnsupportedMediaType)
	}
}

// What is left of a body is read when the next request comes, if nobody has let go of it before.
func TestAConnectionIsOfUseAfterARequestOfGitThatIsRefused(t *testing.T) {
	c := serveGit(t, &packs{answer: "0000"})
	bomb := zipped(t, strings.Repeat("0", 60<<20))
	for path, service := range map[string]string{uploadPath: "upload-pack", receivePath: "receive-pack"} {
		conn, err := net.Dial("tcp", c.server.Listener.Addr().String())
		require.NoError(t, err)
		answers := bufio.NewReader(conn)
		for range 3 {
			for _, encoding := range []string{"gzip", "identity"} {
				body := "0000"
				if encoding == "gzip" {
					body = bomb
				}
				_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-%s-request\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s",
					path, service, encoding, len(body), body)
				require.NoError(t, err)
				resp, err := http.ReadResponse(answers, nil)
				require.NoError(t, err, service)
				told, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				if encoding == "gzip" {
					require.Contains(t, string(told), "the request body is larger than")
				} else {
					require.Equal(t, "0000", string(told))
				}
			}
		}
		require.NoError(t, conn.Close())
	}
}

// unread is a transport that refuses a push of which it reads nothing.
type unread struct {
	*packs
	refusal error
}

func (u unread) ReceivePack(context.Context, git.RepositoryID, git.ProtocolVersion, io.Reader, io.Writer) error {
	return u.refusal
}

func serveUnread(t testing.TB, opts httpapi.Options) *client {
	advertisement := pktline.Append(nil, strings.Repeat("0", 40)+" capabilities^{}\x00report-status side-band-64k object-format=sha1\n")
	opts.Packs = unread{&packs{answer: string(advertisement) + pktline.Flush}, errs.New(errs.ReasonQueueFull, "push later")}
	return serve(t, newStore(t), opts)
}

// Git sends it in chunks, after an empty request whose answer it does not show.
func TestALargePushThatIsRefusedUnreadIsToldWhyAndOfNoBrokenConnection(t *testing.T) {
	content := make([]byte, 16<<20)
	_, _ = rand.Read(content) // it never fails
	r := gitcmd.Init(t)
	r.FastImport(fmt.Appendf(nil, "commit refs/heads/main\ncommitter A <a@example.com> 1 +0000\ndata 1\nx\nM 100644 inline large\ndata %d\n%s\n", len(content), content))
	_, err := r.Try(nil, "push", serveUnread(t, httpapi.Options{}).server.URL+"/git/shop.git", "main")
	require.ErrorContains(t, err, "remote: push later")
	assert.ErrorContains(t, err, "error: failed to push some refs")
	assert.NotContains(t, err.Error(), "RPC failed")
}

// begunPush is a push of so many bytes whose first ones were sent and that is refused.
func begunPush(t *testing.T, c *client, length int64) (net.Conn, *bufio.Reader) {
	conn, err := net.Dial("tcp", c.server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-receive-pack-request\r\nContent-Length: %d\r\n\r\nbegun", receivePath, length)
	require.NoError(t, err)
	answer := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answer, nil) //nolint:bodyclose // it ends with the connection
	require.NoError(t, err)
	told := make([]byte, len("000f\x03push later0000"))
	_, err = io.ReadFull(resp.Body, told)
	require.NoError(t, err)
	require.Equal(t, "000f\x03push later0000", string(told))
	return conn, answer
}

func TestWhatIsSentBehindARefusalIsReadWithinBounds(t *testing.T) {
	t.Run("without an end", func(t *testing.T) {
		conn, _ := begunPush(t, serveUnread(t, httpapi.Options{}), 1<<40)
		var sent, n int
		var err error
		for piece := make([]byte, 64<<10); err == nil; sent += n {
			n, err = conn.Write(piece)
		}
		assert.InDelta(t, httpapi.MaxDrained, sent, 32<<20) // less what lies in buffers
	})
	t.Run("without going on", func(t *testing.T) {
		conn, answer := begunPush(t, serveUnread(t, httpapi.Options{IdleTimeout: 250 * time.Millisecond}), 1<<20)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
		rest, err := io.ReadAll(answer)
		require.NoError(t, err)
		assert.Empty(t, rest, "the next request of the connection was awaited")
	})
	t.Run("by many", func(t *testing.T) {
		c := serveUnread(t, httpapi.Options{})
		for range httpapi.MaxDrains {
			begunPush(t, c, 1<<20)
		}
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for httpapi.Drains(c.server.Config.Handler) < httpapi.MaxDrains {
			<-tick.C
		}
		conn, answer := begunPush(t, c, 2<<20)
		_, err := conn.Write(make([]byte, 1<<20))
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
		_, err = io.ReadAll(answer)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}

func TestGitIsToldThatItsRequestCameTooSlowly(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := serve(t, newStore(t), httpapi.Options{Packs: &packs{}, IdleTimeout: 250 * time.Millisecond, Registerer: reg})
	for service, want := range map[string]string{
		"upload-pack":  "ERR the request body stalled or came too slowly: send it without pauses\n",
		"receive-pack": "\x03the request body stalled or came too slowly: send it without pauses0000",
	} {
		status, told := raw(t, c.server, fmt.Sprintf("POST /git/shop.git/git-%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-%s-request\r\nContent-Length: 100\r\n\r\nbegun", service, service))
		assert.Equal(t, http.StatusOK, status, service)
		assert.Contains(t, told, want)
		wantMetric(t, reg, fmt.Sprintf(`gitstore_http_requests_total{method="POST",route="/git/{repository}.git/git-%s",status="408"} 1`, service))
	}
}

func TestGitIsToldInPlainText(t *testing.T) {
	p := &packs{}
	c := serveGit(t, p)
	text := func(a answer, status int, want string) {
		t.Helper()
		a.wants(status)
		assert.Equal(t, "text/plain; charset=utf-8", a.header.Get("Content-Type"))
		assert.Regexp(t, want, string(a.body))
	}
	refs := "/git/shop.git/info/refs"
	text(c.get(refs), http.StatusForbidden, "smart HTTP protocol alone")
	text(c.get("/git/shop.git/HEAD"), http.StatusForbidden, "smart HTTP protocol alone")
	text(c.get("/git/shop.git/objects/info/packs"), http.StatusForbidden, "smart HTTP protocol alone")
	text(c.get(refs+"?service=git-upload-archive"), http.StatusBadRequest, "service")
	text(c.get("/git/shop/info/refs?service=git-upload-pack"), http.StatusNotFound, `ends in \.git`)
	text(c.get("/git/..%2fx.git/info/refs?service=git-upload-pack"), http.StatusBadRequest, "repository id")

	p.fails = errs.New(errs.ReasonQueueFull, "too many packs are at work: try again in a moment")
	a := c.get(refs + "?service=git-upload-pack")
	text(a, http.StatusServiceUnavailable, "^too many packs are at work: try again in a moment\n$")
	assert.NotEmpty(t, a.header.Get("Retry-After"))
}

// Of a POST that does not answer 200 git shows nothing but the number.
func TestWhyARequestIsRefusedIsToldInTheProtocol(t *testing.T) {
	for reason, status := range map[errs.Reason]string{
		errs.ReasonTooManyActions: "400", errs.ReasonBodyTooLarge: "413", errs.ReasonQueueFull: "503", errs.ReasonUnavailable: "503",
		errs.ReasonDraining: "503", errs.ReasonDeadlineExceeded: "504", errs.ReasonRepositoryNotFound: "404", errs.ReasonUnsafeRepository: "409",
		errs.ReasonRepositoryCorrupt: "500", errs.ReasonPermissionDenied: "403", errs.ReasonCanceled: "503",
	} {
		reg := prometheus.NewRegistry()
		c := serve(t, newStore(t), httpapi.Options{Packs: &packs{fails: errs.New(reason, "push fewer")}, Registerer: reg})
		assert.Equal(t, "0013ERR push fewer\n", string(c.post(uploadPath, "0000", ofType("upload-pack")).wants(http.StatusOK).body))
		assert.Equal(t, "000f\x03push fewer0000", string(c.post(receivePath, "0000", ofType("receive-pack")).wants(http.StatusOK).body))
		for _, route := range []string{"upload", "receive"} {
			labels := fmt.Sprintf(`{method="POST",route="/git/{repository}.git/git-%s-pack",status="%s"}`, route, status)
			wantMetric(t, reg, "gitstore_http_requests_total"+labels+" 1")
		}
	}
}

func TestGitIsToldTheIncidentOfADefect(t *testing.T) {
	const refs = "/git/shop.git/info/refs?service=git-upload-pack"
	for _, fails := range []error{
		errs.New(errs.ReasonInternal, "internal error: the log has it under incident 4711", errs.MetaIncident, "4711"), errors.New("a defect"),
	} {
		log := &logged{}
		p := &packs{fails: fails}
		c := serve(t, newStore(t), httpapi.Options{Packs: p, Logger: slog.New(slog.NewJSONHandler(log, nil))})
		told := []string{
			string(c.get(refs).wants(http.StatusInternalServerError).body),
			string(c.post(uploadPath, "0000", ofType("upload-pack")).wants(http.StatusOK).body),
			string(c.post(receivePath, "0000", ofType("receive-pack")).wants(http.StatusOK).body),
		}
		p.answer = "000dpackfile\n"
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.server.URL+uploadPath, strings.NewReader("0000"))
		require.NoError(t, err)
		ofType("upload-pack")(req)
		resp, err := c.http.Do(req)
		require.NoError(t, err)
		broken, err := io.ReadAll(resp.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.NoError(t, resp.Body.Close())
		c.server.Close() // waits for the last line
		logged := log.lines(t, "internal error")
		for i, text := range append(told, string(broken)) {
			incident := "4711"
			if len(logged) > 0 {
				incident = logged[i]["incident"].(string)
			}
			assert.Regexp(t, "(?s)internal error: the log has it under incident "+incident, text)
			assert.NotContains(t, text, "a defect")
		}
	}
}

func TestAnAnswerToGitThatIsNotWholeSaysWhyAndIsBrokenOff(t *testing.T) {
	gone := errs.New(errs.ReasonUnavailable, "the git service is gone")
	late := errs.New(errs.ReasonDeadlineExceeded, "the time is up")
	const onBand = "001c\x03the git service is gone"
	for _, tt := range []struct {
		path, answer string
		fails        error
		then         string
	}{
		{uploadPath, "0008NAK\nPACK", gone, ""},
		{uploadPath, "0008NAK\n00", gone, ""},
		{uploadPath, "0008NA", gone, ""},
		{uploadPath, "0008NAK\n", gone, "0020ERR the git service is gone\n"},
		{uploadPath, "000dpackfile\n", gone, onBand},
		{uploadPath, "0008NAK\n0005\x01", gone, onBand},
		{uploadPath, "000dpackfile\n0009\x01PACK", gone, onBand},
		{uploadPath, "000dpackfile\n000b\x01PACK", gone, "  " + onBand},
		{uploadPath, "000dpackfile\n0009\x03help", gone, ""},
		{uploadPath, "0009\x01PACK0000", gone, ""},
		{receivePath, "0005\x010005\x01", gone, onBand},
		{receivePath, "0005\x01", late, "0047\x03the time is up: try again, with less at once if that does not help"},
		{receivePath, "000eunpack ok\n", gone, ""},
	} {
		c := serveGit(t, &packs{answer: tt.answer, fails: tt.fails})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.server.URL+tt.path, strings.NewReader("0000"))
		require.NoError(t, err)
		ofType(strings.TrimPrefix(tt.path, "/git/shop.git/git-"))(req)
		resp, err := c.http.Do(req)
		require.NoError(t, err)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, tt.answer+tt.then, string(got))
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF, "%q", tt.answer)
	}
}

func TestARequestOfGitIsLoggedByWhoHasToDoSomething(t *testing.T) {
	for _, tt := range []struct {
		reason errs.Reason
		answer string
		status float64
		level  string
	}{
		{errs.ReasonPackTooLarge, "000dpackfile\n", 200, "WARN"},
		{errs.ReasonQueueFull, "000dpackfile\n", 200, "WARN"},
		{errs.ReasonInvalidArgument, "000dpackfile\n", 200, "WARN"},
		{errs.ReasonUnavailable, "000dpackfile\n", 200, "ERROR"},
		{errs.ReasonInternal, "000dpackfile\n", 200, "ERROR"},
		{errs.ReasonPackTooLarge, "", 413, "INFO"},
		{errs.ReasonInvalidArgument, "", 400, "INFO"},
		{errs.ReasonQueueFull, "", 503, "WARN"},
		{errs.ReasonUnavailable, "", 503, "ERROR"},
		{errs.ReasonInternal, "", 500, "ERROR"},
		{errs.ReasonDeadlineExceeded, "", 504, "ERROR"},
		{errs.ReasonDeadlineExceeded, "", 504, "WARN"}, // it gave way to others of its class
	} {
		fails := errs.New(tt.reason, "push fewer")
		if tt.reason == errs.ReasonDeadlineExceeded && tt.level == "WARN" {
			fails = fails.WithMeta("class", "pack")
		}
		log := &logged{}
		c := serve(t, newStore(t), httpapi.Options{
			Packs: &packs{answer: tt.answer, fails: fails}, Logger: slog.New(slog.NewJSONHandler(log, nil)),
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.server.URL+uploadPath, strings.NewReader("0000"))
		require.NoError(t, err)
		ofType("upload-pack")(req)
		resp, err := c.http.Do(req)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body) // it fails where it is broken off
		require.NoError(t, resp.Body.Close())
		c.server.Close() // waits for the last line
		lines := log.lines(t, "http request")
		require.Len(t, lines, 1)
		assert.Equal(t, tt.level, lines[0]["level"], "%+v", tt)
		assert.InDelta(t, tt.status, lines[0]["status"], 0, "%+v", tt)
		assert.Equal(t, string(tt.reason), lines[0]["reason"])
		assert.Equal(t, "push fewer", lines[0]["error"])
	}
}

func TestGitLFSIsToldThatItIsNotServed(t *testing.T) {
	c := serveGit(t, &packs{})
	const lfs = "/git/shop.git/info/lfs/"
	json := header("Content-Type", "application/vnd.git-lfs+json")
	for _, a := range []answer{
		c.post(lfs+"objects/batch", `{"operation":"upload","objects":[]}`, json), c.post(lfs+"locks/verify", `{}`, json), c.get(lfs + "locks"),
	} {
		a.wants(http.StatusNotFound)
		assert.Equal(t, "application/vnd.git-lfs+json", a.header.Get("Content-Type"))
		assert.Contains(t, a.json()["message"], "Git LFS is not served")
		assert.Contains(t, a.json()["message"], `git lfs migrate export --include="*" --everything: it rewrites the history`)
		assert.Equal(t, a.header.Get("X-Request-Id"), a.json()["request_id"])
	}
}

func TestWithoutPacksThereIsNoGit(t *testing.T) {
	c := newShop(t)
	c.get("/git/shop.git/info/refs?service=git-upload-pack").problem(http.StatusNotFound, "METHOD_NOT_FOUND")
}
