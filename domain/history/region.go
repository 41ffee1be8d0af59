package history

import "github.com/gitstore-dev/gitstore/domain/git"

// node is a commit of a region.
type node struct {
	commit *git.Commit
	when   int64
	// parents are those that the walk follows, known once the node is expanded; children those it was reached from and
	// that are still to be walked.
	parents, children []*node
	expanded          bool
	// covers says that every open node is known to be an ancestor of this one, or this one itself. It stays true:
	// whatever opens later is an ancestor of what was open.
	covers bool
	// visited is the search that last came by.
	visited int

	// excluded is set where commits are left out, the rest below where they are put in order.
	excluded bool
	// pending counts the children that are to be walked before this one.
	pending int
	// turn is the node's place in the queue of those that nothing is pending for; 0 is none.
	turn int
	// same says that the commit changed nothing at the path that is asked for.
	same  bool
	trail *trail
}

func newNode(c *git.Commit) *node { return &node{commit: c, when: c.Committer.When.Unix()} }

// region is the part of a history that has been read so far. Its open nodes are those whose parents have not been
// looked at: whatever is still unknown lies behind them. That is what makes a lazy walk exact without trusting clocks:
// a history has no cycle, so no ancestor of a commit leads back to it, and if all open nodes are its ancestors then
// everything that leads to it has been seen.
type region struct {
	frontier queue[*node]
	open     int
	// expanded counts the nodes expanded; a search is worth repeating at retryAt.
	expanded, retryAt int
	search            int
}

func (g *region) add(n *node) {
	n.expanded = false
	g.frontier.push(n, n.when)
	g.open++
}

// close takes an open node off the frontier.
func (g *region) close(n *node) {
	n.expanded = true
	g.open--
	g.expanded++
}

// newest returns the newest open node, of which there has to be one.
func (g *region) newest() *node {
	for g.frontier.peek().value.expanded {
		g.frontier.pop()
	}
	return g.frontier.peek().value
}

func link(child, parent *node) {
	child.parents = append(child.parents, parent)
	parent.children = append(parent.children, child)
}

// final reports whether it is known that nothing unread leads to n. A false answer may be for lack of a search.
func (g *region) final(n *node) bool {
	switch {
	case g.open == 0 || n.covers:
		return true
	case g.open == 1:
		cover(g.newest())
	case g.expanded >= g.retryAt:
		n.covers = g.reachesAllOpen(n)
	}
	return n.covers
}

// cover marks n, which reaches all open nodes, and with it what reaches n.
func cover(n *node) {
	for stack := []*node{n}; len(stack) > 0; {
		n, stack = stack[len(stack)-1], stack[:len(stack)-1]
		if !n.covers {
			n.covers = true
			stack = append(stack, n.children...)
		}
	}
}

const (
	// maxSearch bounds the nodes of one search; where more branches lie side by side, more is read instead.
	maxSearch = 4096
	// searchPerRead is how many nodes of a search cost about as much as reading a commit.
	searchPerRead = 64
)

// reachesAllOpen searches the region below n for all open nodes.
func (g *region) reachesAllOpen(n *node) bool {
	g.search++
	found, steps := 0, 0
	for stack := []*node{n}; len(stack) > 0 && steps < maxSearch; steps++ {
		n, stack = stack[len(stack)-1], stack[:len(stack)-1]
		switch {
		case n.covers:
			return true
		case n.visited == g.search:
			continue
		case !n.expanded:
			if found++; found == g.open {
				return true
			}
		}
		n.visited = g.search
		stack = append(stack, n.parents...)
	}
	g.retryAt = g.expanded + 1 + steps/searchPerRead
	return false
}
