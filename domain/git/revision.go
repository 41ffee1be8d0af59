package git

import (
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// Revision names a commit in one of four ways: by a full object ID, by a fully qualified ref, by the short name of a
// branch or tag (a branch wins over a tag of the same name), or as HEAD, the default branch. There is no other syntax:
// what gitrevisions(7) adds can walk without bound or change meaning from one call to the next. The zero value is
// no revision.
type Revision struct {
	id   ObjectID
	ref  RefName
	name string
}

// Head is the revision of the default branch.
func Head() Revision { return Revision{name: "HEAD"} }

// AtCommit is the revision of a commit, or of a tag object that leads to one. A zero id gives the zero Revision.
func AtCommit(id ObjectID) Revision { return Revision{id: id} }

// AtRef is the revision that the ref points at.
func AtRef(ref RefName) Revision { return Revision{ref: ref} }

// ParseRevision reads an object ID of 40 or 64 digits, a name that begins with "refs/", "HEAD", or a branch or tag
// name. It fails with INVALID_REVISION.
func ParseRevision(s string) (Revision, error) {
	switch {
	case s == "":
		return Revision{}, invalidRevision(s, "it is empty")
	case s == "HEAD":
		return Head(), nil
	case looksLikeObjectID(s):
		id, err := ParseObjectID(s)
		if err != nil {
			return Revision{}, invalidRevision(s, "no object has the null id")
		}
		return AtCommit(id), nil
	case len(s) > maxRefName:
		return Revision{}, invalidRevision(s, "it is longer than 1024 bytes")
	}
	full := s
	if !strings.HasPrefix(s, "refs/") {
		full = branchPrefix + s
	}
	if rule := brokenRefRule(full); rule != "" {
		return Revision{}, invalidRevision(s, rule)
	}
	if s[0] == '-' {
		return Revision{}, invalidRevision(s, `it begins with "-"`)
	}
	if full == s {
		return AtRef(RefName{s}), nil
	}
	return Revision{name: s}, nil
}

func invalidRevision(s, rule string) error {
	return errs.InvalidField(errs.ReasonInvalidRevision, "revision",
		"revision %s is invalid: %s; use a full object id, refs/…, a branch or a tag", quote(s), rule)
}

// IsZero reports whether r is no revision.
func (r Revision) IsZero() bool { return r == Revision{} }

// IsHead reports whether r is the default branch.
func (r Revision) IsHead() bool { return r.name == "HEAD" }

// CommitID returns the object ID and true if r is one.
func (r Revision) CommitID() (ObjectID, bool) { return r.id, !r.id.IsZero() }

// Ref returns the ref and true if r is a fully qualified one.
func (r Revision) Ref() (RefName, bool) { return r.ref, !r.ref.IsZero() }

// Name returns the short name and true if r is one; HEAD counts as one.
func (r Revision) Name() (string, bool) { return r.name, r.name != "" }

// Candidates returns the refs that r may stand for, the first that exists wins; none for an object ID and for HEAD.
func (r Revision) Candidates() []RefName {
	switch {
	case !r.ref.IsZero():
		return []RefName{r.ref}
	case r.name != "" && !r.IsHead():
		return []RefName{{branchPrefix + r.name}, {tagPrefix + r.name}}
	}
	return nil
}

// String returns what [ParseRevision] reads back.
func (r Revision) String() string {
	switch {
	case !r.id.IsZero():
		return r.id.String()
	case !r.ref.IsZero():
		return r.ref.String()
	}
	return r.name
}
