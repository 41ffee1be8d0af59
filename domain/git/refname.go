package git

import (
	"strings"
	"unicode/utf8"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

const (
	branchPrefix = "refs/heads/"
	tagPrefix    = "refs/tags/"

	// A ref is a file: its longest component, with ".lock" behind it, has to fit the 255 bytes of a file name.
	maxRefComponent = 255 - len(".lock")
	maxRefName      = 1024
)

// RefName is a fully qualified ref name, such as "refs/heads/main". The zero value is no ref. A name that only exists
// in a repository (pushed by somebody) may be any that git check-ref-format(1) accepts; names that GitStore creates
// are narrower: see [RefName.CheckWritable].
type RefName struct{ name string }

// CheckRefFormat gives the verdict of git-check-ref-format(1) without options. It fails with INVALID_REF_NAME, and the
// message names the rule that is broken.
func CheckRefFormat(name string) error {
	if rule := brokenRefRule(name); rule != "" {
		return errs.InvalidField(errs.ReasonInvalidRefName, "ref", "ref name %s is invalid: %s", quote(name), rule)
	}
	return nil
}

func brokenRefRule(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case !strings.Contains(name, "/"):
		return `it has no "/"`
	case strings.HasSuffix(name, "."):
		return `it ends with "."`
	case strings.Contains(name, ".."):
		return `it contains ".."`
	case strings.Contains(name, "@{"):
		return `it contains "@{"`
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == 0x7f || strings.IndexByte(`~^:?*[\`, c) >= 0 {
			return `it contains a space, a control character or one of ~ ^ : ? * [ \`
		}
	}
	for component := range strings.SplitSeq(name, "/") {
		switch {
		case component == "":
			return "it has an empty component"
		case component[0] == '.':
			return `a component begins with "."`
		case strings.HasSuffix(component, ".lock"):
			return `a component ends with ".lock"`
		}
	}
	return ""
}

// ParseRefName reads a fully qualified ref name: one that begins with "refs/" and that [CheckRefFormat] accepts. It
// fails with INVALID_REF_NAME.
func ParseRefName(name string) (RefName, error) {
	if err := CheckRefFormat(name); err != nil {
		return RefName{}, err
	}
	if !strings.HasPrefix(name, "refs/") {
		return RefName{}, errs.InvalidField(errs.ReasonInvalidRefName, "ref",
			"ref name %s is not fully qualified: it has to begin with \"refs/\"", quote(name))
	}
	return RefName{name}, nil
}

// BranchRef returns the ref of the branch name, such as "main". It fails with INVALID_REF_NAME.
func BranchRef(branch string) (RefName, error) { return shortRef(branchPrefix, "branch", branch) }

// TagRef returns the ref of the tag name, such as "v1.0.0". It fails with INVALID_REF_NAME.
func TagRef(tag string) (RefName, error) { return shortRef(tagPrefix, "tag", tag) }

func shortRef(prefix, what, short string) (RefName, error) {
	if rule := brokenRefRule(prefix + short); rule != "" {
		return RefName{}, errs.InvalidField(errs.ReasonInvalidRefName, what, "%s name %s is invalid: %s", what, quote(short), rule)
	}
	return RefName{prefix + short}, nil
}

// CheckWritable reports whether GitStore creates and moves the ref. Only branches and tags are: anything else is
// REF_NOT_WRITABLE. Names that would be taken for an object ID, an option or HEAD, that are not UTF-8, or that do not
// fit a file system are INVALID_REF_NAME. Deleting such a ref is allowed, so that a repository can be rid of it.
func (r RefName) CheckWritable() error {
	if !r.IsBranch() && !r.IsTag() {
		return errs.InvalidField(errs.ReasonRefNotWritable, "ref",
			"ref %s is not writable: only refs/heads/ and refs/tags/ are", quote(r.name))
	}
	if rule := r.brokenWriteRule(); rule != "" {
		return errs.InvalidField(errs.ReasonInvalidRefName, "ref", "ref name %s is refused: %s", quote(r.name), rule)
	}
	return nil
}

func (r RefName) brokenWriteRule() string {
	short := r.Short()
	switch {
	case short[0] == '-':
		return `its short name begins with "-"`
	case short == "HEAD":
		return "HEAD names the default branch"
	case looksLikeObjectID(short):
		return "its short name looks like an object id"
	case !utf8.ValidString(short):
		return "it is not UTF-8"
	case len(r.name) > maxRefName:
		return "it is longer than 1024 bytes"
	}
	for component := range strings.SplitSeq(short, "/") {
		if len(component) > maxRefComponent {
			return "a component is longer than 250 bytes"
		}
	}
	return ""
}

func looksLikeObjectID(s string) bool {
	return (len(s) == 2*SHA1.Size() || len(s) == 2*SHA256.Size()) && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// IsZero reports whether r is no ref.
func (r RefName) IsZero() bool { return r.name == "" }

// String returns the fully qualified name.
func (r RefName) String() string { return r.name }

// IsBranch reports whether r is under refs/heads/.
func (r RefName) IsBranch() bool { return strings.HasPrefix(r.name, branchPrefix) }

// IsTag reports whether r is under refs/tags/.
func (r RefName) IsTag() bool { return strings.HasPrefix(r.name, tagPrefix) }

// Short returns the branch or tag name, and the full name of any other ref.
func (r RefName) Short() string {
	if s, ok := strings.CutPrefix(r.name, branchPrefix); ok {
		return s
	}
	return strings.TrimPrefix(r.name, tagPrefix)
}

// MarshalText implements [encoding.TextMarshaler].
func (r RefName) MarshalText() ([]byte, error) { return []byte(r.name), nil }

// Ref is a ref and what it points at.
type Ref struct {
	// Name is the fully qualified name.
	Name RefName
	// Target is the object the ref points at: a commit, or an annotated tag's tag object.
	Target ObjectID
	// TargetType is the type of Target.
	TargetType ObjectType
	// Peeled is what Target leads to when tags are followed to their end: Target itself unless that is a tag.
	Peeled ObjectID
	// PeeledType is the type of Peeled; almost always a commit.
	PeeledType ObjectType
}

// RefUpdate is one compare-and-swap of a ref.
type RefUpdate struct {
	Name RefName
	// Expected is where the ref must be; it has to be set.
	Expected Expectation
	// New is where the ref shall be; zero deletes it.
	New ObjectID
	// Force allows a branch to move to a commit that does not descend from where it is.
	Force bool
}

// Expectation is the condition of a compare-and-swap. The zero value expects nothing in particular.
type Expectation struct {
	set bool
	id  ObjectID
}

// ExpectAbsent expects that there is no ref or file.
func ExpectAbsent() Expectation { return Expectation{set: true} }

// ExpectID expects exactly id. The zero ID expects absence.
func ExpectID(id ObjectID) Expectation { return Expectation{set: true, id: id} }

// IsSet reports whether anything is expected.
func (e Expectation) IsSet() bool { return e.set }

// ID returns what is expected: the zero ID for absence or no expectation.
func (e Expectation) ID() ObjectID { return e.id }

// Met reports whether actual, zero if there is none, is as expected.
func (e Expectation) Met(actual ObjectID) bool { return !e.set || e.id == actual }
