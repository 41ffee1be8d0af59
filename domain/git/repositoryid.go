package git

import (
	"regexp"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

var repositoryIDPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// RepositoryID is the name of a repository as callers know it. It is opaque: where the repository lies on a disk does
// not follow from it by any rule that text could subvert.
type RepositoryID struct{ id string }

// ParseRepositoryID reads an id of 1 to 63 lower-case letters, digits and hyphens that begins with a letter or digit.
// It fails with INVALID_REPOSITORY_ID.
func ParseRepositoryID(s string) (RepositoryID, error) {
	if !repositoryIDPattern.MatchString(s) {
		return RepositoryID{}, errs.InvalidField(errs.ReasonInvalidRepositoryID, "repository",
			"repository id %s is invalid: use 1 to 63 of a-z, 0-9 and \"-\", and begin with a letter or digit", quote(s))
	}
	return RepositoryID{s}, nil
}

// IsZero reports whether the id names nothing.
func (id RepositoryID) IsZero() bool { return id.id == "" }

// String returns the id.
func (id RepositoryID) String() string { return id.id }

// MarshalText implements [encoding.TextMarshaler].
func (id RepositoryID) MarshalText() ([]byte, error) { return []byte(id.id), nil }
