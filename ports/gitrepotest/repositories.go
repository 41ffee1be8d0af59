package gitrepotest

import (
	"slices"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var repositoryCases = []testCase{
	{"a new repository is empty and described as it was asked for", newRepositoryIsAsAskedFor},
	{"defaults are refs/heads/main and SHA-1", newRepositoryHasDefaults},
	{"a default branch that is no writable branch is refused", badDefaultBranchIsRefused},
	{"an id in use is refused and its repository left alone", idInUseIsRefused},
	{"a repository without id is refused", repositoryWithoutIDIsRefused},
	{"of many creations of one id one wins", oneOfManyCreationsWins},
	{"repositories do not see each other's objects", repositoriesAreApart},
	{"a commit or a tag alone makes a repository not empty", repositoryIsNotEmptyOnceItHasARef},
	{"a deleted repository is gone, and its id can be used anew", deletedRepositoryIsGone},
	{"a repository that does not exist cannot be deleted", missingRepositoryCannotBeDeleted},
	{"of many deletions of one repository one finds it", oneOfManyDeletionsFindsIt},
	{"pages list every repository once, by id", pagesListEveryRepositoryOnce},
	{"a page goes on where the one before ended, whatever was created or deleted since", pagesFollowChanges},
	{"a page size or token that is no good is refused", badPagesOfRepositoriesAreRefused},
	{"repositories, commits and settings outlive a restart", repositoriesOutliveARestart},
}

func newRepositoryIsAsAskedFor(c *tc) {
	id := c.newID()
	made, err := c.store.CreateRepository(c.ctx, ports.CreateRepository{ID: id, DefaultBranch: branch("trunk"), ObjectFormat: c.format})
	c.ok(err)
	if age := time.Since(made.CreatedAt); age < -time.Hour || age > time.Hour {
		c.Errorf("created at %s, want about now", made.CreatedAt)
	}
	if made.CreatedAt.Nanosecond() != 0 || made.CreatedAt.Location() != time.UTC {
		c.Errorf("created at %s, want it to the second and in UTC", made.CreatedAt)
	}
	want := ports.RepositoryInfo{ID: id, DefaultBranch: branch("trunk"), ObjectFormat: c.format, Empty: true, CreatedAt: made.CreatedAt}
	made.SizeBytes = 0
	c.equal("what CreateRepository returns", made, want)
	info, err := c.store.Repository(id).Info(c.ctx)
	c.ok(err)
	if info.SizeBytes < 0 {
		c.Errorf("the size is %d bytes", info.SizeBytes)
	}
	info.SizeBytes = 0
	c.equal("what Info returns", info, want)
}

func newRepositoryHasDefaults(c *tc) {
	info, err := c.store.CreateRepository(c.ctx, ports.CreateRepository{ID: c.newID()})
	c.ok(err)
	c.equal("the default branch", info.DefaultBranch, mainBranch())
	c.equal("the object format", info.ObjectFormat, git.SHA1)
}

func badDefaultBranchIsRefused(c *tc) {
	for name, reason := range map[string]errs.Reason{
		"refs/tags/v1":                          errs.ReasonRefNotWritable,
		"refs/notes/n":                          errs.ReasonRefNotWritable,
		"refs/heads/-x":                         errs.ReasonInvalidRefName,
		"refs/heads/HEAD":                       errs.ReasonInvalidRefName,
		"refs/heads/a\xff":                      errs.ReasonInvalidRefName,
		"refs/heads/" + strings.Repeat("a", 40): errs.ReasonInvalidRefName,
		"refs/heads/" + strings.Repeat("a", 64): errs.ReasonInvalidRefName,
	} {
		c.sub(name, func(c *tc) {
			id := c.newID()
			_, err := c.store.CreateRepository(c.ctx, ports.CreateRepository{ID: id, DefaultBranch: refName(name), ObjectFormat: c.format})
			c.fails(err, reason)
			_, err = c.store.Repository(id).Info(c.ctx)
			c.fails(err, errs.ReasonRepositoryNotFound, errs.MetaRepository, id.String())
		})
	}
}

func idInUseIsRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	r.unchanged(func() {
		_, err := c.store.CreateRepository(c.ctx, ports.CreateRepository{ID: r.id, DefaultBranch: branch("other")})
		c.fails(err, errs.ReasonRepositoryExists, errs.MetaRepository, r.id.String())
	})
}

func repositoryWithoutIDIsRefused(c *tc) {
	_, err := c.store.CreateRepository(c.ctx, ports.CreateRepository{ObjectFormat: c.format})
	c.fails(err, errs.ReasonInvalidRepositoryID, errs.MetaField, "repository")
}

func oneOfManyCreationsWins(c *tc) {
	id := c.newID()
	outcomes := together(8, func(int) error {
		_, err := c.store.CreateRepository(c.ctx, ports.CreateRepository{ID: id, ObjectFormat: c.format})
		return err
	})
	won := c.winner(outcomes)
	for i, err := range outcomes {
		if i != won {
			c.fails(err, errs.ReasonRepositoryExists, errs.MetaRepository, id.String())
		}
	}
	c.repo(c.store, id).commit(create("a", "1"))
}

func repositoriesAreApart(c *tc) {
	r, other := c.createWith(create("a", "1")), c.createWith(create("b", "2"))
	head := r.head()
	_, err := other.GetCommit(c.ctx, git.AtCommit(head))
	c.fails(err, errs.ReasonObjectNotFound, errs.MetaObject, head.String())
	_, err = other.GetFile(c.ctx, git.AtCommit(head), path("a"))
	c.fails(err, errs.ReasonObjectNotFound, errs.MetaObject, head.String())
	c.equal("the other's files", other.files(git.Head()), map[string]string{"b": "2"})
}

func repositoryIsNotEmptyOnceItHasARef(c *tc) {
	r := c.createWith(create("a", "1"))
	c.equal("empty, with a branch", r.state().Info.Empty, false)
	c.sub("a tag alone", func(c *tc) {
		c.needImport()
		tagged := c.create()
		c.h.Import(c, c.store, tagged.id, []byte("blob\nmark :1\ndata 0\n\ntag v1\nfrom :1\ntagger "+by(adaPerson, 0)+"\ndata 1\nm\ndone\n"))
		c.equal("empty, with a tag", tagged.state().Info.Empty, false)
	})
}

func deletedRepositoryIsGone(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	c.ok(c.store.DeleteRepository(c.ctx, r.id))
	_, err := r.Info(c.ctx)
	c.fails(err, errs.ReasonRepositoryNotFound, errs.MetaRepository, r.id.String())
	_, err = r.GetFile(c.ctx, git.AtCommit(head), path("a"))
	c.fails(err, errs.ReasonRepositoryNotFound, errs.MetaRepository, r.id.String())
	_, err = r.CommitFiles(c.ctx, ports.CommitFiles{Branch: mainBranch(), Message: "Change"}, each(create("b", "2")))
	c.fails(err, errs.ReasonRepositoryNotFound, errs.MetaRepository, r.id.String())
	c.fails(c.store.DeleteRepository(c.ctx, r.id), errs.ReasonRepositoryNotFound, errs.MetaRepository, r.id.String())

	info, err := c.store.CreateRepository(c.ctx, ports.CreateRepository{ID: r.id, ObjectFormat: c.format})
	c.ok(err)
	c.equal("empty", info.Empty, true)
	_, err = r.GetCommit(c.ctx, git.AtCommit(head))
	c.fails(err, errs.ReasonObjectNotFound, errs.MetaObject, head.String())
	c.equal("the new repository's refs", r.refs(ports.RefQuery{}), []git.Ref(nil))
	r.commit(create("a", "new"))
	c.equal("the new repository's files", r.files(git.Head()), map[string]string{"a": "new"})
}

func missingRepositoryCannotBeDeleted(c *tc) {
	id := c.newID()
	c.fails(c.store.DeleteRepository(c.ctx, id), errs.ReasonRepositoryNotFound, errs.MetaRepository, id.String())
}

func oneOfManyDeletionsFindsIt(c *tc) {
	r := c.createWith(create("a", "1"))
	outcomes := together(8, func(int) error { return c.store.DeleteRepository(c.ctx, r.id) })
	won := c.winner(outcomes)
	for i, err := range outcomes {
		if i != won {
			c.fails(err, errs.ReasonRepositoryNotFound, errs.MetaRepository, r.id.String())
		}
	}
}

// fill creates n repositories in a store and returns what creating them told, by id.
func (c *tc) fill(store ports.RepositoryStore, n int) []ports.RepositoryInfo {
	c.Helper()
	infos := make([]ports.RepositoryInfo, n)
	for i := range infos {
		var err error
		infos[i], err = store.CreateRepository(c.ctx, ports.CreateRepository{ID: c.newID(), ObjectFormat: c.format, DefaultBranch: branch("trunk")})
		c.ok(err)
	}
	slices.SortFunc(infos, func(a, b ports.RepositoryInfo) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return infos
}

func pagesListEveryRepositoryOnce(c *tc) {
	store := c.h.New(c)
	page, err := store.ListRepositories(c.ctx, ports.Page{})
	c.ok(err)
	c.equal("the only page of an empty store", page, ports.RepositoryPage{})

	want := c.fill(store, 5)
	c.repo(store, want[1].ID).commitTo(branch("trunk"), create("a", "1"))
	want[1].Empty = false
	for _, size := range []int{0, 1, 2, 4, 5, 6, ports.MaxPageSize, ports.MaxPageSize + 1} {
		var got []ports.RepositoryInfo
		next := ports.Page{Size: size}
		for {
			page, err := store.ListRepositories(c.ctx, next)
			c.ok(err)
			if size > 0 && len(page.Items) > size {
				c.Errorf("a page of at most %d has %d items", size, len(page.Items))
			}
			got = append(got, page.Items...)
			if next.Token = page.NextToken; next.Token == "" {
				break
			}
			if len(page.Items) != size {
				c.Errorf("a page of %d that is not the last has %d items", size, len(page.Items))
			}
		}
		c.equal("the listing", got, want)
	}
}

func pagesFollowChanges(c *tc) {
	store := c.h.New(c)
	infos := c.fill(store, 4)
	first, err := store.ListRepositories(c.ctx, ports.Page{Size: 2})
	c.ok(err)
	c.ok(store.DeleteRepository(c.ctx, infos[1].ID))
	c.ok(store.DeleteRepository(c.ctx, infos[2].ID))
	last := c.fill(store, 1)[0]
	rest, err := store.ListRepositories(c.ctx, ports.Page{Token: first.NextToken})
	c.ok(err)
	c.equal("the second page", rest, ports.RepositoryPage{Items: []ports.RepositoryInfo{infos[3], last}})
}

func badPagesOfRepositoriesAreRefused(c *tc) {
	store := c.h.New(c)
	infos := c.fill(store, 2)
	_, err := store.ListRepositories(c.ctx, ports.Page{Size: -1})
	c.fails(err, errs.ReasonInvalidPageSize, errs.MetaField, "page_size")

	r := c.repo(store, infos[0].ID)
	r.commitTo(branch("trunk"), create("a", "1"))
	for _, name := range []string{"v1.0.0", "v2.0.0"} {
		_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag(name), Target: git.Head()})
		c.ok(err)
	}
	tags, err := r.ListTags(c.ctx, ports.Page{Size: 1})
	c.ok(err)
	for _, token := range []string{"x", "!!!", strings.Repeat("A", 10_000), tags.NextToken} {
		_, err := store.ListRepositories(c.ctx, ports.Page{Token: token})
		c.fails(err, errs.ReasonInvalidPageToken, errs.MetaField, "page_token")
	}
}

func repositoriesOutliveARestart(c *tc) {
	c.needReopen()
	store := c.h.New(c)
	infos := c.fill(store, 2)
	r := c.repo(store, infos[0].ID)
	made := r.commitTo(branch("trunk"), create("a", "1"))
	before := r.state()
	store = c.h.Reopen(c, store)
	page, err := store.ListRepositories(c.ctx, ports.Page{})
	c.ok(err)
	infos[0].Empty = false
	c.equal("the listing", page.Items, infos)
	r = c.repo(store, infos[0].ID)
	c.equal("the repository", r.state(), before)
	c.equal("the head", r.head(), made.Commit)
	c.equal("the files", r.files(git.Head()), map[string]string{"a": "1"})
	made = r.commitTo(branch("trunk"), create("b", "2"))
	c.equal("the parent of the next commit", made.Parent, before.Refs[0].Target)
}
