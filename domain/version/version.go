// Package version holds the rules of tags that are Semantic Versions (https://semver.org, version 2.0.0): which tags
// are, how they are ordered and which of them a range takes. It does no I/O.
package version

import (
	"cmp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// Version is a Semantic Version. The zero value is none.
type Version struct{ v *semver.Version }

// Parse reads the short name of a tag: a Semantic Version in full, such as "1.4.0-rc.1", with or without a leading "v".
// It reports whether the tag is one; longer ones than 256 bytes and numbers above 64 bits are not.
func Parse(tag string) (Version, bool) {
	v, err := semver.StrictNewVersion(strings.TrimPrefix(tag, "v"))
	if err != nil {
		return Version{}, false
	}
	return Version{v}, true
}

// IsZero reports whether v is no version.
func (v Version) IsZero() bool { return v.v == nil }

// String returns the version without a leading "v", and "" for none.
func (v Version) String() string {
	if v.IsZero() {
		return ""
	}
	return v.v.Original()
}

// WithoutBuild returns String without build metadata: it is the same for two versions if and only if neither comes first.
func (v Version) WithoutBuild() string {
	s, _, _ := strings.Cut(v.String(), "+")
	return s
}

// IsPrerelease reports whether v comes before the release of its three numbers.
func (v Version) IsPrerelease() bool { return !v.IsZero() && v.v.Prerelease() != "" }

// NextPatch returns the version that follows with the next patch number: of a pre-release, the release that it comes before.
func (v Version) NextPatch() Version {
	next := v.v.IncPatch()
	return Version{&next}
}

// Compare returns the precedence of v against w: negative if v comes first. Build metadata does not count, and no
// version comes before every version.
func (v Version) Compare(w Version) int {
	if v.IsZero() || w.IsZero() {
		return boolCompare(!v.IsZero(), !w.IsZero())
	}
	return v.v.Compare(w.v)
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Range is a set of versions. The zero value has all.
type Range struct{ constraints *semver.Constraints }

// ParseRange reads a range: comparisons (=, !=, <, <=, >, >=, ^, ~) of versions, which may leave out numbers or have "x"
// for them, joined by spaces or commas (all must hold) and by "||" (one must), such as ">=1.2 <2 || ^3". "" is all
// versions. It fails with INVALID_VERSION_RANGE.
func ParseRange(s string) (Range, error) {
	if s == "" {
		return Range{}, nil
	}
	c, err := semver.NewConstraint(s)
	if err != nil {
		e := errs.InvalidField(errs.ReasonInvalidVersionRange, "range",
			`version range %.80q is invalid: write it like ">=1.2 <2", "^1.4", "~1.4.2" or "1.x", of 512 bytes at most`, s)
		e.Err = err
		return Range{}, e
	}
	c.IncludePrerelease = true
	return Range{c}, nil
}

// Matches reports whether the range has v. Pre-releases are taken only if they are asked for, then like any other
// version, by precedence: "<2" has 2.0.0-rc.1.
func (r Range) Matches(v Version, prereleases bool) bool {
	if v.IsZero() || v.IsPrerelease() && !prereleases {
		return false
	}
	return r.constraints == nil || r.constraints.Check(v.v)
}

// SortTags sorts items by the short name of their tag: first those that are versions, the highest first, versions of
// equal precedence by the bytes of their names, then the rest by the bytes of their names.
func SortTags[T any](items []T, name func(T) string) {
	type tag struct {
		item    T
		name    string
		version Version
	}
	tags := make([]tag, len(items))
	for i, item := range items {
		n := name(item)
		v, _ := Parse(n)
		tags[i] = tag{item, n, v}
	}
	slices.SortStableFunc(tags, func(a, b tag) int {
		return cmp.Or(b.version.Compare(a.version), strings.Compare(a.name, b.name))
	})
	for i, t := range tags {
		items[i] = t.item
	}
}
