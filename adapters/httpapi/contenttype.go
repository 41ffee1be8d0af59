package httpapi

import (
	"net/http"
	"path"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// contentTypes is a table of our own, because package mime's depends on the files of the machine.
var contentTypes = map[string]string{
	".avif": "image/avif",
	".css":  "text/css; charset=utf-8",
	".csv":  "text/csv; charset=utf-8",
	".gif":  "image/gif",
	".gz":   "application/gzip",
	".htm":  "text/html; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".ico":  "image/x-icon",
	".jpeg": "image/jpeg",
	".jpg":  "image/jpeg",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".md":   "text/markdown; charset=utf-8",
	".mjs":  "text/javascript; charset=utf-8",
	".mp3":  "audio/mpeg",
	".mp4":  "video/mp4",
	".otf":  "font/otf",
	".pdf":  "application/pdf",
	".png":  "image/png",
	".svg":  "image/svg+xml",
	".toml": "application/toml",
	".ttf":  "font/ttf",
	".txt":  "text/plain; charset=utf-8",
	".wasm": "application/wasm",
	".webm": "video/webm",
	".webp": "image/webp",
	".woff": "font/woff",
	// The registered type of YAML is younger than most of its users.
	".woff2": "font/woff2",
	".xml":   "application/xml",
	".yaml":  "application/yaml",
	".yml":   "application/yaml",
	".zip":   "application/zip",
}

// contentType guesses by the name, else by the beginning.
func contentType(p git.TreePath, beginning []byte) string {
	if t, ok := contentTypes[strings.ToLower(path.Ext(p.Base()))]; ok {
		return t
	}
	return http.DetectContentType(beginning)
}
