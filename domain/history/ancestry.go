package history

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// MergeBase returns the best common ancestor of two commits: one that no other common ancestor descends from, as
// git-merge-base(1) says; of several the newest by committer time, then the one with the lowest ID. It is zero if they
// have no ancestor in common. A commit is an ancestor of itself. It reads the history down to the common ancestors; it
// fails with OBJECT_NOT_FOUND and NOT_A_COMMIT for a and b, and with REPOSITORY_CORRUPT.
func MergeBase(ctx context.Context, r git.ObjectReader, a, b git.ObjectID) (git.ObjectID, error) {
	p := newPainter(ctx, r)
	if err := p.paint(a, b, nil); err != nil {
		return git.ObjectID{}, err
	}
	return p.best()
}

// IsAncestor reports whether ancestor can be reached from descendant; a commit is an ancestor of itself. It reads the
// history down to the common ancestors and fails as [MergeBase] does.
func IsAncestor(ctx context.Context, r git.ObjectReader, ancestor, descendant git.ObjectID) (bool, error) {
	p := newPainter(ctx, r)
	reached := func() bool { return p.nodes[ancestor] != nil && p.nodes[ancestor].color&right != 0 }
	if err := p.paint(ancestor, descendant, reached); err != nil {
		return false, err
	}
	return reached(), nil
}

// color says from where a commit was reached.
type color uint8

const (
	left color = 1 << iota
	right
	// stale marks what lies below a common ancestor.
	stale
)

type paintedCommit struct {
	id      git.ObjectID
	parents []git.ObjectID
	when    int64
	color   color
	queued  bool
	common  bool
}

// painter walks down from two commits at once, as git's paint_down_to_common (commit-reach.c) does.
type painter struct {
	ctx   context.Context
	r     git.ObjectReader
	nodes map[git.ObjectID]*paintedCommit
	queue queue[*paintedCommit]
	// fresh is how many commits of the queue are not stale.
	fresh  int
	common []*paintedCommit
}

func newPainter(ctx context.Context, r git.ObjectReader) *painter {
	return &painter{ctx: ctx, r: r, nodes: map[git.ObjectID]*paintedCommit{}}
}

// paint goes on until everything that is left lies below a common ancestor, or done says so.
func (p *painter) paint(a, b git.ObjectID, done func() bool) error {
	if err := p.add(a, left, p.r.Commit); err != nil {
		return err
	}
	if err := p.add(b, right, p.r.Commit); err != nil {
		return err
	}
	parent := func(ctx context.Context, id git.ObjectID) (*git.Commit, error) { return readParent(ctx, p.r, id) }
	for p.fresh > 0 && (done == nil || !done()) {
		if err := p.ctx.Err(); err != nil {
			return errs.From(err)
		}
		n := p.take()
		for _, id := range n.parents {
			if err := p.add(id, p.inherited(n), parent); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *painter) take() *paintedCommit {
	n := p.queue.pop()
	n.queued = false
	if n.color&stale == 0 {
		p.fresh--
	}
	if n.color == left|right && !n.common {
		n.common = true
		p.common = append(p.common, n)
	}
	return n
}

func (p *painter) inherited(n *paintedCommit) color {
	if n.color == left|right {
		return n.color | stale
	}
	return n.color
}

func (p *painter) add(id git.ObjectID, c color, read func(context.Context, git.ObjectID) (*git.Commit, error)) error {
	n := p.nodes[id]
	if n == nil {
		commit, err := read(p.ctx, id)
		if err != nil {
			return err
		}
		n = &paintedCommit{id: id, parents: commit.Parents, when: commit.Committer.When.Unix()}
		p.nodes[id] = n
	}
	if n.color|c == n.color {
		return nil
	}
	wasFresh := n.queued && n.color&stale == 0
	n.color |= c
	isFresh := n.color&stale == 0
	if !n.queued {
		n.queued = true
		p.queue.push(n, n.when)
	}
	switch {
	case isFresh && !wasFresh:
		p.fresh++
	case wasFresh && !isFresh:
		p.fresh--
	}
	return nil
}

// best chooses among the common ancestors. Where clocks are wrong, one may have been found before another that
// descends from it.
func (p *painter) best() (git.ObjectID, error) {
	bases := slices.DeleteFunc(p.common, func(n *paintedCommit) bool { return n.color&stale != 0 })
	slices.SortFunc(bases, func(a, b *paintedCommit) int {
		return cmp.Or(cmp.Compare(b.when, a.when), strings.Compare(a.id.String(), b.id.String()))
	})
	for i, base := range bases {
		redundant, err := p.reachedFromAnother(base, bases, i)
		if err != nil || !redundant {
			return base.id, err
		}
	}
	return git.ObjectID{}, nil
}

func (p *painter) reachedFromAnother(base *paintedCommit, bases []*paintedCommit, i int) (bool, error) {
	for j, other := range bases {
		if i == j {
			continue
		}
		if ok, err := IsAncestor(p.ctx, p.r, base.id, other.id); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// readParent reads a commit that another one names. It is the repository's fault if that is missing.
func readParent(ctx context.Context, r git.ObjectReader, id git.ObjectID) (*git.Commit, error) {
	c, err := r.Commit(ctx, id)
	if errs.Is(err, errs.ReasonObjectNotFound, errs.ReasonNotACommit) {
		return nil, errs.Wrap(err, errs.ReasonRepositoryCorrupt, "the history is broken: a parent is missing or no commit",
			errs.MetaObject, id.String())
	}
	return c, err
}
