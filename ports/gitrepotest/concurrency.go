package gitrepotest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var concurrencyCases = []testCase{
	{"of writers with one expected head one wins, and the others learn the winner", oneWriterWins},
	{"writers without an expectation all succeed, one after the other", allWritersSucceed},
	{"replaying writers of different files all succeed", replayingWritersSucceed},
	{"writers of one file lose no update", noUpdateIsLost},
	{"writers of many branches and repositories do not disturb each other", writersOfManyBranches},
	{"a slow sender holds nobody up, and its commit comes when it is complete", slowSenderHoldsNobodyUp},
	{"readers see whole commits", readersSeeWholeCommits},
	{"a long row of commits stays readable while it grows, and afterwards", longRowStaysReadable},
	{"of many creations of a branch or tag one wins", oneCreationWins},
	{"of many updates of a set of refs one wins, whole", oneUpdateWins},
	{"a branch that is deleted while it is written to loses no commit in between", deletionAgainstCommits},
	{"a repository that is deleted while it is used ends its calls", deletionOfUsedRepository},
}

// together runs n functions at once and returns their errors.
func together(n int, do func(i int) error) []error {
	outcomes := make([]error, n)
	start := make(chan struct{})
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			<-start
			outcomes[i] = do(i)
		})
	}
	close(start)
	running.Wait()
	return outcomes
}

// winner returns which call succeeded, and reports it if it was not exactly one.
func (c *tc) winner(outcomes []error) int {
	c.Helper()
	won := -1
	for i, err := range outcomes {
		switch {
		case err != nil:
		case won >= 0:
			c.Fatalf("both %d and %d won", won, i)
		default:
			won = i
		}
	}
	if won < 0 {
		c.Fatalf("nobody won: %v", errors.Join(outcomes...))
	}
	return won
}

func oneWriterWins(c *tc) {
	r := c.createWith(create("a", "0"))
	const rounds, writers = 20, 8
	for round := range rounds {
		before := r.head()
		results := make([]ports.CommitResult, writers)
		outcomes := together(writers, func(i int) (err error) {
			req := request("Change")
			req.ExpectedHead = git.ExpectID(before)
			results[i], err = r.CommitFiles(c.ctx, req, each(update("a", fmt.Sprintf("%d by %d", round, i))))
			return err
		})
		won := c.winner(outcomes)
		c.equal("HEAD", r.head(), results[won].Commit)
		c.equal("the parent", results[won].Parent, before)
		for i, err := range outcomes {
			if i != won {
				c.fails(err, errs.ReasonRefMoved, movedMeta(mainBranch(), before, results[won].Commit)...)
			}
		}
		c.equal("the file", r.read("a"), fmt.Sprintf("%d by %d", round, won))
	}
	c.equal("the length of the history", len(r.log(ports.ListCommits{Revision: git.Head()})), rounds+1)
}

// linear reports it if the history of HEAD is no line of n commits. It returns the commits, the newest first.
func (r *repo) linear(n int) []*git.Commit {
	r.c.Helper()
	return r.linearAt(git.Head(), n)
}

// linearAt is linear for the history of a revision.
func (r *repo) linearAt(rev git.Revision, n int) []*git.Commit {
	r.c.Helper()
	commits := r.log(ports.ListCommits{Revision: rev})
	r.c.equal("the length of the history", len(commits), n)
	for i, commit := range commits {
		var want []git.ObjectID
		if i+1 < len(commits) {
			want = []git.ObjectID{commits[i+1].ID}
		}
		r.c.equal("the parents of a commit", commit.Parents, want)
	}
	return commits
}

func allWritersSucceed(c *tc) {
	r := c.createWith(create("start", ""))
	const writers, times = 16, 5
	results := make([][times]ports.CommitResult, writers)
	for _, err := range together(writers, func(i int) (err error) {
		for n := range times {
			if results[i][n], err = r.CommitFiles(c.ctx, request("Change"), each(create(fmt.Sprintf("w%d/f%d", i, n), fmt.Sprint(i, n)))); err != nil {
				return err
			}
		}
		return nil
	}) {
		c.ok(err)
	}
	parents := map[git.ObjectID]git.ObjectID{}
	for _, commit := range r.linear(writers*times + 1)[:writers*times] {
		parents[commit.ID] = commit.Parents[0]
	}
	want := map[string]string{"start": ""}
	for i, mine := range results {
		for n, res := range mine {
			c.equal("the parent that the writer was told", res.Parent, parents[res.Commit])
			want[fmt.Sprintf("w%d/f%d", i, n)] = fmt.Sprint(i, n)
		}
	}
	c.equal("the files", r.files(git.Head()), want)
}

func replayingWritersSucceed(c *tc) {
	r := c.createWith(create("start", ""))
	then := r.head()
	const writers = 12
	for _, err := range together(writers, func(i int) error {
		_, err := r.CommitFiles(c.ctx, replaying(then), each(create(fmt.Sprintf("f%d", i), "")))
		return err
	}) {
		c.ok(err)
	}
	r.linear(writers + 1)
}

func noUpdateIsLost(c *tc) {
	r := c.createWith(create("counter", ""))
	const writers, times = 6, 4
	for _, err := range together(writers, func(int) error {
		for done := 0; done < times; {
			f, err := r.GetFile(c.ctx, git.Head(), path("counter"))
			if err != nil {
				return err
			}
			change := expecting(git.ExpectID(f.Blob), update("counter", string(f.Content)+"x"))
			_, err = r.CommitFiles(c.ctx, request("Count"), each(change))
			switch {
			case err == nil:
				done++
			case !errs.Is(err, errs.ReasonBlobMoved):
				return err
			}
		}
		return nil
	}) {
		c.ok(err)
	}
	c.equal("the counter", len(r.read("counter")), writers*times)
	r.linear(writers*times + 1)
}

func writersOfManyBranches(c *tc) {
	repos := []*repo{c.createWith(create("a", "")), c.createWith(create("a", ""))}
	const branches, times = 4, 5
	for _, err := range together(len(repos)*branches, func(i int) error {
		r, name := repos[i%len(repos)], branch(fmt.Sprintf("b%d", i/len(repos)))
		if _, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: name, Target: git.Head()}); err != nil {
			return err
		}
		for n := range times {
			req := request("Change")
			req.Branch = name
			res, err := r.CommitFiles(c.ctx, req, each(create(fmt.Sprintf("f%d", n), "")))
			if err != nil {
				return err
			}
			at, err := r.ResolveRevision(c.ctx, git.AtRef(name))
			if err != nil {
				return err
			}
			if at.Commit != res.Commit {
				return fmt.Errorf("%s is at %s behind a commit %s", name, at.Commit, res.Commit)
			}
		}
		return nil
	}) {
		c.ok(err)
	}
	for _, r := range repos {
		for i := range branches {
			c.equal("the number of files of a branch", len(r.files(git.AtRef(branch(fmt.Sprintf("b%d", i))))), times+1)
		}
		c.equal("the files of main", r.files(git.Head()), map[string]string{"a": ""})
	}
}

func slowSenderHoldsNobodyUp(c *tc) {
	r := c.createWith(create("a", "1"))
	sending, proceed := make(chan struct{}), make(chan struct{})
	var slow ports.CommitResult
	var slowErr error
	var sender sync.WaitGroup
	sender.Go(func() {
		slow, slowErr = r.CommitFiles(c.ctx, request("Slow"), func(yield func(git.Change, error) bool) {
			if !yield(create("slow/1", pattern(300_000)), nil) {
				return
			}
			close(sending)
			select {
			case <-proceed:
			case <-c.ctx.Done():
				return
			}
			yield(create("slow/2", "2"), nil)
		})
	})
	<-sending
	r.commit(create("fast", "1"))
	fast := r.commit(update("fast", "2"))
	close(proceed)
	sender.Wait()
	c.ok(slowErr)
	c.equal("the parent of the slow commit", slow.Parent, fast.Commit)
	c.equal("the number of files", len(r.files(git.Head())), 4)
	r.linear(4)
}

func readersSeeWholeCommits(c *tc) {
	const files, commits = 20, 15
	contents := func(n int) []git.Change {
		changes := make([]git.Change, files)
		for i := range changes {
			changes[i] = upsert(fmt.Sprintf("d%d/f", i), fmt.Sprint(n))
		}
		return changes
	}
	r := c.createWith(contents(0)...)
	var asked []git.TreePath
	for i := range files {
		asked = append(asked, path(fmt.Sprintf("d%d/f", i)))
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	watch := func(read func() (map[string]bool, error)) {
		readers.Go(func() {
			for !closed(done) {
				seen, err := read()
				if err != nil {
					c.Error(err)
					return
				}
				if len(seen) != 1 {
					c.Errorf("one answer holds the contents of %d commits", len(seen))
				}
			}
		})
	}
	watch(func() (map[string]bool, error) { return r.seenByBatch(asked) })
	watch(r.seenByTree)
	for n := range commits {
		r.commit(contents(n + 1)...)
		c.equal("what a writer reads of its own", r.read("d7/f"), fmt.Sprint(n+1))
	}
	close(done)
	readers.Wait()
}

func longRowStaysReadable(c *tc) {
	// As many as a store is likely to gather before it tidies up.
	const commits = 60
	r := c.create()
	var made []git.ObjectID
	done := make(chan struct{})
	var readers sync.WaitGroup
	for n := range commits {
		made = append(made, r.commit(upsert("same", fmt.Sprint(n)), create(fmt.Sprintf("f/%d", n), fmt.Sprint(n))).Commit)
		if n > 0 {
			continue
		}
		readers.Go(func() {
			for !closed(done) {
				if _, err := r.seenByTree(); err != nil {
					c.Error(err)
					return
				}
			}
		})
	}
	close(done)
	readers.Wait()
	for n, commit := range made {
		f, err := r.GetFile(c.ctx, git.AtCommit(commit), path("same"))
		c.ok(err)
		c.equal("the file of a commit", string(f.Content), fmt.Sprint(n))
	}
	c.equal("the number of files", len(r.files(git.Head())), commits+1)
	r.linear(commits)
}

func (r *repo) seenByBatch(asked []git.TreePath) (map[string]bool, error) {
	_, seq, err := r.BatchGetFiles(r.c.ctx, git.AtRef(mainBranch()), asked)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for f, err := range seq {
		if err == nil {
			err = f.Err
		}
		if err != nil {
			return nil, err
		}
		if err := see(seen, f.Content); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

func (r *repo) seenByTree() (map[string]bool, error) {
	_, seq, err := r.ReadTree(r.c.ctx, ports.ReadTree{Revision: git.Head()})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for f, err := range seq {
		if err != nil {
			return nil, err
		}
		if err := see(seen, f.Content); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

func oneCreationWins(c *tc) {
	r := c.createWith(create("a", "1"))
	targets := []git.ObjectID{r.head()}
	for i := range 7 {
		targets = append(targets, r.commit(update("a", fmt.Sprint(i))).Commit)
	}
	won := c.winnerTold(branch("topic"), targets, together(len(targets), func(i int) error {
		_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch("topic"), Target: git.AtCommit(targets[i])})
		return err
	}))
	c.equal("the branch", r.at(revision("topic")), targets[won])
	won = c.winnerTold(tag("v1"), targets, together(len(targets), func(i int) error {
		_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.AtCommit(targets[i])})
		return err
	}))
	c.equal("the tag", r.at(revision("v1")), targets[won])
}

// winnerTold is [tc.winner], and reports it if those who lost were not told where the ref of the winner is.
func (c *tc) winnerTold(name git.RefName, targets []git.ObjectID, outcomes []error) int {
	c.Helper()
	won := c.winner(outcomes)
	for i, err := range outcomes {
		if i != won {
			c.fails(err, errs.ReasonRefExists, errs.MetaRef, name.String(), errs.MetaActual, targets[won].String())
		}
	}
	return won
}

func oneUpdateWins(c *tc) {
	r := c.createWith(create("a", "1"))
	const writers, refs = 6, 5
	base := r.head()
	targets := make([]git.ObjectID, writers)
	for i := range targets {
		targets[i] = r.commit(update("a", fmt.Sprint(i))).Commit
	}
	expected := git.ExpectAbsent()
	for range 10 {
		outcomes := together(writers, func(i int) error {
			updates := make([]git.RefUpdate, refs)
			for n := range updates {
				updates[n] = git.RefUpdate{Name: branch(fmt.Sprintf("set/%d", (n+i)%refs)), Expected: expected, New: targets[i], Force: true}
			}
			_, err := r.UpdateRefs(c.ctx, updates)
			return err
		})
		won := c.winner(outcomes)
		for i, err := range outcomes {
			if i != won {
				c.fails(err, errs.ReasonRefMoved, errs.MetaExpected, expected.ID().String(), errs.MetaActual, targets[won].String())
			}
		}
		updates := make([]git.RefUpdate, refs)
		for n := range refs {
			name := branch(fmt.Sprintf("set/%d", n))
			c.equal("a branch of the set", r.at(git.AtRef(name)), targets[won])
			updates[n] = git.RefUpdate{Name: name, Expected: git.ExpectID(targets[won]), New: base, Force: true}
		}
		_, err := r.UpdateRefs(c.ctx, updates)
		c.ok(err)
		expected = git.ExpectID(base)
	}
}

func deletionAgainstCommits(c *tc) {
	r := c.createWith(create("a", "1"))
	for round := range 10 {
		name := branch(fmt.Sprintf("topic%d", round))
		_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: name, Target: git.Head()})
		c.ok(err)
		before := r.at(git.AtRef(name))
		var made ports.CommitResult
		outcomes := together(2, func(i int) (err error) {
			if i == 0 {
				return r.DeleteBranch(c.ctx, ports.DeleteRef{Name: name, Expected: git.ExpectID(before)})
			}
			req := request("Change")
			req.Branch, req.ExpectedHead = name, git.ExpectID(before)
			made, err = r.CommitFiles(c.ctx, req, each(update("a", fmt.Sprint("round ", round))))
			return err
		})
		if c.winner(outcomes) == 0 {
			c.fails(outcomes[1], errs.ReasonRefMoved, movedMeta(name, before, git.ObjectID{})...)
			_, err := r.ResolveRevision(c.ctx, git.AtRef(name))
			c.fails(err, errs.ReasonRefNotFound)
			continue
		}
		c.fails(outcomes[0], errs.ReasonRefMoved, movedMeta(name, before, made.Commit)...)
		c.equal("the branch", r.at(git.AtRef(name)), made.Commit)
	}
}

func deletionOfUsedRepository(c *tc) {
	r := c.createWith(create("a", pattern(3<<20)), create("b", "1"))
	_, seq, err := r.ReadTree(c.ctx, ports.ReadTree{Revision: git.Head()})
	c.ok(err)
	_, content, err := r.ReadFile(c.ctx, ports.ReadFile{Revision: git.Head(), Path: path("a")})
	c.ok(err)
	outcomes := together(6, func(i int) error {
		if i == 0 {
			return c.store.DeleteRepository(c.ctx, r.id)
		}
		for n := range 10 {
			if _, err := r.CommitFiles(c.ctx, request("Change"), each(upsert("b", fmt.Sprint(i, n)))); err != nil {
				return err
			}
			if _, err := r.GetFile(c.ctx, git.Head(), path("b")); err != nil {
				return err
			}
		}
		return nil
	})
	c.ok(outcomes[0])
	for _, err := range outcomes[1:] {
		if err != nil {
			c.fails(err, errs.ReasonRepositoryNotFound, errs.MetaRepository, r.id.String())
		}
	}
	// What was begun before ends, if not as if nothing had happened, then with an error that is not the caller's fault.
	for f, err := range seq {
		if err != nil {
			c.endedByDeletion(err)
			break
		}
		if _, err := discard(f.Content); err != nil {
			c.endedByDeletion(err)
			break
		}
	}
	if _, err := discard(content); err != nil {
		c.endedByDeletion(err)
	}
	c.ok(content.Close())
}

func (c *tc) endedByDeletion(err error) {
	c.Helper()
	c.failsWithin(err, errs.ReasonRepositoryNotFound, errs.ReasonRepositoryCorrupt, errs.ReasonUnavailable)
}
