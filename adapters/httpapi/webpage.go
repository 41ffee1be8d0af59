package httpapi

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

//go:embed web
var webFiles embed.FS

// webPolicy lets the web page run the scripts that come with it and ask this API, and show pictures of documents, which
// may be anywhere. Nothing that a repository holds can run.
const webPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: http: https:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// webTypes are the media types by the ending of a name: what the machine's own tables say does not count.
var webTypes = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

// asset is a file of the web page.
type asset struct {
	etag    string
	content []byte
}

// webAssets are the files of the web page by name.
var webAssets = func() map[string]asset {
	assets := map[string]asset{}
	files, err := webFiles.ReadDir("web")
	if err != nil {
		panic(err)
	}
	for _, f := range files {
		content, err := fs.ReadFile(webFiles, "web/"+f.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		assets[f.Name()] = asset{`"` + hex.EncodeToString(sum[:16]) + `"`, content}
	}
	return assets
}()

func (a *api) webRoutes() []*route {
	const group = "Service"
	return []*route{
		newRoute(http.MethodGet, "/", spec{
			id: "getWebPage", group: group, summary: "A web page to browse and edit with",
			answers: map[int]content{http.StatusOK: {description: "The page.", mediaType: "text/html", headers: []string{"ETag"}}},
		}, func(c *call) error { return c.sendAsset("index.html") }),
		newRoute(http.MethodGet, "/assets/{name}", spec{
			id: "getWebAsset", group: group, summary: "A script or a style of the web page",
			answers: map[int]content{http.StatusOK: {description: "The file.", mediaType: "text/javascript", also: []string{"text/css"}, headers: []string{"ETag"}}},
			fails:   []errs.Reason{errs.ReasonPathNotFound},
		}, func(c *call) error { return c.sendAsset(c.path["name"]) }),
	}
}

// sendAsset has browsers ask each time whether the file is still the same, so that none is left of an older version. While
// replicas are upgraded a page may be given files of both: it works again when it is loaded anew.
func (c *call) sendAsset(name string) error {
	f, ok := webAssets[name]
	if !ok {
		return errs.New(errs.ReasonPathNotFound, "the web page has no file of this name: it begins at /")
	}
	h := c.w.Header()
	h.Set("Content-Security-Policy", webPolicy)
	h.Set("Content-Type", webTypes[path.Ext(name)])
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.etag)
	http.ServeContent(c.w, c.r, name, time.Time{}, bytes.NewReader(f.content))
	return nil
}
