package history_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/history"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

func TestWalkEqualsGitLog(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		skewed := seed%2 == 1
		g := newGraph(t, rnd, 10+rnd.IntN(50), skewed)
		for range 20 {
			opt := randomOptions(rnd, g)
			if !opt.Path.IsRoot() {
				opt.Exclude = git.ObjectID{} // how git simplifies a merge depends on what it has excluded by then
			}
			if skewed {
				opt.Since = time.Time{} // what git finds behind an older commit depends on what it finds first
			}
			if diff := cmp.Diff(gitLog(g, opt), walk(t, g.objects, opt)); diff != "" {
				t.Errorf("seed %d, %s: git log (-) and Walk (+) differ:\n%s", seed, describe(opt), diff)
			}
		}
	}
}

func TestWalkEqualsItsDefinition(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		g := newGraph(t, rnd, 10+rnd.IntN(100), seed%2 == 1)
		for range 100 {
			opt := randomOptions(rnd, g)
			if diff := cmp.Diff(modelWalk(t, g, opt), walk(t, g.objects, opt)); diff != "" {
				t.Errorf("seed %d, %s: the definition (-) and Walk (+) differ:\n%s", seed, describe(opt), diff)
			}
		}
	}
}

func randomOptions(rnd *rand.Rand, g *graph) history.WalkOptions {
	opt := history.WalkOptions{Start: g.pick(rnd)}
	maybe := func(set func()) {
		if rnd.IntN(3) == 0 {
			set()
		}
	}
	maybe(func() { opt.Exclude = g.pick(rnd) })
	maybe(func() { opt.Path = g.paths[rnd.IntN(len(g.paths))] })
	maybe(func() { opt.FirstParent = true })
	maybe(func() { opt.Author = []string{"ada", "B", "example.ORG"}[rnd.IntN(3)] })
	maybe(func() { opt.Since = time.Unix(epoch+rnd.Int64N(60), 0) })
	maybe(func() { opt.Until = time.Unix(epoch+rnd.Int64N(60), 0) })
	maybe(func() { opt.Skip = rnd.IntN(5) })
	maybe(func() { opt.Limit = 1 + rnd.IntN(10) })
	return opt
}

func describe(opt history.WalkOptions) string {
	return fmt.Sprintf("start %.7s exclude %.7s path %q author %q since %d until %d first-parent %t skip %d limit %d", opt.Start,
		opt.Exclude, opt.Path, opt.Author, opt.Since.Unix(), opt.Until.Unix(), opt.FirstParent, opt.Skip, opt.Limit)
}

func gitLog(g *graph, opt history.WalkOptions) []string {
	args := []string{"log", "--date-order", "--format=%H", opt.Start.String()}
	add := func(given bool, arg string) {
		if given {
			args = append(args, arg)
		}
	}
	add(!opt.Exclude.IsZero(), "^"+opt.Exclude.String())
	add(opt.FirstParent, "--first-parent")
	add(opt.Author != "", "--author="+opt.Author)
	add(opt.Author != "", "--regexp-ignore-case")
	add(!opt.Since.IsZero(), fmt.Sprintf("--since=@%d", opt.Since.Unix()))
	add(!opt.Until.IsZero(), fmt.Sprintf("--until=@%d", opt.Until.Unix()))
	add(opt.Skip > 0, fmt.Sprintf("--skip=%d", opt.Skip))
	add(opt.Limit > 0, fmt.Sprintf("--max-count=%d", opt.Limit))
	add(true, "--")
	add(!opt.Path.IsRoot(), opt.Path.String())
	return g.Lines(args...)
}

// walk returns the IDs of the commits that Walk yields.
func walk(t *testing.T, r git.ObjectReader, opt history.WalkOptions) []string {
	t.Helper()
	ids, err := collect(history.Walk(t.Context(), r, opt))
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func collect(seq iter.Seq2[*git.Commit, error]) (ids []string, err error) {
	for c, err := range seq {
		if err != nil {
			return ids, err
		}
		ids = append(ids, c.ID.String())
	}
	return ids, nil
}

// timeline builds histories in memory, a second between commits.
type timeline struct {
	*gitcmd.Objects
	now int64
}

func newTimeline() *timeline { return &timeline{gitcmd.NewObjects(git.SHA1), epoch} }

func (tl *timeline) commit(parents ...git.ObjectID) git.ObjectID {
	tl.now++
	return tl.commitTree(tl.Format().EmptyTree(), parents...)
}

func (tl *timeline) commitTree(root git.ObjectID, parents ...git.ObjectID) git.ObjectID {
	sig := git.Signature{Name: "A", Email: "a@example.com", When: time.Unix(tl.now, 0)}
	return tl.AddCommit(&git.Commit{Tree: root, Parents: parents, Author: sig, Committer: sig})
}

// line adds a line of n commits and returns its end.
func (tl *timeline) line(n int, parents ...git.ObjectID) git.ObjectID {
	at := tl.commit(parents...)
	for range n - 1 {
		at = tl.commit(at)
	}
	return at
}

// pullRequests adds n merges of short branches, each begun a few merges earlier, so that at any time some are open.
func (tl *timeline) pullRequests(n int, start git.ObjectID) git.ObjectID {
	mainline := []git.ObjectID{start}
	for i := range n {
		fork := mainline[max(0, len(mainline)-1-i%5)]
		topic := tl.line(1+i%3, fork)
		mainline = append(mainline, tl.commit(mainline[len(mainline)-1], topic))
	}
	return mainline[len(mainline)-1]
}

func TestFirstPageReadsNoMoreThanItNeeds(t *testing.T) {
	linear := func(tl *timeline) (start, exclude git.ObjectID) { return tl.line(5000), git.ObjectID{} }
	tests := []struct {
		name string
		make func(*timeline) (start, exclude git.ObjectID)
		opt  history.WalkOptions
		most int64
	}{
		{"of a line", linear, history.WalkOptions{Limit: 10}, 10},
		{"of a line behind a few commits", linear, history.WalkOptions{Limit: 10, Skip: 20}, 30},
		{"of a line since a time", linear, history.WalkOptions{Since: time.Unix(epoch+4991, 0)}, 11},
		{"of first parents", func(tl *timeline) (start, exclude git.ObjectID) {
			return tl.pullRequests(1000, tl.commit()), git.ObjectID{}
		}, history.WalkOptions{Limit: 10, FirstParent: true}, 10},
		{"of pull requests that overlap", func(tl *timeline) (start, exclude git.ObjectID) {
			return tl.pullRequests(1000, tl.commit()), git.ObjectID{}
		}, history.WalkOptions{Limit: 10}, 60},
		{"of two branches with a long past", func(tl *timeline) (start, exclude git.ObjectID) {
			past := tl.line(5000)
			return tl.commit(tl.line(20, past), tl.line(20, past)), git.ObjectID{}
		}, history.WalkOptions{Limit: 10}, 45},
		{"of what a branch is ahead", func(tl *timeline) (start, exclude git.ObjectID) {
			exclude = tl.line(5000)
			return tl.line(10, exclude), exclude
		}, history.WalkOptions{}, 13},
		{"of what a branch is ahead of an overgrown one", func(tl *timeline) (start, exclude git.ObjectID) {
			fork := tl.pullRequests(1000, tl.commit())
			start = tl.line(10, fork)
			return start, tl.pullRequests(10, fork)
		}, history.WalkOptions{}, 120},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tl := newTimeline()
			opt := tt.opt
			opt.Start, opt.Exclude = tt.make(tl)
			if got := walk(t, tl, opt); len(got) != 10 {
				t.Errorf("Walk yields %d commits, want 10", len(got))
			}
			if n := tl.Commits.Load(); n > tt.most {
				t.Errorf("Walk reads %d commits, want %d at most", n, tt.most)
			}
		})
	}
}

func TestWalkOfAPathReadsOnlyTheTreesOnItsWay(t *testing.T) {
	tl := newTimeline()
	file := func(content string) git.TreeEntry {
		return git.TreeEntry{Name: "f", Mode: git.ModeRegular, ID: tl.Add(git.BlobObject, []byte(content))}
	}
	dir := func(name string, entries ...git.TreeEntry) git.TreeEntry {
		return git.TreeEntry{Name: name, Mode: git.ModeDirectory, ID: tl.AddTree(entries...)}
	}
	var at []git.ObjectID
	for i := range 100 {
		tl.now++
		quiet := dir("quiet", dir("deep", file("same")))
		root := tl.AddTree(quiet, dir("busy", file(fmt.Sprint(i))))
		at = []git.ObjectID{tl.commitTree(root, at...)}
	}
	opt := history.WalkOptions{Start: at[0], Path: treePath(t, "quiet/deep/f")}
	if got := walk(t, tl, opt); len(got) != 1 {
		t.Errorf("Walk yields %d commits, want the first one alone", len(got))
	}
	if n := tl.Trees.Load(); n > 102 {
		t.Errorf("Walk reads %d trees, want one a commit and two below", n)
	}
}

func TestWalkIsNotFooledByClocks(t *testing.T) {
	tl := newTimeline()
	root := tl.commit()
	shared := tl.line(3, root)
	tl.now = 1000 // a machine that believes it is 1970
	sleepy := tl.commit(shared)
	tl.now = epoch + 100
	other := tl.commit(root)
	start := tl.commit(sleepy, other)
	got := walk(t, tl, history.WalkOptions{Start: start})
	if got[len(got)-1] != root.String() {
		t.Errorf("Walk ends with %s, want the root %s, which is newer than one of its descendants", got[len(got)-1], root)
	}
}

func TestWalkFails(t *testing.T) {
	tl := newTimeline()
	root := tl.commit()
	start := tl.line(3, root)
	blob := tl.Add(git.BlobObject, []byte("x"))
	unknown := git.SHA1.HashObject(git.BlobObject, []byte("nowhere"))
	broken := newTimeline()
	lost := broken.commit()
	orphan := broken.line(3, lost)
	broken.Remove(lost)
	tests := []struct {
		name string
		r    git.ObjectReader
		opt  history.WalkOptions
		want errs.Reason
	}{
		{"negative skip", tl, history.WalkOptions{Start: start, Skip: -1}, errs.ReasonInvalidArgument},
		{"negative limit", tl, history.WalkOptions{Start: start, Limit: -1}, errs.ReasonInvalidArgument},
		{"unknown start", tl, history.WalkOptions{Start: unknown}, errs.ReasonObjectNotFound},
		{"start that is a blob", tl, history.WalkOptions{Start: blob}, errs.ReasonNotACommit},
		{"unknown exclude", tl, history.WalkOptions{Start: start, Exclude: unknown}, errs.ReasonObjectNotFound},
		{"missing parent", broken, history.WalkOptions{Start: orphan}, errs.ReasonRepositoryCorrupt},
		{"missing parent of exclude", broken, history.WalkOptions{Start: broken.commit(), Exclude: orphan}, errs.ReasonRepositoryCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := collect(history.Walk(t.Context(), tt.r, tt.opt)); !errs.Is(err, tt.want) {
				t.Errorf("Walk fails with %v, want %s", err, tt.want)
			}
		})
	}
}

func TestWalkEndsWithItsContext(t *testing.T) {
	tl := newTimeline()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seq := history.Walk(ctx, tl, history.WalkOptions{Start: tl.line(5)})
	var err error
	for _, err = range seq {
		cancel()
	}
	if !errs.Is(err, errs.ReasonCanceled) {
		t.Errorf("Walk ends with %v, want CANCELED", err)
	}
}
