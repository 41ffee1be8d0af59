package git

import (
	"path"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// BranchPatterns select branches. The zero value selects none.
type BranchPatterns struct {
	short []string
	refs  RefPatterns
}

// MaxBranchPatterns is the most patterns that are taken together.
const MaxBranchPatterns = 100

// maxBranchPattern is the longest of them, in bytes.
const maxBranchPattern = 255

// ParseBranchPatterns reads patterns: each is the short name of a branch, a directory above it, or a glob of [path.Match],
// in which "*" does not cross "/". None selects none. It fails with INVALID_PATTERN, for the field that they are in, and for more
// than [MaxBranchPatterns].
func ParseBranchPatterns(field string, patterns []string) (BranchPatterns, error) {
	if len(patterns) > MaxBranchPatterns {
		return BranchPatterns{}, errs.InvalidField(errs.ReasonInvalidPattern, field, "there are %d patterns, at most %d are taken", len(patterns), MaxBranchPatterns)
	}
	full := make([]string, len(patterns))
	for i, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || strings.Trim(p, "/ ") == "" || strings.HasPrefix(p, "refs/") || len(p) > maxBranchPattern {
			return BranchPatterns{}, errs.InvalidField(errs.ReasonInvalidPattern, field,
				"pattern %.80q is malformed: write the name of a branch without refs/heads/, such as main, or a glob, such as release/*", p)
		}
		full[i] = branchPrefix + p
	}
	refs, err := ParseRefPatterns(full)
	return BranchPatterns{slices.Clone(patterns), refs}, err
}

// Match reports whether the patterns select the branch. They select no tag.
func (p BranchPatterns) Match(name RefName) bool {
	return len(p.short) > 0 && name.IsBranch() && p.refs.Match(name)
}

// IsZero reports whether there is no pattern.
func (p BranchPatterns) IsZero() bool { return len(p.short) == 0 }

// Strings returns the patterns as they were read.
func (p BranchPatterns) Strings() []string { return slices.Clone(p.short) }
