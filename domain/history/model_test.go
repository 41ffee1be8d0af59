package history_test

import (
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/history"
	"github.com/gitstore-dev/gitstore/domain/tree"
)

// model is what Walk promises, computed over the whole history and without regard to cost.
type model struct {
	*graph
	t        *testing.T
	opt      history.WalkOptions
	excluded map[git.ObjectID]bool
	// parents holds the commits walked, each with the parents it is walked to.
	parents map[git.ObjectID][]git.ObjectID
	pending map[git.ObjectID]int
	same    map[git.ObjectID]bool
}

func modelWalk(t *testing.T, g *graph, opt history.WalkOptions) []string {
	m := &model{
		graph: g, t: t, opt: opt,
		excluded: map[git.ObjectID]bool{}, parents: map[git.ObjectID][]git.ObjectID{},
		pending: map[git.ObjectID]int{}, same: map[git.ObjectID]bool{},
	}
	if !opt.Exclude.IsZero() {
		m.exclude(opt.Exclude)
	}
	m.reach(opt.Start)
	return m.filter(m.order())
}

func (m *model) exclude(id git.ObjectID) {
	if !m.excluded[id] {
		m.excluded[id] = true
		for _, p := range m.commit(id).Parents {
			m.exclude(p)
		}
	}
}

func (m *model) commit(id git.ObjectID) *git.Commit { return commitOf(m.t, m.objects, id) }

func (m *model) reach(id git.ObjectID) {
	_, known := m.parents[id]
	if known || m.excluded[id] || m.commit(id).Committer.When.Before(m.opt.Since) {
		return
	}
	parents := m.commit(id).Parents
	if m.opt.FirstParent && len(parents) > 1 {
		parents = parents[:1]
	}
	parents, m.same[id] = m.simplify(id, parents)
	m.parents[id] = parents
	for _, p := range parents {
		m.reach(p)
	}
	for _, p := range parents {
		m.pending[p]++
	}
}

// simplify is the default mode of git-log(1), "History Simplification".
func (m *model) simplify(id git.ObjectID, parents []git.ObjectID) (follow []git.ObjectID, same bool) {
	if m.opt.Path.IsRoot() {
		return parents, false
	}
	here := m.entry(id)
	if len(parents) == 0 {
		return nil, here.Mode == 0
	}
	differs := map[bool]int{}
	judges := map[bool]int{}
	for _, p := range parents {
		relevant := !m.excluded[p] || p == m.opt.Exclude
		judges[relevant]++
		if m.entry(p) != here {
			differs[relevant]++
		} else if relevant {
			return []git.ObjectID{p}, true
		}
	}
	return parents, differs[judges[true] > 0] == 0
}

func (m *model) entry(id git.ObjectID) git.TreeEntry {
	e, err := tree.Lookup(m.t.Context(), m.objects, m.commit(id).Tree, m.opt.Path)
	if err != nil {
		return git.TreeEntry{}
	}
	return e
}

// order takes, again and again, the newest commit whose children are all taken; of several the one that was free first.
func (m *model) order() (ordered []*git.Commit) {
	if _, ok := m.parents[m.opt.Start]; !ok {
		return nil
	}
	free := []*git.Commit{m.commit(m.opt.Start)}
	for len(free) > 0 {
		newest := 0
		for i, c := range free {
			if c.Committer.When.After(free[newest].Committer.When) {
				newest = i
			}
		}
		c := free[newest]
		ordered = append(ordered, c)
		free = append(free[:newest:newest], free[newest+1:]...)
		for _, p := range m.parents[c.ID] {
			_, walked := m.parents[p]
			if m.pending[p]--; m.pending[p] == 0 && walked {
				free = append(free, m.commit(p))
			}
		}
	}
	return ordered
}

func (m *model) filter(commits []*git.Commit) (ids []string) {
	skip := m.opt.Skip
	for _, c := range commits {
		author := strings.ToLower(c.Author.Name + "\n" + c.Author.Email)
		switch {
		case m.same[c.ID],
			!m.opt.Until.IsZero() && c.Committer.When.After(m.opt.Until),
			!strings.Contains(author, strings.ToLower(m.opt.Author)):
		case skip > 0:
			skip--
		case m.opt.Limit == 0 || len(ids) < m.opt.Limit:
			ids = append(ids, c.ID.String())
		}
	}
	return ids
}
