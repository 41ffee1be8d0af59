package repository

import (
	"context"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// MaxPushedRefs is the most refs that one push may name.
const MaxPushedRefs = 5000

// Push is what a git client wants to become of refs. Each has an Expected; Force is not asked for, as clients judge
// themselves what they drop.
type Push struct {
	Updates []git.RefUpdate
	// Atomic applies all updates or none.
	Atomic bool
	// Moves, if not nil, remembers which moves drop commits, so that a push which is judged again does not read history again.
	Moves Moves
}

// Moves tells of moves of branches, from where to where, whether they drop commits. That does not change, whatever becomes of
// the branches.
type Moves map[[2]git.ObjectID]bool

// Push returns the ref changes of the updates that can be made, and for each update why it cannot be, nil if it is. An update
// to where the ref is makes no change. What keeps the push from being judged at all is the last result.
func (p Push) Push(ctx context.Context, d Draft) (changes []RefChange, refused []error, err error) {
	refused = make([]error, len(p.Updates))
	made := newNames(d.Policy(), len(p.Updates))
	failed := false
	for i, u := range p.Updates {
		u.Force = true
		change, why := updateRef(ctx, d, u, p.Moves)
		if why == nil {
			why = made.add(change)
		}
		if why != nil {
			if !isVerdict(why) {
				return nil, nil, why
			}
			refused[i], failed = why, true
			continue
		}
		if change.Old != change.New {
			changes = append(changes, change)
		}
	}
	if !failed || !p.Atomic {
		return changes, refused, nil
	}
	for i := range refused {
		if refused[i] == nil {
			refused[i] = ErrAtomic
		}
	}
	return nil, refused, nil
}

// ErrAtomic is why a ref of an atomic push is refused that nothing else is wrong with.
var ErrAtomic error = errs.New(errs.ReasonRefConflict, "the push is atomic, and another of its refs was refused")

// isVerdict reports whether an error is about the update and not about whoever judges it.
func isVerdict(err error) bool {
	switch errs.KindOf(err) {
	case errs.Invalid, errs.NotFound, errs.Exists, errs.Conflict, errs.Precondition, errs.Denied:
		return true
	}
	return false
}

// names are the refs that one write creates, moves and deletes, with what lies above those that it creates, and their
// versions, nil if the policy does not ask for them.
type names struct {
	all      map[git.RefName]bool
	above    map[string]git.RefName
	versions map[string]RefChange
}

func newNames(p Policy, n int) names {
	made := names{all: make(map[git.RefName]bool, n), above: map[string]git.RefName{}}
	if p.ImmutableReleases {
		made.versions = map[string]RefChange{}
	}
	return made
}

// add takes a change in, unless its ref is there already, one is a directory of the other, or both are releases of one version.
func (n names) add(c RefChange) error {
	if n.all[c.Name] {
		return errs.InvalidField(errs.ReasonInvalidArgument, "ref", "ref %q is named twice", c.Name)
	}
	if c.New.IsZero() {
		n.all[c.Name] = true
		return nil
	}
	if below, ok := n.above[c.Name.String()]; ok {
		return refConflict(c.Name, below)
	}
	for dir := range directories(c.Name) {
		above, err := git.ParseRefName(dir)
		if err == nil && n.all[above] {
			return refConflict(c.Name, above)
		}
	}
	if v := versionOf(c.Name); n.versions != nil && !v.IsZero() {
		if other, ok := n.versions[v.WithoutBuild()]; ok {
			return isReleased(v, other.Name, other.New)
		}
		n.versions[v.WithoutBuild()] = c
	}
	for dir := range directories(c.Name) {
		n.above[dir] = c.Name
	}
	n.all[c.Name] = true
	return nil
}
