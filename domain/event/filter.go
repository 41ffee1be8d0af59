package event

import (
	"path"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// Filter selects events. The zero value selects all.
type Filter struct {
	// Repositories selects these alone; none selects all.
	Repositories []git.RepositoryID
	// Refs selects among the events of refs; those of repositories pass.
	Refs git.RefPatterns
	// Types selects these alone; none selects all.
	Types []Type
}

// MaxFilter is the most repositories, patterns or types of a filter.
const MaxFilter = 100

// ParseFilter reads a filter as callers write it. It fails with INVALID_REPOSITORY_ID, INVALID_PATTERN for a pattern that
// is malformed or can select no ref, and INVALID_ARGUMENT for an unknown type or more than [MaxFilter] entries.
func ParseFilter(repositories, refs, types []string) (Filter, error) {
	var f Filter
	for field, n := range map[string]int{"repositories": len(repositories), "refs": len(refs), "types": len(types)} {
		if n > MaxFilter {
			return Filter{}, errs.InvalidField(errs.ReasonInvalidArgument, field, "a filter takes %d %s at most", MaxFilter, field)
		}
	}
	for _, s := range repositories {
		id, err := git.ParseRepositoryID(s)
		if err != nil {
			return Filter{}, err
		}
		f.Repositories = append(f.Repositories, id)
	}
	for _, s := range types {
		if !slices.Contains(Types(), Type(s)) {
			return Filter{}, errs.InvalidField(errs.ReasonInvalidArgument, "types", "event type %.80q is unknown: use some of %q", s, Types())
		}
		f.Types = append(f.Types, Type(s))
	}
	for _, s := range refs {
		// Silence would look as if nothing happened.
		if first, _, _ := strings.Cut(s, "/"); s != "" && !selectsRefs(first) {
			return Filter{}, errs.InvalidField(errs.ReasonInvalidPattern, "refs",
				"pattern %.80q selects no ref: write names in full, such as refs/heads/main", s)
		}
	}
	var err error
	f.Refs, err = git.ParseRefPatterns(refs)
	return f, err
}

// selectsRefs reports whether a pattern that begins with this segment can select a ref, or is malformed.
func selectsRefs(segment string) bool {
	matched, err := path.Match(segment, "refs")
	return matched || err != nil
}

// Match reports whether the filter selects the event.
func (f Filter) Match(e Event) bool {
	if !f.MatchRepository(e.Repository()) || len(f.Types) > 0 && !slices.Contains(f.Types, e.Type()) {
		return false
	}
	ref, ok := e.(RefUpdated)
	return !ok || f.Refs.Match(ref.Ref)
}

// MatchRepository reports whether the filter selects events of the repository.
func (f Filter) MatchRepository(id git.RepositoryID) bool {
	return len(f.Repositories) == 0 || slices.Contains(f.Repositories, id)
}
