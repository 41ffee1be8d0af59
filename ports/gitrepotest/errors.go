package gitrepotest

import (
	"context"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var errorCases = []testCase{
	{"every method tells a repository that does not exist", missingRepositoryIsTold},
	{"a zero repository id is nobody's repository", zeroRepositoryIDIsTold},
	{"what is missing is told apart: repository, ref, object, path", missingIsToldApart},
}

// otherCalls are all methods that take no revision.
var otherCalls = []call{
	{name: "Info", do: func(ctx context.Context, r ports.GitRepository, _ git.Revision) (bool, error) {
		_, err := r.Info(ctx)
		return answered(err)
	}},
	{name: "ListRefs", do: func(ctx context.Context, r ports.GitRepository, _ git.Revision) (bool, error) {
		return streamed(r.ListRefs(ctx, ports.RefQuery{}))
	}},
	{name: "ListTags", do: func(ctx context.Context, r ports.GitRepository, _ git.Revision) (bool, error) {
		_, err := r.ListTags(ctx, ports.Page{})
		return answered(err)
	}},
	{name: "LatestTag", do: func(ctx context.Context, r ports.GitRepository, _ git.Revision) (bool, error) {
		_, err := r.LatestTag(ctx, ports.LatestTagQuery{})
		return answered(err)
	}},
	{name: "DeleteTag", do: func(ctx context.Context, r ports.GitRepository, _ git.Revision) (bool, error) {
		return answered(r.DeleteTag(ctx, ports.DeleteRef{Name: tag("v1.0.0")}))
	}},
	{name: "DeleteBranch", do: func(ctx context.Context, r ports.GitRepository, _ git.Revision) (bool, error) {
		return answered(r.DeleteBranch(ctx, ports.DeleteRef{Name: branch("topic")}))
	}},
	{name: "UpdateRefs", do: func(ctx context.Context, r ports.GitRepository, _ git.Revision) (bool, error) {
		_, err := r.UpdateRefs(ctx, []git.RefUpdate{{Name: branch("topic"), Expected: git.ExpectAbsent(), New: git.SHA1.EmptyTree()}})
		return answered(err)
	}},
	{name: "CommitFiles", do: func(ctx context.Context, r ports.GitRepository, _ git.Revision) (bool, error) {
		_, err := r.CommitFiles(ctx, request("Change"), each(upsert("a", "2")))
		return answered(err)
	}},
	{name: "PublishRelease with a commit", do: func(ctx context.Context, r ports.GitRepository, _ git.Revision) (bool, error) {
		_, err := r.PublishRelease(ctx, release(), each(upsert("a", "2")))
		return answered(err)
	}},
}

// every is all methods of a repository.
func every() []call { return append(append([]call(nil), otherCalls...), calls...) }

func missingRepositoryIsTold(c *tc) {
	id := c.newID()
	r := c.store.Repository(id)
	for _, call := range every() {
		c.sub(call.name, func(c *tc) {
			late, err := call.do(c.ctx, r, git.Head())
			c.fails(err, errs.ReasonRepositoryNotFound, errs.MetaRepository, id.String())
			if late {
				c.Error("the error came in the midst of the answer, want it instead of one")
			}
		})
	}
	page, err := c.store.ListRepositories(c.ctx, ports.Page{Size: ports.MaxPageSize})
	c.ok(err)
	for _, info := range page.Items {
		if info.ID == id {
			c.Error("asking for a repository made it")
		}
	}
}

func zeroRepositoryIDIsTold(c *tc) {
	r := c.store.Repository(git.RepositoryID{})
	for _, call := range every() {
		_, err := call.do(c.ctx, r, git.Head())
		c.failsWithin(err, errs.ReasonInvalidRepositoryID, errs.ReasonRepositoryNotFound)
	}
	c.failsWithin(c.store.DeleteRepository(c.ctx, git.RepositoryID{}), errs.ReasonInvalidRepositoryID, errs.ReasonRepositoryNotFound)
}

func missingIsToldApart(c *tc) {
	r := c.createWith(create("a", "1"))
	missing := c.newID()
	for _, q := range []struct {
		id     git.RepositoryID
		rev    git.Revision
		reason errs.Reason
		meta   []string
	}{
		{missing, revision("none"), errs.ReasonRepositoryNotFound, []string{errs.MetaRepository, missing.String()}},
		{r.id, revision("none"), errs.ReasonRefNotFound, []string{errs.MetaRef, "refs/heads/none"}},
		{r.id, git.AtCommit(c.unknownID()), errs.ReasonObjectNotFound, []string{errs.MetaObject, c.unknownID().String()}},
		{r.id, git.Head(), errs.ReasonPathNotFound, []string{errs.MetaPath, "none"}},
	} {
		_, err := c.store.Repository(q.id).GetFile(c.ctx, q.rev, path("none"))
		c.fails(err, q.reason, q.meta...)
	}
}
