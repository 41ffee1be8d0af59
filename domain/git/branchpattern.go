package git

import (
	"fmt"
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

// Check fails with INVALID_PATTERN for a pattern that selects no branch that there can be, as no name is valid that it matches. Such
// patterns are read all the same: a policy may have been given before.
func (p BranchPatterns) Check() error {
	for _, pattern := range p.short {
		_, broken := BranchRef(exampleOf(pattern))
		if _, err := BranchRef(strings.TrimSuffix(pattern, "/") + "/x"); err != nil && broken != nil {
			return errs.New(errs.ReasonInvalidPattern, fmt.Sprintf("pattern %.80q matches no branch that there can be: %s", pattern, brokenRefRule(branchPrefix+exampleOf(pattern))))
		}
	}
	return nil
}

// exampleOf returns what a glob matches, or would if its classes had an x. An x breaks no rule of names: where one is broken nevertheless it is by
// what the glob has literally, and so by all that it matches.
func exampleOf(glob string) string {
	var name []byte
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; c {
		case '*', '?':
			name = append(name, 'x')
		case '[':
			for i++; glob[i] != ']'; i++ {
				if glob[i] == '\\' {
					i++
				}
			}
			name = append(name, 'x')
		case '\\':
			i++
			name = append(name, glob[i])
		default:
			name = append(name, c)
		}
	}
	return string(name)
}

// Match reports whether the patterns select the branch. They select no tag.
func (p BranchPatterns) Match(name RefName) bool {
	return len(p.short) > 0 && name.IsBranch() && p.refs.Match(name)
}

// IsZero reports whether there is no pattern.
func (p BranchPatterns) IsZero() bool { return len(p.short) == 0 }

// Strings returns the patterns as they were read.
func (p BranchPatterns) Strings() []string { return slices.Clone(p.short) }
