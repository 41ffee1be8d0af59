package gitrepotest

import (
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var releaseCases = []testCase{
	{"a release without a commit tags what is there", releaseTagsWhatIsThere},
	{"a release with a commit makes it and tags it", releaseMakesCommit},
	{"a release whose commit changes nothing tags the head", releaseOfNoOp},
	{"a release may begin a branch", releaseBeginsBranch},
	{"a release that cannot be tagged makes no commit", releaseWithoutTagMakesNothing},
	{"a release whose commit cannot be made makes no tag", releaseWithoutCommitMakesNothing},
	{"a release that contradicts itself is refused", badReleasesAreRefused},
	{"a retry returns the first call's release and makes none", releaseIsReplayed},
	{"a request id with another release is refused", reusedReleaseIsRefused},
	{"a dry run tells what would be, and makes nothing", releaseDryRun},
	{"of many releases of one tag one is made, whole", oneOfManyReleasesIsMade},
}

// release is a release of version 1.0.0 with a commit.
func release() ports.PublishRelease {
	req := request("Prepare")
	return ports.PublishRelease{
		Tag:    ports.CreateTag{Name: tag("v1.0.0"), Message: "One", Tagger: ada(epoch + 60)},
		Commit: &req,
	}
}

// releaseOf is a release of what is at the revision.
func releaseOf(rev git.Revision) ports.PublishRelease {
	return ports.PublishRelease{Tag: ports.CreateTag{Name: tag("v1.0.0"), Target: rev, Message: "One", Tagger: ada(epoch + 60)}}
}

// tagOf is the tag that a release of a commit comes to.
func (c *tc) tagOf(commit git.ObjectID) ports.TagInfo {
	object := &git.Tag{Target: commit, TargetType: git.CommitObject, Name: "v1.0.0", Tagger: ada(epoch + 60), Message: "One\n"}
	object.ID = c.format.HashObject(git.TagObject, object.Encode())
	return ports.TagInfo{
		Ref:     git.Ref{Name: tag("v1.0.0"), Target: object.ID, TargetType: git.TagObject, Peeled: commit, PeeledType: git.CommitObject},
		Version: "1.0.0", Annotated: object,
	}
}

func releaseTagsWhatIsThere(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	r.commit(update("a", "2"))
	res, err := r.PublishRelease(c.ctx, releaseOf(git.AtCommit(head)), each())
	c.ok(err)
	c.equal("the release", res, ports.ReleaseResult{Tag: c.tagOf(head)})
	latest, err := r.LatestTag(c.ctx, ports.LatestTagQuery{})
	c.ok(err)
	c.equal("the latest tag", latest, res.Tag)
	req := releaseOf(git.Head())
	req.Tag.Name, req.Tag.Tagger = tag("v2.0.0-rc.1"), git.Signature{}
	res, err = r.PublishRelease(c.ctx, req, each())
	c.ok(err)
	c.equal("whether a pre-release is one", res.Tag.Prerelease, true)
	if own := res.Tag.Annotated.Tagger; own.IsZero() || time.Since(own.When).Abs() > time.Hour {
		c.Errorf("the tagger is %+v, want the store's own, about now", own)
	}
}

func releaseMakesCommit(c *tc) {
	r := c.createWith(create("a", "1"))
	before := r.head()
	res, err := r.PublishRelease(c.ctx, release(), each(update("a", "2"), create("b", pattern(300_000))))
	c.ok(err)
	commit, err := r.GetCommit(c.ctx, git.Head())
	c.ok(err)
	c.equal("the release", res, ports.ReleaseResult{Tag: c.tagOf(commit.ID), Commit: &ports.CommitResult{
		Commit: commit.ID, Parent: before, Tree: commit.Tree,
		Blobs: []ports.PathBlob{{Path: path("a"), Blob: c.blobID("2")}, {Path: path("b"), Blob: c.blobID(pattern(300_000))}},
	}})
	c.equal("the message", commit.Message, "Prepare\n")
	c.equal("the files of the tag", r.files(revision("v1.0.0")), map[string]string{"a": "2", "b": pattern(300_000)})
	c.equal("the first release of an empty repository", c.firstRelease(), map[string]string{"a": "1"})
}

func (c *tc) firstRelease() map[string]string {
	c.Helper()
	r := c.create()
	_, err := r.PublishRelease(c.ctx, release(), each(create("a", "1")))
	c.ok(err)
	return r.files(revision("v1.0.0"))
}

func releaseOfNoOp(c *tc) {
	r := c.createWith(create("a", "1"))
	commit, err := r.GetCommit(c.ctx, git.Head())
	c.ok(err)
	res, err := r.PublishRelease(c.ctx, release(), each(update("a", "1")))
	c.ok(err)
	c.equal("the release", res, ports.ReleaseResult{Tag: c.tagOf(commit.ID), Commit: &ports.CommitResult{
		Commit: commit.ID, Tree: commit.Tree, Blobs: []ports.PathBlob{{Path: path("a"), Blob: c.blobID("1")}}, NoOp: true,
	}})
	c.equal("HEAD", r.head(), commit.ID)
	c.equal("the tag", r.at(revision("v1.0.0")), commit.ID)
}

func releaseBeginsBranch(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	req := release()
	req.Commit.Branch, req.Commit.Start = branch("release/1"), git.Head()
	res, err := r.PublishRelease(c.ctx, req, each(update("a", "2")))
	c.ok(err)
	c.equal("the parent", res.Commit.Parent, head)
	c.equal("the branch", r.at(revision("release/1")), res.Commit.Commit)
	c.equal("the tag", r.at(revision("v1.0.0")), res.Commit.Commit)
	c.equal("main", r.head(), head)
}

// refusesRelease reports it if the release is made, not refused for the reason, or anything changes.
func (r *repo) refusesRelease(req ports.PublishRelease, changes []git.Change, reason errs.Reason, meta ...string) {
	r.c.Helper()
	r.unchanged(func() {
		res, err := r.PublishRelease(r.c.ctx, req, each(changes...))
		r.c.fails(err, reason, meta...)
		r.c.equal("the result", res, ports.ReleaseResult{})
	})
}

func releaseWithoutTagMakesNothing(c *tc) {
	r := c.createWith(create("a", "1"))
	info, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1.0.0"), Target: git.Head()})
	c.ok(err)
	change := func() []git.Change { return []git.Change{update("a", "2")} }
	for _, id := range []string{"", requestID} {
		req := release()
		req.RequestID = id
		r.refusesRelease(req, change(), errs.ReasonRefExists, errs.MetaRef, "refs/tags/v1.0.0", errs.MetaActual, info.Ref.Target.String())
	}
	req := release()
	req.Tag.Name = tag("v1.0.0/x")
	r.refusesRelease(req, change(), errs.ReasonRefConflict, errs.MetaRef, "refs/tags/v1.0.0/x")
	req.Tag.Name = tag("HEAD")
	r.refusesRelease(req, change(), errs.ReasonInvalidRefName)
	req.Tag.Name = branch("v2.0.0")
	r.refusesRelease(req, change(), errs.ReasonRefNotWritable)
	req.Tag.Name = git.RefName{}
	r.refusesRelease(req, change(), errs.ReasonInvalidRefName)
	for what, tagger := range badSignatures() {
		c.sub("a tagger "+what, func(c *tc) {
			req := release()
			req.Tag.Tagger = tagger
			c.repo(c.store, r.id).refusesRelease(req, []git.Change{update("a", "2")}, errs.ReasonInvalidSignature, errs.MetaField, "tagger")
		})
	}
}

func releaseWithoutCommitMakesNothing(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	r.refusesRelease(release(), []git.Change{create("a", "2")}, errs.ReasonPathExists, errs.MetaPath, "a")
	r.refusesRelease(release(), []git.Change{create(".git/x", "2")}, errs.ReasonDotGitComponent, errs.MetaPath, ".git/x")
	r.refusesRelease(release(), nil, errs.ReasonNoActions, errs.MetaField, "actions")
	req := release()
	req.Commit.ExpectedHead = git.ExpectAbsent()
	r.refusesRelease(req, []git.Change{update("a", "2")}, errs.ReasonRefMoved, movedMeta(mainBranch(), git.ObjectID{}, head)...)
	req = release()
	req.Commit.Message = " "
	r.refusesRelease(req, []git.Change{update("a", "2")}, errs.ReasonInvalidMessage)
	r.refusesRelease(releaseOf(revision("none")), nil, errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/none")
}

func badReleasesAreRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	change := func() []git.Change { return []git.Change{update("a", "2")} }
	for what, message := range badMessages {
		c.sub("a message "+what, func(c *tc) {
			req := releaseOf(git.Head())
			req.Tag.Message = message
			c.repo(c.store, r.id).refusesRelease(req, nil, errs.ReasonInvalidMessage)
		})
	}
	req := releaseOf(git.Head())
	req.Tag.Message = ""
	r.refusesRelease(req, nil, errs.ReasonInvalidMessage, errs.MetaField, "tag.message")
	r.refusesRelease(releaseOf(git.Head()), change(), errs.ReasonInvalidAction)
	r.refusesRelease(releaseOf(git.Revision{}), nil, errs.ReasonInvalidRevision)
	req = release()
	req.Tag.Target = git.Head()
	r.refusesRelease(req, change(), errs.ReasonInvalidArgument, errs.MetaField, "tag.target")
	req = release()
	req.RequestID = "1"
	r.refusesRelease(req, change(), errs.ReasonInvalidRequestID, errs.MetaField, "request_id")
}

func releaseIsReplayed(c *tc) {
	for what, q := range map[string]struct {
		req     func() ports.PublishRelease
		changes func() iter.Seq2[git.Change, error]
	}{
		"with a commit":        {release, func() iter.Seq2[git.Change, error] { return each(update("a", "2"), create("b", "3")) }},
		"of a no-op":           {release, func() iter.Seq2[git.Change, error] { return each(update("a", "1")) }},
		"of what is there":     {func() ports.PublishRelease { return releaseOf(git.Head()) }, func() iter.Seq2[git.Change, error] { return each() }},
		"that begins a branch": {beginning, func() iter.Seq2[git.Change, error] { return each(update("a", "2")) }},
	} {
		c.sub(what, func(c *tc) {
			r := c.createWith(create("a", "1"))
			req := q.req()
			req.RequestID = requestID
			first, err := r.PublishRelease(c.ctx, req, q.changes())
			c.ok(err)
			c.equal("whether the first call is a replay", first.Replayed, false)
			r.commit(upsert("a", "9"))
			want := first
			want.Replayed = true
			if first.Commit != nil {
				commit := *first.Commit
				commit.Replayed = true
				want.Commit = &commit
			}
			r.unchanged(func() {
				again, err := r.PublishRelease(c.ctx, req, q.changes())
				c.ok(err)
				c.equal("the retry", again, want)
			})
		})
	}
}

// beginning is a release that begins a branch.
func beginning() ports.PublishRelease {
	req := release()
	req.Commit.Branch, req.Commit.Start = branch("release/1"), git.AtRef(mainBranch())
	return req
}

func reusedReleaseIsRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	req := release()
	req.RequestID = requestID
	_, err := r.PublishRelease(c.ctx, req, each(update("a", "2")))
	c.ok(err)
	r.refusesRelease(req, []git.Change{update("a", "3")}, errs.ReasonRequestIDReused, errs.MetaField, "request_id")
	other := req
	other.Tag.Message = "Another"
	r.refusesRelease(other, []git.Change{update("a", "2")}, errs.ReasonRequestIDReused, errs.MetaField, "request_id")
	other = req
	other.RequestID = requestID2
	r.refusesRelease(other, []git.Change{update("a", "2")}, errs.ReasonRefExists, errs.MetaRef, "refs/tags/v1.0.0")
}

func releaseDryRun(c *tc) {
	r := c.createWith(create("a", "1"))
	req := release()
	req.DryRun = true
	var dry ports.ReleaseResult
	r.unchanged(func() {
		var err error
		dry, err = r.PublishRelease(c.ctx, req, each(update("a", "2")))
		c.ok(err)
		_, err = r.PublishRelease(c.ctx, req, each(create("a", "2")))
		c.fails(err, errs.ReasonPathExists, errs.MetaPath, "a")
	})
	req.DryRun = false
	wet, err := r.PublishRelease(c.ctx, req, each(update("a", "2")))
	c.ok(err)
	c.equal("what the dry run told", dry, wet)
}

func oneOfManyReleasesIsMade(c *tc) {
	r := c.createWith(create("a", "1"))
	const many = 6
	results := make([]ports.ReleaseResult, many)
	outcomes := make([]error, many)
	var releasing, watching sync.WaitGroup
	done := make(chan struct{})
	watching.Go(func() {
		for !closed(done) {
			seq, err := r.ListRefs(c.ctx, ports.RefQuery{})
			if err != nil {
				c.Error(err)
				return
			}
			refs, err := drain(seq)
			if err != nil {
				c.Error(err)
				return
			}
			if len(refs) > 1 && refs[0].Target != refs[1].Peeled {
				c.Errorf("the tag is at %s while main is at %s, want both to move at once", refs[1].Peeled, refs[0].Target)
			}
		}
	})
	for i := range many {
		releasing.Go(func() {
			results[i], outcomes[i] = r.PublishRelease(c.ctx, release(), each(update("a", fmt.Sprint("by ", i))))
		})
	}
	releasing.Wait()
	close(done)
	watching.Wait()
	made := 0
	for i, err := range outcomes {
		if err == nil {
			made++
			c.equal("HEAD", r.head(), results[i].Commit.Commit)
			c.equal("the content of the release", r.read("a"), fmt.Sprint("by ", i))
			continue
		}
		c.fails(err, errs.ReasonRefExists, errs.MetaRef, "refs/tags/v1.0.0", errs.MetaActual, c.tagOf(r.head()).Ref.Target.String())
	}
	c.equal("the number of releases made", made, 1)
	c.equal("the length of the history", len(r.log(ports.ListCommits{Revision: git.Head()})), 2)
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
