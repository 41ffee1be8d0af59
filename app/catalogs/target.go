package catalogs

import (
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// Target is a repository whose catalog is kept, and the view of it.
type Target struct {
	Repository git.RepositoryID
	View       View
}

// View says which commit of a repository a catalog is of. The zero value is the head of the default branch.
type View struct {
	// Live takes the release tag of the highest Semantic Version.
	Live bool
	// Prereleases lets pre-releases count for Live.
	Prereleases bool
	// Branch is the branch whose head is taken, unless Live is set; zero is the default branch.
	Branch git.RefName
}

const viewSyntax = `write "head" for the default branch, "head:<branch>", "live" for the highest release, or "live:prereleases"`

// ParseTargets reads targets as operators write them: "<repository>" or "<repository>@<view>", where the view is "head",
// "head:<branch>", "live" or "live:prereleases". Without one it is head: a repository shows what was committed last until
// somebody decides that only releases count. It fails with INVALID_REPOSITORY_ID, INVALID_REF_NAME and INVALID_ARGUMENT,
// the last also for a repository that is named twice.
func ParseTargets(texts []string) ([]Target, error) {
	seen := map[git.RepositoryID]bool{}
	targets := make([]Target, 0, len(texts))
	for _, text := range texts {
		t, err := ParseTarget(text)
		if err != nil {
			return nil, err
		}
		if seen[t.Repository] {
			return nil, errs.InvalidField(errs.ReasonInvalidArgument, "catalog", "repository %q is named twice: a repository has one view", t.Repository)
		}
		seen[t.Repository] = true
		targets = append(targets, t)
	}
	return targets, nil
}

// ParseTarget reads one target, as [ParseTargets] does.
func ParseTarget(text string) (t Target, err error) {
	id, view, found := strings.Cut(text, "@")
	if t.Repository, err = git.ParseRepositoryID(id); err != nil || !found {
		return t, err
	}
	t.View, err = parseView(view)
	return t, err
}

func parseView(text string) (View, error) {
	name, argument, found := strings.Cut(text, ":")
	switch {
	case text == "head":
		return View{}, nil
	case text == "live":
		return View{Live: true}, nil
	case text == "live:prereleases":
		return View{Live: true, Prereleases: true}, nil
	case name == "head" && found:
		branch, err := git.BranchRef(argument)
		return View{Branch: branch}, err
	}
	return View{}, errs.InvalidField(errs.ReasonInvalidArgument, "catalog", "view %.80q is unknown: %s", text, viewSyntax)
}

// String returns what [ParseTarget] reads back.
func (t Target) String() string { return t.Repository.String() + "@" + t.View.String() }

// String returns the view as a target has it.
func (v View) String() string {
	switch {
	case v.Live && v.Prereleases:
		return "live:prereleases"
	case v.Live:
		return "live"
	case v.Branch.IsZero():
		return "head"
	}
	return "head:" + v.Branch.Short()
}

// MarshalText implements [encoding.TextMarshaler].
func (v View) MarshalText() ([]byte, error) { return []byte(v.String()), nil }
