package gitcli

import (
	"context"
	"runtime"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// Asking git for one object takes tens of microseconds, of which reading the object is the smaller part. Whoever walks
// trees or history therefore reads ahead of itself into the cache, with exchanges that get larger the further the walk
// goes: one that ends soon has read little in vain.

const (
	// maxAhead is the most objects that are read with one exchange.
	maxAhead = 64
	// yieldAfter is how many objects a walk looks at, in up to a millisecond, before others may go on. Go takes the core from
	// whoever has it after ten; with several walks on each, whoever asks for something else would wait that long for each,
	// and more than once.
	yieldAfter = 256
)

// yields lets others go on now and then.
type yields int

func (y *yields) step() {
	if *y++; *y%yieldAfter == 0 {
		runtime.Gosched()
	}
}

// treesAhead reads the trees of one walk that goes through directories in their order. It is used by one goroutine.
type treesAhead struct {
	*objects
	// siblings are the directories that follow one in its parent.
	siblings map[git.ObjectID][]git.ObjectID
	window   int
	yields   yields
}

func newTreesAhead(o *objects) *treesAhead {
	return &treesAhead{objects: o, siblings: map[git.ObjectID][]git.ObjectID{}, window: 1}
}

// Tree implements [git.ObjectReader].
func (a *treesAhead) Tree(ctx context.Context, id git.ObjectID) ([]git.TreeEntry, error) {
	a.yields.step()
	following := a.siblings[id]
	if len(following) > 0 && !a.cached(id) {
		a.window = min(2*a.window, maxAhead)
		wanted := append([]git.ObjectID{id}, following[:min(len(following), a.window-1)]...)
		if err := a.fetch(ctx, wanted); err != nil {
			return nil, err
		}
	}
	entries, err := a.objects.Tree(ctx, id)
	a.learn(entries)
	return entries, err
}

func (a *treesAhead) learn(entries []git.TreeEntry) {
	var dirs []git.ObjectID
	for _, e := range entries {
		if e.Mode == git.ModeDirectory {
			dirs = append(dirs, e.ID)
		}
	}
	for i, id := range dirs {
		a.siblings[id] = dirs[i+1:]
	}
}

// historyAhead reads the commits of one walk. It is used by one goroutine.
type historyAhead struct {
	*objects
	// windows say how much is to be read from a commit on: those where what was read last leads to.
	windows map[git.ObjectID]int
	yields  yields
}

func newHistoryAhead(o *objects) *historyAhead {
	return &historyAhead{objects: o, windows: map[git.ObjectID]int{}}
}

// Commit implements [git.ObjectReader].
func (a *historyAhead) Commit(ctx context.Context, id git.ObjectID) (*git.Commit, error) {
	a.yields.step()
	if !a.cached(id) {
		window := max(1, a.windows[id])
		delete(a.windows, id)
		if err := a.fetchLine(ctx, id, window); err != nil {
			return nil, err
		}
	}
	return a.objects.Commit(ctx, id)
}

// fetchLine reads a commit and what is reached from it over first parents, n commits in all.
func (a *historyAhead) fetchLine(ctx context.Context, id git.ObjectID, n int) error {
	found, err := a.reader.Ancestors(ctx, id, n)
	if err != nil {
		return err
	}
	a.keepAll(found)
	if len(found) < n {
		return nil
	}
	last, err := a.objects.Commit(ctx, found[n-1].ID)
	if err == nil && len(last.Parents) > 0 {
		a.windows[last.Parents[0]] = min(2*n, maxAhead)
	}
	return nil // what is wrong with that commit is told to whoever asks for it
}
