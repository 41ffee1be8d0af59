package repository

import (
	"fmt"
	"slices"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/version"
)

// Policy is what a repository holds writers to besides the rules that hold for all repositories. The zero value asks for
// nothing.
type Policy struct {
	// Validation is what becomes of pushes that bring something invalid.
	Validation Validation
	// ValidatedBranches are those whose pushes are validated; none is all of them. Tags of releases are validated with any.
	ValidatedBranches git.BranchPatterns
	// ProtectedBranches can neither be deleted nor drop commits, whoever writes.
	ProtectedBranches git.BranchPatterns
	// ImmutableReleases keeps tags that are Semantic Versions from being moved and deleted, and gives each version one tag,
	// whoever writes: "9.0.1" and "v9.0.1+2" are not made beside "v9.0.1". Build metadata makes no other version, as it does not
	// count when versions are compared.
	ImmutableReleases bool
	// Links takes symbolic links and submodules in pushes; no other write makes any.
	Links bool
}

// PolicySpec is a policy as people and programs write it.
type PolicySpec struct {
	// Validation is "off", "warn" or "enforce"; "" is "off".
	Validation string
	// ValidatedBranches and ProtectedBranches are patterns of [git.ParseBranchPatterns].
	ValidatedBranches, ProtectedBranches []string
	ImmutableReleases, Links             bool
}

// Spec returns what Parse reads back.
func (p Policy) Spec() PolicySpec {
	return PolicySpec{
		Validation: p.Validation.String(), ValidatedBranches: p.ValidatedBranches.Strings(), ProtectedBranches: p.ProtectedBranches.Strings(),
		ImmutableReleases: p.ImmutableReleases, Links: p.Links,
	}
}

// Parse reads a policy. It fails with INVALID_ARGUMENT and INVALID_PATTERN; the field is validation, validated_branches or
// protected_branches.
func (s PolicySpec) Parse() (Policy, error) {
	p := Policy{ImmutableReleases: s.ImmutableReleases, Links: s.Links}
	var err error
	if s.Validation != "" {
		if p.Validation, err = ParseValidation(s.Validation); err != nil {
			return p, err
		}
	}
	if p.ValidatedBranches, err = git.ParseBranchPatterns("validated_branches", s.ValidatedBranches); err != nil {
		return p, err
	}
	p.ProtectedBranches, err = git.ParseBranchPatterns("protected_branches", s.ProtectedBranches)
	return p, err
}

// Validation says what becomes of a push that brings something invalid.
type Validation uint8

// The kinds of validation.
const (
	// NoValidation takes pushes without looking.
	NoValidation Validation = iota
	// WarnInvalid takes them and tells what is wrong.
	WarnInvalid
	// EnforceValid refuses them.
	EnforceValid
)

var validations = [...]string{NoValidation: "off", WarnInvalid: "warn", EnforceValid: "enforce"}

// String returns "off", "warn" or "enforce".
func (v Validation) String() string { return validations[v] }

// ParseValidation reads what String returns. It fails with INVALID_ARGUMENT.
func ParseValidation(s string) (Validation, error) {
	for v, name := range validations {
		if s == name {
			return Validation(v), nil
		}
	}
	return NoValidation, errs.InvalidField(errs.ReasonInvalidArgument, "validation", `validation %.80q is unknown: write "off", "warn" or "enforce"`, s)
}

// Validates reports whether a push that makes or moves the ref is validated.
func (p Policy) Validates(ref git.RefName) bool {
	switch {
	case p.Validation == NoValidation:
		return false
	case ref.IsBranch():
		return p.ValidatedBranches.IsZero() || p.ValidatedBranches.Match(ref)
	}
	return isRelease(ref)
}

func isRelease(ref git.RefName) bool { return !versionOf(ref).IsZero() }

// JudgesPushesLike reports whether what a push brings is judged alike under both. Where its refs may move is not part of that.
func (p Policy) JudgesPushesLike(other Policy) bool {
	return p.Validation == other.Validation && p.Links == other.Links &&
		slices.Equal(p.ValidatedBranches.Strings(), other.ValidatedBranches.Strings())
}

// check fails with REF_PROTECTED for a change that the policy does not allow.
func (p Policy) check(c RefChange) error {
	switch {
	case c.Old.IsZero() || c.Old == c.New:
		return nil
	case p.ImmutableReleases && isRelease(c.Name):
		return protected(c, "tag %q is that of a release and stays as it is: publish a higher version")
	case !p.ProtectedBranches.Match(c.Name):
		return nil
	case c.New.IsZero():
		return protected(c, "branch %q is protected and cannot be deleted")
	case c.Forced:
		return protected(c, "branch %q is protected and drops no commits: merge or rebase onto it, or revert them")
	}
	return nil
}

// checkRelease fails with REF_EXISTS if the ref is to be the tag of a version that another one is the tag of.
func (p Policy) checkRelease(d Draft, name git.RefName) error {
	v := versionOf(name)
	if !p.ImmutableReleases || v.IsZero() {
		return nil
	}
	for _, short := range []string{v.WithoutBuild(), "v" + v.WithoutBuild()} {
		plain, err := git.TagRef(short)
		if err != nil {
			return err
		}
		if at := d.Ref(plain); !at.IsZero() {
			return isReleased(v, plain, at)
		}
		for other := range d.Refs(plain.String() + "+") {
			if isRelease(other) {
				return isReleased(v, other, d.Ref(other))
			}
		}
	}
	return nil
}

func isReleased(v version.Version, as git.RefName, at git.ObjectID) error {
	return errs.New(errs.ReasonRefExists, fmt.Sprintf("version %s is released as the tag %q: choose a higher one", v, as.Short()),
		errs.MetaRef, as.String(), errs.MetaActual, at.String())
}

func protected(c RefChange, format string) error {
	return errs.New(errs.ReasonRefProtected, fmt.Sprintf(format, c.Name.Short()), errs.MetaRef, c.Name.String(), errs.MetaActual, c.Old.String())
}
