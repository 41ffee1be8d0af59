package tree

import (
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

const (
	// MaxSuffixes bounds the suffixes of one reading, each of which is tried on every file.
	MaxSuffixes = 100
	// maxSuffix is the longest name of the file systems that repositories are checked out to, in bytes.
	maxSuffix = 255
)

// Suffixes select files by how their names end. The zero value selects all.
type Suffixes struct{ folded []string }

// ParseSuffixes reads suffixes of names, such as ".md"; none selects all. It fails with INVALID_PATTERN.
func ParseSuffixes(suffixes []string) (Suffixes, error) {
	if len(suffixes) > MaxSuffixes {
		return Suffixes{}, errs.InvalidField(errs.ReasonInvalidPattern, "suffixes", "there are %d suffixes: use %d at most", len(suffixes), MaxSuffixes)
	}
	folded := make([]string, len(suffixes))
	for i, s := range suffixes {
		if rule := brokenSuffixRule(s); rule != "" {
			return Suffixes{}, errs.InvalidField(errs.ReasonInvalidPattern, "suffixes", "suffix %.80q is invalid: %s", s, rule)
		}
		folded[i] = fold(s)
	}
	return Suffixes{folded}, nil
}

func brokenSuffixRule(s string) string {
	switch {
	case s == "":
		return "it is empty"
	case len(s) > maxSuffix:
		return "it is longer than 255 bytes"
	case strings.ContainsAny(s, "/\x00"):
		return `no name of a file holds "/" or NUL; select directories with prefixes`
	}
	return ""
}

// Match reports whether the suffixes select the file. The letters A to Z equal a to z; all other bytes equal themselves.
func (s Suffixes) Match(p git.TreePath) bool {
	if len(s.folded) == 0 {
		return true
	}
	path := p.String()
	return slices.ContainsFunc(s.folded, func(suffix string) bool {
		return len(path) >= len(suffix) && fold(path[len(path)-len(suffix):]) == suffix
	})
}

// fold turns A to Z into lower case, as git does where it ignores case. Names need not be UTF-8.
func fold(s string) string {
	if !strings.ContainsFunc(s, isUpper) {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if isUpper(rune(c)) {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func isUpper(r rune) bool { return 'A' <= r && r <= 'Z' }
