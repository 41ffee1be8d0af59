package git

import (
	"path"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// RefPatterns select refs as the patterns of git-for-each-ref(1) do. The zero value selects all.
type RefPatterns struct{ patterns []string }

// ParseRefPatterns reads patterns: each is a full name, a directory above it, or a glob of [path.Match], in which "*"
// does not cross "/". None selects all. It fails with INVALID_PATTERN.
func ParseRefPatterns(patterns []string) (RefPatterns, error) {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return RefPatterns{}, errs.InvalidField(errs.ReasonInvalidPattern, "patterns", "pattern %.80q is malformed", p)
		}
	}
	return RefPatterns{slices.Clone(patterns)}, nil
}

// Match reports whether the patterns select the ref.
func (p RefPatterns) Match(name RefName) bool {
	return len(p.patterns) == 0 || slices.ContainsFunc(p.patterns, func(pattern string) bool {
		glob, _ := path.Match(pattern, name.String())
		return glob || strings.HasPrefix(name.String(), strings.TrimSuffix(pattern, "/")+"/")
	})
}

// Strings returns the patterns as they were read.
func (p RefPatterns) Strings() []string { return slices.Clone(p.patterns) }
