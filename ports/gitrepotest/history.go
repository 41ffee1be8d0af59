package gitrepotest

import (
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var historyCases = []testCase{
	{"a commit is told byte by byte", commitIsTold},
	{"commits come after all their descendants, otherwise the newest first", commitsAreOrdered},
	{"a clock that was wrong does not bring a parent before its child", clocksDoNotMatter},
	{"a path keeps the commits that changed it, and of a merge only the side that it came from", pathKeepsCommits},
	{"an author keeps the commits of whoever has it in the name or email", authorKeepsCommits},
	{"times keep the commits between them, both included", timesKeepCommits},
	{"first parents alone are the branch without what was merged", firstParentsAreFollowed},
	{"an exclusion leaves out all that it reaches", exclusionLeavesOut},
	{"Skip and Limit cut pages without loss or overlap", commitsArePaged},
	{"filters, exclusion and pages work together", filtersWorkTogether},
	{"negative numbers are refused", negativeNumbersAreRefused},
	{"a walk may be broken off", walkMayBeBrokenOff},
}

// walk returns the names of the commits that ListCommits yields.
func (w *world) walk(r *repo, q ports.ListCommits) string {
	r.c.Helper()
	start, seq, err := r.ListCommits(r.c.ctx, q)
	commits := all(r.c, seq, err)
	r.c.equal("the commit that the walk starts from", start, r.at(q.Revision))
	names := make([]string, len(commits))
	for i, commit := range commits {
		for name, known := range w.commits {
			if known.ID == commit.ID {
				names[i] = name
			}
		}
		r.c.equal("the commit "+names[i], *commit, w.commits[names[i]].Commit)
	}
	return strings.Join(names, " ")
}

func commitIsTold(c *tc) {
	r, w := c.readSample()
	for name, want := range w.commits {
		if name == "note" {
			continue
		}
		got, err := r.GetCommit(c.ctx, git.AtCommit(want.ID))
		c.ok(err)
		c.equal("the commit "+name, *got, want.Commit)
	}
	odd, err := r.GetCommit(c.ctx, revision("odd"))
	c.ok(err)
	c.equal("the author", odd.Author.Name, "J\xf6rg")
	c.equal("the author's zone", odd.Author.When.Format("-0700"), "-0330")
	c.equal("the committer", odd.Committer.Name+" <"+odd.Committer.Email+">", "Nobody <>")
	c.equal("the headers", odd.Headers, []git.Header{{Key: "encoding", Value: "ISO-8859-1"}})
	c.equal("the message", odd.Message, "Gr\xfc\xdfe\n\nwithout a newline at the end")
	tagged, err := r.GetCommit(c.ctx, revision("outermost"))
	c.ok(err)
	c.equal("the commit of a tag of a tag", tagged.ID, w.id("first"))

	r, w = c.readStory()
	merge, err := r.GetCommit(c.ctx, git.AtCommit(w.id("merge")))
	c.ok(err)
	c.equal("the parents of a merge", merge.Parents, []git.ObjectID{w.id("third"), w.id("topic2")})
	root, err := r.GetCommit(c.ctx, git.AtCommit(w.id("root")))
	c.ok(err)
	c.equal("the parents of a root", root.Parents, []git.ObjectID(nil))
}

func commitsAreOrdered(c *tc) {
	r, w := c.readStory()
	for rev, want := range map[string]string{
		"HEAD":                 "last ours merge topic2 third side topic1 second root",
		"topic":                "topic2 topic1 second root",
		"orphan":               "orphan",
		w.id("merge").String(): "merge topic2 third topic1 second root",
	} {
		c.equal("the history of "+rev, w.walk(r, ports.ListCommits{Revision: revision(rev)}), want)
	}
}

func clocksDoNotMatter(c *tc) {
	r, w := c.readStory()
	c.equal("the history", w.walk(r, ports.ListCommits{Revision: revision("skewed")}), "skewed second past future root")
}

func pathKeepsCommits(c *tc) {
	r, w := c.readStory()
	for p, want := range map[string]string{
		"a": "last second root", "b": "third", "lib": "topic2 topic1 root", "lib/x": "topic1 root", "lib/y": "topic2", "none": "", "a/none": "",
	} {
		c.equal("the history of "+p, w.walk(r, ports.ListCommits{Revision: git.Head(), Path: path(p)}), want)
	}
	c.equal("the history of a on the side", w.walk(r, ports.ListCommits{Revision: revision("side"), Path: path("a")}), "side second root")
}

func authorKeepsCommits(c *tc) {
	r, w := c.readStory()
	for author, want := range map[string]string{
		"Ada": "ours merge topic1 root", "ada lovelace": "ours merge topic1 root", "BOB@": "last third second", "möb": "last third second",
		"example.org": "topic2 side", "nobody": "", "Ada <": "",
	} {
		c.equal("the commits of "+author, w.walk(r, ports.ListCommits{Revision: git.Head(), Author: author}), want)
	}
}

// hour is a time of the story.
func hour(n int) time.Time { return time.Unix(epoch+int64(n)*3600, 0) }

func timesKeepCommits(c *tc) {
	r, w := c.readStory()
	for _, q := range []struct {
		since, until time.Time
		want         string
	}{
		{hour(6), time.Time{}, "last ours merge"},
		{time.Time{}, hour(1), "second root"},
		{hour(2), hour(4), "third side topic1"},
		{hour(4), hour(4), "third"},
		{hour(2).Add(time.Second), hour(5).Add(-time.Second), "third side"},
		{hour(9), time.Time{}, ""},
		{time.Time{}, hour(-1), ""},
		{hour(5), hour(3), ""},
	} {
		c.equal("the commits from "+q.since.UTC().String()+" to "+q.until.UTC().String(),
			w.walk(r, ports.ListCommits{Revision: git.Head(), Since: q.since, Until: q.until}), q.want)
	}
}

func firstParentsAreFollowed(c *tc) {
	r, w := c.readStory()
	c.equal("the branch", w.walk(r, ports.ListCommits{Revision: git.Head(), FirstParent: true}), "last ours merge third second root")
	c.equal("the branch's changes of lib",
		w.walk(r, ports.ListCommits{Revision: git.Head(), FirstParent: true, Path: path("lib")}), "merge root")
}

func exclusionLeavesOut(c *tc) {
	r, w := c.readStory()
	for _, q := range []struct{ from, without, want string }{
		{"main", "topic", "last ours merge third side"},
		{"main", "side", "last ours merge topic2 third topic1"},
		{"topic", "main", ""},
		{"main", "main", ""},
		{"main", "orphan", "last ours merge topic2 third side topic1 second root"},
		{"orphan", "main", "orphan"},
		{"main", w.id("third").String(), "last ours merge topic2 side topic1"},
	} {
		c.equal(q.from+" without "+q.without,
			w.walk(r, ports.ListCommits{Revision: revision(q.from), Exclude: revision(q.without)}), q.want)
	}
}

func commitsArePaged(c *tc) {
	r, w := c.readStory()
	whole := strings.Fields(w.walk(r, ports.ListCommits{Revision: git.Head()}))
	for _, size := range []int{1, 2, 4, len(whole) - 1, len(whole), len(whole) + 1} {
		var got []string
		for len(got) <= len(whole) {
			page := strings.Fields(w.walk(r, ports.ListCommits{Revision: git.Head(), Skip: len(got), Limit: size}))
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		c.equal("the pages together", got, whole)
	}
	c.equal("what is behind the end", w.walk(r, ports.ListCommits{Revision: git.Head(), Skip: 1000}), "")
}

func filtersWorkTogether(c *tc) {
	r, w := c.readStory()
	q := ports.ListCommits{Revision: git.Head(), Exclude: git.AtCommit(w.id("root")), Path: path("a"), Author: "bob", Until: hour(8)}
	c.equal("the commits", w.walk(r, q), "last second")
	q.Limit = 1
	c.equal("the first", w.walk(r, q), "last")
	q.Skip = 1
	c.equal("the second", w.walk(r, q), "second")
	q.Skip = 2
	c.equal("the third", w.walk(r, q), "")
}

func negativeNumbersAreRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	for _, q := range []ports.ListCommits{{Skip: -1}, {Limit: -1}} {
		q.Revision = git.Head()
		_, _, err := r.ListCommits(c.ctx, q)
		c.fails(err, errs.ReasonInvalidArgument)
	}
}

func walkMayBeBrokenOff(c *tc) {
	r, w := c.readStory()
	for stop := range 3 {
		_, seq, err := r.ListCommits(c.ctx, ports.ListCommits{Revision: git.Head()})
		c.ok(err)
		for _, err := range seq {
			c.ok(err)
			if stop--; stop < 0 {
				break
			}
		}
	}
	c.equal("the next walk", w.walk(r, ports.ListCommits{Revision: revision("topic")}), "topic2 topic1 second root")
}
