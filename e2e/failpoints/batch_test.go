package failpoints

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
	"github.com/gitstore-dev/gitstore/ports"
)

// member is a write that shares a batch with others.
type member struct {
	name string
	refs []git.RefName
	// file is what a commit writes, with its name as content; "" is no commit.
	file string
	make func(ctx context.Context, s *service, id git.RepositoryID) outcome
}

// found is what a repository holds.
type found struct {
	refs map[string]git.ObjectID
	// commits are those of main and side by their subjects.
	commits map[string][]git.ObjectID
	packs   []string
}

func (s *service) find(t *testing.T, id git.RepositoryID) found {
	t.Helper()
	f := found{s.refs(t, id), map[string][]git.ObjectID{}, s.packs(t, id)}
	for _, name := range []git.RefName{mainBranch, side} {
		said := gitcmd.Run(t, nil, "--git-dir="+s.repositoryDir(id), "log", "--first-parent", "--format=%H %s", name.String(), "--not", "begin")
		for line := range strings.Lines(string(said)) {
			hex, subject, _ := strings.Cut(strings.TrimSpace(line), " ")
			f.commits[subject] = append(f.commits[subject], must(git.ParseObjectID(hex)))
		}
	}
	return f
}

// has returns what the write made, and whether it took effect. One that moves several refs moves all or none.
func (f found) has(t *testing.T, m member, before found) (git.ObjectID, bool) {
	t.Helper()
	if m.file != "" {
		made := f.commits[m.name]
		require.LessOrEqual(t, len(made), 1, "commits of %s", m.name)
		if len(made) == 0 {
			return git.ObjectID{}, false
		}
		return made[0], true
	}
	moved := 0
	for _, ref := range m.refs {
		if f.refs[ref.String()] != before.refs[ref.String()] {
			moved++
		}
	}
	require.Contains(t, []int{0, len(m.refs)}, moved, "refs that %s moved", m.name)
	return f.refs[m.refs[0].String()], moved > 0
}

func requestOf(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-1%011d", i) }

func aFile(path, content string) iter.Seq2[git.Change, error] {
	at, err := git.ParseTreePath(path)
	return func(yield func(git.Change, error) bool) {
		yield(git.Change{Action: git.ActionUpsert, Path: at, Content: strings.NewReader(content), Size: int64(len(content))}, err)
	}
}

// batchOf returns eight commits on two branches, a tag, a deletion and a new branch; together adds an update of several refs.
func batchOf(together bool) (members []member) {
	for i := range 8 {
		on := []git.RefName{mainBranch, side}[i%2]
		m := member{name: fmt.Sprintf("Commit %d", i), refs: []git.RefName{on}, file: fmt.Sprintf("f%d.txt", i)}
		m.make = func(ctx context.Context, s *service, id git.RepositoryID) outcome {
			req := ports.CommitFiles{Branch: on, Message: m.name, RequestID: requestOf(i)}
			res, err := s.client.Repository(id).CommitFiles(ctx, req, aFile(m.file, m.name))
			return outcome{res.Commit, res.Replayed, err}
		}
		members = append(members, m)
	}
	begin := must(git.ParseRevision("refs/tags/begin"))
	members = append(members,
		member{name: "a tag", refs: []git.RefName{theTag}, make: func(ctx context.Context, s *service, id git.RepositoryID) outcome {
			info, err := s.client.Repository(id).CreateTag(ctx, ports.CreateTag{Name: theTag, Target: begin, Message: "Tag"})
			return outcome{id: info.Ref.Target, err: err}
		}},
		member{name: "a deletion", refs: []git.RefName{tag("old")}, make: func(ctx context.Context, s *service, id git.RepositoryID) outcome {
			return outcome{err: s.client.Repository(id).DeleteTag(ctx, ports.DeleteRef{Name: tag("old")})}
		}},
		member{name: "a branch", refs: []git.RefName{branch("new")}, make: func(ctx context.Context, s *service, id git.RepositoryID) outcome {
			ref, err := s.client.Repository(id).CreateBranch(ctx, ports.CreateBranch{Name: branch("new"), Target: begin})
			return outcome{id: ref.Target, err: err}
		}},
	)
	if !together {
		return members
	}
	pair := []git.RefName{branch("x/one"), branch("x/two")}
	return append(members, member{name: "two branches", refs: pair, make: func(ctx context.Context, s *service, id git.RepositoryID) outcome {
		at, err := s.client.Repository(id).ResolveRevision(ctx, begin)
		if err != nil {
			return outcome{err: err}
		}
		_, err = s.client.Repository(id).UpdateRefs(ctx, []git.RefUpdate{
			{Name: pair[0], Expected: git.ExpectAbsent(), New: at.Commit}, {Name: pair[1], Expected: git.ExpectAbsent(), New: at.Commit},
		})
		return outcome{id: at.Commit, err: err}
	}})
}

// objectsOf is how many objects the batch makes: of each commit itself, its tree and its file, and an annotated tag.
const objectsOf = 8*3 + 1

// answer is what the call of a member said.
type answer struct {
	of int
	outcome
}

// inOneBatch makes the writes while another one holds the writer of the repository at its last step, and lets go of it when all wait
// for their turn. The service is told before where to end.
func (s *service) inOneBatch(t *testing.T, id git.RepositoryID, members []member, p failpoint.Point) (before found, cursor event.Cursor, answers chan answer) {
	t.Helper()
	s.instruct(t, failpoint.Trace, "")
	s.instruct(t, failpoint.Hold, string(failpoint.EventAppended))
	answers = make(chan answer, len(members)+1)
	call := func(i int, do func() outcome) { go func() { answers <- answer{i, do()} }() }
	call(-1, func() outcome {
		_, err := s.commit(t.Context(), id, ports.CommitFiles{Branch: mainBranch, Message: "Before", AllowEmpty: true}, "before")
		return outcome{err: err}
	})
	require.Eventually(t, func() bool { return s.reached(t, failpoint.EventAppended) == 1 }, patience, pause)
	before, cursor = s.find(t, id), s.newest(t)
	for i, m := range members {
		call(i, func() outcome { return m.make(t.Context(), s, id) })
	}
	require.Eventually(t, func() bool { return s.reached(t, failpoint.WriteQueued) == 1+len(members) }, patience, pause)
	if p != answered {
		s.arm(t, p)
	}
	s.instruct(t, failpoint.Trace, "")
	s.dismiss(t, failpoint.Hold)
	return before, cursor, answers
}

// requireOneBatch looks at what an ended service left and did, for the pack that has the objects of all writes, and no other that has any
// of them; and from where the locks of refs are on the disk for those of all refs, once.
func (s *service) requireOneBatch(t *testing.T, id git.RepositoryID, members []member, packsBefore []string, p failpoint.Point) {
	t.Helper()
	var sizes []uint32
	for _, pack := range s.packs(t, id) {
		if slices.Contains(packsBefore, pack) {
			continue
		}
		b, err := os.ReadFile(pack)
		require.NoError(t, err)
		sizes = append(sizes, binary.BigEndian.Uint32(b[8:]))
	}
	require.Equal(t, []uint32{objectsOf}, sizes, "objects in the packs of the batch")
	if slices.Contains(append(objectPoints, failpoint.RefsPrepared), p) {
		return
	}
	want := map[string]int{}
	for _, m := range members {
		for _, ref := range m.refs {
			if ref != tag("old") { // git only removes it
				want[filepath.Join(s.repositoryDir(id), ref.String()+".lock")] = 1
			}
		}
	}
	locks := map[string]int{}
	for _, f := range s.syncs(t) {
		if strings.HasSuffix(f.path, ".lock") && strings.Contains(f.path, "/refs/") {
			locks[f.path]++
		}
	}
	require.Equal(t, want, locks, "one transaction locks all refs")
}

// packs returns the packs of a repository, those too that have no name yet.
func (s *service) packs(t *testing.T, id git.RepositoryID) (packs []string) {
	t.Helper()
	for _, pattern := range []string{"pack-*.pack", "tmp_gitstore_*"} {
		some, err := filepath.Glob(filepath.Join(s.repositoryDir(id), "objects", "pack", pattern))
		require.NoError(t, err)
		packs = append(packs, some...)
	}
	return slices.DeleteFunc(packs, func(name string) bool { return strings.HasSuffix(name, ".idx") })
}

func TestAServiceThatEndsBetweenTwoStepsOfABatchLeavesAllOrNothingOfEachWrite(t *testing.T) {
	s := startService(t)
	before := slices.Concat(objectPoints, []failpoint.Point{failpoint.RefsPrepared, failpoint.ObjectsStored})
	for kind, batch := range map[string]struct {
		together              bool
		before, either, after []failpoint.Point
	}{
		"alone":    {false, before, []failpoint.Point{failpoint.RefsMoving}, afterPoints},
		"together": {true, before, nil, slices.Concat([]failpoint.Point{failpoint.RefsIntended, failpoint.RefsMoving}, afterPoints)},
	} {
		for _, p := range slices.Concat(batch.before, batch.either, batch.after) {
			t.Run(kind+"/"+string(p), func(t *testing.T) {
				id := prepare(t, s, kind+"-"+string(p))
				_, err := s.client.Repository(id).CreateTag(t.Context(), ports.CreateTag{Name: tag("begin"), Target: git.Head()})
				require.NoError(t, err)
				members := batchOf(batch.together)
				earlier, cursor, answers := s.inOneBatch(t, id, members, p)
				if p != answered {
					s.awaitEnd(t)
				}
				acknowledged := map[int]outcome{}
				for range len(members) + 1 {
					if a := <-answers; a.of >= 0 && a.err == nil {
						acknowledged[a.of] = a.outcome
					}
				}
				if p == answered {
					require.Len(t, acknowledged, len(members))
					s.process.Signal(os.Kill)
					s.awaitEnd(t)
				}
				s.requireOneBatch(t, id, members, earlier.packs, p)
				s.start(t)

				now := s.find(t, id)
				_, err = s.commit(t.Context(), id, ports.CommitFiles{Branch: mainBranch, Message: "Write at once"}, "at once")
				require.NoError(t, err)
				present := map[int]git.ObjectID{}
				for i, m := range members {
					made, is := now.has(t, m, earlier)
					if is {
						present[i] = made
					}
					if ack, ok := acknowledged[i]; ok {
						require.True(t, is, "%s was acknowledged and is not there", m.name)
						require.Equal(t, ack.id, made, m.name)
					}
				}
				if !slices.Contains(batch.either, p) {
					want := 0
					if slices.Contains(batch.after, p) {
						want = len(members)
					}
					require.Len(t, present, want, "writes that took effect")
				}
				s.requireToldEach(t, id, cursor, members, earlier, now, p == failpoint.EventAppended || p == answered)
				s.requireAgain(t, id, members, present)
				require.Empty(t, s.leftovers(t))
			})
		}
	}
	require.Empty(t, s.fsck(t))
}

// requireToldEach checks that the events lead each ref from where it was to where it is, and that what they name can be read. Where they
// were appended there is one for each move of each write; else one for each ref that moved, as another process found it.
func (s *service) requireToldEach(t *testing.T, id git.RepositoryID, after event.Cursor, members []member, before, now found, appended bool) {
	t.Helper()
	entries, err := s.client.Journal().ReadEvents(t.Context(), after, 1000)
	require.NoError(t, err)
	told, moves, requests := maps.Clone(before.refs), map[string]int{}, map[string]git.ObjectID{}
	for _, e := range entries {
		moved, ok := e.Event.(event.RefUpdated)
		require.True(t, ok && e.Event.Repository() == id, "%+v", e)
		if moved.Ref == mainBranch && moved.Old == now.refs[mainBranch.String()] {
			continue // the write at once
		}
		name := moved.Ref.String()
		require.Equal(t, told[name], moved.Old)
		moves[name]++
		told[name] = moved.New
		if moved.New.IsZero() {
			delete(told, name)
			continue
		}
		if moved.RequestID != "" {
			requests[moved.RequestID] = moved.New
		}
		at := git.AtCommit(moved.New)
		if moved.Ref == theTag {
			at = must(git.ParseRevision(name))
		}
		_, err = s.client.Repository(id).GetFile(t.Context(), at, must(git.ParseTreePath("a.txt")))
		require.NoError(t, err, "what an event names")
	}
	require.Equal(t, now.refs, told, "the refs and what was told of them")
	if !appended {
		for name, n := range moves {
			require.Equal(t, 1, n, "events of %s", name)
		}
		return
	}
	all := 0
	for i, m := range members {
		all += len(m.refs)
		if m.file != "" {
			require.Equal(t, now.commits[m.name][0], requests[requestOf(i)], "the event of %s", m.name)
			f, err := s.client.Repository(id).GetFile(t.Context(), git.AtCommit(requests[requestOf(i)]), must(git.ParseTreePath(m.file)))
			require.NoError(t, err)
			require.Equal(t, m.name, string(f.Content))
		}
	}
	for _, n := range moves {
		all -= n
	}
	require.Zero(t, all, "moves that were not told, or more than once")
}

// requireAgain repeats all calls: those that took effect say so, with the same commit, and the others take effect now.
func (s *service) requireAgain(t *testing.T, id git.RepositoryID, members []member, present map[int]git.ObjectID) {
	t.Helper()
	for i, m := range members {
		made, was := present[i]
		again := m.make(t.Context(), s, id)
		require.Equal(t, was, again.again(), "%s: %+v", m.name, again)
		if !was {
			require.NoError(t, again.err, m.name)
		}
		if again.replayed {
			require.Equal(t, made, again.id, m.name)
		}
	}
	now := s.find(t, id)
	for _, m := range members {
		if m.file != "" {
			require.Len(t, now.commits[m.name], 1, m.name)
		}
	}
}
