package gitrepotest

import (
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/ports"
)

var policyCases = []testCase{
	{"a repository has the policy that it was given, or the store's default", policyIsAsGiven},
	{"a repository that does not exist has no policy, and a new one of its name has the default", policyOfNoRepository},
	{"a protected branch is neither deleted nor drops commits", protectedBranchStays},
	{"the tag of a release is neither moved nor deleted", releaseTagStays},
	{"where releases stay, a version has one tag, whatever its name and build metadata", versionHasOneTag},
	{"pushes are held to what others are", pushesAreHeldToPolicy},
	{"symbolic links and submodules are pushed only where the policy takes them", linksArePushedByPolicy},
	{"a policy outlives a restart", policyOutlivesARestart},
}

// policy is one that keeps main, the branches of releases, and the tags of releases.
func (c *tc) policy() ports.Policy {
	c.Helper()
	p, err := repository.PolicySpec{ProtectedBranches: []string{"main", "release"}, ImmutableReleases: true}.Parse()
	c.ok(err)
	return p
}

// hasPolicy checks what the policy of a repository is.
func (c *tc) hasPolicy(store ports.RepositoryStore, id git.RepositoryID, want ports.Policy, own bool) {
	c.Helper()
	got, err := store.Policy(c.ctx, id)
	c.ok(err)
	c.equal("whether the policy is its own", got.Own, own)
	c.equal("the policy", got.Spec(), want.Spec())
}

func policyIsAsGiven(c *tc) {
	r := c.create()
	before, err := c.store.Policy(c.ctx, r.id)
	c.ok(err)
	c.equal("own", before.Own, false)
	for _, spec := range []repository.PolicySpec{
		{}, {Validation: "warn", Links: true},
		{Validation: "enforce", ValidatedBranches: []string{"main", "release/*"}, ProtectedBranches: []string{"\xff"}, ImmutableReleases: true},
	} {
		policy, err := spec.Parse()
		c.ok(err)
		c.ok(c.store.SetPolicy(c.ctx, r.id, &policy))
		c.hasPolicy(c.store, r.id, policy, true)
	}
	c.ok(c.store.SetPolicy(c.ctx, r.id, nil))
	c.hasPolicy(c.store, r.id, before.Policy, false)
}

func policyOfNoRepository(c *tc) {
	id, policy := c.newID(), c.policy()
	_, err := c.store.Policy(c.ctx, id)
	c.fails(err, errs.ReasonRepositoryNotFound)
	c.fails(c.store.SetPolicy(c.ctx, id, &policy), errs.ReasonRepositoryNotFound)

	r := c.create()
	before, err := c.store.Policy(c.ctx, r.id)
	c.ok(err)
	c.ok(c.store.SetPolicy(c.ctx, r.id, &policy))
	c.ok(c.store.DeleteRepository(c.ctx, r.id))
	_, err = c.store.CreateRepository(c.ctx, ports.CreateRepository{ID: r.id, ObjectFormat: c.format})
	c.ok(err)
	c.hasPolicy(c.store, r.id, before.Policy, false)
}

// guarded is a repository with such a policy: two commits are on main, the first of them on release/1, free, v1.0.0 and other.
func (c *tc) guarded() (r *repo, first, second git.ObjectID) {
	c.Helper()
	r = c.createWith(create("a", "1"))
	first = r.head()
	_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{
		{Name: branch("release/1"), Expected: git.ExpectAbsent(), New: first}, {Name: branch("free"), Expected: git.ExpectAbsent(), New: first},
		{Name: tag("v1.0.0"), Expected: git.ExpectAbsent(), New: first}, {Name: tag("other"), Expected: git.ExpectAbsent(), New: first},
	})
	c.ok(err)
	second = r.commit(update("a", "2")).Commit
	policy := c.policy()
	c.ok(c.store.SetPolicy(c.ctx, r.id, &policy))
	return r, first, second
}

func protectedBranchStays(c *tc) {
	r, first, second := c.guarded()
	r.unchanged(func() {
		_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: mainBranch(), Expected: git.ExpectID(second), New: first, Force: true}})
		c.fails(err, errs.ReasonRefProtected, errs.MetaRef, "refs/heads/main", errs.MetaActual, second.String())
		_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: branch("release/1"), Expected: git.ExpectID(first)}})
		c.fails(err, errs.ReasonRefProtected, errs.MetaRef, "refs/heads/release/1")
		c.fails(r.DeleteBranch(c.ctx, ports.DeleteRef{Name: branch("release/1")}), errs.ReasonRefProtected, errs.MetaRef, "refs/heads/release/1")
	})
	_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{
		{Name: branch("release/1"), Expected: git.ExpectID(first), New: second}, {Name: branch("free"), Expected: git.ExpectID(first)},
	})
	c.ok(err)
	r.commit(update("a", "3"))
	c.ok(c.store.SetPolicy(c.ctx, r.id, nil))
	c.ok(r.DeleteBranch(c.ctx, ports.DeleteRef{Name: branch("release/1")}))
}

func releaseTagStays(c *tc) {
	r, first, second := c.guarded()
	r.unchanged(func() {
		_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: tag("v1.0.0"), Expected: git.ExpectID(first), New: second, Force: true}})
		c.fails(err, errs.ReasonRefProtected, errs.MetaRef, "refs/tags/v1.0.0")
		_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: tag("v1.0.0"), Expected: git.ExpectID(first)}})
		c.fails(err, errs.ReasonRefProtected, errs.MetaRef, "refs/tags/v1.0.0")
		c.fails(r.DeleteTag(c.ctx, ports.DeleteRef{Name: tag("v1.0.0")}), errs.ReasonRefProtected, errs.MetaRef, "refs/tags/v1.0.0")
	})
	_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{
		{Name: tag("v1.0.0"), Expected: git.ExpectID(first), New: first}, {Name: tag("v1.0.1"), Expected: git.ExpectAbsent(), New: second},
		{Name: tag("other"), Expected: git.ExpectID(first), New: second},
	})
	c.ok(err)
	c.ok(r.DeleteTag(c.ctx, ports.DeleteRef{Name: tag("other")}))
}

func versionHasOneTag(c *tc) {
	r, first, second := c.guarded()
	released := []string{errs.MetaRef, "refs/tags/v1.0.0", errs.MetaActual, first.String()}
	r.unchanged(func() {
		for _, name := range []string{"1.0.0", "v1.0.0+2", "1.0.0+2"} {
			_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag(name), Target: git.AtCommit(first)})
			c.fails(err, errs.ReasonRefExists, released...)
			_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: tag(name), Expected: git.ExpectAbsent(), New: second}})
			c.fails(err, errs.ReasonRefExists, released...)
			for _, dryRun := range []bool{true, false} {
				req := releaseOf(git.Head())
				req.Tag.Name, req.DryRun = tag(name), dryRun
				_, err = r.PublishRelease(c.ctx, req, each())
				c.fails(err, errs.ReasonRefExists, released...)
			}
		}
		_, err := r.UpdateRefs(c.ctx, []git.RefUpdate{
			{Name: tag("2.0.0"), Expected: git.ExpectAbsent(), New: first}, {Name: tag("v2.0.0+x"), Expected: git.ExpectAbsent(), New: first},
		})
		c.fails(err, errs.ReasonRefExists, errs.MetaRef, "refs/tags/2.0.0")
	})
	// None of them is a tag of the same version.
	for _, name := range []string{"v1.0.0-rc.1", "v1.0.0-rc.1.2", "v1.0.01", "v1.0.0+", "v1.0.00+2", "1.0.0.0", "vv1.0.0", "v1.0.10+2", "v1.0.1+2", "of/1.0.0", "v1"} {
		_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag(name), Target: git.AtCommit(first)})
		c.ok(err)
	}
	_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("1.0.1"), Target: git.Head()})
	c.fails(err, errs.ReasonRefExists, errs.MetaRef, "refs/tags/v1.0.1+2")
	_, err = r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch("1.0.0"), Target: git.Head()})
	c.ok(err)
	c.ok(c.store.SetPolicy(c.ctx, r.id, &ports.Policy{}))
	_, err = r.CreateTag(c.ctx, ports.CreateTag{Name: tag("1.0.0"), Target: git.Head()})
	c.ok(err)
}

func pushesAreHeldToPolicy(c *tc) {
	c.packs(c.store)
	r, first, second := c.guarded()
	none := &pushed{c: c}
	r.unchanged(func() {
		got := r.push(c.commands("", command(second, first, "refs/heads/main", c.format), command(first, second, "refs/tags/v1.0.0", c.format)) + none.pack())
		if len(got) != 3 || !strings.HasPrefix(got[1], "ng refs/heads/main branch ") || !strings.HasPrefix(got[2], "ng refs/tags/v1.0.0 tag ") {
			c.Errorf("%q", got)
		}
		got = r.push(c.commands("delete-refs", command(first, git.ObjectID{}, "refs/heads/release/1", c.format), command(first, git.ObjectID{}, "refs/tags/v1.0.0", c.format)))
		if len(got) != 3 || !strings.HasPrefix(got[1], "ng refs/heads/release/1 branch ") || !strings.HasPrefix(got[2], "ng refs/tags/v1.0.0 tag ") {
			c.Errorf("%q", got)
		}
	})
	r.unchanged(func() {
		got := r.push(c.commands("atomic", command(git.ObjectID{}, second, "refs/tags/v1.1.0", c.format), command(git.ObjectID{}, second, "refs/tags/1.0.0", c.format)) + none.pack())
		c.equal("report", got[2:], []string{`ng refs/tags/1.0.0 version 1.0.0 is released as the tag "v1.0.0": choose a higher one`})
	})
	got := r.push(c.commands("", command(git.ObjectID{}, second, "refs/tags/v1.1.0", c.format), command(git.ObjectID{}, second, "refs/tags/1.1.0+2", c.format)) + none.pack())
	c.equal("report", got, []string{"unpack ok", "ok refs/tags/v1.1.0", `ng refs/tags/1.1.0+2 version 1.1.0+2 is released as the tag "v1.1.0": choose a higher one`})
	got = r.push(c.commands("", command(first, second, "refs/heads/release/1", c.format), command(first, git.ObjectID{}, "refs/heads/free", c.format)) + none.pack())
	c.equal("report", got, []string{"unpack ok", "ok refs/heads/release/1", "ok refs/heads/free"})
}

func linksArePushedByPolicy(c *tc) {
	c.packs(c.store)
	r := c.createWith(create("a", "1"))
	for _, entry := range []git.TreeEntry{{Name: "up", Mode: git.ModeSymlink, ID: c.blobID("../up")}, {Name: "sub", Mode: git.ModeSubmodule, ID: c.unknownID()}} {
		p := &pushed{c: c}
		p.put(git.BlobObject, []byte("../up"))
		with := p.commitTree(r.head(), p.put(git.TreeObject, git.EncodeTree([]git.TreeEntry{entry})))
		without := p.commit(with, "a", "2") // hides nothing
		ref := "refs/heads/" + entry.Name
		c.ok(c.store.SetPolicy(c.ctx, r.id, &ports.Policy{}))
		r.unchanged(func() {
			got := r.push(c.commands("", command(git.ObjectID{}, without, ref, c.format)) + p.pack())
			if len(got) != 2 || !strings.HasPrefix(got[1], "ng "+ref+" symbolic links and submodules") {
				c.Errorf("%q", got)
			}
		})
		c.ok(c.store.SetPolicy(c.ctx, r.id, &ports.Policy{Links: true}))
		got := r.push(c.commands("", command(git.ObjectID{}, without, ref, c.format)) + p.pack())
		c.equal("report", got, []string{"unpack ok", "ok " + ref})
	}
}

func policyOutlivesARestart(c *tc) {
	c.needReopen()
	store := c.h.New(c)
	r, policy := c.createIn(store), c.policy()
	c.ok(store.SetPolicy(c.ctx, r.id, &policy))
	store = c.h.Reopen(c, store)
	c.hasPolicy(store, r.id, policy, true)
}
