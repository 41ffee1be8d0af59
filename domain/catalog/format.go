package catalog

import (
	"path"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// format is how a file holds the fields of a document.
type format int

const (
	// formatNone is that of files that are no documents.
	formatNone format = iota
	formatMarkdown
	formatYAML
	formatJSON
)

// formatOf goes by the end of the name, in letters of either case, so that no document goes missing for the
// way its name is written.
func formatOf(p git.TreePath) format {
	switch strings.ToLower(path.Ext(p.String())) {
	case ".md", ".markdown":
		return formatMarkdown
	case ".yaml", ".yml":
		return formatYAML
	case ".json":
		return formatJSON
	}
	return formatNone
}

// frontOf is the front that a document was read from.
func frontOf(d *Document) front {
	f := front{source: d.Source, body: d.Body}
	if formatOf(d.Path) == formatMarkdown {
		f.line = 1
	}
	return f
}
