package gitrepotest

import (
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var expectationCases = []testCase{
	{"a branch that is where it is expected is committed to", expectedHeadIsMet},
	{"a branch that is elsewhere is told with where it is", expectedHeadIsNotMet},
	{"a branch that was to be absent, or was to be there, is told", expectedAbsence},
	{"a file that holds the expected blob is changed", expectedBlobIsMet},
	{"a file that holds another blob, or none, is told with what it holds", expectedBlobIsNotMet},
	{"a commit is replayed on a moved branch if its paths are untouched", replayOnUntouchedPaths},
	{"a commit whose paths were touched is not replayed", noReplayOnTouchedPaths},
	{"what was touched and put back counts as untouched", replayOnRestoredPaths},
	{"a replay is judged by the branch as it is", replayIsJudgedAnew},
	{"a replay needs a commit to compare with", replayNeedsCommit},
}

func expectedHeadIsMet(c *tc) {
	r := c.createWith(create("a", "1"))
	req := request("Change")
	for i := range 3 {
		req.ExpectedHead = git.ExpectID(r.head())
		res, err := r.CommitFiles(c.ctx, req, each(update("a", string(rune('2'+i)))))
		c.ok(err)
		c.equal("the parent", res.Parent, req.ExpectedHead.ID())
	}
	unborn := c.create()
	for _, e := range []git.Expectation{git.ExpectAbsent(), git.ExpectID(git.ObjectID{})} {
		req.ExpectedHead, req.DryRun = e, true
		_, err := unborn.CommitFiles(c.ctx, req, each(create("a", "1")))
		c.ok(err)
	}
}

// movedMeta is what an error says of a branch that moved.
func movedMeta(name git.RefName, expected, actual git.ObjectID) []string {
	return []string{errs.MetaRef, name.String(), errs.MetaExpected, expected.String(), errs.MetaActual, actual.String()}
}

func expectedHeadIsNotMet(c *tc) {
	r := c.createWith(create("a", "1"))
	first := r.head()
	second := r.commit(update("a", "2")).Commit
	for _, id := range []git.ObjectID{first, c.unknownID(), c.foreignID(), c.blobID("1")} {
		r.refuses(ports.CommitFiles{ExpectedHead: git.ExpectID(id)}, []git.Change{create("b", "3")}, errs.ReasonRefMoved, movedMeta(mainBranch(), id, second)...)
		r.refuses(ports.CommitFiles{ExpectedHead: git.ExpectID(id), DryRun: true}, []git.Change{create("b", "3")}, errs.ReasonRefMoved, movedMeta(mainBranch(), id, second)...)
	}
}

func expectedAbsence(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	change := func() []git.Change { return []git.Change{create("b", "2")} }
	for _, e := range []git.Expectation{git.ExpectAbsent(), git.ExpectID(git.ObjectID{})} {
		r.refuses(ports.CommitFiles{ExpectedHead: e}, change(), errs.ReasonRefMoved, movedMeta(mainBranch(), git.ObjectID{}, head)...)
		r.refuses(ports.CommitFiles{ExpectedHead: e, OnConflict: ports.ReplayIfPathsUntouched}, change(), errs.ReasonRefMoved, movedMeta(mainBranch(), git.ObjectID{}, head)...)
	}
	for _, policy := range []ports.ConflictPolicy{ports.FailOnConflict, ports.ReplayIfPathsUntouched} {
		req := ports.CommitFiles{Branch: branch("none"), ExpectedHead: git.ExpectID(head), OnConflict: policy}
		r.refuses(req, change(), errs.ReasonRefMoved, movedMeta(branch("none"), head, git.ObjectID{})...)
		c.create().refuses(ports.CommitFiles{ExpectedHead: git.ExpectID(head), OnConflict: policy}, change(),
			errs.ReasonRefMoved, movedMeta(mainBranch(), head, git.ObjectID{})...)
	}
}

func expectedBlobIsMet(c *tc) {
	r := c.createWith(create("a", "1"), create("b", "2"), create("c", "3"), create("d", "4"), create("e", "5"))
	expect := func(content string) git.Expectation { return git.ExpectID(c.blobID(content)) }
	r.commit(
		expecting(expect("1"), update("a", "11")), expecting(expect("2"), upsert("b", "22")), expecting(expect("3"), del("c")),
		expecting(expect("4"), move("d", "dd")), expecting(expect("5"), chmod("e", true)),
		expecting(git.ExpectAbsent(), create("f", "6")), expecting(git.ExpectAbsent(), upsert("g", "7")), expecting(git.ExpectID(git.ObjectID{}), upsert("h/i", "8")),
	)
	c.equal("the files", r.files(git.Head()), map[string]string{"a": "11", "b": "22", "dd": "4", "e": "5", "f": "6", "g": "7", "h/i": "8"})
}

func expectedBlobIsNotMet(c *tc) {
	r := c.createWith(create("a", "1"), create("d/b", "2"))
	wrong, foreign := git.ExpectID(c.blobID("other")), git.ExpectID(c.foreignID())
	for _, q := range []struct {
		change git.Change
		path   string
		actual git.ObjectID
	}{
		{expecting(wrong, update("a", "x")), "a", c.blobID("1")},
		{expecting(foreign, update("a", "x")), "a", c.blobID("1")},
		{expecting(git.ExpectAbsent(), upsert("a", "x")), "a", c.blobID("1")},
		{expecting(git.ExpectAbsent(), create("a", "x")), "a", c.blobID("1")},
		{expecting(git.ExpectAbsent(), update("a", "x")), "a", c.blobID("1")},
		{expecting(wrong, del("d/b")), "d/b", c.blobID("2")},
		{expecting(wrong, move("d/b", "c")), "d/b", c.blobID("2")},
		{expecting(wrong, chmod("a", true)), "a", c.blobID("1")},
		{expecting(wrong, update("none", "x")), "none", git.ObjectID{}},
		{expecting(wrong, upsert("none", "x")), "none", git.ObjectID{}},
		{expecting(wrong, del("none")), "none", git.ObjectID{}},
		{expecting(wrong, update("d", "x")), "d", git.ObjectID{}},
	} {
		r.refuses(ports.CommitFiles{}, []git.Change{create("fine", ""), q.change}, errs.ReasonBlobMoved,
			errs.MetaPath, q.path, errs.MetaExpected, q.change.ExpectedBlob.ID().String(), errs.MetaActual, q.actual.String())
	}
}

// movedOn makes a repository whose branch moved on by a commit of the changes, and returns where it was.
func (c *tc) movedOn(changes ...git.Change) (*repo, git.ObjectID) {
	c.Helper()
	r := c.createWith(create("a", "1"), create("b", "2"), create("d/e", "3"), create("d/f", "4"), as(true, create("run", "5")))
	then := r.head()
	r.commit(changes...)
	return r, then
}

func replaying(then git.ObjectID) ports.CommitFiles {
	req := request("Change")
	req.ExpectedHead, req.OnConflict = git.ExpectID(then), ports.ReplayIfPathsUntouched
	return req
}

func replayOnUntouchedPaths(c *tc) {
	r, then := c.movedOn(update("b", "22"), create("d/new", "6"), del("d/f"), chmod("run", false))
	now := r.head()
	res, err := r.CommitFiles(c.ctx, replaying(then), each(update("a", "11"), move("d/e", "e"), create("d/g", "7")))
	c.ok(err)
	c.equal("the parent", res.Parent, now)
	c.equal("whether it is called a replay of a request", res.Replayed, false)
	c.equal("the files", r.files(git.Head()), map[string]string{"a": "11", "b": "22", "d/new": "6", "d/g": "7", "e": "3", "run": "5"})
	res, err = r.CommitFiles(c.ctx, replaying(r.head()), each(update("b", "222")))
	c.ok(err)
	c.equal("the files", r.files(git.AtCommit(res.Commit))["b"], "222")
}

func noReplayOnTouchedPaths(c *tc) {
	for _, q := range []struct {
		what  string
		moved git.Change
		retry git.Change
	}{
		{"changed", update("a", "11"), update("a", "111")},
		{"changed in the same way", update("a", "11"), update("a", "11")},
		{"deleted", del("a"), upsert("a", "111")},
		{"created", create("new", "6"), upsert("new", "66")},
		{"made executable", chmod("a", true), update("a", "111")},
		{"moved away", move("a", "moved"), upsert("a", "111")},
		{"moved here", move("a", "moved"), upsert("moved", "111")},
		{"the source of a move", update("a", "11"), move("a", "there")},
		{"the target of a move", create("there", "6"), move("a", "there")},
		{"turned into a directory", create("dir/x", "6"), upsert("dir", "66")},
	} {
		c.sub(q.what, func(c *tc) {
			r, then := c.movedOn(q.moved)
			r.refuses(replaying(then), []git.Change{create("fine", ""), q.retry}, errs.ReasonRefMoved, movedMeta(mainBranch(), then, r.head())...)
		})
	}
}

func replayOnRestoredPaths(c *tc) {
	r, then := c.movedOn(update("a", "11"))
	r.commit(update("a", "1"))
	_, err := r.CommitFiles(c.ctx, replaying(then), each(update("a", "111")))
	c.ok(err)
	c.equal("the file", r.read("a"), "111")

	// The branch was forced elsewhere: only the trees are compared.
	_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: mainBranch(), Expected: git.ExpectID(r.head()), New: then, Force: true}})
	c.ok(err)
	ahead := r.commitTo(mainBranch(), update("b", "22"))
	res, err := r.CommitFiles(c.ctx, replaying(ahead.Parent), each(update("a", "7")))
	c.ok(err)
	c.equal("the parent", res.Parent, ahead.Commit)
}

func replayIsJudgedAnew(c *tc) {
	r, then := c.movedOn(update("b", "22"))
	r.refuses(replaying(then), []git.Change{create("a", "x")}, errs.ReasonPathExists, errs.MetaPath, "a")
	r.refuses(replaying(then), []git.Change{expecting(git.ExpectID(c.blobID("x")), update("a", "x"))}, errs.ReasonBlobMoved, errs.MetaPath, "a")
	r.unchanged(func() {
		res, err := r.CommitFiles(c.ctx, replaying(then), each(update("a", "1")))
		c.ok(err)
		c.equal("whether it is a no-op", res.NoOp, true)
		c.equal("the head", res.Commit, r.head())
		req := replaying(then)
		req.DryRun = true
		_, err = r.CommitFiles(c.ctx, req, each(update("a", "11")))
		c.ok(err)
	})
}

func replayNeedsCommit(c *tc) {
	r, _ := c.movedOn(update("b", "22"))
	for _, id := range []git.ObjectID{c.unknownID(), c.foreignID(), c.blobID("1")} {
		r.refuses(replaying(id), []git.Change{update("a", "11")}, errs.ReasonRefMoved, movedMeta(mainBranch(), id, r.head())...)
	}
}
