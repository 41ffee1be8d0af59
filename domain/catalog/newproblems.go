package catalog

import (
	"iter"
	"regexp"
	"slices"
)

// NewProblems yields the problems of next that base, which may be nil, does not have, ordered as [Snapshot.Problems]. A
// problem is one that was there before if the same file has the same value in the same field and it is wrong for the same
// reason, wherever in a list it is, and whichever other document is in its way. Of a file that had more problems than are
// kept, none is new; of one that is as it was, and that something is wrong with in itself, none that it has with others is: it
// holds up nobody who takes its key, or what it refers to, away.
func NewProblems(base, next *Snapshot) iter.Seq[Problem] {
	return func(yield func(Problem) bool) {
		next.files.Scan(func(path string, f *file) bool {
			linked, _ := next.links.Get(path)
			if f.broken != nil && next.isStill(base, path) {
				linked = nil
			}
			problems := inOrder(f.problems(), linked)
			before := base.problemsAt(path)
			if len(problems) == 0 || slices.Equal(before, problems) {
				return true
			}
			known := idsOf(before)
			for _, p := range problems {
				id := p.id()
				switch {
				case known[id] > 0:
					known[id]--
				case base.hasMore(path):
				case !yield(p):
					return false
				}
			}
			return true
		})
	}
}

// isStill reports whether the file at a path had something wrong with it in itself before, and has not changed.
func (s *Snapshot) isStill(base *Snapshot, path string) bool {
	if base == nil {
		return false
	}
	was, ok := base.files.Get(path)
	if !ok || was.broken == nil {
		return false
	}
	before, _ := base.raw.Get(path)
	now, _ := s.raw.Get(path)
	return before.Blob == now.Blob
}

func (s *Snapshot) problemsAt(path string) []Problem {
	if s == nil {
		return nil
	}
	f, ok := s.files.Get(path)
	if !ok {
		return nil
	}
	return s.problemsIn(path, f)
}

// hasMore reports whether the file at a path has more problems than are kept.
func (s *Snapshot) hasMore(path string) bool {
	if s == nil {
		return false
	}
	linked, _ := s.links.Get(path)
	f, ok := s.files.Get(path)
	return len(linked) == maxProblems || ok && len(f.problems()) == maxProblems
}

func idsOf(problems []Problem) map[problemID]int {
	ids := map[problemID]int{}
	for _, p := range problems {
		ids[p.id()]++
	}
	return ids
}

// problemID tells the problems of a file apart.
type problemID struct {
	reason       Reason
	field, about string
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
