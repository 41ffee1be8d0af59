package history

import (
	"slices"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/tree"
)

// trail is where a path leads in a commit.
type trail struct {
	// trees are those on the way, the root first, as far as the way exists.
	trees []git.ObjectID
	// mode and id are the entry's; zero if the path does not exist.
	mode git.FileMode
	id   git.ObjectID
}

func (t *trail) same(u *trail) bool { return t.mode == u.mode && t.id == u.id }

// simplify returns the parents that are to be followed for the path's sake, and decides whether the commit changed it:
// try_to_simplify_commit of git (revision.c) in its default mode.
func (w *walker) simplify(n *node, parents []*node) ([]*node, error) {
	if err := w.findPath(n, nil); err != nil {
		return nil, err
	}
	if len(parents) == 0 {
		n.same = n.trail.mode == 0
		return nil, nil
	}
	var judges, changed [2]int // how many parents there are and how many differ: the irrelevant, the relevant ones
	for _, p := range parents {
		if err := w.findPath(p, n.trail); err != nil {
			return nil, err
		}
		relevant := w.isRelevant(p)
		same := p.trail.same(n.trail)
		if same && relevant == 1 {
			n.same = true
			return []*node{p}, nil
		}
		judges[relevant]++
		if !same {
			changed[relevant]++
		}
	}
	// Excluded branches that were merged have a say only where there are no others.
	if judges[1] > 0 {
		n.same = changed[1] == 0
	} else {
		n.same = changed[0] == 0
	}
	return parents, nil
}

// isRelevant returns 1 for a parent that a merge may be simplified to, and 0 for one that is left out: following it
// alone would lose the other branches of the merge.
func (w *walker) isRelevant(p *node) int {
	if w.selected == nil || w.selected[p.commit.ID] != nil || p.commit.ID == w.opt.Exclude {
		return 1
	}
	return 0
}

// findPath fills in the node's trail. From where it meets the trail of a neighbour, nothing needs to be read.
func (w *walker) findPath(n *node, neighbour *trail) error {
	if n.trail != nil {
		return nil
	}
	t := &trail{}
	at := git.TreeEntry{Mode: git.ModeDirectory, ID: n.commit.Tree}
	for i, name := range w.opt.Path.Components() {
		if at.Mode != git.ModeDirectory {
			break
		}
		if neighbour != nil && i < len(neighbour.trees) && neighbour.trees[i] == at.ID {
			t.trees = slices.Concat(t.trees, neighbour.trees[i:])
			t.mode, t.id = neighbour.mode, neighbour.id
			n.trail = t
			return nil
		}
		t.trees = append(t.trees, at.ID)
		entries, err := w.r.Tree(w.ctx, at.ID)
		if err != nil {
			return err
		}
		at, _ = tree.Find(entries, name)
	}
	if len(t.trees) == len(w.opt.Path.Components()) {
		t.mode, t.id = at.Mode, at.ID
	}
	n.trail = t
	return nil
}
