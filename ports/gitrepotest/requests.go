package gitrepotest

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var requestCases = []testCase{
	{"a retry returns the first call's commit and makes none", retryReturnsFirstCommit},
	{"a retry is known however the branch went on, and needs not meet what it expected", retryIsKnownLater},
	{"a request id with another content is refused", reusedRequestIDIsRefused},
	{"a request that failed, or made no commit, is not remembered", failedRequestIsForgotten},
	{"branches remember their own requests", requestsAreOfTheirBranch},
	{"of many retries at once one makes the commit", oneOfManyRetriesCommits},
	{"a request is remembered across a restart", requestOutlivesRestart},
	{"a request is remembered for the last 5,000 commits", requestIsRememberedLong},
}

const (
	requestID  = "123e4567-e89b-12d3-a456-426614174000"
	requestID2 = "0190a5a4-7bd0-7cc3-98c4-dc0c0c07398f"
)

func retryReturnsFirstCommit(c *tc) {
	r := c.createWith(create("a", "1"), create("b", "2"), create("c", "3"))
	req := request("Change")
	req.RequestID = requestID
	changes := func() iter.Seq2[git.Change, error] {
		return each(update("a", pattern(300_000)), del("b"), move("c", "d"), create("e", ""))
	}
	first, err := r.CommitFiles(c.ctx, req, changes())
	c.ok(err)
	c.equal("whether the first call is a replay", first.Replayed, false)
	want := first
	want.Replayed = true
	r.unchanged(func() {
		for range 2 {
			again, err := r.CommitFiles(c.ctx, req, changes())
			c.ok(err)
			c.equal("the retry", again, want)
		}
		dry := req
		dry.DryRun = true
		again, err := r.CommitFiles(c.ctx, dry, changes())
		c.ok(err)
		c.equal("a dry run of the retry", again, want)
	})
	later := req
	later.Author.When = later.Author.When.Add(1e12)
	r.unchanged(func() {
		again, err := r.CommitFiles(c.ctx, later, changes())
		c.ok(err)
		c.equal("a retry at another time", again, want)
	})
}

func retryIsKnownLater(c *tc) {
	r := c.createWith(create("a", "1"))
	req := request("Change")
	req.RequestID, req.ExpectedHead = requestID, git.ExpectID(r.head())
	first, err := r.CommitFiles(c.ctx, req, each(create("b", "2")))
	c.ok(err)
	want := first
	want.Replayed = true
	for range 5 {
		r.commit(upsert("b", "3"), upsert("c", "4"))
		r.commit(del("b"), upsert("c", "5"))
	}
	r.unchanged(func() {
		again, err := r.CommitFiles(c.ctx, req, each(create("b", "2")))
		c.ok(err)
		c.equal("the retry", again, want)
	})
}

func reusedRequestIDIsRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	req := request("Change")
	req.RequestID = requestID
	_, err := r.CommitFiles(c.ctx, req, each(create("b", "2")))
	c.ok(err)
	message, author, allowed, expected := req, req, req, req
	message.Message = "Another"
	author.Author.Name = "Somebody else"
	allowed.AllowEmpty = true
	expected.ExpectedHead = git.ExpectID(r.head())
	for what, q := range map[string]struct {
		req    ports.CommitFiles
		change git.Change
	}{
		"content": {req, create("b", "3")}, "path": {req, create("c", "2")}, "action": {req, upsert("b", "2")}, "mode": {req, as(true, create("b", "2"))},
		"message": {message, create("b", "2")}, "author": {author, create("b", "2")}, "permission": {allowed, create("b", "2")}, "expectation": {expected, create("b", "2")},
	} {
		c.sub(what, func(c *tc) {
			c.repo(c.store, r.id).refuses(q.req, []git.Change{q.change}, errs.ReasonRequestIDReused, errs.MetaField, "request_id")
		})
	}
	r.refuses(req, []git.Change{create("b", "2"), create("c", "2")}, errs.ReasonRequestIDReused, errs.MetaField, "request_id")
	r.refuses(req, nil, errs.ReasonRequestIDReused, errs.MetaField, "request_id")
}

func failedRequestIsForgotten(c *tc) {
	r := c.createWith(create("a", "1"))
	req := request("Change")
	req.RequestID = requestID
	r.refuses(req, []git.Change{create("a", "2")}, errs.ReasonPathExists, errs.MetaPath, "a")
	r.unchanged(func() {
		for range 2 {
			res, err := r.CommitFiles(c.ctx, req, each(update("a", "1")))
			c.ok(err)
			c.equal("whether it is a no-op and a replay", [2]bool{res.NoOp, res.Replayed}, [2]bool{true, false})
		}
		dry := req
		dry.DryRun = true
		_, err := r.CommitFiles(c.ctx, dry, each(update("a", "2")))
		c.ok(err)
	})
	res, err := r.CommitFiles(c.ctx, req, each(update("a", "3")))
	c.ok(err)
	c.equal("whether the commit at last is a replay", res.Replayed, false)
}

func requestsAreOfTheirBranch(c *tc) {
	r := c.createWith(create("a", "1"))
	_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch("topic"), Target: git.Head()})
	c.ok(err)
	made := map[string]git.ObjectID{}
	for _, name := range []string{"main", "topic"} {
		req := request("Change")
		req.RequestID, req.Branch = requestID, branch(name)
		res, err := r.CommitFiles(c.ctx, req, each(update("a", "2")))
		c.ok(err)
		c.equal("whether the commit to "+name+" is a replay", res.Replayed, false)
		made[name] = res.Commit
	}
	for name, id := range made {
		c.equal("the branch "+name, r.at(revision(name)), id)
	}
	c.ok(r.DeleteBranch(c.ctx, ports.DeleteRef{Name: branch("topic")}))
	req := request("Change")
	req.RequestID, req.Branch, req.Start = requestID2, branch("topic"), git.AtRef(mainBranch())
	first, err := r.CommitFiles(c.ctx, req, each(update("a", "3")))
	c.ok(err)
	again, err := r.CommitFiles(c.ctx, req, each(update("a", "3")))
	c.ok(err)
	first.Replayed = true
	c.equal("the retry of a commit that began a branch", again, first)
}

func oneOfManyRetriesCommits(c *tc) {
	r := c.createWith(create("a", "1"))
	const many = 8
	results := make([]ports.CommitResult, many)
	outcomes := make([]error, many)
	var writers sync.WaitGroup
	for i := range many {
		writers.Go(func() {
			req := request("Change")
			req.RequestID = requestID
			results[i], outcomes[i] = r.CommitFiles(c.ctx, req, each(create("b", "2")))
		})
	}
	writers.Wait()
	made := 0
	for i, res := range results {
		c.ok(outcomes[i])
		c.equal("the commit", res.Commit, r.head())
		if !res.Replayed {
			made++
		}
	}
	c.equal("the number of commits made", made, 1)
	commits := r.log(ports.ListCommits{Revision: git.Head()})
	c.equal("the length of the history", len(commits), 2)
}

// log returns the commits that ListCommits yields.
func (r *repo) log(q ports.ListCommits) []*git.Commit {
	r.c.Helper()
	_, seq, err := r.ListCommits(r.c.ctx, q)
	return all(r.c, seq, err)
}

func requestOutlivesRestart(c *tc) {
	c.needReopen()
	store := c.h.New(c)
	r := c.createIn(store)
	req := request("Change")
	req.RequestID = requestID
	first, err := r.CommitFiles(c.ctx, req, each(create("a", "1"), create("b", "2")))
	c.ok(err)
	r.commit(update("a", "3"))
	release := ports.PublishRelease{Tag: ports.CreateTag{Name: tag("v1.0.0"), Target: git.Head(), Message: "One", Tagger: ada(epoch)}, RequestID: requestID2}
	published, err := r.PublishRelease(c.ctx, release, each())
	c.ok(err)

	r = c.repo(c.h.Reopen(c, store), r.id)
	first.Replayed, published.Replayed = true, true
	r.unchanged(func() {
		again, err := r.CommitFiles(c.ctx, req, each(create("a", "1"), create("b", "2")))
		c.ok(err)
		c.equal("the retry of the commit", again, first)
		told, err := r.PublishRelease(c.ctx, release, each())
		c.ok(err)
		c.equal("the retry of the release", told, published)
	})
	r.refuses(req, []git.Change{create("a", "1")}, errs.ReasonRequestIDReused, errs.MetaField, "request_id")
}

func requestIsRememberedLong(c *tc) {
	c.needImport()
	r := c.create()
	req := request("Change")
	req.RequestID = requestID
	first, err := r.CommitFiles(c.ctx, req, each(create("a", "1")))
	c.ok(err)
	var more bytes.Buffer
	for i := range 4999 {
		fmt.Fprintf(&more, "commit refs/heads/main\nmark :%d\nauthor %s\ncommitter %s\ndata 2\nm\n", i+1, by(adaPerson, i), by(adaPerson, i))
		from := first.Commit.String()
		if i > 0 {
			from = fmt.Sprintf(":%d", i)
		}
		fmt.Fprintf(&more, "from %s\n\n", from)
	}
	c.h.Import(c, c.store, r.id, []byte(more.String()+"done\n"))
	first.Replayed = true
	r.unchanged(func() {
		again, err := r.CommitFiles(c.ctx, req, each(create("a", "1")))
		c.ok(err)
		c.equal("the retry of the 5,000th commit", again, first)
	})
	r.refuses(req, []git.Change{create("a", strings.Repeat("1", 2))}, errs.ReasonRequestIDReused, errs.MetaField, "request_id")
}
