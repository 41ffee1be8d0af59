// Package history holds the rules of history: which commits a walk gives and in which order, and how two commits are
// related. They are written over a [git.ObjectReader]. The package does no I/O.
package history

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// WalkOptions selects commits.
type WalkOptions struct {
	// Start is the commit to walk from.
	Start git.ObjectID
	// Exclude leaves out what can be reached from it, along all parents; zero leaves out nothing.
	Exclude git.ObjectID
	// Path keeps commits that changed it or anything below, with the history simplification of git-log(1)'s default
	// mode: of a merge that has the path as one parent has it, only that parent is followed. The root keeps all.
	Path git.TreePath
	// Author keeps commits whose author's name or email contains it, case ignored; "" keeps all.
	Author string
	// Since and Until keep commits by committer time, inclusive; zero is no bound. The walk does not go on behind a
	// commit older than Since: where clocks were wrong, newer ones may be hidden there.
	Since, Until time.Time
	// FirstParent follows only the first parent of a merge.
	FirstParent bool
	// Skip leaves out that many commits of the result.
	Skip int
	// Limit is the most commits to yield; 0 is no limit.
	Limit int
}

func (opt WalkOptions) check() error {
	switch {
	case opt.Skip < 0:
		return errs.InvalidField(errs.ReasonInvalidArgument, "skip", "skip %d is negative", opt.Skip)
	case opt.Limit < 0:
		return errs.InvalidField(errs.ReasonInvalidArgument, "limit", "limit %d is negative", opt.Limit)
	}
	return nil
}

// Walk yields commits that can be reached from opt.Start, a commit after all its descendants and otherwise the newest
// first by committer time (git-rev-list(1), --date-order). The order holds whatever the clocks were.
//
// History is read as the iteration goes on. Where it is a line, that is one commit at a time; where branches lie side by
// side, it is read ahead until they are seen to meet. With Exclude, everything down to where both meet is read first. An
// error ends the iteration: INVALID_ARGUMENT for a negative Skip or Limit, OBJECT_NOT_FOUND and NOT_A_COMMIT for Start
// and Exclude, REPOSITORY_CORRUPT for what lies behind them.
func Walk(ctx context.Context, r git.ObjectReader, opt WalkOptions) iter.Seq2[*git.Commit, error] {
	return func(yield func(*git.Commit, error) bool) {
		w := &walker{ctx: ctx, r: r, opt: opt, nodes: map[git.ObjectID]*node{}}
		err := opt.check()
		if err == nil {
			err = w.start()
		}
		if err == nil {
			err = w.run(yield)
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// walker puts commits in order: each node waits until all its children have been walked, and is walked when it is
// final, so that no child can turn up later. What has been walked is forgotten.
type walker struct {
	region
	ctx context.Context
	r   git.ObjectReader
	opt WalkOptions
	// selected are the commits that may be walked; nil is all.
	selected map[git.ObjectID]*git.Commit
	nodes    map[git.ObjectID]*node
	// ready are the nodes that nothing is pending for, and some for which a child was found since: see node.turn.
	ready queue[*node]
}

func (w *walker) start() (err error) {
	if !w.opt.Exclude.IsZero() {
		if w.selected, err = selectCommits(w.ctx, w.r, w.opt); err != nil {
			return err
		}
	}
	c, err := w.r.Commit(w.ctx, w.opt.Start)
	if err != nil {
		return err
	}
	if n := newNode(c); w.mayWalk(n) {
		w.insert(n)
		w.makeReady(n)
	}
	return nil
}

func (w *walker) mayWalk(n *node) bool {
	return !n.commit.Committer.When.Before(w.opt.Since) && (w.selected == nil || w.selected[n.commit.ID] != nil)
}

func (w *walker) insert(n *node) {
	w.nodes[n.commit.ID] = n
	w.add(n)
}

func (w *walker) makeReady(n *node) { n.turn = w.ready.push(n, n.when) }

func (w *walker) run(yield func(*git.Commit, error) bool) error {
	skip, left := w.opt.Skip, w.opt.Limit
	for {
		n, err := w.next()
		if err != nil || n == nil {
			return err
		}
		switch keep, err := w.keeps(n); {
		case err != nil:
			return err
		case keep && skip > 0:
			skip--
		case keep:
			if left--; !yield(n.commit, nil) || left == 0 {
				return nil
			}
		}
		if err := w.leave(n); err != nil {
			return err
		}
	}
}

// keeps reports whether the commit is of the result.
func (w *walker) keeps(n *node) (bool, error) {
	if !w.matches(n.commit) {
		return false, nil
	}
	if !w.opt.Path.IsRoot() && !n.expanded {
		if err := w.expand(n); err != nil {
			return false, err
		}
	}
	return !n.same, nil
}

func (w *walker) matches(c *git.Commit) bool {
	if !w.opt.Until.IsZero() && c.Committer.When.After(w.opt.Until) {
		return false
	}
	author := strings.ToLower(w.opt.Author)
	return strings.Contains(strings.ToLower(c.Author.Name), author) || strings.Contains(strings.ToLower(c.Author.Email), author)
}

// next returns the commit whose turn it is, nil at the end.
func (w *walker) next() (*node, error) {
	for {
		if err := w.ctx.Err(); err != nil {
			return nil, errs.From(err)
		}
		n := w.firstReady()
		if n == nil || w.final(n) {
			return n, nil
		}
		if err := w.expand(w.newest()); err != nil {
			return nil, err
		}
	}
}

func (w *walker) firstReady() *node {
	for w.ready.len() > 0 {
		if first := w.ready.peek(); first.seq == first.value.turn {
			return first.value
		}
		w.ready.pop()
	}
	return nil
}

// leave is done with a commit: its parents need not wait for it any more.
func (w *walker) leave(n *node) error {
	n.turn = 0
	if !n.expanded {
		if err := w.expand(n); err != nil {
			return err
		}
	}
	delete(w.nodes, n.commit.ID)
	for _, p := range n.parents {
		if p.pending--; p.pending == 0 {
			p.children = nil
			w.makeReady(p)
		}
	}
	return nil
}

func (w *walker) expand(n *node) error {
	parents, err := w.follow(n)
	if err != nil {
		return err
	}
	w.close(n)
	for _, p := range parents {
		if !w.mayWalk(p) {
			continue
		}
		if known := w.nodes[p.commit.ID]; known != nil {
			p = known // also if a commit names a parent twice
		} else {
			w.insert(p)
		}
		link(n, p)
		p.pending++
		p.turn = 0
	}
	return nil
}

// follow returns the parents that the walk goes on to, and decides whether the commit changed the path.
func (w *walker) follow(n *node) ([]*node, error) {
	ids := n.commit.Parents
	if w.opt.FirstParent {
		ids = ids[:min(1, len(ids))]
	}
	parents := make([]*node, len(ids))
	for i, id := range ids {
		var err error
		if parents[i], err = w.node(id); err != nil {
			return nil, err
		}
	}
	if w.opt.Path.IsRoot() {
		return parents, nil
	}
	return w.simplify(n, parents)
}

// node returns the node of a parent, a new one if it has not been met.
func (w *walker) node(id git.ObjectID) (*node, error) {
	if n := w.nodes[id]; n != nil {
		return n, nil
	}
	if c := w.selected[id]; c != nil {
		return newNode(c), nil
	}
	c, err := readParent(w.ctx, w.r, id)
	if err != nil {
		return nil, err
	}
	return newNode(c), nil
}
