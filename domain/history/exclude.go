package history

import (
	"context"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// selector finds the commits that can be reached from one commit and not from another.
type selector struct {
	region
	ctx         context.Context
	r           git.ObjectReader
	firstParent bool
	nodes       map[git.ObjectID]*node
	// wanted counts the open nodes that are not excluded.
	wanted int
}

// selectCommits returns the commits of opt.Start, along first parents if opt says so, without those of opt.Exclude. It
// reads what it returns and the history of both down to where they meet.
func selectCommits(ctx context.Context, r git.ObjectReader, opt WalkOptions) (map[git.ObjectID]*git.Commit, error) {
	s := &selector{ctx: ctx, r: r, firstParent: opt.FirstParent, nodes: map[git.ObjectID]*node{}}
	if err := s.start(opt.Start, opt.Exclude); err != nil {
		return nil, err
	}
	for s.wanted > 0 || !s.settled() {
		if err := ctx.Err(); err != nil {
			return nil, errs.From(err)
		}
		if err := s.expand(s.newest()); err != nil {
			return nil, err
		}
	}
	commits := make(map[git.ObjectID]*git.Commit)
	for id, n := range s.nodes {
		if !n.excluded {
			commits[id] = n.commit
		}
	}
	return commits, nil
}

func (s *selector) start(start, exclude git.ObjectID) error {
	for _, id := range []git.ObjectID{exclude, start} {
		if s.nodes[id] != nil {
			continue
		}
		c, err := s.r.Commit(s.ctx, id)
		if err != nil {
			return err
		}
		s.insert(c, id == exclude)
	}
	return nil
}

func (s *selector) insert(c *git.Commit, excluded bool) *node {
	n := newNode(c)
	n.excluded = excluded
	s.nodes[c.ID] = n
	s.reopen(n)
	return n
}

func (s *selector) reopen(n *node) {
	s.add(n)
	if !n.excluded {
		s.wanted++
	}
}

func (s *selector) expand(n *node) error {
	s.close(n)
	if !n.excluded {
		s.wanted--
	}
	for _, id := range s.follow(n)[len(n.parents):] {
		p := s.nodes[id]
		if p == nil {
			c, err := readParent(s.ctx, s.r, id)
			if err != nil {
				return err
			}
			p = s.insert(c, n.excluded)
		}
		link(n, p)
		if n.excluded {
			s.exclude(p)
		}
	}
	return nil
}

func (s *selector) follow(n *node) []git.ObjectID {
	if s.firstParent && !n.excluded {
		return n.commit.Parents[:min(1, len(n.commit.Parents))]
	}
	return n.commit.Parents
}

// exclude marks n and its ancestors, and looks again at those of which not all parents were followed. (These have been
// wanted as first parents of first parents, so the commits still wanted reach them: what is final stays so.)
func (s *selector) exclude(n *node) {
	for stack := []*node{n}; len(stack) > 0; {
		n, stack = stack[len(stack)-1], stack[:len(stack)-1]
		if n.excluded {
			continue
		}
		if !n.expanded {
			s.wanted--
		}
		n.excluded = true
		if n.expanded && len(n.parents) < len(n.commit.Parents) {
			s.reopen(n)
		}
		stack = append(stack, n.parents...)
	}
}

// settled reports whether no commit that is wanted now can turn out to be excluded.
func (s *selector) settled() bool {
	if s.open == 0 {
		return true
	}
	if s.expanded < s.retryAt {
		return false
	}
	for _, n := range s.nodes {
		if !n.excluded && s.isLast(n) && !s.final(n) {
			s.retryAt = max(s.retryAt, s.expanded+1+len(s.nodes)/searchPerRead)
			return false
		}
	}
	return true
}

// isLast reports whether no parent of n is wanted. What is known to be final for it is so for its descendants.
func (s *selector) isLast(n *node) bool {
	for _, p := range n.parents {
		if !p.excluded {
			return false
		}
	}
	return true
}
