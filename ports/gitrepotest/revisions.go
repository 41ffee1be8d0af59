package gitrepotest

import (
	"context"
	"io"
	"iter"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var revisionCases = []testCase{
	{"a revision leads to a commit by each of its forms", revisionLeadsToCommit},
	{"an annotated tag leads through tags to its commit", tagLeadsToCommit},
	{"a branch wins over a tag of the same name", branchWinsOverTag},
	{"refs outside branches and tags lead nowhere", otherRefsLeadNowhere},
	{"names that git would take and GitStore would not make can be followed", oddRefsAreFollowed},
	{"HEAD of an empty repository is not found", unbornHeadIsNotFound},
	{"HEAD follows the default branch", headFollowsDefaultBranch},
	{"every method refuses a revision that is missing", missingRevisionIsRefused},
	{"every method tells a ref that does not exist", unknownRefIsTold},
	{"every method tells an object that does not exist", unknownObjectIsTold},
	{"every method tells what does not lead to a commit", notACommitIsTold},
	{"an answer is of the one commit that it names", answerIsOfOneCommit},
}

// call is one call of a method.
type call struct {
	name string
	// do makes the call with the revision in the place that the name tells. It reports whether the error came in the
	// midst of the answer.
	do func(ctx context.Context, r ports.GitRepository, rev git.Revision) (late bool, err error)
	// optional reports that the revision may be zero.
	optional bool
}

// streamed reads an answer to its end.
func streamed[T any](seq iter.Seq2[T, error], err error) (bool, error) {
	if err != nil {
		return false, err
	}
	_, err = drain(seq)
	return true, err
}

func answered(err error) (bool, error) { return false, err }

// calls are all methods that take a revision. The repository needs a file "a" at the revision.
var calls = []call{
	{name: "ResolveRevision", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, err := r.ResolveRevision(ctx, rev)
		return answered(err)
	}},
	{name: "GetFile", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, err := r.GetFile(ctx, rev, path("a"))
		return answered(err)
	}},
	{name: "ReadFile", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, content, err := r.ReadFile(ctx, ports.ReadFile{Revision: rev, Path: path("a")})
		if err != nil {
			return false, err
		}
		defer func() { _ = content.Close() }()
		_, err = io.Copy(io.Discard, content)
		return true, err
	}},
	{name: "BatchGetFiles", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, seq, err := r.BatchGetFiles(ctx, rev, paths("a"))
		return streamed(seq, err)
	}},
	{name: "ListFiles", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, seq, err := r.ListFiles(ctx, ports.ListFiles{Revision: rev, Recursive: true})
		return streamed(seq, err)
	}},
	{name: "ReadTree", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, seq, err := r.ReadTree(ctx, ports.ReadTree{Revision: rev})
		return streamed(seq, err)
	}},
	{name: "GetCommit", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, err := r.GetCommit(ctx, rev)
		return answered(err)
	}},
	{name: "ListCommits", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, seq, err := r.ListCommits(ctx, ports.ListCommits{Revision: rev})
		return streamed(seq, err)
	}},
	{name: "ListCommits, Exclude", optional: true, do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, seq, err := r.ListCommits(ctx, ports.ListCommits{Revision: git.Head(), Exclude: rev})
		return streamed(seq, err)
	}},
	{name: "ListChangedPaths, Head", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, seq, err := r.ListChangedPaths(ctx, ports.Compare{Head: rev})
		return streamed(seq, err)
	}},
	{name: "ListChangedPaths, Base", optional: true, do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, seq, err := r.ListChangedPaths(ctx, ports.Compare{Base: rev, Head: git.Head()})
		return streamed(seq, err)
	}},
	{name: "GetDiff, Head", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, seq, err := r.GetDiff(ctx, ports.Compare{Head: rev})
		return streamed(seq, err)
	}},
	{name: "GetDiff, Base", optional: true, do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, seq, err := r.GetDiff(ctx, ports.Compare{Base: rev, Head: git.Head(), FromMergeBase: true})
		return streamed(seq, err)
	}},
	{name: "CreateBranch", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, err := r.CreateBranch(ctx, ports.CreateBranch{Name: branch("made"), Target: rev})
		return answered(err)
	}},
	{name: "CreateTag", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, err := r.CreateTag(ctx, ports.CreateTag{Name: tag("made"), Target: rev})
		return answered(err)
	}},
	{name: "CommitFiles, Start", optional: true, do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, err := r.CommitFiles(ctx, ports.CommitFiles{Branch: branch("started"), Start: rev, Message: "Change"}, each(upsert("new", "1")))
		return answered(err)
	}},
	{name: "PublishRelease", do: func(ctx context.Context, r ports.GitRepository, rev git.Revision) (bool, error) {
		_, err := r.PublishRelease(ctx, ports.PublishRelease{Tag: ports.CreateTag{Name: tag("v9.9.9"), Target: rev, Message: "Release"}}, each())
		return answered(err)
	}},
}

func revisionLeadsToCommit(c *tc) {
	r := c.createWith(create("a", "1"))
	first := r.head()
	_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head()})
	c.ok(err)
	second := r.commit(update("a", "2")).Commit
	for rev, want := range map[string]ports.Resolved{
		"HEAD":            {Commit: second, Ref: mainBranch()},
		"main":            {Commit: second, Ref: mainBranch()},
		"refs/heads/main": {Commit: second, Ref: mainBranch()},
		"v1":              {Commit: first, Ref: tag("v1")},
		"refs/tags/v1":    {Commit: first, Ref: tag("v1")},
		first.String():    {Commit: first},
		second.String():   {Commit: second},
	} {
		commit, err := r.GetCommit(c.ctx, revision(rev))
		c.ok(err)
		want.Tree = commit.Tree
		got, err := r.ResolveRevision(c.ctx, revision(rev))
		c.ok(err)
		c.equal("where "+rev+" leads", got, want)
	}
}

func tagLeadsToCommit(c *tc) {
	r, w := c.readSample()
	first := w.commits["first"]
	for _, name := range []string{"v1.0.0", "outer", "outermost"} {
		got, err := r.ResolveRevision(c.ctx, revision(name))
		c.ok(err)
		c.equal("where "+name+" leads", got, ports.Resolved{Commit: first.ID, Tree: first.Tree, Ref: tag(name)})
		got, err = r.ResolveRevision(c.ctx, git.AtCommit(w.tags[name]))
		c.ok(err)
		c.equal("where the object of "+name+" leads", got, ports.Resolved{Commit: first.ID, Tree: first.Tree})
	}
}

func branchWinsOverTag(c *tc) {
	r, w := c.readSample()
	got, err := r.ResolveRevision(c.ctx, revision("same"))
	c.ok(err)
	c.equal("the short name", got, ports.Resolved{Commit: w.id("first"), Tree: w.commits["first"].Tree, Ref: branch("same")})
	got, err = r.ResolveRevision(c.ctx, revision("refs/tags/same"))
	c.ok(err)
	c.equal("the full name", got, ports.Resolved{Commit: w.id("second"), Tree: w.commits["second"].Tree, Ref: tag("same")})
}

func otherRefsLeadNowhere(c *tc) {
	r, _ := c.readSample()
	_, err := r.ResolveRevision(c.ctx, revision("refs/notes/commits"))
	c.fails(err, errs.ReasonRefNotFound, errs.MetaRef, "refs/notes/commits")
}

func oddRefsAreFollowed(c *tc) {
	r, w := c.readSample()
	for _, name := range []string{"refs/heads/-dash", "refs/heads/caf\xe9", "refs/heads/deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"} {
		got, err := r.ResolveRevision(c.ctx, revision(name))
		c.ok(err)
		c.equal("where the branch leads", got, ports.Resolved{Commit: w.id("first"), Tree: w.commits["first"].Tree, Ref: refName(name)})
	}
}

func unbornHeadIsNotFound(c *tc) {
	r := c.create()
	for _, rev := range []git.Revision{git.Head(), revision("main"), git.AtRef(mainBranch())} {
		_, err := r.ResolveRevision(c.ctx, rev)
		c.fails(err, errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/main")
	}
}

func headFollowsDefaultBranch(c *tc) {
	id := c.newID()
	_, err := c.store.CreateRepository(c.ctx, ports.CreateRepository{ID: id, ObjectFormat: c.format, DefaultBranch: branch("trunk")})
	c.ok(err)
	r := c.repo(c.store, id)
	made := r.commitTo(branch("trunk"), create("a", "1"))
	got, err := r.ResolveRevision(c.ctx, git.Head())
	c.ok(err)
	c.equal("where HEAD leads", got, ports.Resolved{Commit: made.Commit, Tree: made.Tree, Ref: branch("trunk")})
	_, err = r.ResolveRevision(c.ctx, revision("main"))
	c.fails(err, errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/main")
}

// refused makes every call with the revision, each of which has to fail before it answers anything, and change nothing.
func (r *repo) refused(all []call, rev git.Revision, reason errs.Reason, meta ...string) {
	r.c.Helper()
	r.unchanged(func() {
		for _, call := range all {
			r.c.sub(call.name, func(c *tc) {
				late, err := call.do(c.ctx, r, rev)
				c.fails(err, reason, meta...)
				if late {
					c.Error("the error came in the midst of the answer, want it instead of one")
				}
			})
		}
	})
}

func missingRevisionIsRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	var needed []call
	for _, call := range calls {
		if !call.optional {
			needed = append(needed, call)
		}
	}
	r.refused(needed, git.Revision{}, errs.ReasonInvalidRevision)
}

func unknownRefIsTold(c *tc) {
	r := c.createWith(create("a", "1"))
	for rev, ref := range map[string]string{
		"refs/heads/none": "refs/heads/none",
		"refs/tags/none":  "refs/tags/none",
		"none":            "refs/heads/none",
		"main/none":       "refs/heads/main/none",
	} {
		c.sub(rev, func(c *tc) {
			c.repo(c.store, r.id).refused(calls, revision(rev), errs.ReasonRefNotFound, errs.MetaRef, ref)
		})
	}
}

func unknownObjectIsTold(c *tc) {
	r := c.createWith(create("a", "1"))
	for _, id := range []git.ObjectID{c.unknownID(), c.foreignID()} {
		c.sub(id.Format().String(), func(c *tc) {
			c.repo(c.store, r.id).refused(calls, git.AtCommit(id), errs.ReasonObjectNotFound, errs.MetaObject, id.String())
		})
	}
}

func notACommitIsTold(c *tc) {
	r := c.createWith(create("a", "1"))
	commit, err := r.GetCommit(c.ctx, git.Head())
	c.ok(err)
	for what, id := range map[string]git.ObjectID{"a tree": commit.Tree, "a blob": c.blobID("1")} {
		c.sub(what, func(c *tc) {
			c.repo(c.store, r.id).refused(calls, git.AtCommit(id), errs.ReasonNotACommit, errs.MetaObject, id.String())
		})
	}
	c.sub("a tag of a blob", func(c *tc) {
		r, w := c.readSample()
		for _, rev := range []git.Revision{revision("readme"), git.AtRef(tag("readme")), git.AtCommit(w.tags["readme"])} {
			_, err := r.ResolveRevision(c.ctx, rev)
			c.fails(err, errs.ReasonNotACommit, errs.MetaObject, w.tags["readme"].String())
			_, err = r.GetFile(c.ctx, rev, path("README.md"))
			c.fails(err, errs.ReasonNotACommit, errs.MetaObject, w.tags["readme"].String())
		}
	})
}

func answerIsOfOneCommit(c *tc) {
	r := c.createWith(create("a", "old"), create("b", "old"))
	then := r.head()
	listed, list, err := r.ListFiles(c.ctx, ports.ListFiles{Revision: git.Head(), Recursive: true})
	c.ok(err)
	read, tree, err := r.ReadTree(c.ctx, ports.ReadTree{Revision: git.Head()})
	c.ok(err)
	batched, batch, err := r.BatchGetFiles(c.ctx, git.Head(), paths("a", "b"))
	c.ok(err)
	walked, walk, err := r.ListCommits(c.ctx, ports.ListCommits{Revision: git.Head()})
	c.ok(err)
	file, content, err := r.ReadFile(c.ctx, ports.ReadFile{Revision: git.Head(), Path: path("a")})
	c.ok(err)

	r.commit(update("a", "newer"), del("b"), create("c", "new"))
	for what, id := range map[string]git.ObjectID{
		"ListFiles": listed, "ReadTree": read, "BatchGetFiles": batched, "ListCommits": walked, "ReadFile": file.Commit,
	} {
		c.equal("the commit that "+what+" names", id, then)
	}
	var names []string
	for info, err := range list {
		c.ok(err)
		c.equal("the size of "+info.Path.String(), info.Size, int64(len("old")))
		names = append(names, info.Path.String())
	}
	c.equal("the files that ListFiles yields", names, []string{"a", "b"})
	for f, err := range tree {
		c.ok(err)
		c.equal("what ReadTree yields for "+f.Path.String(), c.content(f.Content), "old")
	}
	for f, err := range batch {
		c.ok(err)
		c.equal("what BatchGetFiles yields for "+f.Path.String(), c.content(f.Content), "old")
	}
	for commit, err := range walk {
		c.ok(err)
		c.equal("the commit that ListCommits yields", commit.ID, then)
	}
	c.equal("what ReadFile reads", c.content(content), "old")
	c.ok(content.Close())
}
