package gitcli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/pathrule"
	"github.com/gitstore-dev/gitstore/domain/tree"
)

var (
	// errLinks is why a ref is refused that brings what commits over the API cannot bring either.
	errLinks = errs.New(errs.ReasonInvalidMode, "symbolic links and submodules are not taken here")
	// errDeep is why a ref is refused that brings files which could not be asked for.
	errDeep = errs.New(errs.ReasonInvalidPath, "paths are taken of 64 components and 4096 bytes at most")
	// errWide is why a ref is refused that brings a directory which would cost its readers too much.
	errWide = errs.New(errs.ReasonPackTooLarge, fmt.Sprintf("directories are taken of %d entries at most: use several", git.MaxTreeEntries))
)

const (
	// dirStep is what the name of a directory and the slash behind it count for in a path of [git.MaxTreePath] bytes, or a multiple
	// of it. So there are 64 places at most where a tree may lie deeper than before, and it is read no more often.
	dirStep = 64
	// treeCache is the most that the trees in memory weigh which a push brings or is compared with: those of a commit are mostly
	// those of the one before it. They are not put into the store's cache, as they would drive out what others read.
	treeCache = 8 << 20
	// maxBases is with how many of its parents a merge is compared, and with how many others in its place a tree that comes again
	// and again. What it has of more of them counts as brought.
	maxBases = 16
	// maxTreeChecks is how often the trees of a push are looked at, each time without those of the refs at fault that were found before.
	maxTreeChecks = 4
)

// checkTrees refuses the refs that bring paths which are too long or too deep to be read, directories of too many entries and,
// if the push may bring no links, symbolic links and submodules: whoever checks them out may be led elsewhere. It looks at every commit
// that comes, not at where the refs will be alone, and of it at what differs from its parents: merges are held to what none of them has.
// Each tree that comes is read once where none lies at several depths or takes the place of several others, and a few times at most, so
// directories that are named again and again cost nothing. A tree that several commits bring is held against the first of them alone:
// so after refs were refused the others are looked at anew, without them.
func (p *push) checkTrees(ctx context.Context, q *quarantine, links bool) error {
	if q == nil {
		return nil
	}
	trees := *q.objects
	trees.cache, trees.maxEntries = newObjectCache(treeCache), git.MaxTreeEntries
	check := &treeCheck{ctx: ctx, commits: q.objects, trees: &trees, links: links, seed: maphash.MakeSeed()}
	for left := maxTreeChecks; left > 0; left-- {
		var ids []git.ObjectID
		for _, c := range p.req.commands {
			if c.refused == nil && !c.update.New.IsZero() {
				ids = append(ids, c.update.New)
			}
		}
		if len(ids) == 0 {
			break
		}
		check.seen, check.faults = map[git.ObjectID]looks{}, map[git.ObjectID]error{}
		if err := check.reach(p.repo.store.runner, q, ids); err != nil {
			return err
		}
		if len(check.faults) == 0 {
			break
		}
		if err := p.blame(ctx, q, check.faults, left == 1); err != nil {
			return err
		}
	}
	if more := check.total - len(check.told); more > 0 {
		check.told = append(check.told, fmt.Sprintf("... and %d more", more))
	}
	p.reply.say(check.told...)
	return nil
}

// blame refuses the commands that lead to commits at fault and, if it is the last time, the others.
func (p *push) blame(ctx context.Context, q *quarantine, faults map[git.ObjectID]error, last bool) error {
	var others error
	for i := range p.req.commands {
		c := &p.req.commands[i]
		if c.refused != nil || c.update.New.IsZero() {
			continue
		}
		commit, _, err := q.objects.Peel(ctx, c.update.New)
		if err != nil {
			return err
		}
		if c.refused = faults[commit]; c.refused != nil {
			others = errs.New(errs.ReasonOf(c.refused), "other refs of the push bring what is not taken here: push this one by itself")
		}
	}
	for i := range p.req.commands {
		if c := &p.req.commands[i]; last && c.refused == nil && !c.update.New.IsZero() {
			c.refused = others
		}
	}
	return nil
}

// reach looks at all that the ids lead to and the refs of the repository do not.
func (t *treeCheck) reach(runner *command.Runner, q *quarantine, ids []git.ObjectID) error {
	var some []git.ObjectID
	commits := &lineWriter{each: func(line string) error {
		id, err := git.ParseObjectID(line)
		if some = append(some, id); err != nil || len(some) < maxAhead {
			return err
		}
		err = t.look(some)
		some = some[:0]
		return err
	}}
	// Parents come first: what a commit has of them was looked at.
	err := runner.Exchange(t.ctx, q.dir, command.Git("rev-list", "--stdin", "--topo-order", "--reverse").Bounded(), q.news(ids), commits)
	if err != nil {
		return err
	}
	return t.look(some)
}

// treeCheck looks at commits.
type treeCheck struct {
	ctx     context.Context
	commits *objects
	trees   *objects
	links   bool
	// places are still to be looked at.
	places []place
	// seen are the trees that have been, and will be, looked at.
	seen map[git.ObjectID]looks
	seed maphash.Seed
	// faults are what is wrong with commits or with what they go on from, and told are the first of total reasons.
	faults map[git.ObjectID]error
	told   []string
	total  int
}

// place is where a tree lies in a commit. A push may have a million.
type place struct {
	commit *git.ObjectID
	tree   git.ObjectID
	// bases are what the parents of the commit have there.
	bases []git.ObjectID
	dir   *directory
	// bytes are those of the path in front of the names of the tree, in steps.
	bytes int32
	// links reports that links are to be found there which none of the bases has.
	links bool
}

// looks are the places where a tree was looked at. A push may have a million.
type looks struct {
	// bases are hashes of the bases of the places where links were found which these have not; nil if there are none.
	bases *[]uint64
	// bytes are those of the longest path to one of them.
	bytes int32
	// links reports that all links in the tree were found, whatever is in its place elsewhere.
	links bool
}

func (l *looks) hashes() []uint64 {
	if l.bases == nil {
		return nil
	}
	return *l.bases
}

// directory is the path of a place; nil is the root.
type directory struct {
	above *directory
	name  string
}

func (d *directory) join(name string) string {
	for ; d != nil; d = d.above {
		name = d.name + "/" + name
	}
	return name
}

// lineWriter calls each with every line that is written to it, and fails as it does.
type lineWriter struct {
	each func(string) error
	// rest is the beginning of a line whose end did not come yet.
	rest []byte
}

// Write implements io.Writer.
func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		if err := w.each(string(line)); err != nil {
			return 0, err
		}
		w.rest = rest
	}
}

// look looks at commits.
func (t *treeCheck) look(ids []git.ObjectID) error {
	if err := t.commits.fetch(t.ctx, ids); err != nil {
		return err
	}
	parents := make([][]git.ObjectID, len(ids))
	for i, id := range ids {
		c, err := t.commits.Commit(t.ctx, id)
		if err != nil {
			return err
		}
		parents[i] = c.Parents
		root := place{commit: new(id), tree: c.Tree}
		for _, id := range c.Parents[:min(len(c.Parents), maxBases)] {
			parent, err := t.commits.Commit(t.ctx, id)
			if err != nil {
				return err
			}
			root.bases = append(root.bases, parent.Tree)
		}
		t.come(root)
	}
	for len(t.places) > 0 {
		some := slices.Clone(t.places[max(0, len(t.places)-maxAhead):])
		t.places = t.places[:len(t.places)-len(some)]
		var ids []git.ObjectID
		for _, p := range some {
			ids = append(append(ids, p.tree), p.bases...)
		}
		if err := t.trees.fetch(t.ctx, ids); err != nil {
			return err
		}
		for _, p := range some {
			if err := t.read(p); err != nil {
				return err
			}
		}
	}
	if len(t.faults) > 0 {
		t.inherit(ids, parents)
	}
	return nil
}

// inherit has commits at fault that go on from others which are.
func (t *treeCheck) inherit(ids []git.ObjectID, parents [][]git.ObjectID) {
	for i, id := range ids {
		for _, parent := range parents[i] {
			if why := t.faults[parent]; why != nil && t.faults[id] == nil {
				t.faults[id] = why
			}
		}
	}
}

// come keeps a place to be looked at, unless all that could be found there was found.
func (t *treeCheck) come(p place) {
	if slices.Contains(p.bases, p.tree) {
		return
	}
	seen, again := t.seen[p.tree]
	hashes := seen.hashes()
	if len(hashes) == maxBases {
		p.bases = nil
	}
	if hash := t.hash(p.bases); !t.links && !seen.links && !slices.Contains(hashes, hash) {
		if p.links, seen.links = true, len(p.bases) == 0; !seen.links {
			hashes = append(hashes, hash)
			seen.bases = &hashes
		}
	}
	if again && !p.links && p.bytes <= seen.bytes {
		return
	}
	seen.bytes = max(seen.bytes, p.bytes)
	t.seen[p.tree] = seen
	t.places = append(t.places, p)
}

func (t *treeCheck) hash(ids []git.ObjectID) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, id := range ids {
		_, _ = h.Write(id.Bytes())
	}
	return h.Sum64()
}

// read looks at the entries of a tree that none of its bases has.
func (t *treeCheck) read(p place) error {
	entries, err := t.trees.Tree(t.ctx, p.tree)
	if errors.Is(err, errWide) {
		t.refuse(*p.commit, errWide, "too many entries in directory /"+p.dir.join(""))
		return nil
	}
	if err != nil {
		return err
	}
	known := make([]bool, len(entries))
	below := map[string][]git.ObjectID{}
	for _, base := range p.bases { // one after the other: each may be large
		old, err := t.trees.Tree(t.ctx, base)
		if errors.Is(err, errWide) {
			continue // it was not pushed, and what it had counts as brought
		}
		if err != nil {
			return err
		}
		for i, e := range entries {
			was, ok := tree.Find(old, e.Name)
			switch {
			case !ok:
			case was.ID == e.ID && was.Mode == e.Mode:
				known[i] = true
			case was.Mode == git.ModeDirectory && e.Mode == git.ModeDirectory:
				below[e.Name] = append(below[e.Name], was.ID)
			}
		}
	}
	for i, e := range entries {
		if !known[i] {
			t.judge(p, e, below[e.Name])
		}
	}
	return nil
}

func (t *treeCheck) judge(p place, e git.TreeEntry, bases []git.ObjectID) {
	if int(p.bytes)+len(e.Name) > git.MaxTreePath {
		t.refuse(*p.commit, errDeep, "a path is too long or too deep: "+p.dir.join(e.Name))
		return
	}
	if what := linkOf(e); what != "" && p.links {
		t.refuse(*p.commit, errLinks, p.dir.join(e.Name)+" is "+what)
	}
	if e.Mode == git.ModeDirectory {
		steps := (len(e.Name) + 1 + dirStep - 1) / dirStep
		t.come(place{commit: p.commit, tree: e.ID, bases: bases, dir: &directory{p.dir, strings.Clone(e.Name)}, bytes: p.bytes + int32(steps*dirStep)}) //nolint:gosec // it was held to git.MaxTreePath
	}
}

// linkOf says what an entry is that leads elsewhere, "" if it does not.
func linkOf(e git.TreeEntry) string {
	switch e.Mode {
	case git.ModeSymlink:
		return "a symbolic link"
	case git.ModeSubmodule:
		return "a submodule"
	}
	path, err := git.ParseTreePath(e.Name)
	if err == nil && errs.Is(pathrule.Check(path), errs.ReasonReservedPath) {
		return "a list of submodules"
	}
	return ""
}

func (t *treeCheck) refuse(commit git.ObjectID, why error, what string) {
	if t.faults[commit] == nil {
		t.faults[commit] = why
	}
	t.total++
	if len(t.told) < maxComplaints {
		t.told = append(t.told, plain("commit "+commit.String()+": "+what, maxProblemLine))
	}
}
