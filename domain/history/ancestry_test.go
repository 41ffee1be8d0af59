package history_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/history"
)

func TestAncestryEqualsGitMergeBase(t *testing.T) {
	for seed := range uint64(10) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		g := newGraph(t, rnd, 10+rnd.IntN(50), seed%2 == 1)
		for range 20 {
			a, b := g.pick(rnd), g.pick(rnd)
			got, err := history.MergeBase(t.Context(), g.objects, a, b)
			if err != nil {
				t.Fatal(err)
			}
			out, _ := g.Try(nil, "merge-base", "--all", a.String(), b.String()) // it fails if there is none
			if bases := strings.Fields(string(out)); !got.IsZero() && !slices.Contains(bases, got.String()) || got.IsZero() && len(bases) > 0 {
				t.Errorf("seed %d: MergeBase(%s, %s) = %q, want one of %q", seed, a, b, got, bases)
			}
			_, fails := g.Try(nil, "merge-base", "--is-ancestor", a.String(), b.String())
			if is, err := history.IsAncestor(t.Context(), g.objects, a, b); err != nil || is != (fails == nil) {
				t.Errorf("seed %d: IsAncestor(%s, %s) = %t, %v, want %t", seed, a, b, is, err, fails == nil)
			}
		}
	}
}

func TestMergeBaseOfACrissCrossIsTheNewest(t *testing.T) {
	tl := newTimeline()
	root := tl.commit()
	older, newer := tl.commit(root), tl.commit(root)
	left, right := tl.commit(older, newer), tl.commit(newer, older)
	for _, pair := range [][2]git.ObjectID{{left, right}, {right, left}} {
		if got, err := history.MergeBase(t.Context(), tl, pair[0], pair[1]); err != nil || got != newer {
			t.Errorf("MergeBase = %v, %v, want the newer one, %v", got, err, newer)
		}
	}
}

func TestMergeBaseIsNoAncestorOfAnotherWhateverTheClocksSay(t *testing.T) {
	tl := newTimeline()
	tl.now += 1000
	newer := tl.commit() // by its clock alone
	tl.now -= 2000
	best := tl.commit(newer)
	tl.now += 2000
	a, b := tl.commit(best, newer), tl.commit(newer, best)
	if got, err := history.MergeBase(t.Context(), tl, a, b); err != nil || got != best {
		t.Errorf("MergeBase = %v, %v, want %v", got, err, best)
	}
}

func TestAncestryReadsNoFurtherThanTheForkPoint(t *testing.T) {
	tl := newTimeline()
	fork := tl.line(5000)
	a, b := tl.line(10, fork), tl.line(10, fork)
	if got, err := history.MergeBase(t.Context(), tl, a, b); err != nil || got != fork {
		t.Errorf("MergeBase = %v, %v, want %v", got, err, fork)
	}
	if is, err := history.IsAncestor(t.Context(), tl, fork, b); err != nil || !is {
		t.Errorf("IsAncestor = %t, %v, want true", is, err)
	}
	if is, err := history.IsAncestor(t.Context(), tl, a, b); err != nil || is {
		t.Errorf("IsAncestor = %t, %v, want false", is, err)
	}
	if n := tl.Commits.Load(); n > 60 {
		t.Errorf("%d commits are read, want 60 at most", n)
	}
}

func TestAncestryFails(t *testing.T) {
	tl := newTimeline()
	lost := tl.commit()
	head := tl.line(3, lost)
	unknown := git.SHA1.HashObject(git.BlobObject, []byte("nowhere"))
	blob := tl.Add(git.BlobObject, nil)
	tests := []struct {
		name string
		a, b git.ObjectID
		want errs.Reason
	}{
		{"unknown commit", head, unknown, errs.ReasonObjectNotFound},
		{"no commit", blob, head, errs.ReasonNotACommit},
		{"missing parent", head, tl.commit(), errs.ReasonRepositoryCorrupt},
	}
	tl.Remove(lost)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := history.MergeBase(t.Context(), tl, tt.a, tt.b); !errs.Is(err, tt.want) {
				t.Errorf("MergeBase fails with %v, want %s", err, tt.want)
			}
			if _, err := history.IsAncestor(t.Context(), tl, tt.a, tt.b); !errs.Is(err, tt.want) {
				t.Errorf("IsAncestor fails with %v, want %s", err, tt.want)
			}
		})
	}
}
