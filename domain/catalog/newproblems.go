package catalog

import (
	"iter"
	"regexp"
)

// NewProblems yields the problems of next that base, which may be nil, does not have, ordered as [Snapshot.Problems]. A
// problem is one that was there before if the same file has the same value in the same field and it is wrong for the same
// reason, wherever in a list it is, and whichever other document is in its way. Of a file that had more problems than are
// kept, none is new.
func NewProblems(base, next *Snapshot) iter.Seq[Problem] {
	return func(yield func(Problem) bool) {
		path, known := "", map[problemID]int(nil)
		for p := range next.Problems() {
			if at := p.Path.String(); known == nil || at != path {
				path, known = at, base.problemsAt(at)
			}
			id := p.id()
			switch {
			case known[id] > 0:
				known[id]--
			case known[tooManyProblems] > 0:
			case !yield(p):
				return
			}
		}
	}
}

// problemID tells the problems of a file apart.
type problemID struct {
	reason       Reason
	field, about string
}

// tooManyProblems stands for those that are not kept.
var tooManyProblems = problemID{about: "more"}

func (s *Snapshot) problemsAt(path string) map[problemID]int {
	ids := map[problemID]int{}
	if s == nil {
		return ids
	}
	var own []Problem
	if f, ok := s.files.Get(path); ok {
		own = f.problems
	}
	linked, _ := s.links.Get(path)
	for _, some := range [][]Problem{own, linked} {
		for _, p := range some {
			ids[p.id()]++
		}
		if len(some) == maxProblems {
			ids[tooManyProblems]++
		}
	}
	return ids
}

// index is a place in a list, which is another one when something before it comes or goes.
var index = regexp.MustCompile(`\[[0-9]+\]`)

func (p Problem) id() problemID {
	about := p.about
	if about == "" {
		about = index.ReplaceAllLiteralString(p.Message, "[]")
	}
	return problemID{p.Reason, index.ReplaceAllLiteralString(p.Field, "[]"), about}
}
