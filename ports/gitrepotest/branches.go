package gitrepotest

import (
	"fmt"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var branchCases = []testCase{
	{"a branch is created at the commit that any revision leads to", branchIsCreated},
	{"a branch that exists is told with where it is", existingBranchIsTold},
	{"a name that is a directory of another, or the other way round, conflicts", branchNamesConflict},
	{"a name that GitStore does not make is refused", badBranchNamesAreRefused},
	{"a branch is deleted, and its name free again", branchIsDeleted},
	{"a deletion holds to what it expects", deletionExpects},
	{"the default branch, what is not there and what is no branch are not deleted", undeletableBranches},
	{"a branch that GitStore would not make can be deleted", oddBranchIsDeleted},
}

var updateCases = []testCase{
	{"refs are created, moved and deleted together, and told in their order", refsAreUpdatedTogether},
	{"all updates are made or none", updatesAreAllOrNone},
	{"each expectation is held to", updatesExpect},
	{"a branch moves forward, and otherwise only by force", branchesMoveForward},
	{"a branch leads to a commit, a tag to a commit or a tag of one", updatesLeadToCommits},
	{"what contradicts itself is refused", badUpdatesAreRefused},
	{"conflicting names are refused, among themselves too", updatesConflict},
	{"the default branch is not deleted", updatesKeepDefaultBranch},
	{"as many updates as the limit are taken, and no more", updatesHaveALimit},
}

// commitRef is a ref at a commit.
func commitRef(name git.RefName, id git.ObjectID) git.Ref {
	return git.Ref{Name: name, Target: id, TargetType: git.CommitObject, Peeled: id, PeeledType: git.CommitObject}
}

func branchIsCreated(c *tc) {
	r := c.createWith(create("a", "1"))
	first := r.head()
	annotated, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head(), Message: "One"})
	c.ok(err)
	second := r.commit(update("a", "2")).Commit
	for i, q := range []struct {
		target git.Revision
		want   git.ObjectID
	}{
		{git.Head(), second}, {revision("main"), second}, {git.AtRef(mainBranch()), second}, {git.AtCommit(first), first},
		{revision("v1"), first}, {git.AtCommit(annotated.Ref.Target), first},
	} {
		name := branch(fmt.Sprintf("b/%d/ü", i))
		ref, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: name, Target: q.target})
		c.ok(err)
		c.equal("the branch at "+q.target.String(), ref, commitRef(name, q.want))
		c.equal("where it leads", r.at(git.AtRef(name)), q.want)
	}
	r.commitTo(branch("b/0/ü"), create("b", "1"))
	c.equal("main after a commit to another branch", r.head(), second)
}

func existingBranchIsTold(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	r.commit(update("a", "2"))
	_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch("old"), Target: git.AtCommit(head)})
	c.ok(err)
	r.unchanged(func() {
		for _, target := range []git.Revision{git.Head(), git.AtCommit(head)} {
			_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch("old"), Target: target})
			c.fails(err, errs.ReasonRefExists, errs.MetaRef, "refs/heads/old", errs.MetaActual, head.String())
		}
	})
}

func branchNamesConflict(c *tc) {
	r := c.createWith(create("a", "1"))
	_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch("dir/sub/leaf"), Target: git.Head()})
	c.ok(err)
	r.unchanged(func() {
		for _, name := range []string{"dir", "dir/sub", "dir/sub/leaf/below", "main/below", "main/far/below"} {
			_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch(name), Target: git.Head()})
			c.fails(err, errs.ReasonRefConflict, errs.MetaRef, "refs/heads/"+name)
		}
	})
	for _, name := range []string{"dir/sub2", "dirt", "dir.x", "mai", "main2", "dir/leaf"} {
		_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch(name), Target: git.Head()})
		c.ok(err)
	}
	c.ok(r.DeleteBranch(c.ctx, ports.DeleteRef{Name: branch("dir/sub/leaf")}))
	_, err = r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch("dir/sub"), Target: git.Head()})
	c.ok(err)
}

// badNames are names under refs/heads/ or refs/tags/ that Git takes and GitStore does not make.
func badNames(prefix string) []string {
	return []string{
		prefix + "-x", prefix + "--upload-pack=touch", prefix + "HEAD", prefix + strings.Repeat("a", 40), prefix + strings.Repeat("F", 64),
		prefix + "caf\xe9", prefix + strings.Repeat("x", 251), prefix + strings.Repeat("x/", 600) + "x",
	}
}

// badBranch is a name of a branch that no method may make.
type badBranch struct {
	name   git.RefName
	reason errs.Reason
}

func badBranches() []badBranch {
	bad := []badBranch{
		{git.RefName{}, errs.ReasonInvalidRefName},
		{tag("x"), errs.ReasonRefNotWritable},
		{refName("refs/notes/commits"), errs.ReasonRefNotWritable},
		{refName("refs/gitstore/x"), errs.ReasonRefNotWritable},
		{refName("refs/replace/" + strings.Repeat("a", 40)), errs.ReasonRefNotWritable},
		{refName("refs/remotes/origin/main"), errs.ReasonRefNotWritable},
	}
	for _, name := range badNames("refs/heads/") {
		bad = append(bad, badBranch{refName(name), errs.ReasonInvalidRefName})
	}
	return bad
}

func badBranchNamesAreRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	r.unchanged(func() {
		for _, bad := range badBranches() {
			_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: bad.name, Target: git.Head()})
			c.fails(err, bad.reason)
		}
	})
}

func branchIsDeleted(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	for range 2 {
		_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch("topic"), Target: git.Head()})
		c.ok(err)
		c.ok(r.DeleteBranch(c.ctx, ports.DeleteRef{Name: branch("topic")}))
		_, err = r.ResolveRevision(c.ctx, revision("topic"))
		c.fails(err, errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/topic")
	}
	c.equal("the refs", r.refs(ports.RefQuery{}), []git.Ref{commitRef(mainBranch(), head)})
}

func deletionExpects(c *tc) {
	r := c.createWith(create("a", "1"))
	first := r.head()
	second := r.commit(update("a", "2")).Commit
	_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch("topic"), Target: git.Head()})
	c.ok(err)
	r.unchanged(func() {
		for _, id := range []git.ObjectID{first, c.unknownID(), c.foreignID(), {}} {
			err := r.DeleteBranch(c.ctx, ports.DeleteRef{Name: branch("topic"), Expected: git.ExpectID(id)})
			c.fails(err, errs.ReasonRefMoved, errs.MetaRef, "refs/heads/topic", errs.MetaExpected, id.String(), errs.MetaActual, second.String())
		}
	})
	c.ok(r.DeleteBranch(c.ctx, ports.DeleteRef{Name: branch("topic"), Expected: git.ExpectID(second)}))
}

func undeletableBranches(c *tc) {
	r := c.createWith(create("a", "1"))
	_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head()})
	c.ok(err)
	r.unchanged(func() {
		err := r.DeleteBranch(c.ctx, ports.DeleteRef{Name: mainBranch()})
		c.fails(err, errs.ReasonDefaultBranch, errs.MetaRef, "refs/heads/main")
		for _, name := range []string{"none", "v1", "main/below"} {
			err = r.DeleteBranch(c.ctx, ports.DeleteRef{Name: branch(name)})
			c.fails(err, errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/"+name)
		}
		for _, name := range []git.RefName{tag("v1"), refName("refs/notes/commits"), {}} {
			err = r.DeleteBranch(c.ctx, ports.DeleteRef{Name: name})
			c.failsWithin(err, errs.ReasonRefNotWritable, errs.ReasonInvalidRefName)
		}
	})
	empty := c.create()
	c.fails(empty.DeleteBranch(c.ctx, ports.DeleteRef{Name: mainBranch()}), errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/main")
}

func oddBranchIsDeleted(c *tc) {
	r, w := c.ownCopy(sample.light())
	for _, name := range []string{"refs/heads/-dash", "refs/heads/caf\xe9", "refs/heads/deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"} {
		c.ok(r.DeleteBranch(c.ctx, ports.DeleteRef{Name: refName(name), Expected: git.ExpectID(w.id("first"))}))
		_, err := r.ResolveRevision(c.ctx, git.AtRef(refName(name)))
		c.fails(err, errs.ReasonRefNotFound, errs.MetaRef, name)
	}
}

func refsAreUpdatedTogether(c *tc) {
	r := c.createWith(create("a", "1"))
	first := r.head()
	annotated, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head(), Message: "One"})
	c.ok(err)
	for _, name := range []string{"moves", "goes"} {
		_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch(name), Target: git.Head()})
		c.ok(err)
	}
	second := r.commit(update("a", "2")).Commit
	refs, err := r.UpdateRefs(c.ctx, []git.RefUpdate{
		{Name: tag("light"), Expected: git.ExpectAbsent(), New: second},
		{Name: branch("moves"), Expected: git.ExpectID(first), New: second},
		{Name: tag("again"), Expected: git.ExpectID(git.ObjectID{}), New: annotated.Ref.Target},
		{Name: branch("goes"), Expected: git.ExpectID(first)},
		{Name: mainBranch(), Expected: git.ExpectID(second), New: second},
		{Name: branch("comes"), Expected: git.ExpectAbsent(), New: first},
	})
	c.ok(err)
	again := annotated.Ref
	again.Name = tag("again")
	c.equal("what UpdateRefs returns", refs, []git.Ref{
		commitRef(tag("light"), second), commitRef(branch("moves"), second), again, {Name: branch("goes")},
		commitRef(mainBranch(), second), commitRef(branch("comes"), first),
	})
	c.equal("the refs", r.refs(ports.RefQuery{}), []git.Ref{
		commitRef(branch("comes"), first), commitRef(mainBranch(), second), commitRef(branch("moves"), second),
		again, commitRef(tag("light"), second), annotated.Ref,
	})
}

func updatesAreAllOrNone(c *tc) {
	r := c.createWith(create("a", "1"))
	first := r.head()
	second := r.commit(update("a", "2")).Commit
	for _, name := range []string{"moves", "goes"} {
		_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch(name), Target: git.AtCommit(first)})
		c.ok(err)
	}
	good := []git.RefUpdate{
		{Name: branch("moves"), Expected: git.ExpectID(first), New: second},
		{Name: branch("goes"), Expected: git.ExpectID(first)},
		{Name: tag("comes"), Expected: git.ExpectAbsent(), New: second},
	}
	bad := git.RefUpdate{Name: branch("last"), Expected: git.ExpectID(first), New: second}
	r.unchanged(func() {
		for i := range len(good) + 1 {
			updates := append(append(append([]git.RefUpdate(nil), good[:i]...), bad), good[i:]...)
			_, err := r.UpdateRefs(c.ctx, updates)
			c.fails(err, errs.ReasonRefMoved, errs.MetaRef, "refs/heads/last", errs.MetaExpected, first.String(), errs.MetaActual, "")
		}
	})
	_, err := r.UpdateRefs(c.ctx, good)
	c.ok(err)
}

func updatesExpect(c *tc) {
	r := c.createWith(create("a", "1"))
	first := r.head()
	second := r.commit(update("a", "2")).Commit
	annotated, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head(), Message: "One"})
	c.ok(err)
	r.unchanged(func() {
		for _, q := range []struct {
			name     git.RefName
			expected git.ObjectID
			actual   string
		}{
			{mainBranch(), first, second.String()},
			{mainBranch(), git.ObjectID{}, second.String()},
			{mainBranch(), c.foreignID(), second.String()},
			{branch("none"), first, ""},
			{tag("v1"), second, annotated.Ref.Target.String()},
		} {
			_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: q.name, Expected: git.ExpectID(q.expected), New: second, Force: true}})
			c.fails(err, errs.ReasonRefMoved, errs.MetaRef, q.name.String(), errs.MetaExpected, q.expected.String(), errs.MetaActual, q.actual)
		}
		_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: branch("none"), Expected: git.ExpectAbsent()}})
		c.fails(err, errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/none")
	})
}

func branchesMoveForward(c *tc) {
	r, w := c.ownCopy(story)
	_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{
		{Name: branch("topic"), Expected: git.ExpectID(w.id("topic2")), New: w.id("last")},
		{Name: branch("side"), Expected: git.ExpectID(w.id("side")), New: w.id("side")},
	})
	c.ok(err)
	r.unchanged(func() {
		for from, to := range map[string]string{"topic": "root", "side": "last", "main": "orphan", "orphan": "last"} {
			at := r.at(revision(from))
			if from == "side" {
				to = "third"
			}
			_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: branch(from), Expected: git.ExpectID(at), New: w.id(to)}})
			c.fails(err, errs.ReasonNotFastForward, errs.MetaRef, "refs/heads/"+from)
		}
	})
	_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: mainBranch(), Expected: git.ExpectID(w.id("last")), New: w.id("root"), Force: true}})
	c.ok(err)
	c.equal("main", r.head(), w.id("root"))
	_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: tag("t"), Expected: git.ExpectAbsent(), New: w.id("last")}})
	c.ok(err)
	_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: tag("t"), Expected: git.ExpectID(w.id("last")), New: w.id("root")}})
	c.ok(err)
}

func updatesLeadToCommits(c *tc) {
	r := c.createWith(create("a", "1"))
	commit, err := r.GetCommit(c.ctx, git.Head())
	c.ok(err)
	annotated, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head(), Message: "One"})
	c.ok(err)
	r.unchanged(func() {
		for _, q := range []struct {
			name   git.RefName
			id     git.ObjectID
			reason errs.Reason
		}{
			{branch("b"), c.unknownID(), errs.ReasonObjectNotFound},
			{tag("t"), c.unknownID(), errs.ReasonObjectNotFound},
			{branch("b"), c.foreignID(), errs.ReasonObjectNotFound},
			{branch("b"), commit.Tree, errs.ReasonNotACommit},
			{tag("t"), commit.Tree, errs.ReasonNotACommit},
			{branch("b"), c.blobID("1"), errs.ReasonNotACommit},
			{tag("t"), c.blobID("1"), errs.ReasonNotACommit},
			{branch("b"), annotated.Ref.Target, errs.ReasonNotACommit},
		} {
			_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: q.name, Expected: git.ExpectAbsent(), New: q.id}})
			c.fails(err, q.reason, errs.MetaObject, q.id.String())
		}
	})
}

func badUpdatesAreRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	r.unchanged(func() {
		_, err := r.UpdateRefs(c.ctx, nil)
		c.fails(err, errs.ReasonNoActions, errs.MetaField, "updates")
		_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: branch("b"), New: head}})
		c.fails(err, errs.ReasonInvalidArgument)
		_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{
			{Name: branch("b"), Expected: git.ExpectAbsent(), New: head}, {Name: branch("b"), Expected: git.ExpectAbsent(), New: head},
		})
		c.fails(err, errs.ReasonInvalidArgument)
		for _, bad := range badBranches() {
			if bad.name.IsTag() {
				continue
			}
			_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: bad.name, Expected: git.ExpectAbsent(), New: head}})
			c.fails(err, bad.reason)
		}
		for _, name := range badNames("refs/tags/") {
			_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: refName(name), Expected: git.ExpectAbsent(), New: head}})
			c.fails(err, errs.ReasonInvalidRefName)
		}
	})
}

func updatesConflict(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	r.unchanged(func() {
		for _, created := range [][]string{{"refs/heads/main/below"}, {"refs/heads/a", "refs/heads/a/b"}, {"refs/tags/x/y/z", "refs/heads/z", "refs/tags/x"}} {
			var updates []git.RefUpdate
			for _, name := range created {
				updates = append(updates, git.RefUpdate{Name: refName(name), Expected: git.ExpectAbsent(), New: head})
			}
			_, err := r.UpdateRefs(c.ctx, updates)
			c.fails(err, errs.ReasonRefConflict)
		}
	})
}

func updatesKeepDefaultBranch(c *tc) {
	r := c.createWith(create("a", "1"))
	r.unchanged(func() {
		for _, force := range []bool{false, true} {
			_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{
				{Name: branch("b"), Expected: git.ExpectAbsent(), New: r.head()},
				{Name: mainBranch(), Expected: git.ExpectID(r.head()), Force: force},
			})
			c.fails(err, errs.ReasonDefaultBranch, errs.MetaRef, "refs/heads/main")
		}
	})
}

func updatesHaveALimit(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	updates := make([]git.RefUpdate, ports.MaxRefUpdates+1)
	for i := range updates {
		updates[i] = git.RefUpdate{Name: branch(fmt.Sprintf("b%04d", i)), Expected: git.ExpectAbsent(), New: head}
	}
	r.unchanged(func() {
		_, err := r.UpdateRefs(c.ctx, updates)
		c.fails(err, errs.ReasonTooManyActions, errs.MetaField, "updates")
	})
	refs, err := r.UpdateRefs(c.ctx, updates[:ports.MaxRefUpdates])
	c.ok(err)
	c.equal("the number of refs returned", len(refs), ports.MaxRefUpdates)
	c.equal("the number of refs made", len(r.refs(ports.RefQuery{Patterns: []string{"refs/heads/b*"}})), ports.MaxRefUpdates)
}
