package catalog

import (
	"maps"
	"path"
	"slices"
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

// formats are the formats of documents by the ends of their names. A schema's ends as one of JSON does.
var formats = map[string]format{
	".md": formatMarkdown, ".markdown": formatMarkdown, ".yaml": formatYAML, ".yml": formatYAML, ".json": formatJSON,
}

// Suffixes returns how the names of all files end that [Reads] selects, in letters of either case.
func Suffixes() []string { return slices.Sorted(maps.Keys(formats)) }

// formatOf goes by the end of the name, in letters of either case, so that no document goes missing for the
// way its name is written.
func formatOf(p git.TreePath) format { return formats[strings.ToLower(path.Ext(p.String()))] }

// frontOf is the front that a document was read from.
func frontOf(d *Document) front {
	f := front{source: d.Source, body: d.Body}
	if formatOf(d.Path) == formatMarkdown {
		f.line = 1
	}
	return f
}
