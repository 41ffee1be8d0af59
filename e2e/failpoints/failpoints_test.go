package failpoints

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
	"github.com/gitstore-dev/gitstore/ports"
)

const requestID = "00000000-0000-4000-8000-000000000001"

var (
	mainBranch, side = branch("main"), branch("side")
	theTag           = tag("v1.0.0")
)

func branch(name string) git.RefName { return must(git.BranchRef(name)) }

func tag(name string) git.RefName { return must(git.TagRef(name)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// answered is the point at which the caller has the answer.
const answered failpoint.Point = "answered"

// Points at which a write has not taken effect, may have, and has.
var (
	objectPoints = []failpoint.Point{failpoint.ObjectsWritten, failpoint.ObjectsSynced, failpoint.ObjectsMoved}
	beforePoints = []failpoint.Point{failpoint.WriteQueued, failpoint.RefsPrepared, failpoint.ObjectsStored}
	afterPoints  = []failpoint.Point{
		failpoint.RefsMoved, failpoint.RefsSynced, failpoint.RefsPublished, failpoint.EventAppended, answered,
	}
)

// write is a kind of write to a repository that has a commit on main, a branch side, and a tag old.
type write struct {
	name string
	// make makes it, or makes it again.
	make func(ctx context.Context, t *testing.T, s *service, id git.RepositoryID) outcome
	// before are the points at which it has not taken effect, either those at which it may have.
	before, either, after []failpoint.Point
	// changes are the refs that it moves.
	changes []git.RefName
}

// outcome is what a call said.
type outcome struct {
	// id is what was made, if something was.
	id       git.ObjectID
	replayed bool
	err      error
}

// again reports whether a repeated call says that the first one took effect.
func (o outcome) again() bool {
	return o.replayed || errs.Is(o.err, errs.ReasonRefExists, errs.ReasonRefNotFound, errs.ReasonRefMoved,
		errs.ReasonRepositoryExists, errs.ReasonRepositoryNotFound)
}

func commitOf(content string) func(context.Context, *testing.T, *service, git.RepositoryID) outcome {
	return func(ctx context.Context, _ *testing.T, s *service, id git.RepositoryID) outcome {
		req := ports.CommitFiles{Branch: mainBranch, Message: "Change", RequestID: requestID, AllowEmpty: true}
		res, err := s.commit(ctx, id, req, content)
		return outcome{res.Commit, res.Replayed, err}
	}
}

func writes() []write {
	moving := []failpoint.Point{failpoint.RefsMoving}
	all := slices.Concat(objectPoints, beforePoints)
	together := slices.Concat([]failpoint.Point{failpoint.RefsIntended}, moving, afterPoints)
	return []write{
		{name: "a commit", make: commitOf("small"), before: all, either: moving, after: afterPoints, changes: []git.RefName{mainBranch}},
		{
			name: "a commit of a large file", make: commitOf(strings.Repeat("large", 200_000)),
			before: all, either: moving, after: afterPoints, changes: []git.RefName{mainBranch},
		},
		{
			name: "an annotated tag", before: all, either: moving, after: afterPoints, changes: []git.RefName{theTag},
			make: func(ctx context.Context, _ *testing.T, s *service, id git.RepositoryID) outcome {
				info, err := s.client.Repository(id).CreateTag(ctx, ports.CreateTag{Name: theTag, Target: git.Head(), Message: "Tag"})
				return outcome{id: info.Ref.Target, err: err}
			},
		},
		{
			name: "a branch", before: beforePoints, either: moving, after: afterPoints, changes: []git.RefName{branch("new")},
			make: func(ctx context.Context, _ *testing.T, s *service, id git.RepositoryID) outcome {
				ref, err := s.client.Repository(id).CreateBranch(ctx, ports.CreateBranch{Name: branch("new"), Target: git.Head()})
				return outcome{id: ref.Target, err: err}
			},
		},
		{
			name: "the deletion of a branch", before: beforePoints, either: moving, after: afterPoints, changes: []git.RefName{side},
			make: func(ctx context.Context, _ *testing.T, s *service, id git.RepositoryID) outcome {
				return outcome{err: s.client.Repository(id).DeleteBranch(ctx, ports.DeleteRef{Name: side})}
			},
		},
		{
			name: "the deletion of a tag", before: beforePoints, either: moving, after: afterPoints, changes: []git.RefName{tag("old")},
			make: func(ctx context.Context, _ *testing.T, s *service, id git.RepositoryID) outcome {
				return outcome{err: s.client.Repository(id).DeleteTag(ctx, ports.DeleteRef{Name: tag("old")})}
			},
		},
		{
			name: "a release", before: all, after: together, changes: []git.RefName{mainBranch, theTag},
			make: func(ctx context.Context, _ *testing.T, s *service, id git.RepositoryID) outcome {
				res, err := s.client.Repository(id).PublishRelease(ctx, ports.PublishRelease{
					RequestID: requestID, Tag: ports.CreateTag{Name: theTag, Message: "Release"},
					Commit: &ports.CommitFiles{Branch: mainBranch, Message: "Release"},
				}, oneFile("released"))
				return outcome{res.Tag.Ref.Target, res.Replayed, err}
			},
		},
		{
			name: "an update of several refs", before: beforePoints, after: together,
			changes: []git.RefName{side, tag("old"), branch("x/new")}, make: updateRefs,
		},
		{
			name: "a push", before: slices.Concat([]failpoint.Point{failpoint.ObjectsMoved}, beforePoints), after: together,
			changes: []git.RefName{side, branch("pushed")}, make: push,
		},
	}
}

// updateRefs moves a branch, deletes a tag and creates a branch.
func updateRefs(ctx context.Context, t *testing.T, s *service, id git.RepositoryID) outcome {
	t.Helper()
	r := s.client.Repository(id)
	head, err := r.GetCommit(ctx, git.Head())
	require.NoError(t, err)
	first := head.Parents[0]
	_, err = r.UpdateRefs(ctx, []git.RefUpdate{
		{Name: side, Expected: git.ExpectID(first), New: head.ID},
		{Name: tag("old"), Expected: git.ExpectID(first)},
		{Name: branch("x/new"), Expected: git.ExpectAbsent(), New: head.ID},
	})
	return outcome{err: err}
}

// prepare makes a repository with two commits on main, the first of which has a branch and a tag.
func prepare(t *testing.T, s *service, name string) git.RepositoryID {
	t.Helper()
	id := must(git.ParseRepositoryID(name))
	_, err := s.client.CreateRepository(t.Context(), ports.CreateRepository{ID: id})
	require.NoError(t, err)
	r := s.client.Repository(id)
	_, err = s.commit(t.Context(), id, ports.CommitFiles{Branch: mainBranch, Message: "Begin"}, "begin")
	require.NoError(t, err)
	_, err = r.CreateBranch(t.Context(), ports.CreateBranch{Name: side, Target: git.Head()})
	require.NoError(t, err)
	_, err = r.CreateTag(t.Context(), ports.CreateTag{Name: tag("old"), Target: git.Head()})
	require.NoError(t, err)
	_, err = s.commit(t.Context(), id, ports.CommitFiles{Branch: mainBranch, Message: "Go on"}, "go on")
	require.NoError(t, err)
	return id
}

// kill makes the write, has the service end at the point, and starts it again.
func (s *service) kill(t *testing.T, p failpoint.Point, w write, id git.RepositoryID) (acknowledged bool) {
	t.Helper()
	if p == answered {
		require.NoError(t, w.make(t.Context(), t, s, id).err)
		s.process.Signal(os.Kill)
		s.restart(t)
		return true
	}
	s.arm(t, p)
	require.Error(t, w.make(t.Context(), t, s, id).err, "the call is answered although the service was to end at %s", p)
	s.restart(t)
	return false
}

func TestAServiceThatEndsBetweenTwoStepsOfAWriteLeavesAllOrNothingOfIt(t *testing.T) {
	s := startService(t)
	for i, w := range writes() {
		for j, p := range slices.Concat(w.before, w.either, w.after) {
			t.Run(w.name+"/"+string(p), func(t *testing.T) {
				id := prepare(t, s, fmt.Sprintf("repo-%d-%d", i, j))
				before, cursor := s.refs(t, id), s.newest(t)
				acknowledged := s.kill(t, p, w, id)
				after := s.refs(t, id)

				moved := w.moved(before, after)
				if !slices.Contains(w.either, p) {
					require.Equal(t, slices.Contains(w.after, p), moved > 0, "whether it took effect: %v, before %v", after, before)
				}
				require.Contains(t, []int{0, len(w.changes)}, moved, "refs that moved: %v, before %v", after, before)
				require.False(t, acknowledged && moved == 0)
				s.requireTold(t, id, cursor, before, after)
				require.Empty(t, s.leftovers(t))

				again := w.make(t.Context(), t, s, id)
				require.Equal(t, moved > 0, again.again(), "whether a repeated call says that it was made before: %+v", again)
				if moved == 0 {
					require.NoError(t, again.err)
					require.Equal(t, len(w.changes), w.moved(before, s.refs(t, id)))
				} else {
					require.Equal(t, after, s.refs(t, id), "a repeated call makes it a second time")
				}
				if again.replayed {
					require.Equal(t, after[w.changes[len(w.changes)-1].String()], again.id)
				}
				_, err := s.commit(t.Context(), id, ports.CommitFiles{Branch: mainBranch, Message: "Write at once"}, string(p))
				require.NoError(t, err)
				require.Empty(t, s.leftovers(t))
			})
		}
	}
	require.Empty(t, s.fsck(t))
}

// Where git itself ends between the renames of two refs cannot be chosen: the test moves one in its stead.
func TestRefsThatMoveTogetherAllMoveIfOneDid(t *testing.T) {
	s := startService(t)
	for i, w := range writes() {
		for j, name := range w.changes {
			if len(w.changes) == 1 {
				break
			}
			t.Run(w.name+"/"+name.Short(), func(t *testing.T) {
				id := prepare(t, s, fmt.Sprintf("repo-%d-%d", i, j))
				before, cursor := s.refs(t, id), s.newest(t)
				s.arm(t, failpoint.RefsIntended)
				require.Error(t, w.make(t.Context(), t, s, id).err)
				s.awaitEnd(t)
				s.moveOne(t, id, name)
				s.start(t)
				after := s.refs(t, id)
				require.Equal(t, len(w.changes), w.moved(before, after), "%v, before %v", after, before)
				s.requireTold(t, id, cursor, before, after)
				require.True(t, w.make(t.Context(), t, s, id).again())
				require.Empty(t, s.leftovers(t))
			})
		}
	}
	require.Empty(t, s.fsck(t))
}

// moveOne moves one of the refs that were to move together.
func (s *service) moveOne(t *testing.T, id git.RepositoryID, name git.RefName) {
	t.Helper()
	dir := s.repositoryDir(id)
	intent, err := os.ReadFile(filepath.Join(dir, "gitstore-intent"))
	require.NoError(t, err)
	for line := range strings.Lines(string(intent)) {
		fields := strings.Fields(line)
		if fields[0] != name.String() {
			continue
		}
		for _, locked := range []string{fields[0], "HEAD", "packed-refs"} {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, locked+".lock")))
		}
		args := []string{"--git-dir=" + dir, "update-ref", fields[0], fields[2]}
		if fields[2] == "-" {
			args = []string{"--git-dir=" + dir, "update-ref", "-d", fields[0]}
		}
		gitcmd.Run(t, nil, args...)
		return
	}
	t.Fatalf("%s is not in the intent: %s", name, intent)
}

// repositoryDir is the directory of a repository.
func (s *service) repositoryDir(id git.RepositoryID) string {
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(id.String())))
	return filepath.Join(s.data, "repositories", hash[:2], hash[2:4], hash+".git")
}

func TestAServiceThatEndsBetweenTwoStepsOfTheCreationOrDeletionOfARepositoryLeavesAllOrNothingOfIt(t *testing.T) {
	s := startService(t)
	created := write{make: func(ctx context.Context, _ *testing.T, s *service, id git.RepositoryID) outcome {
		_, err := s.client.CreateRepository(ctx, ports.CreateRepository{ID: id})
		return outcome{err: err}
	}}
	deleted := write{make: func(ctx context.Context, _ *testing.T, s *service, id git.RepositoryID) outcome {
		return outcome{err: s.client.DeleteRepository(ctx, id)}
	}}
	moved := []failpoint.Point{failpoint.RepositoryMoved, failpoint.RepositorySynced, failpoint.EventAppended, answered}
	for _, p := range append([]failpoint.Point{failpoint.RepositoryBuilt}, moved...) {
		t.Run(string(p), func(t *testing.T) {
			id, cursor := must(git.ParseRepositoryID(string(p))), s.newest(t)
			s.kill(t, p, created, id)
			there := s.exists(t, id)
			require.Equal(t, p != failpoint.RepositoryBuilt, there)
			require.Empty(t, s.leftovers(t))
			require.Equal(t, there, created.make(t.Context(), t, s, id).again())
			require.Equal(t, []event.Type{event.TypeRepositoryCreated}, s.told(t, cursor))
			_, err := s.commit(t.Context(), id, ports.CommitFiles{Branch: mainBranch, Message: "Write at once"}, "a")
			require.NoError(t, err)
			if p == failpoint.RepositoryBuilt {
				return // it is no step of a deletion
			}

			cursor = s.newest(t)
			s.kill(t, p, deleted, id)
			require.False(t, s.exists(t, id))
			require.True(t, deleted.make(t.Context(), t, s, id).again())
			require.Equal(t, []event.Type{event.TypeRepositoryDeleted}, s.told(t, cursor))
			require.Empty(t, s.leftovers(t))
		})
	}
	require.Empty(t, s.fsck(t))
}

func TestAServiceThatEndsBetweenTwoStepsOfTheSettingOfAPolicyHasOneOfTheTwo(t *testing.T) {
	s := startService(t)
	policy := must(repository.PolicySpec{
		Validation: "enforce", ValidatedBranches: []string{"release/*"}, ProtectedBranches: []string{"main"}, ImmutableReleases: true,
	}.Parse())
	for _, p := range []failpoint.Point{failpoint.FileWritten, failpoint.FileMoved, answered} {
		t.Run(string(p), func(t *testing.T) {
			id := prepare(t, s, string(p))
			for _, next := range []*ports.Policy{&policy, nil} {
				set := write{make: func(ctx context.Context, _ *testing.T, s *service, id git.RepositoryID) outcome {
					return outcome{err: s.client.SetPolicy(ctx, id, next)}
				}}
				before := s.policy(t, id)
				s.kill(t, p, set, id)
				found := s.policy(t, id)
				require.Empty(t, s.leftovers(t))
				require.NoError(t, set.make(t.Context(), t, s, id).err)
				after := s.policy(t, id)
				require.NotEqual(t, before, after)
				if p == failpoint.FileWritten {
					require.Equal(t, before, found)
				} else {
					require.Equal(t, after, found)
				}
			}
		})
	}
}

func TestAServiceThatEndsWhileItPutsRefsIntoOneFileLosesNone(t *testing.T) {
	s := startService(t)
	for _, p := range []failpoint.Point{failpoint.RefsPacked, failpoint.PackedRefsSynced, failpoint.RefsPruned} {
		t.Run(string(p), func(t *testing.T) {
			id := prepare(t, s, string(p))
			want := s.refs(t, id)
			head := want[mainBranch.String()]
			var all []git.RefUpdate
			for i := range 1000 { // that many have the repository maintained
				name := branch(fmt.Sprintf("many/%d", i))
				all = append(all, git.RefUpdate{Name: name, Expected: git.ExpectAbsent(), New: head})
				want[name.String()] = head
			}
			s.arm(t, p)
			// The service may end before the answer: the refs have moved by then.
			_, _ = s.client.Repository(id).UpdateRefs(t.Context(), all)
			s.restart(t)
			require.Equal(t, want, s.refs(t, id))
			require.Empty(t, s.leftovers(t))

			commit, err := s.commit(t.Context(), id, ports.CommitFiles{Branch: mainBranch, Message: "Write at once"}, string(p))
			require.NoError(t, err)
			want[mainBranch.String()] = commit.Commit
			gone := all[7].Name
			require.NoError(t, s.client.Repository(id).DeleteBranch(t.Context(), ports.DeleteRef{Name: gone}))
			delete(want, gone.String())
			s.process.Signal(os.Kill)
			s.restart(t)
			require.Equal(t, want, s.refs(t, id))
		})
	}
	require.Empty(t, s.fsck(t))
}

// policy returns the policy of a repository, "" if it has none of its own.
func (s *service) policy(t *testing.T, id git.RepositoryID) string {
	t.Helper()
	found, err := s.client.Policy(t.Context(), id)
	require.NoError(t, err)
	if !found.Own {
		return ""
	}
	return fmt.Sprintf("%+v", found.Spec())
}

func (s *service) exists(t *testing.T, id git.RepositoryID) bool {
	t.Helper()
	_, err := s.client.Repository(id).Info(t.Context())
	if !errs.Is(err, errs.ReasonRepositoryNotFound) {
		require.NoError(t, err)
	}
	return err == nil
}

// told returns of what kind the events behind the cursor are.
func (s *service) told(t *testing.T, after event.Cursor) (types []event.Type) {
	t.Helper()
	entries, err := s.client.Journal().ReadEvents(t.Context(), after, 1000)
	require.NoError(t, err)
	for _, e := range entries {
		types = append(types, e.Event.Type())
	}
	return types
}

// moved counts the refs of the write that are not where they were. No other may have moved.
func (w write) moved(before, after map[string]git.ObjectID) (n int) {
	for _, name := range w.changes {
		if before[name.String()] != after[name.String()] {
			n++
		}
	}
	return n
}

// requireTold checks that the journal tells once of each ref that moved, where it is now, and that what it names can be
// read.
func (s *service) requireTold(t *testing.T, id git.RepositoryID, after event.Cursor, before, now map[string]git.ObjectID) {
	t.Helper()
	entries, err := s.client.Journal().ReadEvents(t.Context(), after, 1000)
	require.NoError(t, err)
	told := maps.Clone(before)
	for _, e := range entries {
		moved, ok := e.Event.(event.RefUpdated)
		require.True(t, ok && e.Event.Repository() == id, "%+v", e)
		require.Equal(t, told[moved.Ref.String()], moved.Old)
		require.NotEqual(t, moved.Old, moved.New)
		told[moved.Ref.String()] = moved.New
		if moved.New.IsZero() {
			delete(told, moved.Ref.String())
			continue
		}
		commit, err := s.client.Repository(id).GetCommit(t.Context(), must(git.ParseRevision(moved.Ref.String())))
		require.NoError(t, err, "what an event names")
		_, err = s.client.Repository(id).GetFile(t.Context(), git.AtCommit(commit.ID), must(git.ParseTreePath("a.txt")))
		require.NoError(t, err, "what an event names")
	}
	require.Equal(t, now, told, "the refs and what was told of them")
	either := maps.Clone(before)
	maps.Copy(either, now)
	maps.DeleteFunc(either, func(name string, _ git.ObjectID) bool { return before[name] == now[name] })
	require.Len(t, entries, len(either), "events")
}

func TestTheShippedProgramHasNoFailpoints(t *testing.T) {
	for program, want := range map[string]bool{shipped: false, breakable: true} {
		b, err := os.ReadFile(program)
		require.NoError(t, err)
		require.Equal(t, want, bytes.Contains(b, []byte("GITSTORE_FAILPOINTS")))
		require.Equal(t, want, bytes.Contains(b, []byte(failpoint.EventAppended)))
	}
}
